package fields

import "encoding/binary"

// tops are the highest bits of eight bytes.
const tops = 0x8080808080808080

// add8 adds eight bytes to eight, each modulo 256.
func add8(a, b uint64) uint64 { return (a&^tops + b&^tops) ^ (a^b)&tops }

// sub8 takes eight bytes from eight, each modulo 256.
func sub8(a, b uint64) uint64 { return ((a | tops) - b&^tops) ^ (a^^b)&tops }

// differ8 sets dst to the differences of src.
func differ8(dst, src []byte, step int) {
	at := min(step, len(src))
	copy(dst, src[:at])
	for ; at+8 <= len(src); at += 8 {
		v := sub8(binary.LittleEndian.Uint64(src[at:at+8]), binary.LittleEndian.Uint64(src[at-step:at-step+8]))
		binary.LittleEndian.PutUint64(dst[at:at+8], v)
	}
	for ; at < len(src); at++ {
		dst[at] = src[at] - src[at-step]
	}
}

// sum8 undoes differ8 in place. Where numbers lie next to each other eight are
// summed at once: each takes its neighbour's, then those of two and of four
// away, and the last sums before them all.
func sum8(p []byte, step int) {
	at := min(step, len(p))
	switch {
	case step >= 8:
		for ; at+8 <= len(p); at += 8 {
			q, r := p[at:at+8:at+8], p[at-step:at-step+8]
			binary.LittleEndian.PutUint64(q, add8(binary.LittleEndian.Uint64(q), binary.LittleEndian.Uint64(r)))
		}
	case step == 1:
		var last uint64
		for at = 0; at+8 <= len(p); at += 8 {
			q := p[at : at+8 : at+8]
			v := binary.LittleEndian.Uint64(q)
			v = add8(v, v<<8)
			v = add8(v, v<<16)
			v = add8(add8(v, v<<32), last)
			binary.LittleEndian.PutUint64(q, v)
			last = v >> 56 * 0x0101010101010101
		}
	case step == 2:
		var last uint64
		for at = 0; at+8 <= len(p); at += 8 {
			q := p[at : at+8 : at+8]
			v := binary.LittleEndian.Uint64(q)
			v = add8(v, v<<16)
			v = add8(add8(v, v<<32), last)
			binary.LittleEndian.PutUint64(q, v)
			last = v >> 48 * 0x0001000100010001
		}
	case step == 3 && len(p) >= 3:
		a, b, c := p[0], p[1], p[2]
		for ; at+3 <= len(p); at += 3 {
			q := p[at : at+3 : at+3]
			a, b, c = a+q[0], b+q[1], c+q[2]
			q[0], q[1], q[2] = a, b, c
		}
	case step == 4:
		var last uint64
		for at = 0; at+8 <= len(p); at += 8 {
			q := p[at : at+8 : at+8]
			v := binary.LittleEndian.Uint64(q)
			v = add8(add8(v, v<<32), last)
			binary.LittleEndian.PutUint64(q, v)
			last = v >> 32 * 0x0000000100000001
		}
	}
	for at = max(at, min(step, len(p))); at < len(p); at++ {
		p[at] += p[at-step]
	}
}

// differ16 sets dst to the folded differences of the two-byte numbers of src,
// the low bytes of all before the high bytes of all.
func differ16(dst, src []byte, step int) {
	n := len(src) / 2
	low, high := dst[:n], dst[n:2*n]
	for i := range n {
		d := binary.LittleEndian.Uint16(src[2*i:])
		if i >= step {
			d -= binary.LittleEndian.Uint16(src[2*(i-step):])
		}
		d = d<<1 ^ uint16(int16(d)>>15)
		low[i], high[i] = byte(d), byte(d>>8)
	}
}

// sum16 undoes differ16, four numbers at once as sum8 does.
func sum16(dst, src []byte, step int) {
	n := len(src) / 2
	dst, low, high := dst[:2*n], src[:n], src[n:2*n]
	at := 0
	switch {
	case step == 1 || step == 2 || step == 4:
		var last uint64
		for ; at+4 <= n; at += 4 {
			v := unfold4(low[at:at+4], high[at:at+4])
			if step == 1 {
				v = add16(v, v<<16)
			}
			if step <= 2 {
				v = add16(v, v<<32)
			}
			v = add16(v, last)
			binary.LittleEndian.PutUint64(dst[2*at:2*at+8], v)
			switch step {
			case 1:
				last = v >> 48 * 0x0001000100010001
			case 2:
				last = v >> 32 * 0x0000000100000001
			default:
				last = v
			}
		}
	case step >= 4:
		for ; at < min(step, n); at++ {
			binary.LittleEndian.PutUint16(dst[2*at:], unfold(low[at], high[at]))
		}
		for ; at+4 <= n; at += 4 {
			v := add16(unfold4(low[at:at+4], high[at:at+4]), binary.LittleEndian.Uint64(dst[2*(at-step):]))
			binary.LittleEndian.PutUint64(dst[2*at:2*at+8], v)
		}
	}
	for ; at < n; at++ {
		v := unfold(low[at], high[at])
		if at >= step {
			v += binary.LittleEndian.Uint16(dst[2*(at-step):])
		}
		binary.LittleEndian.PutUint16(dst[2*at:], v)
	}
}

// add16 adds four numbers to four, each modulo 65,536.
func add16(a, b uint64) uint64 {
	const tops = 0x8000800080008000
	return (a&^tops + b&^tops) ^ (a^b)&tops
}

// unfold returns the difference that was folded to low and high.
func unfold(low, high byte) uint16 {
	d := uint16(low) | uint16(high)<<8
	return d>>1 ^ -(d & 1)
}

// unfold4 does so with four.
func unfold4(low, high []byte) uint64 {
	d := spread(binary.LittleEndian.Uint32(low)) | spread(binary.LittleEndian.Uint32(high))<<8
	return d>>1&0x7fff7fff7fff7fff ^ d&0x0001000100010001*0xffff
}

// spread gives each of four bytes two.
func spread(b uint32) uint64 {
	v := uint64(b)
	v = (v | v<<16) & 0x0000ffff0000ffff
	return (v | v<<8) & 0x00ff00ff00ff00ff
}
