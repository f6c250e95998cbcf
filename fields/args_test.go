package fields_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// TestArgsGoldens makes every field of every golden file from its arguments,
// and the arguments again from the field.
func TestArgsGoldens(t *testing.T) {
	n := 0
	for _, m := range golden.Each() {
		for _, x := range m.Fields {
			var args fields.Args
			b, err := hex.DecodeString(x.ArgsHex)
			if err != nil || copy(args[:], b) != len(b) {
				t.Fatalf("%s: args_hex of %d bytes, %v", m.Name, len(b), err)
			}
			n++
			if x.TypeID == int(fields.TypeCustom) {
				f, ok, err := fields.Custom(&args)
				if f != nil || ok || err != nil {
					t.Errorf("%s %s: an unknown custom field gives %v, %v, %v", m.Name, x.Name, f, ok, err)
				}
				continue
			}
			f, err := fields.New(fields.TypeID(x.TypeID), &args)
			if err != nil {
				t.Errorf("%s %s: %v", m.Name, x.Name, err)
				continue
			}
			if f.TypeID() != fields.TypeID(x.TypeID) {
				t.Errorf("%s %s: type %v, want %d", m.Name, x.Name, f.TypeID(), x.TypeID)
			}
			if got, err := f.Args(); err != nil || got != args {
				t.Errorf("%s %s: arguments %q, %v; want %q", m.Name, x.Name, bytes.TrimRight(got[:], "\x00"), err, b)
			}
			checkGoldenArray(t, m.Name+" "+x.Name, f, x.DType, x.Shape, x.FirstHex)
		}
	}
	if n < 80 {
		t.Errorf("only %d fields", n)
	}
}

func checkGoldenArray(t *testing.T, name string, f fields.Field, dtype string, shape []int, firstHex string) {
	t.Helper()
	var got array.Spec
	switch f := f.(type) {
	case fields.NDArray:
		got = array.Spec{DType: f.DType, Shape: f.Shape}
	case fields.TorchTensor:
		got = array.Spec{DType: f.DType, Shape: f.Shape}
	default:
		return
	}
	if name == "ndarray_zero_dim s" {
		shape = shape[:1] // (3, 0): the format drops trailing zeros
	}
	want := array.Spec{DType: array.DType{}, Shape: shape}
	var err error
	if want.DType, err = array.ParseDType(dtype); err != nil || !got.Equal(want) {
		t.Errorf("%s: an array %v, want %v (%v)", name, got, want, err)
		return
	}
	data, err := hex.DecodeString(firstHex)
	if err != nil || name == "ndarray_zero_dim s" {
		return
	}
	size, _ := want.Bytes()
	if len(data) < size {
		return // the manifest shows the beginning only
	}
	a, err := array.New(want, data[:size])
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	v := mustEncode(t, f, a)
	if !bytes.Equal(v.data[0], a.Data) || !reflect.DeepEqual(mustDecode(t, f, v), a) {
		t.Errorf("%s: the first array isn't stored as it is", name)
	}
}

// arrayArgs builds arguments with any text.
func arrayArgs(text string, shape ...uint64) *fields.Args {
	var a fields.Args
	for i, d := range shape {
		binary.LittleEndian.PutUint64(a[8*i:], d)
	}
	binary.LittleEndian.PutUint64(a[256:], uint64(len(text)))
	copy(a[264:], text)
	return &a
}

