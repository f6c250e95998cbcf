package source_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/source"
)

// yoloSet makes a data set and returns its folder.
func yoloSet(t testing.TB, yaml string) string {
	t.Helper()
	dir := t.TempDir()
	if yaml != "" {
		put(t, dir, "data.yaml", []byte(yaml))
	}
	put(t, dir, "images/train/b.jpg", jpegOf(t, 40, 20))
	put(t, dir, "images/train/a/x.jpg", jpegOf(t, 10, 10))
	put(t, dir, "images/train/none.jpg", jpegOf(t, 8, 8))
	put(t, dir, "images/train/notes.txt", []byte("no image"))
	put(t, dir, "images/val/v.jpg", jpegOf(t, 8, 8))
	put(t, dir, "labels/train/b.txt", []byte("1 0.5 0.5 0.5 0.5\r\n\n0 0.05 0.1 0.2 0.4\n1 0.5 0.5 0.5 0.5\n"))
	put(t, dir, "labels/train/a/x.txt", []byte("0 0.1 0.2 0.5 0.2 0.5 0.8 0.1 0.8\n"))
	return dir
}

const yoloYAML = "path: .\ntrain: images/train\nval:\n  - images/val\nnc: 2\nnames:\n  1: dog\n  0: cat\n"

func TestYOLO(t *testing.T) {
	for _, yaml := range []string{
		yoloYAML, "",
		"path: /nowhere/else\nnames: [cat, dog]\n",
		"path: elsewhere\ntrain: ../images/train\nval: ../images/val\nnames: [cat, dog]\n",
	} {
		dir := yoloSet(t, yaml)
		for _, name := range []string{dir, filepath.Join(dir, "data.yaml")} {
			if yaml == "" && name != dir || strings.Contains(yaml, "/nowhere") {
				continue
			}
			y, err := source.OpenYOLO(t.Context(), name, nil)
			if err != nil {
				t.Errorf("%q: %v", yaml, err)
				continue
			}
			if y.Len() != 3 || yaml != "" && fmt.Sprint(y.Classes()) != "[cat dog]" || len(y.Skipped()) != 1 {
				t.Errorf("%q: %d images, classes %q, left aside %v", yaml, y.Len(), y.Classes(), y.Skipped())
			}
			for i, want := range []struct{ key, boxes string }{
				{"images/train/a/x.jpg", "[1 2 5 8 0]"}, {"images/train/b.jpg", "[10 5 30 15 1 0 0 6 6 0]"}, {"images/train/none.jpg", "[]"},
			} {
				values, key, err := y.Sample(t.Context(), i)
				if err != nil || key != want.key || fmt.Sprint(floats(values[1].([]byte))) != want.boxes {
					t.Errorf("%q: sample %d: %q, %v, %v; want %+v", yaml, i, key, values, err, want)
				}
			}
			if err := y.Close(); err != nil {
				t.Error(err)
			}
			if _, _, err := y.Sample(t.Context(), 0); err == nil {
				t.Error("a sample after Close")
			}
		}
	}
}

func TestYOLOMask(t *testing.T) {
	dir := yoloSet(t, yoloYAML)
	y, err := source.OpenYOLO(t.Context(), dir, &source.YOLOOptions{Boxes: source.BoxOptions{Mask: "semantic", Format: "xywh", MaxResolution: 5}})
	if err != nil {
		t.Fatal(err)
	}
	defer y.Close()
	values, _, err := y.Sample(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	mask, count := values[2].(array.Array), 0
	for _, v := range mask.Data {
		count += int(v)
	}
	if fmt.Sprint(mask.Spec.Shape) != "[10 10]" || count != 24 || fmt.Sprint(floats(values[1].([]byte))) != "[0.5 1 2 3 0]" {
		t.Errorf("%v with %d pixels, boxes %v", mask.Spec, count, floats(values[1].([]byte)))
	}
	if _, _, err := y.Sample(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "line 1: a box; masks need polygons") {
		t.Errorf("a mask of a box: %v", err)
	}
}

func TestYOLORefuses(t *testing.T) {
	for _, tt := range []struct {
		yaml string
		opts source.YOLOOptions
		want string
	}{
		{"x", source.YOLOOptions{}, "data.yaml"},
		{"[]", source.YOLOOptions{}, "data.yaml"},
		{" ", source.YOLOOptions{}, "nothing in it"},
		{"nc: 3\nnames: [a, b]\ntrain: images/train", source.YOLOOptions{}, "line 1: nc is 3, there are 2 names"},
		{"names: {0: a, 2: b}\ntrain: images/train", source.YOLOOptions{}, `class "2" of 2; expected 0 to 1`},
		{"train: {a: b}", source.YOLOOptions{}, "train"},
		{"train: photos", source.YOLOOptions{}, `no part of its path is "images"`},
		{"train: images/gone", source.YOLOOptions{}, "not there"},
		{yoloYAML, source.YOLOOptions{Split: "test"}, `no split "test"; data.yaml has train, val`},
		{"", source.YOLOOptions{Split: "../x"}, "expected a name such as train"},
		{yoloYAML, source.YOLOOptions{Classes: []string{"cat"}}, `class 1 is "dog" in `},
		{yoloYAML, source.YOLOOptions{Boxes: source.BoxOptions{Columns: []string{"area"}}}, `column "area"`},
	} {
		if y, err := source.OpenYOLO(t.Context(), yoloSet(t, tt.yaml), &tt.opts); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q %+v: %v, %v; want an error with %q", tt.yaml, tt.opts, y, err, tt.want)
		}
	}
	dir := yoloSet(t, yoloYAML)
	y, err := source.OpenYOLO(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer y.Close()
	for line, want := range map[string]string{
		"2 0.5 0.5 0.1 0.1":            "class 2; there are 2 classes",
		"-1 0.5 0.5 0.1 0.1":           `class "-1"`,
		"0.5 0.5 0.5 0.1 0.1":          `class "0.5"`,
		"0 0.5 0.5 0.1":                "3 numbers behind the class",
		"0 0.5 0.5 0.1 0.1 0.9":        "5 numbers behind the class",
		"0 0.5 0.5 1.5 0.1":            `"1.5"; expected a share`,
		"0 0.5 nan 0.5 0.1":            `"nan"; expected a share`,
		"0 0.5 0.5 0 0.1":              "a box of 0x0.1",
		"0 -0.009 0.5 0.001 0.1":       "a box outside of the image",
		"\x00\x01":                     "class",
		"0 0.5 0.5 0.1 0.1\n1 2 3 4 5": "line 2: ",
	} {
		put(t, dir, "labels/train/b.txt", []byte(line))
		if _, _, err := y.Sample(t.Context(), 1); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "b.txt: line ") {
			t.Errorf("%q: %v; want an error with %q", line, err, want)
		}
	}
}

