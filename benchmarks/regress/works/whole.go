package main

import "github.com/betongo/betongo/rgb"

var _ = register(
	work{name: "jpeg-whole", times: 6, begin: func(p place) (func() error, error) {
		photos, err := photographs(p, 6)
		img, s := new(rgb.Image), new(rgb.Scratch)
		return func() error {
			for _, b := range photos {
				if err := s.DecodeJPEG(img, b); err != nil {
					return err
				}
			}
			return nil
		}, err
	}},
	work{name: "jpeg-encode", times: 8, begin: func(p place) (func() error, error) {
		list, err := decoded(p, 4)
		var out []byte
		s := new(rgb.Scratch)
		return func() (err error) {
			for _, img := range list {
				if out, err = s.EncodeJPEG(out[:0], img, 90); err != nil {
					return err
				}
			}
			return nil
		}, err
	}},
	work{name: "jpeg-checkpoints", times: 6, begin: func(p place) (func() error, error) {
		photos, err := photographs(p, 8)
		var out []byte
		return func() (err error) {
			for _, b := range photos {
				if out, err = rgb.AppendMarks(out[:0], b); err != nil {
					return err
				}
			}
			return nil
		}, err
	}},
	work{name: "resize", times: 3, begin: func(p place) (func() error, error) {
		list, err := decoded(p, 4)
		img, s := new(rgb.Image), new(rgb.Scratch)
		return func() error {
			for _, src := range list {
				s.ResizeArea(img, src, rgb.Rect{W: src.Width, H: src.Height}, 224, 224)
				s.ResizeArea(img, src, rgb.Rect{W: src.Width / 2, H: src.Height / 2}, 256, 192)
			}
			return nil
		}, err
	}},
)

// decoded returns the pixels of photographs.
func decoded(p place, n int) ([]rgb.Image, error) {
	photos, err := photographs(p, n)
	if err != nil {
		return nil, err
	}
	list := make([]rgb.Image, n)
	for i, b := range photos {
		if err := rgb.DecodeJPEG(&list[i], b); err != nil {
			return nil, err
		}
	}
	return list, nil
}
