package torchfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/torchfile"
	"github.com/betongo/betongo/internal/formattest"
)

const golden = "../../testdata/formats/pt/"

func open(t testing.TB, name string) *torchfile.File {
	t.Helper()
	f, err := torchfile.Open(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func all(t testing.TB, f *torchfile.File) string {
	var s []string
	for _, m := range f.Members() {
		a, err := f.Array(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		line := m.Name + ": " + formattest.Text(a)
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

// goldens is what PyTorch wrote, as its generator tells.
var goldens = map[string]string{
	"dict.pt": `w: <f4(2, 3) 0.0 1.0 2.0 3.0 4.0 5.0
i: <i8(2,) 1 -2
h: <f2(2,) 1.0 2.0
bf: bfloat16(2,) 1.0 -3.5
b: |b1(2,) True False
u: |u1(2,) 1 2
view: <f4(4, 3) 0.0 4.0 8.0 1.0 5.0 9.0 2.0 6.0 10.0 3.0 7.0 11.0 F
slice: <f4(4,) 4.0 5.0 6.0 7.0
scalar: <f4() 5.0`,
	"tensor.pt":            "tensor: <f8(2, 3) 0.0 1.0 2.0 3.0 4.0 5.0",
	"checkpoint_nested.pt": "model.w: <f4(2,) 1.0 1.0\nlist.0: <f4(1,) 0.0",
	"legacy.pt":            "w: <f4(2, 3) 1.0 1.0 1.0 1.0 1.0 1.0",
	"param.pt":             "param: <f4(2,) 1.0 1.0 map[parameter:true requires_grad:true]",
	"state_dict.pt": `weight: <f4(2, 4) 0.013287604 0.2835452 -0.26235843 0.22782832 -0.12531102 -0.48792315 0.22911036 0.33354354
bias: <f4(2,) 0.2453832 0.1782791`,
}

func TestGolden(t *testing.T) {
	for name, want := range goldens {
		f := open(t, golden+name)
		if got := all(t, f); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
		if err := f.Refused(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := open(t, golden+"checkpoint_nested.pt")
	if got := fmt.Sprint(f.Attrs()); got != "map[epoch:3 list.1:s lr:0.1]" {
		t.Errorf("attributes %s", got)
	}
	d, ok := f.Value().(*torchfile.Dict)
	if !ok {
		t.Fatalf("a %T", f.Value())
	}
	model, _ := d.Get("model")
	if m, ok := model.(*torchfile.Dict); !ok || !m.Ordered {
		t.Errorf("model is a %T", model)
	}
}

// Streams give what Array gives, whatever the strides and the chunk.
func TestStream(t *testing.T) {
	f := open(t, golden+"dict.pt")
	for _, chunk := range []int{1, 20, 0} {
		for _, m := range f.Members() {
			s, err := f.Stream(m.Name, chunk)
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			for {
				a, err := s.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(m.Name, err)
				}
				if _, err := array.New(a.Spec, a.Data); err != nil {
					t.Fatal(m.Name, err)
				}
				got = append(got, a.Data...)
			}
			whole, _ := f.Array(m.Name)
			if want := whole.AsContiguous().Data; !bytes.Equal(got, want) {
				t.Errorf("%s by %d: got %v, want %v", m.Name, chunk, got, want)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if _, err := s.Next(); err == nil || err == io.EOF {
				t.Errorf("after Close: %v", err)
			}
		}
	}
}

func TestTruncated(t *testing.T) {
	for name := range goldens {
		formattest.Cut(t, formattest.Read(t, "pt/"+name), 0, "x.pt", func(path string) error {
			f, err := torchfile.Open(path, nil)
			if err == nil {
				return f.Close()
			}
			var bad *torchfile.FormatError
			if !errors.As(err, &bad) || bad.File != path {
				t.Fatalf("%s: %v", name, err)
			}
			return err
		})
	}
}

// A changed byte gives another value or an error, and nothing worse.
func TestFlipped(t *testing.T) {
	for name := range goldens {
		b, err := os.ReadFile(golden + name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b {
			for _, flip := range []byte{1, 0x80, 0xff} {
				b[i] ^= flip
				torchfile.Parse(b, nil)
				b[i] ^= flip
			}
		}
	}
}

// read uses all of a file that may be broken.
func read(t testing.TB, name string) {
	f, err := torchfile.Open(name, &torchfile.OpenOptions{MaxMemory: 16 << 20})
	if err != nil {
		return
	}
	defer f.Close()
	f.Refused()
	f.Attrs()
	for _, m := range f.Members() {
		a, err := f.Array(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		n, err := a.Spec.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if n > 1<<20 {
			continue
		}
		want := a.AsContiguous().Data
		s, err := f.Stream(m.Name, 64)
		got := formattest.Drain(t, s, err)
		if !bytes.Equal(got, want) {
			t.Fatalf("array %q streams otherwise", m.Name)
		}
	}
}
