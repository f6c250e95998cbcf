package view

import (
	"testing"

	"github.com/betongo/betongo/array"
)

// TestHeatBounded: of a slice with few long rows a heat map looks at a bounded number of
// elements, of a smaller one at all.
func TestHeatBounded(t *testing.T) {
	for _, test := range []struct {
		rows, cols, at int
		want           bool
	}{
		{128, 1 << 20, 100, true}, {128, 1 << 20, 8000, false}, {1, 1 << 23, 1<<23 - 1, true},
		{1000, 8000, 8000*1000 - 1, true}, {8000, 1000, 8000*1000 - 1, true}, {2896, 2896, 2896*2896 - 1, true}, {3, 5, 14, true},
	} {
		a := array.Array{Spec: array.Spec{DType: array.Uint8, Shape: []int{test.rows, test.cols}}, Data: make([]byte, test.rows*test.cols)}
		a.Data[test.at] = 255
		seen := false
		for _, v := range newElements(a).heat(0, test.rows, test.cols).Values {
			seen = seen || v != 0.
		}
		if seen != test.want {
			t.Errorf("%d x %d: element %d was looked at: %v, want %v", test.rows, test.cols, test.at, seen, test.want)
		}
	}
}
