package loader_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/loader"
)

const (
	cachedSamples = 96
	cachedBytes   = 100_000 // of a sample's array: more than a block of the cache
)

// cachedPath writes a file of arrays, each full of its sample's number, and
// short and empty values.
func cachedPath(t testing.TB) string {
	return ffcvtest.Write(t, []ffcv.FieldSpec{
		{Name: "x", Field: fields.NDArray{DType: array.Uint8, Shape: []int{cachedBytes}}},
		{Name: "n", Field: fields.Int{}},
		{Name: "b", Field: fields.Bytes{}},
	}, cachedSamples, func(i int) []any {
		return []any{bytes.Repeat([]byte{byte(i)}, cachedBytes), i, bytes.Repeat([]byte{byte(i)}, i)}
	}, nil)
}

// checkCached compares a batch with what cachedPath wrote.
func checkCached(t *testing.T, b *loader.Batch) {
	t.Helper()
	x, n, blobs := b.Output("x"), b.Output("n"), b.Output("b")
	for i, id := range b.Samples() {
		if got := x.Value(i); len(got) != cachedBytes || bytes.Count(got, []byte{byte(id)}) != cachedBytes {
			t.Fatalf("sample %d: wrong array", id)
		}
		if n.Value(i)[0] != byte(id) {
			t.Fatalf("sample %d: number %d", id, n.Value(i)[0])
		}
		if got := blobs.Value(i); !bytes.Equal(got, bytes.Repeat([]byte{byte(id)}, id)) {
			t.Fatalf("sample %d: wrong bytes %v", id, got)
		}
	}
}

