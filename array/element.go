package array

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"
)

// Element is a Go type that has a NumPy element type of the same bytes.
type Element interface {
	bool | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 |
		float32 | float64 | complex64 | complex128
}

// littleEndian tells this machine's byte order.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// DTypeOf returns the dtype of T in this machine's byte order.
func DTypeOf[T Element]() DType {
	var t DType
	switch any(*new(T)).(type) {
	case bool:
		t = Bool
	case int8:
		t = Int8
	case int16:
		t = Int16
	case int32:
		t = Int32
	case int64:
		t = Int64
	case uint8:
		t = Uint8
	case uint16:
		t = Uint16
	case uint32:
		t = Uint32
	case uint64:
		t = Uint64
	case float32:
		t = Float32
	case float64:
		t = Float64
	case complex64:
		t = Complex64
	case complex128:
		t = Complex128
	}
	if !littleEndian && t.order == '<' {
		t.order = '>'
	}
	return t
}

// Of returns an array over values, which it borrows without a copy. Without a
// shape it has one dimension. The error tells when the shape doesn't hold
// exactly the values.
func Of[T Element](values []T, shape ...int) (Array, error) {
	if len(shape) == 0 {
		shape = []int{len(values)}
	}
	return New(Spec{DType: DTypeOf[T](), Shape: slices.Clone(shape)}, BytesOf(values))
}

// BytesOf returns the memory of values, which stays theirs.
func BytesOf[T Element](values []T) []byte {
	if len(values) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(values[0])))
}

// View returns the elements without a copy: the slice is the array's own
// memory. The error tells when that can't be: another element type or byte
// order, or bytes that don't begin at a multiple of the element's alignment
// (Values copies then).
func View[T Element](a Array) ([]T, error) {
	n, err := elements[T](a)
	if err != nil || n == 0 {
		return nil, err
	}
	if want := DTypeOf[T](); a.DType != want {
		return nil, fmt.Errorf("array %v: byte order is not this machine's, want %v", a.Spec, want)
	}
	p := unsafe.Pointer(unsafe.SliceData(a.Data))
	if align := unsafe.Alignof(*new(T)); uintptr(p)%align != 0 {
		return nil, fmt.Errorf("array %v: its bytes don't begin at a multiple of %d", a.Spec, align)
	}
	return unsafe.Slice((*T)(p), n), nil
}

// Values returns the elements in a new slice, whatever the byte order and
// wherever the bytes lie. Another element type is an error.
func Values[T Element](a Array) ([]T, error) {
	n, err := elements[T](a)
	if err != nil || n == 0 {
		return nil, err
	}
	out := make([]T, n)
	raw := BytesOf(out)
	copy(raw, a.Data)
	if a.DType != DTypeOf[T]() {
		swap(raw, a.DType.Align()) // a complex number's two halves swap by themselves
	}
	return out, nil
}

// elements checks that the array holds elements of T, in either byte order,
// and returns their number.
func elements[T Element](a Array) (int, error) {
	want := DTypeOf[T]()
	if a.DType.kind != want.kind || a.DType.size != want.size {
		return 0, fmt.Errorf("array %v: its elements are not %v", a.Spec, want)
	}
	if _, err := New(a.Spec, a.Data); err != nil {
		return 0, err
	}
	if want.kind == 'b' {
		// Go's bool is 0 or 1 in memory; anything else breaks the program in odd places.
		for i, b := range a.Data {
			if b > 1 {
				return 0, fmt.Errorf("array %v: element %d is the byte %d, want 0 or 1", a.Spec, i, b)
			}
		}
	}
	return len(a.Data) / int(want.size), nil
}

// swap turns round every run of n bytes.
func swap(b []byte, n int) {
	switch n {
	case 1:
	case 2:
		b = b[2*lanes(kSwap16, b, b, len(b)/2):]
		for ; len(b) >= 2; b = b[2:] {
			b[0], b[1] = b[1], b[0]
		}
	case 4:
		b = b[4*lanes(kSwap32, b, b, len(b)/4):]
		for ; len(b) >= 4; b = b[4:] {
			binary.LittleEndian.PutUint32(b, binary.BigEndian.Uint32(b))
		}
	case 8:
		b = b[8*lanes(kSwap64, b, b, len(b)/8):]
		for ; len(b) >= 8; b = b[8:] {
			binary.LittleEndian.PutUint64(b, binary.BigEndian.Uint64(b))
		}
	default:
		for i := 0; i+n <= len(b); i += n {
			slices.Reverse(b[i : i+n])
		}
	}
}
