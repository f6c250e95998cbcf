package matfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/betongo/betongo/array"
)

// part is a data element of an array: of stored type, elements in Fortran order.
type part struct {
	kind uint32
	pos  int64 // in the variable
	n    int   // elements
}

func (p part) dtype(v *variable) array.DType { return storage[p.kind].WithOrder(orderByte(v.order)) }

// leaf is an array that is served.
type leaf struct {
	array.Member
	v      *variable
	dims   []int // of the parts; of text with the characters
	re, im part
	cplx   bool
	text   bool
}

// maxLeaves bounds the arrays of a file, of which a few inflated bytes could
// tell any number.
const maxLeaves = 1 << 20

// maxDepth bounds cells in cells.
const maxDepth = 64

// parser collects a file's arrays.
type parser struct {
	file    string
	seen    map[string]bool // variables
	leaves  []*leaf
	refused []error
}

// file reads the header and each variable's.
func (p *parser) parse(b []byte) error {
	fail := func(at int64, format string, args ...any) error {
		return &FormatError{File: p.file, Offset: at, Msg: fmt.Sprintf(format, args...)}
	}
	if len(b) < headerSize {
		if len(b) >= 4 && bytes.IndexByte(b[:4], 0) >= 0 {
			return p.level4(b)
		}
		return fail(0, "%d bytes, a MATLAB file has a header of %d", len(b), headerSize)
	}
	if bytes.IndexByte(b[:4], 0) >= 0 {
		return p.level4(b)
	}
	var order binary.ByteOrder
	switch string(b[126:128]) {
	case "IM":
		order = binary.LittleEndian
	case "MI":
		order = binary.BigEndian
	default:
		return fail(126, "%q, a MATLAB file of level 5 has \"IM\" or \"MI\"", b[126:128])
	}
	if v := order.Uint16(b[124:]); v == versionHDF5 {
		return fmt.Errorf("%s: %w", p.file, ErrHDF5)
	} else if v != version {
		return fail(124, "version %#04x, want %#04x", v, version)
	}
	for at := int64(headerSize); at < int64(len(b)); {
		if int64(len(b))-at < tagSize {
			return fail(at, "%d bytes behind the last variable", int64(len(b))-at)
		}
		kind, size := order.Uint32(b[at:]), int64(order.Uint32(b[at+4:]))
		v := &variable{order: order, at: at + tagSize, size: size, compressed: kind == miCompressed}
		if left := int64(len(b)) - v.at; size > left {
			v.size = left
			return &FormatError{File: p.file, Array: v.peek(b), Offset: at, Msg: fmt.Sprintf("a variable of %d bytes, the file has %d more", size, left)}
		}
		if kind != miMatrix && kind != miCompressed {
			return fail(at, "a data element of type %d, want a matrix (14) or a compressed one (15)", kind)
		}
		if err := p.variable(b, v); err != nil {
			return err
		}
		at = v.at + size
		if !v.compressed {
			at = min(v.at+up8(size), int64(len(b)))
		}
	}
	return nil
}

// peek reads the name of a variable that is cut off, as far as that is there.
func (v *variable) peek(b []byte) string {
	c, err := v.cursor("", b)
	if err == nil && v.compressed {
		_, err = c.element()
	}
	if err != nil {
		return ""
	}
	flags, err := c.element()
	if err == nil {
		_, err = c.ints(flags, "array flags")
	}
	if err == nil {
		_, err = c.dims()
	}
	if err != nil {
		return ""
	}
	name, _ := c.text("name") // "" where it isn't there
	return name
}

// variable reads the headers of a variable.
func (p *parser) variable(b []byte, v *variable) error {
	c, err := v.cursor(p.file, b)
	if err != nil {
		return err
	}
	if v.compressed {
		e, err := c.element()
		if err != nil {
			return err
		}
		if e.kind != miMatrix {
			return c.fail("a data element of type %d, want a matrix (14)", e.kind)
		}
		c.end = e.pos + e.size // within room, as element has checked
	}
	c.whole = c.end
	if c.end == c.pos {
		return nil // a matrix of nothing
	}
	return p.matrix(c, "", 0)
}

