package torchfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/torchfile"
)

const golden = "../../testdata/formats/pt/"

func put(t testing.TB, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.pt")
	if err := os.WriteFile(name, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

func open(t testing.TB, name string) *torchfile.File {
	t.Helper()
	f, err := torchfile.Open(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// text is a tensor as text: type, shape and elements.
func text(a array.Strided) string {
	c := a.AsContiguous()
	name := c.DType.String()
	if c.DType.WithOrder('<') == array.BFloat16 {
		c, _ = array.Cast(c, array.Float32)
	}
	var out []string
	for n := c.DType.ItemSize(); len(c.Data) > 0; c.Data = c.Data[n:] {
		out = append(out, array.FormatElement(c.Data, c.DType))
	}
	return name + array.ShapeString(a.Shape) + " " + strings.Join(out, " ")
}

func all(t testing.TB, f *torchfile.File) string {
	var s []string
	for _, m := range f.Members() {
		a, err := f.Array(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		line := m.Name + ": " + text(a)
		if m.Fortran {
			line += " F"
		}
		if m.Attrs != nil {
			line += " " + fmt.Sprint(m.Attrs)
		}
		s = append(s, line)
	}
	return strings.Join(s, "\n")
}

func TestPeek(t *testing.T) {
	list, _ := filepath.Glob(golden + "*.pt")
	for _, name := range append(list, "/tmp/A4/t.pt") {
		f, err := torchfile.Open(name, nil)
		if err != nil {
			t.Error(name, err)
			continue
		}
		fmt.Println(name)
		fmt.Println(all(t, f))
		fmt.Println(f.Attrs())
		fmt.Println(f.Refused())
	}
}
