package matfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/betongo/betongo/array"
)

// layout is a variable as it will lie in the file: headers, and between them
// room for data.
type layout struct {
	heads  []head
	planes []plane
	at     int64 // size so far
}

// head is some of a variable's bytes that aren't data.
type head struct {
	at int64
	b  []byte
}

// plane is a data element, numbers of one type in Fortran order.
type plane struct {
	at   int64
	rows int                                           // of the first dimension
	view func(rows array.Array) (array.Strided, error) // what of some rows goes here, rows first
}

// of brings the parts of an element to its planes.
type view = func(rows array.Array) (array.Strided, error)

func (l *layout) head(b []byte) []byte {
	l.heads = append(l.heads, head{l.at, b})
	l.at += int64(len(b))
	return b
}

// element writes a data element that is no array's data.
func (l *layout) element(kind uint32, data []byte) {
	l.head(appendTag(nil, kind, int64(len(data)), data))
}

// appendTag writes a tag and, when they are given, the data and their padding.
func appendTag(b []byte, kind uint32, size int64, data []byte) []byte {
	if size > 0 && size <= 4 {
		b = binary.LittleEndian.AppendUint32(b, kind|uint32(size)<<16)
		if data != nil {
			b = append(append(b, data...), make([]byte, 4-size)...)
		}
		return b
	}
	b = binary.LittleEndian.AppendUint32(b, kind)
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	b = append(b, data...)
	return append(b, make([]byte, up8(int64(len(data)))-int64(len(data)))...)
}

// matrix begins an array and returns what is to be called at its end.
func (l *layout) matrix(class uint32, dims []int, name string) (end func()) {
	tag := l.head(appendTag(nil, miMatrix, 0, nil))
	start := l.at
	var flags, list []byte
	flags = binary.LittleEndian.AppendUint32(flags, class)
	l.element(miUint32, append(flags, 0, 0, 0, 0))
	for _, d := range dims {
		list = binary.LittleEndian.AppendUint32(list, uint32(d))
	}
	l.element(miInt32, list)
	l.element(miInt8, []byte(name))
	return func() { binary.LittleEndian.PutUint32(tag[4:], uint32(l.at-start)) }
}

// plane makes room for numbers of a type.
func (l *layout) plane(kind uint32, dims []int, v view) error {
	size, err := array.Spec{DType: storage[kind], Shape: dims}.Bytes()
	if err != nil || int64(size) > MaxVariable {
		return tooLarge(dims)
	}
	tag := l.head(appendTag(nil, kind, int64(size), nil))
	l.planes = append(l.planes, plane{at: l.at, rows: dims[0], view: v})
	end := l.at + up8(int64(size))
	if len(tag) == 4 { // small: in the tag
		end = l.at + 4
	}
	if pad := end - l.at - int64(size); pad > 0 {
		l.heads = append(l.heads, head{l.at + int64(size), make([]byte, pad)})
	}
	if l.at = end; l.at > MaxVariable {
		return tooLarge(dims)
	}
	return nil
}

func tooLarge(dims []int) error {
	return fmt.Errorf("dimensions %v take more than %d bytes, all that MATLAB's level 5 has for a variable: use HDF5, Zarr, .npk or .npy", dims, int64(MaxVariable))
}

// dimsOf are MATLAB's dimensions for a shape: SciPy's row for one dimension.
func dimsOf(shape []int) ([]int, error) {
	dims := append([]int(nil), shape...)
	switch len(shape) {
	case 0:
		dims = []int{1, 1}
	case 1:
		dims = []int{1, shape[0]}
	}
	if len(dims) > maxDims {
		return nil, fmt.Errorf("%d dimensions, at most %d are served", len(dims), maxDims)
	}
	for _, d := range dims {
		if d > math.MaxInt32 {
			return nil, tooLarge(dims)
		}
	}
	return dims, nil
}

// numeric is how a type is stored: class, flags included, and storage.
var numeric = func() map[array.DType][2]uint32 {
	m := map[array.DType][2]uint32{array.Bool: {mxUint8 | flagLogical, miUint8}}
	for class, t := range classes {
		for kind, s := range storage {
			if s == t && kind < miMatrix {
				m[t] = [2]uint32{class, kind}
			}
		}
	}
	m[array.Complex64] = [2]uint32{mxSingle | flagComplex, miSingle}
	m[array.Complex128] = [2]uint32{mxDouble | flagComplex, miDouble}
	return m
}()

