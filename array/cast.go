package array

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/betongo/betongo/internal/mmap"
)

// Cast returns the elements as another type, in a copy, with the values of
// NumPy's astype on x86-64: fractions are cut off, integers keep their low
// bits, complex numbers their real part, floats round to the nearest (float16
// and bfloat16 too, ties to even), text is read and written as Python does and
// cut or padded to the width, times keep their moment and NaT.
//
// What NumPy leaves to the machine is the same here on every one: a float
// outside of an integer's range is that of x86-64 (of uint32's, where NumPy has
// two answers by the element's place, the low half of an int64). Between structs the fields
// go by position. Casts of void bytes, of float128, and from text to bool or
// time give an *UnsupportedError; text that is no number is an error that names
// the element.
func Cast(a Array, t DType) (Array, error) { return CastInto(nil, a, t) }

// CastInto is Cast into memory of the caller's: into dst, whatever its length,
// where its capacity suffices and it lies at a multiple of 8 bytes, else into new
// memory.
func CastInto(dst []byte, a Array, t DType) (Array, error) {
	out, err := newLike(dst, a, t)
	if err != nil {
		return Array{}, err
	}
	if a.DType == t {
		copy(out.Data, a.Data)
		return out, nil
	}
	if a.DType.WithOrder('<') == t.WithOrder('<') {
		swapInto(out.Data, a.Data, a.DType, t)
		return out, nil
	}
	n, err := a.Count()
	if err != nil {
		return Array{}, err
	}
	if err := castData(out.Data, a.Data, n, t, a.DType); err != nil {
		return Array{}, fmt.Errorf("array %v cast to %v: %w", a.Spec, t, err)
	}
	return out, nil
}

// newLike returns an array of a's shape, in memory like CastInto's; zeroed but
// where every byte of it will be written.
func newLike(dst []byte, a Array, t DType) (Array, error) {
	if _, err := New(a.Spec, a.Data); err != nil {
		return Array{}, err
	}
	spec := Spec{DType: t, Shape: slices.Clone(a.Shape)}
	if !t.Valid() {
		return Array{}, fmt.Errorf("array %v: cast without a dtype", a.Spec)
	}
	n, err := spec.Bytes()
	if err != nil {
		return Array{}, err
	}
	written := numeric(a.DType) && numeric(t) // every byte of it
	switch {
	case n > 0 && cap(dst) >= n && uintptr(unsafe.Pointer(unsafe.SliceData(dst)))%8 == 0:
		if dst = dst[:n:n]; !written {
			clear(dst)
		}
	case written && n >= large:
		dst = anyBytes(n)
	default:
		dst = aligned(n)
	}
	return Array{Spec: spec, Data: dst}, nil
}

// large is how many bytes are worth being had without zeros.
const large = 64 << 10

// anyBytes returns n bytes at a multiple of 8, at least large, that may hold
// anything. Of all that the standard library makes, only a strings.Builder's are
// not zeroed first, which takes a third of the time of a cast.
func anyBytes(n int) []byte {
	var b strings.Builder
	b.Grow(n)
	b.WriteByte(0)
	data := unsafe.Slice(unsafe.StringData(b.String()), n) // the string is nobody's
	if n >= hugeBytes {
		mmap.Huge(data[:n&^(hugeBytes-1)])
	}
	return data
}

// hugeBytes is from how many bytes on memory is asked for in huge pages, as NumPy
// does: it is touched from end to end.
const hugeBytes = 4 << 20

// aligned returns n zeroed bytes at a multiple of 8.
func aligned(n int) []byte {
	if n == 0 {
		return nil
	}
	words := make([]uint64, (n+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), n)
}

// castData casts n elements; dst is zeroed and aligned.
func castData(dst, src []byte, n int, to, from DType) error {
	switch {
	case to.IsStruct() && from.IsStruct():
		return castStruct(dst, src, n, to, from)
	case to.IsStruct() || from.IsStruct():
		return castUnsupported(to, from)
	case numeric(to) && numeric(from):
		castNumbers(dst, src, n, to, from)
		return nil
	case text(to) || text(from):
		return castText(dst, src, n, to, from)
	case to.kind == 'V' && from.kind == 'V' && to.unit == "" && from.unit == "":
		for i := range n {
			copy(dst[i*int(to.size):(i+1)*int(to.size)], src[i*int(from.size):(i+1)*int(from.size)])
		}
		return nil
	case isTime(to) || isTime(from):
		return castTime(dst, src, n, to, from)
	}
	return castUnsupported(to, from)
}

