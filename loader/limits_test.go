package loader_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/loader"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// TestThousandLoaders has a thousand loaders at once over a few files, each
// with an epoch under way, then ended in every way there is.
func TestThousandLoaders(t *testing.T) {
	count := 1000
	if testing.Short() {
		count = 100
	}
	path := ffcvtest.Unpack(t, "ints_floats")
	settle := leak.Held(t)
	var files []*ffcv.File
	for _, opts := range []*ffcv.OpenOptions{nil, nil, {Memory: 1 << 20}} {
		f, err := ffcv.Open(path, opts)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	loaders := make([]*loader.Loader, count)
	some := make([]int, 64)
	for i := range some {
		some[i] = i
	}
	for i := range loaders {
		loaders[i] = newLoader(t, files[i%len(files)], &loader.Options{BatchSize: 8, Workers: 1 + i%2, Order: loader.Random, Seed: uint64(i), Indices: some})
	}
	var begun, over sync.WaitGroup
	begun.Add(count)
	release := make(chan struct{})
	over.Add(count)
	for i, l := range loaders {
		go func() {
			defer over.Done()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			n := 0
			for b, err := range l.Epoch(ctx, i) {
				if n == 0 {
					begun.Done()
					<-release // all have an epoch under way
				}
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					break
				}
				n += b.Len()
				if i%3 == 1 {
					break
				}
				if i%3 == 2 {
					cancel()
				}
			}
			if i%3 == 0 && n != l.Samples() {
				t.Errorf("loader %d gave %d samples of %d", i, n, l.Samples())
			}
		}()
	}
	begun.Wait()
	close(release)
	over.Wait()
	for _, l := range loaders {
		l.Close()
	}
	for _, f := range files {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	settle()
}

// TestDamagedSideBySide has a hundred loaders at a file with damaged samples,
// through every source: each misses just these.
func TestDamagedSideBySide(t *testing.T) {
	count := 100
	if testing.Short() {
		count = 16
	}
	b := bytes.Clone(golden.Bytes("ndarray_multipage"))
	whole := open(t, "ndarray_multipage")
	rows := ffcv.HeaderSize + len(whole.Fields())*ffcv.DescriptorSize
	bad := map[int]bool{}
	at := rows + whole.Fields()[slices.IndexFunc(whole.Fields(), func(d ffcv.Field) bool { return d.Type == fields.TypeNDArray })].Offset
	for i := 3; i < 400; i += 97 {
		bad[i] = true
		for k := range 8 { // the array's pointer
			b[at+i*whole.RowSize()+k] = 0xfe
		}
	}
	path := filepath.Join(t.TempDir(), "damaged.beton")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	settle := leak.Held(t)
	var files []*ffcv.File
	for _, opts := range []*ffcv.OpenOptions{nil, {Memory: 4 << 20}} {
		f, err := ffcv.Open(path, opts)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	some := make([]int, 400)
	for i := range some {
		some[i] = i
	}
	leak.Side(count, func(i int) {
		f := files[i%len(files)]
		opts := &loader.Options{BatchSize: 50, Workers: 1, Order: []loader.Order{loader.Sequential, loader.Random}[i/2%2], Seed: uint64(i), Indices: some, OnError: loader.Skip}
		l, err := loader.New(f, opts)
		if err != nil {
			t.Error(err)
			return
		}
		defer l.Close()
		got, skipped := 0, map[int]bool{}
		for b, err := range l.Epoch(t.Context(), 0) {
			if err != nil {
				t.Errorf("reader %d: %v", i, err)
				return
			}
			got += b.Len()
			for _, s := range b.Skipped() {
				skipped[s.Sample] = true
			}
		}
		if got != len(some) || fmt.Sprint(skipped) != fmt.Sprint(bad) {
			t.Errorf("reader %d: %d rows without %v; want %d and %v", i, got, skipped, len(some), bad)
		}
	})
	// Without a policy each ends at a damaged sample, which it names.
	leak.Side(count, func(i int) {
		l, err := loader.New(files[i%len(files)], &loader.Options{BatchSize: 50, Workers: 1})
		if err != nil {
			t.Error(err)
			return
		}
		defer l.Close()
		_, err = consume(t.Context(), l, math.MaxInt)
		var flaw *ffcv.FormatError
		if !errors.As(err, &flaw) || flaw.Sample != 3 {
			t.Errorf("reader %d: %v, want one of sample 3", i, err)
		}
	})
	for _, f := range files {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	settle()
}
