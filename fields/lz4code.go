package fields

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/pierrec/lz4/v4"

	"github.com/betongo/betongo/array"
)

const (
	// maxExpansion is how many bytes one byte of an LZ4 block stands for at most.
	maxExpansion = 255
	// leastPacked is the size below which a value is not compressed: what could be
	// saved is less than what comes with a value anyway.
	leastPacked = 128
	// Values of probeFrom bytes or more are first tried by probePieces pieces of
	// probeSize bytes, spread over them; where these together don't shrink by one
	// in probeSaved of their bytes the value stays plain. Search for repeats that
	// hardly come is what costs most (tokens drawn at random: 10 ns a byte), and so
	// it costs the pieces only. Missed are values whose repeats are farther apart
	// than a piece is long, and nowhere else.
	probeFrom   = 64 << 10
	probePieces = 4
	probeSize   = 4 << 10
	probeSaved  = 32
)

// packer is memory that LZ4 fields work in.
type packer struct {
	fast     lz4.Compressor
	plain    []byte // a value as its field stores it
	shuffled []byte
	packed   []byte
	alloc    Alloc // of plain
	meta     [blobSize]byte
}

// packers belong to nobody in particular. What one is left with doesn't show in
// what it packs next: the compressor forgets before it begins.
var packers = sync.Pool{New: func() any {
	p := new(packer)
	p.alloc = func(size int) (uint64, []byte, error) {
		p.plain = slices.Grow(p.plain[:0], size)[:size]
		clear(p.plain)
		return 0, p.plain, nil
	}
	return p
}}

// release puts the packer back, without buffers that one huge value left.
func (p *packer) release() {
	for _, b := range []*[]byte{&p.plain, &p.shuffled, &p.packed} {
		if cap(*b) > maxKept {
			*b = nil
		}
	}
	packers.Put(p)
}

// value returns the bytes that a field would store of a value: the value's own
// or the packer's.
func (p *packer) value(of Field, value any, at At) ([]byte, error) {
	var a array.Array
	var err error
	switch f := of.(type) {
	case Bytes:
		if b, ok := value.([]byte); ok {
			return b, nil
		}
	case NDArray:
		a, err = f.array(value)
		return a.Data, err
	case TorchTensor:
		a, err = NDArray(f).array(value)
		return a.Data, err
	}
	p.plain = p.plain[:0]
	clear(p.meta[:])
	at.Alloc = p.alloc
	err = of.Encode(p.meta[:of.Layout().Size], value, at)
	return p.plain, err
}

// pack returns src, or an LZ4 block of it where that is worth reading: src's
// bytes taken apart by elements of width bytes, 0 none.
func (p *packer) pack(src []byte, width int) []byte {
	size := len(src)
	if size < leastPacked {
		return src
	}
	from := src
	if width > 0 {
		p.shuffled = room(p.shuffled, size)
		shuffle(p.shuffled, src, width)
		from = p.shuffled
	}
	if size >= probeFrom && !p.probe(from) {
		return src
	}
	most := size - (size+leastSaved-1)/leastSaved
	p.packed = room(p.packed, most)
	n, err := p.fast.CompressBlock(from, p.packed)
	if err != nil || n < 1 || n > most {
		return src
	}
	return p.packed[:n]
}

// probe tells whether pieces of src are worth compressing.
func (p *packer) probe(src []byte) bool {
	p.packed = room(p.packed, lz4.CompressBlockBound(probeSize))
	step := (len(src) - probeSize) / (probePieces - 1)
	total := 0
	for i := range probePieces {
		n, err := p.fast.CompressBlock(src[i*step:i*step+probeSize], p.packed)
		if err != nil || n < 1 {
			n = probeSize
		}
		total += n
	}
	return total <= probePieces*(probeSize-probeSize/probeSaved)
}

// unpackShuffled decodes an LZ4 block that must fill dst, and puts elements of
// width bytes, 0 none, together again.
func unpackShuffled(dst, src []byte, width int) error {
	to := dst
	var f *[]byte
	if width > 0 {
		f = foldings.Get().(*[]byte)
		*f = room(*f, len(dst))
		to = *f
	}
	n, err := lz4.UncompressBlock(src, to)
	if err != nil || n != len(dst) {
		err = fmt.Errorf("lz4: %w", packFault(src, len(dst)))
	}
	if width == 0 {
		return err
	}
	if err == nil {
		unshuffle(dst, to, width)
	}
	if cap(*f) > maxKept {
		*f = nil
	}
	foldings.Put(f)
	return err
}

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
		exchange8(dst, src, true)
	}
}

// unshuffle is shuffle's inverse.
func unshuffle(dst, src []byte, width int) {
	n := len(src) / width
	switch width {
	case 2:
		unshuffle2(dst, src, n)
	case 4:
		unshuffle4(dst, src, n)
	default:
		exchange8(dst, src, false)
	}
}

// exchange8 takes elements of 8 bytes apart, or puts them together: of eight
// elements the eight words of one side are the columns of the other's.
func exchange8(dst, src []byte, apart bool) {
	n := len(src) / 8
	whole := n &^ 7
	var m [8]uint64
	for i := 0; i < whole; i += 8 {
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
	for i := whole; i < n; i++ {
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

func unshuffle2(dst, src []byte, n int) {
	low, high := src[:n], src[n:2*n]
	i := 0
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

func unshuffle4(dst, src []byte, n int) {
	p0, p1, p2, p3 := src[:n], src[n:2*n], src[2*n:3*n], src[3*n:4*n]
	i := 0
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
