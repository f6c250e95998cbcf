package fields

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/wire"
)

// NDArray stores arrays of one dtype and shape, C order. The shape has 1 to 32
// dimensions and doesn't end in 0: FFCV reads back neither scalars nor
// trailing zeros, as its descriptor marks unused dimensions by 0. Structured
// dtypes are not served.
//
// Values are array.Array of exactly this dtype (byte order included) and
// shape, and flat Go slices of the matching element type and number. Decode
// returns an array.Array that borrows the data.
type NDArray struct {
	DType array.DType
	Shape []int // not to be changed once the field is in use
}

// TorchTensor is an NDArray under FFCV's type id for PyTorch tensors; the
// bytes are the same.
type TorchTensor NDArray

// Array arguments: 32 dimensions u8, the length u8 of the type's text, the
// text: JSON of NumPy's dtype.descr with one nameless member.
const (
	maxDims    = 32
	descrOff   = maxDims*8 + 8
	descrLimit = ArgsSize - descrOff
)

var pointerLayout = Layout{Size: 8, Align: 8, Pointers: []int{0}}

// TypeID returns TypeNDArray.
func (NDArray) TypeID() TypeID { return TypeNDArray }

// Args returns shape and dtype, or why they can't be stored.
func (f NDArray) Args() (Args, error) {
	var a Args
	if err := f.check(); err != nil {
		return a, err
	}
	for i, d := range f.Shape {
		binary.LittleEndian.PutUint64(a[i*8:], uint64(d))
	}
	text := `[["", "` + f.DType.String() + `"]]`
	binary.LittleEndian.PutUint64(a[maxDims*8:], uint64(len(text)))
	copy(a[descrOff:], text)
	return a, nil
}

func (f NDArray) check() error {
	n := len(f.Shape)
	switch {
	case !f.DType.Valid():
		return fmt.Errorf("ndarray: no dtype")
	case !plain(f.DType):
		return fmt.Errorf("ndarray: %w", &array.UnsupportedError{DType: f.DType.String(), Why: notPlain})
	case n == 0:
		return fmt.Errorf("ndarray: a shape without dimensions: FFCV can't read it; give a scalar the shape (1,)")
	case n > maxDims:
		return fmt.Errorf("ndarray: %d dimensions, at most %d can be stored", n, maxDims)
	case f.Shape[n-1] == 0:
		return fmt.Errorf("ndarray: shape %s ends in 0, and the format drops trailing zeros", array.ShapeString(f.Shape))
	}
	_, err := f.spec().Bytes()
	return err
}

func (f NDArray) spec() array.Spec { return array.Spec{DType: f.DType, Shape: f.Shape} }

// Layout is one aligned pointer.
func (NDArray) Layout() Layout { return pointerLayout }

// Encode stores an array.
func (f NDArray) Encode(meta []byte, value any, at At) error {
	if err := f.check(); err != nil {
		return err
	}
	a, err := f.array(value)
	if err != nil {
		return err
	}
	ptr, buf, err := at.Alloc(len(a.Data))
	if err != nil {
		return err
	}
	copy(buf, a.Data)
	binary.LittleEndian.PutUint64(meta, ptr)
	return nil
}

// array returns value as an array of the field's own dtype and shape.
func (f NDArray) array(value any) (array.Array, error) {
	a, ok := value.(array.Array)
	if !ok {
		return f.slice(value)
	}
	if !a.Spec.Equal(f.spec()) {
		return array.Array{}, fmt.Errorf("ndarray: an array %v, want %v: %w", a.Spec, f.spec(), ErrValue)
	}
	if _, err := array.New(a.Spec, a.Data); err != nil {
		return array.Array{}, fmt.Errorf("ndarray: %w: %w", err, ErrValue)
	}
	return a, nil
}

// slice takes a flat Go slice.
func (f NDArray) slice(value any) (array.Array, error) {
	switch v := value.(type) {
	case []byte:
		return flat(f, v)
	case []int8:
		return flat(f, v)
	case []int16:
		return flat(f, v)
	case []uint16:
		return flat(f, v)
	case []int32:
		return flat(f, v)
	case []uint32:
		return flat(f, v)
	case []int64:
		return flat(f, v)
	case []uint64:
		return flat(f, v)
	case []float32:
		return flat(f, v)
	case []float64:
		return flat(f, v)
	case []complex64:
		return flat(f, v)
	case []complex128:
		return flat(f, v)
	case []bool:
		return flat(f, v)
	}
	return array.Array{}, wrongType("ndarray", value, fmt.Sprintf("an array.Array %v or a flat slice of its elements", f.spec()))
}

