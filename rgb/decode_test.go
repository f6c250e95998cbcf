package rgb_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/rgb"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// picture is one file of testdata/rgb/pictures with what Pillow makes of it.
type picture struct {
	File, Format, Mode         string
	Width, Height, Orientation int
	Off                        int    // how far a decoder may be off
	RGB                        string // zlib, base64
	data, pix                  []byte
}

func pictures(tb testing.TB) []picture {
	tb.Helper()
	var list struct{ Pictures []picture }
	readJSON(tb, "../testdata/rgb/pictures.json", &list)
	if len(list.Pictures) < 90 {
		tb.Fatalf("only %d pictures", len(list.Pictures))
	}
	for i := range list.Pictures {
		p := &list.Pictures[i]
		var err error
		if p.data, err = os.ReadFile(filepath.Join("../testdata/rgb/pictures", p.File)); err != nil {
			tb.Fatal(err)
		}
		z, err := zlib.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(p.RGB)))
		if err != nil {
			tb.Fatal(err)
		}
		if p.pix, err = io.ReadAll(z); err != nil {
			tb.Fatal(err)
		}
	}
	return list.Pictures
}

func TestDecodeAsPillow(t *testing.T) {
	var dst rgb.Image
	worst, worstMean := 0, 0.0
	for _, p := range pictures(t) {
		if got := rgb.Sniff(p.data); string(got) != p.Format {
			t.Errorf("%s: Sniff gives %q, want %q", p.File, got, p.Format)
		}
		f, w, h, o, err := rgb.ScanImage(p.data)
		if err != nil || string(f) != p.Format || w != p.Width || h != p.Height || o != p.Orientation {
			t.Errorf("%s: ScanImage gives %s %dx%d orientation %d, %v; want %s %dx%d orientation %d",
				p.File, f, w, h, o, err, p.Format, p.Width, p.Height, p.Orientation)
		}
		if err := rgb.Decode(&dst, p.data); err != nil {
			t.Errorf("%s: %v", p.File, err)
			continue
		}
		if dst.Width != p.Width || dst.Height != p.Height || len(dst.Pix) != len(p.pix) {
			t.Errorf("%s: %dx%d, want %dx%d", p.File, dst.Width, dst.Height, p.Width, p.Height)
			continue
		}
		most, mean := golden.Distance(dst.Pix, p.pix)
		if most > p.Off || mean > 0.3 {
			t.Errorf("%s (%s): differs by at most %d, mean %.3f; want at most %d", p.File, p.Mode, most, mean, p.Off)
		}
		worst, worstMean = max(worst, most), max(worstMean, mean)
	}
	t.Logf("largest difference %d, largest mean %.4f", worst, worstMean)
}

// TestDecodeCutShort cuts every picture at every length: an error of this
// package's kinds or, where the cut took nothing that matters, the picture.
func TestDecodeCutShort(t *testing.T) {
	for _, p := range pictures(t) {
		for n := range p.data {
			dst := rgb.Image{Width: 1, Height: 1, Pix: []byte{7, 8, 9}}
			err := rgb.Decode(&dst, p.data[:n])
			var bad *rgb.InvalidError
			var not *rgb.UnsupportedError
			switch {
			case err == nil && p.Format != "jpeg":
				if most, _ := golden.Distance(dst.Pix, p.pix); most > p.Off {
					t.Fatalf("%s cut at %d of %d: no error, and pixels off by %d", p.File, n, len(p.data), most)
				}
			case err == nil || !errors.As(err, &bad) && !errors.As(err, &not):
				t.Fatalf("%s cut at %d of %d: %v", p.File, n, len(p.data), err)
			case dst.Width != 1 || !bytes.Equal(dst.Pix, []byte{7, 8, 9}):
				t.Fatalf("%s cut at %d: an error left its mark on dst", p.File, n)
			}
			rgb.ScanImage(p.data[:n])
		}
	}
}

func TestSniff(t *testing.T) {
	for head, want := range map[string]rgb.Format{
		"":                         "",
		"\xFF\xD8":                 "",
		"\xFF\xD8\xFF":             rgb.JPEG,
		"\x89PNG\r\n\x1a\n":        rgb.PNG,
		"\x89PNG\n":                "",
		"GIF87a":                   rgb.GIF,
		"GIF89a...":                rgb.GIF,
		"BM":                       rgb.BMP,
		"II*\x00":                  rgb.TIFF,
		"MM\x00*":                  rgb.TIFF,
		"RIFF\x00\x00\x00\x00WEBP": rgb.WebP,
		"RIFF\x00\x00\x00\x00WAVE": "",
		"plain text, or so":        "",
	} {
		if got := rgb.Sniff([]byte(head)); got != want {
			t.Errorf("%q: got %q, want %q", head, got, want)
		}
	}
}

func TestDecodeReusesPixels(t *testing.T) {
	p := pictures(t)[0]
	mem := make([]byte, 0, 3*p.Width*p.Height)
	dst := rgb.Image{Pix: mem}
	if err := rgb.Decode(&dst, p.data); err != nil {
		t.Fatal(err)
	}
	if &dst.Pix[0] != &mem[:1][0] {
		t.Error("pixels are in new memory though the old was large enough")
	}
}

// TestHostileSizes claims large pictures in few bytes.
func TestHostileSizes(t *testing.T) {
	patch := func(name string, at int, with string) []byte {
		b, err := os.ReadFile(filepath.Join("../testdata/rgb/pictures", name))
		if err != nil {
			t.Fatal(err)
		}
		copy(b[at:], with)
		return b
	}
	for name, data := range map[string][]byte{
		"png 60000x4000":    patch("rgb.png", 16, "\x00\x00\xEA\x60\x00\x00\x0F\xA0"),
		"png 2^31 wide":     patch("rgb.png", 16, "\x7F\xFF\xFF\xFF\x7F\xFF\xFF\xFF"),
		"png of no width":   patch("rgb.png", 16, "\x00\x00\x00\x00\x00\x00\x00\x01"),
		"gif 65535x65535":   patch("palette.gif", 6, "\xFF\xFF\xFF\xFF"),
		"bmp 60000x4000":    patch("rgb.bmp", 18, "\x60\xEA\x00\x00\xA0\x0F\x00\x00"),
		"bmp 2^31":          patch("rgb.bmp", 18, "\x00\x00\x00\x80\x00\x00\x00\x80"),
		"bmp of no height":  patch("rgb.bmp", 22, "\x00\x00\x00\x00"),
		"webp of no height": patch("lossy_23x17.webp", 28, "\x00\x00"),
		"tiff elsewhere":    patch("rgb.tiff", 4, "\xFF\xFF\xFF\xFF"),
	} {
		var dst rgb.Image
		if err := rgb.Decode(&dst, data); err == nil {
			t.Errorf("%s: no error", name)
		} else if len(dst.Pix) != 0 {
			t.Errorf("%s: %v, and %d bytes of pixels", name, err, len(dst.Pix))
		}
	}
}
