package ffcv_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// manyFlaws is a file with a flaw in each of its samples.
func manyFlaws(t *testing.T) *ffcv.File {
	b := golden.Bytes("rgb_raw_small40")
	f, err := ffcv.New(ffcvtest.Lend(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.Len() {
		row, _ := f.Metadata(i)
		row[0] = 7 // the image's mode; the row is borrowed from b
	}
	return f
}

func TestVerifyOrder(t *testing.T) {
	t.Cleanup(leak.Watch(t))
	f := manyFlaws(t)
	var rows []int
	err := f.Verify(context.Background(), func(e *ffcv.FormatError) {
		if e.Sample >= 0 {
			rows = append(rows, e.Sample)
		}
	})
	if err == nil || len(rows) != f.Len() {
		t.Fatalf("%v; samples %v", err, rows)
	}
	for i, r := range rows {
		if r != i {
			t.Fatalf("samples %v, want them in order", rows)
		}
	}
}

func TestVerifyCancelled(t *testing.T) {
	t.Cleanup(leak.Watch(t))
	f := manyFlaws(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.Verify(ctx, func(*ffcv.FormatError) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	stop := &stopper{Source: ffcvtest.Lend(golden.Bytes("cifar_like")), after: 500, stop: cancel}
	big, err := ffcv.New(stop, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := big.Verify(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled meanwhile: %v", err)
	}
}

// stopper calls stop after some reads.
type stopper struct {
	ffcv.Source
	after int64
	n     atomic.Int64
	stop  func()
}

func (s *stopper) Borrow(off, n int64) ([]byte, bool) {
	if s.n.Add(1) == s.after {
		s.stop()
	}
	return s.Source.Borrow(off, n)
}

func TestVerifyReportPanics(t *testing.T) {
	t.Cleanup(leak.Watch(t))
	f := manyFlaws(t)
	defer func() {
		if r := recover(); r != "mine" {
			t.Errorf("recovered %v", r)
		}
	}()
	f.Verify(context.Background(), func(*ffcv.FormatError) { panic("mine") })
}

// A disk that fails is a flaw with its place, and the cause in the chain.
func TestVerifyReadError(t *testing.T) {
	t.Cleanup(leak.Watch(t))
	b := golden.Bytes("bytes")
	cause := errors.New("the disk is on fire")
	src := ffcv.ReaderAtSource("disk", badDisk{bytes.NewReader(b), 2<<20 + 100, cause}, int64(len(b)))
	f, err := ffcv.New(src, nil)
	if err != nil {
		t.Fatal(err)
	}
	var e *ffcv.FormatError
	if err := f.Verify(context.Background(), nil); !errors.Is(err, cause) || !errors.As(err, &e) || e.Sample < 0 || e.Field != "data" {
		t.Errorf("%v", err)
	}
}

type badDisk struct {
	io.ReaderAt
	bad   int64
	cause error
}

func (d badDisk) ReadAt(p []byte, off int64) (int, error) {
	if off <= d.bad && d.bad < off+int64(len(p)) {
		return 0, d.cause
	}
	return d.ReaderAt.ReadAt(p, off)
}

// rude is a custom field of four bytes that misbehaves on some values.
type rude struct{ fields.Field }

func (r rude) Decode(meta []byte, data [][]byte) (any, error) {
	switch v := binary.LittleEndian.Uint32(meta); {
	case v%5 == 1:
		panic("rude")
	case v%5 == 2:
		return meta[:len(meta)+1+cap(meta)], nil // a run-time panic
	}
	return meta, nil
}

func TestCustomFieldPanics(t *testing.T) {
	t.Cleanup(leak.Watch(t))
	b := golden.Bytes("u1_then_i8")
	f, err := ffcv.New(ffcvtest.Lend(b), &ffcv.OpenOptions{Custom: map[string]fields.Field{
		"flag": fields.Opaque{DType: "|u1"}, "flag2": fields.Opaque{DType: "|u1"}, "flag3": fields.Opaque{DType: "|u1"},
		"u4": rude{fields.Opaque{DType: "<u4"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	k := f.FieldIndex("u4")
	bad := 0
	for i := range f.Len() {
		row, _ := f.Metadata(i)
		v := binary.LittleEndian.Uint32(row[f.Fields()[k].Offset:])
		_, err := f.Value(i, k)
		if panics := v%5 == 1 || v%5 == 2; (err != nil) != panics || panics && !strings.Contains(err.Error(), "panic") {
			t.Errorf("value %d: %v", v, err)
		} else if panics {
			bad++
		}
	}
	n := 0
	err = f.Verify(context.Background(), func(e *ffcv.FormatError) {
		if e.Field != "u4" || e.Sample < 0 {
			t.Errorf("%v", e)
		}
		n++
	})
	if err == nil || n != bad || bad == 0 {
		t.Errorf("%v: %d flaws, want %d", err, n, bad)
	}
}

// Rows in another order than their regions are sound, and an overlap among
// them is found.
func TestVerifyShuffledRows(t *testing.T) {
	b := golden.Bytes("bytes")
	f, err := ffcv.New(ffcvtest.Lend(bytes.Clone(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := f.Header()
	n := f.Len()
	at := func(i int) []byte { return b[ffcv.HeaderSize+2*ffcv.DescriptorSize+24*i:][:24] }
	entry := func(i int) []byte { return b[int(h.AllocTable)+24*i:][:24] }
	for i := range n {
		j := i * 7 % n // 7 and 120 have no common divisor
		row, _ := f.Metadata(i)
		copy(at(j), row)
		binary.LittleEndian.PutUint64(entry(i), uint64(j))
	}
	shuffled, err := ffcv.New(ffcvtest.Lend(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := shuffled.Verify(context.Background(), func(e *ffcv.FormatError) { t.Error(e) }); err != nil {
		t.Fatal(err)
	}
	for i := range n { // the second region begins a byte early
		if binary.LittleEndian.Uint64(entry(i)[8:]) == 2<<20+17 {
			j := int(binary.LittleEndian.Uint64(entry(i)))
			binary.LittleEndian.PutUint64(entry(i)[8:], 2<<20+16)
			binary.LittleEndian.PutUint64(at(j)[8:], 2<<20+16)
			var e *ffcv.FormatError
			if err := shuffled.Verify(context.Background(), nil); !errors.As(err, &e) || e.Sample != j || !strings.Contains(e.What, "overlap") {
				t.Errorf("%v, want an overlap at sample %d", err, j)
			}
			return
		}
	}
	t.Error("no second region")
}

// A sample may be larger than a page by the byte that an empty value takes.
func TestVerifyBarelyLarge(t *testing.T) {
	for _, extra := range []int{-1, 0, 1} {
		specs := []ffcv.FieldSpec{{Name: "none", Field: fields.Bytes{}}, {Name: "data", Field: fields.Bytes{}}}
		f := ffcvtest.Map(t, ffcvtest.Write(t, specs, 3, func(int) []any {
			return []any{[]byte{}, make([]byte, ffcv.MinPageSize+extra)}
		}, &ffcv.Options{PageSize: ffcv.MinPageSize, LargeSamples: true}), nil)
		if err := f.Verify(context.Background(), nil); err != nil {
			t.Errorf("a page and %d bytes: %v", extra, err)
		}
	}
}
