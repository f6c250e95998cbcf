//go:build linux || darwin

package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// shipped maps what a client would.
func shipped(t *testing.T, s *slots, blocks ...[]byte) (sh shipment, maps map[int][]byte) {
	t.Helper()
	if err := s.ship(&sh, blocks); err != nil {
		t.Fatal(err)
	}
	maps = map[int][]byte{}
	for i, g := range sh.fresh {
		m, err := unix.Mmap(int(sh.files[i].Fd()), 0, len(g.mem), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Munmap(m) })
		sh.files[i].Close()
		maps[g.number] = m
	}
	return sh, maps
}

// end frees all and closes.
func (s *slots) end() {
	var list [][]byte
	for _, at := range s.blocks {
		list = append(list, at.of.mem[at.offset:at.offset+at.size])
	}
	for _, b := range list {
		s.Free(b)
	}
	s.close()
}

func take(t *testing.T, s *slots, n int) []byte {
	t.Helper()
	b, err := s.Alloc(n)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < n || len(b)%pageSize != 0 {
		t.Fatalf("%d bytes, want %d in pages", len(b), n)
	}
	return b
}

func TestSlots(t *testing.T) {
	s := newSlots()
	small, more, large := take(t, s, 1), take(t, s, pageSize+1), take(t, s, 3<<20)
	for i, b := range [][]byte{small, more, large} {
		for k := range b {
			b[k] = byte(i + 1)
		}
	}
	sh, maps := shipped(t, s, small, more, nil, large[:5])
	if len(sh.fresh) != 2 {
		t.Errorf("%d segments, want 2: small blocks share one", len(sh.fresh))
	}
	if sh.places[2] != (place{-1, 0}) {
		t.Errorf("nothing lies in %v", sh.places[2])
	}
	for i, b := range [][]byte{small, more, nil, large} {
		if at := sh.places[i]; b != nil && !bytes.Equal(maps[at.segment][at.offset:at.offset+len(b)], b) {
			t.Errorf("block %d is another one for the client", i)
		}
	}
	if again, _ := shipped(t, s, small, large); len(again.fresh) > 0 || len(again.files) > 0 {
		t.Error("a segment comes a second time")
	}
	if err := s.Free(large); err != nil { // more than is in use: it goes
		t.Fatal(err)
	}
	if again, _ := shipped(t, s); len(again.dropped) != 1 || again.dropped[0] != sh.places[3].segment {
		t.Errorf("dropped %v, want %d", again.dropped, sh.places[3].segment)
	}
	if m := maps[sh.places[3].segment]; discards && m[0] != 0 {
		t.Error("what is freed takes memory on")
	}
	if m := maps[sh.places[0].segment]; m[0] != 1 {
		t.Error("what is not freed has changed")
	}
	if err := s.ship(new(shipment), [][]byte{make([]byte, 10)}); err == nil {
		t.Error("memory of another's: no error")
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Alloc(1); err == nil {
		t.Error("memory after the end")
	}
	small[0] = 1 // it is there until it is freed
	for _, b := range [][]byte{small, more} {
		if err := s.Free(b); err != nil {
			t.Error(err)
		}
	}
	if err := s.Free(more); err == nil {
		t.Error("freed twice: no error")
	}
	if m := maps[sh.places[0].segment]; m[0] != 1 || len(s.segments) > 0 {
		t.Errorf("what the client holds has changed with the end, or %d segments are left", len(s.segments))
	}
}

// TestKeptSegments: what is freed is used again, as much as is in use otherwise.
func TestKeptSegments(t *testing.T) {
	const size = 1 << 20
	s := newSlots()
	defer s.end()
	var blocks [][]byte
	for range 8 {
		blocks = append(blocks, take(t, s, size))
	}
	shipped(t, s, blocks...)
	for _, b := range blocks[:6] {
		s.Free(b)
	}
	if len(s.kept) != 2 || len(s.segments) != 4 || s.keeps != 2*size {
		t.Fatalf("%d segments of %d are kept, want 2 of 4", len(s.kept), len(s.segments))
	}
	sh, _ := shipped(t, s, take(t, s, size), take(t, s, size*3/4))
	if len(sh.fresh) != 0 || len(s.kept) != 0 || len(sh.dropped) != 4 {
		t.Errorf("%d new segments, %d kept, %v dropped", len(sh.fresh), len(s.kept), sh.dropped)
	}
	s.Free(blocks[6])
	take(t, s, 2*size) // another size: the oldest goes
	if len(s.kept) != 0 {
		t.Errorf("%d are kept of a size that is not asked for", len(s.kept))
	}
}

// TestSegmentsStaySealed: nobody can cut memory off that others have mapped.
func TestSegmentsStaySealed(t *testing.T) {
	b, f, err := newSegment(pageSize)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	defer unmap(b)
	if !discards {
		t.Skip("nothing is sealed on this system")
	}
	for _, n := range []int64{0, 2 * int64(pageSize)} {
		if err := f.Truncate(n); err == nil {
			t.Errorf("truncated to %d bytes", n)
		}
	}
	if name, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd())); !strings.Contains(name, "memfd:betongo") {
		t.Errorf("the memory is %q", name)
	}
}

// TestSlotsModel allocates and frees at random, by several goroutines, and
// looks whether blocks keep apart.
func TestSlotsModel(t *testing.T) {
	s := newSlots()
	var all sync.WaitGroup
	for id := range 4 {
		all.Add(1)
		go func() { // ends after its steps
			defer all.Done()
			rng := rand.New(rand.NewPCG(1, uint64(id)))
			var have [][]byte
			for step := range 2000 {
				if len(have) > 0 && rng.IntN(5) < 2 || len(have) > 40 {
					k := rng.IntN(len(have))
					b := have[k]
					if b[0] != byte(id+1) || b[len(b)-1] != byte(id+1) {
						t.Errorf("step %d: a block was written by someone else", step)
					}
					s.Free(b)
					have[k] = have[len(have)-1]
					have = have[:len(have)-1]
					continue
				}
				b, err := s.Alloc(1 + rng.IntN(1<<(8+rng.IntN(12))))
				if err != nil {
					t.Error(err)
					return
				}
				b[0], b[len(b)-1] = byte(id+1), byte(id+1)
				have = append(have, b)
			}
			for _, b := range have {
				s.Free(b)
			}
		}()
	}
	all.Wait()
	if len(s.blocks) != 0 || len(s.segments) > 1+len(s.kept) || s.keeps > leastKept {
		t.Errorf("%d blocks and %d segments are left", len(s.blocks), len(s.segments))
	}
	s.close()
}

// TestManyBlocks: not every block takes a segment of its own.
func TestManyBlocks(t *testing.T) {
	s := newSlots()
	defer s.end()
	for range 3000 {
		take(t, s, 200<<10)
	}
	if n := len(s.segments); n > maxFiles {
		t.Errorf("%d segments for 3,000 blocks of 200 KiB", n)
	}
}
