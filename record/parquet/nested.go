package parquet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/arrow"
	"github.com/betongo/betongo/internal/parquet"
)

// maxLevels bounds the elements of a leaf in a row group, as they are decoded
// together.
const maxLevels = 1 << 27

// maxTexts bounds those among them that are texts, of which each takes 24 bytes.
const maxTexts = 1 << 25

// leafData is all of a leaf in a row group, with its levels.
type leafData struct {
	rep, def []byte
	texts    [][]byte
	numbers  []byte
	width    int
}

// whole decodes all pages of a leaf in a row group.
func (r *Reader) whole(ctx context.Context, leaf *parquet.Node, group int) (*leafData, error) {
	l := &leafData{width: leaf.Width()}
	chunk := &r.meta.Groups[group].Chunks[leaf.Leaf]
	if chunk.Err != nil {
		return nil, chunk.Err
	}
	if chunk.Values > maxLevels {
		return nil, fmt.Errorf("row group %d has %d elements, at most %d are read together", group, chunk.Values, maxLevels)
	}
	t := &table{next: chunk.At}
	var known *parquet.Decoder
	for int64(len(l.def)) < chunk.Values {
		if err := r.extend(ctx, t, chunk); err != nil {
			return nil, err
		}
		if len(t.pages) == 0 {
			continue
		}
		if known == nil {
			var err error
			if known, err = r.dictionary(ctx, leaf, group, t.dict); err != nil {
				return nil, err
			}
		}
		p := t.pages[len(t.pages)-1]
		t.pages = t.pages[:0]
		d := *known
		if err := l.add(ctx, r, &d, group, p); err != nil {
			return nil, &pageError{p.at, err}
		}
	}
	return l, nil
}

// add decodes a page behind the others.
func (l *leafData) add(ctx context.Context, r *Reader, d *parquet.Decoder, group int, p place) error {
	rep, def, n, _, err := r.begin(ctx, d, group, p)
	if err != nil {
		return err
	}
	present := 0
	if l.rep, err = appendAll(l.rep, &rep, n, d.Node.Rep, func(uint32) {}); err != nil {
		return fmt.Errorf("repetition levels: %w", err)
	}
	full := uint32(d.Node.Def)
	if l.def, err = appendAll(l.def, &def, n, d.Node.Def, func(v uint32) {
		if v == full {
			present++
		}
	}); err != nil {
		return fmt.Errorf("definition levels: %w", err)
	}
	if l.width == 0 {
		if present > maxTexts-len(l.texts) {
			return fmt.Errorf("the row group has more than %d texts", maxTexts)
		}
		for range present {
			b, err := d.Text()
			if err != nil {
				return err
			}
			l.texts = append(l.texts, b)
		}
		return nil
	}
	if present > (maxValue-len(l.numbers))/l.width {
		return fmt.Errorf("the row group has more than %d bytes of numbers", maxValue)
	}
	at := len(l.numbers)
	l.numbers = append(l.numbers, make([]byte, present*l.width)...)
	return d.Fixed.Read(l.numbers[at:], present)
}

// appendAll appends n levels, none of which is larger than most.
func appendAll(dst []byte, levels *parquet.Levels, n, most int, see func(uint32)) ([]byte, error) {
	if most > math.MaxUint8 {
		return dst, fmt.Errorf("%d levels", most)
	}
	var buf [1024]uint32
	for at := 0; at < n; {
		part := buf[:min(n-at, len(buf))]
		if most == 0 {
			clear(part)
		} else if err := levels.Fill(part); err != nil {
			return dst, err
		}
		for _, v := range part {
			if v > uint32(most) {
				return dst, fmt.Errorf("a level of %d, the most is %d", v, most)
			}
			see(v)
			dst = append(dst, byte(v))
		}
		at += len(part)
	}
	return dst, nil
}

// lists are a column of arrays in a row group.
type lists struct {
	data []byte
	rows []int32 // the first element of each, or why it has none
}

// Why a row has no array.
const (
	listMissing = -1 - iota
	listOther
	listHoles
)

func (r *Reader) listValue(ctx context.Context, c *readColumn, group, row int) (any, error) {
	key := cacheKey{r: r, what: keyChunk, leaf: int32(c.leaf.Leaf), group: int32(group)}
	l, err := get(ctx, r.opts.Cache, key, func() (*lists, int64, error) {
		data, err := r.whole(ctx, c.leaf, group)
		if err != nil {
			return nil, 0, err
		}
		l, err := c.arrays(data, int(r.meta.Groups[group].Rows))
		if err != nil {
			return nil, 0, &pageError{r.meta.Groups[group].Chunks[c.leaf.Leaf].At, err}
		}
		return l, int64(len(l.data) + 4*len(l.rows)), nil
	})
	if err != nil {
		return nil, err
	}
	switch at := l.rows[row]; at {
	case listMissing:
		return nil, errMissing
	case listOther:
		return nil, fmt.Errorf("a list of another shape, want %s", array.ShapeString(c.Shape))
	case listHoles:
		return nil, errors.New("a list with elements that have no value (null)")
	default:
		spec := array.Spec{DType: c.DType, Shape: c.Shape}
		size, err := spec.Bytes() // which was checked
		lo := int(at) * c.DType.ItemSize()
		return array.Array{Spec: spec, Data: l.data[lo : lo+size : lo+size]}, err
	}
}

