package fields_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

// TestImageMaxResolution: values shrink to the size of the images beside them,
// and hold no number that they didn't.
func TestImageMaxResolution(t *testing.T) {
	for _, c := range []struct{ width, height, most, w, h int }{
		{500, 333, 256, 256, 170}, {333, 500, 256, 170, 256}, {277, 100, 224, 223, 80},
		{256, 256, 256, 256, 256}, {20, 10, 256, 20, 10}, {20, 10, 0, 20, 10}, {2, 2, 1, 1, 1},
	} {
		for _, depth := range []int{1, 2} {
			f := fields.Image{Channels: 2, DType: array.Uint8, MaxResolution: c.most}
			if depth == 2 {
				f.DType = array.Uint16
			}
			src := raster("noise", c.width, c.height, 2, depth)
			before := slices.Clone(src.Pix)
			meta, data := make([]byte, f.Layout().Size), []byte(nil)
			err := f.Encode(meta, src, fields.At{Alloc: func(size int) (uint64, []byte, error) {
				data = make([]byte, size)
				return 64, data, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			v, err := f.Decode(meta, [][]byte{data})
			if err != nil {
				t.Fatal(err)
			}
			r := v.(rgb.Raster)
			if r.Width != c.w || r.Height != c.h {
				t.Errorf("%dx%d at most %d: %dx%d, want %dx%d", c.width, c.height, c.most, r.Width, r.Height, c.w, c.h)
			}
			seen := map[string]bool{}
			for i := 0; i < len(before); i += 2 * depth {
				seen[string(before[i:i+2*depth])] = true
			}
			for i := 0; i < len(r.Pix); i += 2 * depth {
				if !seen[string(r.Pix[i:i+2*depth])] {
					t.Fatalf("%dx%d at most %d: a pixel that the raster hasn't", c.width, c.height, c.most)
				}
			}
			if !slices.Equal(src.Pix, before) {
				t.Error("the value was written to")
			}
		}
	}
	if _, err := (fields.Image{MaxResolution: -1}).Args(); err == nil {
		t.Error("a maximum of -1: no error")
	}
	err := fields.Image{MaxResolution: 10}.Encode(make([]byte, 24), raster("flat", 500, 3, 1, 1), fields.At{})
	if !errors.Is(err, fields.ErrValue) || !strings.Contains(err.Error(), "becomes 10x0") {
		t.Errorf("a side of nothing: %v", err)
	}
}
