package array_test

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/betongo/betongo/array"
)

// fortranSink keeps elements in Fortran order in one buffer, rows in another.
func fortranSink(t *testing.T, spec array.Spec, elements, rows *bytes.Buffer) array.Sink {
	t.Helper()
	s, err := array.NewSink(array.Member{Name: "a", Spec: spec}, array.Taker{
		Rows:    func(a array.Array) error { rows.Write(a.Data); return nil },
		Fortran: &array.Taker{Rows: func(a array.Array) error { elements.Write(a.Data); return nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCopyFortran: what lies in Fortran order and is stored so is not turned.
func TestCopyFortran(t *testing.T) {
	for _, shape := range [][]int{{7, 3}, {600, 2, 3}, {3, 500}, {1, 4}, {4, 1}} {
		for _, chunk := range []int{0, 1, 24} {
			a := arange(t, shape...)
			turned := a.Strided().AsFortran().Data
			for name, s := range streams(t, a, chunk) {
				in, ok := s.(array.FortranStream)
				if !ok {
					continue
				}
				var elements, rows bytes.Buffer
				sink := fortranSink(t, a.Spec, &elements, &rows)
				done, least := 0, 0
				err := array.Copy(sink, s, func(n int) error { done, least = done+n, min(least, n); return nil })
				if err := errors.Join(err, sink.Close(), s.Close()); err != nil {
					t.Fatalf("%s of %v, chunk %d: %v", name, a.Spec, chunk, err)
				}
				if rows.Len() > 0 || !bytes.Equal(elements.Bytes(), turned) || done != shape[0] || least < 0 {
					t.Errorf("%s of %v, chunk %d: %d bytes by rows, %d rows, or other elements", name, a.Spec, chunk, rows.Len(), done)
				}
				if e, _ := in.Fortran(); e != nil {
					t.Errorf("%s: elements behind Close", name)
				}
			}
		}
	}
}

// TestFortranCast casts elements as they lie.
func TestFortranCast(t *testing.T) {
	a := arange(t, 50, 4)
	want, err := array.Cast(a, array.Float64)
	if err != nil {
		t.Fatal(err)
	}
	var elements, rows bytes.Buffer
	sink := fortranSink(t, want.Spec, &elements, &rows)
	if err := errors.Join(array.Copy(sink, array.CastStream(streams(t, a, 64)["fortran"], array.Float64), nil), sink.Close()); err != nil {
		t.Fatal(err)
	}
	if rows.Len() > 0 || !bytes.Equal(elements.Bytes(), want.Strided().AsFortran().Data) {
		t.Error("other elements")
	}
	if e, _ := array.CastStream(array.StreamOf(a.Strided(), 0), array.Float64).(array.FortranStream).Fortran(); e != nil {
		t.Error("elements in Fortran order of an array in C order")
	}
}

// TestFortranLate: neither side changes its order between rows.
func TestFortranLate(t *testing.T) {
	a := arange(t, 6, 3)
	s := streams(t, a, 12)["fortran"]
	var elements, rows bytes.Buffer
	sink := fortranSink(t, a.Spec, &elements, &rows)
	first, err := s.Next()
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Write(first); err != nil {
		t.Fatal(err)
	}
	if e, _ := s.(array.FortranStream).Fortran(); e != nil || sink.(array.FortranSink).Fortran() {
		t.Error("elements in Fortran order behind a row")
	}
	if err := errors.Join(array.Copy(sink, s, nil), sink.Close()); err != nil || !bytes.Equal(rows.Bytes(), a.Data) {
		t.Errorf("the rows that were left: %v", err)
	}
	for _, shape := range [][]int{{}, {5}, {-1, 3}, {0, 3}, {3, 0}} {
		sink := fortranSink(t, array.Spec{DType: array.Int32, Shape: shape}, &elements, &rows)
		if sink.(array.FortranSink).Fortran() {
			t.Errorf("a sink of shape %v takes elements in Fortran order", shape)
		}
	}
	sink = fortranSink(t, a.Spec, &elements, &rows)
	if !sink.(array.FortranSink).Fortran() {
		t.Fatal("no Fortran order")
	}
	if err := sink.Write(array.Array{Spec: array.Spec{DType: array.Int32, Shape: []int{17}}, Data: a.Data[:68]}); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); err == nil {
		t.Error("a sink that lacks an element was closed without an error")
	}
	if err := sink.Write(a); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write behind Close: %v", err)
	}
}
