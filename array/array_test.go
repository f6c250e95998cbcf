package array_test

import (
	"fmt"
	"math"
	"reflect"
	"testing"

	"github.com/betongo/betongo/array"
)

func TestSpecBytes(t *testing.T) {
	big := 1 << 31
	for _, tt := range []struct {
		dtype        array.DType
		shape        []int
		count, bytes int // -1: an error
	}{
		{array.Float32, nil, 1, 4},
		{array.Float32, []int{3, 4}, 12, 48},
		{array.Float32, []int{3, 0}, 0, 0},
		{array.Uint8, []int{math.MaxInt}, math.MaxInt, math.MaxInt},
		{array.Int16, []int{math.MaxInt}, math.MaxInt, -1},
		{array.Int64, []int{big, big / 4}, big * (big / 4), -1},
		{array.Uint8, []int{big, big, 2}, -1, -1},
		{array.Uint8, []int{big, 0, big, 2}, -1, -1},
		{array.Uint8, []int{2, -1}, -1, -1},
		{array.Uint8, []int{0, -1}, -1, -1},
	} {
		s := array.Spec{DType: tt.dtype, Shape: tt.shape}
		check := func(what string, got int, err error, want int) {
			if want < 0 && (err == nil || got != 0) || want >= 0 && (err != nil || got != want) {
				t.Errorf("%v: %s = %d, %v; want %d", s, what, got, err, want)
			}
		}
		n, err := s.Count()
		check("Count", n, err, tt.count)
		n, err = s.Bytes()
		check("Bytes", n, err, tt.bytes)
	}
}

func TestNew(t *testing.T) {
	s := array.Spec{DType: array.Int16, Shape: []int{2, 3}}
	if a, err := array.New(s, make([]byte, 12)); err != nil || !a.Spec.Equal(s) {
		t.Errorf("New = %v, %v", a, err)
	}
	for _, n := range []int{0, 11, 13} {
		if a, err := array.New(s, make([]byte, n)); err == nil || a.Data != nil {
			t.Errorf("New with %d bytes = %v, %v; want an error", n, a, err)
		}
	}
	if _, err := array.New(array.Spec{Shape: []int{0}}, nil); err == nil {
		t.Error("New without a dtype: no error")
	}
}

func TestElements(t *testing.T) {
	a, err := array.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	row, err := array.View[float32](a.Row(1))
	if err != nil || !reflect.DeepEqual(row, []float32{4, 5, 6}) {
		t.Errorf("row 1 = %v, %v", row, err)
	}
	if first := a.Row(0).Data; len(first) != cap(first) {
		t.Error("a row can grow into the next one")
	}
	if _, err := array.View[float64](a); err == nil {
		t.Error("float64 view of float32: no error")
	}
	odd := array.Array{Spec: array.Spec{DType: array.Int16, Shape: []int{2}}, Data: []byte{9, 1, 0, 2, 0}[1:]}
	got, err := array.Values[int16](odd)
	if err != nil || !reflect.DeepEqual(got, []int16{1, 2}) {
		t.Errorf("Values of an odd address = %v, %v", got, err)
	}
	be, _ := array.ParseDType(">c8")
	c := array.Array{Spec: array.Spec{DType: be, Shape: []int{1}}, Data: []byte{0x3f, 0x80, 0, 0, 0x40, 0, 0, 0}}
	if got, err := array.Values[complex64](c); err != nil || got[0] != 1+2i {
		t.Errorf("big-endian complex = %v, %v", got, err)
	}
	if _, err := array.View[complex64](c); err == nil {
		t.Error("view of big-endian elements: no error")
	}
	b := array.Array{Spec: array.Spec{DType: array.Bool, Shape: []int{2}}, Data: []byte{1, 2}}
	if _, err := array.View[bool](b); err == nil {
		t.Error("a bool of byte 2: no error")
	}
	short := array.Array{Spec: a.Spec, Data: a.Data[:8]}
	if _, err := array.Values[float32](short); err == nil {
		t.Error("short data: no error")
	}
	if _, err := array.Of([]int8{1, 2, 3}, 2, 2); err == nil {
		t.Error("three values as (2, 2): no error")
	}
	if e, err := array.Of([]int8(nil)); err != nil || len(e.Shape) != 1 || e.Shape[0] != 0 {
		t.Errorf("no values: %v, %v", e, err)
	}
}

func ExampleOf() {
	a, _ := array.Of([]int32{1, 2, 3, 4, 5, 6}, 2, 3)
	last, _ := array.View[int32](a.Row(1))
	fmt.Println(a.Spec, last)
	// Output: <i4 (2, 3) [4 5 6]
}
