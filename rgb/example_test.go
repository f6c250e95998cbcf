package rgb_test

import (
	"fmt"

	"github.com/betongo/betongo/rgb"
)

// A mask and a box take the way of their image: a crop of 4x4 pixels at (2, 0),
// enlarged to 8x8, mirrored.
func ExamplePlacement() {
	mask := rgb.Raster{Width: 6, Height: 4, Channels: 1, Depth: 1, Pix: []byte{
		0, 0, 0, 1, 1, 0,
		0, 0, 0, 1, 1, 0,
		2, 2, 0, 0, 0, 0,
		2, 2, 2, 0, 0, 0,
	}}
	p := rgb.Place(mask.Width, mask.Height)
	p.Crop(rgb.Rect{X: 2, W: 4, H: 4}, 8, 8)
	p.FlipX()

	var s rgb.Scratch
	out := make([]byte, 8*8)
	if err := s.PlaceNearest(out, mask, &p, nil); err != nil {
		fmt.Println(err)
	}
	fmt.Println(out[:8])
	fmt.Println(out[7*8:])
	fmt.Println(p.Box(3, 0, 5, 2))
	fmt.Println(p.Box(0, 2, 3, 4))
	// Output:
	// [0 0 1 1 1 1 0 0]
	// [0 0 0 0 0 0 2 2]
	// 2 0 6 4 1
	// 6 4 8 8 0.3333333333333333
}

// Two views of one photo are decoded once.
func ExampleScratch_RenderViews() {
	photo := stored("rgb_jpg")[0]
	whole := rgb.Rect{W: photo.Width, H: photo.Height}
	large, small := rgb.Target{Width: 64, Height: 64}, rgb.Target{Width: 32, Height: 32, Type: rgb.Float16}
	views := []rgb.View{
		{Dst: make([]byte, large.Bytes()), Crop: whole, Target: &large},
		{Dst: make([]byte, small.Bytes()), Crop: rgb.Rect{X: 10, Y: 10, W: 40, H: 40}, Flip: true, Target: &small},
	}
	var s rgb.Scratch
	if err := s.RenderViews(photo, views); err != nil {
		fmt.Println(err)
	}
	fmt.Println(len(views[0].Dst), len(views[1].Dst))
	// Output: 12288 6144
}
