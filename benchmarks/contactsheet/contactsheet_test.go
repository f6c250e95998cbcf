package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/rgb"
)

const docs = "../../docs/"

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// operations are the exported types of package transform that can be bound.
func operations(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("../../transform/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			m, ok := d.(*ast.FuncDecl)
			if !ok || m.Recv == nil || !strings.HasPrefix(m.Name.Name, "Bind") {
				continue
			}
			if r, ok := m.Recv.List[0].Type.(*ast.Ident); ok && r.IsExported() && !slices.Contains(names, r.Name) {
				names = append(names, r.Name)
			}
		}
	}
	return names
}

// TestPage holds the page to the package: every operation has a section.
func TestPage(t *testing.T) {
	page, all := read(t, docs+"transforms.md"), operations(t)
	if len(all) < 30 {
		t.Fatalf("package transform has operations %v, want 30 or more", all)
	}
	for _, name := range all {
		if !strings.Contains(page, "\n### "+name+"\n") {
			t.Errorf("the page has no section %s", name)
		}
	}
}

// TestCode finds what the page shows as Go in the program, which compiles and
// made the sheets.
func TestCode(t *testing.T) {
	code := read(t, "kind.go")
	for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, docs+"transforms.md"), -1) {
		for line := range strings.Lines(block[1]) {
			if line = strings.TrimSpace(line); !strings.Contains(code, line) {
				t.Errorf("the page has %q, which is not in kind.go", line)
			}
		}
	}
}

// TestLinks holds the page's links within itself and to pictures to what is
// there, and the pictures to the page.
func TestLinks(t *testing.T) {
	page := read(t, docs+"transforms.md")
	for _, m := range regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(page, -1) {
		found := false
		for _, h := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
			found = found || strings.ReplaceAll(strings.ToLower(h[1]), " ", "-") == m[1]
		}
		if !found {
			t.Errorf("the page links to #%s, which it doesn't have", m[1])
		}
	}
	var shown, want []string
	for _, m := range regexp.MustCompile(`\]\(transforms/([^)]*)\.jpg\)`).FindAllStringSubmatch(page, -1) {
		shown = append(shown, m[1])
	}
	for _, k := range kinds {
		want = append(want, k.name)
	}
	slices.Sort(shown)
	slices.Sort(want)
	if !slices.Equal(shown, want) {
		t.Errorf("the page shows the sheets\n%v, the program makes\n%v", shown, want)
	}
}

// TestSheets makes all sheets and compares them with those in the page's
// folder: they show what the operations do now.
func TestSheets(t *testing.T) {
	dir := t.TempDir()
	if code := run([]string{dir}, os.Stdout, os.Stderr); code != 0 {
		t.Fatalf("exit code %d, want 0", code)
	}
	made, kept := pictures(t, dir), pictures(t, docs+"transforms")
	if len(made) != len(kinds) || len(kept) != len(kinds) {
		t.Fatalf("%d sheets made, %d in the folder, want %d", len(made), len(kept), len(kinds))
	}
	for name, got := range made {
		want, ok := kept[name]
		if !ok || got.Width != want.Width || got.Height != want.Height {
			t.Errorf("%s is %dx%d, the folder's %dx%d: make the sheets again", name, got.Width, got.Height, want.Width, want.Height)
			continue
		}
		// Where products are fused some values differ by one.
		sum := 0
		for i, v := range got.Pix {
			sum += max(int(v)-int(want.Pix[i]), int(want.Pix[i])-int(v))
		}
		if mean := float64(sum) / float64(len(got.Pix)); mean > 0.1 {
			t.Errorf("%s differs from the folder's by %.2f on average: make the sheets again, and look", name, mean)
		}
	}
}

// pictures decodes the pictures of a folder, which is to stay small.
func pictures(t *testing.T, dir string) map[string]rgb.Image {
	t.Helper()
	list, size := map[string]rgb.Image{}, 0
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b := []byte(read(t, filepath.Join(dir, path)))
		var p rgb.Image
		size += len(b)
		if err := rgb.DecodeJPEG(&p, b); err != nil {
			return err
		}
		list[path] = p
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	if size > 1_500_000 {
		t.Errorf("%s: %d bytes, want 1,500,000 at most", dir, size)
	}
	return list
}

// TestUsage tries command lines that can't work.
func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"--quality", "0", t.TempDir()}, {"--quality", "101", t.TempDir()}} {
		var out, errs strings.Builder
		if code := run(args, &out, &errs); code != 2 || errs.Len() == 0 {
			t.Errorf("%q: exit code %d with message %q, want 2 and a message", args, code, errs.String())
		}
	}
}
