package layers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestExamples: every entry point of a package that others may import is called by
// an example of the package's, so that its documentation shows how it is used and
// a test runs it. An entry point is an exported function that takes a context or
// Options, or makes one of the package's own types and may fail.
func TestExamples(t *testing.T) {
	root := filepath.Join("..", "..")
	entries, shown := map[string][]string{}, map[string][]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"internal", "cmd", "benchmarks", "testdata", "python", "node_modules"}, d.Name())) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(rel) != ".go" {
			return nil
		}
		tree, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := path.Dir(rel)
		if !strings.HasSuffix(rel, "_test.go") {
			if tree.Name.Name != "main" {
				entries[dir] = append(entries[dir], entryPoints(tree)...)
			}
			return nil
		}
		shown[dir] = append(shown[dir], called(tree, module+"/"+dir)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for dir, list := range entries {
		for _, name := range list {
			count++
			if !slices.Contains(shown[dir], name) {
				t.Errorf("%s: no example calls %s", dir, name)
			}
		}
	}
	if count < 80 {
		t.Errorf("%d entry points were found, too few", count)
	}
}

// entryPoints returns the names of a file's entry points.
func entryPoints(tree *ast.File) (list []string) {
	for _, d := range tree.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !f.Name.IsExported() {
			continue
		}
		entry := false
		for _, p := range f.Type.Params.List {
			name := typeName(p.Type)
			entry = entry || name == "Context" || strings.HasSuffix(name, "Options")
		}
		if r := f.Type.Results; r != nil && len(r.List) == 2 && typeName(r.List[1].Type) == "error" {
			star, ok := r.List[0].Type.(*ast.StarExpr)
			if ok {
				id, own := star.X.(*ast.Ident)
				entry = entry || own && id.IsExported()
			}
		}
		if entry {
			list = append(list, f.Name.Name)
		}
	}
	return list
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// called returns the names that a file's examples, and the functions of the file that
// they call, select from the package of that import path.
func called(tree *ast.File, imported string) (list []string) {
	name := ""
	for _, im := range tree.Imports {
		if p, err := strconv.Unquote(im.Path.Value); err == nil && p == imported {
			if name = path.Base(p); im.Name != nil {
				name = im.Name.Name
			}
		}
	}
	functions := map[string]*ast.FuncDecl{}
	var next []*ast.FuncDecl
	for _, d := range tree.Decls {
		f, ok := d.(*ast.FuncDecl)
		switch {
		case !ok:
		case f.Recv == nil && strings.HasPrefix(f.Name.Name, "Example"):
			next = append(next, f)
		default:
			functions[f.Name.Name] = f
		}
	}
	for len(next) > 0 {
		f := next[0]
		next = next[1:]
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == name {
					list = append(list, n.Sel.Name)
				}
			case *ast.Ident:
				if g := functions[n.Name]; g != nil && g != f {
					delete(functions, n.Name)
					next = append(next, g)
				}
			}
			return true
		})
	}
	return list
}