// matrix reads an array's header, and those of what lies in it, up to c.end.
// The name of one at the top is its own, others get theirs from where they lie.
func (p *parser) matrix(c *cursor, name string, depth int) error {
	e, err := c.element()
	if err != nil {
		return err
	}
	flags, err := c.ints(e, "array flags")
	if err != nil {
		return err
	}
	if len(flags) != 2 {
		return c.fail("array flags of %d bytes, want 8", 4*len(flags))
	}
	class := uint32(flags[0]) & 0xff
	if class == mxOpaque {
		return p.opaque(c, name, depth)
	}
	dims, err := c.dims()
	if err != nil {
		return err
	}
	own, err := c.text("name")
	if err != nil {
		return err
	}
	if depth == 0 {
		if name = own; name == "" {
			return c.to(c.end) // MATLAB's own: what functions need
		}
		c.v.name = name
		p.forget(name)
	}
	var attrs map[string]any
	if flags[0]&flagGlobal != 0 {
		attrs = map[string]any{"global": true}
	}
	l := &leaf{Member: array.Member{Name: name, Fortran: true, Attrs: attrs}, v: c.v, dims: dims, cplx: flags[0]&flagComplex != 0}
	switch class {
	case mxCell:
		return p.cells(c, name, dims, depth)
	case mxStruct:
		return p.structs(c, name, dims, depth)
	case mxChar:
		return p.chars(c, l)
	case mxSparse:
		return p.sparse(c, l, flags[0]&flagLogical != 0)
	}
	t, ok := classes[class]
	if !ok {
		return p.refuse(c, name, class)
	}
	return p.numbers(c, l, t, flags[0]&flagLogical != 0)
}

// forget drops a variable that another of the same name follows, as SciPy does.
func (p *parser) forget(name string) {
	if !p.seen[name] {
		p.seen[name] = true
		return
	}
	kept := p.leaves[:0]
	for _, l := range p.leaves {
		if l.v.name != name {
			kept = append(kept, l)
		}
	}
	p.leaves = kept
}

// refuse passes an array of a class that isn't served.
func (p *parser) refuse(c *cursor, name string, class uint32) error {
	what, ok := classNames[class]
	if !ok {
		return c.fail("class %d of array %q, want 1 to 17", class, name)
	}
	if len(p.refused) < maxLeaves {
		p.refused = append(p.refused, fmt.Errorf("%s: array %q: %w", p.file, name,
			&array.UnsupportedError{DType: what, Why: "MATLAB's " + what + "s aren't served"}))
	}
	return c.to(c.end)
}

// opaque passes an object of newer MATLABs, whose header is its own.
func (p *parser) opaque(c *cursor, name string, depth int) error {
	if depth == 0 {
		own, err := c.text("name")
		if err != nil {
			return err
		}
		name, c.v.name = own, own
	}
	return p.refuse(c, name, mxOpaque)
}

// add takes an array.
func (p *parser) add(c *cursor, l *leaf) error {
	if _, err := l.Spec.Bytes(); err != nil {
		return c.fail("array %q: %v", l.Name, err)
	}
	if len(p.leaves) >= maxLeaves {
		return c.fail("array %q: more than %d arrays", l.Name, maxLeaves)
	}
	p.leaves = append(p.leaves, l)
	return nil
}

// text reads an element of characters of one byte.
func (c *cursor) text(what string) (string, error) {
	e, err := c.element()
	if err != nil {
		return "", err
	}
	if e.kind != miInt8 && e.kind != miUint8 && e.kind != miUTF8 {
		return "", c.fail("%s of type %d, want bytes", what, e.kind)
	}
	b, err := c.data(e)
	return strings.TrimRight(string(b), "\x00"), err
}

// part reads the tag of n numbers, or of any number where n is -1, and passes
// them.
func (c *cursor) part(n int, what string) (part, error) {
	e, err := c.element()
	if err != nil {
		return part{}, err
	}
	return c.partOf(e, n, what)
}

func (c *cursor) partOf(e element, n int, what string) (part, error) {
	t, ok := storage[e.kind]
	if e.size == 0 && n <= 0 {
		return part{kind: miDouble, pos: e.pos}, c.to(e.next)
	}
	if !ok {
		return part{}, c.fail("%s of type %d", what, e.kind)
	}
	size := int64(t.ItemSize())
	if e.size%size != 0 || n >= 0 && (int64(n) > e.size || e.size != int64(n)*size) {
		return part{}, c.fail("%s of %d bytes for %d elements of %v", what, e.size, n, t)
	}
	p := part{kind: e.kind, pos: e.pos, n: int(e.size / size)}
	if e.next <= c.pos { // small
		return p, nil
	}
	if c.r != nil && e.next >= c.whole {
		c.lazy = true // the last data are inflated when they are asked for
	}
	return p, c.to(e.next)
}

