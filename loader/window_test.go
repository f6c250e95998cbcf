package loader_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
)

// windowedPath writes 24 MB of rows of 1,000 bytes in pages of 2 MiB.
func windowedPath(t testing.TB) string {
	row := make([]byte, 1000)
	return ffcvtest.Write(t, []ffcv.FieldSpec{
		{Name: "x", Field: fields.NDArray{DType: array.Uint8, Shape: []int{len(row)}}},
		{Name: "n", Field: fields.Int{}},
	}, 24000, func(i int) []any { return []any{row, i} }, &ffcv.Options{PageSize: 2 << 20})
}

// TestWindowOfBudget: a window that isn't set is as large as the cache has room
// for, so that an epoch reads each page once; of one that is set and is too large
// Warn is told.
func TestWindowOfBudget(t *testing.T) {
	const mib = 1 << 20
	path := windowedPath(t)
	for _, c := range []struct {
		memory  int64
		order   loader.Order
		name    string
		most    float64 // times that the file is read
		warning string
	}{
		{0, loader.PageShuffle{}, "page shuffle of 64", 0, ""},
		{8 * mib, loader.PageShuffle{}, "page shuffle of 2", 1.02, ""},
		{16 * mib, loader.PageShuffle{}, "page shuffle of 5", 1.02, ""},
		{26 * mib, loader.PageShuffle{}, "page shuffle of 64", 1.02, ""}, // room for all
		{26 * mib, loader.PageShuffle{Window: 40}, "page shuffle of 40", 1.02, ""},
		{1 << 30, loader.PageShuffle{}, "page shuffle of 64", 1.02, ""},
		{8 * mib, loader.PageShuffle{Window: 2}, "page shuffle of 2", 1.02, ""},
		{8 * mib, loader.PageShuffle{Window: 12}, "page shuffle of 12", math.Inf(1),
			"page shuffle: a cache of 8.0 MiB has no room for a window of 12 pages of 2.0 MiB, parts of which may be read several times; where none is set it is 2"},
		{2 * mib, loader.PageShuffle{}, "page shuffle of 1", math.Inf(1),
			"page shuffle: a cache of 2.0 MiB has no room for one of the pages of 2.0 MiB, parts of which may be read several times; 2.8 MiB is enough"},
		{8 * mib, loader.BlockShuffle{Block: 500}, "block shuffle of 11 by 500", 1.5, ""},
		{8 * mib, loader.BlockShuffle{Block: 500, Window: 40}, "block shuffle of 40 by 500", math.Inf(1), "has no room for a window of 40 blocks of 0.5 MiB"},
		{8 * mib, loader.Repeated{Order: loader.PageShuffle{}, Times: 2}, "2 times page shuffle of 2", 1.15, ""},
	} {
		name := fmt.Sprintf("%+v in %d", c.order, c.memory)
		f, err := ffcv.Open(path, &ffcv.OpenOptions{Memory: c.memory})
		if err != nil {
			t.Fatal(err)
		}
		if got := f.CacheBudget(); got != c.memory {
			t.Errorf("%s: the file's budget is %d", name, got)
		}
		var said []string
		l := newLoader(t, f, &loader.Options{
			BatchSize: 256, Workers: 2, Order: c.order, Seed: 1, Warn: func(msg string) { said = append(said, msg) },
		})
		if s, err := l.State(); err != nil || s.Order != c.name {
			t.Errorf("%s: order %q, %v; want %q", name, s.Order, err, c.name)
		}
		if c.warning == "" && said != nil || !strings.Contains(strings.Join(said, "\n"), c.warning) {
			t.Errorf("%s: says %q, want %q", name, said, c.warning)
		}
		before, _ := f.CacheStats()
		if _, err := consume(t.Context(), l, math.MaxInt); err != nil {
			t.Fatal(err)
		}
		after, _ := f.CacheStats()
		if times := float64(after.Bytes-before.Bytes) / 24e6; times > c.most {
			t.Errorf("%s: the file is read %.2f times, want %.2f at most", name, times, c.most)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestWindowResumed: a state under another budget says what to do, and with that
// done the epoch goes on.
func TestWindowResumed(t *testing.T) {
	path := windowedPath(t)
	open := func(memory int64) *ffcv.File {
		f, err := ffcv.Open(path, &ffcv.OpenOptions{Memory: memory})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	const batch = 1000
	opts := loader.Options{BatchSize: batch, Order: loader.PageShuffle{}, Seed: 3}
	small := newLoader(t, open(8<<20), &opts)
	var want []int
	for b, err := range small.Epoch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, b.Samples()...)
		b.Release()
	}
	state, err := small.StateAt(0, 5)
	if err != nil {
		t.Fatal(err)
	}
	for memory, why := range map[int64]string{
		0:        "page shuffle of 2 in the state, page shuffle of 64 (no window is set, and the dataset has no cache that would limit it; with the state's window",
		16 << 20: "page shuffle of 2 in the state, page shuffle of 5 (no window is set: it is what the dataset's cache of 16.0 MiB has room for; with the state's window",
	} {
		f := open(memory)
		var refused *loader.StateError
		if _, err := loader.Resume(f, &opts, state); !errors.As(err, &refused) || !strings.Contains(err.Error(), why) {
			t.Errorf("%d bytes: %v, want %q", memory, err, why)
		}
		set := opts
		set.Order = loader.PageShuffle{Window: 2}
		l, err := loader.Resume(f, &set, state)
		if err != nil {
			t.Fatalf("%d bytes: %v", memory, err)
		}
		var got []int
		for b, err := range l.Epoch(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, b.Samples()...)
			b.Release()
		}
		if l.Close(); !slices.Equal(got, want[5*batch:]) {
			t.Errorf("%d bytes: goes on with other samples", memory)
		}
		other := opts
		other.Order = loader.Random
		if _, err := loader.Resume(f, &other, state); err == nil || strings.Contains(err.Error(), "window") {
			t.Errorf("another order: %v", err)
		}
	}
}
