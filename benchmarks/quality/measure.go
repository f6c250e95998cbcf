package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/betongo/betongo/rgb"
)

// way is a way to render crops, and how far its crops are from the exact ones.
type way struct {
	name   string
	ours   bool
	render func(dst []byte, p *photo) error // into HWC pixels

	psnr           []float64 // a photo each
	largest        int       // difference of a number
	edge, interior sum       // differences of numbers
}

// border is how many of a crop's outermost rows and columns are its edge: a
// seam from decoding too little of a photograph would lie there.
const border = 2

// sum is what a mean is made of.
type sum struct{ total, n float64 }

func (s *sum) add(v float64) { s.total, s.n = s.total+v, s.n+1 }
func (s *sum) mean() float64 { return s.total / max(s.n, 1) }
func (w *way) min() float64  { return slices.Min(w.psnr) }
func (w *way) median() float64 {
	s := slices.Sorted(slices.Values(w.psnr))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// renderer renders as rgb does.
func renderer(t rgb.Target, marks bool) func(dst []byte, p *photo) error {
	s := new(rgb.Scratch)
	return func(dst []byte, p *photo) error {
		src := p.src
		if !marks {
			src.Marks = nil
		}
		return s.Render(dst, src, p.box, false, &t)
	}
}

// ours is the fast way.
func ours(name string, size int, marks bool) *way {
	return &way{name: name, ours: true, render: renderer(rgb.Target{Width: size, Height: size}, marks)}
}

// exact is the reference.
func exact(size int) func(dst []byte, p *photo) error {
	return renderer(rgb.Target{Width: size, Height: size, Exact: true}, false)
}

// measure renders every photo in every way.
func measure(photos []photo, ways []*way, size int) error {
	want, got := make([]byte, 3*size*size), make([]byte, 3*size*size)
	reference := exact(size)
	for i := range photos {
		p := &photos[i]
		if err := reference(want, p); err != nil {
			return fmt.Errorf("%s: exact: %w", p.name, err)
		}
		for _, w := range ways {
			if err := w.render(got, p); err != nil {
				return fmt.Errorf("%s: %s: %w", p.name, w.name, err)
			}
			w.compare(got, want, size)
		}
	}
	return nil
}

// compare adds a crop's differences.
func (w *way) compare(got, want []byte, size int) {
	var square float64
	for i := range got {
		d := max(got[i], want[i]) - min(got[i], want[i])
		square += float64(d) * float64(d)
		w.largest = max(w.largest, int(d))
		y, x := i/3/size, i/3%size
		if min(y, x, size-1-y, size-1-x) < border {
			w.edge.add(float64(d))
		} else {
			w.interior.add(float64(d))
		}
	}
	w.psnr = append(w.psnr, 10*math.Log10(255*255*float64(len(got))/square))
}
