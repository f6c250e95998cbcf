//go:build !purego

package rgb

// shrinkRow makes a row's results, three numbers each, two at a time. It writes
// up to 4 numbers and reads one byte past the last.
//
//go:noescape
func shrinkRow(dst *float32, src *byte, offset *int32, weight *[8]float32, pairs, taps int)

// scaleRowAVX2 is scaleRow for n times 8 numbers.
//
//go:noescape
func scaleRowAVX2(sum, row *float32, beta float32, n int)

// addRowAVX2 is addRow for n times 8 numbers.
//
//go:noescape
func addRowAVX2(sum, row *float32, beta float32, n int)

// roundRowAVX2 is saturate for n numbers, 8 or more.
//
//go:noescape
func roundRowAVX2(dst *byte, sum *float32, n int)
