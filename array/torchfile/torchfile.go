// Package torchfile reads and writes PyTorch's files: what torch.save writes,
// .pt and .pth.
//
// A file holds one Python value, mostly a dict of tensors, in a pickle, and the
// tensors' bytes beside it. Open reads the pickle and maps the rest: tensors are
// views of the file. Members are the tensors wherever in the value they are,
// called by the way to them, "model.fc.weight" or "layers.0"; Attrs are its
// numbers and strings, called the same way; Value is the value itself.
//
// # Safety
//
// A pickle is a program. The one who runs it here knows nothing but what builds
// dicts, lists, tuples, sets, numbers, strings and tensors; any other name that
// it asks for is a *GlobalError, and nothing was run. What it may make is
// bounded (OpenOptions.MaxMemory), and every size, stride and offset is checked
// against the bytes that are there.
//
// # Formats
//
// The ZIP form of PyTorch 1.6 and later is read and written; the older form is
// read. Compressed archives, which PyTorch never writes, and TorchScript are
// refused. Files are written for torch.load(weights_only=True), each tensor at a
// multiple of 64 bytes; torch.load(mmap=True) takes them too.
//
// float8 types, which NumPy doesn't know, are void bytes, "|V1"; the member's
// attribute "dtype" tells which, by SafeTensors' name: "F8_E4M3".
package torchfile

import (
	"fmt"

	"github.com/betongo/betongo/array"
)

// FormatError says that a file is none of PyTorch's, or a broken one.
type FormatError = array.FormatError

// prefix names the file that an error is about; bytes have no name.
func prefix(file string) string {
	if file == "" {
		return "torchfile: "
	}
	return file + ": "
}

// GlobalError says that a pickle asks for a function or class that isn't one of
// those that hold data. Nothing of it was run.
type GlobalError struct {
	File   string
	Offset int64  // of the request in the file
	Global string // module and name: "os.system"
}

func (e *GlobalError) Error() string {
	return prefix(e.File) + fmt.Sprintf("at byte %d: the pickle asks for %s, which is not one of the names that only hold data; it was not run", e.Offset, e.Global)
}

// Python values that Go has no word for. The others are nil, bool, int64,
// *big.Int beyond that, float64, complex128, string and []byte (bytearray too).
type (
	// Tuple is a tuple, or a torch.Size.
	Tuple []any

	// List is a list. One list at two places of the value is one *List.
	List struct{ Items []any }

	// Set is a set or a frozenset, in the pickle's order.
	Set struct{ Items []any }

	// Constant is one of torch's named values, a dtype or layout:
	// "torch.float16".
	Constant string

	// Device is a torch.device, like "cpu" or "cuda:0".
	Device string

	// Refused is a tensor of a kind that is no block of elements: sparse,
	// quantized, or without data.
	Refused struct{ Why string }
)

// Tensor is a torch.Tensor: elements with any strides over a storage that other
// tensors may share, which shows as the same Data. Python attributes of tensors
// aren't kept.
type Tensor struct {
	array.Strided
	Parameter    bool // a torch.nn.Parameter
	RequiresGrad bool
	Float8       string // the name of a float of eight bits, whose DType is "|V1": "F8_E4M3"

	at int64 // where Data begin in the file that they were read from
}

// Item is an entry of a Dict.
type Item struct{ Key, Value any }

// Dict is a dict in its order; keys are strings, numbers, bools, nil, bytes or
// tuples of those.
type Dict struct {
	Items []Item
	// Ordered says that it is a collections.OrderedDict.
	Ordered bool
	// State are the attributes that an OrderedDict may carry, such as the
	// _metadata of a module's state_dict; mostly nil.
	State *Dict

	index map[any]int
}

// Get returns the value of a key: of a string, bool, float64, int64 or int.
func (d *Dict) Get(key any) (any, bool) {
	if k, ok := keyOf(key); ok {
		if i, ok := d.find(k); ok {
			return d.Items[i].Value, true
		}
	}
	return nil, false
}

// find returns the place of what keyOf gave.
func (d *Dict) find(k any) (int, bool) {
	if d.index != nil && len(d.index) == len(d.Items) {
		i, ok := d.index[k]
		return i, ok
	}
	for i, item := range d.Items {
		if have, ok := keyOf(item.Key); ok && have == k {
			return i, true
		}
	}
	return 0, false
}

// indexed is how many entries a dict has before it gets an index.
const indexed = 8

