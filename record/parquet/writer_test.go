package parquet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/record/parquet"

	pq "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
)

func of[T int16 | float32 | bool | uint8](t testing.TB, v []T, shape ...int) array.Array {
	t.Helper()
	a, err := array.Of(v, shape...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// columns are of every kind.
var columns = []parquet.Column{
	{Name: "image", Kind: parquet.Image},
	{Name: "label", Kind: parquet.ClassLabel, Names: []string{"cat", `"é"`}},
	{Name: "count", Kind: parquet.Int64},
	{Name: "mass", Kind: parquet.Float64},
	{Name: "text", Kind: parquet.String},
	{Name: "blob", Kind: parquet.Binary},
	{Name: "note", Kind: parquet.JSON},
	{Name: "grid", Kind: parquet.List, DType: array.Float32, Shape: []int{2, 3}},
	{Name: "some", Kind: parquet.List, DType: array.Int16},
	{Name: "flags", Kind: parquet.List, DType: array.Bool, Shape: []int{9}},
	{Name: "cube", Kind: parquet.List, DType: array.Uint8, Shape: []int{2, 1, 2}},
}

// row is row i of them.
func row(t testing.TB, i int) []any {
	some := make([]int16, i%5)
	for k := range some {
		some[k] = int16(-k - i)
	}
	path := fmt.Sprintf("a/%d.jpg", i)
	if i%3 == 2 {
		path = ""
	}
	f, b := float32(i), i%2 == 0
	return []any{
		parquet.File{Bytes: bytes.Repeat([]byte{byte(i)}, 1+i%700), Path: path},
		int64(i%3 - 1), int64(-i), float64(i) / 4, strings.Repeat("ü", i%4), bytes.Repeat([]byte("b"), i%7),
		fmt.Appendf(nil, `{"i": %d}`, i), of(t, []float32{1, 2, 3, 4, 5, f}, 2, 3), of(t, some, len(some)),
		of(t, []bool{b, !b, b, b, b, b, b, b, true}, 9), of(t, []uint8{1, byte(i), 3, 255}, 2, 1, 2),
	}
}

// write returns a file of n rows.
func write(t testing.TB, n int, opts *parquet.WriterOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := parquet.NewWriter(&b, columns, opts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := w.Write(row(t, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if w.Size() > int64(b.Len()) {
		t.Errorf("size %d of %d", w.Size(), b.Len())
	}
	return b.Bytes()
}

// TestWriterByArrow: Apache's own library reads what is written.
func TestWriterByArrow(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 9, 1000} {
		for _, opts := range []*parquet.WriterOptions{nil, {RowGroupBytes: 1}, {RowGroupBytes: 5000}, {RowGroupRows: 8}} {
			b := write(t, n, opts)
			if again := write(t, n, opts); !bytes.Equal(b, again) {
				t.Fatalf("%d rows: the second file differs", n)
			}
			r, err := file.NewParquetReader(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if r.NumRows() != int64(n) || r.MetaData().Schema.NumColumns() != len(columns)+1 {
				t.Fatalf("%d rows of %d columns, want %d of %d", r.NumRows(), r.MetaData().Schema.NumColumns(), n, len(columns)+1)
			}
			at := 0
			for g := range r.NumRowGroups() {
				rg := r.RowGroup(g)
				k := int(rg.NumRows())
				if opts != nil && opts.RowGroupRows > 0 && k > opts.RowGroupRows || k == 0 {
					t.Errorf("row group of %d rows", k)
				}
				images, labels, some := texts(t, rg, 0, k), numbers(t, rg, 2, k), elements(t, rg, 9)
				for i := range k {
					want := row(t, at+i)
					if string(images[i]) != string(want[0].(parquet.File).Bytes) || labels[i] != want[1] {
						t.Fatalf("row %d: label %d, %x", at+i, labels[i], images[i])
					}
					a := want[8].(array.Array)
					if m := len(a.Data) / 2; m > len(some) {
						t.Fatalf("row %d: %d elements are left", at+i, len(some))
					} else {
						for k, v := range some[:m] {
							if v != int32(-k-at-i) {
								t.Fatalf("row %d: element %d is %d", at+i, k, v)
							}
						}
						some = some[m:]
					}
				}
				at += k
			}
			if at != n {
				t.Errorf("%d rows, want %d", at, n)
			}
		}
	}
}

func texts(t *testing.T, rg *file.RowGroupReader, column, n int) [][]byte {
	t.Helper()
	c, err := rg.Column(column)
	if err != nil {
		t.Fatal(err)
	}
	var list [][]byte
	for len(list) < n {
		values, def := make([]pq.ByteArray, n), make([]int16, n)
		total, _, err := c.(*file.ByteArrayColumnChunkReader).ReadBatch(int64(n), values, def, nil)
		if err != nil || total == 0 {
			t.Fatalf("%d values: %v", total, err)
		}
		for _, v := range values[:total] {
			list = append(list, slices.Clone([]byte(v)))
		}
	}
	return list
}

func numbers(t *testing.T, rg *file.RowGroupReader, column, n int) []any {
	t.Helper()
	c, err := rg.Column(column)
	if err != nil {
		t.Fatal(err)
	}
	values, def := make([]int64, n), make([]int16, n)
	if total, _, err := c.(*file.Int64ColumnChunkReader).ReadBatch(int64(n), values, def, nil); err != nil || total != int64(n) {
		t.Fatalf("%d values of %d: %v", total, n, err)
	}
	var list []any
	for _, v := range values {
		list = append(list, v)
	}
	return list
}

func elements(t *testing.T, rg *file.RowGroupReader, column int) []int32 {
	t.Helper()
	c, err := rg.Column(column)
	if err != nil {
		t.Fatal(err)
	}
	values, def, rep := make([]int32, 1<<16), make([]int16, 1<<16), make([]int16, 1<<16)
	_, n, err := c.(*file.Int32ColumnChunkReader).ReadBatch(1<<16, values, def, rep)
	if err != nil {
		t.Fatal(err)
	}
	return values[:n]
}

func TestWriterErrors(t *testing.T) {
	for _, test := range []struct {
		c    parquet.Column
		v    any
		want string
	}{
		{parquet.Column{Kind: 0}, nil, "no kind 0"},
		{parquet.Column{Kind: 99}, nil, "no kind 99"},
		{parquet.Column{Kind: parquet.ClassLabel}, nil, "0 class names"},
		{parquet.Column{Kind: parquet.Int64, Names: []string{"a"}}, nil, "1 class names"},
		{parquet.Column{Kind: parquet.Int64, Shape: []int{1}}, nil, "with a shape"},
		{parquet.Column{Kind: parquet.List}, nil, "not supported"},
		{parquet.Column{Kind: parquet.List, DType: array.Complex64}, nil, `dtype "<c8"`},
		{parquet.Column{Kind: parquet.List, DType: array.Int16.Swapped()}, nil, `dtype ">i2"`},
		{parquet.Column{Kind: parquet.List, DType: array.Int16, Shape: []int{}}, nil, "lists of shape ()"},
		{parquet.Column{Kind: parquet.List, DType: array.Int16, Shape: []int{2, 0}}, nil, "lists of shape (2, 0)"},
		{parquet.Column{Name: "\xff", Kind: parquet.Int64}, nil, "UTF-8"},
		{parquet.Column{Kind: parquet.ClassLabel, Names: []string{"a"}}, int64(1), "label 1 of 1"},
		{parquet.Column{Kind: parquet.ClassLabel, Names: []string{"a"}}, int64(-2), "label -2 of 1"},
		{parquet.Column{Kind: parquet.Int64}, 1, "a int for a int64"},
		{parquet.Column{Kind: parquet.Int64}, nil, "a <nil> for a int64"},
		{parquet.Column{Kind: parquet.Int64}, parquet.File{}, "for a int64"},
		{parquet.Column{Kind: parquet.Image}, []byte("x"), "for a image"},
		{parquet.Column{Kind: parquet.Image}, parquet.File{Path: "x"}, "without bytes"},
		{parquet.Column{Kind: parquet.Image}, parquet.File{Bytes: []byte("x"), Path: "\xff"}, "UTF-8"},
		{parquet.Column{Kind: parquet.String}, "\xff", "UTF-8"},
		{parquet.Column{Kind: parquet.String}, []byte("x"), "for a string"},
		{parquet.Column{Kind: parquet.JSON}, []byte("{"), "no valid JSON"},
		{parquet.Column{Kind: parquet.List, DType: array.Int16}, of(t, []float32{1}, 1), "want <i2 (-1,)"},
		{parquet.Column{Kind: parquet.List, DType: array.Float32}, of(t, []float32{1}, 1, 1), "want <f4 (-1,)"},
		{parquet.Column{Kind: parquet.List, DType: array.Float32, Shape: []int{2}}, of(t, []float32{1}, 1), "want <f4 (2,)"},
		{parquet.Column{Kind: parquet.List, DType: array.Float32}, array.Array{Spec: array.Spec{DType: array.Float32, Shape: []int{3}}}, "of 0 bytes"},
	} {
		w, err := parquet.NewWriter(io.Discard, []parquet.Column{{Name: "ok", Kind: parquet.Int64}, test.c}, nil)
		if err == nil {
			if err = w.Write([]any{int64(1), test.v}); err == nil || err != w.Close() || err != w.Write([]any{int64(1), test.v}) {
				t.Errorf("%+v: it doesn't stay with %v", test.c, err)
			}
		}
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "column") {
			t.Errorf("%+v: got %v, want %s", test.c, err, test.want)
		}
	}
	for _, columns := range [][]parquet.Column{nil, {{Name: "a", Kind: parquet.Int64}, {Name: "a", Kind: parquet.JSON}}} {
		if _, err := parquet.NewWriter(io.Discard, columns, nil); err == nil {
			t.Errorf("%v: no error", columns)
		}
	}
	w, err := parquet.NewWriter(io.Discard, columns[:2], nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write([]any{int64(1)}); err == nil || !strings.Contains(err.Error(), "1 values, want 2") {
		t.Errorf("got %v", err)
	}
}

// full takes so many bytes.
type full struct{ left int }

var errFull = errors.New("no space left")

func (f *full) Write(b []byte) (int, error) {
	if len(b) > f.left {
		return 0, errFull
	}
	f.left -= len(b)
	return len(b), nil
}

func TestWriterFull(t *testing.T) {
	all := len(write(t, 20, &parquet.WriterOptions{RowGroupRows: 5}))
	for left := range all {
		f := &full{left}
		w, err := parquet.NewWriter(f, columns, &parquet.WriterOptions{RowGroupRows: 5})
		for i := 0; i < 20 && err == nil; i++ {
			err = w.Write(row(t, i))
		}
		if err == nil {
			err = w.Close()
		}
		if !errors.Is(err, errFull) {
			t.Fatalf("%d bytes: %v", left, err)
		}
	}
}

func BenchmarkWriter(b *testing.B) {
	jpeg := bytes.Repeat([]byte("0123456789"), 11000)
	w, err := parquet.NewWriter(io.Discard, columns[:2], nil)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(jpeg)))
	b.ReportAllocs()
	r := []any{parquet.File{Bytes: jpeg, Path: "a/1.jpg"}, int64(1)}
	for b.Loop() {
		if err := w.Write(r); err != nil {
			b.Fatal(err)
		}
	}
}

// A writer that is used again writes what a new one does, whatever was before.
func TestWriterReset(t *testing.T) {
	opts := &parquet.WriterOptions{RowGroupBytes: 20 << 10}
	again, err := parquet.NewWriter(io.Discard, columns, opts)
	if err != nil {
		t.Fatal(err)
	}
	for k, n := range []int{300, 0, 7, 500} {
		if err := again.Write(row(t, 3)); err != nil { // what is not closed
			t.Fatal(err)
		}
		if k == 2 && again.Write(nil) == nil {
			t.Error("no values: no error")
		}
		var got bytes.Buffer
		if err := again.Reset(&got); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if err := again.Write(row(t, i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		if want := write(t, n, opts); !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%d rows: got %d other bytes than the %d of a new writer", n, got.Len(), len(want))
		}
		if err := again.Reset(io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	if err := again.Reset(&full{}); err == nil || again.Close() == nil {
		t.Error("Reset to a full disk: no error")
	}
}
