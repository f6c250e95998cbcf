package loader

import (
	"bytes"
	"testing"

	"github.com/betongo/betongo/ffcv"
)

func testStore(budget, samples int) *markStore {
	return newMarkStore(&plan{marksMemory: budget, fields: make([]ffcv.Field, 2), total: samples})
}

// filled is n bytes that tell the sample.
func filled(n, sample int) []byte { return bytes.Repeat([]byte{byte(sample)}, n) }

// TestMarkStore fills budgets to their end: what fits is found again, what
// doesn't is known to have no marks.
func TestMarkStore(t *testing.T) {
	const samples = 50
	for _, c := range []struct{ budget, size, kept int }{
		{4, 1, 0},
		{8, 1, 1}, {8, 4, 1}, {8, 5, 0},
		{100, 6, 8}, // twelve bytes each
		{1 << 20, 1<<20 - 4, 1}, {1 << 20, 1<<20 - 3, 0},
		{3 << 20, 600_000, 3},
		{3<<20 + 100, 1_000_000, 3},
		{1 << 20, 900, samples},
		{1 << 20, 0, 0},
	} {
		s := testStore(c.budget, samples)
		for i := range samples {
			if m, known := s.get(1, i); known || m != nil {
				t.Fatalf("%+v: sample %d is known at first", c, i)
			}
			s.put(1, i, filled(c.size, i))
			s.put(1, i, filled(c.size, i+1)) // the first stays
		}
		kept := 0
		for i := range samples {
			m, known := s.get(1, i)
			if !known {
				t.Fatalf("%+v: sample %d is not known", c, i)
			}
			if m != nil {
				kept++
				if !bytes.Equal(m, filled(c.size, i)) {
					t.Fatalf("%+v: sample %d has other marks", c, i)
				}
			}
		}
		if kept != c.kept {
			t.Errorf("%+v: kept %d", c, kept)
		}
		if _, known := s.get(0, 0); known {
			t.Errorf("%+v: the other field is known", c)
		}
		if err := s.mem.close(); err != nil {
			t.Error(err)
		}
	}
	if s := testStore(3, samples); s != nil {
		t.Error("a store of three bytes")
	}
}

// TestMarkMemoryOutlivesClose: while an epoch uses it.
func TestMarkMemoryOutlivesClose(t *testing.T) {
	s := testStore(1<<20, 3)
	s.get(0, 0)
	s.put(0, 0, filled(9, 1))
	s.mem.use()
	if err := s.mem.close(); err != nil {
		t.Fatal(err)
	}
	if m, _ := s.get(0, 0); !bytes.Equal(m, filled(9, 1)) {
		t.Error("lost with close")
	}
	s.put(0, 1, filled(9, 2)) // there is room in the block
	s.mem.leave()
	if s.mem.blocks[0] != nil {
		t.Error("not freed when the last user left")
	}
	if err := s.mem.close(); err != nil {
		t.Error(err)
	}
}
