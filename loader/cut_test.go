package loader_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	golden "github.com/betongo/betongo/testdata/ffcv"
	"github.com/betongo/betongo/transform"
)

// TestFaultUnderCollector decodes images whose bytes end behind each page of
// their file, while the collector walks the stack of the fault: assembly that
// reads a map must let it.
func TestFaultUnderCollector(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a mapped file can't be cut short on Windows")
	}
	page := os.Getpagesize()
	faults := map[string]int{}
	for _, name := range []string{"rgb_jpg", "rgb_raw"} {
		whole, err := ffcv.New(ffcv.ReaderAtSource(name, strings.NewReader(string(golden.Bytes(name))), int64(len(golden.Bytes(name)))), nil)
		if err != nil {
			t.Fatal(err)
		}
		image, err := whole.Image(0, whole.FieldIndex("image"))
		if err != nil {
			t.Fatal(err)
		}
		reads := map[string]func(e rgb.Encoded) error{
			"shrink": func(e rgb.Encoded) error {
				return new(rgb.Scratch).LoadCrop(&rgb.Image{}, e, rgb.Rect{W: e.Width, H: e.Height}, e.Width/3, e.Height/2)
			},
			"enlarge": func(e rgb.Encoded) error {
				return new(rgb.Scratch).LoadCrop(&rgb.Image{}, e, rgb.Rect{W: e.Width, H: e.Height}, e.Width*2, e.Height*2)
			},
			"whole": func(e rgb.Encoded) error {
				return new(rgb.Scratch).LoadCrop(&rgb.Image{}, e, rgb.Rect{W: e.Width, H: e.Height}, e.Width, e.Height)
			},
		}
		for what, read := range reads {
			for keep := 0; keep < len(image.Data); keep += page {
				err := faulty(t, image, keep, read)
				var fault *mmap.FaultError
				if errors.As(err, &fault) {
					faults[name+" "+what]++
					if runtime.GOOS == "linux" && (fault.Offset < int64(keep) || fault.Offset >= int64(len(image.Data))) {
						t.Errorf("%s, %s, %d bytes kept: %v", name, what, keep, err)
					}
				} else {
					t.Errorf("%s, %s, %d bytes kept: %v", name, what, keep, err)
				}
			}
		}
	}
	t.Log(faults)
}

// faulty reads an image from a map of which only some bytes are left. What a
// fault interrupts is on the stack while the collector runs.
func faulty(t *testing.T, e rgb.Encoded, keep int, read func(rgb.Encoded) error) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, e.Data, 0o666); err != nil {
		t.Fatal(err)
	}
	m, err := mmap.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := os.Truncate(path, int64(keep)); err != nil {
		t.Fatal(err)
	}
	e.Data = m.Bytes()
	return mmap.Guard(func() error {
		defer debug.FreeOSMemory()
		return read(e)
	})
}

// TestMaxPixels: an image of more pixels can't be loaded.
func TestMaxPixels(t *testing.T) {
	f := open(t, "rgb_jpg")
	image, err := f.Image(0, f.FieldIndex("image"))
	if err != nil {
		t.Fatal(err)
	}
	outs := []loader.Output{{Name: "image", Decoder: transform.CenterCrop{Width: 8, Height: 8}}}
	for most, ok := range map[int]bool{0: true, 1 << 28: true, 1: false, image.Width*image.Height - 1: false} {
		_, err := consume(t.Context(), newLoader(t, f, &loader.Options{BatchSize: 4, Outputs: outs, MaxPixels: most}), math.MaxInt)
		if (err == nil) != ok || !ok && !strings.Contains(err.Error(), "sample 0") {
			t.Errorf("at most %d pixels: %v", most, err)
		}
	}
	if _, err := loader.New(f, &loader.Options{MaxPixels: -1, Outputs: outs}); err == nil {
		t.Error("-1 pixels: no error")
	}
}
