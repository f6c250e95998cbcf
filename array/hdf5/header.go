package hdf5

import (
	"bytes"
	"encoding/binary"
)

// The library reads strings of any length that are attributes by itself, and
// where a file is damaged takes whatever memory, time or pointer it finds there.
// So what they refer to is looked up here, in the headers of objects, where all
// attributes lie but those of objects with very many.

const (
	messageAttr  = 0x0c
	messageNext  = 0x10 // the header goes on elsewhere
	headerSign   = "OHDR"
	nextSign     = "OCHK"
	maxHeaders   = 1 << 12 // parts of one header
	headerShared = 2       // a flag: the message is elsewhere
)

// attr returns the bytes of an attribute of the object whose header is at an
// address; nil where they aren't found there.
func (h *heap) attr(at uint64, name string) []byte {
	b := h.from(at)
	if len(b) < 16 {
		return nil
	}
	if string(b[:4]) == headerSign {
		return h.attr2(b, name)
	}
	if b[0] != 1 {
		return nil
	}
	size := uint64(binary.LittleEndian.Uint32(b[8:]))
	if size > uint64(len(b)-16) {
		return nil
	}
	parts := [][]byte{b[16 : 16+size]}
	for i := 0; i < len(parts) && i < maxHeaders; i++ {
		for b := parts[i]; len(b) >= 8; {
			kind, n, flags := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:])), b[4]
			if b = b[8:]; n > len(b) {
				return nil
			}
			data, next := h.message(uint8(min(kind, 0xff)), flags, b[:n], name)
			if data != nil {
				return data
			}
			if next != nil {
				parts = append(parts, next)
			}
			b = b[n:]
		}
	}
	return nil
}

// attr2 is attr of a header of version 2, which begins at b.
func (h *heap) attr2(b []byte, name string) []byte {
	if b[4] != 2 {
		return nil
	}
	flags := b[5]
	begin := 6
	if flags&0x20 != 0 {
		begin += 16 // times
	}
	if flags&0x10 != 0 {
		begin += 4 // how many attributes are many
	}
	width := 1 << (flags & 3)
	if len(b) < begin+width {
		return nil
	}
	var size uint64
	for i := width - 1; i >= 0; i-- {
		size = size<<8 | uint64(b[begin+i])
	}
	begin += width
	if size > uint64(len(b)-begin) {
		return nil
	}
	head := 4
	if flags&4 != 0 {
		head += 2 // the order of creation
	}
	parts := [][]byte{b[begin : begin+int(size)]}
	for i := 0; i < len(parts) && i < maxHeaders; i++ {
		for b := parts[i]; len(b) >= head; {
			kind, n, flags := b[0], int(binary.LittleEndian.Uint16(b[1:])), b[3]
			if b = b[head:]; n > len(b) {
				return nil
			}
			data, next := h.message(kind, flags, b[:n], name)
			if data != nil {
				return data
			}
			if len(next) >= 8 && string(next[:4]) == nextSign {
				parts = append(parts, next[4:len(next)-4]) // a sum is at the end
			}
			b = b[n:]
		}
	}
	return nil
}

// from is the file from an address on.
func (h *heap) from(at uint64) []byte {
	if at > uint64(len(h.b)) {
		return nil
	}
	return h.b[at:]
}

// message returns what an attribute has, if it is that of the name, or where the
// header goes on.
func (h *heap) message(kind, flags uint8, b []byte, name string) (data, next []byte) {
	if kind == messageNext && len(b) >= h.address+h.length {
		next = h.from(number64(b, h.address))
		n := number64(b[h.address:], h.length)
		if n > uint64(len(next)) {
			return nil, nil
		}
		return nil, next[:n]
	}
	if kind != messageAttr || flags&headerShared != 0 || len(b) < 9 {
		return nil, nil
	}
	sizes := [3]int{} // of the name, the type and the dimensions
	for i := range sizes {
		sizes[i] = int(binary.LittleEndian.Uint16(b[2+2*i:]))
	}
	begin := 8
	switch b[0] {
	case 1:
		for i := range sizes {
			sizes[i] = alignUp(sizes[i])
		}
	case 2:
	case 3:
		begin++ // the name's encoding
	default:
		return nil, nil
	}
	end := begin + sizes[0] + sizes[1] + sizes[2]
	if end > len(b) {
		return nil, nil
	}
	got, _, _ := bytes.Cut(b[begin:begin+sizes[0]], []byte{0})
	if string(got) != name {
		return nil, nil
	}
	return b[end:], nil
}
