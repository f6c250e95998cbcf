package jpeg_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"image"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/betongo/betongo/rgb/internal/jpeg"
)

const vectorDir = "../../../testdata/jpeg"

// vector is a JPEG with what libjpeg-turbo 2.1.5 makes of it (vectors.py).
type vector struct {
	Name   string
	Planes map[string]string // SHA-256 of all planes by scale
	data   []byte
}

func vectors(tb testing.TB) []vector {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(vectorDir, "manifest.json"))
	if err != nil {
		tb.Fatal(err)
	}
	var v []vector
	if err := json.Unmarshal(b, &v); err != nil {
		tb.Fatal(err)
	}
	for i := range v {
		if v[i].data, err = os.ReadFile(filepath.Join(vectorDir, v[i].Name+".jpg")); err != nil {
			tb.Fatal(err)
		}
	}
	if len(v) < 100 {
		tb.Fatalf("only %d vectors", len(v))
	}
	return v
}

// each runs f with the plain and the assembly decoder.
func each(t *testing.T, f func(t *testing.T, d *jpeg.Decoder)) {
	t.Run("plain", func(t *testing.T) {
		d := new(jpeg.Decoder)
		d.SetPlain(true)
		f(t, d)
	})
	if jpeg.HaveSIMD() {
		t.Run("assembly", func(t *testing.T) { f(t, new(jpeg.Decoder)) })
	}
}

// sum is the hash of the planes' samples.
func sum(p *jpeg.Planes) string {
	h := sha256.New()
	for c := range p.Pix {
		for y := range p.H[c] {
			h.Write(p.Pix[c][y*p.Stride[c]:][:p.W[c]])
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestLibjpegsPlanes(t *testing.T) {
	each(t, func(t *testing.T, d *jpeg.Decoder) {
		var out jpeg.Planes
		for _, v := range vectors(t) {
			h, err := d.Open(v.data)
			if err != nil {
				if !errors.Is(err, jpeg.ErrUnsupported) {
					t.Errorf("%s: %v", v.Name, err)
				}
				t.Logf("%s: %v", v.Name, err)
				continue
			}
			for _, scale := range []int{1, 2, 4, 8} {
				want := v.Planes[strconv.Itoa(scale)]
				if err := d.Region(image.Rect(0, 0, h.Width, h.Height), scale, nil, &out); err != nil {
					t.Errorf("%s at 1/%d: %v", v.Name, scale, err)
				} else if got := sum(&out); want != "" && got != want {
					t.Errorf("%s at 1/%d: other samples than libjpeg's", v.Name, scale)
				}
			}
		}
	})
}

// part fails unless the region is a crop of the whole, samples past the
// picture's edge included.
func part(t *testing.T, name string, h *jpeg.Header, part, whole *jpeg.Planes) {
	t.Helper()
	for c := range h.Components {
		x0 := part.Rect.Min.X / part.Scale / part.SubX[c]
		y0 := part.Rect.Min.Y / part.Scale / part.SubY[c]
		for y := range part.H[c] {
			got := part.Pix[c][y*part.Stride[c]:][:part.W[c]]
			want := whole.Pix[c][(y0+y)*whole.Stride[c]+x0:][:part.W[c]]
			if !bytes.Equal(got, want) {
				t.Fatalf("%s: region %v at 1/%d, component %d, row %d differs from the whole's", name, part.Rect, part.Scale, c, y)
			}
		}
	}
}

func TestRegionIsCropOfWhole(t *testing.T) {
	each(t, func(t *testing.T, d *jpeg.Decoder) {
		rnd := rand.New(rand.NewPCG(1, 2))
		var whole, some jpeg.Planes
		regions := 0
		for _, v := range vectors(t) {
			h, err := d.Open(v.data)
			if err != nil {
				continue
			}
			for i, every := range []int{-1, 0, 1, 3, 4, 1000} {
				scale := 1 << (i % 4)
				var marks []byte
				if every >= 0 {
					if marks, err = jpeg.AppendMarks(nil, v.data, every); err != nil {
						t.Fatal(v.Name, err)
					}
				}
				if err := d.Region(image.Rect(0, 0, h.Width, h.Height), scale, nil, &whole); err != nil {
					t.Fatal(v.Name, err)
				}
				for range 6 {
					x, y := rnd.IntN(h.Width), rnd.IntN(h.Height)
					r := image.Rect(x, y, x+1+rnd.IntN(h.Width-x), y+1+rnd.IntN(h.Height-y))
					if err := d.Region(r, scale, marks, &some); err != nil {
						t.Fatalf("%s %v every %d: %v", v.Name, r, every, err)
					}
					if !r.In(some.Rect) {
						t.Fatalf("%s: asked for %v, got %v", v.Name, r, some.Rect)
					}
					part(t, v.Name, h, &some, &whole)
					regions++
				}
			}
		}
		t.Log(regions, "regions")
	})
}
