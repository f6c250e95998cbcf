package dataset_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
)

// counted counts the reads of a file that is a while away: on time for nobody who
// comes before what was announced to him.
type counted struct {
	*os.File
	reads *atomic.Int64
}

func (c counted) ReadAt(p []byte, off int64) (int, error) {
	c.reads.Add(1)
	time.Sleep(2 * time.Millisecond)
	return c.File.ReadAt(p, off)
}

// pieced is one that reads into pieces.
type pieced struct {
	counted
	many *atomic.Int64 // reads into pieces
}

func (p pieced) ReadPieces(pieces [][]byte, off int64) (total int64, err error) {
	p.reads.Add(1)
	p.many.Add(1)
	for _, b := range pieces {
		n, err := p.File.ReadAt(b, off+total)
		if total += int64(n); err != nil {
			return total, err
		}
	}
	return total, nil
}

// values are byte strings of 40,000 bytes.
type values int

func (v values) Len() int { return int(v) }
func (v values) Sample(_ context.Context, i int) ([]any, string, error) {
	b := make([]byte, 40000)
	for k := range b {
		b[k] = byte(i + k)
	}
	return []any{b}, "", nil
}

// An epoch over most of a dataset that has room in the cache takes few long reads
// from afar, one over few samples what these need.
func TestScan(t *testing.T) {
	dir := t.TempDir()
	var files []dataset.CacheFile
	inPieces := false
	var reads, many atomic.Int64
	for _, name := range []string{"a.beton", "b.beton"} {
		path := filepath.Join(dir, name)
		w, err := ffcv.Create(path, []ffcv.FieldSpec{{Name: "v", Field: fields.Bytes{}}}, &ffcv.Options{PageSize: ffcv.MinPageSize})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteDataset(context.Background(), values(300), nil); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, dataset.CacheFile{Name: path, Size: info.Size(), Open: func(context.Context) (io.ReaderAt, error) {
			f, err := os.Open(path)
			if inPieces {
				return pieced{counted{f, &reads}, &many}, err
			}
			return counted{f, &reads}, err
		}})
	}
	for name, c := range map[string]struct {
		world       int
		inPieces    bool
		least, most float64 // reads a sample
	}{
		"all":                {1, false, 0.05, 0.3}, // 48 groups of 512 KiB, what rows take, and what workers come to first
		"a third":            {3, false, 0.5, 1.5},
		"all, in pieces":     {1, true, 0.05, 0.3},
		"a third, in pieces": {3, true, 0.5, 1.5},
	} {
		t.Run(name, func(t *testing.T) {
			inPieces = c.inPieces
			cache, err := dataset.NewCache(64<<20, files, &dataset.CacheOptions{Reads: 8})
			if err != nil {
				t.Fatal(err)
			}
			defer cache.Close()
			var members []dataset.Dataset
			for i := range files {
				f, err := cache.Open(i, nil)
				if err != nil {
					t.Fatal(err)
				}
				members = append(members, f)
			}
			ds, err := dataset.NewConcat(members...)
			if err != nil {
				t.Fatal(err)
			}
			l, err := loader.New(ds, &loader.Options{BatchSize: 32, Order: loader.Random, Seed: 3, WorldSize: c.world,
				Outputs: []loader.Output{{Name: "v", Ragged: true}}})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			reads.Store(0)
			many.Store(0)
			n := 0
			for b, err := range l.Epoch(context.Background(), 0) {
				if err != nil {
					t.Fatal(err)
				}
				n += b.Len()
				column := b.Output("v")
				for i, id := range b.Samples() {
					if v := column.Value(i); len(v) != 40000 || v[0] != byte(id%300) || v[39999] != byte(id%300+39999) {
						t.Fatalf("sample %d: %d bytes", id, len(v))
					}
				}
				b.Release()
			}
			if n != 600/c.world {
				t.Errorf("%d samples", n)
			}
			if (many.Load() > 0) != c.inPieces {
				t.Errorf("%d reads into pieces", many.Load())
			}
			if got := float64(reads.Load()) / float64(n); got < c.least || got > c.most {
				t.Errorf("%.2f reads a sample, want %v to %v", got, c.least, c.most)
			}
		})
	}
}