// Set puts a value at a key, in place of one that is there. The error tells
// when the key isn't one.
func (d *Dict) Set(key, value any) error {
	k, ok := keyOf(key)
	if !ok {
		return fmt.Errorf("torchfile: a key of type %T", key)
	}
	if len(d.Items) >= indexed && len(d.index) != len(d.Items) {
		d.index = make(map[any]int, 2*len(d.Items))
		for i, item := range d.Items {
			if k, ok := keyOf(item.Key); ok {
				d.index[k] = i
			}
		}
	}
	if i, ok := d.find(k); ok {
		d.Items[i].Value = value
		return nil
	}
	if d.index != nil {
		d.index[k] = len(d.Items)
	}
	d.Items = append(d.Items, Item{key, value})
	return nil
}

// maxKey is how many bytes or elements a key of bytes or a tuple may have: they
// are copied to be compared.
const maxKey = 256

type (
	bytesKey string
	tupleKey string
)

// keyOf returns what a key is compared by: as in Python, 1, 1.0 and True are
// one key.
func keyOf(key any) (any, bool) {
	switch k := key.(type) {
	case nil, string, int64, Constant, Device:
		return k, true
	case int:
		return int64(k), true
	case bool:
		if k {
			return int64(1), true
		}
		return int64(0), true
	case float64:
		if n := int64(k); float64(n) == k && n > -1<<53 && n < 1<<53 {
			return n, true
		}
		return k, true
	case []byte:
		return bytesKey(k), len(k) <= maxKey
	case Tuple:
		if len(k) > maxKey {
			return nil, false
		}
		s := ""
		for _, e := range k {
			part, ok := keyOf(e)
			if _, nested := part.(tupleKey); !ok || nested {
				return nil, false
			}
			if s += fmt.Sprintf("%T %q,", part, fmt.Sprint(part)); len(s) > 16*maxKey {
				return nil, false
			}
		}
		return tupleKey(s), true
	}
	return nil, false
}

// storageTypes are the classes of storages by their name, less "Storage", with
// the type of an element.
var storageTypes = map[string]array.DType{
	"Bool": array.Bool, "Byte": array.Uint8, "Char": array.Int8, "Short": array.Int16, "Int": array.Int32, "Long": array.Int64,
	"Half": array.Float16, "BFloat16": array.BFloat16, "Float": array.Float32, "Double": array.Float64,
	"ComplexFloat": array.Complex64, "ComplexDouble": array.Complex128, "Untyped": array.Uint8,
	"QInt8": array.Int8, "QUInt8": array.Uint8, "QInt32": array.Int32, "QUInt4x2": array.Uint8, "QUInt2x4": array.Uint8,
}

// storageNames is the way back, for types that have a storage of their own.
var storageNames = map[array.DType]string{
	array.Bool: "BoolStorage", array.Uint8: "ByteStorage", array.Int8: "CharStorage", array.Int16: "ShortStorage",
	array.Int32: "IntStorage", array.Int64: "LongStorage", array.Float16: "HalfStorage", array.BFloat16: "BFloat16Storage",
	array.Float32: "FloatStorage", array.Float64: "DoubleStorage", array.Complex64: "ComplexFloatStorage", array.Complex128: "ComplexDoubleStorage",
}

// newType is a type that came after the storages' classes: its tensors name it
// themselves, and their storage is untyped.
type newType struct {
	name   string // torch's
	t      array.DType
	float8 string
}

var newTypes = []newType{
	{"uint16", array.Uint16, ""}, {"uint32", array.Uint32, ""}, {"uint64", array.Uint64, ""},
	{"float8_e4m3fn", void1, "F8_E4M3"}, {"float8_e5m2", void1, "F8_E5M2"}, {"float8_e8m0fnu", void1, "F8_E8M0"},
	{"float8_e4m3fnuz", void1, "F8_E4M3FNUZ"}, {"float8_e5m2fnuz", void1, "F8_E5M2FNUZ"},
}

var void1 = func() array.DType {
	t, err := array.ParseDType("|V1")
	if err != nil {
		panic("torchfile: " + err.Error())
	}
	return t
}()

// findNew returns the newer type of an array.
func findNew(t array.DType, float8 string) (newType, bool) {
	for _, n := range newTypes {
		if n.t == t && n.float8 == float8 {
			return n, true
		}
	}
	return newType{}, false
}
