package hdf5

import (
	"bytes"
	stdadler "hash/adler32"
	"math/rand/v2"
	"os"
	"testing"
)

func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	r.Read(b)
	return b
}

func TestAdler(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 175, 176, 177, 351, 352, 353, 1000, 5552, 65521, 1 << 20} {
		for _, b := range [][]byte{noise(n), bytes.Repeat([]byte{0xff}, n), make([]byte, n)} {
			if got, want := adler32(b), stdadler.Checksum(b); got != want {
				t.Errorf("%d bytes: got %#x, want %#x", n, got, want)
			}
		}
	}
}

func TestInflate(t *testing.T) {
	var c coder
	for _, n := range []int{0, 1, 1000, 100_000} {
		for _, src := range [][]byte{noise(n), make([]byte, n)} {
			packed, err := c.deflate(src, 6)
			if err != nil {
				t.Fatal(err)
			}
			packed = bytes.Clone(packed)
			dst := make([]byte, n+1)
			if m, err := c.inflate(dst, packed); err != nil || !bytes.Equal(dst[:m], src) {
				t.Errorf("%d bytes: %d came, %v", n, m, err)
			}
			if m, err := c.inflate(dst[:n], packed); err != nil || m != n {
				t.Errorf("%d bytes to their size: %d came, %v", n, m, err)
			}
			if n > 0 {
				if _, err := c.inflate(dst[:n-1], packed); err == nil {
					t.Errorf("%d bytes went into %d", n, n-1)
				}
			}
			for cut := range min(len(packed), 60) {
				if _, err := c.inflate(dst, packed[:len(packed)-1-cut]); err == nil {
					t.Errorf("%d bytes: cut off by %d", n, cut+1)
				}
			}
			for _, at := range []int{0, 1, len(packed) - 4, len(packed) - 1} {
				bad := bytes.Clone(packed)
				bad[at] ^= 0x20
				if _, err := c.inflate(dst, bad); err == nil {
					t.Errorf("%d bytes: byte %d of %d changed", n, at, len(packed))
				}
			}
		}
	}
}

func TestFletcher(t *testing.T) {
	// As the library computes them, odd sizes and long ones too.
	b := make([]byte, 1001)
	for i := range b {
		b[i] = byte(i * 7)
	}
	for n := range 1001 {
		var s1, s2 uint32
		for i := 0; i < n; i += 2 {
			w := uint32(b[i]) << 8
			if i+1 < n {
				w |= uint32(b[i+1])
			}
			s1 = (s1 + w) % 65535
			s2 = (s2 + s1) % 65535
		}
		got := fletcher32(b[:n])
		if got>>16%65535 != s2 || got&0xffff%65535 != s1 {
			t.Fatalf("%d bytes: got %#x, want %#x%04x", n, got, s2, s1)
		}
		sum := [4]byte{byte(got), byte(got >> 8), byte(got >> 16), byte(got >> 24)}
		whole := append(bytes.Clone(b[:n]), sum[:]...)
		if back, err := checkFletcher(whole); err != nil || !bytes.Equal(back, b[:n]) {
			t.Fatal(err)
		}
		early := append(bytes.Clone(b[:n]), sum[1], sum[0], sum[3], sum[2])
		if _, err := checkFletcher(early); err != nil {
			t.Fatal(err)
		}
		whole[n] ^= 1
		if _, err := checkFletcher(whole); err == nil {
			t.Fatalf("%d bytes: a wrong sum", n)
		}
	}
}

