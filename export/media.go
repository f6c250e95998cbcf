package export

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zlib"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/rgb"
)

// pngEncoder writes pictures of any number of channels and bits as PNG, which
// Go's own encoder does not: gray with alpha, and the numbers of transparent
// pixels as they are. What encode returns is valid until its next call.
type pngEncoder struct {
	out    bytes.Buffer
	pixels bytes.Buffer
	deflat *zlib.Writer
	rows   [2][]byte // this one and the one before, in PNG's byte order
	tries  [5][]byte // the row by each filter, its number in front
}

// encode returns the picture's PNG file.
func (e *pngEncoder) encode(p rgb.Raster) ([]byte, error) {
	stride := p.Width * p.Channels * p.Depth
	if p.Width <= 0 || p.Height <= 0 || p.Channels < 1 || p.Channels > 4 || p.Depth < 1 || p.Depth > 2 || len(p.Pix) != stride*p.Height {
		return nil, fmt.Errorf("%d bytes of pixels for %dx%d of %d channels of %d bytes", len(p.Pix), p.Width, p.Height, p.Channels, p.Depth)
	}
	mmap.Touch(p.Pix)
	e.out.Reset()
	e.out.WriteString("\x89PNG\r\n\x1a\n")
	var head [13]byte
	binary.BigEndian.PutUint32(head[:], uint32(p.Width))
	binary.BigEndian.PutUint32(head[4:], uint32(p.Height))
	head[8], head[9] = byte(8*p.Depth), [5]byte{1: 0, 2: 4, 3: 2, 4: 6}[p.Channels]
	e.chunk("IHDR", head[:])
	if err := e.deflate(p, stride); err != nil {
		return nil, err
	}
	e.chunk("IDAT", e.pixels.Bytes())
	e.chunk("IEND", nil)
	return e.out.Bytes(), nil
}

// chunk appends a chunk.
func (e *pngEncoder) chunk(kind string, b []byte) {
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(b)))
	e.out.Write(n[:])
	e.out.WriteString(kind)
	e.out.Write(b)
	binary.BigEndian.PutUint32(n[:], crc32.Update(crc32.ChecksumIEEE([]byte(kind)), crc32.IEEETable, b))
	e.out.Write(n[:])
}

// deflate filters and compresses the pixels.
func (e *pngEncoder) deflate(p rgb.Raster, stride int) (err error) {
	e.pixels.Reset()
	if e.deflat == nil {
		if e.deflat, err = zlib.NewWriterLevel(&e.pixels, zlib.BestSpeed); err != nil {
			return err
		}
	} else {
		e.deflat.Reset(&e.pixels)
	}
	for k := range e.tries {
		e.tries[k] = append(grown(e.tries[k], 1+stride)[:0], byte(k))[:1+stride]
	}
	e.rows[0], e.rows[1] = grown(e.rows[0], stride), grown(e.rows[1], stride)
	clear(e.rows[1])
	for y := range p.Height {
		row, above := e.rows[y&1], e.rows[y&1^1]
		copy(row, p.Pix[y*stride:])
		if p.Depth == 2 {
			for i := 0; i < stride; i += 2 {
				row[i], row[i+1] = row[i+1], row[i]
			}
		}
		if _, err := e.deflat.Write(e.filter(row, above, p.Channels*p.Depth)); err != nil {
			return err
		}
	}
	return e.deflat.Close()
}

// grown returns n bytes, of b if it has them.
func grown(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// filter returns the row by the filter whose numbers are the smallest, as the
// format's specification advises.
func (e *pngEncoder) filter(row, above []byte, bpp int) []byte {
	var sums [5]int
	copy(e.tries[0][1:], row)
	for k := range sums {
		sums[k] = e.try(k, row[:bpp], above[:bpp])
	}
	// Of the other bytes a is the one to the left, b the one above, c the one to the
	// left of that.
	n := len(row) - bpp
	x, a, b, c := row[bpp:][:n], row[:n], above[bpp:][:n], above[:n]
	sub, up, avg, paeth := e.tries[1][1+bpp:][:n], e.tries[2][1+bpp:][:n], e.tries[3][1+bpp:][:n], e.tries[4][1+bpp:][:n]
	var s0, s1, s2, s3, s4 int
	for i, v := range x {
		d1, d2 := v-a[i], v-b[i]
		d3 := v - byte((int(a[i])+int(b[i]))/2)
		d4 := v - predict(a[i], b[i], c[i])
		sub[i], up[i], avg[i], paeth[i] = d1, d2, d3, d4
		s0 += size(v)
		s1 += size(d1)
		s2 += size(d2)
		s3 += size(d3)
		s4 += size(d4)
	}
	best := 0
	for k, more := range [5]int{s0, s1, s2, s3, s4} {
		if sums[k] += more; sums[k] < sums[best] {
			best = k
		}
	}
	return e.tries[best]
}

// try filters the first pixel, which has nothing to its left, and returns how
// large its numbers are.
func (e *pngEncoder) try(k int, row, above []byte) (sum int) {
	to := e.tries[k][1:]
	for i, v := range row {
		switch k {
		case 2, 4:
			v -= above[i]
		case 3:
			v -= above[i] / 2
		}
		to[i] = v
		sum += size(v)
	}
	return sum
}

// size is a byte's distance from 0, as a signed number.
func size(b byte) int {
	v := int(int8(b))
	return max(v, -v)
}

// predict is PNG's Paeth predictor.
func predict(a, b, c byte) byte {
	pa, pb := int(b)-int(c), int(a)-int(c)
	pc := pa + pb
	pa, pb, pc = max(pa, -pa), max(pb, -pb), max(pc, -pc)
	switch {
	case pa <= pb && pa <= pc:
		return a
	case pb <= pc:
		return b
	}
	return c
}

// sound makes a file of a clip: PCM becomes a WAV, the others are files already.
func (r *reader) sound(c fields.AudioClip) (value, error) {
	switch c.Encoding {
	case fields.AudioMP3:
		return value{ext: "mp3", data: c.Data}, nil
	case fields.AudioFLAC:
		return value{ext: "flac", data: c.Data}, nil
	case fields.AudioPCM:
	default:
		return value{}, fmt.Errorf("sound coded as %v, for which there is no file here", c.Encoding)
	}
	const header = 44
	pad := len(c.Data) & 1
	if int64(len(c.Data))+header > 1<<32-1 {
		return value{}, fmt.Errorf("%d bytes of sound; a WAV file holds less than 4 GiB", len(c.Data))
	}
	b := r.mem.take(header + len(c.Data) + pad)
	frame := 2 * int(c.Channels)
	copy(b, "RIFF")
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	copy(b[8:], "WAVEfmt ")
	binary.LittleEndian.PutUint32(b[16:], 16)
	binary.LittleEndian.PutUint16(b[20:], 1) // PCM
	binary.LittleEndian.PutUint16(b[22:], uint16(c.Channels))
	binary.LittleEndian.PutUint32(b[24:], c.SampleRate)
	binary.LittleEndian.PutUint32(b[28:], c.SampleRate*uint32(frame))
	binary.LittleEndian.PutUint16(b[32:], uint16(frame))
	binary.LittleEndian.PutUint16(b[34:], 16)
	copy(b[36:], "data")
	binary.LittleEndian.PutUint32(b[40:], uint32(len(c.Data)))
	copy(b[header:], c.Data)
	clear(b[header+len(c.Data):])
	return value{ext: "wav", data: b}, nil
}
