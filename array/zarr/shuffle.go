package zarr

import "encoding/binary"

// shuffle puts the first bytes of all elements first, then the second ones, and
// so on; bytes that are no whole element stay behind. dst and src have the same
// size and don't overlap.
func shuffle(dst, src []byte, size int) {
	n := len(src) / max(size, 1)
	if size < 2 || n < 2 {
		copy(dst, src)
		return
	}
	copy(dst[n*size:], src[n*size:])
	switch size {
	case 2:
		p, q := dst[:n], dst[n:2*n]
		for i := range p {
			v := binary.LittleEndian.Uint16(src[2*i:])
			p[i], q[i] = byte(v), byte(v>>8)
		}
	case 4:
		shuffle4(dst, src, n)
	case 8:
		shuffle8(dst, src, n)
	default:
		for j := range size {
			plane := dst[j*n:][:n]
			for i, at := 0, j; i < len(plane); i, at = i+1, at+size {
				plane[i] = src[at]
			}
		}
	}
}

// unshuffle is the way back.
func unshuffle(dst, src []byte, size int) {
	n := len(src) / max(size, 1)
	if size < 2 || n < 2 {
		copy(dst, src)
		return
	}
	copy(dst[n*size:], src[n*size:])
	switch size {
	case 2:
		p, q := src[:n], src[n:2*n]
		for i := range p {
			binary.LittleEndian.PutUint16(dst[2*i:], uint16(p[i])|uint16(q[i])<<8)
		}
	case 4:
		unshuffle4(dst, src, n)
	case 8:
		unshuffle8(dst, src, n)
	default:
		for j := range size {
			plane := src[j*n:][:n]
			for i, at := 0, j; i < len(plane); i, at = i+1, at+size {
				dst[at] = plane[i]
			}
		}
	}
}

// turn transposes eight rows of eight bytes, the first byte in the lowest bits.
func turn(r *[8]uint64) {
	const low4, low2, low1 = 0x00000000FFFFFFFF, 0x0000FFFF0000FFFF, 0x00FF00FF00FF00FF
	for i := range 4 {
		a, b := r[i], r[i+4]
		r[i], r[i+4] = a&low4|b<<32, a>>32|b&^low4
	}
	for _, i := range [4]int{0, 1, 4, 5} {
		a, b := r[i], r[i+2]
		r[i], r[i+2] = a&low2|b&low2<<16, a>>16&low2|b&^low2
	}
	for i := 0; i < 8; i += 2 {
		a, b := r[i], r[i+1]
		r[i], r[i+1] = a&low1|b&low1<<8, a>>8&low1|b&^low1
	}
}

func shuffle8(dst, src []byte, n int) {
	i := 0
	for ; i+8 <= n; i += 8 {
		var r [8]uint64
		block := src[8*i : 8*i+64]
		for j := range r {
			r[j] = binary.LittleEndian.Uint64(block[8*j:])
		}
		turn(&r)
		for j, v := range r {
			binary.LittleEndian.PutUint64(dst[j*n+i:], v)
		}
	}
	for ; i < n; i++ {
		for j := range 8 {
			dst[j*n+i] = src[8*i+j]
		}
	}
}

func unshuffle8(dst, src []byte, n int) {
	i := 0
	for ; i+8 <= n; i += 8 {
		var r [8]uint64
		for j := range r {
			r[j] = binary.LittleEndian.Uint64(src[j*n+i:])
		}
		turn(&r)
		block := dst[8*i : 8*i+64]
		for j, v := range r {
			binary.LittleEndian.PutUint64(block[8*j:], v)
		}
	}
	for ; i < n; i++ {
		for j := range 8 {
			dst[8*i+j] = src[j*n+i]
		}
	}
}

