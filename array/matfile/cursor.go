package matfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/zlib"
)

// variable is a data element at the top of a file, in which arrays lie.
type variable struct {
	name       string
	order      binary.ByteOrder
	at, size   int64 // in the file, behind the tag
	compressed bool
}

// ratio is the most that deflate makes of a byte.
const ratio = 1032

// room is how many bytes a variable may have, inflated.
func (v *variable) room() int64 {
	if v.compressed {
		return v.size*ratio + ratio
	}
	return v.size
}

// cursor reads a variable from front to back: of the file's bytes, or inflated.
// Places in it are counted from where the variable's data begin.
type cursor struct {
	file  string
	v     *variable
	b     []byte    // the variable's bytes; nil where r is read
	r     io.Reader // inflates
	pos   int64
	end   int64 // nothing is read from here on
	whole int64 // the end of the variable's outermost array
	lazy  bool  // what is left are data that nobody has asked for yet
	buf   [8]byte
}

// cursor begins to read.
func (v *variable) cursor(file string, mapped []byte) (*cursor, error) {
	c := &cursor{file: file, v: v, b: mapped[v.at : v.at+v.size], end: v.room()}
	if v.compressed {
		z, err := zlib.NewReader(&bytesReader{b: c.b})
		if err != nil {
			return nil, c.fail("inflate: %v", err)
		}
		c.b, c.r = nil, z
	}
	return c, nil
}

// bytesReader is a bytes.Reader that zlib reads byte by byte where it wants to,
// and so no more than is its own.
type bytesReader struct{ b []byte }

func (r *bytesReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

func (r *bytesReader) ReadByte() (byte, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	b := r.b[0]
	r.b = r.b[1:]
	return b, nil
}

// fail is an error at the cursor's place.
func (c *cursor) fail(format string, args ...any) error {
	e := &FormatError{File: c.file, Array: c.v.name, Offset: c.v.at + c.pos, Msg: fmt.Sprintf(format, args...)}
	if c.v.compressed {
		e.Offset, e.Msg = c.v.at, fmt.Sprintf("inflated byte %d: %s", c.pos, e.Msg)
	}
	return e
}

// short is the error for n bytes that aren't there.
func (c *cursor) short(n int64) error {
	return c.fail("%d bytes are wanted, %d are left", n, c.end-c.pos)
}

// take returns the next n bytes, at most maxTake, valid until the next call.
func (c *cursor) take(n int64) ([]byte, error) {
	if n < 0 || n > c.end-c.pos || n > maxTake || c.lazy {
		return nil, c.short(n)
	}
	if c.r == nil {
		c.pos += n
		return c.b[c.pos-n : c.pos], nil
	}
	b := c.buf[:]
	if n > int64(len(b)) {
		b = make([]byte, n)
	}
	return b[:n], c.read(b[:n])
}

// maxTake bounds what is not an array's data: names and dimensions.
const maxTake = 16 << 20

// read fills b.
func (c *cursor) read(b []byte) error {
	if int64(len(b)) > c.end-c.pos {
		return c.short(int64(len(b)))
	}
	if c.r == nil {
		c.pos += int64(copy(b, c.b[c.pos:]))
		return nil
	}
	n, err := io.ReadFull(c.r, b)
	c.pos += int64(n)
	return c.inflated(err)
}

// inflated is an error of the inflater as one of the format.
func (c *cursor) inflated(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return c.fail("the compressed data end here")
	}
	return c.fail("inflate: %v", err)
}

// to skips the bytes up to a place.
func (c *cursor) to(pos int64) error {
	if c.lazy {
		return nil
	}
	n := pos - c.pos
	if n < 0 || n > c.end-c.pos {
		return c.short(n)
	}
	if c.r == nil {
		c.pos = pos
		return nil
	}
	done, err := io.CopyN(io.Discard, c.r, n)
	c.pos += done
	return c.inflated(err)
}

// finish reads what the inflater has left, at most some bytes of padding, so
// that its checksum is compared.
func (c *cursor) finish() error {
	if c.r == nil {
		return nil
	}
	n, err := io.CopyN(io.Discard, c.r, 8)
	c.pos += n
	if err == io.EOF || err == nil {
		return nil
	}
	return c.inflated(err)
}

// element is a data element: its type and where its data lie.
type element struct {
	kind      uint32
	pos, size int64
	next      int64 // where the next one begins
}

// element reads a tag.
func (c *cursor) element() (element, error) {
	start := c.pos
	b, err := c.take(tagSize)
	if err != nil {
		return element{}, err
	}
	kind, size := c.v.order.Uint32(b), c.v.order.Uint32(b[4:])
	if kind>>16 == 0 {
		e := element{kind: kind, pos: c.pos, size: int64(size)}
		if e.size > c.end-c.pos {
			return element{}, c.fail("a data element of %d bytes, %d are left", e.size, c.end-c.pos)
		}
		e.next = min(e.pos+up8(e.size), c.end) // the last one may lack its padding
		return e, nil
	}
	// A small one: the data lie in the tag.
	if size = kind >> 16; size > 4 {
		c.pos = start
		return element{}, c.fail("a small data element of %d bytes, want at most 4", size)
	}
	e := element{kind: kind & 0xffff, pos: start + 4, size: int64(size), next: c.pos}
	copy(c.buf[:], b)
	return e, nil
}

// data returns the bytes of an element that was just read, and goes behind it.
func (c *cursor) data(e element) ([]byte, error) {
	if e.pos < c.pos { // small
		return append([]byte(nil), c.buf[4:4+e.size]...), nil
	}
	b, err := c.take(e.size)
	if err != nil {
		return nil, err
	}
	b = append([]byte(nil), b...)
	return b, c.to(e.next)
}

// ints returns the 32-bit numbers of an element.
func (c *cursor) ints(e element, what string) ([]int32, error) {
	if e.kind != miInt32 && e.kind != miUint32 || e.size%4 != 0 {
		return nil, c.fail("%s of type %d and %d bytes, want numbers of 32 bits", what, e.kind, e.size)
	}
	b, err := c.data(e)
	if err != nil {
		return nil, err
	}
	list := make([]int32, len(b)/4)
	for i := range list {
		list[i] = int32(c.v.order.Uint32(b[4*i:]))
	}
	return list, nil
}

// dims reads an array's dimensions.
func (c *cursor) dims() ([]int, error) {
	e, err := c.element()
	if err != nil {
		return nil, err
	}
	if e.size > 4*maxDims {
		return nil, c.fail("%d dimensions, at most %d are served", e.size/4, maxDims)
	}
	list, err := c.ints(e, "dimensions")
	if err != nil {
		return nil, err
	}
	if len(list) < 2 {
		return nil, c.fail("%d dimensions, want two or more", len(list))
	}
	dims, count := make([]int, len(list)), 1
	for i, d := range list {
		if d < 0 || d > 0 && count > math.MaxInt/int(d) {
			return nil, c.fail("dimensions %v", list)
		}
		dims[i] = int(d)
		count *= max(int(d), 1)
	}
	return dims, nil
}

// maxDims is NumPy's.
const maxDims = 64