func TestNewRefuses(t *testing.T) {
	long := arrayArgs("", 1)
	binary.LittleEndian.PutUint64(long[256:], math.MaxUint64)
	cut := arrayArgs(`[["", "<f4"]]`, 1)
	cut[256]--
	for _, tt := range []struct {
		args        *fields.Args
		want        string
		unsupported bool
	}{
		{arrayArgs(`[["id", "<i4"], ["value", "<f4"]]`, 3), "structured", true},
		{arrayArgs(`[["id", "<i4"]]`, 3), "structured", true},
		{arrayArgs(`[["", "<i4", [2]]]`, 3), "structured", true},
		{arrayArgs(`[["", [["a", "<i4"]]]]`, 3), "structured", true},
		{arrayArgs(`[[["t", "a"], "<i4"]]`, 3), "structured", true},
		{arrayArgs(`[["", "|O"]]`, 3), "Python objects", true},
		{arrayArgs(`[["", "<x4"]]`, 3), "element types", false},
		{arrayArgs(`[]`, 3), "no members", false},
		{arrayArgs(`[[]]`, 3), "0 elements", false},
		{arrayArgs(`[["", "<f4", 1, 2]]`, 3), "4 elements", false},
		{arrayArgs(`"<f4"`, 3), "not a list", false},
		{arrayArgs(`{"a": 1}`, 3), "not a list", false},
		{arrayArgs(``, 3), "not a list", false},
		{arrayArgs(`[["", "<f4"]]`), "without dimensions", false},
		{arrayArgs(`[["", "<f4"]]`, 1<<63), "dimension 0", false},
		{arrayArgs(`[["", "<f4"]]`, 1<<40, 1<<40), "larger than", false},
		{long, "at most 760", false},
		{cut, "not a list", false},
		{new(fields.Args), "not a list", false},
	} {
		for _, id := range []fields.TypeID{fields.TypeNDArray, fields.TypeTorchTensor} {
			f, err := fields.New(id, tt.args)
			if err == nil || f != nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v: %v, %v; want an error that says %q", id, f, err, tt.want)
			}
			var u *array.UnsupportedError
			if errors.As(err, &u) != tt.unsupported {
				t.Errorf("%v; an UnsupportedError: %v", err, !tt.unsupported)
			}
		}
	}
	for _, id := range []fields.TypeID{7, 100, fields.TypeCustom} {
		if f, err := fields.New(id, new(fields.Args)); err == nil || f != nil {
			t.Errorf("type id %d gives %v, %v", uint8(id), f, err)
		}
	}
	// A shape of 32 dimensions, and zeros inside one, are shapes.
	dims := make([]uint64, 32)
	dims[3], dims[31] = 0, 1
	for _, shape := range [][]uint64{dims, {2, 0, 3}} {
		f, err := fields.New(fields.TypeNDArray, arrayArgs(`[["", "<f4"]]`, shape...))
		if err != nil || len(f.(fields.NDArray).Shape) != len(shape) {
			t.Errorf("shape %v: %v, %v", shape, f, err)
		}
	}
}

