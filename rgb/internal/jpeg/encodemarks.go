package jpeg

import "math/bits"

// start is where an MCU of the JPEG being made begins: what a mark tells.
type start struct {
	at   int // bit in the file
	pred [3]int16
}

// note remembers the MCU that comes next, size bytes into the file.
func (e *Encoder) note(size int) {
	w := &e.coder
	at := 8*size + int(64-w.free)
	// Of what is not in the file yet, each whole byte 0xFF will have a zero behind it.
	whole := uint64(64-w.free) &^ 7
	word := w.word << (w.free & 63) &^ (1<<(64-whole) - 1)
	full := word & (word >> 4) & 0x0F0F0F0F0F0F0F0F // nibbles that are F make bytes of F
	full = (full + 0x0101010101010101) & 0x1010101010101010
	at += 8 * bits.OnesCount64(full)
	s := start{at: at}
	for c, p := range w.pred {
		s.pred[c] = int16(p)
	}
	e.starts = append(e.starts, s)
}

// AppendMarks appends the marks of the JPEG that Append made last, as the
// package's [AppendMarks] makes them with a spacing of its choice, without a walk
// through it. Before the first there are none.
func (e *Encoder) AppendMarks(dst []byte) []byte {
	if len(e.starts) == 0 {
		return dst
	}
	every := e.header.spacing(e.coded)
	e.points = e.points[:0]
	last := 0
	for row := range e.header.Rows {
		for col := 0; col < e.header.Cols; col += every {
			s := &e.starts[row*e.header.Cols+col]
			p := point{at: s.at, pred: [3]int32{int32(s.pred[0]), int32(s.pred[1]), int32(s.pred[2])}}
			if len(e.points) > 0 {
				p.dist = p.at - last
			}
			last = p.at
			e.points = append(e.points, p)
		}
	}
	return encodeMarks(dst, e.points, every, ceil(e.header.Cols, every), 3)
}
