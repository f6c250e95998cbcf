package hdf5

import (
	"fmt"
	"math"
	"strings"
	"unsafe"

	"github.com/betongo/betongo/array"
)

// element is what a dataset or an attribute consists of.
type element struct {
	dtype array.DType
	shape []int // of an array type, which is behind the dimensions of the dataset
	pad   int32 // of strings: what stands behind their end
	vlen  bool  // strings of any length; dtype is found by reading them
	utf8  bool  // strings are UTF-8, else ASCII
	seq   bool  // vlen too: sequences of bytes, which are no arrays; Rows reads them
}

// maxTypeDepth is how deep types may lie in one another.
const maxTypeDepth = 32

// floatLayout is how a float's bits lie.
type floatLayout struct {
	size, precision, sign, exp, expSize, man, manSize, bias uintptr
}

// The floats that NumPy knows, and bfloat16; the last is x86's long double.
var floats = map[floatLayout]array.DType{
	{2, 16, 15, 10, 5, 0, 10, 15}:          array.Float16,
	{2, 16, 15, 7, 8, 0, 7, 127}:           array.BFloat16,
	{4, 32, 31, 23, 8, 0, 23, 127}:         array.Float32,
	{8, 64, 63, 52, 11, 0, 52, 1023}:       array.Float64,
	{16, 80, 79, 64, 15, 0, 64, 1<<14 - 1}: longDouble,
}

var longDouble = mustDType("<f16")

func mustDType(s string) array.DType {
	t, err := array.ParseDType(s)
	if err != nil {
		panic("hdf5: " + err.Error())
	}
	return t
}

// element reads a type of the library's.
func (l *library) element(t hid) (element, error) { return l.elementAt(t, 0) }

func (l *library) elementAt(t hid, depth int) (element, error) {
	if depth > maxTypeDepth {
		return element{}, unsupported(fmt.Sprintf("more than %d types in one another", maxTypeDepth))
	}
	size := l.Tget_size(t)
	if size == 0 || size > math.MaxInt32 {
		l.forget()
		return element{}, unsupported(fmt.Sprintf("elements of %d bytes", size))
	}
	e, err := l.elementOf(t, size, depth)
	if err != nil || e.vlen {
		return e, err
	}
	// The library writes as much as it thinks the type has into memory that is
	// as large as it is here. In damaged files parts don't make up the whole.
	if n, err := (array.Spec{DType: e.dtype, Shape: e.shape}).Bytes(); err != nil || uintptr(n) != size {
		return element{}, &FormatError{Offset: -1, Msg: fmt.Sprintf("a type of %d bytes, whose parts have %d", size, n)}
	}
	return e, nil
}

// elementOf reads a type by its class.
func (l *library) elementOf(t hid, size uintptr, depth int) (element, error) {
	switch class := l.Tget_class(t); class {
	case classInteger, classBitfield:
		return l.integer(t, size)
	case classFloat:
		return l.float(t, size)
	case classString:
		return l.text(t, size)
	case classOpaque:
		return l.opaque(t, size)
	case classCompound:
		return l.compound(t, int(size), depth)
	case classEnum:
		return l.enum(t, depth)
	case classArray:
		return l.subarray(t, depth)
	case classComplex:
		return l.complex(t, size, depth)
	case classTime:
		return element{}, unsupported("the time type")
	case classReference:
		return element{}, unsupported("references")
	case classVlen:
		return l.sequence(t, depth)
	default:
		return element{}, unsupported(fmt.Sprintf("the type class %d", class))
	}
}

// order brings a type into the byte order of another.
func (l *library) order(of hid, t array.DType) (array.DType, error) {
	switch order := l.Tget_order(of); {
	case order == orderLittle, t.ItemSize() == 1:
		return t.WithOrder('<'), nil
	case order == orderBig:
		return t.WithOrder('>'), nil
	default:
		return array.DType{}, unsupported(fmt.Sprintf("the byte order %d", order))
	}
}

var errSequence = unsupported("sequences of any length (vlen)")

