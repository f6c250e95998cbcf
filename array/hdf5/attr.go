package hdf5

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"github.com/betongo/betongo/array"
)

const (
	maxAttrs     = 1 << 16  // of one object
	maxAttrBytes = 64 << 20 // of one attribute
)

// attrs reads the attributes of an object; nil for none. What can't be read is
// noted as refused. Its header is at an address.
func (f *File) attrs(id hid, name string, header uint64) map[string]any {
	names, err := f.l.names(id, maxAttrs, f.l.Aiterate, f.l.onAttr)
	if err != nil {
		f.refuse(fmt.Errorf("attributes: %w", err), name)
		return nil
	}
	if len(names) == 0 {
		return nil
	}
	attrs := make(map[string]any, len(names))
	for _, a := range names {
		v, err := f.attr(id, a.name, header)
		if err != nil {
			f.refuse(fmt.Errorf("attribute %q: %w", a.name, named(err)), name)
			continue
		}
		attrs[a.name] = v
	}
	return attrs
}

// named turns what isn't supported of a part into what isn't of the whole.
func named(err error) error {
	var what unsupported
	if errors.As(err, &what) {
		return errors.New(what.Error())
	}
	return err
}

// attr reads one attribute.
func (f *File) attr(object hid, name string, header uint64) (any, error) {
	l := f.l
	id := l.Aopen(object, name, 0)
	if id < 0 {
		return nil, l.fail("open it")
	}
	defer l.Aclose(id)
	t := l.Aget_type(id)
	if t < 0 {
		return nil, l.fail("read its type")
	}
	defer l.Tclose(t)
	space := l.Aget_space(id)
	if space < 0 {
		return nil, l.fail("read its dimensions")
	}
	defer l.Sclose(space)
	d := &dataset{}
	switch l.Sget_simple_extent_type(space) {
	case spaceNull:
		return nil, nil
	case spaceScalar:
	default:
		var dims [maxRank]uint64
		rank := l.Sget_simple_extent_ndims(space)
		if rank < 0 || rank > maxRank || l.Sget_simple_extent_dims(space, &dims[0], nil) < 0 {
			return nil, l.fail("read its dimensions")
		}
		var err error
		if d.dims, err = ints(dims[:rank]); err != nil {
			return nil, err
		}
	}
	var err error
	if d.element, err = l.element(t); err != nil {
		return nil, err
	}
	if d.vlen {
		if refs := f.heap.attr(header, name); refs != nil {
			return f.refAttr(refs, d.dims)
		}
		return l.textAttr(id, t, space, d.dims)
	}
	size, err := d.spec().Bytes()
	if err != nil || size > maxAttrBytes {
		return nil, &FormatError{Offset: -1, Msg: fmt.Sprintf("%v, at most %d bytes are served", d.spec(), maxAttrBytes)}
	}
	data := make([]byte, size)
	if size > 0 && l.Aread(id, t, unsafe.Pointer(&data[0])) < 0 {
		return nil, l.fail("read it")
	}
	d.clean(data)
	return value(array.Array{Spec: d.spec(), Data: data})
}

// refAttr reads an attribute of strings of any length by their references.
func (f *File) refAttr(refs []byte, dims []int) (any, error) {
	size := f.heap.refSize()
	n, err := array.Spec{DType: mustDType(fmt.Sprintf("V%d", size)), Shape: dims}.Bytes()
	if err != nil || n > len(refs) {
		return nil, &FormatError{Offset: -1, Msg: fmt.Sprintf("strings of shape %v in %d bytes", dims, len(refs))}
	}
	list := make([]string, n/size)
	total := 0
	for i := range list {
		s, err := f.heap.text(refs[i*size:(i+1)*size], maxAttrBytes)
		if err != nil {
			return nil, err
		}
		if total += len(s); total > maxAttrBytes {
			return nil, &FormatError{Offset: -1, Msg: fmt.Sprintf("strings of more than %d bytes", maxAttrBytes)}
		}
		list[i] = string(s)
	}
	return nested(list, dims), nil
}

// textAttr reads an attribute of strings of any length by the library.
func (l *library) textAttr(id, t, space hid, dims []int) (any, error) {
	n, err := array.Spec{DType: array.Uint64, Shape: dims}.Bytes()
	if err != nil || n > maxAttrBytes {
		return nil, &FormatError{Offset: -1, Msg: fmt.Sprintf("strings of shape %v", dims)}
	}
	pointers := make([]unsafe.Pointer, n/8)
	if len(pointers) > 0 {
		if l.Aread(id, t, unsafe.Pointer(&pointers[0])) < 0 {
			return nil, l.fail("read it")
		}
		defer l.Dvlen_reclaim(t, space, 0, unsafe.Pointer(&pointers[0]))
	}
	list := make([]string, len(pointers))
	for i, p := range pointers {
		list[i] = goString(p, maxAttrBytes)
	}
	return nested(list, dims), nil
}

