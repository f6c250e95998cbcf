package loader_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/loader"
	golden "github.com/betongo/betongo/testdata/ffcv"
	"github.com/betongo/betongo/transform"
)

// TestCutUnderTheMap cuts a file short while it is mapped: an error that names
// the sample, not the end of the program.
func TestCutUnderTheMap(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a mapped file can't be cut short on Windows")
	}
	crop := []loader.Output{{Name: "image", Decoder: transform.CenterCrop{Width: 8, Height: 8}}}
	raw := []loader.Output{{Name: "image", Decoder: loader.Raw{}}}
	for _, c := range []struct {
		file   string
		keep   int64 // bytes
		opts   loader.Options
		sample int // the first that is gone, -1: none in particular
		atNew  bool
	}{
		{"ndarray_multipage", 2<<20 + 5*16384 + 1, loader.Options{BatchSize: 3}, 5, false},
		{"ndarray_multipage", 2<<20 + 5*16384 + 1, loader.Options{BatchSize: 1000, Workers: 2}, 5, false},
		{"ndarray_multipage", 2<<20 + 500*16384, loader.Options{BatchSize: 100, Order: loader.Random}, -1, false},
		{"rgb_raw", 0, loader.Options{Outputs: crop}, -1, true},
		{"ndarray_multipage", 4096, loader.Options{BatchSize: 100}, 0, false},
		{"rgb_jpg", 2 << 20, loader.Options{BatchSize: 4, Outputs: raw}, 0, false},
		{"rgb_jpg", 2<<20 + 40960, loader.Options{BatchSize: 4, Outputs: crop}, -1, false},
		{"bytes", 2 << 20, loader.Options{BatchSize: 4}, -1, false},
	} {
		path := filepath.Join(t.TempDir(), "cut.beton")
		if err := os.WriteFile(path, golden.Bytes(c.file), 0o666); err != nil {
			t.Fatal(err)
		}
		f, err := ffcv.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		settle := leak.Watch(t)
		var l *loader.Loader
		if !c.atNew {
			l = newLoader(t, f, &c.opts)
		}
		if err := os.Truncate(path, c.keep); err != nil {
			t.Fatal(err)
		}
		if c.atNew {
			_, err = loader.New(f, &c.opts)
		} else {
			_, err = consume(t.Context(), l, math.MaxInt)
		}
		var format *ffcv.FormatError
		if !errors.As(err, &format) || format.File != path {
			t.Errorf("%s cut to %d: %v, want a FormatError", c.file, c.keep, err)
		} else if c.sample >= 0 && format.Sample != c.sample || format.Sample < 0 && !c.atNew {
			t.Errorf("%s cut to %d: sample %d, want %d: %v", c.file, c.keep, format.Sample, c.sample, err)
		}
		settle()
	}
}

// TestCorrupt breaks pointers and sizes in the metadata: the error is that of
// the first bad sample, through every source and order.
func TestCorrupt(t *testing.T) {
	put := binary.LittleEndian.PutUint64
	for _, c := range []struct {
		file   string
		field  int // in the metadata row
		size   bool
		values []uint64
	}{
		{"ndarray_multipage", -1, false, []uint64{1 << 63, math.MaxUint64, 1 << 40, 0, 18<<20 + 1<<19}},
		{"bytes", -1, false, []uint64{1 << 63, math.MaxUint64 - 100, 1 << 40, 3}},
		{"bytes", -1, true, []uint64{1 << 63, math.MaxUint64, 1 << 62, 1 << 40, 1 << 24}},
		{"rgb_jpg", -1, false, []uint64{1 << 63, math.MaxUint64, 1}},
	} {
		whole := golden.Bytes(c.file)
		f0 := open(t, c.file)
		rows := ffcv.HeaderSize + len(f0.Fields())*ffcv.DescriptorSize
		field := slices.IndexFunc(f0.Fields(), func(f ffcv.Field) bool { return f.Type >= 2 && f.Type <= 6 })
		off := f0.Fields()[field].Offset
		if c.file == "rgb_jpg" {
			off += 5
		}
		if c.size {
			off += 8
		}
		const bad = 11
		for _, v := range c.values {
			b := bytes.Clone(whole)
			put(b[rows+bad*f0.RowSize()+off:], v)
			put(b[rows+(bad+2)*f0.RowSize()+off:], v)
			for name, f := range ffcvtest.Open(t, b, nil) {
				for _, order := range []loader.Order{loader.Sequential, loader.Random} {
					opts := &loader.Options{BatchSize: f.Len(), Order: order, Workers: 2}
					if c.file == "rgb_jpg" {
						opts.Outputs = []loader.Output{{Name: "image", Decoder: loader.Raw{}}}
					}
					n, err := consume(t.Context(), newLoader(t, f, opts), 9)
					if n != 0 || err == nil {
						t.Errorf("%s, value %x, %s: no error", c.file, v, name)
					} else if order == loader.Sequential && !strings.Contains(err.Error(), "sample 11:") {
						t.Errorf("%s, value %x, %s: %v", c.file, v, name, err)
					}
				}
			}
		}
	}
}