// numbers reads the places of a numeric array's data.
func (p *parser) numbers(c *cursor, l *leaf, t array.DType, logical bool) error {
	spec := array.Spec{DType: t, Shape: l.dims}
	n, err := spec.Count()
	if err != nil {
		return c.fail("array %q: %v", l.Name, err)
	}
	if l.re, err = c.part(n, "data"); err != nil {
		return err
	}
	if l.cplx {
		if l.im, err = c.part(n, "imaginary data"); err != nil {
			return err
		}
	}
	l.setType(t, logical)
	return p.add(c, l)
}

// setType tells the array's type by its class's.
func (l *leaf) setType(t array.DType, logical bool) {
	switch {
	case l.cplx && t == array.Float32:
		t = array.Complex64
	case l.cplx:
		t = array.Complex128
	case logical:
		t = array.Bool
	case storage[l.re.kind] == t:
		t = l.re.dtype(l.v) // served as it lies there
	}
	l.Spec = array.Spec{DType: t, Shape: l.dims}
}

// chars reads the place of text.
func (p *parser) chars(c *cursor, l *leaf) error {
	n, err := array.Spec{DType: array.Uint8, Shape: l.dims}.Count()
	if err != nil {
		return c.fail("array %q: %v", l.Name, err)
	}
	if l.re, err = c.part(-1, "characters"); err != nil {
		return err
	}
	if l.re.n != n && l.re.kind != miUTF8 || l.re.n < n { // UTF-8 may have more bytes than characters
		return c.fail("%d characters in array %q, want %d", l.re.n, l.Name, n)
	}
	last := len(l.dims) - 1
	t, err := array.ParseDType(fmt.Sprintf("<U%d", l.dims[last]))
	if err != nil {
		return c.fail("array %q: %v", l.Name, err)
	}
	l.text, l.Fortran, l.cplx = true, last > 1, false
	l.Spec = array.Spec{DType: t, Shape: l.dims[:last:last]}
	return p.add(c, l)
}

// sparse reads the places of a sparse matrix's three arrays.
func (p *parser) sparse(c *cursor, l *leaf, logical bool) error {
	if len(l.dims) != 2 {
		return c.fail("a sparse array %q of %d dimensions, want 2", l.Name, len(l.dims))
	}
	rows, err := c.part(-1, "row indices")
	if err != nil {
		return err
	}
	e, err := c.element()
	if err != nil {
		return err
	}
	cols := part{kind: e.kind, pos: e.pos, n: l.dims[1] + 1}
	if rows.n > 0 && rows.kind != miInt32 && rows.kind != miUint32 || e.kind != miInt32 && e.kind != miUint32 || e.size != 4*int64(cols.n) {
		return c.fail("the sparse array %q has indices of type %d and %d bytes of column starts of type %d, want %d numbers of 32 bits", l.Name, rows.kind, e.size, e.kind, cols.n)
	}
	if e.pos >= c.pos { // else small, and in buf
		if err := c.to(e.pos + e.size - 4); err != nil {
			return err
		}
		b, err := c.take(4)
		if err != nil {
			return err
		}
		copy(c.buf[4:], b)
	}
	nnz := int(int32(c.v.order.Uint32(c.buf[4:])))
	if e.next > c.pos {
		if err := c.to(e.next); err != nil {
			return err
		}
	}
	if nnz < 0 || nnz > rows.n {
		return c.fail("the sparse array %q has %d elements and %d row indices", l.Name, nnz, rows.n)
	}
	data := *l
	if e, err = c.element(); err != nil {
		return err
	}
	if logical && e.size == int64(rows.n) {
		e.kind = miUint8 // MATLAB writes these bytes as what they aren't
	}
	if data.re, err = c.partOf(e, -1, "data"); err != nil {
		return err
	}
	if l.cplx {
		if data.im, err = c.part(-1, "imaginary data"); err != nil {
			return err
		}
	}
	if data.re.n < nnz || l.cplx && data.im.n < nnz {
		return c.fail("the sparse array %q has %d elements and data of %d", l.Name, nnz, data.re.n)
	}
	return p.addSparse(c, l, &data, rows, cols, nnz, logical)
}

