package transform

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// A BoxFormat says what the first four columns of boxes are, in pixels of the
// stored image.
type BoxFormat uint8

const (
	Corners    BoxFormat = iota // left, top, right, bottom
	CornerSize                  // left, top, width, height: COCO's
)

// Boxes moves boxes with their image (Output.Follow): they are cropped, resized,
// mirrored and shifted as it is, cut off at what shows of it, and left out when
// too little of them is left. They come from an array field of shape (rows,
// columns) or from a Bytes field of any number of rows one after another,
// little-endian; columns after the fourth, such as the class, stay what they are.
// Rows without width or height, as those that only fill an array up, are left
// out.
//
// The outcome is float32 of shape (Max, columns): left, top, right, bottom in
// the outcome's pixels and the further columns, in the order of the source, then
// rows of -1.
type Boxes struct {
	Format BoxFormat
	// Max is the most boxes of a sample, 0: an array's rows. A sample of which
	// more can be seen is an error.
	Max int
	// MinVisible is the least share of a box's area that must be seen, 0 to 1.
	// Boxes of which nothing is seen are always left out.
	MinVisible float64
	// DType and Columns are those of a Bytes field: array.Float32 (also zero),
	// array.Float64, array.Int32 or array.Int64, and 4 (also zero) or more.
	DType   array.DType
	Columns int
}

// BoxesFunc moves the boxes of one sample where p has put its image. src is read
// only.
type BoxesFunc = func(dst, src []byte, p *rgb.Placement) error

// BindFollowArray takes the spec of an array field, or (0) |u1 for a Bytes field;
// a leader of any size will do.
func (b Boxes) BindFollowArray(in array.Spec, _, _ int) (array.Spec, BoxesFunc, error) {
	t, err := b.table(in)
	if err != nil {
		return array.Spec{}, nil, err
	}
	out := array.Spec{DType: array.Float32, Shape: []int{t.most, t.columns}}
	n, err := out.Bytes()
	if err != nil {
		return array.Spec{}, nil, fmt.Errorf("transform: Boxes: %w", err)
	}
	row := t.columns * t.size
	return out, func(dst, src []byte, p *rgb.Placement) error {
		if len(dst) != n || len(src)%row != 0 || t.rows >= 0 && len(src) != t.rows*row {
			return fmt.Errorf("transform: Boxes of %d into %d bytes, bound for rows of %d into %d", len(src), len(dst), row, n)
		}
		kept := 0
		for ; len(src) > 0; src = src[row:] {
			box, ok := t.box(src, p)
			if !ok {
				continue
			}
			if kept++; kept > t.most {
				continue
			}
			put := dst[4*t.columns*(kept-1):]
			for i := range t.columns {
				v := 0.0
				if i < 4 {
					v = box[i]
				} else {
					v = t.at(src, i)
				}
				binary.LittleEndian.PutUint32(put[4*i:], math.Float32bits(float32(v)))
			}
		}
		if kept > t.most {
			return fmt.Errorf("transform: Boxes: %d can be seen, Max is %d", kept, t.most)
		}
		for rest := dst[4*t.columns*kept:]; len(rest) > 0; rest = rest[4:] {
			binary.LittleEndian.PutUint32(rest, math.Float32bits(-1))
		}
		return nil
	}, nil
}

// boxTable is how boxes lie in memory and what is kept of them.
type boxTable struct {
	Boxes
	kind    byte // 'f' or 'i'
	size    int  // of a number
	rows    int  // -1: any number
	columns int
	most    int
}

// table checks the settings against what comes in.
func (b Boxes) table(in array.Spec) (*boxTable, error) {
	t := &boxTable{Boxes: b, rows: -1, columns: b.Columns, most: b.Max}
	kind := b.DType
	switch {
	case len(in.Shape) == 2:
		if b.Columns != 0 && b.Columns != in.Shape[1] || kind != (array.DType{}) && kind != in.DType {
			return nil, fmt.Errorf("transform: Boxes of %d columns of %v, the field has %v: Columns and DType are for Bytes fields", b.Columns, kind, in)
		}
		kind, t.rows, t.columns = in.DType, in.Shape[0], in.Shape[1]
		if t.most == 0 {
			t.most = t.rows
		}
	case in.DType == array.Uint8 && len(in.Shape) == 1:
		if kind == (array.DType{}) {
			kind = array.Float32
		}
		if t.columns == 0 {
			t.columns = 4
		}
		if t.most == 0 {
			return nil, fmt.Errorf("transform: Boxes of a Bytes field need Max, the most boxes of a sample")
		}
	default:
		return nil, fmt.Errorf("transform: Boxes takes (rows, columns) or Bytes, got %v", in)
	}
	switch kind {
	case array.Float32, array.Float64, array.Int32, array.Int64:
		t.kind, t.size = kind.Kind(), kind.ItemSize()
	default:
		return nil, fmt.Errorf("transform: Boxes of %v, want %v, %v, %v or %v", kind, array.Float32, array.Float64, array.Int32, array.Int64)
	}
	const limit = 1 << 20
	switch {
	case t.columns < 4 || t.columns > limit:
		return nil, fmt.Errorf("transform: Boxes of %d columns, want 4 or more", t.columns)
	case t.most < 0 || t.most > limit || t.rows > limit:
		return nil, fmt.Errorf("transform: Boxes with Max %d of %d rows, want 0 to %d", t.most, t.rows, limit)
	case !(b.MinVisible >= 0 && b.MinVisible <= 1):
		return nil, fmt.Errorf("transform: Boxes with MinVisible %v, want 0 to 1", b.MinVisible)
	case b.Format > CornerSize:
		return nil, fmt.Errorf("transform: Boxes with Format %d, want Corners or CornerSize", b.Format)
	}
	return t, nil
}

// at is number i of a row.
func (t *boxTable) at(row []byte, i int) float64 {
	le := binary.LittleEndian
	switch row = row[t.size*i:]; {
	case t.kind == 'f' && t.size == 4:
		return float64(math.Float32frombits(le.Uint32(row)))
	case t.kind == 'f':
		return math.Float64frombits(le.Uint64(row))
	case t.size == 4:
		return float64(int32(le.Uint32(row)))
	}
	return float64(int64(le.Uint64(row)))
}

// box moves a row's box and tells whether it is kept.
func (t *boxTable) box(row []byte, p *rgb.Placement) (box [4]float64, ok bool) {
	x0, y0, x1, y1 := t.at(row, 0), t.at(row, 1), t.at(row, 2), t.at(row, 3)
	if t.Format == CornerSize {
		x1, y1 = x0+x1, y0+y1
	}
	if !(x0 < x1 && y0 < y1) || math.IsInf(x0, 0) || math.IsInf(y0, 0) || math.IsInf(x1, 0) || math.IsInf(y1, 0) {
		return box, false
	}
	var visible float64
	box[0], box[1], box[2], box[3], visible = p.Box(x0, y0, x1, y1)
	return box, visible > 0 && visible >= t.MinVisible
}
