package fields

import "encoding/binary"

// shuffle takes elements of 2, 4 or 8 bytes apart: byte k of all of them lies in
// front of byte k+1 of all. len(src) is a multiple of width.
func shuffle(dst, src []byte, width int) {
	n := len(src) / width
	switch width {
	case 2:
		a, b := dst[:n], dst[n:2*n]
		for i := range n {
			v := binary.LittleEndian.Uint16(src[2*i:])
			a[i], b[i] = byte(v), byte(v>>8)
		}
	case 4:
		a, b, c, d := dst[:n], dst[n:2*n], dst[2*n:3*n], dst[3*n:4*n]
		for i := range n {
			v := binary.LittleEndian.Uint32(src[4*i:])
			a[i], b[i], c[i], d[i] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
		}
	default:
		exchange8(dst, src, 0, true)
	}
}

// unshuffle is shuffle's inverse.
func unshuffle(dst, src []byte, width int) {
	unshuffleFrom(dst, src, width, unshuffleMost(dst, src, width))
}

// unshuffleFrom puts the elements from number i on together.
func unshuffleFrom(dst, src []byte, width, i int) {
	n := len(src) / width
	switch width {
	case 2:
		unshuffle2(dst, src, n, i)
	case 4:
		unshuffle4(dst, src, n, i)
	default:
		exchange8(dst, src, i, false)
	}
}

// exchange8 takes elements of 8 bytes, from number i on, apart, or puts them
// together: of eight elements the eight words of one side are the columns of the
// other's.
func exchange8(dst, src []byte, i int, apart bool) {
	n := len(src) / 8
	var m [8]uint64
	for ; i+8 <= n; i += 8 {
		for k := range m {
			if apart {
				m[k] = binary.LittleEndian.Uint64(src[8*(i+k):])
			} else {
				m[k] = binary.LittleEndian.Uint64(src[k*n+i:])
			}
		}
		transpose(&m)
		for k, v := range m {
			if apart {
				binary.LittleEndian.PutUint64(dst[k*n+i:], v)
			} else {
				binary.LittleEndian.PutUint64(dst[8*(i+k):], v)
			}
		}
	}
	for ; i < n; i++ {
		for k := range 8 {
			if apart {
				dst[k*n+i] = src[8*i+k]
			} else {
				dst[8*i+k] = src[k*n+i]
			}
		}
	}
}

// transpose makes the rows of a square of bytes its columns: first halves change
// places, then quarters, then single bytes.
func transpose(m *[8]uint64) {
	for k := range 4 {
		a, b := m[k], m[k+4]
		m[k], m[k+4] = a&0xffffffff|b<<32, a>>32|b&^0xffffffff
	}
	const quarters = 0x0000ffff0000ffff
	for _, k := range [4]int{0, 1, 4, 5} {
		a, b := m[k], m[k+2]
		m[k], m[k+2] = a&quarters|b&quarters<<16, a>>16&quarters|b&^uint64(quarters)
	}
	const bytes = 0x00ff00ff00ff00ff
	for k := 0; k < 8; k += 2 {
		a, b := m[k], m[k+1]
		m[k], m[k+1] = a&bytes|b&bytes<<8, a>>8&bytes|b&^uint64(bytes)
	}
}

func unshuffle2(dst, src []byte, n, i int) {
	low, high := src[:n], src[n:2*n]
	for ; i+8 <= n; i += 8 {
		a, b := binary.LittleEndian.Uint64(low[i:]), binary.LittleEndian.Uint64(high[i:])
		to := dst[2*i : 2*i+16]
		binary.LittleEndian.PutUint64(to, spread(uint32(a))|spread(uint32(b))<<8)
		binary.LittleEndian.PutUint64(to[8:], spread(uint32(a>>32))|spread(uint32(b>>32))<<8)
	}
	for ; i < n; i++ {
		dst[2*i], dst[2*i+1] = low[i], high[i]
	}
}

func unshuffle4(dst, src []byte, n, i int) {
	p0, p1, p2, p3 := src[:n], src[n:2*n], src[2*n:3*n], src[3*n:4*n]
	for ; i+4 <= n; i += 4 {
		a := spread(binary.LittleEndian.Uint32(p0[i:])) | spread(binary.LittleEndian.Uint32(p1[i:]))<<8
		b := spread(binary.LittleEndian.Uint32(p2[i:])) | spread(binary.LittleEndian.Uint32(p3[i:]))<<8
		to := dst[4*i : 4*i+16]
		binary.LittleEndian.PutUint64(to, pair(a, b))
		binary.LittleEndian.PutUint64(to[8:], pair(a>>32, b>>32))
	}
	for ; i < n; i++ {
		to := dst[4*i : 4*i+4]
		to[0], to[1], to[2], to[3] = p0[i], p1[i], p2[i], p3[i]
	}
}

// pair makes of two lower and two upper halves of elements the elements.
func pair(low, high uint64) uint64 {
	return low&0xffff | high&0xffff<<16 | low&0xffff0000<<16 | high&0xffff0000<<32
}
