package rgb_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/rgb"
)

const jpegDir = "../testdata/jpeg"

// jpegVector is a JPEG with the SHA-256 of Pillow's pixels (vectors.py).
type jpegVector struct {
	Name          string
	Width, Height int
	RGB           string
	data          []byte
}

func jpegVectors(tb testing.TB) (list []jpegVector) {
	tb.Helper()
	readJSON(tb, filepath.Join(jpegDir, "manifest.json"), &list)
	for i := range list {
		var err error
		if list[i].data, err = os.ReadFile(filepath.Join(jpegDir, list[i].Name+".jpg")); err != nil {
			tb.Fatal(err)
		}
	}
	if len(list) < 100 {
		tb.Fatalf("only %d vectors", len(list))
	}
	return list
}

func TestDecodeJPEGAsPillow(t *testing.T) {
	var s rgb.Scratch
	var dst rgb.Image
	for _, v := range jpegVectors(t) {
		if err := s.DecodeJPEG(&dst, v.data); err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		sum := sha256.Sum256(dst.Pix)
		if got := hex.EncodeToString(sum[:]); got != v.RGB || dst.Width != v.Width || dst.Height != v.Height {
			t.Errorf("%s: %dx%d, other pixels than Pillow's", v.Name, dst.Width, dst.Height)
		}
	}
}
