package fields

import (
	"fmt"
	"slices"
	"sync"

	"github.com/pierrec/lz4/v4"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/shuffle"
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
		shuffle.Apart(p.shuffled, src, width)
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
	mmap.Touch(src)
	n, err := lz4.UncompressBlock(src, to)
	if err != nil || n != len(dst) {
		err = fmt.Errorf("lz4: %w", packFault(src, len(dst)))
	}
	if width == 0 {
		return err
	}
	if err == nil {
		shuffle.Together(dst, to, width)
	}
	if cap(*f) > maxKept {
		*f = nil
	}
	foldings.Put(f)
	return err
}