// TestNewOverCutFiles opens every length of a file: an error or batches, never
// a panic.
func TestNewOverCutFiles(t *testing.T) {
	for _, file := range []string{"ints_floats", "rgb_tiny_odd_jpg"} {
		whole := golden.Bytes(file)
		for n := 0; n < len(whole); n += max(1, len(whole)/400) {
			f, err := ffcv.New(ffcv.ReaderAtSource("cut", bytes.NewReader(whole[:n]), int64(n)), nil)
			if err != nil {
				continue
			}
			var outs []loader.Output
			for _, d := range f.Fields() {
				outs = append(outs, loader.Output{Name: d.Name, Decoder: loader.Raw{}})
			}
			if l, err := loader.New(f, &loader.Options{BatchSize: 4, Outputs: outs}); err == nil {
				consume(t.Context(), l, math.MaxInt)
				l.Close()
			}
		}
	}
}

// hinted counts the hints that a dataset gets.
type hinted struct {
	*ffcv.File
	ranges chan ffcv.Range
}

func (h *hinted) WillNeed(r []ffcv.Range) {
	for _, v := range r {
		h.ranges <- v
	}
}

func TestHints(t *testing.T) {
	f := open(t, "rgb_raw")
	h := &hinted{f, make(chan ffcv.Range, 1000)}
	l := newLoader(t, h, &loader.Options{BatchSize: 5, Outputs: []loader.Output{{Name: "image", Decoder: loader.Raw{}}}})
	total := int64(0)
	for b, err := range l.Epoch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range b.Output("image").Lengths {
			total += int64(n)
		}
		b.Release()
	}
	close(h.ranges)
	told, ranges := int64(0), 0
	for r := range h.ranges {
		told += r.Len
		ranges++
	}
	if told != total || ranges == 0 || ranges > f.Len()/2 {
		t.Errorf("%d ranges of %d bytes, want few of %d", ranges, told, total)
	}
	// Small rows are read as they are.
	small := &hinted{numbers(t, 50)["map"], make(chan ffcv.Range)}
	if _, err := consume(t.Context(), newLoader(t, small, nil), 99); err != nil {
		t.Fatal(err)
	}
}

// TestMemoryIsReused: an epoch needs no new batches once there are enough, and
// a batch that is not released keeps its values.
func TestMemoryIsReused(t *testing.T) {
	if loader.Debugging {
		t.Skip("a debug build never reuses memory")
	}
	f := numbers(t, 1000)["map"]
	l := newLoader(t, f, &loader.Options{BatchSize: 10, Workers: 2})
	seen := map[*byte]int{}
	var kept []*loader.Batch
	for b, err := range l.Epoch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if b.Index()%25 == 3 {
			kept = append(kept, b)
			continue
		}
		seen[&b.Output("x").Data[0]]++
		b.Release()
		b.Release() // nothing more
	}
	if len(seen) > 4+len(kept) {
		t.Errorf("%d places for 100 batches, %d of them kept", len(seen), len(kept))
	}
	runtime.GC()
	for _, b := range kept {
		for i, v := range view[int64](t, b.Output("n")) {
			if int(v) != b.Index()*10+i {
				t.Errorf("batch %d, row %d: %d after others came", b.Index(), i, v)
			}
		}
		b.Release()
	}
}

// TestUnreleasedBatches: batches that nobody releases are freed by the
// garbage collector, and not before.
func TestUnreleasedBatches(t *testing.T) {
	f := numbers(t, 1000)["map"]
	l := newLoader(t, f, &loader.Options{BatchSize: 10})
	for range 5 {
		for b, err := range l.Epoch(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			n := b.Output("n")
			if b.Index()%40 == 0 {
				runtime.GC()
			}
			if v, err := array.View[int64](n.Array); err != nil || int(v[9]) != b.Index()*10+9 {
				t.Fatal(v, err)
			}
		}
	}
}

// TestAllocations: nothing is allocated per sample or per batch.
func TestAllocations(t *testing.T) {
	if loader.Debugging {
		t.Skip("a debug build allocates")
	}
	f := numbers(t, 8000)["map"]
	for _, order := range []loader.Order{loader.Sequential, loader.Random} {
		count := func(size int) float64 {
			l := newLoader(t, f, &loader.Options{BatchSize: size, Workers: 1, Order: order, Outputs: []loader.Output{
				{Name: "flip", Field: "x", Ops: []any{widen{}}},
			}})
			return testing.AllocsPerRun(3, func() {
				if _, err := consume(t.Context(), l, math.MaxInt); err != nil {
					t.Fatal(err)
				}
			})
		}
		few, many := count(800), count(8) // 10 batches, 1,000 batches
		if many > few+10 {
			t.Errorf("%.0f allocations for 10 batches, %.0f for 1,000", few, many)
		}
	}
}
