package source_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/source"
)

// saveNPY writes an array to a new file.
func saveNPY(t *testing.T, dtype string, shape []int, data ...byte) string {
	t.Helper()
	d, err := array.ParseDType(dtype)
	must(t, err)
	a, err := array.New(array.Spec{DType: d, Shape: shape}, data)
	must(t, err)
	var b bytes.Buffer
	must(t, npy.Write(&b, a))
	path := filepath.Join(t.TempDir(), "a.npy")
	must(t, os.WriteFile(path, b.Bytes(), 0o666))
	return path
}

func TestArrays(t *testing.T) {
	d := func(s string) array.DType {
		d, err := array.ParseDType(s)
		must(t, err)
		return d
	}
	nd := func(dtype string, shape ...int) fields.NDArray { return fields.NDArray{DType: d(dtype), Shape: shape} }
	row := func(dtype string, shape []int, data ...byte) array.Array {
		a, err := array.New(array.Spec{DType: d(dtype), Shape: shape}, data)
		must(t, err)
		return a
	}
	tests := []struct {
		name  string
		dtype string
		shape []int
		data  []byte
		given fields.Field
		field fields.Field
		want  []any
	}{
		{"ints", "<i2", []int{2}, []byte{1, 0, 0xfe, 0xff}, nil, fields.Int{}, []any{int64(1), int64(-2)}},
		{"big-endian ints", ">i4", []int{1}, []byte{0xff, 0xff, 0xff, 0xfe}, nil, fields.Int{}, []any{int64(-2)}},
		{"bytes as ints", "|u1", []int{2}, []byte{255, 0}, nil, fields.Int{}, []any{int64(255), int64(0)}},
		{"signed bytes", "|i1", []int{1}, []byte{128}, nil, fields.Int{}, []any{int64(-128)}},
		{"bools", "|b1", []int{2}, []byte{1, 0}, nil, fields.Int{}, []any{int64(1), int64(0)}},
		{"ints in a column", "<i8", []int{1, 1}, []byte{7, 0, 0, 0, 0, 0, 0, 0}, fields.Int{}, fields.Int{}, []any{int64(7)}},
		{"a column of ints", "|i1", []int{2, 1}, []byte{7, 8}, nil, nd("|i1", 1), []any{row("|i1", []int{1}, 7), row("|i1", []int{1}, 8)}},
		{"floats", "<f4", []int{1}, []byte{0, 0, 0x80, 0x3f}, nil, fields.Float{}, []any{1.0}},
		{"halves", "<f2", []int{4}, []byte{0, 0x3c, 1, 0, 0, 0xfc, 0xff, 0x7b}, nil, fields.Float{}, []any{1.0, 0x1p-24, math.Inf(-1), 65504.0}},
		{"doubles", ">f8", []int{1}, []byte{0x3f, 0xf0, 0, 0, 0, 0, 0, 0}, nil, fields.Float{}, []any{1.0}},
		{"ints as an array", "|u1", []int{1}, []byte{9}, fields.NDArray{}, nd("|u1", 1), []any{row("|u1", []int{1}, 9)}},
		{"text", "|S2", []int{1}, []byte("ab"), nil, nd("|S2", 1), []any{row("|S2", []int{1}, 'a', 'b')}},
		{"rows", ">i2", []int{2, 2}, []byte{1, 2, 3, 4, 5, 6, 7, 8}, nil, nd(">i2", 2),
			[]any{row(">i2", []int{2}, 1, 2, 3, 4), row(">i2", []int{2}, 5, 6, 7, 8)}},
		{"tensors", "|u1", []int{1, 2}, []byte{1, 2}, fields.TorchTensor{}, fields.TorchTensor(nd("|u1", 2)), []any{row("|u1", []int{2}, 1, 2)}},
		{"images", "|u1", []int{1, 1, 2, 3}, []byte{1, 2, 3, 4, 5, 6}, fields.RGBImage{Mode: fields.ModeRaw}, fields.RGBImage{Mode: fields.ModeRaw},
			[]any{rgb.Image{Width: 2, Height: 1, Pix: []byte{1, 2, 3, 4, 5, 6}}}},
		{"bytes", "|u1", []int{2, 2}, []byte{1, 2, 3, 4}, fields.Bytes{}, fields.Bytes{}, []any{[]byte{1, 2}, []byte{3, 4}}},
		{"no rows", "<f4", []int{0, 3}, nil, nil, nd("<f4", 3), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec := source.Spec{Field: source.Field{Name: "x", Field: tt.given}, File: saveNPY(t, tt.dtype, tt.shape, tt.data...)}
			a, err := source.OpenArrays([]source.Spec{spec})
			must(t, err)
			defer a.Close()
			if got := a.Fields(); len(got) != 1 || got[0].Name != "x" || !reflect.DeepEqual(got[0].Field, tt.field) {
				t.Errorf("field: got %#v, want %#v", got, tt.field)
			}
			if a.Len() != len(tt.want) {
				t.Fatalf("Len: got %d, want %d", a.Len(), len(tt.want))
			}
			for i, want := range tt.want {
				got, key, err := a.Sample(t.Context(), i)
				if err != nil || key != "" || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
					t.Errorf("sample %d: got %v, %q, %v; want %v", i, got, key, err, want)
				}
			}
			if _, _, err := a.Sample(t.Context(), len(tt.want)); err == nil {
				t.Error("sample past the end: got no error")
			}
		})
	}
}

