package array

import (
	"encoding/binary"
	"fmt"
)

// CopyTo writes the elements in C order into dst, which must have exactly
// their size, else it panics. It allocates little, whatever the size.
func (s Strided) CopyTo(dst []byte) {
	n, err := s.Spec.Bytes()
	if err != nil || n != len(dst) {
		panic(fmt.Sprintf("array: copy %v to %d bytes", s.Spec, len(dst)))
	}
	if n == 0 {
		return
	}
	c := newCopier(s)
	c.axis(0, dst, s.Offset)
}

// copier walks the axes that are left when those that lie together are one.
type copier struct {
	src     []byte
	item    int // bytes that lie together in both
	shape   []int
	strides []int
	out     []int // strides in dst
	fast    int   // the axis whose source elements lie closest; the last one is dst's
}

func newCopier(s Strided) *copier {
	c := &copier{src: s.Data, item: s.DType.ItemSize()}
	for i, d := range s.Shape {
		if d == 1 {
			continue
		}
		k := len(c.shape) - 1
		if k >= 0 && c.strides[k] == d*s.Strides[i] {
			c.shape[k] *= d
			c.strides[k] = s.Strides[i]
			continue
		}
		c.shape, c.strides = append(c.shape, d), append(c.strides, s.Strides[i])
	}
	if k := len(c.shape) - 1; k >= 0 && c.strides[k] == c.item {
		c.item *= c.shape[k]
		c.shape, c.strides = c.shape[:k], c.strides[:k]
	}
	c.out = make([]int, len(c.shape))
	step := c.item
	for i := len(c.shape) - 1; i >= 0; i-- {
		c.out[i] = step
		step *= c.shape[i]
		if abs(c.strides[i]) < abs(c.strides[c.fast]) {
			c.fast = i
		}
	}
	return c
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// axis copies everything below axis i; the source begins at off.
func (c *copier) axis(i int, dst []byte, off int) {
	last := len(c.shape) - 1
	switch {
	case last < 0:
		copy(dst[:c.item], c.src[off:])
	case i == last:
		c.line(dst, off, c.shape[last], c.strides[last])
	case i == c.fast && c.item <= 16 && c.item&(c.item-1) == 0:
		c.turned(i, dst, off)
	default:
		for range c.shape[i] {
			c.axis(i+1, dst, off)
			dst, off = dst[min(c.out[i], len(dst)):], off+c.strides[i]
		}
	}
}

// tile is how many elements of both axes are copied together: a cache line of
// small ones is read whole, then written whole.
const tile = 32

// turned copies the axes i and last in tiles, and those between around them.
func (c *copier) turned(i int, dst []byte, off int) {
	switch c.item {
	case 1:
		turn[uint8](c, i, i+1, dst, off)
	case 2:
		turn[uint16](c, i, i+1, dst, off)
	case 4:
		turn[uint32](c, i, i+1, dst, off)
	case 8:
		turn[uint64](c, i, i+1, dst, off)
	case 16:
		turn[complex128](c, i, i+1, dst, off)
	}
}

// turn walks the axes from k to the last, and there copies tiles of it and i.
func turn[T uint8 | uint16 | uint32 | uint64 | complex128](c *copier, i, k int, dst []byte, off int) {
	last := len(c.shape) - 1
	if k < last {
		for j := range c.shape[k] {
			turn[T](c, i, k+1, dst[j*c.out[k]:], off)
			off += c.strides[k]
		}
		return
	}
	var block [tile * tile]T
	n, m := c.shape[i], c.shape[last]
	for a := 0; a < n; a += tile {
		for b := 0; b < m; b += tile {
			wide, high := min(tile, n-a), min(tile, m-b)
			for y := range high { // neighbours along i lie closest in the source
				from := off + a*c.strides[i] + (b+y)*c.strides[last]
				row := block[y*tile : y*tile+wide]
				if c.strides[i] == c.item {
					copy(row, as[T](c.src[from:from+wide*c.item]))
					continue
				}
				for x := range row {
					row[x] = as[T](c.src[from : from+c.item])[0]
					from += c.strides[i]
				}
			}
			first := 0
			if c.item == 1 {
				first = turnBytes(dst[a*c.out[i]+b:], c.out[i], as[byte](BytesOf(block[:])), wide, high)
			}
			for x := first; x < wide; x++ {
				to := (a+x)*c.out[i] + b*c.item
				for y, row := 0, as[T](dst[to:to+high*c.item]); y < len(row); y++ {
					row[y] = block[y*tile+x]
				}
			}
		}
	}
}

// turnBytes writes the columns of a block of bytes that come in eights, where
// the rows do too, and returns how many.
func turnBytes(dst []byte, out int, block []byte, wide, high int) int {
	if high%8 != 0 {
		return 0
	}
	for x := 0; x+8 <= wide; x += 8 {
		for y := 0; y < high; y += 8 {
			var rows [8]uint64
			for i := range rows {
				rows[i] = binary.LittleEndian.Uint64(block[(y+i)*tile+x:])
			}
			// Halves of a square are exchanged: of two by two bytes, then four by four, then eight.
			for i := 0; i < 8; i += 2 {
				exchange(&rows[i], &rows[i+1], 8, 0x00ff00ff00ff00ff)
			}
			for _, i := range [4]int{0, 1, 4, 5} {
				exchange(&rows[i], &rows[i+2], 16, 0x0000ffff0000ffff)
			}
			for i := range 4 {
				exchange(&rows[i], &rows[i+4], 32, 0x00000000ffffffff)
			}
			for i, row := range rows {
				binary.LittleEndian.PutUint64(dst[(x+i)*out+y:], row)
			}
		}
	}
	return wide &^ 7
}

// exchange swaps the upper parts of a with the lower ones of b.
func exchange(a, b *uint64, shift uint, mask uint64) {
	t := (*a>>shift ^ *b) & mask
	*b ^= t
	*a ^= t << shift
}

// line copies n elements that lie step apart to neighbours in dst.
func (c *copier) line(dst []byte, off, n, step int) {
	src := c.src
	switch c.item {
	case 1:
		for i := range dst[:n] {
			dst[i] = src[off]
			off += step
		}
	case 2:
		for dst := dst[:2*n]; len(dst) >= 2; dst = dst[2:] {
			*(*[2]byte)(dst) = [2]byte(src[off:])
			off += step
		}
	case 4:
		for dst := dst[:4*n]; len(dst) >= 4; dst = dst[4:] {
			*(*[4]byte)(dst) = [4]byte(src[off:])
			off += step
		}
	case 8:
		for dst := dst[:8*n]; len(dst) >= 8; dst = dst[8:] {
			*(*[8]byte)(dst) = [8]byte(src[off:])
			off += step
		}
	case 16:
		for dst := dst[:16*n]; len(dst) >= 16; dst = dst[16:] {
			*(*[16]byte)(dst) = [16]byte(src[off:])
			off += step
		}
	default:
		for range n {
			copy(dst[:c.item], src[off:])
			dst, off = dst[c.item:], off+step
		}
	}
}
