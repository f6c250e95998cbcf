package fields

import (
	"fmt"
	"sync"
)

// Constructor makes a custom field again from the arguments in a file.
type Constructor func(args *Args) (Field, error)

// nameKey is the argument by which a custom field describes itself.
const nameKey = "field"

var registry = struct {
	sync.RWMutex
	byName map[string]Constructor
}{byName: map[string]Constructor{audioName: newAudio, rasterName: newImage, lz4Name: newLZ4}}

// Register makes a kind of custom field known by name, so that files whose
// arguments carry {"field": name} (PackArgs) are read without being told more.
// It is meant for package initialisation and panics when the name is empty or
// taken. Safe for concurrent use.
func Register(name string, c Constructor) {
	registry.Lock()
	defer registry.Unlock()
	if name == "" || c == nil {
		panic("fields: Register without a name or constructor")
	}
	if registry.byName[name] != nil {
		panic(fmt.Sprintf("fields: Register: the name %q is taken", name))
	}
	registry.byName[name] = c
}

// Custom makes the custom field that args name. The answer is false when they
// name none or one that isn't registered; the error is the constructor's. Safe
// for concurrent use.
func Custom(args *Args) (Field, bool, error) {
	m, err := UnpackArgs(args)
	if err != nil {
		return nil, false, nil // foreign arguments: a custom field may keep anything there
	}
	name, _ := m[nameKey].(string)
	registry.RLock()
	c := registry.byName[name]
	registry.RUnlock()
	if c == nil {
		return nil, false, nil
	}
	f, err := c(args)
	if err != nil {
		return nil, true, fmt.Errorf("custom field %q: %w", name, err)
	}
	return f, true, nil
}

// New makes a built-in field from a descriptor's type id and arguments. A
// TypeCustom has no field here (Custom may know it): it is an error, as are
// unknown ids and arguments that describe no field. An
// *array.UnsupportedError is in the chain when an array's dtype is one that
// isn't served.
//
// An RGBImage from a file is good for reading and stores JPEG: FFCV keeps
// nothing of how its images were written.
func New(id TypeID, args *Args) (Field, error) {
	switch id {
	case TypeFloat:
		return Float{}, nil
	case TypeInt:
		return Int{}, nil
	case TypeRGBImage:
		return RGBImage{}, nil
	case TypeBytes:
		return Bytes{}, nil
	case TypeJSON:
		return JSON{}, nil
	case TypeNDArray, TypeTorchTensor:
		spec, err := parseArrayArgs(args)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", id, err)
		}
		if id == TypeTorchTensor {
			return TorchTensor{DType: spec.DType, Shape: spec.Shape}, nil
		}
		return NDArray{DType: spec.DType, Shape: spec.Shape}, nil
	case TypeCustom:
		return nil, fmt.Errorf("field type 255 is custom: its arguments may name it, or the program must")
	}
	return nil, fmt.Errorf("no field type has the id %d", uint8(id))
}

// String returns the kind's name as commands print it.
func (id TypeID) String() string {
	switch id {
	case TypeFloat:
		return "float"
	case TypeInt:
		return "int"
	case TypeRGBImage:
		return "rgb"
	case TypeBytes:
		return "bytes"
	case TypeNDArray:
		return "ndarray"
	case TypeJSON:
		return "json"
	case TypeTorchTensor:
		return "torch_tensor"
	case TypeCustom:
		return "custom"
	}
	return fmt.Sprintf("unknown(%d)", uint8(id))
}
