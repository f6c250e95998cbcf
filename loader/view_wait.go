package loader

import "github.com/betongo/betongo/rgb"

type pictureView struct {
	Dst    []byte
	Crop   rgb.Rect
	Flip   bool
	Target *rgb.Target
}

func renderViews(s *rgb.Scratch, src rgb.Encoded, views []pictureView) error {
	for i := range views {
		v := &views[i]
		if err := s.Render(v.Dst, src, v.Crop, v.Flip, v.Target); err != nil {
			return err
		}
	}
	return nil
}
