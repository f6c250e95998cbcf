package op_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
	"testing"
)

// exported lists the types of package transform that can be bound to something.
func exported(t *testing.T) (names []string) {
	t.Helper()
	set := token.NewFileSet()
	packages, err := parser.ParseDir(set, "../../transform", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range packages {
		for _, f := range p.Files {
			for _, d := range f.Decls {
				if name := bound(d); name != "" && !seen[name] {
					seen[name] = true
					names = append(names, name)
				}
			}
		}
	}
	if len(names) < 20 {
		t.Fatalf("%d types were found: %v", len(names), names)
	}
	return names
}

// bound is the exported type of a method Bind… .
func bound(d ast.Decl) string {
	f, ok := d.(*ast.FuncDecl)
	if !ok || f.Recv == nil || !strings.HasPrefix(f.Name.Name, "Bind") {
		return ""
	}
	if name, ok := f.Recv.List[0].Type.(*ast.Ident); ok && name.IsExported() {
		return name.Name
	}
	return ""
}
