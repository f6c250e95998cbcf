package source_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/source"
)

// idx returns a file of numbers that count from 0.
func idx(dtype byte, item int, dims ...int) []byte {
	b := []byte{0, 0, dtype, byte(len(dims))}
	n := 1
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, uint32(d))
		n *= d
	}
	for i := range n {
		v := make([]byte, item)
		v[item-1] = byte(i)
		b = append(b, v...)
	}
	return b
}

func TestIDX(t *testing.T) {
	dir := t.TempDir()
	images := put(t, dir, "train-images-idx3-ubyte.gz", zipped(t, idx(8, 1, 5, 2, 3)))
	labels := put(t, dir, "train-labels-idx1-ubyte", idx(8, 1, 5))
	wide := put(t, dir, "wide", idx(0x0c, 4, 5))
	colour := put(t, dir, "colour", idx(8, 1, 5, 2, 1, 3))
	for _, tt := range []struct {
		images, labels string
		opts           source.IDXOptions
		want           []byte // of sample 1
		shape          []int
	}{
		{images, labels, source.IDXOptions{}, []byte{6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10, 10, 11, 11, 11}, []int{2, 3}},
		{images, wide, source.IDXOptions{As: "image"}, []byte{6, 7, 8, 9, 10, 11}, []int{2, 3}},
		{images, wide, source.IDXOptions{As: "ndarray", Transpose: true}, []byte{6, 9, 7, 10, 8, 11}, []int{3, 2}},
		{colour, labels, source.IDXOptions{}, []byte{6, 7, 8, 9, 10, 11}, []int{2, 1}},
		{colour, "", source.IDXOptions{As: "ndarray"}, []byte{6, 7, 8, 9, 10, 11}, []int{2, 1, 3}},
	} {
		x, err := source.OpenIDX(t.Context(), tt.images, tt.labels, &tt.opts)
		if err != nil {
			t.Errorf("%+v: %v", tt, err)
			continue
		}
		values, key, err := x.Sample(t.Context(), 1)
		if err != nil || key != "" || x.Len() != 5 || len(values) != len(x.Fields()) {
			t.Errorf("%+v: %v, %q, %v", tt, values, key, err)
			continue
		}
		var pix []byte
		var shape []int
		switch v := values[0].(type) {
		case rgb.Image:
			pix, shape = v.Pix, []int{v.Height, v.Width}
		case array.Array:
			pix, shape = v.Data, v.Spec.Shape
		}
		if !bytes.Equal(pix, tt.want) || len(shape) != len(tt.shape) || shape[0] != tt.shape[0] || shape[1] != tt.shape[1] {
			t.Errorf("%+v: got %v of %v", tt, pix, shape)
		}
		if tt.labels != "" && values[1] != int64(1) {
			t.Errorf("%+v: label %v", tt, values[1])
		}
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestIDXRefuses(t *testing.T) {
	dir := t.TempDir()
	good := put(t, dir, "good", idx(8, 1, 3, 2, 2))
	labels := put(t, dir, "labels", idx(8, 1, 3))
	huge := []byte{0, 0, 8, 4, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}
	for _, tt := range []struct{ images, labels, want string }{
		{put(t, dir, "empty", nil), "", "begins with"},
		{put(t, dir, "png", []byte("\x89PNG\r\n")), "", "begins with"},
		{put(t, dir, "type", []byte{0, 0, 7, 1, 0, 0, 0, 0}), "", "type 0x07"},
		{put(t, dir, "dims", []byte{0, 0, 8, 9, 0, 0, 0, 0}), "", "9 dimensions"},
		{put(t, dir, "cut", idx(8, 1, 3, 2, 2)[:20]), "", "behind the header"},
		{put(t, dir, "huge", huge), "", "more numbers"},
		{labels, "", "expected images"},
		{put(t, dir, "floats", idx(0x0d, 4, 3, 2, 2)), "", "expected images"},
		{put(t, dir, "flat", idx(8, 1, 3, 0, 2)), "", "images of 2x0"},
		{good, good, "expected labels"},
		{good, put(t, dir, "more", idx(8, 1, 4)), "4 labels"},
	} {
		if x, err := source.OpenIDX(t.Context(), tt.images, tt.labels, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: %v, %v; want an error with %q", tt.images, tt.labels, x, err, tt.want)
		}
	}
	whole := idx(8, 1, 3, 2, 2)
	for n := range whole {
		if _, err := source.OpenIDX(t.Context(), put(t, dir, "t", whole[:n]), "", nil); err == nil {
			t.Errorf("%d of %d bytes open", n, len(whole))
		}
	}
	x, err := source.OpenIDX(t.Context(), good, labels, &source.IDXOptions{Classes: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if _, _, err := x.Sample(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "label 2 is 2") {
		t.Errorf("a label without a class: %v", err)
	}
}

func FuzzIDX(f *testing.F) {
	f.Add(idx(8, 1, 3, 2, 2), idx(8, 1, 3))
	f.Add(idx(8, 1, 2, 2, 1, 3), idx(0x0c, 4, 2))
	f.Add(zipped(f, idx(8, 1, 1, 1, 1)), idx(9, 1, 1))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, images, labels []byte) {
		x, err := source.OpenIDX(t.Context(), put(t, dir, fmt.Sprint("i", os.Getpid()), images), put(t, dir, fmt.Sprint("l", os.Getpid()), labels), nil)
		if err != nil {
			return
		}
		defer x.Close()
		for i := range min(x.Len(), 4) {
			if v, _, err := x.Sample(t.Context(), i); err != nil || len(v) != 2 {
				t.Errorf("sample %d: %v, %v", i, v, err)
			}
		}
	})
}