func shuffle4(dst, src []byte, n int) {
	p, q, r, s := dst[:n], dst[n:2*n], dst[2*n:3*n], dst[3*n:4*n]
	i := lanes4(dst, src, n, false)
	for ; i+4 <= n; i += 4 {
		b := src[4*i : 4*i+16]
		lo, hi := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		// Of each half: bytes 0 4 1 5 2 6 3 7, sixteen bits a plane.
		lo, hi = pairs(lo), pairs(hi)
		binary.LittleEndian.PutUint32(p[i:], uint32(lo&0xFFFF|hi&0xFFFF<<16))
		binary.LittleEndian.PutUint32(q[i:], uint32(lo>>16&0xFFFF|hi&0xFFFF0000))
		binary.LittleEndian.PutUint32(r[i:], uint32(lo>>32&0xFFFF|hi>>16&0xFFFF0000))
		binary.LittleEndian.PutUint32(s[i:], uint32(lo>>48|hi>>32&0xFFFF0000))
	}
	for ; i < n; i++ {
		p[i], q[i], r[i], s[i] = src[4*i], src[4*i+1], src[4*i+2], src[4*i+3]
	}
}

// pairs puts bytes 0 1 2 3 4 5 6 7 into the order 0 4 1 5 2 6 3 7.
func pairs(v uint64) uint64 {
	t := (v ^ v>>16) & 0x00000000FFFF0000
	v ^= t ^ t<<16
	t = (v ^ v>>8) & 0x0000FF000000FF00
	return v ^ t ^ t<<8
}

func unshuffle4(dst, src []byte, n int) {
	p, q, r, s := src[:n], src[n:2*n], src[2*n:3*n], src[3*n:4*n]
	i := lanes4(dst, src, n, true)
	for ; i+4 <= n; i += 4 {
		b := dst[4*i : 4*i+16]
		v0 := uint64(binary.LittleEndian.Uint32(p[i:])) | uint64(binary.LittleEndian.Uint32(r[i:]))<<32
		v1 := uint64(binary.LittleEndian.Uint32(q[i:])) | uint64(binary.LittleEndian.Uint32(s[i:]))<<32
		// v0 has bytes 0 and 2 of four elements, v1 bytes 1 and 3.
		const even = 0x00FF00FF00FF00FF
		a := v0&even | v1&even<<8       // elements 0 and 2: bytes 0 1 in the lower half, 2 3 in the upper
		c := v0>>8&even | v1>>8&even<<8 // elements 1 and 3
		const low = 0x0000FFFF
		binary.LittleEndian.PutUint64(b, a&low|a>>32&low<<16|(c&low|c>>32&low<<16)<<32)
		binary.LittleEndian.PutUint64(b[8:], a>>16&low|a>>48<<16|(c>>16&low|c>>48<<16)<<32)
	}
	for ; i < n; i++ {
		dst[4*i], dst[4*i+1], dst[4*i+2], dst[4*i+3] = p[i], q[i], r[i], s[i]
	}
}

// bitshuffle puts bit 0 of byte 0 of all elements first, then bit 1, and so on
// through all bytes; back is the way back. As in c-blosc a number of elements
// that is no multiple of eight stays as it is.
func bitshuffle(dst, src []byte, size int, back bool) {
	n := len(src) / size
	if n%8 != 0 {
		copy(dst, src)
		return
	}
	copy(dst[n*size:], src[n*size:])
	row := n / 8
	for j := range size {
		for i := range row {
			// Byte j of eight elements, and a byte of each of its eight planes.
			element, plane := 8*i*size+j, j*n+i
			from, to, stepFrom, stepTo := element, plane, size, row
			if back {
				from, to, stepFrom, stepTo = plane, element, row, size
			}
			var v uint64
			for k := range 8 {
				v |= uint64(src[from+k*stepFrom]) << (8 * k)
			}
			v = turnBits(v)
			for k := range 8 {
				dst[to+k*stepTo] = byte(v >> (8 * k))
			}
		}
	}
}

// turnBits transposes eight rows of eight bits.
func turnBits(v uint64) uint64 {
	t := (v ^ v>>7) & 0x00AA00AA00AA00AA
	v ^= t ^ t<<7
	t = (v ^ v>>14) & 0x0000CCCC0000CCCC
	v ^= t ^ t<<14
	t = (v ^ v>>28) & 0x00000000F0F0F0F0
	return v ^ t ^ t<<28
}
