package matfile

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/betongo/betongo/array"
)

// A matrix of level 4 is a header of five numbers, its name, its real and its
// imaginary data.
const header4 = 20 // type, rows, columns, imaginary, length of the name

// types4 are level 4's data types, by the digit that tells them.
var types4 = []uint32{miDouble, miSingle, miInt32, miInt16, miUint16, miUint8}

// level4 reads all matrices' headers.
func (p *parser) level4(b []byte) error {
	for at := int64(0); at < int64(len(b)); {
		next, err := p.matrix4(b, at)
		if err != nil {
			return err
		}
		at = next
	}
	return nil
}

func (p *parser) matrix4(b []byte, at int64) (next int64, err error) {
	name := "" // until it is read
	fail := func(format string, args ...any) (int64, error) {
		return 0, &FormatError{File: p.file, Array: name, Offset: at, Msg: "level 4: " + fmt.Sprintf(format, args...)}
	}
	if int64(len(b))-at < header4 {
		return fail("%d bytes, want a header of %d", int64(len(b))-at, header4)
	}
	var order binary.ByteOrder = binary.LittleEndian
	kind := order.Uint32(b[at:])
	if kind > 5000 {
		order = binary.BigEndian
		kind = order.Uint32(b[at:])
	}
	if machine := kind / 1000; kind > 5000 || machine > 1 || kind/100%10 != 0 || kind/10%10 > 5 || kind%10 > 2 {
		return fail("type %d, neither level 4's nor a file of level 5", kind)
	}
	h := b[at:]
	rows, cols, imag, size := int64(int32(order.Uint32(h[4:]))), int64(int32(order.Uint32(h[8:]))), order.Uint32(h[12:]), int64(int32(order.Uint32(h[16:])))
	left := int64(len(b)) - at - header4
	if rows < 0 || cols < 0 || size <= 0 || size > left || imag > 1 {
		return fail("a matrix of %d×%d, imaginary %d, a name of %d bytes; %d bytes are left", rows, cols, imag, size, left)
	}
	name = strings.TrimRight(string(h[header4:header4+size]), "\x00")
	left -= size
	stored := types4[kind/10%10]
	item := int64(storage[stored].ItemSize())
	if rows > 0 && cols > left/item/rows/int64(imag+1) {
		return fail("a matrix of %d×%d of %d bytes each, imaginary %d; %d bytes are left", rows, cols, item, imag, left)
	}
	bytes := rows * cols * item
	start := at + header4 + size
	v := &variable{name: name, order: order, at: start, size: bytes * int64(imag+1)}
	if kind%10 == 2 {
		p.refused = append(p.refused, fmt.Errorf("%s: array %q: %w", p.file, name,
			&array.UnsupportedError{Why: "sparse matrices of level 4 aren't served"}))
		return start + v.size, nil
	}
	p.forget(name)
	l := &leaf{Member: array.Member{Name: name, Fortran: true}, v: v, dims: []int{int(rows), int(cols)}, cplx: imag == 1}
	l.re = part{kind: stored, n: int(rows * cols)}
	l.im = part{kind: stored, pos: bytes, n: l.re.n}
	if kind%10 == 1 {
		return start + v.size, p.chars4(l)
	}
	l.setType(storage[stored], false)
	p.leaves = append(p.leaves, l)
	return start + v.size, nil
}

// chars4 takes a matrix of characters.
func (p *parser) chars4(l *leaf) error {
	t, err := array.ParseDType(fmt.Sprintf("<U%d", l.dims[1]))
	if err != nil {
		return &FormatError{File: p.file, Array: l.Name, Offset: l.v.at, Msg: err.Error()}
	}
	l.text, l.Fortran, l.cplx = true, false, false
	l.Spec = array.Spec{DType: t, Shape: l.dims[:1:1]}
	p.leaves = append(p.leaves, l)
	return nil
}
