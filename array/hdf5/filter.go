package hdf5

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"

	"github.com/betongo/betongo/internal/shuffle"
)

// unpack takes what is in w.raw back through the filters, to dst, which has the
// chunk's size. The mask tells which filters it didn't pass.
func (w *worker) unpack(d *dataset, mask uint32, dst []byte) error {
	src, spare := w.raw, 0
	for i := len(d.filters) - 1; i >= 0; i-- {
		if mask>>i&1 != 0 {
			continue
		}
		last := true // nothing but this filter is left: straight to dst
		for k := range i {
			last = last && mask>>k&1 != 0
		}
		x := d.filters[i]
		if x.id == filterFletcher32 {
			var err error
			if src, err = checkFletcher(src); err != nil {
				return err
			}
			continue
		}
		into := dst
		if !last {
			// Filters before may have put some bytes to the chunk's.
			w.work[spare] = grow(w.work[spare], len(dst)+4*len(d.filters))
			into = w.work[spare]
			spare ^= 1
		}
		var err error
		if src, err = w.filter(x, into, src, d.dtype.ItemSize()); err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
	}
	if len(src) != len(dst) {
		return fmt.Errorf("it unpacks to %d bytes, want %d", len(src), len(dst))
	}
	if len(dst) > 0 && &src[0] != &dst[0] {
		copy(dst, src)
	}
	return nil
}

// filter undoes one filter, in into's memory.
func (w *worker) filter(x filter, into, src []byte, item int) ([]byte, error) {
	switch x.id {
	case filterDeflate:
		n, err := w.coder.inflate(into, src)
		return into[:n], err
	case filterLZF:
		n, err := unpackLZF(into, src)
		return into[:n], err
	}
	if len(x.values) > 0 && x.values[0] > 0 {
		item = int(x.values[0])
	}
	if len(src) > len(into) {
		return nil, fmt.Errorf("%d bytes, want at most %d", len(src), len(into))
	}
	into = into[:len(src)]
	shuffle.Together(into, src, item)
	return into, nil
}

// coder is zlib both ways, used again and again.
type coder struct {
	in     bytes.Reader
	reader io.ReadCloser
	out    bytes.Buffer
	writer *flate.Writer
	level  int
}

// zlibHead begins a stream: deflate with a window of 32 KiB and no dictionary,
// whatever the level, and its check.
const zlibHead = 0x789c

var errZlib = errors.New("it is no stream of zlib")

// inflate unpacks to dst and tells how much it was; more than dst is an error.
func (c *coder) inflate(dst, src []byte) (int, error) {
	if len(src) < 6 {
		return 0, io.ErrUnexpectedEOF
	}
	// The method, the check of these two bytes, and no dictionary.
	if head := binary.BigEndian.Uint16(src); head>>8&15 != 8 || head>>12 > 7 || head%31 != 0 || head>>5&1 != 0 {
		return 0, errZlib
	}
	c.in.Reset(src[2:])
	if c.reader == nil {
		c.reader = flate.NewReader(&c.in)
	} else if err := c.reader.(flate.Resetter).Reset(&c.in, nil); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(c.reader, dst)
	var more [1]byte
	switch {
	case err == nil:
		var m int
		if m, err = io.ReadFull(c.reader, more[:]); m > 0 {
			return n, fmt.Errorf("it unpacks to more than %d bytes", len(dst))
		}
	case err == io.ErrUnexpectedEOF || err == io.EOF:
		// Whether the end is where it belongs is what a read there says.
		_, err = c.reader.Read(more[:])
	}
	if err != io.EOF {
		return n, cmp.Or(err, io.ErrUnexpectedEOF)
	}
	var sum [4]byte
	if _, err := io.ReadFull(&c.in, sum[:]); err != nil {
		return n, io.ErrUnexpectedEOF
	}
	if got, want := adler32(dst[:n]), binary.BigEndian.Uint32(sum[:]); got != want {
		return n, fmt.Errorf("its sum is %#08x, want %#08x", got, want)
	}
	return n, nil
}

// deflate packs src; the bytes are the coder's, until it is used again.
func (c *coder) deflate(src []byte, level int) ([]byte, error) {
	c.out.Reset()
	c.out.Write([]byte{zlibHead >> 8, zlibHead & 0xff})
	if c.writer == nil || c.level != level {
		var err error
		if c.writer, err = flate.NewWriter(&c.out, level); err != nil {
			return nil, err
		}
		c.level = level
	} else {
		c.writer.Reset(&c.out)
	}
	if _, err := c.writer.Write(src); err != nil {
		return nil, err
	}
	if err := c.writer.Close(); err != nil {
		return nil, err
	}
	return binary.BigEndian.AppendUint32(c.out.Bytes(), adler32(src)), nil
}

// checkFletcher takes the sum off the end, and compares it.
func checkFletcher(b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, fmt.Errorf("fletcher32: %d bytes, want at least the 4 of the sum", len(b))
	}
	b, want := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	got := fletcher32(b)
	// Early releases on little-endian machines swapped the bytes of each half.
	swapped := got&0x00ff00ff<<8 | got>>8&0x00ff00ff
	if want != got && want != swapped {
		return nil, fmt.Errorf("fletcher32: the sum is %#08x, want %#08x", got, want)
	}
	return b, nil
}

// fletcher32 is HDF5's: of big-endian words of 16 bits, the last one with a zero.
func fletcher32(b []byte) uint32 {
	var s1, s2 uint32
	for len(b) >= 2 {
		n := min(len(b)/2, 360) // as many as don't overflow
		for ; n > 0; n-- {
			s1 += uint32(b[0])<<8 | uint32(b[1])
			s2 += s1
			b = b[2:]
		}
		s1, s2 = s1&0xffff+s1>>16, s2&0xffff+s2>>16
	}
	if len(b) == 1 {
		s1 += uint32(b[0]) << 8
		s2 += s1
		s1, s2 = s1&0xffff+s1>>16, s2&0xffff+s2>>16
	}
	s1, s2 = s1&0xffff+s1>>16, s2&0xffff+s2>>16
	return s2<<16 | s1
}

var errLZF = errors.New("it is damaged")

// unpackLZF unpacks what LibLZF packed, and tells how much it was.
func unpackLZF(dst, src []byte) (int, error) {
	n := 0
	for i := 0; i < len(src); {
		c := int(src[i])
		i++
		if c < 32 { // as many bytes as they are, and one more
			c++
			if c > len(src)-i || c > len(dst)-n {
				return 0, errLZF
			}
			n += copy(dst[n:], src[i:i+c])
			i += c
			continue
		}
		size, back := c>>5, c&31<<8
		if size == 7 {
			if i == len(src) {
				return 0, errLZF
			}
			size += int(src[i])
			i++
		}
		if i == len(src) {
			return 0, errLZF
		}
		back += int(src[i]) + 1
		i++
		if size += 2; back > n || size > len(dst)-n {
			return 0, errLZF
		}
		for range size { // may run into itself
			dst[n] = dst[n-back]
			n++
		}
	}
	return n, nil
}
