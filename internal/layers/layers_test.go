// Package layers holds the test of the house's one rule: imports point
// downwards. It reads the source files itself, for every system and build tag
// at once, where the go command would show one system's view.
package layers_test

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/betongo/betongo"

// room is a package or, with a trailing /*, all packages below a folder.
type room struct {
	path  string
	layer int
	below []string // what it may import of ours; "*" is anything of a lower layer
}

// rooms is the whole house. A test file may import anything of a lower layer,
// and the rooms that exist for tests.
var rooms = []room{
	{"testdata/photos", 0, nil}, // photographs, embedded
	{"testdata/ffcv", 0, nil},   // FFCV's files, embedded
	{"internal/leak", 0, nil},
	{"internal/race", 0, nil}, // for tests
	{"internal/hash", 0, nil},
	{"internal/wire", 0, nil},
	{"internal/regular", -1, nil}, // opens nothing but regular files
	{"internal/mmap", 0, []string{"internal/regular"}},
	{"rgb/internal/jpeg", -1, nil},
	{"rgb/internal/resize", -1, nil},
	{"rgb", 0, []string{"rgb/internal/jpeg", "rgb/internal/resize"}},
	{"internal/literal", 0, nil},
	{"internal/shuffle", 0, nil}, // elements taken apart into their bytes
	{"internal/aside", 0, nil},
	{"remote", 0, nil},
	{"internal/s3test", 0, nil},     // for tests
	{"internal/faultproxy", 0, nil}, // for tests
	{"internal/pyjson", 0, nil},
	{"label", 0, nil},
	{"array", 1, []string{"internal/wire", "internal/literal", "internal/aside", "internal/regular", "internal/mmap"}},
	{"alloc", 1, []string{"internal/wire"}},
	{"internal/bypass", 1, nil},
	{"internal/roll", 1, []string{"internal/mmap"}},
	{"internal/pagecache", 1, []string{"internal/mmap", "internal/regular"}},
	{"fields", 2, []string{"array", "rgb", "internal/shuffle", "internal/wire", "internal/regular", "internal/mmap"}},
	{"internal/arrow", 2, []string{"array", "internal/wire"}}, // what Arrow's files and Parquet's share
	{"array/arrowfile", 3, []string{"array", "internal/arrow", "internal/wire", "internal/mmap", "internal/aside", "internal/regular"}},
	{"internal/parquet", 3, []string{"internal/arrow", "internal/mmap"}}, // Parquet's bytes
	{"array/parquetfile", 4, []string{"array", "internal/arrow", "internal/parquet", "internal/wire", "internal/mmap", "internal/aside", "internal/regular"}},
	{"internal/formattest", 2, []string{"array", "internal/race"}},
	{"array/*", 2, []string{"array", "rgb", "internal/shuffle", "internal/wire", "internal/mmap", "internal/aside", "internal/literal", "internal/pyjson", "internal/regular"}}, // a format each: none knows another
	{"fields/fieldtest", 3, []string{"fields", "array", "rgb"}},
	{"ffcv", 3, []string{"fields", "alloc", "array", "rgb", "internal/aside", "internal/hash", "internal/wire", "internal/mmap", "internal/pagecache", "internal/regular"}},
	{"splice", 4, []string{"label", "ffcv", "fields", "internal/mmap"}},
	{"record/*", 4, []string{"array", "rgb", "internal/arrow", "internal/parquet", "internal/literal", "internal/pyjson", "internal/regular", "internal/wire"}}, // a format of samples each
	{"source", 5, []string{"record/webdataset", "record/mds", "record/tfrecord", "record/parquet", "array/npy", "array", "rgb", "fields", "internal/mmap", "internal/pyjson", "internal/roll", "internal/regular"}},
	{"transform", 3, []string{"array", "rgb"}},
	{"loader", 4, []string{"ffcv", "fields", "alloc", "array", "rgb", "internal/aside", "internal/hash", "internal/mmap", "internal/bypass", "internal/regular"}},
	{"dataset", 5, []string{"loader", "ffcv", "fields", "alloc", "internal/hash", "internal/pagecache", "internal/regular"}},
	{"stats", 6, []string{"loader", "ffcv", "fields", "array", "rgb", "internal/hash", "internal/roll", "internal/mmap"}},
	{"internal/op", 5, []string{"loader", "transform", "array", "rgb"}}, // operations as JSON
	{"internal/memory", 0, nil},
	{"store", 6, []string{"dataset", "ffcv", "remote", "internal/aside", "internal/memory", "internal/regular"}},
	{"build", 7, []string{"store", "source", "splice", "dataset", "loader", "transform", "ffcv", "fields", "alloc", "array", "array/npy", "rgb", "remote", "internal/aside", "internal/mmap", "internal/regular", "internal/usage"}},
	{"export", 7, []string{"store", "dataset", "loader", "ffcv", "fields", "array", "array/npy", "rgb", "remote", "record/mds", "record/parquet", "record/webdataset", "internal/aside", "internal/hash", "internal/mmap", "internal/regular"}},
	{"view", 7, []string{"alloc", "array", "array/npy", "dataset", "ffcv", "fields", "label", "loader", "remote", "rgb", "stats", "store", "transform", "internal/hash", "internal/mmap", "internal/op", "internal/regular"}},
	{"internal/storeflag", 7, []string{"store", "remote", "ffcv", "internal/term"}},
	{"convert", 7, []string{"*"}}, // joins all formats, .beton among them
	{"internal/term", 4, nil},
	{"internal/complete", 4, nil}, // what may stand at a shell's cursor
	{"internal/advice", 7, []string{"ffcv", "remote", "rgb", "internal/term", "internal/regular"}},
	{"internal/clitest", 5, []string{"internal/term", "internal/race"}}, // for tests
	{"internal/usage", 0, nil},
	{"internal/scripttest", 3, []string{"array", "array/npy", "internal/race"}},
	{"internal/ffcvtest", 4, []string{"ffcv", "fields", "rgb", "testdata/ffcv"}},
	{"internal/engine", 6, []string{"alloc", "array", "dataset", "ffcv", "fields", "loader", "rgb", "splice", "transform", "internal/aside", "internal/bypass", "internal/hash", "internal/memory", "internal/mmap", "internal/op", "internal/regular"}}, // no stores: it is to stay small
	{"internal/engine/program", 8, []string{"internal/engine"}}, // the main function of two commands
	{"internal/tools", 8, []string{"*"}},
	{"internal/remotetest", 6, []string{"*"}},
	{"internal/layers", 8, nil},
	{"internal/ci", 8, nil},
	{"cmd/betongo-engine", 9, []string{"internal/engine/program", "internal/engine"}},
	{"cmd/betongo-tools", 9, []string{"internal/engine/program", "internal/tools"}},
	{"cmd/*", 8, []string{"*"}},
	{"docs", 8, []string{"*"}},                           // a test of what is told there
	{"benchmarks/result", 7, []string{"internal/aside"}}, // what the others there measure
	{"benchmarks", 9, []string{"*"}},
	{"benchmarks/*", 8, []string{"*"}},
	{"testdata/*", 8, []string{"*"}}, // programs that made the files there
}

