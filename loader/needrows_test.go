package loader_test

import (
	"math/rand/v2"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
)

// told counts the rows that a dataset is told of, and those that are asked for.
type told struct {
	*ffcv.File
	rows, asked int
	first       int // of those that were asked for when it was told first
}

func (d *told) WillNeedRows(samples []int, sizes bool) {
	if d.rows == 0 {
		d.first = d.asked
	}
	d.rows += len(samples)
	d.File.WillNeedRows(samples, sizes)
}

func (d *told) Rows(lo, n int, buf []byte) ([]byte, error) {
	d.asked += n
	return d.File.Rows(lo, n, buf)
}

// TestSizesAreReadAhead: New looks at the sizes of all images of a dataset that
// reads its rows; what comes after the first of them it announces, if those are
// alike.
func TestSizesAreReadAhead(t *testing.T) {
	const n, chunk = 10_000, 4096
	for _, odd := range []int{-1, 7} {
		path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "m", Field: fields.RGBImage{Mode: fields.ModeRaw}}}, n, func(i int) []any {
			m := rgb.Image{Width: 2, Height: 2, Pix: make([]byte, 12)}
			if i == odd {
				m = rgb.Image{Width: 1, Height: 2, Pix: make([]byte, 6)}
			}
			return []any{m}
		}, nil)
		ds := &told{File: opening(t, path, 1<<20)}
		l, err := loader.New(ds, &loader.Options{Outputs: []loader.Output{{Name: "m", Decoder: loader.Raw{}}, {Name: "all", Field: "m", Decoder: sized{}}}})
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		wantRows, wantFirst := n-chunk, chunk+1 // one is asked for by itself
		if odd >= 0 {
			wantRows, wantFirst = 0, 0
		}
		if ds.rows != wantRows || ds.first != wantFirst {
			t.Errorf("odd one %d: told of %d rows after %d, want %d after %d", odd, ds.rows, ds.first, wantRows, wantFirst)
		}
	}
}

// sized is a decoder that is told the size of all images.
type sized struct{}

func (sized) BindImage(width, height int) (spec array.Spec, decode func([]byte, rgb.Encoded, *rand.Rand, *rgb.Scratch) error, err error) {
	return array.Spec{DType: array.Uint8, Shape: []int{1}}, func(dst []byte, src rgb.Encoded, _ *rand.Rand, _ *rgb.Scratch) error { return nil }, nil
}
