package view_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/internal/op"
)

var update = flag.Bool("update", false, "write playground_docs.go anew")

// TestDocs: what the playground tells of operations and settings is what the comments
// of package transform say.
func TestDocs(t *testing.T) {
	docs := map[string]string{}
	packages, err := parser.ParseDir(token.NewFileSet(), "../transform", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range packages["transform"].Files {
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				for _, spec := range g.Specs {
					typeDocs(docs, g, spec)
				}
			}
		}
	}
	if len(docs) < 60 {
		t.Fatalf("%d comments were found", len(docs))
	}
	var b bytes.Buffer
	b.WriteString("package view\n\n// opDocs is what package transform's comments say of operations, a sentence, and of\n// their settings. It is made of them: go generate.\nvar opDocs = map[string]string{\n")
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		fmt.Fprintf(&b, "%q: %q,\n", name, docs[name])
	}
	b.WriteString("}\n")
	want, err := format.Source(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("playground_docs.go", want, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("playground_docs.go")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("playground_docs.go is not what the comments say: go generate ./view makes it anew (%v)", err)
	}
}

// typeDocs takes over the comments of a type that can be named.
func typeDocs(docs map[string]string, g *ast.GenDecl, spec ast.Spec) {
	s, ok := spec.(*ast.TypeSpec)
	if !ok || op.Type(s.Name.Name) == nil {
		return
	}
	name := s.Name.Name
	docs[name] = sentence(g.Doc.Text())
	of, ok := s.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range of.Fields.List {
		text := f.Comment.Text()
		if text == "" {
			text = sentence(f.Doc.Text())
		}
		for _, n := range f.Names {
			if text = strings.Join(strings.Fields(text), " "); text != "" {
				docs[name+"."+n.Name] = text
			}
		}
	}
}

// sentence is the first one of a comment.
func sentence(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	at := regexp.MustCompile(`[.:] [A-Z]`).FindStringIndex(text)
	if at != nil {
		text = text[:at[0]] + "."
	}
	return text
}