// addSparse takes the three arrays, cut to the elements that there are.
func (p *parser) addSparse(c *cursor, l, data *leaf, rows, cols part, nnz int, logical bool) error {
	attrs := map[string]any{"sparse": "csc", "shape": l.dims}
	for k, v := range l.Attrs {
		attrs[k] = v
	}
	index := func(name string, at part, n int) *leaf {
		at.n = n
		if at.kind == miUint32 || n == 0 {
			at.kind = miInt32 // what SciPy takes them for
		}
		x := &leaf{Member: array.Member{Name: l.Name + name}, v: l.v, dims: []int{n}, re: at}
		x.setType(array.Int32, false)
		return x
	}
	data.Name, data.Fortran, data.dims = l.Name+".data", false, []int{nnz}
	data.re.n, data.im.n = nnz, min(nnz, data.im.n)
	data.setType(array.Float64, logical)
	for _, x := range []*leaf{data, index(".indices", rows, nnz), index(".indptr", cols, cols.n)} {
		x.Attrs = attrs
		if err := p.add(c, x); err != nil {
			return err
		}
	}
	return nil
}

// within reads an array that lies in another.
func (p *parser) within(c *cursor, name string, depth int) error {
	if depth >= maxDepth {
		return c.fail("array %q lies in more than %d others", name, maxDepth)
	}
	e, err := c.element()
	if err != nil {
		return err
	}
	if e.kind != miMatrix {
		return c.fail("a data element of type %d for %q, want a matrix (14)", e.kind, name)
	}
	if e.size == 0 {
		l := &leaf{Member: array.Member{Name: name, Fortran: true}, v: c.v, dims: []int{0, 0}, re: part{kind: miDouble, pos: e.pos}}
		l.setType(array.Float64, false)
		return p.add(c, l)
	}
	end := c.end
	c.end = e.pos + e.size
	if err := p.matrix(c, name, depth+1); err != nil {
		return err
	}
	err = c.to(c.end)
	if c.end = end; err == nil {
		err = c.to(e.next)
	}
	return err
}

// cells reads the elements of a cell array.
func (p *parser) cells(c *cursor, name string, dims []int, depth int) error {
	n, err := array.Spec{DType: array.Uint8, Shape: dims}.Count()
	if err != nil || int64(n) > (c.end-c.pos)/tagSize {
		return c.fail("a cell array %q of %v elements in %d bytes", name, dims, c.end-c.pos)
	}
	for i := range n {
		if err := p.within(c, fmt.Sprintf("%s{%d}", name, i), depth); err != nil {
			return err
		}
	}
	return nil
}

// structs reads the fields of a struct, or of an array of them.
func (p *parser) structs(c *cursor, name string, dims []int, depth int) error {
	e, err := c.element()
	if err != nil {
		return err
	}
	width, err := c.ints(e, "length of field names")
	if err != nil {
		return err
	}
	if e, err = c.element(); err != nil {
		return err
	}
	if len(width) != 1 || width[0] <= 0 || e.kind != miInt8 && e.kind != miUint8 && e.kind != miUTF8 || e.size%int64(width[0]) != 0 {
		return c.fail("%d bytes of type %d with the field names of struct %q, of %v bytes each", e.size, e.kind, name, width)
	}
	b, err := c.data(e)
	if err != nil {
		return err
	}
	var fields []string
	for ; len(b) > 0; b = b[width[0]:] {
		field, _, _ := bytes.Cut(b[:width[0]], []byte{0})
		fields = append(fields, string(field))
	}
	n, err := array.Spec{DType: array.Uint8, Shape: dims}.Count()
	if err != nil || len(fields) > 0 && int64(n) > (c.end-c.pos)/tagSize/int64(len(fields)) {
		return c.fail("structs %q of dimensions %v and %d fields in %d bytes", name, dims, len(fields), c.end-c.pos)
	}
	if len(fields) == 0 {
		return nil
	}
	for i := range n {
		of := name
		if n != 1 {
			of = fmt.Sprintf("%s(%d)", name, i)
		}
		for _, field := range fields {
			if err := p.within(c, of+"."+field, depth); err != nil {
				return err
			}
		}
	}
	return nil
}
