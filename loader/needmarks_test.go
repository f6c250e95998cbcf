package loader_test

import (
	"bytes"
	"os"
	"sync"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// foretold is a dataset that reads, and notes in which steps it heard of each
// sample's marks before they were asked for.
type foretold struct {
	*ffcv.File
	mu    sync.Mutex
	steps map[int]int // of a sample: 1 where they lie, 2 the marks too
	asked int
	early int // asked for without both
}

func (h *foretold) WillNeedMarks(samples []int, field int, found bool) {
	h.mu.Lock()
	for _, i := range samples {
		switch {
		case !found:
			h.steps[i] = 1
		case h.steps[i] == 1:
			h.steps[i] = 2
		}
	}
	h.mu.Unlock()
	h.File.WillNeedMarks(samples, field, found)
}

func (h *foretold) Marks(sample, field int, buf []byte) ([]byte, error) {
	h.mu.Lock()
	h.asked++
	if h.steps[sample] != 2 {
		h.early++
	}
	h.steps[sample] = 0
	h.mu.Unlock()
	return h.File.Marks(sample, field, buf)
}

// TestMarksAreReadAhead: a dataset that reads hears of the marks of every picture
// before they are asked for; one that lends doesn't, and none hears of marks that
// nobody uses. The pixels are the same.
func TestMarksAreReadAhead(t *testing.T) {
	mapped := photoFile(t, true)
	b, err := os.ReadFile(mapped.Name())
	if err != nil {
		t.Fatal(err)
	}
	src, err := ffcv.CacheSource("cache", bytes.NewReader(b), int64(len(b)), 8<<20)
	if err != nil {
		t.Fatal(err)
	}
	cached, err := ffcv.New(src, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cached.Close() })
	crop := func(exact bool) loader.Options {
		return loader.Options{BatchSize: 8, Workers: 2, Order: loader.Random, MarksMemory: -1,
			Outputs: []loader.Output{{Name: "image", Decoder: transform.CenterCrop{Width: 16, Height: 16, Exact: exact}}}}
	}
	want := rows(t, mapped, crop(false), 2)
	h := &foretold{File: cached, steps: map[int]int{}}
	sameRows(t, "read", rows(t, h, crop(false), 2), want)
	if h.asked == 0 || h.early != 0 {
		t.Errorf("of %d marks %d were asked for that were not announced", h.asked, h.early)
	}
	for what, of := range map[string]struct {
		file  *ffcv.File
		exact bool
	}{"lent": {mapped, false}, "of no use": {cached, true}} {
		h := &foretold{File: of.file, steps: map[int]int{}}
		rows(t, h, crop(of.exact), 1)
		if len(h.steps) > h.asked {
			t.Errorf("%s: heard of %d", what, len(h.steps))
		}
	}
}
