package source

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/roll"
)

// sortedSpans is a list of places in a file by their keys, sorted by key and then
// place: in memory while it is short, beyond that in a temporary file, so that its
// length does not count. It is filled by add, then sealed, and only then read; a
// sealed one is safe for concurrent use until close.
type sortedSpans struct {
	added roll.Numbers
	n     int
	data  []byte
	from  *mmap.Scratch
	dir   string // of the file, where the system keeps it until it is closed
}

// spanSize is what a place takes: its key, and where it begins and ends.
const spanSize = 24

// shortSpans is how many places are sorted in memory.
const shortSpans = 1 << 16

func (s *sortedSpans) add(key, off, end int64) {
	s.added.Append(key)
	s.added.Append(off)
	s.added.Append(end)
}

// seal sorts.
func (s *sortedSpans) seal() error {
	if err := s.added.Seal(); err != nil {
		return err
	}
	n := s.added.Len() / 3
	if n <= shortSpans {
		s.data = make([]byte, n*spanSize)
	} else {
		var err error
		if s.dir, err = os.MkdirTemp("", "betongo-*"); err != nil {
			return err
		}
		if s.from, err = mmap.Create(filepath.Join(s.dir, "sorted"), int64(n)*spanSize); err != nil {
			return fmt.Errorf("temporary folder %s: %w", os.TempDir(), err)
		}
		if os.Remove(s.dir) == nil { // the file's name is gone already
			s.dir = ""
		}
		s.data = s.from.Bytes()
	}
	for i := range 3 * n {
		binary.LittleEndian.PutUint64(s.data[8*i:], uint64(s.added.At(i)))
	}
	s.n = n
	sort.Sort(s)
	return s.added.Close()
}

func (s *sortedSpans) at(i int) (key, off, end int64) {
	b := s.data[i*spanSize:][:spanSize]
	return int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:])), int64(binary.LittleEndian.Uint64(b[16:]))
}

// find returns the first place of a key, or where it would be.
func (s *sortedSpans) find(key int64) int {
	return sort.Search(s.n, func(i int) bool { k, _, _ := s.at(i); return k >= key })
}

// Len, Less and Swap are sort.Interface.
func (s *sortedSpans) Len() int { return s.n }

func (s *sortedSpans) Less(i, j int) bool {
	a, x, _ := s.at(i)
	b, y, _ := s.at(j)
	return a < b || a == b && x < y
}

func (s *sortedSpans) Swap(i, j int) {
	var t [spanSize]byte
	a, b := s.data[i*spanSize:][:spanSize], s.data[j*spanSize:][:spanSize]
	copy(t[:], a)
	copy(a, b)
	copy(b, t[:])
}

func (s *sortedSpans) close() error {
	err := s.added.Close()
	s.data, s.n = nil, 0
	if s.from != nil {
		if e := s.from.Close(); err == nil {
			err = e
		}
		s.from = nil
	}
	if s.dir != "" {
		if e := os.RemoveAll(s.dir); err == nil {
			err = e
		}
		s.dir = ""
	}
	return err
}