// FuzzUnpack: whatever a chunk has, unpacking stays within the chunk's size.
func FuzzUnpack(f *testing.F) {
	var c coder
	for _, n := range []int{0, 10, 300} {
		packed, err := c.deflate(noise(n), 4)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(packed), uint16(n), uint8(3))
		f.Add(append(bytes.Clone(packed), 0, 0, 0, 0), uint16(n), uint8(7))
	}
	f.Add([]byte{2, 'a', 'b', 'c', 0x20, 2}, uint16(6), uint8(8))
	f.Add([]byte{0, 'a', 0xe0, 0xff, 0}, uint16(270), uint8(9))
	var w worker
	f.Fuzz(func(t *testing.T, raw []byte, size uint16, which uint8) {
		d := &dataset{element: element{dtype: mustDType("<i4")}}
		for i, id := range []int32{filterShuffle, filterDeflate, filterFletcher32, filterLZF} {
			if which>>i&1 != 0 {
				d.filters = append(d.filters, filter{id: id, name: filterNames[id]})
			}
		}
		w.raw = raw
		dst := make([]byte, size)
		if err := w.unpack(d, uint32(which>>4), dst); err != nil {
			return
		}
		if which&0xf8 != 0 {
			return // masked, or of a filter that isn't written
		}
		plain := bytes.Clone(dst)
		packed, mask, err := w.pack(d, plain, 6)
		if err != nil {
			if size == 0 {
				return
			}
			t.Fatal(err)
		}
		w.raw = bytes.Clone(packed)
		if err := w.unpack(d, mask, dst); err != nil || !bytes.Equal(dst, plain) {
			t.Fatalf("packed again: %v", err)
		}
	})
}

// TestHeader: the attributes of the goldens are found in their headers.
func TestHeader(t *testing.T) {
	for _, name := range []string{"basic_earliest.h5", "basic_latest.h5"} {
		b, err := os.ReadFile("../../testdata/formats/hdf5/" + name)
		if err != nil {
			t.Fatal(err)
		}
		h := &heap{b: b, address: 8, length: 8}
		found := map[string]bool{}
		for at := range b {
			for _, name := range []string{"desc", "description"} {
				ref := h.attr(uint64(at), name)
				if len(ref) < h.refSize() {
					continue
				}
				if s, err := h.text(ref[:h.refSize()], 1<<20); err == nil {
					found[string(s)] = true
				}
			}
		}
		if !found["nested"] || !found["Random matrix"] {
			t.Errorf("%s: found %v", name, found)
		}
	}
}

// FuzzSuperblock: what begins a file is checked before the library sees it.
func FuzzSuperblock(f *testing.F) {
	f.Add([]byte(signature+"\x00\x00\x00\x00\x00\x08\x08\x00\x04\x00\x10\x00\x00\x00\x00\x00"+"\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x60\x00\x00\x00\x00\x00\x00\x00"), 0)
	f.Add([]byte(signature+"\x02\x08\x08\x00"+"\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x60\x00\x00\x00\x00\x00\x00\x00"), 512)
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		if at < 0 || at > 1<<16 {
			return
		}
		b = append(make([]byte, at), b...)
		s, err := readSuperblock(bytes.NewReader(b), int64(len(b)))
		if err == nil && (s.end > uint64(int64(len(b))-s.at) || s.address < 2 || s.address > 8) {
			t.Fatalf("%+v of %d bytes", s, len(b))
		}
	})
}

// FuzzHeap: collections of strings are read within the file.
func FuzzHeap(f *testing.F) {
	f.Add([]byte("GCOL\x01\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00"+"\x01\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00hello\x00\x00\x00"+
		"\x00\x00\x00\x00\x00\x00\x00\x00\x18\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), uint64(8), uint32(1), uint32(5))
	for _, name := range []string{"basic_earliest.h5", "basic_latest.h5"} {
		b, err := os.ReadFile("../../testdata/formats/hdf5/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint64(bytes.Index(b, []byte("OHDR"))+8), uint32(1), uint32(3))
		f.Add(b, uint64(104), uint32(1), uint32(3)) // the root's header in the earlier form
	}
	f.Fuzz(func(t *testing.T, b []byte, at uint64, index, n uint32) {
		for _, size := range []int{2, 4, 8} {
			h := &heap{b: append(make([]byte, 8), b...), address: size, length: size}
			ref := make([]byte, h.refSize())
			for i := range 4 {
				ref[i] = byte(n >> (8 * i))
				ref[4+size+i] = byte(index >> (8 * i))
			}
			for i := range size {
				ref[4+i] = byte(at >> (8 * i))
			}
			if a := h.attr(at, "desc"); len(a) > len(b) {
				t.Fatal(len(a))
			}
			s, err := h.text(ref, 1<<20)
			if err == nil && len(s) > len(b) {
				t.Fatal(len(s))
			}
		}
	})
}
