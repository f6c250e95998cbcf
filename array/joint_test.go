package array_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
)

func arange(t *testing.T, shape ...int) array.Array {
	t.Helper()
	spec := array.Spec{DType: array.Int32, Shape: shape}
	n, err := spec.Count()
	if err != nil {
		t.Fatal(err)
	}
	v := make([]int32, n)
	for i := range v {
		v[i] = int32(i)
	}
	a, err := array.New(spec, array.BytesOf(v))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// collector is a sink that keeps what it gets.
func collector(t *testing.T, m array.Member, out *bytes.Buffer) array.Sink {
	t.Helper()
	s, err := array.NewSink(m, array.Taker{Rows: func(rows array.Array) error { out.Write(rows.Data); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// streams are all ways to have the same array by its rows.
func streams(t *testing.T, a array.Array, chunk int) map[string]array.Stream {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "rows")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	turned := a.Strided().AsFortran()
	for _, b := range [][]byte{[]byte("before"), a.Data, turned.Data} {
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	e := array.Extent{Spec: a.Spec, File: f, Offset: 6}
	plain, err := array.StreamExtent("a", e, chunk)
	if err != nil {
		t.Fatal(err)
	}
	if !turned.IsContiguous() {
		e.Offset += int64(len(a.Data))
	}
	fortran, err := array.StreamFortran("a", e, turned, chunk)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]array.Stream{"memory": array.StreamOf(a.Strided(), chunk), "gathered": array.StreamOf(turned, chunk), "file": plain, "fortran": fortran}
}

func TestStreams(t *testing.T) {
	for _, shape := range [][]int{{}, {0}, {0, 3}, {5, 0}, {1}, {7}, {7, 3}, {600, 2, 3}, {3, 500}} {
		for _, chunk := range []int{0, 1, 24, 12000} {
			a := arange(t, shape...)
			for name, s := range streams(t, a, chunk) {
				var got bytes.Buffer
				rows := 0
				sink := collector(t, array.Member{Name: "a", Spec: a.Spec}, &got)
				if err := array.Copy(sink, s, func(n int) error { rows += n; return nil }); err != nil {
					t.Fatalf("%s of %v, chunk %d: %v", name, a.Spec, chunk, err)
				}
				if err := sink.Close(); err != nil {
					t.Errorf("%s of %v, chunk %d: %v", name, a.Spec, chunk, err)
				}
				want := 1
				if len(shape) > 0 {
					want = shape[0]
				}
				if !bytes.Equal(got.Bytes(), a.Data) || rows != want {
					t.Errorf("%s of %v, chunk %d: %d rows, or other bytes", name, a.Spec, chunk, rows)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				if _, err := s.Next(); !errors.Is(err, os.ErrClosed) {
					t.Errorf("%s: Next behind Close: %v", name, err)
				}
			}
		}
	}
}

func TestCopyExtents(t *testing.T) {
	a := arange(t, 1000, 3)
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	at := int64(10)
	sink, err := array.NewSink(array.Member{Name: "a", Spec: a.Spec}, array.Taker{
		Rows: func(array.Array) error { return errors.New("by its bytes") },
		Extent: func(rows array.Extent) error {
			err := rows.CopyTo(out, at)
			n, _ := rows.Bytes()
			at += int64(n)
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(array.Copy(sink, streams(t, a, 0)["file"], nil), sink.Close()); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(a.Data))
	if _, err := out.ReadAt(got, 10); err != nil || !bytes.Equal(got, a.Data) {
		t.Errorf("other bytes, %v", err)
	}
	short := array.Extent{Spec: a.Spec, File: out, Offset: 100}
	other, err := os.CreateTemp(t.TempDir(), "other")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	err = short.CopyTo(other, 0)
	var f *array.FormatError
	if !errors.As(err, &f) || f.File != out.Name() || f.Offset != 10+int64(len(a.Data)) {
		t.Errorf("an extent beyond its file: %v", err)
	}
}

func TestSinkRefuses(t *testing.T) {
	a := arange(t, 4, 3)
	for _, test := range []struct {
		want string
		rows array.Array
	}{
		{"rows of <i4 (1, 2), want those of <i4 (3, 3)", arange(t, 1, 2)},
		{"rows of <i4 (3,), want those of", arange(t, 3)},
		{"4 rows, want 3", a},
		{"rows of <u4 (1, 3)", array.Array{Spec: array.Spec{DType: array.Uint32, Shape: []int{1, 3}}, Data: a.Data[:12]}},
		{"11 bytes for rows of", array.Array{Spec: array.Spec{DType: array.Int32, Shape: []int{1, 3}}, Data: a.Data[:11]}},
		{"negative dimension", array.Array{Spec: array.Spec{DType: array.Int32, Shape: []int{-1, 3}}}},
		{"larger than", array.Array{Spec: array.Spec{DType: array.Int32, Shape: []int{math.MaxInt, 3}}}},
	} {
		var got bytes.Buffer
		s := collector(t, array.Member{Name: "x", Spec: array.Spec{DType: array.Int32, Shape: []int{3, 3}}}, &got)
		err := s.Write(test.rows)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), `"x"`) {
			t.Errorf("%v: %v, want %q", test.rows.Spec, err, test.want)
		}
		if again := s.Write(arange(t, 3, 3)); again == nil || again.Error() != err.Error() {
			t.Errorf("behind an error: %v", again)
		}
		if got.Len() > 0 || s.Close() == nil {
			t.Errorf("%v: rows were taken", test.rows.Spec)
		}
	}
	for _, shape := range [][]int{{-2}, {3, -1}, {math.MaxInt, 2}, {-1, math.MaxInt}} {
		if _, err := array.NewSink(array.Member{Name: "x", Spec: array.Spec{DType: array.Int32, Shape: shape}}, array.Taker{}); err == nil {
			t.Errorf("a sink of shape %v", shape)
		}
	}
}

func TestWriting(t *testing.T) {
	m := array.Member{Name: "x", Spec: array.Spec{DType: array.Int32, Shape: []int{3, 3}}}
	var log []string
	step := func(name string) func() error {
		return func() error { log = append(log, name); return nil }
	}
	end := func(_ int, err error) error {
		if err != nil {
			log = append(log, "end with an error")
			return nil
		}
		return step("end")()
	}
	taker := array.Taker{Rows: func(array.Array) error { return nil }, End: end}

	w := array.NewWriting("f")
	s, err := w.Begin(m, taker)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Ready(); err == nil {
		t.Error("ready with an open array")
	}
	if err := errors.Join(s.Write(arange(t, 3, 3)), s.Close(), s.Close(), w.Ready()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(step("complete"), step("commit"), step("abort")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(nil, nil, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a second Close: %v", err)
	}
	if err := w.Abort(step("abort")); err != nil {
		t.Error(err)
	}
	if got := strings.Join(log, ", "); got != "end, complete, commit" {
		t.Errorf("a whole file: %s", got)
	}

	log = nil
	w = array.NewWriting("f")
	s, _ = w.Begin(m, taker)
	if err := s.Close(); err == nil || err.Error() != `f: array "x": 0 rows, want 3` {
		t.Errorf("missing rows: %v", err)
	}
	if err := w.Close(step("complete"), step("commit"), step("abort")); err == nil {
		t.Error("a file without its rows")
	}
	if got := strings.Join(log, ", "); got != "end with an error, abort" {
		t.Errorf("missing rows: %s", got)
	}

	log = nil
	w = array.NewWriting("f")
	s, _ = w.Begin(m, taker)
	if err := errors.Join(w.Abort(step("abort")), w.Abort(step("abort"))); err != nil {
		t.Error(err)
	}
	if err := s.Write(arange(t, 3, 3)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write behind Abort: %v", err)
	}
	if got := strings.Join(log, ", "); got != "end with an error, abort" {
		t.Errorf("aborted: %s", got)
	}
}

func TestCastStream(t *testing.T) {
	s := array.CastStream(array.StreamOf(arange(t, 5).Strided(), 8), array.Float64)
	var got []float64
	for {
		rows, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows.Shape[0] {
			got = append(got, math.Float64frombits(binary.LittleEndian.Uint64(rows.Row(i).Data)))
		}
	}
	if len(got) != 5 || got[4] != 4 {
		t.Errorf("cast rows: %v", got)
	}
}

func BenchmarkCast(b *testing.B) {
	const n = 64 << 10
	v := make([]float64, n)
	for i := range v {
		v[i] = float64(i % 100)
	}
	a, err := array.Of(v)
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 16*n)
	for _, from := range []array.DType{array.Float64, array.Float32, array.Uint8, array.Int64} {
		in, err := array.Cast(a, from)
		if err != nil {
			b.Fatal(err)
		}
		for _, to := range []array.DType{array.Float16, array.Float32, array.Float64, array.Uint8, array.Float64.Swapped()} {
			b.Run("from="+from.String()+"/to="+to.String(), func(b *testing.B) {
				b.SetBytes(int64(len(in.Data)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := array.CastInto(buf, in, to); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