func castUnsupported(to, from DType) error {
	return &UnsupportedError{DType: from.String(), Why: "there is no cast from it to " + to.String()}
}

func text(t DType) bool   { return t.kind == 'S' || t.kind == 'U' }
func isTime(t DType) bool { return t.kind == 'M' || t.kind == 'm' }

func bfloat(t DType) bool { return t.kind == 'V' && t.unit == bfloat16 }

// numeric tells the types that castNumbers serves.
func numeric(t DType) bool {
	switch t.kind {
	case 'b', 'i', 'u':
		return true
	case 'f':
		return t.size <= 8
	case 'c':
		return t.size <= 16
	}
	return bfloat(t)
}

// castStruct goes field by field.
func castStruct(dst, src []byte, n int, to, from DType) error {
	ins, outs := from.Fields(), to.Fields()
	if len(ins) != len(outs) {
		return fmt.Errorf("%d fields, want %d", len(ins), len(outs))
	}
	for i, out := range outs {
		in := ins[i]
		if !slices.Equal(in.Shape, out.Shape) {
			return fmt.Errorf("field %q of shape %s, want %s", in.Name, ShapeString(in.Shape), ShapeString(out.Shape))
		}
		each, err := in.Spec().Bytes()
		if err != nil {
			return err
		}
		column := aligned(each * n)
		for k := range n {
			copy(column[k*each:(k+1)*each], src[k*int(from.size)+in.Offset:])
		}
		spec := in.Spec()
		spec.Shape = slices.Concat([]int{n}, in.Shape)
		done, err := Cast(Array{Spec: spec, Data: column}, out.DType)
		if err != nil {
			return fmt.Errorf("field %q: %w", in.Name, err)
		}
		if n == 0 {
			continue
		}
		each = len(done.Data) / n
		for k := range n {
			copy(dst[k*int(to.size)+out.Offset:], done.Data[k*each:(k+1)*each])
		}
	}
	return nil
}

// SwapBytes returns the same values in the other byte order, in a copy: the
// type is a.DType.Swapped(). Types without an order are only copied.
func SwapBytes(a Array) Array { return SwapInto(nil, a) }

// SwapInto is SwapBytes into memory of the caller's, as CastInto has it.
func SwapInto(dst []byte, a Array) Array {
	t := a.DType.Swapped()
	if cap(dst) < len(a.Data) {
		dst = aligned(len(a.Data))
	}
	out := Array{Spec: Spec{DType: t, Shape: slices.Clone(a.Shape)}, Data: dst[:len(a.Data)]}
	swapInto(out.Data, a.Data, a.DType, t)
	return out
}

// swapInto copies elements between types that differ in byte order only.
func swapInto(dst, src []byte, from, to DType) {
	n := 0
	if from != to && !from.IsStruct() {
		switch from.Align() {
		case 2:
			n = 2 * lanes(kSwap16, dst, src, len(src)/2)
		case 4:
			n = 4 * lanes(kSwap32, dst, src, len(src)/4)
		case 8:
			n = 8 * lanes(kSwap64, dst, src, len(src)/8)
		}
	}
	copy(dst[n:], src[n:])
	swapOrder(dst[n:], from, to)
}

// swapOrder turns the bytes round where the orders differ.
func swapOrder(b []byte, from, to DType) {
	if from == to || len(b) == 0 {
		return
	}
	if !from.IsStruct() {
		swap(b, from.Align()) // the halves of a complex number, and the letters of a text, by themselves
		return
	}
	outs := to.Fields()
	for i, f := range from.Fields() {
		each, _ := f.Spec().Bytes() // checked by StructAt
		for off := 0; off < len(b); off += int(from.size) {
			swapOrder(b[off+f.Offset:off+f.Offset+each], f.DType, outs[i].DType)
		}
	}
}
