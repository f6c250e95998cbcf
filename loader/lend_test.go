package loader_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/loader"
)

// lending counts what a file lends.
type lending struct {
	*ffcv.File
	all, out atomic.Int64
}

func (l *lending) Lend(sample int, ptr uint64, size int64) ([]byte, func(), error) {
	b, done, err := l.File.Lend(sample, ptr, size)
	if done == nil {
		return b, done, err
	}
	l.all.Add(1)
	l.out.Add(1)
	return b, func() { l.out.Add(-1); done() }, err
}

// twice copies values, and does with that of sample at what how says.
type twice struct {
	at  int
	how func() error
}

func (o twice) Bind(in array.Spec) (array.Spec, func(dst, src []byte, rng *rand.Rand) error, bool, error) {
	return in, func(dst, src []byte, _ *rand.Rand) error {
		copy(dst, src)
		if int(src[0]) == o.at {
			return o.how()
		}
		return nil
	}, false, nil
}

// TestLend: values are lent to the workers by a cache that has room for the file, and
// given back however a sample ends.
func TestLend(t *testing.T) {
	path := cachedPath(t)
	bad := errors.New("bad")
	for _, c := range []struct {
		name   string
		memory int64
		lends  bool
		how    func() error
		batch  int // the first that fails
	}{
		{"room", 32 << 20, true, nil, cachedSamples / 8},
		{"no room", 2 << 20, false, nil, cachedSamples / 8},
		{"error", 32 << 20, true, func() error { return bad }, 3},
		{"panic", 32 << 20, true, func() error { panic("fell") }, 3},
		{"end", 32 << 20, true, func() error { runtime.Goexit(); return nil }, 3},
	} {
		settle := leak.Watch(t)
		f, err := ffcv.Open(path, &ffcv.OpenOptions{Memory: c.memory})
		if err != nil {
			t.Fatal(err)
		}
		ds := &lending{File: f}
		op := twice{at: -1}
		if c.how != nil {
			op = twice{at: 8*c.batch + 3, how: c.how}
		}
		l, err := loader.New(ds, &loader.Options{BatchSize: 8, Workers: 2, Outputs: []loader.Output{{Name: "x", Ops: []any{op}}, {Name: "n"}, {Name: "b"}}})
		if err != nil {
			t.Fatal(err)
		}
		for epoch := range 2 {
			n := 0
			for b, err := range l.Epoch(t.Context(), epoch) {
				if err != nil {
					if c.how == nil {
						t.Errorf("%s: %v", c.name, err)
					}
					break
				}
				checkCached(t, b)
				b.Release()
				n++
			}
			if n != c.batch || ds.out.Load() != 0 || ds.all.Load() > 0 != c.lends {
				t.Errorf("%s: %d batches, %d values were lent, %d not given back", c.name, n, ds.all.Load(), ds.out.Load())
			}
		}
		if err := errors.Join(l.Close(), f.Close()); err != nil { // which would wait for what is lent
			t.Error(err)
		}
		settle()
	}
}

// TestLendClose: a file may be closed beside an epoch: that ends with an error, and
// nothing is read that is gone.
func TestLendClose(t *testing.T) {
	f, err := ffcv.Open(cachedPath(t), &ffcv.OpenOptions{Memory: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	l := newLoader(t, f, &loader.Options{BatchSize: 8, Workers: 2, Outputs: []loader.Output{{Name: "x", Ops: []any{twice{at: -1}}}, {Name: "n"}, {Name: "b"}}})
	n := 0
	for b, err := range l.Epoch(t.Context(), 0) {
		if err != nil {
			if n == 0 {
				t.Error(err)
			}
			return
		}
		checkCached(t, b)
		b.Release()
		if n++; n == 1 {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	t.Errorf("%d batches without an error", n)
}

// TestLendWays: whatever values are loaded by, views of one picture, packed values and
// arrays, in batches that are asked for, epochs that are left and samples that are
// passed over: they come as those that are not lent, and all are given back.
func TestLendWays(t *testing.T) {
	photos, err := os.ReadFile(photoFile(t, true).Name())
	if err != nil {
		t.Fatal(err)
	}
	bad := errors.New("bad")
	fails := opFunc(func(b []byte, rng *rand.Rand) error {
		if rng.IntN(3) == 0 {
			return bad
		}
		return nil
	})
	for name, c := range map[string]struct {
		data []byte
		opts loader.Options
	}{
		"views":  {photos, loader.Options{Outputs: crops(64, 32)}},
		"packed": {packedFile(t, 60), loader.Options{}},
		"ragged": {packedFile(t, 60), loader.Options{Outputs: []loader.Output{{Name: "text_lz4", Ragged: true}, {Name: "doc_lz4"}}}},
		"passed": {packedFile(t, 60), loader.Options{OnError: loader.Skip, Outputs: []loader.Output{{Name: "words", Ops: []any{fails}}, {Name: "words_lz4", Ops: []any{fails}}}}},
	} {
		settle := leak.Watch(t)
		files := make([]*lending, 2)
		for i, memory := range []int64{int64(len(c.data)) + 4<<20, 256 << 10} {
			src, err := ffcv.CacheSource(name, bytes.NewReader(c.data), int64(len(c.data)), memory)
			if err != nil {
				t.Fatal(err)
			}
			f, err := ffcv.New(src, nil)
			if err != nil {
				t.Fatal(err)
			}
			files[i] = &lending{File: f}
		}
		opts := c.opts
		opts.BatchSize, opts.Workers, opts.Seed = 7, 2, 5
		var made [2][]string
		for i, f := range files {
			l := newLoader(t, f, &opts)
			for b, err := range l.Epoch(t.Context(), 0) {
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				made[i] = append(made[i], contents(b))
				b.Release()
			}
			for b, err := range l.Epoch(t.Context(), 1) {
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				b.Release()
				break
			}
			b, err := l.Get(t.Context(), 0, []int{f.Len() - 1, 0, 3, 3})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			made[i] = append(made[i], contents(b))
			b.Release()
			if n := f.out.Load(); n != 0 || f.all.Load() > 0 != (i == 0) {
				t.Errorf("%s: %d values were lent, %d not given back", name, f.all.Load(), n)
			}
			if err := errors.Join(l.Close(), f.Close()); err != nil {
				t.Error(err)
			}
		}
		if !slices.Equal(made[0], made[1]) {
			t.Errorf("%s: lent values come otherwise than those that are copied", name)
		}
		settle()
	}
}

// contents are a batch's samples and values.
func contents(b *loader.Batch) string {
	var s strings.Builder
	fmt.Fprint(&s, b.Samples())
	for _, c := range b.Outputs() {
		fmt.Fprint(&s, c.Lengths)
		s.Write(c.Data)
	}
	return s.String()
}
