package parquet

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// appendLevels appends levels up to most, with their size before them: runs of
// one level, and groups of eight that are packed into bits.
func appendLevels(dst, levels []byte, most int) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	width := bits.Len(uint(most))
	begin := 0 // of what waits to be packed
	for i := 0; i < len(levels); {
		run := 1
		for i+run < len(levels) && levels[i+run] == levels[i] {
			run++
		}
		switch open := (i - begin) & 7; {
		case open != 0:
			i += min(run, 8-open)
		case run >= 8:
			dst = appendPacked(dst, levels[begin:i], width)
			dst = binary.AppendUvarint(dst, uint64(run)<<1)
			dst = append(dst, levels[i])
			i += run
			begin = i
		default:
			i += run
		}
	}
	dst = appendPacked(dst, levels[begin:], width)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// appendPacked appends numbers of some bits, the lowest first, in groups of eight,
// of which the last is filled with zeros.
func appendPacked(dst, levels []byte, width int) []byte {
	if len(levels) == 0 {
		return dst
	}
	groups := (len(levels) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	var word uint64
	for group := range groups {
		part := levels[8*group : min(8*group+8, len(levels))]
		word = 0
		for i, v := range part { // of at most 7 bits each
			word |= uint64(v) << (i * width)
		}
		for i := range width {
			dst = append(dst, byte(word>>(8*i)))
		}
	}
	return dst
}

// pattern returns the levels of the elements of one row of nested lists that all
// have their full length.
func pattern(shape []int, most int) (rep, def []byte) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	rep, def = make([]byte, n), slices.Repeat([]byte{byte(most)}, n)
	for i := range rep {
		if i == 0 {
			continue
		}
		depth, span := len(shape), 1
		for k := len(shape) - 1; k > 0; k-- {
			if span *= shape[k]; i%span != 0 {
				break
			}
			depth = k
		}
		rep[i] = byte(depth)
	}
	return rep, def
}
