package jpeg_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"image"
	stdjpeg "image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/rgb/internal/jpeg"
)

// pixels are those of testdata/jpeg/encoded.py.
func pixels(kind string, w, h int) []byte {
	pix := make([]byte, 0, 3*w*h)
	for y := range int64(h) {
		for x := range int64(w) {
			for c := range int64(3) {
				var v int64
				switch kind {
				case "waves":
					if v = x*(3+c) + y*(5-c) + x*y>>3 + 90*c; v&256 != 0 {
						v = 255 - v&255
					}
				case "rough":
					v = (x*2654435761 + y*40503*65537 + c*97) >> 7
					v ^= v >> 9
				case "edges":
					v = (x/3 + y/5 + c) & 1 * 255
				case "flat":
					v = 60 + 70*c
				}
				pix = append(pix, byte(v))
			}
		}
	}
	return pix
}

// TestEncodeAsOpenCV holds files to OpenCV's and Pillow's, with and without
// assembly.
func TestEncodeAsOpenCV(t *testing.T) {
	var list []struct {
		Kind                         string
		Width, Height, Quality, Size int
		SHA256                       string
	}
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "jpeg", "encoded.json"))
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 200 {
		t.Fatalf("only %d files", len(list))
	}
	for _, plain := range []bool{false, true} {
		var e jpeg.Encoder
		e.SetPlain(plain)
		for _, v := range list {
			got, err := e.Append(nil, pixels(v.Kind, v.Width, v.Height), v.Width, v.Height, v.Quality)
			if err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256(got); len(got) != v.Size || hex.EncodeToString(sum[:]) != v.SHA256 {
				t.Errorf("%s of %dx%d, quality %d (plain %v): other bytes than OpenCV's: %d, there are %d", v.Kind, v.Width, v.Height, v.Quality, plain, len(got), v.Size)
			}
		}
	}
}

// TestEncodeSides goes to the longest sides that there are.
func TestEncodeSides(t *testing.T) {
	var e jpeg.Encoder
	for _, size := range []image.Point{{65535, 1}, {1, 65535}, {65520, 3}} {
		b, err := e.Append([]byte("head"), pixels("waves", size.X, size.Y), size.X, size.Y, 80)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := stdjpeg.DecodeConfig(bytes.NewReader(b[4:])); err != nil || c.Width != size.X || c.Height != size.Y {
			t.Errorf("%v: %+v, %v", size, c, err)
		}
		if _, err := stdjpeg.Decode(bytes.NewReader(b[4:])); err != nil {
			t.Errorf("%v: %v", size, err)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, c := range []struct{ n, w, h, q int }{
		{0, 0, 1, 90}, {0, 1, 0, 90}, {3 * 65536, 65536, 1, 90}, {3 * 65536, 1, 65536, 90}, {11, 2, 2, 90}, {13, 2, 2, 90},
		{12, 2, 2, 0}, {12, 2, 2, 101}, {12, -2, -2, 90}, {0, 1 << 62, 1 << 62, 90},
	} {
		var e jpeg.Encoder
		if b, err := e.Append([]byte("x"), make([]byte, c.n), c.w, c.h, c.q); err == nil || string(b) != "x" {
			t.Errorf("%+v: %d bytes, %v", c, len(b), err)
		}
	}
}

// TestEncodeMarks compares the encoder's marks with those that a walk makes.
func TestEncodeMarks(t *testing.T) {
	var e jpeg.Encoder
	if b := e.AppendMarks([]byte("x")); string(b) != "x" {
		t.Errorf("before the first picture: %q", b)
	}
	for _, kind := range []string{"waves", "rough", "edges", "flat"} {
		for _, size := range [][2]int{{1, 1}, {300, 7}, {256, 192}, {500, 375}, {33, 400}} {
			for _, q := range []int{1, 50, 90, 100} {
				data, err := e.Append([]byte("head"), pixels(kind, size[0], size[1]), size[0], size[1], q)
				if err != nil {
					t.Fatal(err)
				}
				want, err := jpeg.AppendMarks([]byte("marks"), data[4:], 0)
				if got := e.AppendMarks([]byte("marks")); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s of %v, quality %d: got %x, want %x (%v)", kind, size, q, got, want, err)
				}
			}
		}
	}
}

func TestEncodeAllocatesNothing(t *testing.T) {
	var e jpeg.Encoder
	pix := pixels("rough", 300, 200)
	b, err := e.Append(nil, pix, 300, 200, 90)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(20, func() { b, _ = e.Append(b[:0], pix, 300, 200, 90) }); n != 0 {
		t.Errorf("%v allocations a picture", n)
	}
}

// FuzzEncode makes pictures of any bytes and size: Go's loops and the assembly
// make the same file, which both decoders read.
func FuzzEncode(f *testing.F) {
	f.Add([]byte("seed"), uint16(17), uint16(9), uint8(90))
	f.Add([]byte{0, 255}, uint16(1), uint16(1), uint8(100))
	f.Add(pixels("edges", 16, 16), uint16(100), uint16(3), uint8(1))
	f.Fuzz(func(t *testing.T, seed []byte, width, height uint16, quality uint8) {
		w, h, q := 1+int(width)%400, 1+int(height)%100, 1+int(quality)%100
		pix := make([]byte, 3*w*h)
		if len(seed) > 0 {
			for n := copy(pix, seed); n < len(pix); n *= 2 {
				copy(pix[n:], pix[:n])
			}
		}
		if len(seed)%2 == 1 {
			rnd := rand.New(rand.NewPCG(uint64(len(seed)), uint64(seed[0])))
			for i := range pix {
				pix[i] += byte(rnd.IntN(1 + int(seed[0])))
			}
		}
		var e, plain jpeg.Encoder
		plain.SetPlain(true)
		got, err := e.Append(nil, pix, w, h, q)
		want, err2 := plain.Append(nil, pix, w, h, q)
		if err != nil || err2 != nil || !bytes.Equal(got, want) {
			t.Fatalf("%dx%d, quality %d: %d bytes, %v; Go's loops make %d, %v", w, h, q, len(got), err, len(want), err2)
		}
		marks, err := jpeg.AppendMarks(nil, got, 0)
		if own := e.AppendMarks(nil); err != nil || !bytes.Equal(own, marks) {
			t.Fatalf("%dx%d, quality %d: the encoder's marks are %x, want %x (%v)", w, h, q, own, marks, err)
		}
		var d jpeg.Decoder
		var planes jpeg.Planes
		header, err := d.Open(got)
		if err == nil {
			err = d.Decode(&planes)
		}
		if err != nil || header.Width != w || header.Height != h {
			t.Fatalf("%dx%d, quality %d: %v", w, h, q, err)
		}
		m, err := stdjpeg.Decode(bytes.NewReader(got))
		if err != nil || m.Bounds() != image.Rect(0, 0, w, h) {
			t.Fatalf("%dx%d, quality %d: image/jpeg: %v", w, h, q, err)
		}
	})
}