func TestPackArgs(t *testing.T) {
	m := map[string]any{"field": "x", "rate": 48000, "ratio": 0.5, "names": []any{"é", nil, true}, "deep": map[string]any{"n": []any{}}}
	a, err := fields.PackArgs(m)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"deep": {"n": []}, "field": "x", "names": ["\u00e9", null, true], "rate": 48000, "ratio": 0.5}` + "\x00"; !strings.HasPrefix(string(a[:]), want) {
		t.Errorf("packed as %q, want %q", bytes.TrimRight(a[:], "\x00"), want)
	}
	got, err := fields.UnpackArgs(&a)
	m["rate"] = int64(48000)
	if err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("unpacked %v, %v; want %v", got, err, m)
	}
	for n := 1010; n < 1030; n++ {
		m := map[string]any{"k": strings.Repeat("x", n)} // {"k": ""} are nine bytes
		a, err := fields.PackArgs(m)
		if fits := n+9 <= 1024; (err == nil) != fits {
			t.Errorf("%d bytes: %v", n+9, err)
		}
		if got, uerr := fields.UnpackArgs(&a); err == nil && (uerr != nil || !reflect.DeepEqual(got, m)) {
			t.Errorf("%d bytes come back as %v, %v", n+9, got, uerr)
		}
	}
	for _, m := range []map[string]any{nil, {}} {
		if a, err := fields.PackArgs(m); err != nil || string(a[:3]) != "{}\x00" {
			t.Errorf("an empty map is packed as %q, %v", a[:3], err)
		}
	}
	if _, err := fields.PackArgs(map[string]any{"c": make(chan int)}); !errors.Is(err, fields.ErrValue) {
		t.Errorf("a channel: %v", err)
	}
	if got, err := fields.UnpackArgs(new(fields.Args)); err != nil || got == nil || len(got) != 0 {
		t.Errorf("zeros: %v, %v; want an empty map", got, err)
	}
	for _, s := range []string{"[]", "{", "{}\x00{}", "\x00{}", "1", "null", "{} {}"} {
		var a fields.Args
		copy(a[:], s)
		if got, err := fields.UnpackArgs(&a); err == nil || got != nil {
			t.Errorf("%q: %v, %v; want an error", s, got, err)
		}
	}
}

// point is a field as a program would add one: a pair of numbers that shares
// Int's bytes.
type point struct{ fields.Int }

func (point) TypeID() fields.TypeID { return fields.TypeCustom }

func (point) Args() (fields.Args, error) {
	return fields.PackArgs(map[string]any{"field": "test.point", "axes": "xy"})
}

func TestRegister(t *testing.T) {
	bad := errors.New("no such axes")
	fields.Register("test.point", func(args *fields.Args) (fields.Field, error) {
		if m, err := fields.UnpackArgs(args); err != nil || m["axes"] != "xy" {
			return nil, bad
		}
		return point{}, nil
	})
	args, err := point{}.Args()
	if err != nil {
		t.Fatal(err)
	}
	if f, ok, err := fields.Custom(&args); f != (point{}) || !ok || err != nil {
		t.Errorf("registered: %v, %v, %v", f, ok, err)
	}
	args, _ = fields.PackArgs(map[string]any{"field": "test.point"})
	if f, ok, err := fields.Custom(&args); f != nil || !ok || !errors.Is(err, bad) {
		t.Errorf("a constructor that fails: %v, %v, %v", f, ok, err)
	}
	for _, s := range []string{"", `{"field": "nobody"}`, `{"field": 1}`, `{"x": 1}`, "binary\x01", "[]"} {
		var a fields.Args
		copy(a[:], s)
		if f, ok, err := fields.Custom(&a); f != nil || ok || err != nil {
			t.Errorf("%q: %v, %v, %v; want nothing", s, f, ok, err)
		}
	}
	for _, name := range []string{"", "test.point", "audio"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Register(%q): no panic", name)
				}
			}()
			fields.Register(name, func(*fields.Args) (fields.Field, error) { return nil, nil })
		}()
	}
}

func FuzzNew(f *testing.F) {
	for _, m := range golden.Each() {
		for _, x := range m.Fields {
			b, err := hex.DecodeString(x.ArgsHex)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(x.TypeID), b)
		}
	}
	audio, err := fields.Audio{}.Args()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(255), audio[:])
	f.Fuzz(func(t *testing.T, id uint8, b []byte) {
		var args fields.Args
		copy(args[:], b)
		fd, err := fields.New(fields.TypeID(id), &args)
		if id == 255 {
			fd, _, err = fields.Custom(&args)
		}
		if m, uerr := fields.UnpackArgs(&args); uerr == nil {
			// A text of another spelling may take more room than there is.
			if p, perr := fields.PackArgs(m); perr == nil {
				if again, err := fields.UnpackArgs(&p); err != nil || fmt.Sprint(again) != fmt.Sprint(m) {
					t.Fatalf("%v comes back as %v, %v", m, again, err)
				}
			}
		}
		if err != nil || fd == nil {
			if fd != nil {
				t.Fatalf("a field beside the error %v", err)
			}
			return
		}
		own, err := fd.Args()
		if err != nil {
			t.Fatalf("%v has no arguments: %v", fd, err)
		}
		if id == 255 {
			return // a custom field may write its own arguments in another way
		}
		again, err := fields.New(fields.TypeID(id), &own)
		if err != nil || !reflect.DeepEqual(again, fd) {
			t.Fatalf("%v, made again: %v, %v", fd, again, err)
		}
	})
}

// FuzzField reads metadata and data of every kind; what is read is stored again.
func FuzzField(f *testing.F) {
	kinds := []fields.Field{
		fields.Float{}, fields.Int{}, fields.RGBImage{}, fields.Bytes{}, fields.JSON{},
		fields.NDArray{DType: array.Int16, Shape: []int{2, 3}}, fields.TorchTensor{DType: array.Float32, Shape: []int{1}},
		fields.Opaque{DType: "<u4"}, fields.Audio{},
	}
	seeds := []any{1.5, 7, read(f, "420_23x17.jpg"), []byte("abc"), map[string]int{"a": 1}, make([]int16, 6), []float32{2},
		[]byte("abcd"), fields.AudioClip{SampleRate: 8000, Channels: 1, Data: []byte("ab")}}
	for i, k := range kinds {
		v := mustEncode(f, k, seeds[i])
		var data []byte
		if len(v.data) > 0 {
			data = v.data[0]
		}
		f.Add(uint8(i), v.meta, data)
	}
	f.Fuzz(func(t *testing.T, kind uint8, meta, data []byte) {
		k := kinds[int(kind)%len(kinds)]
		regions, err := k.Regions(nil, meta)
		if err == nil && len(regions) != len(k.Layout().Pointers) {
			t.Fatalf("%T: %d regions", k, len(regions))
		}
		var all [][]byte
		for range k.Layout().Pointers {
			all = append(all, data)
		}
		x, derr := k.Decode(meta, all)
		if err != nil && derr == nil {
			t.Fatalf("%T: Decode takes metadata for which Regions says %v", k, err)
		}
		if c, ok := k.(interface {
			Check(meta []byte, data [][]byte) error
		}); ok {
			if cerr := c.Check(meta, all); derr != nil && cerr == nil {
				t.Fatalf("%T: Check takes what Decode refuses: %v", k, derr)
			}
		}
		if derr != nil {
			return
		}
		v, err := encode(k, x)
		if err != nil {
			return // a damaged JPEG or JSON text, which Decode does not look into
		}
		if again := mustDecode(t, k, v); fmt.Sprint(again) != fmt.Sprint(x) {
			t.Fatalf("%T: %v comes back as %v", k, x, again)
		}
	})
}