// TestYOLOTruncated reads every beginning of labels and of a data.yaml, which must not
// end in anything but values or an error.
func TestYOLOTruncated(t *testing.T) {
	dir := yoloSet(t, yoloYAML)
	y, err := source.OpenYOLO(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer y.Close()
	const text = "0 0.1 0.2 0.5 0.2 0.5 0.8 0.1 0.8\n1 0.5 0.5 0.5 0.5\n"
	for n := range len(text) {
		put(t, dir, "labels/train/b.txt", []byte(text[:n]))
		if v, _, err := y.Sample(t.Context(), 1); err == nil && len(v[1].([]byte))%20 != 0 {
			t.Errorf("%d bytes: %v", n, v)
		}
	}
	for n := range len(yoloYAML) {
		put(t, dir, "data.yaml", []byte(yoloYAML[:n]))
		if y, err := source.OpenYOLO(t.Context(), dir, nil); err == nil {
			y.Close()
		}
	}
}

func TestYOLOIdentity(t *testing.T) {
	dir := yoloSet(t, yoloYAML)
	files := func() string {
		y, err := source.OpenYOLO(t.Context(), dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer y.Close()
		list, err := y.Identity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sum, err := y.Files(t.Context(), 1, func(int) int { return 1 })
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(list, sum)
	}
	a := files()
	if b := files(); a != b {
		t.Errorf("%s and %s", a, b)
	}
	put(t, dir, "labels/train/b.txt", []byte("1 0.5 0.5 0.5 0.5\n"))
	b := files()
	if err := os.Remove(filepath.Join(dir, "images/train/none.jpg")); err != nil {
		t.Fatal(err)
	}
	if c := files(); a == b || b == c {
		t.Errorf("%s, %s, %s", a, b, c)
	}
}

func FuzzYOLO(f *testing.F) {
	f.Add([]byte("1 0.5 0.5 0.5 0.5\n0 0.1 0.2 0.5 0.2 0.5 0.8 0.1 0.8\n"), []byte(yoloYAML))
	f.Add([]byte("0 0.1 0.2 0.5 0.2 0.5 0.8\n"), []byte("names: [a]\nkpt_shape: [17, 3]\n"))
	dir := yoloSet(f, "")
	f.Fuzz(func(t *testing.T, labels, yaml []byte) {
		dir := filepath.Join(dir, fmt.Sprint(os.Getpid()))
		if _, err := os.Stat(dir); err != nil {
			put(t, dir, "images/train/b.jpg", jpegOf(t, 40, 20))
		}
		put(t, dir, "data.yaml", yaml)
		put(t, dir, "labels/train/b.txt", labels)
		y, err := source.OpenYOLO(t.Context(), dir, &source.YOLOOptions{Boxes: source.BoxOptions{Mask: "semantic", MaskBits: 16}})
		if err != nil {
			return
		}
		defer y.Close()
		if y.Len() != 1 { // it names another folder
			return
		}
		if v, _, err := y.Sample(t.Context(), 0); err == nil && len(v[1].([]byte))%20 != 0 {
			t.Errorf("%q: %v", labels, v)
		}
	})
}

// A data.yaml in a store says where the data set was on somebody's machine; of this
// one nothing is read.
func TestYOLOFar(t *testing.T) {
	dir := yoloSet(t, "")
	put(t, dir, "data.yaml", []byte("path: "+filepath.ToSlash(dir)+"\ntrain: images/train\nnames: [cat, dog]\n"))
	y, err := source.OpenYOLO(t.Context(), "mem:///data.yaml", &source.YOLOOptions{Store: shelf{dir}})
	if err != nil {
		t.Fatal(err)
	}
	defer y.Close()
	for i := range y.Len() {
		values, key, err := y.Sample(t.Context(), i)
		if err != nil || !strings.HasPrefix(key, "images/train/") {
			t.Fatalf("sample %d, %q: %v", i, key, err)
		}
		if _, ok := values[0].([]byte); !ok {
			t.Errorf("sample %d: image is a %T, want the object's bytes", i, values[0])
		}
	}
}
