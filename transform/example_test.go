package transform_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

// The loader does this for every field: bind once, then run the functions for
// every sample, in memory that it owns.
func Example() {
	crop := transform.RandomResizedCrop{Width: 4, Height: 2}
	spec, decode, err := crop.BindImage(0, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	out, planes, _, err := transform.ToCHW{}.Bind(spec)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(spec, "->", out)

	gray := rgb.Encoded{Width: 9, Height: 7, Data: make([]byte, 3*9*7)}
	for i := range gray.Data {
		gray.Data[i] = byte(10 * (i%3 + 1))
	}
	hwc, chw := make([]byte, 24), make([]byte, 24)
	rng, scratch := rand.New(rand.NewPCG(1, 2)), new(rgb.Scratch)
	if err := decode(hwc, gray, rng, scratch); err != nil {
		fmt.Println(err)
		return
	}
	if err := planes(chw, hwc, rng); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(chw)
	// Output:
	// |u1 (2, 4, 3) -> |u1 (3, 2, 4)
	// [10 10 10 10 10 10 10 10 20 20 20 20 20 20 20 20 30 30 30 30 30 30 30 30]
}

// A box follows its image through a crop that is mirrored. The loader does this
// for outputs with Follow.
func ExampleBoxes() {
	boxes := transform.Boxes{Format: transform.CornerSize, Max: 2, Columns: 5}
	_, move, err := boxes.BindFollowArray(array.Spec{DType: array.Uint8, Shape: []int{0}}, 50, 50)
	if err != nil {
		fmt.Println(err)
		return
	}
	p := rgb.Place(640, 480) // what the loader works out for the image
	p.Crop(rgb.Rect{X: 100, Y: 0, W: 200, H: 200}, 50, 50)
	p.FlipX()

	var row []byte // left, top, width, height, class
	for _, v := range []float32{120, 40, 40, 80, 3} {
		row = binary.LittleEndian.AppendUint32(row, math.Float32bits(v))
	}
	out := make([]byte, 2*5*4)
	if err := move(out, row, &p); err != nil {
		fmt.Println(err)
		return
	}
	for ; len(out) > 0; out = out[4:] {
		fmt.Print(math.Float32frombits(binary.LittleEndian.Uint32(out)), " ")
	}
	// Output:
	// 35 10 45 30 3 -1 -1 -1 -1 -1
}
