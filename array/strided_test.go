package array_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/betongo/betongo/array"
)

// naive reads a strided array element by element.
func naive(s array.Strided) []byte {
	var out []byte
	item := s.DType.ItemSize()
	var walk func(axis, off int)
	walk = func(axis, off int) {
		if axis == len(s.Shape) {
			out = append(out, s.Data[off:off+item]...)
			return
		}
		for i := range s.Shape[axis] {
			walk(axis+1, off+i*s.Strides[axis])
		}
	}
	walk(0, s.Offset)
	return out
}

func TestContiguous(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 1<<16)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	for range 3000 {
		dtype := parse(t, []string{"u1", "<i2", "<f4", "<f8", "<c16", "S3", "S40", "S0"}[rng.IntN(8)])
		shape := make([]int, rng.IntN(5))
		for i := range shape {
			shape[i] = []int{0, 1, 2, 3, 5, 33, 40}[1-min(1, rng.IntN(10))+rng.IntN(6)]
		}
		spec := array.Spec{DType: dtype, Shape: shape}
		n, _ := spec.Bytes()
		if n > len(data) {
			continue
		}
		a, err := array.New(spec, data[:n])
		if err != nil {
			t.Fatal(err)
		}
		s := a.Strided()
		for range rng.IntN(4) {
			switch rng.IntN(3) {
			case 0:
				axes := rng.Perm(len(shape))
				if len(axes) > 0 {
					s = s.Transpose(axes...)
				}
			case 1:
				if len(shape) > 0 {
					axis := rng.IntN(len(shape))
					s = s.Slice(axis, s.Shape[axis]-1, -1, -1-rng.IntN(2))
				}
			case 2:
				if len(shape) > 0 {
					axis := rng.IntN(len(shape))
					s = s.Slice(axis, s.Shape[axis]/3, s.Shape[axis], 1+rng.IntN(3))
				}
			}
		}
		want := naive(s)
		got := s.AsContiguous()
		if !bytes.Equal(got.Data, want) || !slices.Equal(got.Shape, s.Shape) {
			t.Fatalf("%v with strides %v: AsContiguous differs", s.Spec, s.Strides)
		}
		if f := s.AsFortran(); !f.IsFortran() || !bytes.Equal(naive(f), want) {
			t.Fatalf("%v with strides %v: AsFortran differs", s.Spec, s.Strides)
		}
		if s.IsContiguous() && len(want) > 0 && &got.Data[0] != &s.Data[s.Offset] {
			t.Fatalf("%v was copied though it is contiguous", s.Spec)
		}
		if _, err := array.NewStrided(s.Spec, s.Strides, s.Data, s.Offset); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFortranAndFields(t *testing.T) {
	a, err := array.FortranOf(array.Spec{DType: array.Uint8, Shape: []int{2, 3}}, []byte{0, 3, 1, 4, 2, 5})
	if err != nil || a.IsContiguous() || !a.IsFortran() {
		t.Fatalf("%v, %v", a, err)
	}
	if got := a.AsContiguous().Data; !bytes.Equal(got, []byte{0, 1, 2, 3, 4, 5}) {
		t.Errorf("in C order %v", got)
	}
	if got := a.Row(1).AsContiguous().Data; !bytes.Equal(got, []byte{3, 4, 5}) {
		t.Errorf("row 1: %v", got)
	}
	d := parse(t, "[('a', 'u1'), ('b', '>u2', (2,))]")
	table, err := array.New(array.Spec{DType: d, Shape: []int{2}}, []byte{1, 0, 2, 0, 3, 4, 0, 5, 0, 6})
	if err != nil {
		t.Fatal(err)
	}
	b, err := table.Strided().Field("b")
	if err != nil || b.Spec.String() != ">u2 (2, 2)" {
		t.Fatalf("field b: %v, %v", b.Spec, err)
	}
	if got, err := array.Values[uint16](b.AsContiguous()); err != nil || !slices.Equal(got, []uint16{2, 3, 5, 6}) {
		t.Errorf("field b: %v, %v", got, err)
	}
	if _, err := table.Strided().Field("c"); err == nil {
		t.Error("field c: no error")
	}
}

func TestView(t *testing.T) {
	a, _ := array.Of([]uint32{1, 2, 3, 4, 5, 6}, 2, 3)
	s := a.Strided()
	for _, tt := range []struct {
		s    array.Strided
		to   string
		want string // "" for an error
	}{
		{s, "<f4", "<f4 (2, 3)"}, {s, "u1", "|u1 (2, 12)"}, {s, "<u2", "<u2 (2, 6)"}, {s, "<u8", ""}, {s, "S12", "|S12 (2, 1)"},
		{s.Transpose(), "<f4", "<f4 (3, 2)"}, {s.Transpose(), "u1", ""}, {s.Row(0).Slice(0, 0, 2, 1), "<u8", "<u8 (1,)"},
		{s.Row(0).Row(0), "u1", ""}, {s.Row(0).Row(0), "<f4", "<f4 ()"}, {s, "S0", ""}, {s, "[('a', '<u2'), ('b', '<u2')]", "[('a', '<u2'), ('b', '<u2')] (2, 3)"},
	} {
		v, err := tt.s.View(parse(t, tt.to))
		if (err == nil) != (tt.want != "") || err == nil && v.Spec.String() != tt.want {
			t.Errorf("%v as %s: %v, %v; want %s", tt.s.Spec, tt.to, v.Spec, err, tt.want)
		}
	}
}

func TestNewStridedRefuses(t *testing.T) {
	spec := array.Spec{DType: array.Uint32, Shape: []int{3, 2}}
	data := make([]byte, 24)
	for _, tt := range []struct {
		strides []int
		offset  int
		ok      bool
	}{
		{[]int{8, 4}, 0, true}, {[]int{0, 0}, 20, true}, {[]int{-8, 4}, 16, true}, {[]int{8, 4}, 1, false}, {[]int{8, 4}, -1, false},
		{[]int{9, 4}, 0, false}, {[]int{-8, 4}, 15, false}, {[]int{8}, 0, false}, {[]int{math.MaxInt, 4}, 0, false}, {[]int{math.MinInt, 4}, 0, false},
	} {
		if _, err := array.NewStrided(spec, tt.strides, data, tt.offset); (err == nil) != tt.ok {
			t.Errorf("strides %v from %d: %v", tt.strides, tt.offset, err)
		}
	}
}

func BenchmarkAsContiguous(b *testing.B) {
	for _, name := range []string{"u1", "<f4", "<f8"} {
		b.Run("dtype="+name, func(b *testing.B) {
			d := parse(b, name)
			data := make([]byte, 1024*2048*d.ItemSize())
			f, err := array.FortranOf(array.Spec{DType: d, Shape: []int{1024, 2048}}, data)
			if err != nil {
				b.Fatal(err)
			}
			dst := make([]byte, len(data))
			b.SetBytes(int64(len(data)))
			for range b.N {
				f.CopyTo(dst)
			}
		})
	}
}
