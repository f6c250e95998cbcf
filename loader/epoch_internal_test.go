package loader

import (
	"testing"
	"unsafe"
)

// TestLines: what is written for every run of samples shares no cache line with
// what workers read for every sample.
func TestLines(t *testing.T) {
	var f flight
	var e epoch
	read := max(unsafe.Offsetof(f.err)+unsafe.Sizeof(f.err), unsafe.Offsetof(f.gaps)+unsafe.Sizeof(f.gaps))
	if gap := unsafe.Offsetof(f.tokens) - read; gap < cacheLine {
		t.Errorf("flight: the tokens lie %d bytes behind what is read, want %d", gap, cacheLine)
	}
	if size := unsafe.Sizeof(share{}); size < cacheLine {
		t.Errorf("shares lie %d bytes apart, want %d", size, cacheLine)
	}
	if gap := unsafe.Sizeof(f) - unsafe.Offsetof(f.tokens) - unsafe.Sizeof(f.tokens); gap < cacheLine {
		t.Errorf("flight: %d bytes behind the tokens, want %d", gap, cacheLine)
	}
	if gap := unsafe.Offsetof(e.issued) - unsafe.Offsetof(e.workers) - unsafe.Sizeof(e.workers); gap < cacheLine {
		t.Errorf("epoch: what the consumer writes lies %d bytes behind what workers read, want %d", gap, cacheLine)
	}
}
