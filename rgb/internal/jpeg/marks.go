package jpeg

import (
	"encoding/binary"
	"fmt"
	"image"
	"math/bits"
	"sync"
)

// Marks are checkpoints of one JPEG: what a decoder must know to start in the
// middle of its coded data, namely which bit comes next and the DC predictors.
// There is one for every every-th MCU of each row of MCUs, from the row's first;
// the picture's first is left out, since everything about it is known.
//
// Each mark has four numbers (two in gray pictures): the distance in bits of the
// file from the mark before it, and the predictors. They are encoded as what they
// differ by from the mark above, one row earlier in the same column, since that
// is the nearest on the picture; in the first row, from the mark before. The
// differences are Rice codes with one parameter for each kind:
//
//	byte     version, 1
//	uvarint  every
//	bits     5 for each parameter: the distance's, then each component's
//	bits     for each mark its differences, zigzag (0, -1, 1, -2, ...)
//
// A Rice code with parameter k is the value's bits above the lowest k in unary
// (that many ones, then a zero), then those k. riceMax ones mean that the value
// follows in 32 bits. The last byte is filled up with zeros.
const (
	marksVersion = 1
	riceMax      = 20
	riceParam    = 20 // the largest
)

// point is a mark in full.
type point struct {
	at   int // bit in the file
	dist int // from the mark before
	pred [3]int32
}

// Bytes of one mark, as measured on photos, and the spacing below which marks
// are more to read than they save.
const (
	markBytes = 4
	leastGap  = 4
)

// AppendMarks appends the marks of a JPEG to dst. every is their distance in
// MCUs along a row; 0 chooses one by which they take about a hundredth of the
// file. The whole stream is walked through, so an error says that it is broken,
// or of a kind that isn't read here. A file with restart markers, which serve as
// well, or of several scans gets none: dst comes back as it was.
func AppendMarks(dst, data []byte, every int) ([]byte, error) {
	d := markers.Get().(*Decoder)
	defer func() {
		d.Close()
		markers.Put(d)
	}()
	return d.AppendMarks(dst, data, every)
}

var markers = sync.Pool{New: func() any { return new(Decoder) }}

// AppendMarks is the package's [AppendMarks] with this decoder's memory.
func (d *Decoder) AppendMarks(dst, data []byte, every int) ([]byte, error) {
	h, err := d.Open(data)
	if err != nil {
		return dst, err
	}
	if h.Restart > 0 || d.scan.n != len(h.Components) {
		return dst, nil
	}
	if every <= 0 {
		every = h.spacing(len(data) - d.scan.at)
	}
	every = min(every, h.Cols)
	d.points = d.points[:0]
	if err := d.walk(every, func(p point) error {
		d.points = append(d.points, p)
		return nil
	}); err != nil {
		return dst, err
	}
	return encodeMarks(dst, d.points, every, ceil(h.Cols, every), len(h.Components)), nil
}

// CheckMarks walks through a JPEG and tells what is wrong with its marks: nil
// when they were made, with whatever spacing, as [AppendMarks] makes them. An
// [*Error] is of the JPEG itself.
func CheckMarks(data, marks []byte) error {
	d := markers.Get().(*Decoder)
	defer func() {
		d.Close()
		markers.Put(d)
	}()
	h, err := d.Open(data)
	switch {
	case err != nil:
		return err
	case h.Restart > 0 || d.scan.n != len(h.Components):
		return fmt.Errorf("jpeg: %d bytes of marks of a picture with restart markers or several scans, which has none", len(marks))
	}
	m, ok := d.openMarks(marks)
	if !ok {
		return fmt.Errorf("jpeg: the marks' head is none: want version %d, then a spacing of 1 to %d", marksVersion, h.Cols)
	}
	i := 0
	if err := d.walk(m.every, func(p point) error {
		m.next(i)
		if m.ended() {
			return fmt.Errorf("jpeg: the marks end before mark %d of %d", i, m.count)
		}
		if m.point != p {
			return fmt.Errorf("jpeg: mark %d of %d is bit %d with predictors %d, want bit %d with %d", i, m.count, m.at, m.pred, p.at, p.pred)
		}
		i++
		return nil
	}); err != nil {
		return err
	}
	rest := 8*(len(m.data)-pad) - m.bit()
	if m.fill(); rest >= 8 || m.word>>(64-rest) != 0 {
		return fmt.Errorf("jpeg: %d bits follow the last mark, want none but zeros up to a byte's end", rest)
	}
	return nil
}

