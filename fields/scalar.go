package fields

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
)

// Float stores one IEEE double in the metadata. Values are float64 and float32
// (and types made of them), bits kept, a NaN's too; an integer is refused,
// where FFCV casts. Decode returns a float64.
type Float struct{}

// TypeID returns TypeFloat.
func (Float) TypeID() TypeID { return TypeFloat }

// Args returns zeros.
func (Float) Args() (Args, error) { return Args{}, nil }

// Layout is one aligned f8.
func (Float) Layout() Layout { return Layout{Size: 8, Align: 8} }

// Encode stores a float.
func (Float) Encode(meta []byte, value any, _ At) error {
	f, ok := value.(float64)
	if !ok {
		switch v := reflect.ValueOf(value); v.Kind() {
		case reflect.Float32, reflect.Float64:
			f = v.Float()
		default:
			return wrongType("float", value, "float64 or float32")
		}
	}
	binary.LittleEndian.PutUint64(meta, math.Float64bits(f))
	return nil
}

// Regions returns none.
func (Float) Regions(dst []Region, meta []byte) ([]Region, error) {
	return dst, checkMeta("float", meta, 8)
}

// Decode returns the float64.
func (Float) Decode(meta []byte, _ [][]byte) (any, error) {
	if err := checkMeta("float", meta, 8); err != nil {
		return nil, err
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(meta)), nil
}

// Int stores one signed 64-bit integer in the metadata. Values are Go's
// integers (and types made of them) up to 2^63-1 and bools, as 0 and 1; a
// float is refused, where FFCV truncates. Decode returns an int64.
type Int struct{}

// TypeID returns TypeInt.
func (Int) TypeID() TypeID { return TypeInt }

// Args returns zeros.
func (Int) Args() (Args, error) { return Args{}, nil }

// Layout is one aligned i8.
func (Int) Layout() Layout { return Layout{Size: 8, Align: 8} }

// Encode stores an integer.
func (Int) Encode(meta []byte, value any, _ At) error {
	var n int64
	switch v := value.(type) {
	case int:
		n = int64(v)
	case int64:
		n = v
	default:
		switch v := reflect.ValueOf(value); {
		case v.CanInt():
			n = v.Int()
		case v.CanUint() && v.Uint() <= math.MaxInt64:
			n = int64(v.Uint())
		case v.CanUint():
			return fmt.Errorf("int: %d is larger than 2^63-1, the largest that the format holds: %w", v.Uint(), ErrValue)
		case v.Kind() == reflect.Bool:
			if v.Bool() {
				n = 1
			}
		default:
			return wrongType("int", value, "an integer or a bool")
		}
	}
	binary.LittleEndian.PutUint64(meta, uint64(n))
	return nil
}

// Regions returns none.
func (Int) Regions(dst []Region, meta []byte) ([]Region, error) {
	return dst, checkMeta("int", meta, 8)
}

// Decode returns the int64.
func (Int) Decode(meta []byte, _ [][]byte) (any, error) {
	if err := checkMeta("int", meta, 8); err != nil {
		return nil, err
	}
	return int64(binary.LittleEndian.Uint64(meta)), nil
}

// wrongType refuses a value whose Go type the field doesn't store.
func wrongType(kind string, value any, want string) error {
	return fmt.Errorf("%s: a %T, want %s: %w", kind, value, want, ErrValue)
}

// checkMeta checks the size of a metadata member.
func checkMeta(kind string, meta []byte, size int) error {
	if len(meta) != size {
		return fmt.Errorf("%s metadata: %d bytes, want %d", kind, len(meta), size)
	}
	return nil
}

// region returns the only region's bytes, which must be size long unless that
// is UnknownSize.
func region(kind string, data [][]byte, size int64) ([]byte, error) {
	if len(data) != 1 {
		return nil, fmt.Errorf("%s: %d data regions, want 1", kind, len(data))
	}
	if size != UnknownSize && int64(len(data[0])) != size {
		return nil, fmt.Errorf("%s: %d bytes of data, want %d", kind, len(data[0]), size)
	}
	return data[0], nil
}
