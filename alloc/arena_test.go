package alloc_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/betongo/betongo/alloc"
)

// image is a file in memory that notices bytes written twice.
type image struct {
	data    []byte
	written []bool
	writes  int
}

func (m *image) write(t *testing.T, at uint64, b []byte) {
	t.Helper()
	if n := at + uint64(len(b)); n > uint64(len(m.data)) {
		m.data = append(m.data, make([]byte, n-uint64(len(m.data)))...)
		m.written = append(m.written, make([]bool, n-uint64(len(m.written)))...)
	}
	for i := range b {
		if m.written[at+uint64(i)] {
			t.Fatalf("byte %d is written twice", at+uint64(i))
		}
		m.written[at+uint64(i)] = true
	}
	copy(m.data[at:], b)
	m.writes++
}

func TestArena(t *testing.T) {
	const mib = 1 << 20
	r := rand.New(rand.NewPCG(3, 4))
	var a alloc.Arena
	for round := range 4 {
		var sizes []int
		var want [][]byte
		for i := range 300 {
			size := []int{0, 1, 17, 5000, 100_000, mib - 1, mib, mib + 1, 3*mib + 5}[r.IntN(9)]
			if i > 20 {
				size %= 10_000
			}
			ptr, buf, err := a.Alloc(size)
			if err != nil {
				t.Fatal(err)
			}
			if len(buf) != size || cap(buf) != size || !bytes.Equal(buf, make([]byte, size)) {
				t.Fatalf("round %d, region %d: %d bytes (cap %d), want %d zeroed ones", round, i, len(buf), cap(buf), size)
			}
			if first := a.Regions(0)[0].Ptr; ptr != first+uint64(i) || ptr <= math.MaxInt64 {
				t.Fatalf("round %d, region %d: pointer %#x, the first %#x", round, i, ptr, first)
			}
			for k := range buf {
				buf[k] = byte(1 + r.IntN(255))
			}
			sizes, want = append(sizes, size), append(want, bytes.Clone(buf))
		}
		checkArena(t, &a, sizes, want)
		a.Reset()
		if a.Mark() != 0 {
			t.Fatalf("%d regions after Reset", a.Mark())
		}
	}
}

// checkArena compares the regions with what was put into them, places them
// and writes them out by Spans.
func checkArena(t *testing.T, a *alloc.Arena, sizes []int, want [][]byte) {
	t.Helper()
	if a.Mark() != len(want) {
		t.Fatalf("%d regions, want %d", a.Mark(), len(want))
	}
	p := alloc.NewPages(4<<20, 4<<20, false)
	ptrs := make([]uint64, len(sizes))
	for i, region := range a.Regions(0) {
		if region.Size != sizes[i] || len(region.Buf) != max(sizes[i], 1) || !bytes.Equal(region.Buf[:sizes[i]], want[i]) {
			t.Fatalf("region %d differs: size %d, %d bytes, want %d", i, region.Size, len(region.Buf), sizes[i])
		}
		if err := p.Place(sizes[i:i+1], ptrs[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	var file image
	for at, b := range a.Spans(ptrs) {
		file.write(t, at, b)
	}
	for i, b := range want {
		if got := file.data[ptrs[i]:][:sizes[i]]; !bytes.Equal(got, b) || sizes[i] == 0 && file.data[ptrs[i]] != 0 {
			t.Fatalf("region %d differs in the file", i)
		}
	}
	if file.writes > 60 {
		t.Errorf("%d regions took %d writes", len(want), file.writes)
	}
	for range a.Spans(ptrs) {
		break // an early end is no trouble
	}
}

func TestArenaTruncate(t *testing.T) {
	var a alloc.Arena
	var want [][]byte
	var sizes []int
	fill := func(size int, b byte) []byte {
		_, buf, err := a.Alloc(size)
		if err != nil {
			t.Fatal(err)
		}
		if len(bytes.Trim(buf, "\x00")) != 0 {
			t.Fatalf("%d bytes are not zeroed", size)
		}
		copy(buf, bytes.Repeat([]byte{b}, size))
		return buf
	}
	for i := range 50 {
		mark := a.Mark()
		for _, size := range []int{10, 600_000, 0, 2_000_000, 700_000} { // fails half-way
			fill(size, 0xee)
		}
		a.Truncate(mark)
		for _, size := range []int{300, 0} {
			want = append(want, bytes.Clone(fill(size, byte(i+1))))
			sizes = append(sizes, size)
		}
	}
	checkArena(t, &a, sizes, want)
	a.Truncate(0)
	if a.Mark() != 0 {
		t.Errorf("%d regions are left", a.Mark())
	}
}

func TestArenaRefuses(t *testing.T) {
	var a alloc.Arena
	for _, size := range []int{-1, math.MinInt, math.MaxInt, 1<<40 + 1} {
		if _, buf, err := a.Alloc(size); err == nil || buf != nil {
			t.Errorf("Alloc(%d) = %d bytes, %v", size, len(buf), err)
		}
	}
	if a.Mark() != 0 {
		t.Errorf("%d regions", a.Mark())
	}
}

// TestArenaMemory: what a round used serves the next without new memory, also
// when samples fail in between.
func TestArenaMemory(t *testing.T) {
	var a alloc.Arena
	round := func() {
		for i := range 40 {
			mark := a.Mark()
			for _, size := range []int{1_500_000, 12, 100_000, 0} {
				if _, _, err := a.Alloc(size); err != nil {
					t.Fatal(err)
				}
			}
			if i%3 == 0 {
				a.Truncate(mark)
			}
		}
		a.Reset()
	}
	round()
	if n := testing.AllocsPerRun(10, round); n > 0 {
		t.Errorf("a round that repeats the last allocates %v times", n)
	}
}

func BenchmarkArena(b *testing.B) {
	var a alloc.Arena
	b.SetBytes(60_000)
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		if _, _, err := a.Alloc(60_000); err != nil {
			b.Fatal(err)
		}
		if a.Mark() == 100 {
			a.Reset()
		}
	}
}