// place lays out an array of rows of a spec; v brings what is its own of a row.
func (l *layout) place(name string, spec array.Spec, v view) error {
	t := spec.DType.WithOrder('<')
	switch {
	case t.IsStruct():
		return l.structs(name, spec, v)
	case t.Kind() == 'U' || t.Kind() == 'S':
		return l.text(name, spec, v)
	}
	how, ok := numeric[t]
	if !ok {
		return &array.UnsupportedError{DType: spec.DType.String(), Why: "MATLAB has no such class; bool, integers, f4, f8, c8, c16, text and structs are written"}
	}
	dims, err := dimsOf(spec.Shape)
	if err != nil {
		return err
	}
	end := l.matrix(how[0], dims, name)
	get := func(part array.DType, offset int) view {
		return func(rows array.Array) (array.Strided, error) {
			s, err := v(rows)
			s.DType = part.WithOrder(s.DType.Order())
			s.Offset += offset
			return s, err
		}
	}
	half := storage[how[1]]
	if err := l.plane(how[1], dims, get(half, 0)); err != nil {
		return err
	}
	if t.Kind() == 'c' {
		if err := l.plane(how[1], dims, get(half, half.ItemSize())); err != nil {
			return err
		}
	}
	end()
	return nil
}

// structs lays out a struct with an array for each field.
func (l *layout) structs(name string, spec array.Spec, v view) error {
	fields := spec.DType.Fields()
	end := l.matrix(mxStruct, []int{1, 1}, name)
	width := 32 // MATLAB's of old
	for _, f := range fields {
		if err := CheckName(f.Name); err != nil {
			return err
		}
		width = max(width, len(f.Name)+1)
	}
	l.element(miInt32, binary.LittleEndian.AppendUint32(nil, uint32(width)))
	var names []byte
	for _, f := range fields {
		names = append(append(names, f.Name...), make([]byte, width-len(f.Name))...)
	}
	l.element(miInt8, names)
	for _, f := range fields {
		of := array.Spec{DType: f.DType, Shape: append(append([]int(nil), spec.Shape...), f.Shape...)}
		err := l.place("", of, func(rows array.Array) (array.Strided, error) {
			s, err := v(rows)
			if err != nil {
				return s, err
			}
			return s.Field(f.Name)
		})
		if err != nil {
			return fmt.Errorf("field %q: %w", f.Name, err)
		}
	}
	end()
	return nil
}

// text lays out a char array: characters are the last dimension.
func (l *layout) text(name string, spec array.Spec, v view) error {
	width := spec.DType.ItemSize()
	if spec.DType.Kind() == 'U' {
		width /= 4
	}
	shape := spec.Shape
	if len(shape) == 0 {
		shape = []int{1}
	}
	dims, err := dimsOf(append(append([]int(nil), shape...), width))
	if err != nil {
		return err
	}
	end := l.matrix(mxChar, dims, name)
	kind := uint32(miUint16)
	if spec.DType.Kind() == 'U' {
		kind = miUTF16 // SciPy takes the 16-bit numbers for bytes of UTF-8
	}
	err = l.plane(kind, dims, func(rows array.Array) (array.Strided, error) {
		s, err := v(rows)
		if err != nil {
			return s, err
		}
		return units16(s.AsContiguous(), width)
	})
	end()
	return err
}

// ValidName returns a name that MATLAB takes for a variable, as its
// matlab.lang.makeValidName does: what is neither a letter, a digit nor an
// underscore becomes an underscore, an x comes before what is no letter, and
// 63 characters are kept.
func ValidName(name string) string {
	b := []byte(name)
	for i, c := range b {
		if !letter(c) && !(c >= '0' && c <= '9') && c != '_' {
			b[i] = '_'
		}
	}
	if len(b) == 0 || !letter(b[0]) {
		b = append([]byte("x"), b...)
	}
	return string(b[:min(len(b), maxName)])
}

const maxName = 63

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// CheckName tells why MATLAB can't have a variable or field of a name.
func CheckName(name string) error {
	switch valid := ValidName(name); {
	case name == valid:
		return nil
	case len(name) > maxName && strings.HasPrefix(name, valid):
		return fmt.Errorf("the name %q has %d characters, MATLAB has at most %d", name, len(name), maxName)
	default:
		return fmt.Errorf("the name %q: MATLAB has letters, digits and underscores, a letter first; %q would do", name, valid)
	}
}