// nested puts a list into the shape of lists in lists; one string by itself.
func nested(list []string, dims []int) any {
	switch len(dims) {
	case 0:
		return list[0]
	case 1:
		return list
	}
	all := make([]any, dims[0])
	for i := range all {
		n := len(list) / dims[0]
		all[i] = nested(list[i*n:(i+1)*n], dims[1:])
	}
	return all
}

// value is what an attribute is in Go: a scalar its number, bool or string,
// strings a slice of them, all else the array itself.
func value(a array.Array) (any, error) {
	if a.DType.Kind() == 'S' && len(a.Shape) < 2 {
		list := []string{}
		item := a.DType.ItemSize()
		for i := 0; i < len(a.Data); i += item {
			list = append(list, string(bytes.TrimRight(a.Data[i:i+item], "\x00")))
		}
		if len(a.Shape) == 0 {
			return list[0], nil
		}
		return list, nil
	}
	if len(a.Shape) > 0 {
		return a, nil
	}
	switch t := a.DType.WithOrder('<'); t {
	case array.Bool:
		return first[bool](a)
	case array.Int8:
		return first[int8](a)
	case array.Int16:
		return first[int16](a)
	case array.Int32:
		return first[int32](a)
	case array.Int64:
		return first[int64](a)
	case array.Uint8:
		return first[uint8](a)
	case array.Uint16:
		return first[uint16](a)
	case array.Uint32:
		return first[uint32](a)
	case array.Uint64:
		return first[uint64](a)
	case array.Float32:
		return first[float32](a)
	case array.Float64:
		return first[float64](a)
	case array.Complex64:
		return first[complex64](a)
	case array.Complex128:
		return first[complex128](a)
	}
	return a, nil
}

