package rgb_test

import (
	"errors"
	"testing"

	"github.com/betongo/betongo/rgb"
)

// addPictures seeds a fuzz target with every golden file.
func addPictures(f *testing.F) {
	for _, p := range pictures(f) {
		f.Add(p.data)
	}
	f.Add(photo().Data)
}

// kind fails unless err is nil or of this package's two kinds.
func kind(t *testing.T, err error) {
	t.Helper()
	var bad *rgb.InvalidError
	var not *rgb.UnsupportedError
	if err != nil && !errors.As(err, &bad) && !errors.As(err, &not) {
		t.Fatalf("error of type %T: %v", err, err)
	}
}

func FuzzScanJPEG(f *testing.F) {
	addPictures(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		i, err := rgb.ScanJPEG(data)
		kind(t, err)
		if err != nil {
			if i != (rgb.JPEGInfo{}) {
				t.Fatalf("an error with %+v", i)
			}
			return
		}
		if i.Width < 1 || i.Height < 1 || i.Components < 1 || i.Components > 4 || i.Size < 4 || i.Size > len(data) || i.Orientation < 0 || i.Orientation > 8 {
			t.Fatalf("%+v", i)
		}
		if again, err := rgb.ScanJPEG(data[:i.Size]); err != nil || again != i {
			t.Fatalf("without what follows EOI: %+v, %v", again, err)
		}
		if _, w, h, o, err := rgb.ScanImage(data); rgb.Sniff(data) == rgb.JPEG && err == nil && (w != i.Width || h != i.Height || o != i.Orientation && o != 0) {
			t.Fatalf("ScanImage gives %dx%d orientation %d, ScanJPEG %+v", w, h, o, i)
		}
	})
}

func FuzzScanImage(f *testing.F) {
	addPictures(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		format, w, h, o, err := rgb.ScanImage(data)
		kind(t, err)
		if format != rgb.Sniff(data) {
			t.Fatalf("format %q, Sniff says %q", format, rgb.Sniff(data))
		}
		if err == nil && (format == "" || w < 1 || h < 1 || w > rgb.MaxSide || h > rgb.MaxSide || w*h > rgb.MaxPixels || o < 0 || o > 8) {
			t.Fatalf("%q %dx%d orientation %d", format, w, h, o)
		}
	})
}

func FuzzDecode(f *testing.F) {
	addPictures(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		_, w, h, _, err := rgb.ScanImage(data)
		if err != nil || w*h > 1<<16 {
			return
		}
		var s rgb.Scratch // a shared one would make the coverage differ between runs
		var a, b rgb.Image
		err = s.Decode(&a, data)
		kind(t, err)
		if err != nil {
			if a.Pix != nil {
				t.Fatal("an error with pixels")
			}
			return
		}
		if a.Width != w || a.Height != h || len(a.Pix) != 3*w*h {
			t.Fatalf("%dx%d with %d bytes, ScanImage says %dx%d", a.Width, a.Height, len(a.Pix), w, h)
		}
		if err := s.Decode(&b, data); err != nil || string(b.Pix) != string(a.Pix) {
			t.Fatalf("decoded again: %v, or other pixels", err)
		}
		if _, err := s.EncodeJPEG(nil, a, 75); err != nil {
			t.Fatal(err)
		}
	})
}
