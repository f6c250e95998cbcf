package fields

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/betongo/betongo/array"
)

// Packed is the ability of a custom Field to keep the values of another field
// in fewer bytes: LZ4 has it. Readers serve such a field as they would the plain
// one. Both have one region.
type Packed interface {
	Field
	// Plain returns the field whose values these are.
	Plain() Field
	// PlainSize checks meta, read from a file, and returns how many bytes a value
	// has unpacked: the size of the region that the plain field would keep. A size
	// that the stored bytes can't stand for is an error, so it bounds what a
	// damaged or hostile file makes anyone allocate.
	PlainSize(meta []byte) (int64, error)
	// Unpack makes these bytes in dst, which is PlainSize long, of Decode's
	// arguments, and allocates nothing. On error dst holds anything.
	Unpack(dst, meta []byte, data [][]byte) error
}

// LZ4 is a custom field that keeps the values of a Bytes, JSON, NDArray or
// TorchTensor field, each as an LZ4 block where that takes an eighth off, and
// plain where it doesn't. It takes the values that the other field takes, and
// Decode returns what that one's does, borrowed from the data where it is stored
// plain. It describes itself in the file, so that any reader here knows it; FFCV
// needs to be told of it, as of any custom field.
//
// It is for text, JSON, tokens, masks and counts; of photographs, coded audio or
// measured floats there is little to take off. Reading compressed values costs
// more time than reading plain ones, unless the disk is what one waits for.
type LZ4 struct {
	Of Field // Bytes, JSON, NDArray or TorchTensor
	// NoShuffle compresses arrays' bytes in their order. By default elements of
	// 2, 4, 8 or 16 bytes are taken apart first: all their lowest bytes, then all
	// their next ones, so that what small numbers have in common lies together.
	NoShuffle bool
}

// The metadata is a C struct of 24 bytes, aligned to 8:
//
//	offset  type  meaning
//	 0      u8    data pointer
//	 8      u8    bytes of data
//	16      u8    bytes of the value as its plain field keeps it
//
// Where both sizes are the same the value is stored as it is, else the data are
// an LZ4 block, shorter than the value.
const (
	lz4Name    = "lz4"
	lz4Version = 1
	lz4Meta    = 24
	lz4Stored  = 8
	lz4Plain   = 16
)

var lz4Layout = Layout{Size: lz4Meta, Align: 8, Pointers: []int{0}}

