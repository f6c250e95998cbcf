package main

import (
	"testing"

	"github.com/betongo/betongo/testdata/photos"
)

// TestFast holds the fast way to what it measured, less a margin, on the
// photographs that come with the code.
func TestFast(t *testing.T) {
	list, err := find(photos.FS, 168, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		size        int
		median, min float64 // decibels
		seam        float64 // mean difference of the edge to the interior's
	}{
		{224, 50, 45, 1.3},
		{64, 50, 38, 1.3}, // with the DCT scaled for large boxes
	} {
		for _, w := range []*way{ours("marks", c.size, true), ours("no marks", c.size, false)} {
			if err := measure(list, []*way{w}, c.size); err != nil {
				t.Fatal(err)
			}
			seam := w.edge.mean() / w.interior.mean()
			t.Logf("%d pixels, %s: median %.2f dB, min %.2f dB, largest difference %d, seam %.3f", c.size, w.name, w.median(), w.min(), w.largest, seam)
			if w.median() < c.median || w.min() < c.min || seam > c.seam {
				t.Errorf("%d pixels, %s: median %.2f dB, min %.2f dB, seam %.3f; want at least %v and %v, at most %v",
					c.size, w.name, w.median(), w.min(), seam, c.median, c.min, c.seam)
			}
		}
	}
}

// TestCompare checks the measure itself.
func TestCompare(t *testing.T) {
	const size = 8
	var w way
	want, got := make([]byte, 3*size*size), make([]byte, 3*size*size)
	got[0] = 51            // a corner, of 3*(64-16) numbers in the edge
	got[3*(4*size+4)] = 10 // one of 3*16 inside
	w.compare(got, want, size)
	if w.largest != 51 || w.edge.mean() != 51/144. || w.interior.mean() != 10/48. {
		t.Errorf("largest %d, edge %v, interior %v", w.largest, w.edge, w.interior)
	}
	if got, want := w.median(), 36.65; got < want-0.01 || got > want+0.01 {
		t.Errorf("PSNR %.3f, want %.2f", got, want)
	}
}