// TestCacheOrders loads a file of 9.6 MB through caches from too small for one
// batch to larger than the file.
func TestCacheOrders(t *testing.T) {
	path := cachedPath(t)
	settle := leak.Watch(t)
	for _, memory := range []int64{160 << 10, 1 << 20, 3 << 20, 32 << 20} {
		for _, direct := range []bool{false, true} {
			f, err := ffcv.Open(path, &ffcv.OpenOptions{Memory: memory, Direct: direct})
			if err != nil {
				t.Fatal(err)
			}
			for _, order := range []loader.Order{loader.Sequential, loader.Random, loader.QuasiRandom, loader.PageShuffle{}} {
				l := newLoader(t, f, &loader.Options{BatchSize: 10, Workers: 3, Order: order, Seed: 1})
				seen := 0
				for epoch := range 2 {
					for b, err := range l.Epoch(t.Context(), epoch) {
						if err != nil {
							t.Fatalf("%d bytes: %v", memory, err)
						}
						checkCached(t, b)
						seen += b.Len()
						b.Release()
					}
				}
				if seen != 2*cachedSamples {
					t.Errorf("%d bytes: two epochs had %d samples", memory, seen)
				}
			}
			s, ok := f.CacheStats()
			if !ok || s.Bytes == 0 || s.Failed > 0 {
				t.Errorf("%d bytes: %+v, %v", memory, s, ok)
			}
			if memory == 32<<20 && s.Bytes > 10<<20 {
				t.Errorf("of a file of 9.6 MB a cache larger than it read %d bytes in 8 epochs", s.Bytes)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	settle()
}

func TestCacheRefuses(t *testing.T) {
	path := cachedPath(t)
	for memory, want := range map[int64]string{
		-1:      "memory of -1 bytes",
		1000:    "a budget of 1000 bytes, want at least",
		1 << 60: "memory", // no system has as much, but the file is small
	} {
		f, err := ffcv.Open(path, &ffcv.OpenOptions{Memory: memory})
		if memory == 1<<60 {
			if err != nil {
				t.Errorf("more than the file: %v", err)
			} else {
				f.Close()
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%d bytes: error %v, want one of %s with %q", memory, err, path, want)
		}
	}
	if _, err := ffcv.Open(t.TempDir(), &ffcv.OpenOptions{Memory: 1 << 20}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
}

// flaky is a file that fails from some offset on, or blocks.
type flaky struct {
	io.ReaderAt
	from   atomic.Int64 // where it goes wrong
	err    error        // nil: it reads short
	gate   chan struct{}
	closed atomic.Bool
}

func (f *flaky) ReadAt(p []byte, off int64) (int, error) {
	from := f.from.Load()
	if f.gate != nil && off+int64(len(p)) > from {
		<-f.gate
	}
	if f.gate != nil || off+int64(len(p)) <= from {
		return f.ReaderAt.ReadAt(p, off)
	}
	if f.err != nil {
		return 0, f.err
	}
	n, _ := f.ReaderAt.ReadAt(p[:max(0, from-off)], off)
	return n, io.EOF
}

func (f *flaky) Close() error { f.closed.Store(true); return nil }

func openFlaky(t *testing.T, f *flaky, memory int64) *ffcv.File {
	t.Helper()
	b, err := os.ReadFile(cachedPath(t))
	if err != nil {
		t.Fatal(err)
	}
	f.ReaderAt = bytes.NewReader(b)
	f.from.Store(math.MaxInt64)
	src, err := ffcv.CacheSource("flaky", f, int64(len(b)), memory)
	if err != nil {
		t.Fatal(err)
	}
	file, err := ffcv.New(src, nil)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestCacheFaults: a failure of the file is that of the first sample that needs
// the bytes, with the place; the batches before it come.
func TestCacheFaults(t *testing.T) {
	for _, cause := range []error{errors.New("bad sector"), nil} {
		for workers, memory := range map[int]int64{1: 2 << 20, 2: 32 << 20, 3: 2 << 20, 4: 32 << 20} { // of the larger values are lent
			settle := leak.Watch(t)
			r := &flaky{err: cause}
			f := openFlaky(t, r, memory)
			l := newLoader(t, f, &loader.Options{BatchSize: 8, Workers: workers})
			const bad = 43
			row, err := f.Metadata(bad)
			if err != nil {
				t.Fatal(err)
			}
			ptr := int64(row[0]) | int64(row[1])<<8 | int64(row[2])<<16 | int64(row[3])<<24
			r.from.Store(ptr + 70_000)
			n, err := consume(t.Context(), l, math.MaxInt)
			var format *ffcv.FormatError
			if n != bad/8 || !errors.As(err, &format) || format.File != "flaky" || format.Sample != bad || format.Offset != ptr {
				t.Errorf("%v: after %d batches %v, want %d and an error of sample %d at byte %d", cause, n, err, bad/8, bad, ptr)
			}
			want := cause
			if cause == nil {
				want = io.ErrUnexpectedEOF
			}
			if !errors.Is(err, want) {
				t.Errorf("%v, want it to be of %v", err, want)
			}
			// It passes: the next epoch has them all.
			r.from.Store(math.MaxInt64)
			if n, err := consume(t.Context(), l, math.MaxInt); n != cachedSamples/8 || err != nil {
				t.Errorf("afterwards %d batches, %v", n, err)
			}
			if err := f.Close(); err != nil || !r.closed.Load() {
				t.Errorf("Close: %v, closed %v", err, r.closed.Load())
			}
			settle()
		}
	}
}

// TestCacheCut cuts the file short while it is open.
func TestCacheCut(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open file can't be cut short on Windows")
	}
	for _, direct := range []bool{false, true} {
		settle := leak.Watch(t)
		path := cachedPath(t)
		f, err := ffcv.Open(path, &ffcv.OpenOptions{Memory: 2 << 20, Direct: direct})
		if err != nil {
			t.Fatal(err)
		}
		l := newLoader(t, f, &loader.Options{BatchSize: 8, Workers: 2})
		if err := os.Truncate(path, 5<<20); err != nil {
			t.Fatal(err)
		}
		_, err = consume(t.Context(), l, math.MaxInt)
		var format *ffcv.FormatError
		if !errors.As(err, &format) || format.File != path || format.Sample < 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("direct %v: %v, want the error of a sample", direct, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		settle()
	}
}

// TestCacheEnds ends epochs in every way, with batches announced that nobody
// wants any more.
func TestCacheEnds(t *testing.T) {
	path := cachedPath(t)
	settle := leak.Watch(t)
	f, err := ffcv.Open(path, &ffcv.OpenOptions{Memory: 2 << 20})
	if err != nil {
		t.Fatal(err)
	}
	l := newLoader(t, f, &loader.Options{BatchSize: 8, Workers: 2, Order: loader.Random})
	for most := range 12 {
		for _, end := range []string{"break", "cancel", "panic"} {
			err := endEpoch(t, l, end, most)
			if end == "cancel" != errors.Is(err, context.Canceled) {
				t.Fatalf("%s after %d batches: %v", end, most, err)
			}
		}
	}
	for b, err := range l.Epoch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		checkCached(t, b)
		b.Release()
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	settle()
}

func endEpoch(t *testing.T, l *loader.Loader, end string, most int) (err error) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	defer func() {
		if r := recover(); r != nil && r != "enough" {
			err = fmt.Errorf("%v", r)
		}
	}()
	n := 0
	for b, err := range l.Epoch(ctx, 0) {
		if err != nil {
			return err
		}
		checkCached(t, b)
		b.Release()
		if n++; n < most {
			continue
		}
		switch end {
		case "break":
			return nil
		case "panic":
			panic("enough")
		}
		cancel()
	}
	return nil
}

// TestCacheBlocks: a file that does not answer holds up its samples; when it
// does, the epoch that was cancelled ends, and so does Close.
func TestCacheBlocks(t *testing.T) {
	settle := leak.Watch(t)
	r := &flaky{}
	f := openFlaky(t, r, 2<<20)
	l := newLoader(t, f, &loader.Options{BatchSize: 8, Workers: 2})
	r.gate = make(chan struct{})
	r.from.Store(5 << 20)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { // ends with the epoch
		_, err := consume(ctx, l, math.MaxInt)
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond)
	cancel()
	time.Sleep(5 * time.Millisecond)
	close(r.gate)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	settle()
}
