package loader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/rgb"
)

// Where an RGBImage's member keeps what (docs/format.md).
const (
	imageMode   = 0 // 0 JPEG, 1 raw
	imageWidth  = 1
	imageHeight = 3
	imagePtr    = 5
)

func imageInfo(member []byte) (ImageInfo, error) {
	le := binary.LittleEndian
	v := ImageInfo{Width: int(le.Uint16(member[imageWidth:])), Height: int(le.Uint16(member[imageHeight:]))}
	switch mode := member[imageMode]; mode {
	case 0:
		v.JPEG = true
	case 1:
	default:
		return v, fmt.Errorf("image mode %d, want 0 (JPEG) or 1 (raw)", mode)
	}
	return v, nil
}

// imageSize is commonSize of a field's images.
func (p *plan) imageSize(f *ffcv.Field) (width, height int, err error) {
	return p.commonSize(f, func(member []byte) (int, int, error) {
		v, err := imageInfo(member)
		return v.Width, v.Height, err
	})
}

// whole is the default image decoder: every image as it is, all of one size.
// An empty dataset has no size to ask for.
type whole struct{ empty bool }

func (w whole) BindImage(width, height int) (array.Spec, func([]byte, rgb.Encoded, *rand.Rand, *rgb.Scratch) error, error) {
	spec := array.Spec{DType: array.Uint8, Shape: []int{height, width, 3}}
	if (width == 0 || height == 0) && !w.empty {
		return spec, nil, errors.New("images of different sizes need a decoder (such as a crop), Raw, or Disabled")
	}
	return spec, func(dst []byte, src rgb.Encoded, _ *rand.Rand, s *rgb.Scratch) error {
		img := rgb.Image{Pix: dst}
		if err := s.Load(&img, src); err != nil {
			return err
		}
		if img.Width != width || img.Height != height {
			return fmt.Errorf("image of %dx%d, want %dx%d as all others", img.Width, img.Height, width, height)
		}
		if len(dst) > 0 && &img.Pix[0] != &dst[0] {
			copy(dst, img.Pix)
		}
		return nil
	}, nil
}