// spacing gives marks a hundredth of the coded data, and divides rows evenly.
func (h *Header) spacing(size int) int {
	every := min(max(ceil(100*markBytes*h.Cols*h.Rows, size), leastGap), h.Cols)
	return ceil(h.Cols, h.Cols/every)
}

// walk goes through the coded data and hands over the marks, one after another.
func (d *Decoder) walk(every int, yield func(point) error) error {
	h, c := &d.header, &d.cur
	if err := c.open(d); err != nil {
		return err
	}
	var p point
	pos, stuffed := 0, 0 // position in the data and zeros left out before it
	for row := range h.Rows {
		for col := 0; col < h.Cols; col += every {
			if err := c.seek(row*h.Cols + col); err != nil {
				return err
			}
			bit := c.bit()
			for ; pos < bit>>3; pos++ {
				if c.data[pos] == 0xFF {
					stuffed++
				}
			}
			at := 8*(d.scan.at+pos+stuffed) + bit&7
			if c.mcu > 0 {
				p.dist = at - p.at
			}
			p.at, p.pred = at, c.pred
			if err := yield(p); err != nil {
				return err
			}
		}
	}
	c.skip(c.total - c.mcu)
	if c.mcu = c.total; c.bad != 0 || c.ended() {
		return c.fail()
	}
	return nil
}

// zig maps small numbers of either sign to small ones without.
func zig(v int32) uint64 { return uint64(uint32(v<<1 ^ v>>31)) }

func zag(v uint64) int32 { return int32(uint32(v)>>1) ^ -int32(v&1) }

func encodeMarks(dst []byte, points []point, every, perRow, comps int) []byte {
	dst = append(dst, marksVersion)
	w := bitWriter{dst: binary.AppendUvarint(dst, uint64(every))}
	delta := func(i, kind int) uint64 {
		p, q := &points[i], predictor(points, i, perRow)
		if kind == 0 {
			return zig(int32(p.dist - q.dist))
		}
		return zig(p.pred[kind-1] - q.pred[kind-1])
	}
	var param [4]uint
	for kind := range comps + 1 {
		var sum uint64
		for i := 1; i < len(points); i++ {
			sum += delta(i, kind)
		}
		// The best parameter leaves a mean of 1 or 2 in unary.
		mean := sum / uint64(max(len(points)-1, 1))
		param[kind] = min(uint(bits.Len64(mean*11/16)), riceParam)
		w.put(uint64(param[kind]), 5)
	}
	for i := 1; i < len(points); i++ {
		for kind := range comps + 1 {
			w.rice(delta(i, kind), param[kind])
		}
	}
	return w.end()
}

// predictor is the mark that mark i differs from.
func predictor(points []point, i, perRow int) *point {
	if i < perRow {
		return &points[i-1]
	}
	return &points[i-perRow]
}

// bitWriter appends bits, the highest first.
type bitWriter struct {
	dst  []byte
	word uint64
	n    uint // bits of word that are in use, from the lowest
}

func (w *bitWriter) put(v uint64, n uint) {
	w.word, w.n = w.word<<n|v, w.n+n
	for ; w.n >= 8; w.n -= 8 {
		w.dst = append(w.dst, byte(w.word>>(w.n-8)))
	}
}

func (w *bitWriter) rice(v uint64, k uint) {
	high := v >> k
	if high >= riceMax {
		w.put(1<<riceMax-1, riceMax)
		w.put(v, 32)
		return
	}
	w.put(1<<(high+1)-2, uint(high)+1)
	w.put(v&(1<<k-1), k)
}

func (w *bitWriter) end() []byte {
	if w.n > 0 {
		w.put(0, 8-w.n)
	}
	return w.dst
}

