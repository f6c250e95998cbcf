package zarr

import "github.com/betongo/betongo/array"

// strides are the distances in bytes of neighbours in C order.
func strides(shape []int, item int) []int {
	s := make([]int, len(shape))
	for i := len(shape) - 1; i >= 0; i-- {
		s[i] = item
		item *= shape[i]
	}
	return s
}

// copyRegion copies n elements a axis between two blocks in which neighbours
// lie to and from bytes apart, those of the last axis item bytes.
func copyRegion(dst []byte, to []int, src []byte, from []int, n []int, item int) {
	// Axes that lie without gaps in both are one run.
	run, outer := item, len(n)
	for outer > 0 && to[outer-1] == run && from[outer-1] == run {
		outer--
		run *= n[outer]
	}
	if run == 0 {
		return
	}
	if outer > 0 {
		copyRuns(dst, to[:outer], src, from[:outer], n[:outer], run)
		return
	}
	copy(dst[:run], src[:run])
}

func copyRuns(dst []byte, to []int, src []byte, from []int, n []int, run int) {
	if len(n) > 1 {
		for i := range n[0] {
			copyRuns(dst[i*to[0]:], to[1:], src[i*from[0]:], from[1:], n[1:], run)
		}
		return
	}
	switch run {
	case 1:
		for i := range n[0] {
			dst[i*to[0]] = src[i*from[0]]
		}
	default:
		for i := range n[0] {
			copy(dst[i*to[0]:][:run], src[i*from[0]:][:run])
		}
	}
}

// turn copies a chunk between the order of its bytes in the store and C order:
// back from the store, or there.
func (m *meta) turn(dst, src []byte, back bool) {
	item := m.spec.DType.ItemSize()
	stored := make([]int, len(m.axes))
	for i, a := range m.axes {
		stored[i] = m.chunks[a]
	}
	s := array.Strided{Spec: array.Spec{DType: m.spec.DType, Shape: m.chunks}, Data: src}
	if !back {
		s.Strides = strides(m.chunks, item)
		s.Transpose(m.axes...).CopyTo(dst)
		return
	}
	s.Strides = make([]int, len(m.axes))
	for i, n := range strides(stored, item) {
		s.Strides[m.axes[i]] = n
	}
	s.CopyTo(dst)
}
