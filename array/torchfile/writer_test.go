package torchfile_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/torchfile"
	"github.com/betongo/betongo/internal/formattest"
)

func f4(shape ...int) array.Member {
	return array.Member{Name: "x", Spec: array.Spec{DType: array.Float32, Shape: shape}}
}

// nested is a value with all that a file may hold.
func nested(t testing.TB) *torchfile.Dict {
	x, err := array.Of([]float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 3, 4)
	if err != nil {
		t.Fatal(err)
	}
	be, _ := array.ParseDType(">i4")
	b, _ := array.New(array.Spec{DType: be, Shape: []int{2}}, []byte{0, 0, 0, 1, 0, 0, 1, 0})
	bf, _ := array.New(array.Spec{DType: array.BFloat16, Shape: []int{2}}, []byte{0x80, 0x3f, 0, 0x40})
	empty, _ := array.New(array.Spec{DType: array.Float64, Shape: []int{0, 3}}, nil)
	u, _ := array.Of([]uint16{1, 65535})
	void, _ := array.ParseDType("|V1")
	f8, _ := array.New(array.Spec{DType: void, Shape: []int{2}}, []byte{0x38, 0xb8})
	s := x.Strided()
	reversed := s.Slice(0, 2, -1, -1)
	state := &torchfile.Dict{Items: []torchfile.Item{{Key: "_metadata", Value: map[string]any{"version": 1}}}}
	model := &torchfile.Dict{Ordered: true, State: state, Items: []torchfile.Item{
		{Key: "w", Value: &torchfile.Tensor{Strided: s, Parameter: true, RequiresGrad: true}},
		{Key: "frozen", Value: &torchfile.Tensor{Strided: b.Strided(), Parameter: true}},
		{Key: "grad", Value: &torchfile.Tensor{Strided: bf.Strided(), RequiresGrad: true}},
	}}
	huge, _ := new(big.Int).SetString("-123456789012345678901234567890", 10)
	list := &torchfile.List{Items: []any{1, "é\n", nil}}
	d := &torchfile.Dict{}
	for _, item := range []torchfile.Item{
		{"x", x}, {"t", s.Transpose()}, {"row", s.Row(1)}, {"column", s.Slice(1, 1, 2, 1)}, {"reversed", reversed},
		{"be", b}, {"empty", empty}, {"u", u}, {"f8", &torchfile.Tensor{Strided: f8.Strided(), Float8: "F8_E4M3"}},
		{"model", model}, {"one", list}, {"same", list}, {"tuple", torchfile.Tuple{1, 2, 3, 4}}, {"unit", torchfile.Tuple{}},
		{"numbers", []any{-1, 255, 256, 65536, 1 << 31, -1 << 31, 1<<63 - 1, 1.5, true, false, huge, 1 + 2i}},
		{"bytes", []byte{0, 0x7f, 0xff}}, {"set", &torchfile.Set{Items: []any{1, 2}}},
		{"dtype", torchfile.Constant("torch.float16")}, {"device", torchfile.Device("cuda:1")}, {int64(7), map[string]any{"b": 1, "a": []any{}}},
	} {
		if err := d.Set(item.Key, item.Value); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

const nestedText = `x: <f4(3, 4) 0.0 1.0 2.0 3.0 4.0 5.0 6.0 7.0 8.0 9.0 10.0 11.0
t: <f4(4, 3) 0.0 4.0 8.0 1.0 5.0 9.0 2.0 6.0 10.0 3.0 7.0 11.0 F
row: <f4(4,) 4.0 5.0 6.0 7.0
column: <f4(3, 1) 1.0 5.0 9.0
reversed: <f4(3, 4) 8.0 9.0 10.0 11.0 4.0 5.0 6.0 7.0 0.0 1.0 2.0 3.0
be: <i4(2,) 1 256
empty: <f8(0, 3) 
u: <u2(2,) 1 65535
f8: |V1(2,)   map[dtype:F8_E4M3]
model.w: <f4(3, 4) 0.0 1.0 2.0 3.0 4.0 5.0 6.0 7.0 8.0 9.0 10.0 11.0 map[parameter:true requires_grad:true]
model.frozen: <i4(2,) 1 256 map[parameter:true]
model.grad: bfloat16(2,) 1.0 2.0 map[requires_grad:true]`

func TestSave(t *testing.T) {
	name := filepath.Join(t.TempDir(), "nested.pt")
	if err := torchfile.Save(name, nested(t), nil); err != nil {
		t.Fatal(err)
	}
	f := open(t, name)
	if got := all(t, f); got != nestedText {
		t.Errorf("got\n%s\nwant\n%s", got, nestedText)
	}
	want := "map[7.b:1 bytes:[0 127 255] device:cuda:1 dtype:torch.float16 numbers.0:-1 numbers.1:255 numbers.10:-123456789012345678901234567890 " +
		"numbers.11:(1+2i) numbers.2:256 numbers.3:65536 numbers.4:2147483648 numbers.5:-2147483648 numbers.6:9223372036854775807 numbers.7:1.5 " +
		"numbers.8:true numbers.9:false one.0:1 one.1:é\n one.2:<nil> same.0:1 same.1:é\n same.2:<nil> set.0:1 set.1:2 tuple.0:1 tuple.1:2 tuple.2:3 tuple.3:4]"
	if got := fmt.Sprint(f.Attrs()); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	d := f.Value().(*torchfile.Dict)
	one, _ := d.Get("one")
	same, _ := d.Get("same")
	if one.(*torchfile.List) != same.(*torchfile.List) {
		t.Error("one list at two places became two")
	}
	x, _ := f.Array("x")
	for _, name := range []string{"t", "row", "column", "model.w"} {
		if a, _ := f.Array(name); &a.Data[0] != &x.Data[0] {
			t.Errorf("%s shares no storage any more", name)
		}
	}
	model, _ := d.Get("model")
	if m := model.(*torchfile.Dict); !m.Ordered || m.State == nil || len(m.State.Items) != 1 {
		t.Errorf("the model is %+v", model)
	}
	// Written again, what was read is the same file.
	again := filepath.Join(t.TempDir(), "nested.pt")
	if err := torchfile.Save(again, f.Value(), nil); err != nil {
		t.Fatal(err)
	}
	if got := all(t, open(t, again)); got != nestedText {
		t.Errorf("again: got\n%s", got)
	}
	v, err := torchfile.Load(name, nil)
	if err != nil || len(v.(*torchfile.Dict).Items) != len(d.Items) {
		t.Errorf("Load: %v, %v", v, err)
	}
}

// The archive is one that everybody reads: entries in the clear, with right
// sums, at multiples of 64 bytes.
func TestArchive(t *testing.T) {
	name := filepath.Join(t.TempDir(), "nested.pt")
	if err := torchfile.Save(name, nested(t), nil); err != nil {
		t.Fatal(err)
	}
	z, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, e := range z.File {
		at, err := e.DataOffset()
		if err != nil || at%64 != 0 || !strings.HasPrefix(e.Name, "nested/") {
			t.Errorf("%s at %d: %v", e.Name, at, err)
		}
		r, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
	}
}

func TestSaveRefused(t *testing.T) {
	c16, _ := array.ParseDType("<U3")
	u, _ := array.New(array.Spec{DType: c16}, make([]byte, 12))
	i, _ := array.Of([]int32{1})
	loop := &torchfile.List{}
	loop.Items = []any{loop}
	deep := any(1)
	for range 1100 {
		deep = []any{deep}
	}
	for _, c := range []struct {
		want string
		v    any
	}{
		{"a struct {}", struct{}{}},
		{"no such type", u},
		{"requires a gradient", &torchfile.Tensor{Strided: i.Strided(), RequiresGrad: true}},
		{"holds itself", loop},
		{"deep", deep},
		{"a key of type", &torchfile.Dict{Items: []torchfile.Item{{Key: []any{}, Value: 1}}}},
		{"no name of torch's", torchfile.Constant("os.system")},
		{"leave", array.Strided{Spec: f4(3).Spec, Strides: []int{4}, Data: make([]byte, 8)}},
		{`["a"]: [1]: a chan int`, map[string]any{"a": []any{1, make(chan int)}}},
	} {
		dir := t.TempDir()
		name := filepath.Join(dir, "x.pt")
		err := torchfile.Save(name, c.v, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, c.want)
		}
		if list, _ := os.ReadDir(dir); len(list) > 0 {
			t.Errorf("%s: left behind: %v", c.want, list)
		}
	}
}

func TestWriter(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "x.pt")
	w, err := torchfile.Create(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	in := open(t, golden+"dict.pt")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range in.Members() {
		if len(m.Spec.Shape) > 0 {
			m.Spec.Shape[0] = -1
		}
		sink, err := w.Add(m)
		check(err)
		s, err := in.Stream(m.Name, 5)
		check(err)
		for {
			rows, err := s.Next()
			if err == io.EOF {
				break
			}
			check(err)
			check(sink.Write(rows))
		}
		check(sink.Close())
	}
	check(w.SetAttrs(map[string]any{"epoch": 3, "name": "n"}))
	check(w.Close())
	f := open(t, name)
	if got, want := all(t, f), strings.Replace(all(t, in), " F\n", "\n", 1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := fmt.Sprint(f.Attrs()); got != "map[epoch:3 name:n]" {
		t.Errorf("attributes %s", got)
	}
	if _, err := torchfile.Create(name, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	// A tensor alone, in a file of another name.
	bare := filepath.Join(dir, "bare.pth")
	w, err = torchfile.Create(bare, &torchfile.CreateOptions{Bare: true})
	check(err)
	sink, err := w.Add(array.Member{Name: "y", Spec: f4().Spec, Attrs: map[string]any{"parameter": true}})
	check(err)
	one, _ := array.New(f4().Spec, []byte{0, 0, 0x80, 0x3f})
	check(sink.Write(one))
	check(sink.Close())
	check(w.Close())
	if got := all(t, open(t, bare)); got != "bare: <f4() 1.0 map[parameter:true]" {
		t.Errorf("got %s", got)
	}
}

func TestWriterRefuses(t *testing.T) {
	dir := t.TempDir()
	rows, _ := array.Of([]float32{1, 2, 3})
	for _, c := range []struct {
		want string
		do   func(w *torchfile.Writer) error
	}{
		{"3 rows, want 4", func(w *torchfile.Writer) error {
			s, err := w.Add(f4(4))
			return errors.Join(err, s.Write(rows), s.Close())
		}},
		{"3 rows, want 2", func(w *torchfile.Writer) error {
			s, err := w.Add(f4(2))
			return errors.Join(err, s.Write(rows))
		}},
		{"rows of <f4", func(w *torchfile.Writer) error {
			s, err := w.Add(f4(2, 2))
			return errors.Join(err, s.Write(rows))
		}},
		{"isn't closed yet", func(w *torchfile.Writer) error {
			w.Add(f4(2))
			return w.Close()
		}},
		{"already", func(w *torchfile.Writer) error {
			s, _ := w.Add(f4(0))
			s.Close()
			_, err := w.Add(f4(0))
			return err
		}},
		{"no such type", func(w *torchfile.Writer) error {
			t, _ := array.ParseDType("<M8[s]")
			_, err := w.Add(array.Member{Name: "x", Spec: array.Spec{DType: t}})
			return err
		}},
		{"called as an array", func(w *torchfile.Writer) error {
			s, _ := w.Add(f4(0))
			return errors.Join(s.Close(), w.SetAttrs(map[string]any{"x": 1}), w.Close())
		}},
		{"is a tensor", func(w *torchfile.Writer) error {
			return errors.Join(w.SetAttrs(map[string]any{"x": []any{rows}}), w.Close())
		}},
		{"a func()", func(w *torchfile.Writer) error {
			return errors.Join(w.SetAttrs(map[string]any{"x": func() {}}), w.Close())
		}},
		{"invalid", func(w *torchfile.Writer) error {
			_, err := w.Add(f4(2, -3))
			if err != nil {
				err = errors.New("invalid")
			}
			return err
		}},
	} {
		w, err := torchfile.Create(filepath.Join(dir, "x"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.do(w); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
		if err := w.Abort(); err != nil {
			t.Error(err)
		}
		if list, _ := os.ReadDir(dir); len(list) > 0 {
			t.Fatalf("%s: left behind: %v", c.want, list)
		}
	}
}

// The same value gives the same bytes.
func TestReproducible(t *testing.T) {
	var want []byte
	for range 3 {
		name := filepath.Join(t.TempDir(), "x.pt")
		if err := torchfile.Save(name, nested(t), nil); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if want != nil && !bytes.Equal(got, want) {
			t.Error("two files of one value differ")
		}
		want = got
	}
}

// More entries than the ZIP format's 16 bits can tell.
func TestManyTensors(t *testing.T) {
	const n = 1<<16 + 5
	values := make([]int32, n)
	list := make([]any, n)
	for i := range values {
		values[i] = int32(i)
		list[i], _ = array.Of(values[i:i+1:i+1], 1)
	}
	name := filepath.Join(t.TempDir(), "x.pt")
	if err := torchfile.Save(name, list, nil); err != nil {
		t.Fatal(err)
	}
	f := open(t, name)
	if m := f.Members(); len(m) != n {
		t.Fatalf("%d tensors, want %d", len(m), n)
	}
	for _, i := range []int{0, 65535, 65536, n - 1} {
		if a, err := f.Array(fmt.Sprint(i)); err != nil || formattest.Text(a) != fmt.Sprint("<i4(1,) ", i) {
			t.Errorf("%d: %v, %v", i, formattest.Text(a), err)
		}
	}
}
