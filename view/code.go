package view

import (
	"fmt"
	"go/format"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/store"
	"github.com/betongo/betongo/transform"
)

// code writes a pipeline as programs in Go and in Python, which load what the
// playground shows. notes tell what they do otherwise.
func (s *Server) code(p *pipeline, field int, seed uint64) (golang, python string, notes []string) {
	if p.mixes() {
		notes = append(notes, fmt.Sprintf("samples are mixed with others of their batch: the pictures shown are of batches of %d in the file's order", batchShown))
	}
	golang = s.goCode(p, field, seed)
	python, more := s.pythonCode(p, field, seed)
	return golang, python, append(notes, more...)
}

// paths are what a program opens: the dataset's files, or the one pattern or index
// that they came of.
func (s *Server) paths() (list []string) {
	if _, ok := s.ds.(*dataset.Concat); ok {
		name := s.ds.Name()
		if pattern, ok := strings.CutSuffix(name, fmt.Sprintf(" (%d files)", len(s.files))); ok || dataset.IsIndex(store.Base(name)) {
			return []string{store.Name(pattern)}
		}
	}
	for _, f := range s.files {
		list = append(list, store.Name(f.name))
	}
	return list
}

// others are the fields of pictures beside the one of the pipeline: their sizes may
// differ, and then they have no default.
func (s *Server) others(field int) (list []string) {
	for k := range s.fields {
		name := s.fields[k].Name
		if k != field && name != s.fields[field].Name && isPicture(s.fields[k].Type, s.fields[k].Field) && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// goCode is the program in Go.
func (s *Server) goCode(p *pipeline, field int, seed uint64) string {
	g := goWriter{imports: []string{"context", "fmt", "log", module + "loader"}}
	name := s.fields[field].Name
	g.line("func main() {")
	switch paths := s.paths(); {
	case len(paths) == 1 && !strings.Contains(paths[0], "://") && !dataset.IsIndex(paths[0]) && !strings.ContainsAny(paths[0], "*?["):
		g.use("ffcv")
		g.line("f, err := ffcv.Open(%s, nil)", strconv.Quote(paths[0]))
	default:
		g.use("store")
		g.line("f, err := store.Open(context.Background(), %s, nil)", goStrings(paths))
	}
	g.line("if err != nil {\nlog.Fatal(err)\n}\ndefer f.Close()")
	g.line("l, err := loader.New(f, &loader.Options{\nBatchSize: 256,\nOrder: loader.Random,\nSeed: %d,\nOutputs: []loader.Output{", seed)
	g.line("{\nName: %s,", strconv.Quote(name))
	if p.decoder != nil {
		g.line("Decoder: %s,", g.value(reflect.ValueOf(p.decoder)))
	}
	if len(p.ops) > 0 {
		g.line("Ops: []any{")
		for _, o := range p.ops {
			g.line("%s,", g.value(reflect.ValueOf(o)))
		}
		g.line("},")
	}
	g.line("},")
	for _, other := range s.others(field) {
		g.line("{Name: %s, Disabled: true},", strconv.Quote(other))
	}
	g.line("},\n})")
	g.line("if err != nil {\nlog.Fatal(err)\n}\ndefer l.Close()")
	g.line("for b, err := range l.Epoch(context.Background(), 0) {\nif err != nil {\nlog.Fatal(err)\n}")
	g.line("images := b.Output(%s)", strconv.Quote(name))
	g.line("fmt.Println(images.DType, images.Shape)\nb.Release()\n}\n}")
	return g.program()
}

// module is the path in front of our packages'.
const module = "github.com/betongo/betongo/"

// goWriter writes a program in Go.
type goWriter struct {
	imports []string
	body    strings.Builder
}

func (g *goWriter) line(format string, args ...any) { fmt.Fprintf(&g.body, format+"\n", args...) }

// use imports one of our packages.
func (g *goWriter) use(name string) {
	if !slices.Contains(g.imports, module+name) {
		g.imports = append(g.imports, module+name)
	}
}

// program is all of it, as gofmt has it.
func (g *goWriter) program() string {
	var b strings.Builder
	b.WriteString("package main\n\nimport (\n")
	slices.SortFunc(g.imports, func(a, b string) int {
		if in := strings.HasPrefix(a, module); in != strings.HasPrefix(b, module) {
			if in {
				return 1
			}
			return -1
		}
		return strings.Compare(a, b)
	})
	for i, name := range g.imports {
		if i > 0 && strings.HasPrefix(name, module) && !strings.HasPrefix(g.imports[i-1], module) {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%q\n", name)
	}
	b.WriteString(")\n\n" + g.body.String())
	text, err := format.Source([]byte(b.String()))
	if err != nil { // names are quoted and numbers are numbers
		return b.String()
	}
	return string(text)
}

// dtypeNames are what package array calls element types.
var dtypeNames = map[array.DType]string{
	array.Int8: "Int8", array.Int16: "Int16", array.Int32: "Int32", array.Int64: "Int64",
	array.Uint8: "Uint8", array.Uint16: "Uint16", array.Uint32: "Uint32", array.Uint64: "Uint64",
	array.Float16: "Float16", array.Float32: "Float32", array.Float64: "Float64",
}

// value writes a value of a decoder's or an operation's: of structs the settings that
// are not zero.
func (g *goWriter) value(v reflect.Value) string {
	t := v.Type()
	switch x := v.Interface().(type) {
	case array.DType:
		return g.dtype(x)
	case rgb.Filter:
		g.use("rgb")
		return map[rgb.Filter]string{rgb.Area: "rgb.Area", rgb.Bilinear: "rgb.Bilinear"}[x]
	case func(error):
		return "func(error) {}" // of a damaged picture, which comes as far as it can be had
	}
	switch t.Kind() {
	case reflect.Struct:
		g.use(strings.TrimPrefix(t.PkgPath(), module))
		return t.String() + "{" + strings.Join(g.settings(v), ", ") + "}"
	case reflect.Slice, reflect.Array:
		var list []string
		for i := range v.Len() {
			list = append(list, g.value(v.Index(i)))
		}
		return t.String() + "{" + strings.Join(list, ", ") + "}"
	}
	return fmt.Sprint(v.Interface())
}

// settings are a struct's members that are not zero.
func (g *goWriter) settings(v reflect.Value) (list []string) {
	for i, f := range reflect.VisibleFields(v.Type()) {
		if !v.Field(i).IsZero() {
			list = append(list, f.Name+": "+g.value(v.Field(i)))
		}
	}
	return list
}

func (g *goWriter) dtype(t array.DType) string {
	if t == transform.BFloat16 {
		g.use("transform")
		return "transform.BFloat16"
	}
	g.use("array")
	if name, ok := dtypeNames[t]; ok {
		return "array." + name
	}
	if name, ok := dtypeNames[t.Swapped()]; ok {
		return "array." + name + ".Swapped()"
	}
	return "array.DType{}"
}

// goStrings is a list of strings in Go.
func goStrings(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = strconv.Quote(s)
	}
	return "[]string{" + strings.Join(quoted, ", ") + "}"
}