func first[T array.Element](a array.Array) (any, error) {
	list, err := array.Values[T](a)
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// CheckAttr says whether an attribute can be written: see Writer.SetAttrs.
func CheckAttr(name string, value any) error {
	err := checkText(name)
	if err == nil && name == "" {
		err = errors.New("it has no name")
	}
	if err == nil {
		_, _, err = attrValue(value)
	}
	if err != nil {
		return fmt.Errorf("attribute %q: %w", name, err)
	}
	return nil
}

// checkAttrs says whether all attributes can be written.
func checkAttrs(attrs map[string]any) error {
	for _, name := range sortedKeys(attrs) {
		if err := CheckAttr(name, attrs[name]); err != nil {
			return err
		}
	}
	return nil
}

// textValue is strings of any length and their shape.
type textValue struct {
	list  []string
	shape []int
}

// attrValue is what a Go value is in the file: an array, or strings of any
// length; neither for nil.
func attrValue(v any) (*array.Array, *textValue, error) {
	plain := func(a array.Array, err error) (*array.Array, *textValue, error) { return &a, nil, err }
	switch v := v.(type) {
	case nil:
		return nil, nil, nil
	case string:
		return nil, &textValue{list: []string{v}}, checkText(v)
	case []string:
		return nil, &textValue{list: v, shape: []int{len(v)}}, checkText(strings.Join(v, ""))
	case array.Array:
		return arrayValue(v)
	case array.Strided:
		return arrayValue(v.AsContiguous())
	case []byte:
		return plain(array.Array{Spec: array.Spec{DType: array.Uint8, Shape: []int{len(v)}}, Data: v}, nil)
	case []any:
		return listValue(v)
	case json.Number:
		n, err := number(v)
		if err != nil {
			return nil, nil, err
		}
		return attrValue(n)
	case int:
		return attrValue(int64(v))
	case uint:
		return attrValue(uint64(v))
	case []int:
		list := make([]int64, len(v))
		for i, n := range v {
			list[i] = int64(n)
		}
		return plain(array.Of(list, len(list)))
	}
	if a, ok, err := elementValue(v); ok {
		return &a, nil, err
	}
	return nil, nil, fmt.Errorf("HDF5 has no attributes of type %T", v)
}

func arrayValue(a array.Array) (*array.Array, *textValue, error) {
	if _, err := array.New(a.Spec, a.Data); err != nil {
		return nil, nil, err
	}
	if a.DType.Kind() != 'U' {
		return &a, nil, nil
	}
	list, err := texts(a)
	return nil, &textValue{list: list, shape: a.Shape}, err
}

// elementValue serves all plain elements and slices of them.
func elementValue(v any) (array.Array, bool, error) {
	switch v := v.(type) {
	case bool:
		return one(v)
	case int8:
		return one(v)
	case int16:
		return one(v)
	case int32:
		return one(v)
	case int64:
		return one(v)
	case uint8:
		return one(v)
	case uint16:
		return one(v)
	case uint32:
		return one(v)
	case uint64:
		return one(v)
	case float32:
		return one(v)
	case float64:
		return one(v)
	case complex64:
		return one(v)
	case complex128:
		return one(v)
	case []bool:
		return many(v)
	case []int8:
		return many(v)
	case []int16:
		return many(v)
	case []int32:
		return many(v)
	case []int64:
		return many(v)
	case []uint16:
		return many(v)
	case []uint32:
		return many(v)
	case []uint64:
		return many(v)
	case []float32:
		return many(v)
	case []float64:
		return many(v)
	case []complex64:
		return many(v)
	case []complex128:
		return many(v)
	}
	return array.Array{}, false, nil
}

func one[T array.Element](v T) (array.Array, bool, error) {
	a, err := array.Of([]T{v})
	a.Shape = []int{}
	return a, true, err
}

func many[T array.Element](v []T) (array.Array, bool, error) {
	a, err := array.Of(v, len(v))
	return a, true, err
}

// setAttrs writes attributes to an object, in place of those of the same names.
// The library is locked.
func (l *library) setAttrs(object hid, attrs map[string]any) error {
	for _, name := range sortedKeys(attrs) {
		if err := l.setAttr(object, name, attrs[name]); err != nil {
			return fmt.Errorf("attribute %q: %w", name, err)
		}
	}
	return nil
}

func (l *library) setAttr(object hid, name string, v any) error {
	a, text, err := attrValue(v)
	if err != nil {
		return err
	}
	if l.Aexists(object, name) > 0 && l.Adelete(object, name) < 0 {
		return l.fail("replace it")
	}
	var t, space hid
	switch {
	case text != nil:
		t, space = l.newText(), l.newSpace(text.shape, nil)
	case a != nil:
		if t, err = l.newType(a.DType); err != nil {
			return err
		}
		space = l.newSpace(a.Shape, nil)
	default:
		t, space = l.Tcopy(l.float32s), l.Screate(spaceNull) // as h5py's Empty
	}
	defer l.Tclose(t)
	defer l.Sclose(space)
	acpl := l.Pcreate(l.classAttr)
	defer l.Pclose(acpl)
	l.Pset_char_encoding(acpl, charUTF8)
	id := l.Acreate(object, name, t, space, acpl, 0)
	if id < 0 {
		return l.fail("make it")
	}
	defer l.Aclose(id)
	switch {
	case text != nil && len(text.list) > 0:
		var pin runtime.Pinner
		defer pin.Unpin()
		pointers := pinned(&pin, text.list)
		if l.Awrite(id, t, unsafe.Pointer(&pointers[0])) < 0 {
			return l.fail("write it")
		}
	case a != nil && len(a.Data) > 0:
		if l.Awrite(id, t, unsafe.Pointer(&a.Data[0])) < 0 {
			return l.fail("write it")
		}
	}
	return nil
}

// pinned makes strings of C that stay where they are until Unpin.
func pinned(pin *runtime.Pinner, list []string) []unsafe.Pointer {
	size := 0
	for _, s := range list {
		size += len(s) + 1
	}
	all := make([]byte, 0, size)
	offsets := make([]int, len(list))
	for i, s := range list {
		offsets[i] = len(all)
		all = append(append(all, s...), 0)
	}
	pin.Pin(&all[0])
	pointers := make([]unsafe.Pointer, len(list))
	for i, off := range offsets {
		pointers[i] = unsafe.Pointer(&all[off])
	}
	return pointers
}

// newSpace makes dimensions, most as far as they may grow, nil for not at all.
func (l *library) newSpace(shape []int, most []uint64) hid {
	if len(shape) == 0 {
		return l.Screate(spaceScalar)
	}
	dims := make([]uint64, len(shape))
	for i, n := range shape {
		dims[i] = uint64(n)
	}
	if most == nil {
		return l.Screate_simple(int32(len(dims)), &dims[0], nil)
	}
	return l.Screate_simple(int32(len(dims)), &dims[0], &most[0])
}
