package layers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// promises is the document whose lines name the tests that show them.
const promises = "docs/reliability.md"

// shown are the three ways in which it names one: a function of a folder's Go
// tests, a script, and a function of a Python test. What else stands in
// backquotes is none.
var (
	quoted   = regexp.MustCompile("`([^`]+)`")
	goTest   = regexp.MustCompile(`^([a-z0-9_/]+)/((?:Test|Fuzz|Example|Benchmark)[A-Za-z0-9_]*)$`)
	script   = regexp.MustCompile(`^[a-z0-9_/]+/testdata/script/[a-z0-9_]+\.txt$`)
	pyTest   = regexp.MustCompile(`^(python/tests/test_[a-z0-9_]+\.py)::(test_[a-z0-9_]+)$`)
	testLike = regexp.MustCompile(`^(?:[A-Za-z0-9_/.]*[/.])?(?:Test|Fuzz)[A-Z]|::test_|testdata/script`)
)

// TestPromises: each row of the document's tables names a test, all of them
// exist, and nothing looks like one that can't be found.
func TestPromises(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(promises)))
	if err != nil {
		t.Fatal(err)
	}
	rows, named := 0, 0
	for i, line := range strings.Split(string(text), "\n") {
		found := 0
		for _, m := range quoted.FindAllStringSubmatch(line, -1) {
			ok, is := shows(t, root, m[1])
			if is && !ok {
				t.Errorf("%s:%d: there is no %s", promises, i+1, m[1])
			}
			if is {
				found++
			}
		}
		named += found
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if strings.HasPrefix(line, "| ") && len(cells) == 2 && cells[1] != "shown by" {
			if rows++; found == 0 {
				t.Errorf("%s:%d: a promise that no test shows: %s", promises, i+1, cells[0])
			}
		}
	}
	if rows < 20 || named < 2*20 {
		t.Errorf("%d promises and %d tests in %s: it is read wrongly", rows, named, promises)
	}
}

// shows tells whether a name is one of a test, and whether there is that.
func shows(t *testing.T, root, name string) (ok, is bool) {
	t.Helper()
	if m := goTest.FindStringSubmatch(name); m != nil {
		return declares(t, filepath.Join(root, filepath.FromSlash(m[1])), m[2]), true
	}
	if script.MatchString(name) {
		_, err := os.Stat(filepath.Join(root, filepath.FromSlash(name)))
		return err == nil, true
	}
	if m := pyTest.FindStringSubmatch(name); m != nil {
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m[1])))
		return err == nil && strings.Contains(string(b), "\ndef "+m[2]+"("), true
	}
	return false, testLike.MatchString(name)
}

// declares tells whether a test file of a folder declares the function.
func declares(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range tree.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == name {
				return true
			}
		}
	}
	return false
}

// TestShows holds the reading of names to what it is for.
func TestShows(t *testing.T) {
	root := filepath.Join("..", "..")
	here := path.Join("internal", "layers")
	for name, want := range map[string][2]bool{
		here + "/TestShows":                         {true, true},
		here + "/TestNothingOfThatName":             {false, true},
		"nowhere/TestShows":                         {false, true},
		"cmd/ffcv/testdata/script/verify.txt":       {true, true},
		"cmd/ffcv/testdata/script/none.txt":         {false, true},
		"python/tests/test_verify.py::test_a_row":   {true, true},
		"python/tests/test_verify.py::test_no_such": {false, true},
		"TestShows":        {false, true},
		"ffcv.TestShows":   {false, true},
		"ffcv verify FILE": {false, false},
		"TestingIsFun":     {false, false},
	} {
		if ok, is := shows(t, root, name); ok != want[0] || is != want[1] {
			t.Errorf("%q: %v, %v, want %v", name, ok, is, want)
		}
	}
}
