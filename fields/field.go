// Package fields says how one value of each kind is stored in a .beton file
// and read back: its type id, its 1,024 argument bytes, the members that it
// has in a sample's metadata row, and the bytes that it keeps in data pages.
//
// A program adds a kind of its own by implementing Field with TypeCustom; Audio
// is one that does, and the package fieldtest proves that it keeps the
// contract. Arguments made by PackArgs that name the field, and Register, let
// files be read without being told what is in them.
//
// What a field doesn't store is refused with an error that wraps ErrValue; so
// are floats where integers belong, other dtypes and other shapes, all of which
// FFCV casts. Structured NumPy types have no field: their bytes can be stored
// as Bytes or by a custom field.
package fields

import "errors"

// TypeID is the first byte of a field descriptor.
type TypeID uint8

// The type ids of FFCV's format, version 2. They are part of the wire format.
const (
	TypeFloat       TypeID = 0
	TypeInt         TypeID = 1
	TypeRGBImage    TypeID = 2
	TypeBytes       TypeID = 3
	TypeNDArray     TypeID = 4
	TypeJSON        TypeID = 5
	TypeTorchTensor TypeID = 6
	TypeCustom      TypeID = 255
)

// ArgsSize is the size of a descriptor's arguments.
const ArgsSize = 1024

// Args are a descriptor's argument bytes, zero where unused.
type Args [ArgsSize]byte

// Layout describes a field's member of the metadata row.
type Layout struct {
	Size  int // bytes
	Align int // a power of two: the member begins at a multiple of it, as in a C struct
	// Pointers are the offsets inside the member of its little-endian u64 data
	// pointers. Encode asks for exactly one region a pointer, in this order, and
	// stores each pointer there as Alloc gave it: the writer may move a sample's
	// regions afterwards and then rewrites these eight bytes.
	Pointers []int
}

// Alloc reserves size bytes in the sample's page and returns the pointer to
// store in the metadata and the zeroed bytes to fill. The slice is the
// caller's until Encode returns. A size of 0 is a value without bytes; it
// still gets a pointer of its own.
type Alloc func(size int) (ptr uint64, buf []byte, err error)

// At is where and for whom a value is encoded.
type At struct {
	Sample int    // the sample's number in the source
	Rand   uint64 // 64 random bits that belong to (seed, sample, field)
	Alloc  Alloc
}

// Region is a run of bytes in the data pages that a value keeps.
type Region struct {
	Ptr  uint64 // offset in the file
	Size int64  // bytes, or UnknownSize
}

// UnknownSize says that only the allocation table knows a region's size (a
// JPEG's, FFCV keeps it nowhere else).
const UnknownSize = -1

// Field stores and reads values of one kind. Implementations are immutable
// after construction and safe for concurrent use.
//
// A field may also have the method
//
//	Check(meta []byte, data [][]byte) error
//
// with Decode's arguments. It looks deeper than Decode, which need not find
// damage inside the data: RGBImage decodes the picture, JSON parses the text.
type Field interface {
	TypeID() TypeID

	// Args returns the argument bytes from which the field can be made again.
	Args() (Args, error)

	// Layout describes the field's member of the metadata row. It is constant.
	Layout() Layout

	// Encode stores value: it writes meta (Layout().Size bytes, zeroed) and the
	// regions that it takes from at.Alloc. A value of a type, dtype or shape
	// that the field does not store is an error, never a silent conversion.
	Encode(meta []byte, value any, at At) error

	// Regions checks meta, read from a file, and appends to dst the regions
	// that it points at, one for each of Layout().Pointers.
	Regions(dst []Region, meta []byte) ([]Region, error)

	// Decode returns the value. data holds the bytes of each region (true
	// sizes); the value borrows them.
	Decode(meta []byte, data [][]byte) (any, error)
}

// Marker is the ability of a Field to make marks of its values: bytes, kept in
// a file beside the values, from which a reader is quicker. Nothing depends on
// them: a file without marks has the same values, and so has one whose marks
// are damaged.
//
// A Marker may also have the method
//
//	CheckMarks(meta []byte, data [][]byte, marks []byte) error
//
// which says whether marks, read from a file, are a value's.
type Marker interface {
	// AppendMarks appends the marks of a value that was encoded, with Decode's
	// arguments, to dst and returns the extended slice; a value without marks
	// leaves it as it was. The pointers in meta are not final. The same value
	// always has the same marks. An error refuses the value.
	AppendMarks(dst, meta []byte, data [][]byte) ([]byte, error)
}

// ErrValue is wrapped by every refusal to encode a value of the wrong type,
// dtype or shape.
var ErrValue = errors.New("value does not fit the field")

// Path is a value: the contents of the named file. RGBImage and Bytes read it
// while they encode, in the worker that encodes the sample.
type Path string
