package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// elsewhere says of documents whose Go blocks other tests run: the programs of
// the README, and the operations, which need their own surroundings.
var elsewhere = map[string]string{
	"README.md":          "TestReadme of cmd/ffcv runs its programs",
	"docs/transforms.md": "benchmarks/contactsheet compares its blocks with the sheets that it makes",
	"beam/README.md":     "a module of its own, whose example is the same pipeline",
}

var (
	goBlock  = regexp.MustCompile("(?m)(?:^<!-- with: (.*) -->\n)?^```go\n((?s:.*?))^```")
	defined  = regexp.MustCompile(`(?m)^(\w+(?:, \w+)*) :=`)
	selected = regexp.MustCompile(`\b([a-z]+)\.[A-Z]`)
)

// TestPrograms compiles the parts of programs in Go, as they stand there, within a
// function with the parameters that a comment in front of them names.
func TestPrograms(t *testing.T) {
	var list []string
	for _, pattern := range []string{"*.md", "docs/*.md", "*/README.md"} {
		names, err := filepath.Glob(filepath.Join(root(t), filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, names...)
	}
	dir := t.TempDir()
	parts := []string{"vet"}
	for _, name := range list {
		rel, err := filepath.Rel(root(t), name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if elsewhere[filepath.ToSlash(rel)] != "" {
			continue
		}
		for _, m := range goBlock.FindAllStringSubmatch(string(text), -1) {
			n := len(parts)
			file := filepath.Join(dir, fmt.Sprintf("%s_%d.go", strings.TrimSuffix(filepath.Base(rel), ".md"), n))
			if err := os.WriteFile(file, []byte(around(n, m[1], m[2])), 0o666); err != nil {
				t.Fatal(err)
			}
			parts = append(parts, file)
		}
	}
	if len(parts) < 5 {
		t.Errorf("%d parts of programs were found, too few", len(parts)-1)
	}
	if out, err := exec.Command("go", parts...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// around puts a part of a program into a function of its own.
func around(number int, parameters, part string) string {
	paths := []string{"context", "fmt", "log", "log/slog", "net/http", "os", "time"}
	for _, p := range []string{"array", "convert", "dataset", "ffcv", "fields", "label", "loader", "rgb", "source", "splice", "stats", "store", "transform", "view"} {
		paths = append(paths, "github.com/betongo/betongo/"+p)
	}
	var used []string
	for _, m := range selected.FindAllStringSubmatch(parameters+part, -1) {
		used = append(used, m[1])
	}
	var b strings.Builder
	b.WriteString("package parts\n\nimport (\n")
	for _, p := range paths {
		if slices.Contains(used, p[strings.LastIndexByte(p, '/')+1:]) {
			fmt.Fprintf(&b, "\t%q\n", p)
		}
	}
	fmt.Fprintf(&b, ")\n\nfunc Part%d(%s) error {\n%s", number, parameters, part)
	for _, m := range defined.FindAllStringSubmatch(part, -1) {
		for name := range strings.SplitSeq(m[1], ", ") {
			fmt.Fprintf(&b, "\t_ = %s\n", name)
		}
	}
	b.WriteString("\treturn nil\n}\n")
	return b.String()
}
