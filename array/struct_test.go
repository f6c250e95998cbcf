package array_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
)

func TestParseStruct(t *testing.T) {
	for _, tt := range []struct {
		in, descr string
		size      int
	}{
		// numpy.dtype(…).descr and itemsize of NumPy 2.4.
		{"[('id', '<i4'), ('value', '<f4'), ('name', '|S10')]", "[('id', '<i4'), ('value', '<f4'), ('name', '|S10')]", 18},
		{"[('a', 'i1'), ('', '|V7'), ('b', 'f8'), ('m', 'u2', (2, 2))]", "[('a', '|i1'), ('', '|V7'), ('b', '<f8'), ('m', '<u2', (2, 2))]", 24},
		{"[('a', [('x', '>f4'), ('y', '<i2', 3)]), (('title', 'b'), '?')]", "[('a', [('x', '>f4'), ('y', '<i2', (3,))]), (('title', 'b'), '|b1')]", 11},
		{"{'names': ['a', 'b'], 'formats': ['i1', 'f8'], 'aligned': True}", "[('a', '|i1'), ('', '|V7'), ('b', '<f8')]", 16},
		{"{'names': ['b', 'a'], 'formats': ['f8', 'i1'], 'aligned': True}", "[('b', '<f8'), ('a', '|i1'), ('', '|V7')]", 16},
		{"{'names': ['a'], 'formats': ['<f4'], 'offsets': [4], 'itemsize': 12}", "[('', '|V4'), ('a', '<f4'), ('', '|V4')]", 12},
		{"{'names': ['a', 'b'], 'formats': ['<f4', ('<f4', (2,))], 'titles': ['t', None]}", "[(('t', 'a'), '<f4'), ('b', '<f4', (2,))]", 12},
		{"{'b': ('<i4', 4), 'a': ('i2', 0, 'x')}", "[(('x', 'a'), '<i2'), ('', '|V2'), ('b', '<i4')]", 8},
		{"i4, (2,3)f8, 3u1", "[('f0', '<i4'), ('f1', '<f8', (2, 3)), ('f2', '|u1', (3,))]", 55},
		{"i4,", "[('f0', '<i4')]", 4},
		{"[('x', ('<i4', (2,)), (3,))]", "[('x', '<i4', (3, 2))]", 24},
		{`[("it's", '<i4'), ('ф', 'M8[ns]')]`, `[("it's", '<i4'), ('ф', '<M8[ns]')]`, 12},
		{"[('', 'i4'), ('', 'i4')]", "[('f0', '<i4'), ('f1', '<i4')]", 8},
		{"[('b', 'bfloat16')]", "[('b', '<V2')]", 2},
		{"[]", "[]", 0},
	} {
		d, err := array.ParseDType(tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if d.Descr() != tt.descr || d.ItemSize() != tt.size || d.Kind() != 'V' || d.Order() != '|' {
			t.Errorf("%s: descr %s of %d bytes, want %s of %d", tt.in, d.Descr(), d.ItemSize(), tt.descr, tt.size)
		}
		again, err := array.ParseDType(d.String())
		if err != nil || again != d {
			t.Errorf("%s: %s reads as %v, %v", tt.in, d, again, err)
		}
		if s := d.Swapped(); s.Swapped() != d || s.ItemSize() != d.ItemSize() {
			t.Errorf("%s: swapped twice is %v", tt.in, s.Swapped())
		}
	}
}

func TestParseStructRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"[('a', '<i4'), ('a', '<f4')]":                         "twice",
		"[('a',)]":                                             "member 0",
		"[('a', 'x9')]":                                        "element types",
		"[('a', 'O')]":                                         "Python objects",
		"[('a', '<i4', (-1,))]":                                "no shape",
		"[('a', '<i4', (2147483647, 2))]":                      "larger",
		"[('a', '|V2147483647'), ('b', 'i4')]":                 "larger",
		"{'names': ['a'], 'formats': []}":                      "1 names",
		"{'names': ['a'], 'formats': ['f4'], 'offsets': [-1]}": "offset -1",
		"{'names': ['a'], 'formats': ['f4'], 'offsets': [2147483647]}":         "want 0 to",
		"{'names': ['a'], 'formats': ['f4'], 'itemsize': 2}":                   "itemsize 2",
		"{'names': ['a'], 'formats': ['f4'], 'offsets': [1], 'aligned': True}": "no multiple",
		"{'names': ['a'], 'formats': ['f4'], 'x': 1}":                          "unknown key",
		"{'a': 3}":                           "tuple of type and offset",
		"{}":                                 "without fields",
		"[('a', '<i4'":                       "byte",
		"[" + strings.Repeat("('a', [", 100): "deep",
	} {
		if d, err := array.ParseDType(in); err == nil || d.Valid() || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want an error that says %q", in, d, err, want)
		}
	}
}

func TestStructs(t *testing.T) {
	fields := []array.Field{{Name: "a", DType: array.Int8}, {Name: "b", DType: array.Float64}, {Name: "c", DType: array.Int16, Shape: []int{3}}}
	packed, err := array.Struct(fields)
	if err != nil || packed.ItemSize() != 15 || packed.Align() != 1 {
		t.Errorf("packed: %v of %d bytes, align %d, %v", packed, packed.ItemSize(), packed.Align(), err)
	}
	aligned, err := array.StructAligned(fields)
	if err != nil || aligned.ItemSize() != 24 || aligned.Align() != 8 || aligned == packed {
		t.Errorf("aligned: %v of %d bytes, align %d, %v", aligned, aligned.ItemSize(), aligned.Align(), err)
	}
	again, _ := array.Struct(fields)
	if again != packed {
		t.Error("the same fields are another type")
	}
	if f, ok := aligned.Field("b"); !ok || f.Offset != 8 || f.DType != array.Float64 {
		t.Errorf("field b: %v, %v", f, ok)
	}
	if got := aligned.Fields(); len(got) != 3 || got[2].Offset != 16 || len(got[2].Shape) != 1 || got[2].Shape[0] != 3 {
		t.Errorf("fields %v", got)
	}
	if array.Int32.Fields() != nil {
		t.Error("a scalar has fields")
	}
	over, err := array.StructAt([]array.Field{{Name: "all", DType: array.Uint32}, {Name: "low", DType: array.Uint16}}, 4)
	if err != nil || over.HasDescr() {
		t.Errorf("overlapping: %v, %v, descr %v", over, err, over.HasDescr())
	}
	if same, err := array.ParseDType(over.String()); err != nil || same != over {
		t.Errorf("%s reads as %v, %v", over, same, err)
	}
	for _, bad := range [][]array.Field{
		{{Name: "", DType: array.Int8}}, {{Name: "a"}}, {{Name: "a", DType: array.Int8, Shape: []int{-1}}},
		{{Name: "a", DType: array.Int8, Shape: []int{math.MaxInt, 2}}}, {{Name: "a", Title: "b", DType: array.Int8}, {Name: "b", DType: array.Int8}},
	} {
		if d, err := array.Struct(bad); err == nil {
			t.Errorf("Struct(%v) = %v", bad, d)
		}
	}
	var u *array.UnsupportedError
	if _, err := array.ParseDType("[('a', [('b', 'O')])]"); !errors.As(err, &u) {
		t.Errorf("an object inside: %v", err)
	}
}
