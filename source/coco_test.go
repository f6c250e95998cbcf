package source_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
)

// jpegOf returns a JPEG of that size.
func jpegOf(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestCOCOMasks compares masks with those of pycocotools, to the pixel.
func TestCOCOMasks(t *testing.T) {
	const dir = "../testdata/records/coco/"
	var want []string
	text, err := os.ReadFile(dir + "masks.json")
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	if err != nil || len(want) < 100 {
		t.Fatal(len(want), err)
	}
	var list struct {
		Images []struct {
			File          string `json:"file_name"`
			Width, Height int
			ID            int64
		}
	}
	if text, err = os.ReadFile(dir + "instances.json"); err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		t.Fatal(err)
	}
	images := t.TempDir()
	for _, m := range list.Images {
		put(t, images, m.File, jpegOf(t, m.Width, m.Height))
	}
	for _, bits := range []int{8, 16} {
		c, err := source.OpenCOCO(t.Context(), dir+"instances.json", images, &source.COCOOptions{
			Boxes: source.BoxOptions{Mask: "instance", MaskBits: bits, Columns: []string{"iscrowd", "label", "category", "area"}}})
		if err != nil {
			t.Fatal(err)
		}
		if c.Len() != len(want) || fmt.Sprint(c.Classes()) != "[car toothbrush]" || len(c.Skipped()) != 0 {
			t.Fatalf("%d images, classes %q, %v left out", c.Len(), c.Classes(), c.Skipped())
		}
		for i := range c.Len() {
			values, key, err := c.Sample(t.Context(), i)
			if err != nil || key != list.Images[i].File || values[3] != list.Images[i].ID {
				t.Fatalf("sample %d: %v, %q, %v", i, values, key, err)
			}
			mask := values[2].(array.Array)
			pix := mask.Data
			if bits == 16 {
				pix = nil
				for b := mask.Data; len(b) > 0; b = b[2:] {
					pix = append(pix, byte(binary.LittleEndian.Uint16(b)))
				}
			}
			if got := fmt.Sprintf("%x", sha256.Sum256(pix)); got != want[i] {
				t.Errorf("mask %d of %dx%d is another one than pycocotools'", i, list.Images[i].Width, list.Images[i].Height)
			}
			row := floats(values[1].([]byte))
			if len(row) != 8 || row[5] != float32(1-i%2) || row[6] != float32([]int{90, 3}[i%2]) || row[2] != float32(list.Images[i].Width) {
				t.Errorf("boxes of %d: %v", i, row)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if _, _, err := c.Sample(t.Context(), 0); err == nil {
			t.Error("a sample after Close")
		}
	}
}

func floats(b []byte) []float32 {
	var list []float32
	for ; len(b) >= 4; b = b[4:] {
		list = append(list, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return list
}

const coco = `{"images": [
 {"id": 5, "file_name": "a/b.jpg", "width": 40, "height": 20},
 {"id": 2, "file_name": "none.jpg", "width": 8, "height": 8}],
"annotations": [
 {"id": 1, "image_id": 5, "category_id": 18, "bbox": [10, 4, 20, 10], "area": 100, "iscrowd": 0, "segmentation": [[10,4,30,4,30,14,10,14]]},
 {"id": 2, "image_id": 5, "category_id": 1, "bbox": [-5, -5, 10, 10], "area": 10, "iscrowd": 0, "segmentation": [[0,0,5,0,5,5,0,5]]},
 {"id": 3, "image_id": 5, "category_id": 1, "bbox": [100, 0, 10, 10], "area": 1, "iscrowd": 0, "segmentation": [[0,0,5,0,5,5,0,5]]},
 {"id": 4, "image_id": 5, "category_id": 1, "bbox": [1, 1, 0, 10], "area": 1, "iscrowd": 0},
 {"id": 6, "image_id": 5, "category_id": 1, "bbox": [0, 0, 40, 20], "area": 800, "iscrowd": 1, "segmentation": {"size": [20, 40], "counts": [0, 800]}}],
"categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}]}`

func TestCOCOBoxes(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "images/a/b.jpg", jpegOf(t, 40, 20))
	put(t, dir, "images/none.jpg", jpegOf(t, 8, 8))
	file := put(t, dir, "instances.json", []byte(coco))
	for _, tt := range []struct {
		opts source.COCOOptions
		want string // boxes of the first image
	}{
		{source.COCOOptions{}, "[10 4 30 14 1 0 0 5 5 0]"},
		{source.COCOOptions{Classes: []string{"dog", "cat", "person"}}, "[10 4 30 14 0 0 0 5 5 2]"},
		{source.COCOOptions{Boxes: source.BoxOptions{Format: "xywh", Columns: []string{}}}, "[10 4 20 10 0 0 5 5]"},
		{source.COCOOptions{Boxes: source.BoxOptions{Format: "cxcywh", Columns: []string{"category"}}}, "[20 9 20 10 18 2.5 2.5 5 5 1]"},
		{source.COCOOptions{Boxes: source.BoxOptions{Columns: []string{"iscrowd", "area"}, MaxResolution: 20}}, "[5 2 15 7 0 25 0 0 2.5 2.5 0 2.5 0 0 20 10 1 200]"},
	} {
		c, err := source.OpenCOCO(t.Context(), file, filepath.Join(dir, "images"), &tt.opts)
		if err != nil {
			t.Errorf("%+v: %v", tt.opts, err)
			continue
		}
		values, key, err := c.Sample(t.Context(), 0)
		if err != nil || key != "a/b.jpg" {
			t.Errorf("%q, %v", key, err)
			continue
		}
		if got := fmt.Sprint(floats(values[1].([]byte))); got != tt.want {
			t.Errorf("%+v: boxes %s, want %s", tt.opts, got, tt.want)
		}
		none, _, err := c.Sample(t.Context(), 1)
		if err != nil || len(none[1].([]byte)) != 0 || none[2] != int64(2) || none[3] != int64(0) {
			t.Errorf("an image without boxes: %v, %v", none, err)
		}
		if got := fmt.Sprint(c.Skipped()); !strings.Contains(got, "annotation 3: the box [100 0 10 10] is outside") || !strings.Contains(got, "annotation 4: a box of 0x10 pixels") {
			t.Errorf("left out: %s", got)
		}
		if size, err := c.SampleSize(t.Context(), 0); err != nil || size != int64(len(jpegOf(t, 40, 20))) {
			t.Errorf("size %d, %v", size, err)
		}
		c.Close()
	}
}

// Smaller things lie above larger ones, crowds below all; a mask shrinks as its image.
func TestCOCOSemantic(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a/b.jpg", jpegOf(t, 40, 20))
	put(t, dir, "none.jpg", jpegOf(t, 8, 8))
	// The third, whose segmentation lies on the image, is left out with its box.
	file := put(t, dir, "instances.json", []byte(strings.ReplaceAll(coco, "18, \"name\": \"dog\"", "18, \"name\": \"dog\", \"x\": [1, {\"]\": null}]")))
	c, err := source.OpenCOCO(t.Context(), file, dir, &source.COCOOptions{Boxes: source.BoxOptions{Mask: "semantic"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	values, _, err := c.Sample(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	count := map[byte]int{}
	for _, v := range values[2].(array.Array).Data {
		count[v]++
	}
	if count[2] != 200 || count[1] != 600 {
		t.Errorf("pixels by number: %v; want 200 of the dog, the rest persons", count)
	}
	if f := c.Fields(); f[2].Name != "mask" || f[2].Field.(fields.Image).DType != array.Uint8 {
		t.Errorf("fields %v", f)
	}
}

func TestCOCORefuses(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a/b.jpg", jpegOf(t, 41, 20))
	replace := func(old, new string) string { return strings.Replace(coco, old, new, 1) }
	first := fmt.Sprint("annotations: id 1 at byte ", strings.Index(coco, `{"id": 1, "image_id"`))
	for i, tt := range []struct{ text, want string }{
		{"", "json text: at byte 0"},
		{"[]", "expected an object"},
		{"{}", `no "images"`},
		{coco[:len(coco)-1], "want ',' or '}' in an object"},
		{replace(`"id": 2, "file_name"`, `"id": 5, "file_name"`), "images: id 5 comes twice, the second time at byte"},
		{replace("none.jpg", "a/b.jpg"), `file_name "a/b.jpg" comes twice, with the ids`},
		{replace("none.jpg", "../x.jpg"), "outside of the folder of images"},
		{replace("none.jpg", "/x.jpg"), "outside of the folder of images"},
		{replace(`"id": 2, "image_id"`, `"id": 1, "image_id"`), "annotations: id 1 comes twice"},
		{replace(`"image_id": 5`, `"image_id": 6`), first + " is on the image 6, which is not among the images"},
		{replace(`"category_id": 18`, `"category_id": 19`), "of the category 19, which is not among the categories"},
		{replace(`"id": 1, "name"`, `"id": 18, "name"`), "categories: id 18 comes twice"},
		{replace(`"person"`, `"dog"`), `"dog" comes twice`},
		{replace(`[10, 4, 20, 10]`, `[10, 4, 20]`), strings.Replace(first, "id 1", "number 0", 1) + ": bbox: 3 numbers"},
		{replace(`[10, 4, 20, 10]`, `[10, 4, 20, NaN]`), "expected a number"},
		{replace(`"width": 40`, `"width": -1`), "width: -1"},
		{replace(`"width": 40, `, ``), "no width"},
		{replace(`"categories"`, `"images": [], "categories"`), `"images" comes twice`},
	} {
		file := put(t, dir, fmt.Sprintf("%d.json", i), []byte(tt.text))
		if c, err := source.OpenCOCO(t.Context(), file, dir, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%d: %v, %v; want an error with %q", i, c, err, tt.want)
		}
	}
	file := put(t, dir, "good.json", []byte(coco))
	for _, tt := range []struct {
		opts source.COCOOptions
		want string
	}{
		{source.COCOOptions{Classes: []string{"dog"}}, `category "person" (id 1) is not among the 1 known classes (dog)`},
		{source.COCOOptions{Boxes: source.BoxOptions{Format: "yxyx"}}, "expected xyxy, xywh or cxcywh"},
		{source.COCOOptions{Boxes: source.BoxOptions{Columns: []string{"x"}}}, `column "x"`},
		{source.COCOOptions{Boxes: source.BoxOptions{Mask: "x"}}, "expected semantic or instance"},
	} {
		if c, err := source.OpenCOCO(t.Context(), file, dir, &tt.opts); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, %v; want an error with %q", tt.opts, c, err, tt.want)
		}
	}
	// Errors of samples.
	for text, want := range map[string]string{
		coco:                                  "image a/b.jpg is 41x20; good.json says 40x20",
		replace(`"width": 40`, `"width": 41`): "runs of an image of 40x20 pixels, the image is 41x20",
		strings.Replace(replace("40", "41"), "[20, 40]", "[20, 41]", 1):                       "runs of 800 pixels in all; an image of 41x20 has 820",
		strings.Replace(replace("40", "41"), "[[10,4,30,4,30,14,10,14]]", "[[10,4,30,4]]", 1): "a polygon of 4 numbers",
	} {
		c, err := source.OpenCOCO(t.Context(), put(t, dir, "good.json", []byte(text)), dir, &source.COCOOptions{Boxes: source.BoxOptions{Mask: "semantic"}})
		if err != nil {
			t.Error(err)
			continue
		}
		if _, _, err := c.Sample(t.Context(), 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want an error with %q", err, want)
		}
		if _, _, err := c.Sample(t.Context(), 1); err == nil {
			t.Error("an image that is not there")
		}
		c.Close()
	}
}

// TestCOCOTruncated opens every beginning of a file.
func TestCOCOTruncated(t *testing.T) {
	dir := t.TempDir()
	for n := range len(coco) {
		if c, err := source.OpenCOCO(t.Context(), put(t, dir, "x.json", []byte(coco[:n])), dir, nil); err == nil {
			t.Errorf("%d of %d bytes open", n, len(coco))
			c.Close()
		}
	}
}

func TestCOCOIdentity(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a/b.jpg", jpegOf(t, 40, 20))
	file := put(t, dir, "x.json", []byte(coco))
	traits := func() string {
		c, err := source.OpenCOCO(t.Context(), file, dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		list, err := c.Identity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		files, err := c.Files(t.Context(), 2, func(k int) int { return k })
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(list, files)
	}
	a := traits()
	if b := traits(); a != b {
		t.Errorf("%s and %s", a, b)
	}
	put(t, dir, "none.jpg", jpegOf(t, 8, 8))
	b := traits()
	put(t, dir, "x.json", []byte(strings.Replace(coco, "100, 0", "101, 0", 1)))
	if c := traits(); a == b || b == c {
		t.Errorf("%s, %s, %s", a, b, c)
	}
}

// TestCOCOMany has so many annotations that they are sorted in a file.
func TestCOCOMany(t *testing.T) {
	dir, temp := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp)
	var b bytes.Buffer
	const n, times = 30000, 3
	b.WriteString(`{"categories": [{"id": 1, "name": "a"}], "annotations": [`)
	for i := range n * times {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id": %d, "image_id": %d, "category_id": 1, "bbox": [0, 0, %d, 1]}`, i, n-1-i%n, 1+i/n)
	}
	b.WriteString(`], "images": [`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id": %d, "file_name": "%d.jpg", "width": 9, "height": 9}`, i, i)
	}
	b.WriteString("]}")
	put(t, dir, "17.jpg", jpegOf(t, 9, 9))
	c, err := source.OpenCOCO(t.Context(), put(t, dir, "x.json", b.Bytes()), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	values, _, err := c.Sample(t.Context(), 17)
	if err != nil {
		t.Fatal(err)
	}
	if got := floats(values[1].([]byte)); !slices.Equal(got, []float32{0, 0, 1, 1, 0, 0, 0, 2, 1, 0, 0, 0, 3, 1, 0}) {
		t.Errorf("boxes %v", got)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func FuzzCOCO(f *testing.F) {
	f.Add([]byte(coco))
	f.Add([]byte(strings.ReplaceAll(coco, "[0, 800]", `"PPo0o0"`)))
	dir := f.TempDir()
	put(f, dir, "a/b.jpg", jpegOf(f, 40, 20))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := source.OpenCOCO(t.Context(), put(t, dir, fmt.Sprint(os.Getpid()), text), dir, &source.COCOOptions{Boxes: source.BoxOptions{Mask: "semantic"}})
		if err != nil {
			return
		}
		defer c.Close()
		for i := range min(c.Len(), 4) {
			if v, _, err := c.Sample(t.Context(), i); err == nil && len(v) != len(c.Fields()) {
				t.Errorf("sample %d: %v", i, v)
			}
		}
	})
}
