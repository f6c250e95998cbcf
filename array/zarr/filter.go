package zarr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"math"
	"slices"

	"github.com/betongo/betongo/array"
)

// The filters here are numcodecs', of which only the way back is known: they are
// read, and not written.

var errReadOnly = errors.New("the filter is only read")

// filter2 makes a filter of version 2 that computes with elements; nil for other
// names.
func filter2(id string, config map[string]any) (codec, error) {
	switch id {
	case "delta", "fixedscaleoffset", "quantize":
		to, err := number(config, "dtype")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		from := to
		if config["astype"] != nil {
			if from, err = number(config, "astype"); err != nil {
				return nil, fmt.Errorf("%s: %w", id, err)
			}
		}
		c := castCodec{from: from, to: to}
		switch id {
		case "delta":
			if from.Kind() == 'f' && from.WithOrder('<') != to.WithOrder('<') {
				return nil, unsupported(fmt.Sprintf("codec \"delta\" of %v stored as %v", to, from))
			}
			return deltaCodec{c}, nil
		case "fixedscaleoffset":
			return newScale(c, config)
		}
		return c, nil
	case "astype":
		from, err := number(config, "encode_dtype")
		if err != nil {
			return nil, fmt.Errorf("astype: %w", err)
		}
		to, err := number(config, "decode_dtype")
		return castCodec{from: from, to: to}, err
	case "bitround":
		return sameCodec{}, nil
	case "packbits":
		return bitsCodec{}, nil
	case "fletcher32":
		return sumCodec{sum: fletcher32}, nil
	case "crc32":
		return newSum(config, crc32.ChecksumIEEE)
	case "adler32":
		return newSum(config, adler32.Checksum)
	}
	return nil, nil
}

// number reads a type of numbers that filters compute with.
func number(config map[string]any, key string) (array.DType, error) {
	s, ok := config[key].(string)
	if !ok {
		return array.DType{}, fmt.Errorf("%s is %s, want a type", key, brief(config[key]))
	}
	t, err := array.ParseDType(s)
	if err != nil {
		return t, fmt.Errorf("%s: %w", key, err)
	}
	switch k := t.Kind(); {
	case k == 'i', k == 'u', k == 'f' && (t.ItemSize() == 4 || t.ItemSize() == 8):
		return t, nil
	}
	return t, unsupported(fmt.Sprintf("a filter of elements of type %v", t))
}

// castCodec stores elements as another type.
type castCodec struct{ from, to array.DType }

// cast brings the stored elements into the type, in dst's memory, where it has
// room for them.
func (c castCodec) cast(dst, src []byte, to array.DType) ([]byte, error) {
	n := len(src) / c.from.ItemSize()
	if len(src)%c.from.ItemSize() != 0 {
		return nil, fmt.Errorf("%d bytes, no multiple of %d", len(src), c.from.ItemSize())
	}
	if n > cap(dst)/c.to.ItemSize() {
		return nil, errLong
	}
	a, err := array.CastInto(dst[:0], array.Array{Spec: array.Spec{DType: c.from, Shape: []int{n}}, Data: src}, to)
	return a.Data, err
}

func (c castCodec) decode(dst, src []byte) ([]byte, error) { return c.cast(dst, src, c.to) }

func (castCodec) encode([]byte, []byte) ([]byte, error) { return nil, errReadOnly }

func (c castCodec) ratio() int64 { return int64(max(1, c.to.ItemSize()/c.from.ItemSize())) }

// wider is how many times larger than the elements what is stored may be.
func (c castCodec) wider() int64 { return int64(max(1, c.from.ItemSize()/c.to.ItemSize())) }

// deltaCodec stores the differences of neighbours.
type deltaCodec struct{ castCodec }

func (c deltaCodec) decode(dst, src []byte) ([]byte, error) {
	b, err := c.cast(dst, src, c.to.WithOrder('<'))
	if err != nil {
		return nil, err
	}
	switch c.to.ItemSize() {
	case 1:
		for i := 1; i < len(b); i++ {
			b[i] += b[i-1]
		}
	case 2:
		sum(b, 2, binary.LittleEndian.Uint16, binary.LittleEndian.PutUint16, func(a, b uint16) uint16 { return a + b })
	case 4:
		add := func(a, b uint32) uint32 { return a + b }
		if c.to.Kind() == 'f' {
			add = func(a, b uint32) uint32 {
				return math.Float32bits(math.Float32frombits(a) + math.Float32frombits(b))
			}
		}
		sum(b, 4, binary.LittleEndian.Uint32, binary.LittleEndian.PutUint32, add)
	case 8:
		add := func(a, b uint64) uint64 { return a + b }
		if c.to.Kind() == 'f' {
			add = func(a, b uint64) uint64 {
				return math.Float64bits(math.Float64frombits(a) + math.Float64frombits(b))
			}
		}
		sum(b, 8, binary.LittleEndian.Uint64, binary.LittleEndian.PutUint64, add)
	}
	return inOrder(b, c.to), nil
}

// sum replaces each element by the sum of all up to it.
func sum[T any](b []byte, size int, get func([]byte) T, put func([]byte, T), add func(a, b T) T) {
	var all T
	for ; len(b) >= size; b = b[size:] {
		all = add(all, get(b))
		put(b, all)
	}
}

// inOrder brings little-endian elements into the byte order of their type.
func inOrder(b []byte, t array.DType) []byte {
	if t.Order() != '>' {
		return b
	}
	return array.SwapBytes(array.Array{Spec: array.Spec{DType: t.WithOrder('<'), Shape: []int{len(b) / t.ItemSize()}}, Data: b}).Data
}

// scaleCodec stores numbers as (number - offset) * scale, rounded.
type scaleCodec struct {
	castCodec
	offset, scale float64
}