// forTests are the rooms that serve tests: of the layer just below them too.
var forTests = []string{"fields/fieldtest", "internal/clitest", "internal/ffcvtest", "internal/formattest", "internal/leak", "internal/race", "internal/scripttest", "internal/s3test", "internal/faultproxy", "testdata/ffcv", "testdata/photos"}

// find returns the room of a package, given by its folder.
func find(dir string) *room {
	for i, r := range rooms {
		folder, all := strings.CutSuffix(r.path, "/*")
		if dir == folder || all && strings.HasPrefix(dir, folder+"/") {
			return &rooms[i]
		}
	}
	return nil
}

// file is what one source file imports.
type file struct {
	name    string // slash-separated, from the module's root
	imports map[string]token.Position
}

func (f *file) dir() string { return path.Dir(f.name) }
func (f *file) test() bool  { return strings.HasSuffix(f.name, "_test.go") }

// parse reads one file's imports.
func parse(name string, source any) (*file, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, name, source, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	f := &file{name: name, imports: map[string]token.Position{}}
	for _, spec := range tree.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		f.imports[p] = set.Position(spec.Pos())
	}
	return f, nil
}

// readModule reads every Go file of the module.
func readModule(t *testing.T) []*file {
	t.Helper()
	root := filepath.Join("..", "..")
	var files []*file
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root {
			_, nested := os.Stat(filepath.Join(name, "go.mod"))
			other := d.Name() == "testdata" && filepath.Dir(name) != root // ours at the root is read too
			if other || strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") || nested == nil {
				return fs.SkipDir
			}
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f, err := parse(filepath.ToSlash(rel), source)
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// violations returns what f imports against the rule.
func violations(f *file) []string {
	from := find(f.dir())
	if from == nil {
		return []string{fmt.Sprintf("%s: the package %s has no room in the table of layers", f.name, f.dir())}
	}
	var bad []string
	for p, at := range f.imports {
		if p == "C" {
			bad = append(bad, fmt.Sprintf("%s: imports C; the module is pure Go", at))
		}
		dir, ours := strings.CutPrefix(p, module+"/")
		if !ours {
			if p == module {
				bad = append(bad, fmt.Sprintf("%s: the module's root is no package", at))
			}
			continue
		}
		to := find(dir)
		switch {
		case to == nil:
			bad = append(bad, fmt.Sprintf("%s: %s has no room in the table of layers", at, p))
		case f.test() && (dir == f.dir() || to.layer < from.layer || slices.Contains(forTests, dir) && to.layer <= from.layer+1):
		case slices.Contains(from.below, dir), slices.Contains(from.below, "*") && to.layer < from.layer:
		default:
			bad = append(bad, fmt.Sprintf("%s: %s (layer %d) may not import %s (layer %d)", at, f.dir(), from.layer, dir, to.layer))
		}
	}
	slices.Sort(bad)
	return bad
}

func TestImportsPointDownwards(t *testing.T) {
	seen := map[string]int{}
	for _, f := range readModule(t) {
		seen[f.dir()]++
		for _, v := range violations(f) {
			t.Error(v)
		}
	}
	for _, dir := range []string{"internal/wire", "internal/mmap", "rgb", "array", "array/npy", "alloc", "fields",
		"ffcv", "splice", "source", "transform", "loader", "dataset", "convert", "cmd/ffcv", "cmd/ffcvwrite", "cmd/ffcvconvert", "testdata/ffcv", "testdata/photos"} {
		if seen[dir] == 0 {
			t.Errorf("no source file of %s was read", dir)
		}
	}
}

// TestTable holds the table itself to the rule.
func TestTable(t *testing.T) {
	for _, r := range rooms {
		for _, dir := range r.below {
			if dir == "*" {
				continue
			}
			if to := find(dir); to == nil || to.layer >= r.layer {
				t.Errorf("%s in layer %d may import %s, which is no room of a lower layer", r.path, r.layer, dir)
			}
		}
	}
}

// TestViolationsAreCaught shows that the rule can fail.
func TestViolationsAreCaught(t *testing.T) {
	for _, test := range []struct {
		name, imports, want string
	}{
		{"ffcv/x.go", module + "/fields", ""},
		{"ffcv/x_windows.go", module + "/loader", "ffcv (layer 3) may not import loader (layer 4)"},
		{"ffcv/x.go", module + "/source", "may not import source"},
		{"source/x.go", module + "/ffcv", "may not import ffcv"},
		{"transform/x.go", module + "/internal/wire", "may not import internal/wire"},
		{"rgb/x.go", module + "/array", "may not import array"},
		{"array/npy/x.go", module + "/ffcv", "may not import ffcv"},
		{"array/npy/x.go", module + "/array/gnz", "may not import array/gnz"},
		{"array/x.go", module + "/array/npy", "may not import array/npy"},
		{"convert/x.go", module + "/array/npy", ""},
		{"convert/x.go", module + "/ffcv", ""},
		{"ffcv/x.go", module + "/convert", "may not import convert"},
		{"alloc/x_test.go", module + "/ffcv", "may not import ffcv"},
		{"alloc/x_test.go", module + "/rgb", ""},
		{"alloc/x_test.go", module + "/alloc", ""},
		{"alloc/x.go", module + "/alloc", "may not import alloc"},
		{"fields/x_test.go", module + "/fields/fieldtest", ""},
		{"fields/x.go", module + "/fields/fieldtest", "may not import fields/fieldtest"},
		{"rgb/x_test.go", module + "/fields/fieldtest", "may not import fields/fieldtest"},
		{"rgb/x_test.go", module + "/testdata/photos", ""},
		{"rgb/x.go", module + "/testdata/photos", "may not import testdata/photos"},
		{"rgb/x_test.go", module + "/testdata/ffcv", ""},
		{"loader/x.go", module + "/testdata/ffcv", "may not import testdata/ffcv"},
		{"testdata/broken/x.go", module + "/ffcv", ""},
		{"testdata/photos/x.go", module + "/rgb", "may not import rgb"},
		{"cmd/ffcv/x.go", module + "/loader", ""},
		{"cmd/ffcv/x.go", module + "/dataset", ""},
		{"loader/x.go", module + "/dataset", "may not import dataset"},
		{"cmd/ffcv/x.go", module + "/cmd/ffcvwrite", "may not import cmd/ffcvwrite"},
		{"ffcv/x.go", module + "/util", "no room"},
		{"ffcv/x.go", module, "no package"},
		{"util/x.go", "fmt", "util has no room"},
		{"rgb/x.go", "C", "pure Go"},
		{"rgb/x.go", "fmt", ""},
	} {
		f, err := parse(test.name, fmt.Sprintf("//go:build never\n\npackage x\n\nimport _ %q\n", test.imports))
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(violations(f), "\n")
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s imports %s: got %q, want %q", test.name, test.imports, got, test.want)
		}
	}
}