// sequence reads a type of sequences, of which those of bytes are known.
func (l *library) sequence(t hid, depth int) (element, error) {
	base := l.Tget_super(t)
	if base < 0 {
		return element{}, l.fail("read the type of a sequence")
	}
	defer l.Tclose(base)
	if depth > 0 || l.Tget_class(base) != classInteger || l.Tget_size(base) != 1 {
		return element{}, errSequence
	}
	return element{vlen: true, seq: true}, nil
}

func (l *library) integer(t hid, size uintptr) (element, error) {
	if p, off := l.Tget_precision(t), l.Tget_offset(t); p != 8*size || off != 0 {
		return element{}, unsupported(fmt.Sprintf("integers of %d bits in %d bytes", p, size))
	}
	kind := "u"
	if l.Tget_class(t) == classInteger && l.Tget_sign(t) == 1 {
		kind = "i"
	}
	if size > 8 || size&(size-1) != 0 {
		return element{}, unsupported(fmt.Sprintf("integers of %d bytes", size))
	}
	dtype, err := l.order(t, mustDType(fmt.Sprintf("<%s%d", kind, size)))
	return element{dtype: dtype}, err
}

func (l *library) float(t hid, size uintptr) (element, error) {
	f := floatLayout{size: size, precision: l.Tget_precision(t), bias: l.Tget_ebias(t)}
	if l.Tget_fields(t, &f.sign, &f.exp, &f.expSize, &f.man, &f.manSize) < 0 {
		return element{}, l.fail("read a float type")
	}
	known, ok := floats[f]
	if !ok || l.Tget_offset(t) != 0 {
		return element{}, unsupported(fmt.Sprintf("floats of %d bits in %d bytes, %d of the exponent and %d of the fraction", f.precision, size, f.expSize, f.manSize))
	}
	dtype, err := l.order(t, known)
	return element{dtype: dtype}, err
}

func (l *library) text(t hid, size uintptr) (element, error) {
	e := element{utf8: l.Tget_cset(t) == charUTF8, pad: l.Tget_strpad(t)}
	if l.Tis_variable_str(t) > 0 {
		e.vlen = true
		return e, nil
	}
	var err error
	e.dtype, err = array.ParseDType(fmt.Sprintf("S%d", size))
	return e, err
}

// tagNumPy begins the tag of an opaque type that is one of NumPy's.
const tagNumPy = "NUMPY:"

func (l *library) opaque(t hid, size uintptr) (element, error) {
	p := l.Tget_tag(t)
	tag := goString(p, 256)
	if p != nil {
		l.freeMemory(p)
	}
	if name, ok := strings.CutPrefix(tag, tagNumPy); ok {
		if dtype, err := array.ParseDType(name); err == nil && uintptr(dtype.ItemSize()) == size && !dtype.IsStruct() {
			return element{dtype: dtype}, nil
		}
	}
	dtype, err := array.ParseDType(fmt.Sprintf("V%d", size))
	return element{dtype: dtype}, err
}

// maxFields is how many members a compound type may have.
const maxFields = 1 << 12

func (l *library) compound(t hid, size, depth int) (element, error) {
	n := l.Tget_nmembers(t)
	if n < 0 || n > maxFields {
		return element{}, unsupported(fmt.Sprintf("a compound type of %d members", n))
	}
	fields := make([]array.Field, n)
	for i := range fields {
		f := &fields[i]
		p := l.Tget_member_name(t, uint32(i))
		f.Name = goString(p, 1<<16)
		if p != nil {
			l.freeMemory(p)
		}
		off := l.Tget_member_offset(t, uint32(i))
		if off > math.MaxInt32 {
			return element{}, &FormatError{Offset: -1, Msg: fmt.Sprintf("member %q at byte %d of a compound type", f.Name, off)}
		}
		f.Offset = int(off)
		member := l.Tget_member_type(t, uint32(i))
		if member < 0 {
			return element{}, l.fail("read the type of member %q", f.Name)
		}
		e, err := l.elementAt(member, depth+1)
		l.Tclose(member)
		if err == nil && e.vlen {
			err = unsupported("strings of any length in a compound type")
		}
		if err != nil {
			return element{}, fmt.Errorf("member %q: %w", f.Name, err)
		}
		f.DType, f.Shape = e.dtype, e.shape
	}
	if c, ok := pair(fields, size); ok {
		return element{dtype: c}, nil
	}
	dtype, err := array.StructAt(fields, size)
	if err != nil {
		return element{}, &FormatError{Offset: -1, Msg: "compound type: " + err.Error()}
	}
	return element{dtype: dtype}, nil
}

