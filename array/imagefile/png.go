package imagefile

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/klauspost/compress/zlib"
)

// pngEncoder writes PNGs. The standard encoder leaves alpha away where it is
// opaque everywhere, and so would change the array's shape.
type pngEncoder struct {
	out    bytes.Buffer
	z      *zlib.Writer
	rows   [5][]byte // filtered in each way
	before []byte
	line   []byte
}

// encode returns a PNG of a shape's pixels, valid until the next call.
func (e *pngEncoder) encode(pix []byte, s shape) ([]byte, error) {
	e.out.Reset()
	e.out.WriteString("\x89PNG\r\n\x1a\n")
	var h [13]byte
	binary.BigEndian.PutUint32(h[:], uint32(s.width))
	binary.BigEndian.PutUint32(h[4:], uint32(s.height))
	h[8] = byte(s.depth())
	h[9] = map[int]byte{1: 0, 3: 2, 4: 6}[s.channels]
	e.chunk("IHDR", func() error { _, err := e.out.Write(h[:]); return err })
	if err := e.chunk("IDAT", func() error { return e.data(pix, s) }); err != nil {
		return nil, err
	}
	err := e.chunk("IEND", func() error { return nil })
	return e.out.Bytes(), err
}

// chunk writes a chunk around what body writes.
func (e *pngEncoder) chunk(name string, body func() error) error {
	start := e.out.Len()
	e.out.WriteString("\x00\x00\x00\x00" + name)
	if err := body(); err != nil {
		return err
	}
	b := e.out.Bytes()[start:]
	binary.BigEndian.PutUint32(b, uint32(len(b)-8))
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE(b[4:]))
	e.out.Write(sum[:])
	return nil
}

// data writes the filtered rows.
func (e *pngEncoder) data(pix []byte, s shape) error {
	if e.z == nil {
		e.z = zlib.NewWriter(&e.out)
	} else {
		e.z.Reset(&e.out)
	}
	size, step := s.bytes()/s.height, s.channels*s.depth()/8
	if len(e.before) != size {
		e.before, e.line = make([]byte, size), make([]byte, size)
		for i := range e.rows {
			e.rows[i] = make([]byte, size+1)
			e.rows[i][0] = byte(i)
		}
	}
	clear(e.before)
	for ; len(pix) > 0; pix = pix[size:] {
		copy(e.line, pix)
		if s.deep {
			for i := 0; i < size; i += 2 {
				e.line[i], e.line[i+1] = pix[i+1], pix[i]
			}
		}
		if _, err := e.z.Write(e.filtered(step)); err != nil {
			return err
		}
		e.line, e.before = e.before, e.line
	}
	return e.z.Close()
}

// filtered returns the line as the filter leaves it that makes the smallest
// numbers: none, left, above or Paeth's.
func (e *pngEncoder) filtered(step int) []byte {
	best, least := 0, 1<<62
	for _, kind := range []int{0, 1, 2, 4} {
		row, sum := e.rows[kind][1:], 0
		for i, v := range e.line {
			var left, corner byte
			if i >= step {
				left, corner = e.line[i-step], e.before[i-step]
			}
			switch kind {
			case 1:
				v -= left
			case 2:
				v -= e.before[i]
			case 4:
				v -= paeth(left, e.before[i], corner)
			}
			row[i] = v
			if sum += int(min(v, -v)); sum >= least {
				break
			}
		}
		if sum < least {
			best, least = kind, sum
		}
	}
	return e.rows[best]
}

// paeth is the neighbour that is nearest to left + above - corner.
func paeth(left, above, corner byte) byte {
	p := int(left) + int(above) - int(corner)
	a, b, c := abs(p-int(left)), abs(p-int(above)), abs(p-int(corner))
	switch {
	case a <= b && a <= c:
		return left
	case b <= c:
		return above
	}
	return corner
}

func abs(n int) int { return max(n, -n) }
