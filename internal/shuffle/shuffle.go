// Package shuffle takes the elements of an array apart into their bytes, which
// then compress better: the first bytes of all elements come first, then the
// second ones, and so on. Blosc, HDF5 and the LZ4 fields do it alike.
package shuffle

import "encoding/binary"

// Apart puts byte k of all elements in front of byte k+1 of all; bytes of src
// that are no whole element stay behind. Elements have size bytes; of a size
// below 2, and of fewer than two elements, it is a copy. dst has at least src's
// length and doesn't overlap it.
func Apart(dst, src []byte, size int) {
	if n := prepare(dst, src, size); n > 0 {
		apart(dst, src, size, n, apartMost(dst, src, size, n))
	}
}

// Together is Apart's inverse.
func Together(dst, src []byte, size int) {
	if n := prepare(dst, src, size); n > 0 {
		together(dst, src, size, n, togetherMost(dst, src, size, n))
	}
}

// prepare copies what keeps its place, and returns the number of elements that
// don't.
func prepare(dst, src []byte, size int) int {
	dst = dst[:len(src)]
	if size < 2 || len(src)/size < 2 {
		copy(dst, src)
		return 0
	}
	n := len(src) / size
	copy(dst[n*size:], src[n*size:])
	return n
}

// apart takes the elements from number i on apart, of n.
func apart(dst, src []byte, size, n, i int) {
	switch size {
	case 2:
		a, b := dst[:n], dst[n:2*n]
		for ; i < n; i++ {
			v := binary.LittleEndian.Uint16(src[2*i:])
			a[i], b[i] = byte(v), byte(v>>8)
		}
	case 4:
		apart4(dst, src, n, i)
	case 8:
		for ; i+8 <= n; i += 8 {
			var m [8]uint64
			for k := range m {
				m[k] = binary.LittleEndian.Uint64(src[8*(i+k):])
			}
			transpose(&m)
			for k, v := range m {
				binary.LittleEndian.PutUint64(dst[k*n+i:], v)
			}
		}
		fallthrough // the last few
	default:
		for k := range size {
			plane := dst[k*n:][:n]
			for j, at := i, i*size+k; j < len(plane); j, at = j+1, at+size {
				plane[j] = src[at]
			}
		}
	}
}

// together puts the elements from number i on together, of n.
func together(dst, src []byte, size, n, i int) {
	switch size {
	case 2:
		together2(dst, src, n, i)
	case 4:
		together4(dst, src, n, i)
	case 8:
		for ; i+8 <= n; i += 8 {
			var m [8]uint64
			for k := range m {
				m[k] = binary.LittleEndian.Uint64(src[k*n+i:])
			}
			transpose(&m)
			for k, v := range m {
				binary.LittleEndian.PutUint64(dst[8*(i+k):], v)
			}
		}
		fallthrough // the last few
	default:
		for k := range size {
			plane := src[k*n:][:n]
			for j, at := i, i*size+k; j < len(plane); j, at = j+1, at+size {
				dst[at] = plane[j]
			}
		}
	}
}

// transpose makes the rows of a square of bytes, the first byte in the lowest
// bits, its columns: halves change places, then quarters, then single bytes.
func transpose(m *[8]uint64) {
	const halves, quarters, bytes = 0x00000000ffffffff, 0x0000ffff0000ffff, 0x00ff00ff00ff00ff
	for k := range 4 {
		a, b := m[k], m[k+4]
		m[k], m[k+4] = a&halves|b<<32, a>>32|b&^halves
	}
	for _, k := range [4]int{0, 1, 4, 5} {
		a, b := m[k], m[k+2]
		m[k], m[k+2] = a&quarters|b&quarters<<16, a>>16&quarters|b&^quarters
	}
	for k := 0; k < 8; k += 2 {
		a, b := m[k], m[k+1]
		m[k], m[k+1] = a&bytes|b&bytes<<8, a>>8&bytes|b&^bytes
	}
}

func apart4(dst, src []byte, n, i int) {
	a, b, c, d := dst[:n], dst[n:2*n], dst[2*n:3*n], dst[3*n:4*n]
	for ; i+4 <= n; i += 4 {
		four := src[4*i : 4*i+16]
		// Of each half sixteen bits a plane.
		low, high := pairs(binary.LittleEndian.Uint64(four)), pairs(binary.LittleEndian.Uint64(four[8:]))
		binary.LittleEndian.PutUint32(a[i:], uint32(low&0xffff|high&0xffff<<16))
		binary.LittleEndian.PutUint32(b[i:], uint32(low>>16&0xffff|high&0xffff0000))
		binary.LittleEndian.PutUint32(c[i:], uint32(low>>32&0xffff|high>>16&0xffff0000))
		binary.LittleEndian.PutUint32(d[i:], uint32(low>>48|high>>32&0xffff0000))
	}
	for ; i < n; i++ {
		a[i], b[i], c[i], d[i] = src[4*i], src[4*i+1], src[4*i+2], src[4*i+3]
	}
}

// pairs puts bytes 0 1 2 3 4 5 6 7 into the order 0 4 1 5 2 6 3 7.
func pairs(v uint64) uint64 {
	t := (v ^ v>>16) & 0x00000000ffff0000
	v ^= t ^ t<<16
	t = (v ^ v>>8) & 0x0000ff000000ff00
	return v ^ t ^ t<<8
}

func together2(dst, src []byte, n, i int) {
	a, b := src[:n], src[n:2*n]
	for ; i+8 <= n; i += 8 {
		v, w := binary.LittleEndian.Uint64(a[i:]), binary.LittleEndian.Uint64(b[i:])
		to := dst[2*i : 2*i+16]
		binary.LittleEndian.PutUint64(to, spread(uint32(v))|spread(uint32(w))<<8)
		binary.LittleEndian.PutUint64(to[8:], spread(uint32(v>>32))|spread(uint32(w>>32))<<8)
	}
	for ; i < n; i++ {
		dst[2*i], dst[2*i+1] = a[i], b[i]
	}
}

func together4(dst, src []byte, n, i int) {
	a, b, c, d := src[:n], src[n:2*n], src[2*n:3*n], src[3*n:4*n]
	for ; i+4 <= n; i += 4 {
		low := spread(binary.LittleEndian.Uint32(a[i:])) | spread(binary.LittleEndian.Uint32(b[i:]))<<8
		high := spread(binary.LittleEndian.Uint32(c[i:])) | spread(binary.LittleEndian.Uint32(d[i:]))<<8
		to := dst[4*i : 4*i+16]
		binary.LittleEndian.PutUint64(to, join(low, high))
		binary.LittleEndian.PutUint64(to[8:], join(low>>32, high>>32))
	}
	for ; i < n; i++ {
		to := dst[4*i : 4*i+4]
		to[0], to[1], to[2], to[3] = a[i], b[i], c[i], d[i]
	}
}

// spread gives each of four bytes two.
func spread(b uint32) uint64 {
	v := uint64(b)
	v = (v | v<<16) & 0x0000ffff0000ffff
	return (v | v<<8) & 0x00ff00ff00ff00ff
}

// join makes of two lower and two upper halves of elements the elements.
func join(low, high uint64) uint64 {
	return low&0xffff | high&0xffff<<16 | low&0xffff0000<<16 | high&0xffff0000<<32
}
