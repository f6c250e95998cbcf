package fields_test

import (
	"encoding/binary"
	"fmt"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
)

// Box is a rectangle in a picture.
type Box struct{ X, Y, W, H uint16 }

// BoxField is a field that a program adds: four numbers in the metadata.
type BoxField struct{}

func (BoxField) TypeID() fields.TypeID { return fields.TypeCustom }

func (BoxField) Args() (fields.Args, error) {
	return fields.PackArgs(map[string]any{"field": "example.box"})
}

func (BoxField) Layout() fields.Layout { return fields.Layout{Size: 8, Align: 2} }

func (BoxField) Encode(meta []byte, value any, _ fields.At) error {
	b, ok := value.(Box)
	if !ok {
		return fmt.Errorf("box: a %T: %w", value, fields.ErrValue)
	}
	for i, n := range []uint16{b.X, b.Y, b.W, b.H} {
		binary.LittleEndian.PutUint16(meta[2*i:], n)
	}
	return nil
}

func (BoxField) Regions(dst []fields.Region, meta []byte) ([]fields.Region, error) {
	if len(meta) != 8 {
		return nil, fmt.Errorf("box metadata: %d bytes, want 8", len(meta))
	}
	return dst, nil
}

func (f BoxField) Decode(meta []byte, _ [][]byte) (any, error) {
	if _, err := f.Regions(nil, meta); err != nil {
		return nil, err
	}
	n := func(i int) uint16 { return binary.LittleEndian.Uint16(meta[2*i:]) }
	return Box{n(0), n(1), n(2), n(3)}, nil
}

// A program's own field is registered once and then found by its arguments.
func ExampleRegister() {
	fields.Register("example.box", func(*fields.Args) (fields.Field, error) { return BoxField{}, nil })

	args, err := BoxField{}.Args()
	if err != nil {
		fmt.Println(err)
		return
	}
	f, ok, err := fields.Custom(&args)
	fmt.Printf("%T %v %v\n", f, ok, err)
	// Output: fields_test.BoxField true <nil>
}

// A field is tried without a file: alloc is any place for bytes.
func ExampleNDArray() {
	f := fields.NDArray{DType: array.Float32, Shape: []int{2, 2}}
	meta := make([]byte, f.Layout().Size)
	var data []byte
	alloc := func(size int) (uint64, []byte, error) {
		data = make([]byte, size)
		return 4096, data, nil
	}
	if err := f.Encode(meta, []float32{1, 2, 3, 4}, fields.At{Alloc: alloc}); err != nil {
		fmt.Println(err)
		return
	}
	v, err := f.Decode(meta, [][]byte{data})
	if err != nil {
		fmt.Println(err)
		return
	}
	x, err := array.View[float32](v.(array.Array))
	fmt.Println(x, err)

	err = f.Encode(meta, []float64{1, 2, 3, 4}, fields.At{Alloc: alloc})
	fmt.Println(err)
	// Output:
	// [1 2 3 4] <nil>
	// ndarray: a []float64, want an array <f4 (2, 2): value does not fit the field
}