// TestFewModules: a program that loads a file takes few modules along.
func TestFewModules(t *testing.T) {
	const most = 5
	byDir := map[string][]*file{}
	for _, f := range readModule(t) {
		if !f.test() {
			byDir[f.dir()] = append(byDir[f.dir()], f)
		}
	}
	known := requires(t)
	modules := map[string]string{} // by path, with who imports it
	visited := map[string]bool{}
	queue := []string{"ffcv", "loader"}
	for len(queue) > 0 {
		dir := queue[0]
		queue = queue[1:]
		if visited[dir] {
			continue
		}
		visited[dir] = true
		if len(byDir[dir]) == 0 {
			t.Errorf("no source file of %s was read", dir)
		}
		for _, f := range byDir[dir] {
			for p := range f.imports {
				if local, ours := strings.CutPrefix(p, module+"/"); ours {
					queue = append(queue, local)
				} else if m := moduleOf(p, known); m != "" {
					modules[m] = f.name
				} else if first, _, _ := strings.Cut(p, "/"); strings.Contains(first, ".") {
					t.Errorf("%s imports %s, of no module in go.mod", f.name, p)
				}
			}
		}
	}
	n := 0
	for m, by := range modules {
		if strings.HasPrefix(m, "golang.org/x/") {
			continue
		}
		n++
		t.Logf("%s, for %s", m, by)
	}
	if n > most {
		t.Errorf("ffcv and loader bring %d modules, want at most %d", n, most)
	}
	if !visited["fields"] || n == 0 {
		t.Errorf("the walk saw %d packages and %d modules: it does not work", len(visited), n)
	}
}

