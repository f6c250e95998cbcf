package resize_test

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/rgb/internal/resize"
)

const testdata = "../../../testdata"

func readJSON(tb testing.TB, path string, v any) {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(testdata, path))
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
}

// noise is the picture of that name in testdata/resize/generate.py.
func noise(w, h int) []byte {
	pix := make([]byte, 3*w*h)
	for i := range pix {
		v := (uint32(i) + uint32(w)*7919) * 2654435761
		v ^= v >> 15
		v *= 2246822519
		pix[i] = byte(v >> 24)
	}
	return pix
}

// steps is the picture of that name in testdata/resize/generate.py.
func steps(w, h int) []byte {
	pix := make([]byte, 3*w*h)
	for i := range pix {
		x, y, c := i/3%w, i/3/w, i%3
		pix[i] = byte(((x+3*c)/7 + y/5) % 2 * 255)
	}
	return pix
}

// apart is the largest distance between two pictures, and the share of bytes
// that differ.
func apart(a, b []byte) (most int, share float64) {
	if len(a) != len(b) {
		return 256, 1
	}
	n := 0
	for i := range a {
		if d := int(a[i]) - int(b[i]); d != 0 {
			most, n = max(most, d, -d), n+1
		}
	}
	return most, float64(n) / float64(len(a))
}

// TestPackedGolden holds packed pictures to Pillow's and OpenCV's.
func TestPackedGolden(t *testing.T) {
	for _, test := range []struct {
		file   string
		filter resize.Filter
	}{{"bilinear", resize.Bilinear}, {"area", resize.Area}} {
		var golden struct {
			Made  string
			Cases []struct {
				Source string
				Size   [2]int // width, height
				Crop   [4]int // x, y, w, h
				Out    [2]int
				Pixels []byte
			}
		}
		readJSON(t, "resize/"+test.file+".json", &golden)
		if len(golden.Cases) < 20 {
			t.Fatalf("%s: only %d cases", test.file, len(golden.Cases))
		}
		var differ, all float64
		for _, c := range golden.Cases {
			w, h := c.Size[0], c.Size[1]
			pix := map[string]func(w, h int) []byte{"noise": noise, "steps": steps}[c.Source](w, h)
			src := resize.Plane{Pix: pix, Stride: 3 * w, W: w, H: h}
			crop := resize.Crop{X: float64(c.Crop[0]), Y: float64(c.Crop[1]), W: float64(c.Crop[2]), H: float64(c.Crop[3])}
			target := resize.Target{Width: c.Out[0], Height: c.Out[1]}
			for _, plain := range []bool{false, true} {
				got := make([]byte, target.Size())
				if err := resize.New(plain).Packed(got, &src, crop, &target, test.filter); err != nil {
					t.Fatal(err)
				}
				most, share := apart(got, c.Pixels)
				if most > 1 {
					t.Errorf("%s: %s %v, %v to %v: %d levels from %s", test.file, c.Source, c.Size, c.Crop, c.Out, most, golden.Made)
				}
				differ += share * float64(len(got))
				all += float64(len(got))
			}
		}
		t.Logf("%s: %.2f %% of bytes are a level from %s", test.file, 100*differ/all, golden.Made)
	}
}

// stored is the pixels of the raw pictures in one of FFCV's files, whose first
// field they are: width, height, bytes.
func stored(tb testing.TB, name string, itemSize int) []resize.Plane {
	tb.Helper()
	f, err := os.Open(filepath.Join(testdata, "ffcv", name+".beton.gz"))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		tb.Fatal(err)
	}
	le := binary.LittleEndian
	out := make([]resize.Plane, le.Uint64(b[8:]))
	for i := range out {
		m := b[24+1041*int(le.Uint16(b[2:]))+i*itemSize:]
		w, h, at := int(le.Uint16(m[1:])), int(le.Uint16(m[3:])), le.Uint64(m[5:])
		out[i] = resize.Plane{Pix: b[at:][:3*w*h], Stride: 3 * w, W: w, H: h}
	}
	return out
}

// TestPackedFFCV holds packed pictures to what FFCV's own crop and resize gave.
func TestPackedFFCV(t *testing.T) {
	var manifest struct {
		ItemSize int `json:"sample_itemsize"`
	}
	readJSON(t, "ffcv/rgb_raw.json", &manifest)
	var cases []struct {
		Npy, Why string
		Sample   int
		Crop     [4]float64 `json:"crop_row_col_h_w"`
		Out      [2]int     `json:"out_h_w"`
	}
	readJSON(t, "ffcv/resize.json", &cases)
	if len(cases) < 17 {
		t.Fatalf("only %d cases", len(cases))
	}
	src := stored(t, "rgb_raw", manifest.ItemSize)
	z := resize.New(false)
	for _, c := range cases {
		crop := resize.Crop{Y: c.Crop[0], X: c.Crop[1], H: c.Crop[2], W: c.Crop[3]}
		target := resize.Target{Width: c.Out[1], Height: c.Out[0]}
		got := make([]byte, target.Size())
		if err := z.Packed(got, &src[c.Sample], crop, &target, resize.Area); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(testdata, "ffcv", c.Npy))
		if err != nil {
			t.Fatal(err)
		}
		most, share := apart(got, b[10+int(binary.LittleEndian.Uint16(b[8:])):])
		if most > 1 {
			t.Errorf("%s (%s): %d levels apart", c.Npy, c.Why, most)
		}
		t.Logf("%s (%s): %.2f %% of bytes a level apart", c.Npy, c.Why, 100*share)
	}
}
