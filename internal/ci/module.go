package main

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// moduleInfo is what the sources say about themselves.
type moduleInfo struct {
	root       string
	name       string   // of one inside: its folder
	goVersion  string   // the lowest, by go.mod: "1.24.0"
	files      []string // all Go files, from root
	fuzz       []target // in the order of files
	needs      int      // how many modules go.mod names
	concurrent []string // packages whose code or tests run things side by side: "./loader"
	assembly   []string // packages with assembly for amd64
	s3         []string // packages with tests that want an S3 server
	browser    []string // packages with tests that drive a browser
	nested     []string // folders of the modules inside, from root: "gomlx"
	whole      bool     // nothing is made smaller or left out for its time
	s3Server   bool     // there is one: its tests must run
}

// target is a fuzz target.
type target struct{ pkg, name string }

// readModule reads every Go file of the module.
func readModule(root string) (*moduleInfo, error) {
	m := &moduleInfo{root: root}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(mod)); lines.Scan(); {
		if v, ok := strings.CutPrefix(lines.Text(), "go "); ok {
			m.goVersion = strings.TrimSpace(v)
		}
		if words := strings.Fields(strings.TrimPrefix(lines.Text(), "require ")); len(words) >= 2 && strings.HasPrefix(words[1], "v") {
			m.needs++
		}
	}
	if m.goVersion == "" {
		return nil, fmt.Errorf("%s names no Go version", filepath.Join(root, "go.mod"))
	}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			other := d.Name() == "testdata" && filepath.Dir(name) != root // ours at the root holds programs
			if name == root {
				return nil
			}
			if other || strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
			if isModule(name) {
				rel, err := filepath.Rel(root, name)
				m.nested = append(m.nested, filepath.ToSlash(rel))
				if err == nil {
					err = fs.SkipDir
				}
				return err
			}
			return nil
		}
		if strings.HasSuffix(name, "_amd64.s") {
			return m.note(&m.assembly, name)
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		return m.readFile(name)
	})
	if err == nil && len(m.files) == 0 {
		err = fmt.Errorf("no Go file below %s", root)
	}
	return m, err
}

// inside reads the modules in the module's folders.
func (m *moduleInfo) inside() ([]*moduleInfo, error) {
	var list []*moduleInfo
	for _, name := range m.nested {
		n, err := readModule(filepath.Join(m.root, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		n.name = name
		list = append(list, n)
	}
	return list, nil
}

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func (m *moduleInfo) readFile(name string) error {
	rel, err := filepath.Rel(m.root, name)
	if err != nil {
		return err
	}
	m.files = append(m.files, rel)
	tree, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		return err
	}
	if isConcurrent(tree) {
		if err := m.note(&m.concurrent, name); err != nil {
			return err
		}
	}
	if !strings.HasSuffix(name, "_test.go") {
		return nil
	}
	for _, f := range fuzzTargets(tree) {
		m.fuzz = append(m.fuzz, target{"./" + filepath.ToSlash(filepath.Dir(rel)), f})
	}
	for begins, list := range map[string]*[]string{s3Tests: &m.s3, browserTests: &m.browser} {
		if !hasTest(tree, begins) {
			continue
		}
		if err := m.note(list, name); err != nil {
			return err
		}
	}
	return nil
}

// hasTest tells whether a function's name begins so.
func hasTest(tree *ast.File, begins string) bool {
	return slices.ContainsFunc(tree.Decls, func(d ast.Decl) bool {
		f, ok := d.(*ast.FuncDecl)
		return ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, begins)
	})
}

// note puts a file's package into a list of packages.
func (m *moduleInfo) note(list *[]string, name string) error {
	rel, err := filepath.Rel(m.root, filepath.Dir(name))
	if pkg := "./" + filepath.ToSlash(rel); err == nil && !slices.Contains(*list, pkg) {
		*list = append(*list, pkg)
	}
	return err
}

// fuzzTargets returns the names of the functions func FuzzX(f *testing.F).
func fuzzTargets(tree *ast.File) []string {
	var names []string
	for _, d := range tree.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Fuzz") || len(f.Type.Params.List) != 1 {
			continue
		}
		star, ok := f.Type.Params.List[0].Type.(*ast.StarExpr)
		if !ok {
			continue
		}
		if sel, ok := star.X.(*ast.SelectorExpr); ok && sel.Sel.Name == "F" {
			names = append(names, f.Name.Name)
		}
	}
	return names
}

// isConcurrent tells whether a file starts goroutines or guards against them.
func isConcurrent(tree *ast.File) bool {
	for _, spec := range tree.Imports {
		switch p, _ := strconv.Unquote(spec.Path.Value); p {
		case "sync", "sync/atomic", "golang.org/x/sync/errgroup":
			return true
		}
	}
	found := false
	ast.Inspect(tree, func(n ast.Node) bool {
		_, is := n.(*ast.GoStmt)
		found = found || is
		return !found
	})
	return found
}

// unformatted returns the files that gofmt would change.
func (m *moduleInfo) unformatted() ([]string, error) {
	var bad []string
	for _, name := range m.files {
		b, err := os.ReadFile(filepath.Join(m.root, name))
		if err != nil {
			return nil, err
		}
		b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) // git on Windows may check out so
		want, err := format.Source(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if !bytes.Equal(b, want) {
			bad = append(bad, name)
		}
	}
	return bad, nil
}
