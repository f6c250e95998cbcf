package fields_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

// TestMaxPixels: a picture that is too large is refused by its header.
func TestMaxPixels(t *testing.T) {
	photo := read(t, "420_23x17.jpg")
	bomb := []byte("BM\x36\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x00\x7d\x00\x00\x00\x7d\x00\x00\x01\x00\x18\x00" + strings.Repeat("\x00", 24)) // 32000x32000
	meta, place := make([]byte, 32), make([]byte, 1<<16)
	at := fields.At{Alloc: func(size int) (uint64, []byte, error) { return 1, place[:size], nil }}
	for _, tt := range []struct {
		most  int
		value any
		ok    bool
	}{
		{0, photo, true}, {23 * 17, photo, true}, {23*17 - 1, photo, false}, {23*17 - 1, file(t, photo), false},
		{23*17 - 1, rgb.Encoded{JPEG: true, Width: 23, Height: 17, Data: photo}, false}, {23 * 17, rgb.Encoded{JPEG: true, Width: 23, Height: 17, Data: photo}, true},
		{5, rgb.Image{Width: 2, Height: 3, Pix: make([]byte, 18)}, false}, {6, rgb.Image{Width: 2, Height: 3, Pix: make([]byte, 18)}, true},
		{-1, photo, false}, {0, bomb, false}, {1 << 20, bomb, false},
	} {
		got := testing.AllocsPerRun(1, func() {
			if err := (fields.RGBImage{MaxPixels: tt.most}).Encode(meta[:13], tt.value, at); (err == nil) != tt.ok {
				t.Errorf("%T, at most %d pixels: %v", tt.value, tt.most, err)
			}
		})
		if got > 1000 {
			t.Errorf("%v allocations", got)
		}
	}
}

// TestImageMaxPixels: the same of pictures that must not change by a bit.
func TestImageMaxPixels(t *testing.T) {
	picture := image.NewGray(image.Rect(5, 5, 8, 7)) // 3x2
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	bomb := bytes.Clone(b.Bytes()) // of its 6 pixels, it says 8000x8000
	binary.BigEndian.PutUint32(bomb[16:], 8000)
	binary.BigEndian.PutUint32(bomb[20:], 8000)
	binary.BigEndian.PutUint32(bomb[29:], crc32.ChecksumIEEE(bomb[12:29]))
	raster := rgb.Raster{Width: 3, Height: 2, Channels: 1, Depth: 1, Pix: make([]byte, 6)}
	numbers := array.Array{Spec: array.Spec{DType: array.Uint8, Shape: []int{2, 3}}, Data: make([]byte, 6)}
	meta := make([]byte, 24)
	at := fields.At{Alloc: func(size int) (uint64, []byte, error) { return 1, make([]byte, size), nil }}
	for _, value := range []any{raster, numbers, picture, b.Bytes(), file(t, b.Bytes())} {
		for most, ok := range map[int]bool{0: true, 6: true, 7: true, 5: false, 1: false, -1: false} {
			err := fields.Image{MaxPixels: most, MaxResolution: 2}.Encode(meta, value, at)
			if (err == nil) != ok || most > 0 && err != nil && !errors.Is(err, fields.ErrValue) {
				t.Errorf("%T, at most %d pixels: %v", value, most, err)
			}
		}
	}
	if err := (fields.Image{MaxPixels: 1 << 20}).Encode(meta, bomb, at); !errors.Is(err, fields.ErrValue) || !strings.Contains(err.Error(), "8000x8000") {
		t.Errorf("a picture that says it is large: %v", err)
	}
}

// TestImageFileWithoutEnd: a file that is no image isn't read to its end.
func TestImageFileWithoutEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse.jpg")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(1 << 40); err != nil {
		t.Skip("no file of a terabyte:", err)
	}
	f.Close()
	at := fields.At{Alloc: func(size int) (uint64, []byte, error) { return 1, make([]byte, size), nil }}
	if err := (fields.RGBImage{}).Encode(make([]byte, 13), fields.Path(path), at); err == nil {
		t.Error("no error")
	}
	for _, name := range []string{"/dev/zero", t.TempDir()} {
		if err := (fields.RGBImage{}).Encode(make([]byte, 13), fields.Path(name), at); err == nil || !strings.Contains(err.Error(), name) && os.PathSeparator == '/' {
			t.Errorf("%s: %v", name, err)
		}
		if err := (fields.Bytes{}).Encode(make([]byte, 16), fields.Path(name), at); err == nil || !strings.Contains(err.Error(), name) && os.PathSeparator == '/' {
			t.Errorf("%s: %v", name, err)
		}
	}
}
