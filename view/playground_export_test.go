package view

import (
	"errors"
	"go/format"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

// For tests of the package's outside.
var (
	StandsFor = standsFor
	ToBegin   = toBegin
)

// NewOfPictures serves two small pictures.
func NewOfPictures(tb testing.TB) *Server {
	path := filepath.Join(tb.TempDir(), "two.beton")
	w, err := ffcv.Create(path, []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer w.Close()
	err = w.WriteStream(tb.Context(), func(yield func(ffcv.Sample, error) bool) {
		for range 2 {
			if !yield(ffcv.Sample{Values: []any{rgb.Image{Width: 16, Height: 12, Pix: make([]byte, 3*16*12)}}}, nil) {
				return
			}
		}
	}, &ffcv.StreamOptions{Reserve: 2})
	if err != nil {
		tb.Fatal(err)
	}
	f, err := ffcv.Open(path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() })
	s, err := New(f, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// PlayText reads a pipeline, binds it, and writes it as code, which gofmt leaves as
// it is; status is that of an error, 0 for none.
func PlayText(s *Server, text []byte) (golang, python string, status int) {
	p, err := parsePipeline(text)
	if err == nil {
		_, err = s.player(p, 0, 1)
		if err != nil {
			err = p.blame(err, func(p *pipeline) error {
				_, err := s.player(p, 0, 1)
				return err
			})
		}
	}
	var e *statusError
	switch {
	case errors.As(err, &e):
		return "", "", e.status
	case err != nil:
		return "", "", 500
	}
	golang, python, _ = s.code(p, 0, 1)
	if text, err := format.Source([]byte(golang)); err != nil || string(text) != golang {
		return golang, python, 500
	}
	return golang, python, 0
}
