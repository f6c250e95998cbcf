package build_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	img "image"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// detection makes a small COCO: three images, of which the second has nothing on it.
func detection(t *testing.T) build.Recipe {
	t.Helper()
	dir := t.TempDir()
	for i := range 3 {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img.NewGray(img.Rect(0, 0, 40, 20)), nil); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i, ".jpg")), b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	const text = `{"images": [{"id": 1, "file_name": "0.jpg", "width": 40, "height": 20}, {"id": 2, "file_name": "1.jpg", "width": 40, "height": 20},
 {"id": 3, "file_name": "2.jpg", "width": 40, "height": 20}], "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}],
 "annotations": [{"id": 1, "image_id": 1, "category_id": 9, "bbox": [0, 0, 10, 10], "segmentation": [[0, 0, 10, 0, 10, 10]]},
 {"id": 2, "image_id": 3, "category_id": 7, "bbox": [20, 0, 20, 20], "segmentation": [[20, 0, 40, 0, 40, 20]]},
 {"id": 3, "image_id": 1, "category_id": 7, "bbox": [30, 10, 10, 10], "segmentation": [[30, 10, 40, 10, 40, 20]]}]}`
	file := filepath.Join(dir, "instances.json")
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return build.Recipe{COCO: &build.COCO{File: file, Images: dir, Boxes: build.Boxes{Mask: "instance"}}, Writer: build.Writer{PageSize: 2 << 20}}
}

// Boxes come out of a loader as rows of numbers, ragged or followed through a crop.
func TestBoxesLoaded(t *testing.T) {
	f, err := ffcv.Open(direct(t, detection(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := loader.New(f, &loader.Options{BatchSize: 3, Outputs: []loader.Output{
		{Name: "image", Decoder: transform.CenterCrop{Width: 10, Height: 10, Ratio: 1}},
		{Name: "boxes", Item: array.Spec{DType: array.Float32, Shape: []int{5}}, Ragged: true},
		{Name: "seen", Field: "boxes", Decoder: transform.Boxes{Columns: 5, Max: 2}, Follow: "image"},
		{Name: "mask", Decoder: transform.Mask{}, Follow: "image"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for b, err := range l.Epoch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		boxes, seen := b.Output("boxes"), b.Output("seen")
		if got := fmt.Sprint(boxes.Shape, boxes.Offsets, numbersOf(boxes.Data)); got != "[3 5] [0 2 2 3] [0 0 10 10 1 30 10 40 20 0 20 0 40 20 0]" {
			t.Errorf("ragged: %s", got)
		}
		// The crop shows columns 10 to 30, at half the size.
		if got := fmt.Sprint(seen.Shape, numbersOf(seen.Data)); got != "[3 2 5] [-1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 5 0 10 10 0 -1 -1 -1 -1 -1]" {
			t.Errorf("followed: %s", got)
		}
		b.Release()
	}
}

func numbersOf(data []byte) (list []float32) {
	for ; len(data) >= 4; data = data[4:] {
		list = append(list, math.Float32frombits(binary.LittleEndian.Uint32(data)))
	}
	return list
}