func flat[T array.Element](f NDArray, v []T) (array.Array, error) {
	if array.DTypeOf[T]() != f.DType {
		return array.Array{}, wrongType("ndarray", v, fmt.Sprintf("an array %v", f.spec()))
	}
	if n, _ := f.spec().Count(); len(v) != n {
		return array.Array{}, fmt.Errorf("ndarray: %d elements, want %d for %v: %w", len(v), n, f.spec(), ErrValue)
	}
	return array.Array{Spec: f.spec(), Data: array.BytesOf(v)}, nil
}

// Regions returns the elements' place; the size is the shape's.
func (f NDArray) Regions(dst []Region, meta []byte) ([]Region, error) {
	if err := checkMeta("ndarray", meta, 8); err != nil {
		return nil, err
	}
	size, err := f.spec().Bytes()
	if err != nil {
		return nil, err
	}
	return append(dst, Region{Ptr: binary.LittleEndian.Uint64(meta), Size: int64(size)}), nil
}

// Decode returns the array, its bytes borrowed.
func (f NDArray) Decode(meta []byte, data [][]byte) (any, error) {
	if err := checkMeta("ndarray", meta, 8); err != nil {
		return nil, err
	}
	b, err := region("ndarray", data, UnknownSize)
	if err != nil {
		return nil, err
	}
	a, err := array.New(f.spec(), b)
	if err != nil {
		return nil, fmt.Errorf("ndarray: %w", err)
	}
	return a, nil
}

// parseArrayArgs reads dtype and shape. Trailing zero dimensions are unused
// ones.
func parseArrayArgs(args *Args) (array.Spec, error) {
	c := wire.NewCursor(args[:])
	shape := make([]int, maxDims)
	for i := range shape {
		d := c.U64()
		if d > math.MaxInt {
			return array.Spec{}, fmt.Errorf("array arguments: dimension %d is %d", i, d)
		}
		shape[i] = int(d)
	}
	for len(shape) > 0 && shape[len(shape)-1] == 0 {
		shape = shape[:len(shape)-1]
	}
	n := c.U64()
	if n > descrLimit {
		return array.Spec{}, fmt.Errorf("array arguments: a type's text of %d bytes, at most %d fit", n, descrLimit)
	}
	text := c.Bytes(int(n))
	dtype, err := parseDescr(text)
	if err != nil {
		return array.Spec{}, fmt.Errorf("array arguments: type %q: %w", text, err)
	}
	if len(shape) == 0 {
		return array.Spec{}, fmt.Errorf("array arguments: a shape without dimensions")
	}
	s := array.Spec{DType: dtype, Shape: slices.Clip(shape)}
	if _, err := s.Bytes(); err != nil {
		return array.Spec{}, fmt.Errorf("array arguments: %w", err)
	}
	return s, nil
}

// parseDescr reads JSON of NumPy's dtype.descr: a list of members, which for
// a scalar type is a single one without a name, [["", "<f4"]].
func parseDescr(text []byte) (array.DType, error) {
	var members [][]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return array.DType{}, fmt.Errorf("not a list of members: %w", err)
	}
	if len(members) == 0 {
		return array.DType{}, fmt.Errorf("no members")
	}
	structured := &array.UnsupportedError{DType: string(text), Why: "structured; such values can be stored as Bytes or by a custom field"}
	for _, m := range members {
		if len(m) < 2 || len(m) > 3 {
			return array.DType{}, fmt.Errorf("a member of %d elements, want name and type", len(m))
		}
	}
	var name, str string
	if json.Unmarshal(members[0][0], &name) != nil || name != "" || len(members) > 1 || len(members[0]) == 3 {
		return array.DType{}, structured
	}
	if json.Unmarshal(members[0][1], &str) != nil {
		return array.DType{}, structured
	}
	t, err := array.ParseDType(str)
	if err == nil && !plain(t) {
		return array.DType{}, &array.UnsupportedError{DType: str, Why: notPlain}
	}
	return t, err
}

const notPlain = "FFCV stores the scalar types of NumPy"

// plain tells whether FFCV's text of a type, dtype.str, tells this one.
func plain(t array.DType) bool {
	return !t.IsStruct() && t != array.BFloat16 && t != array.BFloat16.Swapped()
}

// TypeID returns TypeTorchTensor.
func (TorchTensor) TypeID() TypeID { return TypeTorchTensor }

// Args is NDArray's.
func (f TorchTensor) Args() (Args, error) { return NDArray(f).Args() }

// Layout is NDArray's.
func (f TorchTensor) Layout() Layout { return pointerLayout }

// Encode is NDArray's.
func (f TorchTensor) Encode(meta []byte, value any, at At) error {
	return NDArray(f).Encode(meta, value, at)
}

// Regions is NDArray's.
func (f TorchTensor) Regions(dst []Region, meta []byte) ([]Region, error) {
	return NDArray(f).Regions(dst, meta)
}

// Decode is NDArray's.
func (f TorchTensor) Decode(meta []byte, data [][]byte) (any, error) {
	return NDArray(f).Decode(meta, data)
}
