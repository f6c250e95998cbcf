package jpeg_test

import (
	"bytes"
	"errors"
	"image"
	stdjpeg "image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/rgb/internal/jpeg"
)

// maxFuzzPixels keeps one run short.
const maxFuzzPixels = 1 << 18

func addVectors(f *testing.F, add func(data []byte)) {
	for i, v := range vectors(f) {
		if i%3 == 0 || i > 90 {
			add(v.data)
		}
	}
}

// kind fails unless err is nil or of the package's two kinds.
func kind(t *testing.T, data []byte, err error) {
	t.Helper()
	var bad *jpeg.Error
	switch {
	case err == nil || errors.Is(err, jpeg.ErrUnsupported):
	case !errors.As(err, &bad):
		t.Fatalf("error of type %T: %v", err, err)
	case bad.Offset < 0 || bad.Offset > len(data):
		t.Fatalf("%d bytes, error at byte %d: %v", len(data), bad.Offset, err)
	}
}

func FuzzDecode(f *testing.F) {
	addVectors(f, func(data []byte) { f.Add(data, uint16(3), uint16(5), uint16(20), uint16(9)) })
	var d, plain jpeg.Decoder
	plain.SetPlain(true)
	f.Fuzz(func(t *testing.T, data []byte, x, y, w, v uint16) {
		h, err := d.Open(data)
		if kind(t, data, err); err != nil || h.Width*h.Height > maxFuzzPixels {
			return
		}
		var whole, second, some jpeg.Planes
		err = d.Decode(&whole)
		kind(t, data, err)
		if _, err := plain.Open(data); err != nil {
			t.Fatal(err)
		}
		again := plain.Decode(&second)
		if (err == nil) != (again == nil) || err != nil && err.Error() != again.Error() {
			t.Fatalf("assembly says %v, Go %v", err, again)
		}
		r := image.Rect(int(x), int(y), int(x)+1+int(w), int(y)+1+int(v)).Intersect(image.Rect(0, 0, h.Width, h.Height))
		if r.Empty() {
			r = image.Rect(0, 0, 1, 1)
		}
		if err != nil {
			kind(t, data, d.Region(r, 1, nil, &some))
			marks, err := jpeg.AppendMarks(nil, data, 1+int(w)%9)
			if kind(t, data, err); err == nil && len(marks) > 0 {
				t.Fatal("a broken stream has marks")
			}
			return
		}
		if sum(&whole) != sum(&second) {
			t.Fatal("assembly and Go give different samples")
		}
		likeStandard(t, data, h, &whole, 40)
		for i, scale := range []int{1, 2, 4, 8} {
			marks, err := jpeg.AppendMarks(nil, data, i*int(w)%9)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Region(image.Rect(0, 0, h.Width, h.Height), scale, nil, &whole); err != nil {
				t.Fatal(err)
			}
			if err := d.Region(r, scale, marks, &some); err != nil {
				t.Fatal(err)
			}
			part(t, "fuzz", h, &some, &whole)
		}
	})
}

// FuzzMarks tries marks that belong to nothing.
func FuzzMarks(f *testing.F) {
	addVectors(f, func(data []byte) {
		if marks, err := jpeg.AppendMarks(nil, data, 2); err == nil && len(marks) > 0 {
			f.Add(data, marks, uint16(3), uint16(20))
			f.Add(data, append([]byte{1, 1}, bytes.Repeat([]byte{0xFF}, 60)...), uint16(30), uint16(20))
		}
	})
	var d, plain jpeg.Decoder
	plain.SetPlain(true)
	f.Fuzz(func(t *testing.T, data, marks []byte, x, y uint16) {
		h, err := d.Open(data)
		if err != nil || h.Width*h.Height > maxFuzzPixels {
			return
		}
		var a, b jpeg.Planes
		r := image.Rect(int(x), int(y), 1<<16, 1<<16)
		err = d.Region(r, 1, marks, &a)
		if r.Min.X >= h.Width || r.Min.Y >= h.Height {
			return
		}
		kind(t, data, err)
		if _, err := plain.Open(data); err != nil {
			t.Fatal(err)
		}
		again := plain.Region(r, 1, marks, &b)
		if (err == nil) != (again == nil) || err == nil && sum(&a) != sum(&b) {
			t.Fatalf("assembly says %v, Go %v, or samples differ", err, again)
		}
	})
}