func TestArraysErrors(t *testing.T) {
	two := saveNPY(t, "|u1", []int{2}, 1, 2)
	three := saveNPY(t, "|u1", []int{3}, 1, 2, 3)
	pairs := saveNPY(t, "<f4", []int{1, 2}, 0, 0, 0, 0, 0, 0, 0, 0)
	tests := []struct {
		name  string
		specs []source.Spec
		want  string
	}{
		{"none", nil, "no files"},
		{"no file", specs(t, "x=int"), "no file; expected the .npy file as x=FILE"},
		{"column", specs(t, "x=int:column=c,file="+two), "column= and inline= are for tables"},
		{"lengths", specs(t, "x=int:file="+two, "y=int:file="+three), "3 rows; " + two + " has 2"},
		{"missing", specs(t, "x=int:file=none.npy"), "none.npy"},
		{"no npy", specs(t, "x=int:file=arrays_test.go"), "arrays_test.go"},
		{"single", specs(t, "x=int:file="+saveNPY(t, "|u1", nil, 1)), "a single value"},
		{"int of floats", specs(t, "x=int:file="+pairs), "rows of one integer"},
		{"float of ints", specs(t, "x=float:file="+two), "rows of one float"},
		{"rgb of pairs", specs(t, "x=rgb:file="+pairs), "(height, width, 3)"},
		{"bytes of floats", specs(t, "x=bytes:file="+pairs), "dtype |u1 and one axis"},
		{"json", specs(t, "x=json:file="+two), "cannot be read from arrays"},
		{"dtype", specs(t, "x=ndarray:dtype=<f8,file="+pairs), "the field holds <f8 (2,)"},
		{"shape", specs(t, "x=torch:shape=3,file="+pairs), "the field holds <f4 (3,)"},
	}
	for _, tt := range tests {
		a, err := source.OpenArrays(tt.specs)
		if err == nil || !strings.Contains(err.Error(), tt.want) || a != nil {
			t.Errorf("%s: got %v, %v; want an error with %q", tt.name, a, err, tt.want)
		}
	}
	a, err := source.OpenArrays([]source.Spec{{Field: source.Field{Name: "x"}, File: saveNPY(t, "<u8", []int{1}, 0, 0, 0, 0, 0, 0, 0, 128)}})
	must(t, err)
	defer a.Close()
	if _, _, err := a.Sample(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "9223372036854775808 is larger than an int field holds") {
		t.Errorf("2^63: got %v", err)
	}
}

// TestStructuredArrays: a field has no place for structs.
func TestStructuredArrays(t *testing.T) {
	var u *array.UnsupportedError
	a, err := source.OpenArrays([]source.Spec{{Field: source.Field{Name: "x"}, File: "../testdata/npy/structured.npy"}})
	if !errors.As(err, &u) || a != nil {
		t.Errorf("%v, %v; want an UnsupportedError", a, err)
	}
}
