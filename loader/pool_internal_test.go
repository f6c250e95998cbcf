package loader

import (
	"runtime"
	"testing"
	"time"

	"github.com/betongo/betongo/array"
)

func testPool() *pool {
	return newPool(&plan{
		batchSize: 4, ahead: 2,
		outputs: []output{
			{name: "x", value: array.Spec{DType: array.Float64}, spec: array.Spec{DType: array.Float64}, rowBytes: 8, filledBytes: 8, widest: 8},
			{name: "b", kind: kindBlob, itemBytes: 1, spec: array.Spec{DType: array.Uint8, Shape: []int{0}}},
		},
	}, new(keptMarks))
}

// A batch out of reach gives its memory back; one in reach doesn't.
func TestCleanup(t *testing.T) {
	p := testPool()
	kept, err := p.get()
	if err != nil {
		t.Fatal(err)
	}
	var lost []*memory
	for range 3 {
		b, err := p.get()
		if err != nil {
			t.Fatal(err)
		}
		lost = append(lost, b.mem)
	}
	freed := func(m *memory) bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.blocks[0] == nil
	}
	for _, m := range lost {
		for range 500 {
			if runtime.GC(); freed(m) {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if !freed(m) {
			t.Error("memory of a lost batch is still there")
		}
	}
	if freed(kept.mem) {
		t.Error("memory of a batch in use is gone")
	}
	runtime.KeepAlive(kept)
}

// The pool keeps as many batches as an epoch has in flight, and none after
// close.
func TestPoolKeeps(t *testing.T) {
	if debugging {
		t.Skip("a debug build keeps nothing")
	}
	p := testPool()
	var all []*Batch
	for range 6 {
		b, err := p.get()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	for _, b := range all {
		b.Release()
	}
	if len(p.free) != p.keep {
		t.Errorf("%d batches kept, want %d", len(p.free), p.keep)
	}
	if err := p.close(); err != nil || len(p.free) != 0 {
		t.Errorf("%d batches after close, %v", len(p.free), err)
	}
	b, err := p.get()
	if err != nil {
		t.Fatal(err)
	}
	b.reset(0, 4, p.plan.outputs)
	for _, width := range []int{10, 5000, 0, 4999} { // grows, shrinks, keeps
		if err := b.setWidth(1, 4, width); err != nil || len(b.columns[1].Data) != 4*width {
			t.Errorf("width %d: %d bytes, %v", width, len(b.columns[1].Data), err)
		}
	}
	if err := b.setWidth(1, 4, 1<<62); err == nil {
		t.Error("4 rows of 2^62 bytes are no error")
	}
}

func TestSortBits(t *testing.T) {
	const shift = 12
	v := make([]uint64, 0, 1000)
	for i := range uint64(1000) {
		v = append(v, i*2654435761%(1<<33)<<shift|i)
	}
	sorted, other := sortBits(v, make([]uint64, 1000), shift, 33)
	if len(sorted) != 1000 || len(other) != 1000 {
		t.Fatal(len(sorted), len(other))
	}
	seen := map[uint64]bool{}
	for i, x := range sorted {
		seen[x] = true
		if i > 0 && sorted[i-1]>>shift > x>>shift {
			t.Errorf("place %d: %d after %d", i, x>>shift, sorted[i-1]>>shift)
		}
	}
	if len(seen) != 1000 {
		t.Errorf("%d values, want 1000", len(seen))
	}
}
