package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

// TestImageField looks at a file of masks and depth maps, sound and damaged.
func TestImageField(t *testing.T) {
	path := filepath.Join(t.TempDir(), "masks.beton")
	w, err := ffcv.Create(path, []ffcv.FieldSpec{
		{Name: "mask", Field: fields.Image{}}, {Name: "depth", Field: fields.Image{Channels: 2, DType: array.Uint16}}, {Name: "n", Field: fields.Int{}},
	}, &ffcv.Options{Plain: true}) // without checksums only decoding finds damage
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	mask := rgb.Raster{Width: 60, Height: 40, Channels: 1, Depth: 1, Pix: make([]byte, 2400)}
	for i := range mask.Pix {
		mask.Pix[i] = byte(i / 777)
	}
	depth := rgb.Raster{Width: 2, Height: 1, Channels: 2, Depth: 2, Pix: []byte("12345678")}
	if err := w.WriteDataset(t.Context(), samples{{mask, depth, int64(7)}}, nil); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"sample":0,"fields":{"mask":{"type":"image","width":60,"height":40,"channels":1,"dtype":"|u1","sha256":"%x"},`+
		`"depth":{"type":"image","width":2,"height":1,"channels":2,"dtype":"<u2","sha256":"%x"},"n":{"type":"int","value":7}}}`+"\n",
		sha256.Sum256(mask.Pix), sha256.Sum256(depth.Pix))
	if code, out, errs := call(t, "dump", "--json", path); code != 0 || out != want {
		t.Errorf("dump --json: %d, %s%s; want %s", code, out, errs, want)
	}
	for _, tt := range []struct{ verb, want string }{
		{"dump", "  mask   image 60x40, 1 of |u1 a pixel, sha256 "},
		{"dump", "  depth  image 2x1, 2 of <u2 a pixel, sha256 "},
		{"info", `{"channels": 2, "dtype": "<u2", "field": "image"}`},
		{"verify", ": sound, 1 sample,"},
	} {
		if code, out, errs := call(t, tt.verb, path); code != 0 || !strings.Contains(out, tt.want) {
			t.Errorf("%s: %d, %s%s; want %q in it", tt.verb, code, out, errs, tt.want)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[ffcv.DefaultPageSize : ffcv.DefaultPageSize+8]) // the mask's first bytes
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := call(t, "verify", path); code != 1 || !strings.Contains(out, `sample 0: field "mask": `) || !strings.Contains(out, " of lz4: ") {
		t.Errorf("verify of damaged lz4: %d, %s", code, out)
	}
}

// samples is a dataset in memory.
type samples [][]any

func (s samples) Len() int { return len(s) }

func (s samples) Sample(_ context.Context, i int) ([]any, string, error) { return s[i], "", nil }