// arrays makes arrays of a leaf's elements.
func (c *readColumn) arrays(data *leafData, rows int) (*lists, error) {
	l := &lists{data: data.numbers, rows: make([]int32, 0, min(rows, len(data.rep)))}
	want := 1 // elements of a row
	for _, d := range c.Shape {
		want *= d // of at most maxValue bytes, which was checked
	}
	var rep []byte
	if want <= len(data.rep) { // or no row has as many
		rep, _ = pattern(c.Shape, 0)
	}
	full, passed := byte(c.leaf.Def), 0
	for i := 0; i < len(data.rep); {
		end := i + 1
		for end < len(data.rep) && data.rep[end] != 0 {
			end++
		}
		if data.rep[i] != 0 {
			return nil, errors.New("elements before the first row")
		}
		present := bytes.Count(data.def[i:end], []byte{full})
		switch {
		case present == want && end-i == want && bytes.Equal(data.rep[i:end], rep):
			l.rows = append(l.rows, int32(passed))
		case int(data.def[i]) < c.node.Def:
			l.rows = append(l.rows, listMissing)
		case end-i == want && bytes.Equal(data.rep[i:end], rep):
			l.rows = append(l.rows, listHoles)
		default:
			l.rows = append(l.rows, listOther)
		}
		passed += present
		i = end
	}
	if len(l.rows) != rows {
		return nil, fmt.Errorf("the row group has %d rows of it, want %d", len(l.rows), rows)
	}
	if size := c.DType.ItemSize(); size < data.width { // small numbers, stored as larger ones
		n := len(l.data) / data.width
		for i := range n {
			copy(l.data[i*size:(i+1)*size], l.data[i*data.width:])
		}
		l.data = l.data[:n*size]
	}
	return l, nil
}

// documents are a column of JSON in a row group.
type documents struct {
	text []byte
	ends []int // nothing in it: the row has no value
}

func (r *Reader) jsonValue(ctx context.Context, c *readColumn, group, row int) (any, error) {
	var leaves []*parquet.Node
	leaves = leavesOf(c.node, leaves)
	key := cacheKey{r: r, what: keyChunk, leaf: int32(leaves[0].Leaf), group: int32(group)}
	d, err := get(ctx, r.opts.Cache, key, func() (*documents, int64, error) {
		a := &assembler{}
		for _, leaf := range leaves {
			data, err := r.whole(ctx, leaf, group)
			if err != nil {
				return nil, 0, err
			}
			a.leaves = append(a.leaves, &leafCursor{leafData: data, node: leaf})
		}
		d, err := a.rows(c, int(r.meta.Groups[group].Rows))
		if err != nil {
			return nil, 0, &pageError{r.meta.Groups[group].Chunks[leaves[0].Leaf].At, err}
		}
		return d, int64(len(d.text) + 8*len(d.ends)), nil
	})
	if err != nil {
		return nil, err
	}
	begin := 0
	if row > 0 {
		begin = d.ends[row-1]
	}
	if begin == d.ends[row] {
		return nil, errMissing
	}
	return d.text[begin:d.ends[row]:d.ends[row]], nil
}

func leavesOf(n *parquet.Node, list []*parquet.Node) []*parquet.Node {
	if n.Physical >= 0 {
		return append(list, n)
	}
	for _, c := range n.Children {
		list = leavesOf(c, list)
	}
	return list
}

// leafCursor goes through a leaf's elements.
type leafCursor struct {
	*leafData
	node *parquet.Node
	i, v int // the next level, and the next value
}

// assembler makes JSON of leaves: what is there of an element, and which lists it
// goes on with, is in their levels.
type assembler struct {
	leaves []*leafCursor
	out    []byte
	err    error
}

func (a *assembler) fail(format string, args ...any) {
	if a.err == nil {
		a.err = fmt.Errorf(format, args...)
	}
}

// rows makes all rows of a column.
func (a *assembler) rows(c *readColumn, rows int) (*documents, error) {
	d := &documents{}
	for i := range rows {
		for _, l := range a.leaves {
			if l.i >= len(l.rep) || l.rep[l.i] != 0 {
				return nil, fmt.Errorf("row %d of the row group doesn't begin with its first element", i)
			}
		}
		first := a.leaves[0]
		missing := c.node.Repeat == parquet.Optional && int(first.def[first.i]) < c.node.Def
		at := len(a.out)
		a.node(c.node, &c.field, 0, len(a.leaves))
		if missing {
			a.out = a.out[:at]
		}
		if len(a.out) > maxValue {
			a.fail("the row group has more than %d bytes of JSON", maxValue)
		}
		if a.err != nil {
			return nil, fmt.Errorf("row %d of the row group: %w", i, a.err)
		}
		d.ends = append(d.ends, len(a.out))
	}
	d.text = a.out
	return d, nil
}

