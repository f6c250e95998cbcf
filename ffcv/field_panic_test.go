package ffcv_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
)

// clumsy is a program's own field that panics in one of its methods.
type clumsy struct {
	fields.Opaque
	in string
}

func (c clumsy) fall(method string) {
	if c.in == method {
		panic("fell")
	}
}

func (c clumsy) Layout() fields.Layout {
	c.fall("Layout")
	return c.Opaque.Layout()
}

func (c clumsy) Args() (fields.Args, error) {
	c.fall("Args")
	return c.Opaque.Args()
}

func (c clumsy) TypeID() fields.TypeID {
	c.fall("TypeID")
	return c.Opaque.TypeID()
}

func (c clumsy) Encode(meta []byte, value any, at fields.At) error {
	meta[0] = 7
	return nil
}

// TestFieldPanics: a field that panics while a file is made or opened is an
// error, and no file is left.
func TestFieldPanics(t *testing.T) {
	whole := clumsy{Opaque: fields.Opaque{DType: "|u1"}}
	var p *ffcv.PanicError
	for _, method := range []string{"Layout", "Args", "TypeID"} {
		dir := t.TempDir()
		w, err := ffcv.Create(filepath.Join(dir, "a.beton"), []ffcv.FieldSpec{{Name: "c", Field: clumsy{whole.Opaque, method}}}, nil)
		if w != nil || !errors.As(err, &p) || p.Value != "fell" {
			t.Errorf("%s: Create gives %v, want a PanicError", method, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v, %v", method, left, err)
		}
	}
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "c", Field: whole}}, 1, func(int) []any { return []any{1} }, nil)
	f, err := ffcv.Open(path, &ffcv.OpenOptions{Custom: map[string]fields.Field{"c": clumsy{whole.Opaque, "Layout"}}})
	var format *ffcv.FormatError
	if f != nil || !errors.As(err, &p) || !errors.As(err, &format) || format.Field != "c" {
		t.Errorf("Open gives %v, want a PanicError of field c", err)
	}
}