// markReader reads marks one by one.
type markReader struct {
	reader
	point
	row    []point // the last mark read in each column
	col    int     // of point
	param  [4]uint
	comps  int
	index  int // of point
	count  int
	perRow int
	every  int
}

// openMarks reads what comes before the first mark. Its data are a copy with
// the padding that the bit reader wants.
func (d *Decoder) openMarks(marks []byte) (m markReader, ok bool) {
	h := &d.header
	if len(marks) == 0 || marks[0] != marksVersion {
		return m, false
	}
	every, n := binary.Uvarint(marks[1:])
	if n <= 0 || every == 0 || every > uint64(h.Cols) {
		return m, false
	}
	d.markBuf = append(append(d.markBuf[:0], marks[1+n:]...), padding[:]...)
	m.start(d.markBuf, 0)
	m.every, m.perRow, m.comps = int(every), ceil(h.Cols, int(every)), len(h.Components)
	m.count = m.perRow * h.Rows
	m.at = 8 * d.scan.at
	if cap(d.points) < m.perRow {
		d.points = make([]point, m.perRow)
	}
	m.row = d.points[:m.perRow]
	m.row[0] = m.point
	for kind := range m.comps + 1 {
		m.fill()
		m.param[kind] = uint(m.word >> 59)
		m.word, m.n = m.word<<5, m.n-5
		if m.param[kind] > riceParam {
			return m, false
		}
	}
	return m, true
}

// number reads one Rice code.
func (m *markReader) number(k uint) uint64 {
	m.fill()
	high := uint(bits.LeadingZeros64(^m.word))
	if high >= riceMax {
		v := m.word << riceMax >> 32
		m.word, m.n = m.word<<(riceMax+32), m.n-(riceMax+32)
		return v
	}
	m.word <<= high + 1
	v := uint64(high)<<k | m.word>>1>>(63-k)
	m.word, m.n = m.word<<k, m.n-(high+1+k)
	return v
}

// next steps to mark i, at or after this one, which the count allows.
func (m *markReader) next(i int) {
	for m.index < i {
		m.index++
		if m.col++; m.col == m.perRow {
			m.col = 0
		}
		q := &m.row[m.col]
		if m.index < m.perRow {
			q = &m.row[m.col-1]
		}
		m.dist = q.dist + int(zag(m.number(m.param[0])))
		m.at += m.dist
		for c := range m.comps {
			m.pred[c] = q.pred[c] + zag(m.number(m.param[c+1]))
		}
		m.row[m.col] = m.point
	}
}

// sane says whether the mark may be used on a file of size bytes.
func (m *markReader) sane(size int) bool {
	wild := m.at >> 63 // distances of another file may lead below 0
	for _, p := range m.pred {
		wild |= int(int64(p)+1<<15) >> 16
	}
	return !m.ended() && wild == 0 && m.at>>3 <= size
}

// fromMarks decodes the region's rows, each from the last mark before it.
func (d *Decoder) fromMarks(marks []byte, r image.Rectangle) error {
	c, cols := &d.cur, d.header.Cols
	m, ok := d.openMarks(marks)
	if !ok {
		return broken(0, "the marks are not this picture's: their head")
	}
	for row := r.Min.Y; row < r.Max.Y; row++ {
		m.next(row*m.perRow + r.Min.X/m.every)
		if !m.sane(len(d.data)) {
			return broken(0, "the marks are not this picture's: mark %d of %d", m.index, m.count)
		}
		start, end := m.point, len(d.data)
		c.mcu = row*cols + r.Min.X/m.every*m.every
		// The first mark at or after the region's end bounds the bytes: its
		// first byte has this row's last bits, and a zero follows 0xFF.
		if i := row*m.perRow + ceil(r.Max.X, m.every); i < m.count {
			m.next(i)
			end = max(min(m.at>>3+2, end), start.at>>3)
		}
		c.pred = start.pred
		c.load(start.at>>3, end, uint(start.at&7))
		if err := d.run(row*cols+r.Min.X, r.Dx()); err != nil {
			return err
		}
	}
	return nil
}
