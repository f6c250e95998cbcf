package main

import (
	"context"
	"encoding/binary"
	"io/fs"
	"math"
	"path/filepath"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/testdata/photos"
)

// bowl is the photograph of most sheets: what is left and right, up and down
// can be told, and its red is easy to find.
const bowl = "meal/fig_1.jpg"

// several are the photographs of the other sheets, of several shapes. Their
// labels are their places in this list.
var several = []string{
	"animal/friends_4.jpg", bowl, "tower/china_2.jpg", "object/wine_3.jpg", "mountain/picos_3.jpg",
}

// The classes of the bowl's mask.
const (
	background = iota
	red
	shadow
)

// stored are the two datasets that the sheets are made of.
type stored struct{ one, several *ffcv.File }

// store writes and opens the datasets. They are closed by close.
func store(dir string) (s *stored, err error) {
	s = new(stored)
	if s.one, err = storeBowl(filepath.Join(dir, "bowl.beton")); err != nil {
		return nil, err
	}
	if s.several, err = storeSeveral(filepath.Join(dir, "several.beton")); err != nil {
		s.one.Close()
		return nil, err
	}
	return s, nil
}

func (s *stored) close() {
	s.one.Close()
	s.several.Close()
}

// storeBowl writes a photograph with a mask, a depth map and two boxes.
func storeBowl(path string) (*ffcv.File, error) {
	data, err := fs.ReadFile(photos.FS, bowl)
	if err != nil {
		return nil, err
	}
	var img rgb.Image
	if err := rgb.DecodeJPEG(&img, data); err != nil {
		return nil, err
	}
	mask := classes(img)
	return storeSamples(path, []ffcv.FieldSpec{
		{Name: "image", Field: fields.RGBImage{}},
		{Name: "mask", Field: fields.Image{}},
		{Name: "depth", Field: fields.Image{DType: array.Uint16}},
		{Name: "boxes", Field: fields.NDArray{DType: array.Float32, Shape: []int{2, 5}}},
	}, [][]any{{data, mask, light(img), []float32{
		103, 39, 460, 310, 0, // of the bowl, with its class
		190, 110, 322, 233, 1, // of the fig
	}}})
}

func storeSeveral(path string) (*ffcv.File, error) {
	var samples [][]any
	for i, name := range several {
		data, err := fs.ReadFile(photos.FS, name)
		if err != nil {
			return nil, err
		}
		samples = append(samples, []any{data, i})
	}
	return storeSamples(path, []ffcv.FieldSpec{
		{Name: "image", Field: fields.RGBImage{}},
		{Name: "label", Field: fields.Int{}},
	}, samples)
}

func storeSamples(path string, specs []ffcv.FieldSpec, samples [][]any) (*ffcv.File, error) {
	w, err := ffcv.Create(path, specs, nil)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	err = w.WriteStream(context.Background(), func(yield func(ffcv.Sample, error) bool) {
		for _, values := range samples {
			if !yield(ffcv.Sample{Values: values}, nil) {
				return
			}
		}
	}, nil)
	if err != nil {
		return nil, err
	}
	return ffcv.Open(path, nil)
}

// classes is a mask of the photograph of the bowl, by thresholds.
func classes(img rgb.Image) rgb.Raster {
	mask := rgb.Raster{Width: img.Width, Height: img.Height, Channels: 1, Depth: 1, Pix: make([]byte, img.Width*img.Height)}
	for i := range mask.Pix {
		r, g, b := int(img.Pix[3*i]), int(img.Pix[3*i+1]), int(img.Pix[3*i+2])
		switch {
		case r-max(g, b) > 50:
			mask.Pix[i] = red
		case r+g+b < 240:
			mask.Pix[i] = shadow
		}
	}
	return mask
}

// light is a photograph's brightness as numbers of 16 bits. It stands for a
// depth map: where it doesn't lie as the photograph does, that is seen.
func light(img rgb.Image) rgb.Raster {
	out := rgb.Raster{Width: img.Width, Height: img.Height, Channels: 1, Depth: 2, Pix: make([]byte, 2*img.Width*img.Height)}
	for i := range img.Width * img.Height {
		v := 257 * (0.299*float64(img.Pix[3*i]) + 0.587*float64(img.Pix[3*i+1]) + 0.114*float64(img.Pix[3*i+2]))
		binary.LittleEndian.PutUint16(out.Pix[2*i:], uint16(math.Round(v)))
	}
	return out
}