// moduleOf returns the module that a package belongs to.
func moduleOf(pkg string, modules []string) string {
	best := ""
	for _, m := range modules {
		if (pkg == m || strings.HasPrefix(pkg, m+"/")) && len(m) > len(best) {
			best = m
		}
	}
	return best
}

// requires reads the modules that go.mod names.
func requires(t *testing.T) []string {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var modules []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(lines.Text()), "require "))
		if len(words) >= 2 && strings.HasPrefix(words[1], "v") {
			modules = append(modules, words[0])
		}
	}
	if len(modules) < 5 {
		t.Fatalf("go.mod: %d modules", len(modules))
	}
	return modules
}

// TestLibrariesKeepQuiet: a library returns what it has to say; it neither
// prints nor ends the program.
func TestLibrariesKeepQuiet(t *testing.T) {
	n := 0
	for _, f := range readModule(t) {
		if f.test() || find(f.dir()) == nil || find(f.dir()).layer >= 8 {
			continue
		}
		n++
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, filepath.Join("..", "..", filepath.FromSlash(f.name)), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(node ast.Node) bool {
			if sel, ok := node.(*ast.SelectorExpr); ok {
				if from, ok := sel.X.(*ast.Ident); ok && loud(from.Name, sel.Sel.Name) {
					t.Errorf("%s: %s.%s in a library", set.Position(sel.Pos()), from.Name, sel.Sel.Name)
				}
			}
			return true
		})
	}
	if n < 20 {
		t.Errorf("only %d files were read", n)
	}
	for call, want := range map[string]bool{"fmt.Println": true, "fmt.Printf": true, "fmt.Fprintf": false, "os.Exit": true,
		"os.Stdout": true, "os.Stderr": true, "log.Fatal": true, "os.Open": false} {
		pkg, name, _ := strings.Cut(call, ".")
		if got := loud(pkg, name); got != want {
			t.Errorf("%s: got %v, want %v", call, got, want)
		}
	}
}

// loud says whether pkg.name prints or exits.
func loud(pkg, name string) bool {
	switch pkg {
	case "log":
		return true
	case "fmt":
		return strings.HasPrefix(name, "Print")
	case "os":
		return name == "Exit" || name == "Stdout" || name == "Stderr"
	}
	return false
}
