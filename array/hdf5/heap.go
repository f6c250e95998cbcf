package hdf5

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/betongo/betongo/array"
)

// heap reads what a file keeps outside of its datasets: the strings of any
// length. It reads the file's map and nothing through the library.
type heap struct {
	b       []byte // the file, without its user block
	address int    // bytes of an address
	length  int    // bytes of a size
	seq     bool   // what is read are bytes, and a zero among them is one

	collections map[uint64]map[uint16][]byte
	objects     int // in all that are kept
}

const (
	collectionSign = "GCOL"
	maxObjects     = 1 << 20 // that are kept
	heapAlign      = 8
)

// refSize is how many bytes a string of any length takes in a dataset: its
// length, the address of a collection, the number in that.
func (h *heap) refSize() int { return 4 + h.address + 4 }

// text is the string that a reference leads to, of the file's memory. C ends it
// at a zero.
func (h *heap) text(ref []byte, most int64) ([]byte, error) {
	n := binary.LittleEndian.Uint32(ref)
	at := number64(ref[4:], h.address)
	index := binary.LittleEndian.Uint32(ref[4+h.address:])
	if n == 0 || at == 0 {
		return nil, nil
	}
	if int64(n) > most {
		return nil, &FormatError{Offset: -1, Msg: fmt.Sprintf("a string of %d bytes, at most %d are served (OpenOptions.MaxText)", n, most)}
	}
	c, ok := h.collections[at]
	if !ok {
		var err error
		if c, err = h.collection(at); err != nil {
			return nil, err
		}
	}
	var s []byte
	if index <= math.MaxUint16 {
		s = c[uint16(index)]
	}
	if uint64(n) > uint64(len(s)) {
		return nil, &FormatError{Offset: h.offset(at), Msg: fmt.Sprintf("global heap: object %d has %d bytes, want a string of %d", index, len(s), n)}
	}
	if s = s[:n]; h.seq {
		return s, nil
	}
	if end := slices.Index(s, 0); end >= 0 {
		s = s[:end]
	}
	return s, nil
}

// offset is an address as an error's offset.
func (h *heap) offset(at uint64) int64 { return int64(min(at, math.MaxInt64)) }

// number64 reads a little-endian number of 2, 4 or 8 bytes.
func number64(b []byte, size int) uint64 {
	switch size {
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

func alignUp(n int) int { return (n + heapAlign - 1) &^ (heapAlign - 1) }

// collection reads which objects are in one.
func (h *heap) collection(at uint64) (map[uint16][]byte, error) {
	bad := func(format string, args ...any) error {
		return &FormatError{Offset: h.offset(at), Msg: "global heap: " + fmt.Sprintf(format, args...)}
	}
	header := alignUp(8 + h.length) // of a collection, and of an object
	if at > uint64(len(h.b)) || len(h.b)-int(at) < header {
		return nil, bad("the file ends before it")
	}
	b := h.b[at:]
	if string(b[:4]) != collectionSign || b[4] != 1 {
		return nil, bad("%q, want %q and version 1", b[:5], collectionSign)
	}
	size := number64(b[8:], h.length)
	if size < uint64(header) || size > uint64(len(b)) {
		return nil, bad("%d bytes, in a file that has %d left", size, len(b))
	}
	b = b[header:size:size]
	c := map[uint16][]byte{}
	for len(b) >= header {
		index := binary.LittleEndian.Uint16(b)
		if index == 0 {
			break // what is free
		}
		n := number64(b[8:], h.length)
		b = b[header:]
		if n > uint64(len(b)) {
			return nil, bad("object %d has %d bytes, %d are left", index, n, len(b))
		}
		c[index] = b[:n:n]
		b = b[min(alignUp(int(n)), len(b)):]
	}
	if h.objects += len(c); h.collections == nil || h.objects > maxObjects {
		h.collections, h.objects = map[uint64]map[uint16][]byte{}, len(c)
	}
	h.collections[at] = c
	return c, nil
}

// refs returns how the references of a dataset are read as elements of bytes, by
// this package alone; nil where it can't.
func (d *dataset) refs(size int) *dataset {
	r := *d
	r.element = element{dtype: mustDType(fmt.Sprintf("V%d", size)), pad: padZero}
	if !r.ours() && !r.viewable() {
		return nil
	}
	return &r
}

// byRefs gives the strings of rows, which begin a row of chunks, as their
// references say.
func (r *reader) byRefs(refs *dataset, lo, hi, per int, do func(s []byte, i int) error) error {
	size := refs.dtype.ItemSize()
	n, err := array.Spec{DType: refs.dtype, Shape: []int{hi - lo, per}}.Bytes()
	if err != nil {
		return err
	}
	var raw []byte
	if refs.viewable() {
		begin := refs.offset + uint64(lo)*uint64(per*size) // lies in the file, as check found
		raw = r.f.m.Bytes()[begin : begin+uint64(n)]
	} else {
		r.raw = grow(r.raw, n)
		raw = r.raw
		shadow := reader{f: r.f, n: r.n, d: refs, id: r.id, count: r.count, row: per * size, ws: r.ws}
		err := shadow.chunks(raw, lo, hi, false)
		if r.ws = shadow.ws; err != nil {
			return err
		}
	}
	most := r.f.opts.MaxText
	if r.d.seq {
		most = r.f.opts.MaxArray
	}
	for i := range n / size {
		s, err := r.heap.text(raw[i*size:(i+1)*size], most)
		if err != nil {
			return fmt.Errorf("string %d of row %d: %w", i%per, lo+i/per, err)
		}
		if err := do(s, lo*per+i); err != nil {
			return err
		}
	}
	return nil
}