// likeStandard compares with the standard library's decoder where that takes
// the stream. Its transform rounds elsewhere, more so with coefficients that no
// encoder makes, and clamps elsewhere: blocks that reach black or white are left
// out.
func likeStandard(t *testing.T, data []byte, h *jpeg.Header, p *jpeg.Planes, tolerance int) int {
	t.Helper()
	img, err := stdjpeg.Decode(bytes.NewReader(data))
	if err != nil || endsRuns(data) {
		return 0
	}
	var pix [3][]byte
	var stride [3]int
	switch m := img.(type) {
	case *image.Gray:
		pix[0], stride[0] = m.Pix, m.Stride
	case *image.YCbCr:
		pix, stride = [3][]byte{m.Y, m.Cb, m.Cr}, [3]int{m.YStride, m.CStride, m.CStride}
	default:
		return 0
	}
	compared := 0
	for c := range h.Components {
		for y := 0; y < p.H[c]; y += 8 {
			for x := 0; x < p.W[c]; x += 8 {
				w, v := min(8, p.W[c]-x), min(8, p.H[c]-y)
				most, flat := 0, false
				for j := range v {
					for i := range w {
						a, b := int(p.Pix[c][(y+j)*p.Stride[c]+x+i]), int(pix[c][(y+j)*stride[c]+x+i])
						most = max(most, a-b, b-a)
						flat = flat || min(a, b) == 0 || max(a, b) == 255
					}
				}
				if compared++; most > tolerance && !flat {
					t.Fatalf("component %d, block at %d, %d: differs from image/jpeg by %d", c, x, y, most)
				}
			}
		}
	}
	return compared
}

// endsRuns says whether a table of AC codes may have symbols that end several
// blocks, which only progressive files may use. In others libjpeg, and so this
// package, ends one block there, the standard library the next ones too.
func endsRuns(data []byte) bool {
	for {
		_, rest, found := bytes.Cut(data, []byte{0xFF, 0xC4})
		if !found || len(rest) < 2 {
			return false
		}
		data = rest
		s := rest[2:max(2, min(int(rest[0])<<8|int(rest[1]), len(rest)))]
		for len(s) > 17 {
			n := 17
			for _, c := range s[1:17] {
				n += int(c)
			}
			n = min(n, len(s))
			for _, symbol := range s[17:n] {
				if run := symbol >> 4; s[0] >= 16 && symbol&15 == 0 && run > 0 && run < 15 {
					return true
				}
			}
			s = s[n:]
		}
	}
}

func TestLikeStandard(t *testing.T) {
	var d jpeg.Decoder
	var out jpeg.Planes
	blocks := 0
	for _, v := range vectors(t) {
		if h, err := d.Open(v.data); err == nil {
			if err := d.Decode(&out); err != nil {
				t.Fatal(err)
			}
			blocks += likeStandard(t, v.data, h, &out, 3)
		}
	}
	photos, err := filepath.Glob("../../../testdata/photos/*/*.jpg")
	if err != nil || len(photos) == 0 {
		t.Fatalf("no photos: %v", err)
	}
	for _, name := range photos {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if h, err := d.Open(data); err == nil {
			if err := d.Decode(&out); err != nil {
				t.Fatal(name, err)
			}
			blocks += likeStandard(t, data, h, &out, 3)
		}
	}
	t.Log(blocks, "blocks")
	if blocks < 50000 {
		t.Error("too few")
	}
}