// level returns how far the next element of the first leaf is there.
func (a *assembler) level(lo int) int {
	l := a.leaves[lo]
	if l.i >= len(l.def) {
		a.fail("the elements end too early")
		return 0
	}
	return int(l.def[l.i])
}

// pass passes something that isn't there in all its leaves.
func (a *assembler) pass(lo, hi int) {
	for _, l := range a.leaves[lo:hi] {
		if l.i < len(l.def) && int(l.def[l.i]) < l.node.Def {
			l.i++
		} else {
			a.fail("its parts differ in what is there")
		}
	}
}

// node writes what is there of a node, whose leaves are those from lo to hi.
func (a *assembler) node(n *parquet.Node, f *arrow.Field, lo, hi int) {
	inList := n.Logical.Kind == -parquet.LogicalList
	switch e := parquet.Element(n); {
	case a.err != nil:
	case n.Repeat == parquet.Optional && a.level(lo) < n.Def:
		a.out = append(a.out, "null"...)
		a.pass(lo, hi)
	case n.Repeat == parquet.Repeated && !inList:
		a.list(n, lo, hi, func() { a.item(n, &f.Children[0], lo, hi) })
	case e != nil && e.Repeat == parquet.Repeated:
		a.list(e, lo, hi, func() { a.item(e, &f.Children[0], lo, hi) })
	case e != nil:
		a.list(n.Children[0], lo, hi, func() { a.node(e, &f.Children[0], lo, hi) })
	default:
		a.item(n, f, lo, hi)
	}
}

// list writes a list, which is what repeats of a node.
func (a *assembler) list(n *parquet.Node, lo, hi int, item func()) {
	if a.level(lo) < n.Def {
		a.out = append(a.out, "[]"...)
		a.pass(lo, hi)
		return
	}
	a.out = append(a.out, '[')
	l := a.leaves[lo]
	for {
		at := l.i
		item()
		if a.err == nil && l.i == at {
			a.fail("an element of a list without elements")
		}
		if a.err != nil || l.i == len(l.rep) || int(l.rep[l.i]) < n.Rep {
			break
		}
		if int(l.rep[l.i]) > n.Rep {
			a.fail("an element of a list that has not begun")
			break
		}
		if len(a.out) > maxValue {
			a.fail("more than %d bytes of JSON", maxValue)
			break
		}
		a.out = append(a.out, ", "...)
	}
	a.out = append(a.out, ']')
}

// item writes a struct or a value that is there.
func (a *assembler) item(n *parquet.Node, f *arrow.Field, lo, hi int) {
	if n.Physical >= 0 {
		a.value(f, a.leaves[lo])
		return
	}
	a.out = append(a.out, '{')
	for i, c := range n.Children {
		if i > 0 {
			a.out = append(a.out, ", "...)
		}
		a.text([]byte(c.Name))
		a.out = append(a.out, ": "...)
		width := len(leavesOf(c, nil))
		a.node(c, &f.Children[i], lo, lo+width)
		lo += width
	}
	a.out = append(a.out, '}')
}

// value writes the next value of a leaf.
func (a *assembler) value(f *arrow.Field, l *leafCursor) {
	if l.i >= len(l.def) || int(l.def[l.i]) != l.node.Def {
		a.fail("a value that isn't there")
		return
	}
	l.i++
	l.v++
	if l.width == 0 {
		a.text(l.texts[l.v-1])
		return
	}
	b := l.numbers[(l.v-1)*l.width : l.v*l.width]
	switch f.Type {
	case arrow.Bool:
		a.out = strconv.AppendBool(a.out, b[0] != 0)
	case arrow.Float:
		a.float(floatAt(b), f.Bits)
	default:
		if v, err := wholeAt(b, f); err != nil {
			a.err = err
		} else {
			a.out = strconv.AppendInt(a.out, v, 10)
		}
	}
}

// float writes a number as Python does: the shortest that is the same one again.
func (a *assembler) float(v float64, bits int) {
	switch {
	case math.IsNaN(v):
		a.out = append(a.out, "NaN"...)
	case math.IsInf(v, 1):
		a.out = append(a.out, "Infinity"...)
	case math.IsInf(v, -1):
		a.out = append(a.out, "-Infinity"...)
	default:
		a.out = strconv.AppendFloat(a.out, v, 'g', -1, max(bits, 32))
	}
}

func (a *assembler) text(b []byte) {
	if !utf8.Valid(b) {
		a.fail("text that isn't UTF-8")
		return
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(string(b)); err != nil {
		a.err = err
		return
	}
	a.out = append(a.out, bytes.TrimRight(buf.Bytes(), "\n")...)
}