func newScale(c castCodec, config map[string]any) (codec, error) {
	s := scaleCodec{castCodec: c}
	for _, p := range []struct {
		key string
		at  *float64
	}{{"offset", &s.offset}, {"scale", &s.scale}} {
		switch v := config[p.key].(type) {
		case int64:
			*p.at = float64(v)
		case float64:
			*p.at = v
		default:
			return nil, fmt.Errorf("fixedscaleoffset: %s is %s, want a number", p.key, brief(v))
		}
	}
	if s.scale == 0 {
		return nil, errors.New("fixedscaleoffset: scale is 0")
	}
	return s, nil
}

// decode computes with 64 bits, and with 32 where the elements are stored as such
// floats, as NumPy does.
func (c scaleCodec) decode(dst, src []byte) ([]byte, error) {
	size := c.from.ItemSize()
	if len(src)%size != 0 {
		return nil, fmt.Errorf("%d bytes, no multiple of %d", len(src), size)
	}
	n := len(src) / size
	if n > cap(dst)/c.to.ItemSize() {
		return nil, errLong
	}
	// Some elements at a time: they take more room in between.
	const most = 4096
	t := array.Float64
	if c.from.WithOrder('<') == array.Float32 {
		t = array.Float32
	}
	out := dst[:0]
	var wide, made []byte
	for len(src) > 0 {
		part := src[:min(len(src), most*size)]
		src = src[len(part):]
		a, err := array.CastInto(wide, array.Array{Spec: array.Spec{DType: c.from, Shape: []int{len(part) / size}}, Data: part}, t)
		if err != nil {
			return nil, err
		}
		wide = a.Data
		if t == array.Float32 {
			for b := a.Data; len(b) > 0; b = b[4:] {
				v := math.Float32frombits(binary.LittleEndian.Uint32(b))
				v = v/float32(c.scale) + float32(c.offset)
				binary.LittleEndian.PutUint32(b, math.Float32bits(v))
			}
		} else {
			for b := a.Data; len(b) > 0; b = b[8:] {
				v := math.Float64frombits(binary.LittleEndian.Uint64(b))
				binary.LittleEndian.PutUint64(b, math.Float64bits(v/c.scale+c.offset))
			}
		}
		if a, err = array.CastInto(made, a, c.to); err != nil {
			return nil, err
		}
		made = a.Data
		out = append(out, a.Data...)
	}
	return out, nil
}

// sameCodec is one whose bytes are those of the elements.
type sameCodec struct{}

func (sameCodec) decode(_, src []byte) ([]byte, error)  { return src, nil }
func (sameCodec) encode([]byte, []byte) ([]byte, error) { return nil, errReadOnly }
func (sameCodec) ratio() int64                          { return 1 }

// bitsCodec stores eight bools in a byte, the first in its highest bit, behind a
// byte that tells how many bits of the last one are none.
type bitsCodec struct{}

func (bitsCodec) decode(dst, src []byte) ([]byte, error) {
	if len(src) == 0 || src[0] > 7 || len(src) == 1 && src[0] > 0 {
		return nil, errors.New("no packed bits")
	}
	n := (len(src)-1)*8 - int(src[0])
	if n > cap(dst) {
		return nil, errLong
	}
	dst = dst[:n]
	for i := range dst {
		dst[i] = src[1+i/8] >> (7 - i%8) & 1
	}
	return dst, nil
}

func (bitsCodec) encode([]byte, []byte) ([]byte, error) { return nil, errReadOnly }
func (bitsCodec) ratio() int64                          { return 8 }

// sumCodec stores a checksum with the bytes.
type sumCodec struct {
	sum   func([]byte) uint32
	front bool // before them, not behind
}

func newSum(config map[string]any, sum func([]byte) uint32) (codec, error) {
	switch at := config["location"]; at {
	case nil, "start":
		return sumCodec{sum: sum, front: true}, nil
	case "end":
		return sumCodec{sum: sum}, nil
	default:
		return nil, fmt.Errorf("location of a checksum is %s, want start or end", brief(at))
	}
}

func (c sumCodec) decode(_, src []byte) ([]byte, error) {
	if len(src) < 4 {
		return nil, errors.New("too short for a checksum")
	}
	n := len(src) - 4
	body, tail := src[:n:n], src[n:]
	if c.front {
		body, tail = src[4:], src[:4]
	}
	if got, want := c.sum(body), binary.LittleEndian.Uint32(tail); got != want {
		return nil, fmt.Errorf("checksum is %08x, want %08x", got, want)
	}
	return body, nil
}

func (c sumCodec) encode(dst, src []byte) ([]byte, error) {
	tail := binary.LittleEndian.AppendUint32(nil, c.sum(src))
	if c.front {
		return slices.Concat(dst, tail, src), nil
	}
	return slices.Concat(dst, src, tail), nil
}

func (sumCodec) ratio() int64 { return 1 }

// fletcher32 is HDF5's: over big-endian words of two bytes, the last one filled
// up with zero.
func fletcher32(b []byte) uint32 {
	var s1, s2 uint32
	fold := func(s uint32) uint32 { return s&0xffff + s>>16 }
	for len(b) > 1 {
		n := min(len(b)&^1, 720)
		for ; n > 0; n -= 2 {
			s1 += uint32(b[0])<<8 | uint32(b[1])
			s2 += s1
			b = b[2:]
		}
		s1, s2 = fold(s1), fold(s2)
	}
	if len(b) == 1 {
		s1 += uint32(b[0]) << 8
		s2 += s1
		s1, s2 = fold(s1), fold(s2)
	}
	return fold(s2)<<16 | fold(s1)
}
