package export

import (
	"bytes"
	"image"
	"image/png"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/testdata/photos"
)

// photographs returns decoded pictures.
func photographs(tb testing.TB, n int) []rgb.Raster {
	tb.Helper()
	var list []rgb.Raster
	err := fs.WalkDir(photos.FS, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".jpg") || len(list) == n {
			return err
		}
		b, err := photos.FS.ReadFile(name)
		if err != nil {
			return err
		}
		var p rgb.Image
		if err := rgb.DecodeJPEG(&p, b); err != nil {
			return err
		}
		list = append(list, rgb.Raster{Width: p.Width, Height: p.Height, Channels: 3, Depth: 1, Pix: p.Pix})
		return nil
	})
	if err != nil || len(list) != n {
		tb.Fatalf("%d pictures, want %d: %v", len(list), n, err)
	}
	return list
}

// TestPNG: Go's decoder, another's work, reads the numbers that were written.
func TestPNG(t *testing.T) {
	var e pngEncoder
	for channels := 1; channels <= 4; channels++ {
		for depth := 1; depth <= 2; depth++ {
			for _, size := range [][2]int{{1, 1}, {1, 7}, {5, 1}, {33, 17}} {
				p := rgb.Raster{Width: size[0], Height: size[1], Channels: channels, Depth: depth, Pix: make([]byte, size[0]*size[1]*channels*depth)}
				r := rand.New(rand.NewPCG(1, uint64(channels)))
				for i := range p.Pix {
					p.Pix[i] = byte(i/3) + byte(r.UintN(5))
				}
				b, err := e.encode(p)
				if err != nil {
					t.Fatal(err)
				}
				m, err := png.Decode(bytes.NewReader(b))
				if err != nil {
					t.Fatalf("%d channels of %d bytes: %v", channels, depth, err)
				}
				comparePixels(t, p, m)
			}
		}
	}
	for _, p := range []rgb.Raster{{}, {Width: 1, Height: 1, Channels: 5, Depth: 1, Pix: make([]byte, 5)}, {Width: 2, Height: 1, Channels: 1, Depth: 1, Pix: make([]byte, 1)}} {
		if _, err := e.encode(p); err == nil {
			t.Errorf("%+v: no error", p)
		}
	}
}

// comparePixels compares numbers with those that a PNG's colours tell.
func comparePixels(t *testing.T, p rgb.Raster, m image.Image) {
	t.Helper()
	at := func(x, y, c int) uint32 {
		i := ((y*p.Width+x)*p.Channels + c) * p.Depth
		if p.Depth == 2 {
			return uint32(p.Pix[i]) | uint32(p.Pix[i+1])<<8
		}
		return uint32(p.Pix[i]) * 0x101
	}
	for y := range p.Height {
		for x := range p.Width {
			var got, want [4]uint32
			switch c := m.(type) {
			case *image.NRGBA:
				v := c.NRGBAAt(x, y)
				got = [4]uint32{uint32(v.R) * 0x101, uint32(v.G) * 0x101, uint32(v.B) * 0x101, uint32(v.A) * 0x101}
			case *image.NRGBA64:
				v := c.NRGBA64At(x, y)
				got = [4]uint32{uint32(v.R), uint32(v.G), uint32(v.B), uint32(v.A)}
			default:
				r, g, b, a := m.At(x, y).RGBA()
				got = [4]uint32{r, g, b, a}
			}
			switch p.Channels {
			case 1:
				want = [4]uint32{at(x, y, 0), at(x, y, 0), at(x, y, 0), 0xffff}
			case 2:
				want = [4]uint32{at(x, y, 0), at(x, y, 0), at(x, y, 0), at(x, y, 1)}
			case 3:
				want = [4]uint32{at(x, y, 0), at(x, y, 1), at(x, y, 2), 0xffff}
			case 4:
				want = [4]uint32{at(x, y, 0), at(x, y, 1), at(x, y, 2), at(x, y, 3)}
			}
			if got != want {
				t.Fatalf("%dx%d of %d channels of %d bytes: pixel %d, %d is %x, want %x", p.Width, p.Height, p.Channels, p.Depth, x, y, got, want)
			}
		}
	}
}

func BenchmarkPNG(b *testing.B) {
	list := photographs(b, 8)
	n, out := 0, 0
	for _, p := range list {
		n += len(p.Pix)
	}
	b.Run("by=export", func(b *testing.B) {
		var e pngEncoder
		b.SetBytes(int64(n))
		for range b.N {
			out = 0
			for _, p := range list {
				f, err := e.encode(p)
				if err != nil {
					b.Fatal(err)
				}
				out += len(f)
			}
		}
		b.ReportMetric(float64(out)/float64(n), "ratio")
	})
	b.Run("by=image/png", func(b *testing.B) {
		b.SetBytes(int64(n))
		for range b.N {
			out = 0
			for _, p := range list {
				m := image.NewNRGBA(image.Rect(0, 0, p.Width, p.Height))
				for i := range p.Width * p.Height {
					copy(m.Pix[4*i:], p.Pix[3*i:3*i+3])
					m.Pix[4*i+3] = 255
				}
				var f bytes.Buffer
				e := png.Encoder{CompressionLevel: png.BestSpeed}
				if err := e.Encode(&f, m); err != nil {
					b.Fatal(err)
				}
				out += f.Len()
			}
		}
		b.ReportMetric(float64(out)/float64(n), "ratio")
	})
}
