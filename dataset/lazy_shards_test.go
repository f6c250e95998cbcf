package dataset_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
)

// numbered writes a file of n rows of one Int, numbers from first on.
func numbered(tb testing.TB, path string, first, n int) dataset.IndexShard {
	tb.Helper()
	const head = ffcv.HeaderSize + ffcv.DescriptorSize
	b := make([]byte, head, head+8*n)
	ffcv.Header{Version: ffcv.Version, NumFields: 1, PageSize: ffcv.MinPageSize, NumSamples: uint64(n), AllocTable: uint64(cap(b))}.Put(b)
	d := ffcv.FieldDesc{Type: fields.TypeInt, Name: "id"}
	d.Put(b[ffcv.HeaderSize:])
	for i := range n {
		b = binary.LittleEndian.AppendUint64(b, uint64(first+i))
	}
	if err := os.WriteFile(path, b, 0o666); err != nil {
		tb.Fatal(err)
	}
	return dataset.IndexShard{Path: filepath.Base(path), Size: int64(len(b)), Samples: int64(n), AllocTable: uint64(len(b))}
}

// TestManyShards: a thousand files open as one dataset, in an order over all of
// them, and an epoch goes on from its middle: mapped, through a cache that has
// room for a few, and each opened when it is needed.
func TestManyShards(t *testing.T) {
	const shards, rows = 1000, 1000
	dir := t.TempDir()
	x := &dataset.Index{Samples: shards * rows, PageSize: ffcv.MinPageSize, Fields: []dataset.IndexField{{Name: "id", Type: fields.TypeInt}}}
	for i := range shards {
		x.Shards = append(x.Shards, numbered(t, filepath.Join(dir, fmt.Sprintf("%04d.beton", i)), i*rows, rows))
	}
	text, err := x.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if x, err = dataset.ParseIndex(text); err != nil {
		t.Fatal(err)
	}
	ds, err := dataset.OpenIndex(x, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ds.Close()
	opts := loader.Options{BatchSize: 5000, Order: loader.Keyed, Seed: 3, Workers: 2}
	l, err := loader.New(ds, &opts)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	took := time.Since(begin)
	t.Logf("open, with a loader, after %v", took)
	if took > 10*time.Second { // a tenth of one on a quiet machine
		t.Errorf("open after %v", took)
	}
	all, state := idsOf(t, l, 100, 200)
	sorted := slices.Sorted(slices.Values(all))
	for i, id := range sorted {
		if id != i {
			t.Fatalf("number %d in place of %d", id, i)
		}
	}
	for name, o := range map[string]*dataset.Options{
		"mapped": nil, "cached": cached(4 << 20),
		"open": {Open: func(path string) (*ffcv.File, error) { return ffcv.Open(path, nil) }},
	} {
		if testing.Short() && o != nil {
			continue
		}
		ds, err := dataset.OpenIndex(x, dir, o)
		if err != nil {
			t.Fatal(err)
		}
		half, err := loader.Resume(ds, &opts, state)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		most := 100
		if o != nil {
			most = 5 // every row is a read
		}
		rest, _ := idsOf(t, half, 0, most)
		if want := all[100*opts.BatchSize:][:most*opts.BatchSize]; !slices.Equal(rest, want) {
			t.Errorf("%s: %d rows after the middle, other than without interruption", name, len(rest))
		}
		half.Close()
		ds.Close()
	}
}

// idsOf loads so many batches of an epoch, and takes the state after some.
func idsOf(t *testing.T, l *loader.Loader, after, most int) (ids []int, state *loader.State) {
	t.Helper()
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		for data := b.Output("id").Data; len(data) > 0; data = data[8:] {
			ids = append(ids, int(binary.LittleEndian.Uint64(data)))
		}
		if b.Index() == after-1 {
			if state, err = l.State(); err != nil {
				t.Fatal(err)
			}
		}
		n := b.Len()
		b.Release()
		if len(ids) == most*n {
			break
		}
	}
	return ids, state
}
