package rgb_test

import (
	"bytes"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/rgb"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// smooth is a picture that JPEG keeps well: slow waves, another in each channel.
func smooth(w, h int) rgb.Image {
	m := rgb.Image{Width: w, Height: h, Pix: make([]byte, 3*w*h)}
	for i := range w * h {
		x, y := i%w, i/w
		m.Pix[3*i] = byte(x * 255 / w)
		m.Pix[3*i+1] = byte(y * 255 / h)
		m.Pix[3*i+2] = byte((x + y) * 255 / (w + h))
	}
	return m
}

func TestEncodeJPEG(t *testing.T) {
	var got rgb.Image
	for _, size := range [][2]int{{64, 48}, {33, 17}, {16, 16}, {17, 1}, {1, 17}, {1, 1}, {500, 3}} {
		src := smooth(size[0], size[1])
		before := bytes.Clone(src.Pix)
		b, err := rgb.EncodeJPEG([]byte("head"), src, 95)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(src.Pix, before) || !bytes.HasPrefix(b, []byte("head\xFF\xD8")) {
			t.Fatalf("%v: the source or dst's start was changed", size)
		}
		b = b[4:]
		info, err := rgb.ScanJPEG(b)
		if err != nil || info.Storable() != nil || info.Width != size[0] || info.Height != size[1] || info.Progressive || info.Components != 3 || info.Size != len(b) {
			t.Fatalf("%v: %+v, %v", size, info, err)
		}
		if err := rgb.DecodeJPEG(&got, b); err != nil {
			t.Fatal(err)
		}
		if most, mean := golden.Distance(got.Pix, src.Pix); min(size[0], size[1]) > 8 && (most > 12 || mean > 2) {
			t.Errorf("%v: at most %d, mean %.2f away", size, most, mean)
		}
		if _, err := jpeg.Decode(bytes.NewReader(b)); err != nil {
			t.Errorf("%v: %v", size, err)
		}
	}
}

// TestEncodeJPEGAsFFCV holds JPEGs to those that FFCV stored for the same
// pixels, of which another of its files has them raw.
func TestEncodeJPEGAsFFCV(t *testing.T) {
	for _, c := range []struct {
		raw, jpeg  string
		n, quality int
	}{{"rgb_raw", "rgb_jpg", 8, 90}, {"rgb_tiny_odd", "rgb_tiny_odd_jpg", 12, 95}} {
		raw, want := stored(c.raw), stored(c.jpeg)
		if len(raw) < c.n || len(want) < c.n {
			t.Fatalf("%s has %d pictures, %s %d; want %d", c.raw, len(raw), c.jpeg, len(want), c.n)
		}
		for i := range c.n {
			img := rgb.Image{Width: raw[i].Width, Height: raw[i].Height, Pix: raw[i].Data}
			got, err := rgb.EncodeJPEG(nil, img, c.quality)
			if err != nil || !bytes.Equal(got, want[i].Data) {
				t.Errorf("%s %d: %d bytes, %v; want FFCV's %d", c.jpeg, i, len(got), err, len(want[i].Data))
			}
		}
	}
}

// TestEncodeJPEGGray checks that gray stays gray, to the bit, at every level.
func TestEncodeJPEGGray(t *testing.T) {
	for _, v := range []byte{0, 1, 100, 128, 254, 255} {
		src := rgb.Image{Width: 32, Height: 16, Pix: bytes.Repeat([]byte{v}, 3*32*16)}
		b, err := rgb.EncodeJPEG(nil, src, 100)
		if err != nil {
			t.Fatal(err)
		}
		var got rgb.Image
		if err := rgb.DecodeJPEG(&got, b); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Pix, src.Pix) {
			t.Errorf("gray %d became %v", v, got.Pix[:3])
		}
	}
}

func TestEncodeJPEGRefuses(t *testing.T) {
	ok := smooth(4, 4)
	for name, c := range map[string]struct {
		img     rgb.Image
		quality int
	}{
		"quality 0":      {ok, 0},
		"quality 101":    {ok, 101},
		"no width":       {rgb.Image{Height: 4}, 90},
		"pixels missing": {rgb.Image{Width: 4, Height: 4, Pix: ok.Pix[:47]}, 90},
		"pixels over":    {rgb.Image{Width: 4, Height: 3, Pix: ok.Pix}, 90},
		"65536 wide":     {rgb.Image{Width: 65536, Height: 1, Pix: make([]byte, 3*65536)}, 90},
		"sizes overflow": {rgb.Image{Width: 1 << 62, Height: 1 << 62}, 90},
	} {
		if b, err := rgb.EncodeJPEG([]byte("x"), c.img, c.quality); err == nil || string(b) != "x" {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
}

// BenchmarkEncodeJPEG encodes photographs, decoded beforehand: those of 500x375
// in the folder that BETONGO_PHOTOS names, 300 at most, or else a smooth picture.
func BenchmarkEncodeJPEG(b *testing.B) {
	const w, h = 500, 375
	list := []rgb.Image{smooth(w, h)}
	files, err := filepath.Glob(filepath.Join(os.Getenv("BETONGO_PHOTOS"), "*", "*.jpg"))
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		if len(list) > 300 {
			break
		}
		data, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		var img rgb.Image
		if rgb.DecodeJPEG(&img, data) == nil && img.Width == w && img.Height == h {
			list = append(list, img)
		}
	}
	if len(list) > 1 {
		list = list[1:]
	}
	var s rgb.Scratch
	var buf []byte
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if buf, err = s.EncodeJPEG(buf[:0], list[i%len(list)], 90); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
