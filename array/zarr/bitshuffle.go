package zarr

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
