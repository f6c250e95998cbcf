package jpeg

import (
	"bytes"
	"encoding/binary"
)

// pad is how many zero bytes follow the unstuffed data, so that a refill of
// eight bytes never needs a tail case and a reader that has passed the end
// always sees that it has (see reader.bit).
const pad = 16

var padding [pad]byte

// unstuff appends coded data up to the next marker, without the zero that
// follows each 0xFF, and the padding; it returns how much of src that was.
func unstuff(dst, src []byte) ([]byte, int) {
	p := 0
	for {
		i := bytes.IndexByte(src[p:], 0xFF)
		if i < 0 {
			dst, p = append(dst, src[p:]...), len(src)
			break
		}
		if i += p; i+1 == len(src) || src[i+1] != 0 {
			dst, p = append(dst, src[p:i]...), i
			break
		}
		dst = append(dst, src[p:i+1]...)
		p = i + 2
	}
	return append(dst, padding[:]...), p
}

// reader is a bit reader over unstuffed data. word holds the next n bits at
// its top; below them it may hold bits of data[pos:] already, so a refill ORs.
type reader struct {
	data []byte // ends with the padding
	pos  int
	word uint64
	n    uint
}

// start begins at a bit of the first byte.
func (r *reader) start(data []byte, bit uint) {
	*r = reader{data: data}
	r.fill()
	r.word <<= bit & 7
	r.n -= bit & 7
}

// fill brings n to at least 56. Past the end it reads zeros.
func (r *reader) fill() {
	if r.pos > len(r.data)-8 {
		r.pos = len(r.data) - 8
	}
	r.word |= binary.BigEndian.Uint64(r.data[r.pos:]) >> (r.n & 63)
	r.pos += int((63 - r.n) >> 3)
	r.n |= 56
}

// bit is the position of the next unread bit in data. Once it has passed the
// data's end it stays past it: a refill there leaves it at 8*(len(data)-8)-n
// at least, n below 64.
func (r *reader) bit() int { return 8*r.pos - int(r.n) }

// ended says whether bits past the data's end have been read.
func (r *reader) ended() bool { return r.bit() > 8*(len(r.data)-pad) }
