package dataset_test

import (
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/loader"
)

// cached are options of a cache.
func cached(memory int64) *dataset.Options {
	return &dataset.Options{File: &ffcv.OpenOptions{Memory: memory}}
}

// TestCache: files that share a cache give the values of the files, in all
// orders.
func TestCache(t *testing.T) {
	settle := leak.Watch(t)
	var paths []string
	var all model
	for k, n := range []int{7, 1, 0, 12, 5} {
		paths = append(paths, writeFile(t, k, n))
		f, err := ffcv.Open(paths[k], nil)
		if err != nil {
			t.Fatal(err)
		}
		m := modelOf(t, f)
		f.Close()
		all.names, all.samples, all.from = m.names, append(all.samples, m.samples...), append(all.from, m.from...)
	}
	before := descriptors(t)
	for _, direct := range []bool{false, true} {
		opts := cached(1 << 20)
		opts.File.Direct = direct
		c, err := dataset.Open(paths, opts)
		if err != nil {
			t.Fatal(err)
		}
		checkModel(t, made{ds: c, model: all, text: "cached"}, 1)
		if err := errors.Join(c.Close(), c.Close()); err != nil {
			t.Error(err)
		}
		if n := descriptors(t); n > before {
			t.Errorf("%d file descriptors, %d before", n, before)
		}
	}
	settle()
}

// TestCacheBudget: all files together keep to the memory of one.
func TestCacheBudget(t *testing.T) {
	const n, memory = 600, 1 << 20
	wide := func(first int) string {
		return ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "v", Field: fields.NDArray{DType: array.Int64, Shape: []int{1024}}}}, n, func(i int) []any {
			v := make([]int64, 1024)
			for k := range v {
				v[k] = int64(first + i)
			}
			return []any{v}
		}, nil)
	}
	c := opened(t, cached(memory), wide(0), wide(n), wide(2*n))
	l, err := loader.New(c, &loader.Options{BatchSize: 16, Order: loader.Random, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for epoch := range 2 {
		for b, err := range l.Epoch(t.Context(), epoch) {
			if err != nil {
				t.Fatal(err)
			}
			for i, id := range b.Samples() {
				row := b.Output("v").Value(i)
				if got := int(row[8*1023]) | int(row[8*1023+1])<<8; got != id {
					t.Fatalf("sample %d holds %d", id, got)
				}
			}
			b.Release()
		}
	}
	few, err := dataset.NewRange(c, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	stats, ok := few.CacheStats()
	if size := int64(3 * n * 8192); !ok || stats.Bytes < 2*size {
		t.Errorf("the cache did %+v (%v), want at least %d bytes read", stats, ok, 2*size)
	}
	// In the epochs the workers may have been quicker than those who read ahead, each
	// time: here nobody else reads.
	c.WillNeed([]ffcv.Range{{Off: 1 << 20, Len: 512 << 10}})
	for deadline := time.Now().Add(20 * time.Second); stats.Ahead == 0; stats, _ = few.CacheStats() {
		if time.Now().After(deadline) {
			t.Fatalf("nothing was read ahead: %+v", stats)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestCacheRefused: what can't be opened is named, and nothing stays open.
func TestCacheRefused(t *testing.T) {
	settle := leak.Watch(t)
	a, b, dir := writeFile(t, 0, 3), writeFile(t, 1, 3), t.TempDir()
	before := descriptors(t)
	_, err := dataset.Open([]string{a, dir}, cached(1<<20))
	refused(t, err, dir, "not a regular file")
	if err := os.Truncate(b, 1000); err != nil {
		t.Fatal(err)
	}
	_, err = dataset.Open([]string{a, b}, cached(1<<20))
	refused(t, err, b)
	if n := descriptors(t); n > before {
		t.Errorf("%d file descriptors, %d before", n, before)
	}
	settle()
}

// TestCacheCut: a file that is cut short while it is open is an error that
// names it and its sample.
func TestCacheCut(t *testing.T) {
	a, b := writeFile(t, 0, 5), writeFile(t, 1, 5)
	c := opened(t, cached(1<<20), a, b)
	if err := os.Truncate(b, 4<<20); err != nil {
		t.Fatal(err)
	}
	l, err := loader.New(c, &loader.Options{BatchSize: 4, Outputs: []loader.Output{{Name: "image", Disabled: true}}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var ids []int
	for batch, e := range l.Epoch(t.Context(), 0) {
		if err = e; err == nil {
			ids = append(ids, batch.Samples()...)
			batch.Release()
		}
	}
	var format *ffcv.FormatError
	if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.As(err, &format) || format.File != b || !slices.Equal(ids, []int{0, 1, 2, 3}) {
		t.Errorf("after samples %v: %v", ids, err)
	}
}