// pair tells whether the members are those of a complex number, as h5py has it.
func pair(f []array.Field, size int) (array.DType, bool) {
	if len(f) != 2 || f[0].Name != "r" || f[1].Name != "i" || f[0].DType != f[1].DType || f[0].DType.Kind() != 'f' || f[0].Shape != nil || f[1].Shape != nil {
		return array.DType{}, false
	}
	item := f[0].DType.ItemSize()
	if f[0].Offset != 0 || f[1].Offset != item || size != 2*item || item < 4 {
		return array.DType{}, false
	}
	return mustDType(fmt.Sprintf("c%d", size)).WithOrder(f[0].DType.Order()), true
}

func (l *library) complex(t hid, size uintptr, depth int) (element, error) {
	base := l.Tget_super(t)
	if base < 0 {
		return element{}, l.fail("read the base of a complex type")
	}
	defer l.Tclose(base)
	e, err := l.elementAt(base, depth+1)
	if err != nil {
		return element{}, err
	}
	if item := e.dtype.ItemSize(); e.dtype.Kind() != 'f' || item < 4 || int(size) != 2*item {
		return element{}, unsupported(fmt.Sprintf("complex numbers of %v", e.dtype))
	}
	return element{dtype: mustDType(fmt.Sprintf("c%d", size)).WithOrder(e.dtype.Order())}, nil
}

// enum is an integer, or h5py's bool.
func (l *library) enum(t hid, depth int) (element, error) {
	base := l.Tget_super(t)
	if base < 0 {
		return element{}, l.fail("read the base of an enum type")
	}
	defer l.Tclose(base)
	e, err := l.elementAt(base, depth+1)
	if err != nil || e.dtype != array.Int8 && e.dtype != array.Uint8 || l.Tget_nmembers(t) != 2 {
		return e, err
	}
	for i, want := range []string{"FALSE", "TRUE"} {
		p := l.Tget_member_name(t, uint32(i))
		name := goString(p, 64)
		if p != nil {
			l.freeMemory(p)
		}
		var value [8]byte
		if name != want || l.Tget_member_value(t, uint32(i), unsafe.Pointer(&value)) < 0 || value[0] != byte(i) {
			l.forget()
			return e, nil
		}
	}
	return element{dtype: array.Bool}, nil
}

func (l *library) subarray(t hid, depth int) (element, error) {
	rank := l.Tget_array_ndims(t)
	if rank < 0 || rank > maxRank {
		return element{}, unsupported(fmt.Sprintf("an array type of %d dimensions", rank))
	}
	dims := make([]uint64, max(rank, 1))
	if l.Tget_array_dims(t, &dims[0]) < 0 {
		return element{}, l.fail("read the dimensions of an array type")
	}
	base := l.Tget_super(t)
	if base < 0 {
		return element{}, l.fail("read the base of an array type")
	}
	defer l.Tclose(base)
	e, err := l.elementAt(base, depth+1)
	if err != nil {
		return element{}, err
	}
	if e.vlen {
		return element{}, unsupported("strings of any length in an array type")
	}
	shape, err := ints(dims[:rank])
	if err != nil {
		return element{}, err
	}
	e.shape = append(shape, e.shape...)
	return e, nil
}

// maxRank is how many dimensions HDF5 allows.
const maxRank = 32

// ints takes dimensions of the library's.
func ints(dims []uint64) ([]int, error) {
	shape := make([]int, len(dims))
	for i, d := range dims {
		if d > math.MaxInt64 {
			return nil, &FormatError{Offset: -1, Msg: fmt.Sprintf("dimension %d is %d", i, d)}
		}
		shape[i] = int(d)
	}
	return shape, nil
}
