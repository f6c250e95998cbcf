// Package array is a shaped block of typed elements: NumPy's element types by
// NumPy's names, and arrays over borrowed bytes.
//
// An Array never owns more than its slice: who made the slice says how long it
// lives. All values are safe for concurrent use as long as nobody writes to
// the bytes.
package array

// Spec is the element type and shape of a value, without its bytes. A Shape of
// length zero is a scalar.
type Spec struct {
	DType DType
	Shape []int
}

// Array is a C-contiguous (row-major) block of elements.
type Array struct {
	Spec
	Data []byte // len = Spec.Bytes()
}
