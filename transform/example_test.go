package transform_test

import (
	"fmt"
	"math/rand/v2"

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