func newLZ4(args *Args) (Field, error) {
	m, err := UnpackArgs(args)
	if err != nil {
		return nil, err
	}
	if v, ok := m["version"].(int64); !ok || v != lz4Version {
		return nil, fmt.Errorf("version %v, this program reads %d", m["version"], lz4Version)
	}
	id, ok := m["type"].(int64)
	if !ok || id < 0 || id > math.MaxUint8 {
		return nil, fmt.Errorf("type %v, want a number of %d, %d, %d, %d", m["type"], TypeBytes, TypeNDArray, TypeJSON, TypeTorchTensor)
	}
	f := LZ4{}
	switch TypeID(id) {
	case TypeBytes:
		f.Of = Bytes{}
	case TypeJSON:
		f.Of = JSON{}
	case TypeNDArray, TypeTorchTensor:
		spec, err := unpackSpec(m)
		if err != nil {
			return nil, err
		}
		f.Of = NDArray{DType: spec.DType, Shape: spec.Shape}
		if TypeID(id) == TypeTorchTensor {
			f.Of = TorchTensor{DType: spec.DType, Shape: spec.Shape}
		}
		_, shuffled := m["shuffle"]
		f.NoShuffle = !shuffled
	default:
		return nil, fmt.Errorf("type %d, want %d, %d, %d or %d", id, TypeBytes, TypeNDArray, TypeJSON, TypeTorchTensor)
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	if width, told := m["shuffle"]; told && (f.width() == 0 || width != int64(f.width())) {
		return nil, fmt.Errorf("shuffle %v, want %d or none", width, f.width())
	}
	if f.NoShuffle {
		shuffling := LZ4{Of: f.Of}
		f.NoShuffle = shuffling.width() > 0 // else it is the same field
	}
	return f, nil
}

// unpackSpec reads an array's dtype and shape.
func unpackSpec(m map[string]any) (s array.Spec, err error) {
	text, _ := m["dtype"].(string)
	if s.DType, err = array.ParseDType(text); err != nil {
		return s, err
	}
	list, _ := m["shape"].([]any)
	for _, v := range list {
		n, ok := v.(int64)
		if !ok || n < 0 || n > math.MaxInt {
			return s, fmt.Errorf("a dimension %v", v)
		}
		s.Shape = append(s.Shape, int(n))
	}
	return s, nil
}

// TypeID returns TypeCustom.
func (LZ4) TypeID() TypeID { return TypeCustom }

// Args returns the field's name and version, the type id of the field whose
// values it keeps, and of arrays dtype and shape; or why there is no such field.
func (f LZ4) Args() (Args, error) {
	if err := f.check(); err != nil {
		return Args{}, err
	}
	m := map[string]any{nameKey: lz4Name, "version": lz4Version, "type": int64(f.Of.TypeID())}
	if spec, ok := f.spec(); ok {
		m["dtype"], m["shape"] = spec.DType.String(), spec.Shape
		if width := f.width(); width > 0 {
			m["shuffle"] = width
		}
	}
	return PackArgs(m)
}

func (f LZ4) check() error {
	switch of := f.Of.(type) {
	case Bytes, JSON:
		if f.NoShuffle {
			return fmt.Errorf("lz4 field: values of a %T have no elements to shuffle or not", of)
		}
		return nil
	case NDArray:
		return wrapLZ4(of.check())
	case TorchTensor:
		return wrapLZ4(NDArray(of).check())
	}
	return fmt.Errorf("lz4 field: of a %T, want Bytes, JSON, NDArray or TorchTensor", f.Of)
}

func wrapLZ4(err error) error {
	if err != nil {
		return fmt.Errorf("lz4 field: %w", err)
	}
	return nil
}

// spec returns the type and shape of a field of arrays.
func (f LZ4) spec() (array.Spec, bool) {
	switch of := f.Of.(type) {
	case NDArray:
		return of.spec(), true
	case TorchTensor:
		return NDArray(of).spec(), true
	}
	return array.Spec{}, false
}

// width returns the bytes of an element that is taken apart, 0 for none.
func (f LZ4) width() int {
	spec, ok := f.spec()
	if !ok || f.NoShuffle {
		return 0
	}
	switch n := spec.DType.ItemSize(); n {
	case 2, 4, 8:
		return n
	case 16:
		return 8 // two floats
	}
	return 0
}

// Layout is an aligned struct of 24 bytes.
func (LZ4) Layout() Layout { return lz4Layout }

// Plain returns Of.
func (f LZ4) Plain() Field { return f.Of }

// Encode stores a value that Of takes.
func (f LZ4) Encode(meta []byte, value any, at At) error {
	if err := f.check(); err != nil {
		return err
	}
	p := packers.Get().(*packer)
	defer p.release()
	src, err := p.value(f.Of, value, at)
	if err != nil {
		return err
	}
	data := p.pack(src, f.width())
	ptr, buf, err := at.Alloc(len(data))
	if err != nil {
		return err
	}
	copy(buf, data)
	binary.LittleEndian.PutUint64(meta, ptr)
	binary.LittleEndian.PutUint64(meta[lz4Stored:], uint64(len(data)))
	binary.LittleEndian.PutUint64(meta[lz4Plain:], uint64(len(src)))
	return nil
}

// Regions returns the data's place.
func (f LZ4) Regions(dst []Region, meta []byte) ([]Region, error) {
	stored, _, err := f.sizes(meta)
	if err != nil {
		return nil, err
	}
	return append(dst, Region{Ptr: binary.LittleEndian.Uint64(meta), Size: stored}), nil
}

// PlainSize returns how many bytes a value has unpacked.
func (f LZ4) PlainSize(meta []byte) (int64, error) {
	_, plain, err := f.sizes(meta)
	return plain, err
}

// sizes reads the metadata. A size that the stored bytes can't be unpacked to is
// refused here, before anyone makes room for it.
func (f LZ4) sizes(meta []byte) (stored, plain int64, err error) {
	if err := checkMeta("lz4", meta, lz4Meta); err != nil {
		return 0, 0, err
	}
	s := binary.LittleEndian.Uint64(meta[lz4Stored:])
	n := binary.LittleEndian.Uint64(meta[lz4Plain:])
	switch {
	case s > math.MaxInt64 || n > math.MaxInt:
		return 0, 0, fmt.Errorf("lz4 metadata: %d bytes stored for %d", s, n)
	case s > n || s < n && (n+maxExpansion-1)/maxExpansion > s:
		return 0, 0, fmt.Errorf("lz4 metadata: %d bytes can't be stored for %d: want as many, or fewer up to %d times", s, n, maxExpansion)
	}
	if spec, ok := f.spec(); ok {
		want, err := spec.Bytes()
		if err != nil {
			return 0, 0, err
		}
		if n != uint64(want) {
			return 0, 0, fmt.Errorf("lz4 metadata: a value of %d bytes, want %d for %v", n, want, spec)
		}
	}
	return int64(s), int64(n), nil
}

// stored returns the sizes and the data of a value.
func (f LZ4) stored(meta []byte, data [][]byte) (b []byte, plain int, err error) {
	stored, size, err := f.sizes(meta)
	if err != nil {
		return nil, 0, err
	}
	b, err = region("lz4", data, stored)
	return b, int(size), err
}

// Unpack makes the bytes that Of would store of a value.
func (f LZ4) Unpack(dst, meta []byte, data [][]byte) error {
	b, size, err := f.stored(meta, data)
	switch {
	case err != nil:
		return err
	case len(dst) != size:
		return fmt.Errorf("lz4: room for %d bytes, want %d", len(dst), size)
	case len(b) == size:
		copy(dst, b)
		return nil
	}
	return unpackShuffled(dst, b, f.width())
}

// Decode returns what Of's Decode does, borrowed from the data where the value is
// stored plain.
func (f LZ4) Decode(meta []byte, data [][]byte) (any, error) {
	b, size, err := f.stored(meta, data)
	if err != nil {
		return nil, err
	}
	if len(b) != size {
		plain := make([]byte, size)
		if err := unpackShuffled(plain, b, f.width()); err != nil {
			return nil, err
		}
		b = plain
	}
	var m [blobSize]byte
	return f.Of.Decode(f.plainMeta(&m, meta), [][]byte{b})
}

// plainMeta makes the metadata that Of would have written.
func (f LZ4) plainMeta(dst *[blobSize]byte, meta []byte) []byte {
	copy(dst[:8], meta)
	copy(dst[8:], meta[lz4Plain:])
	return dst[:f.Of.Layout().Size]
}

// Check unpacks the whole value and has Of check it.
func (f LZ4) Check(meta []byte, data [][]byte) error {
	b, size, err := f.stored(meta, data)
	if err != nil {
		return err
	}
	p := packers.Get().(*packer)
	defer p.release()
	if len(b) != size {
		p.plain = room(p.plain, size)
		if err := unpackShuffled(p.plain, b, f.width()); err != nil {
			return err
		}
		b = p.plain
	}
	var m [blobSize]byte
	plain := f.plainMeta(&m, meta)
	if c, ok := f.Of.(interface {
		Check(meta []byte, data [][]byte) error
	}); ok {
		return c.Check(plain, [][]byte{b})
	}
	_, err = f.Of.Decode(plain, [][]byte{b})
	return err
}
