package splice_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"bytes"
	"errors"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/label"
	"github.com/betongo/betongo/splice"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// birds writes a small file and opens it.
func birds(path string, names ...string) *ffcv.File {
	w, err := ffcv.Create(path, []ffcv.FieldSpec{{Name: "name", Field: fields.Bytes{}}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	err = w.WriteStream(context.Background(), func(yield func(ffcv.Sample, error) bool) {
		for _, name := range names {
			if !yield(ffcv.Sample{Values: []any{[]byte(name)}}, nil) {
				return
			}
		}
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	return mustOpen(path)
}

func mustOpen(path string) *ffcv.File {
	f, err := ffcv.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	return f
}

func show(path string) {
	f := mustOpen(path)
	defer f.Close()
	var names []string
	for i := range f.Len() {
		name, err := f.BytesValue(i, 0)
		if err != nil {
			log.Fatal(err)
		}
		names = append(names, string(name))
	}
	fmt.Println(strings.Join(names, " "))
}

func ExampleMerge() {
	dir, err := os.MkdirTemp("", "birds")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	a := birds(filepath.Join(dir, "a.beton"), "owl", "wren")
	defer a.Close()
	b := birds(filepath.Join(dir, "b.beton"), "heron", "tit")
	defer b.Close()

	path := filepath.Join(dir, "all.beton")
	if _, err := splice.Merge(context.Background(), path, []*ffcv.File{a, b}, nil); err != nil {
		log.Fatal(err)
	}
	show(path)
	// Output: owl wren heron tit
}

func ExampleSubset() {
	dir, err := os.MkdirTemp("", "birds")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	f := birds(filepath.Join(dir, "a.beton"), "owl", "wren", "heron", "tit")
	defer f.Close()

	path := filepath.Join(dir, "some.beton")
	if _, err := splice.Subset(context.Background(), path, f, splice.Selection{Indices: []int{3, 0}}, nil); err != nil {
		log.Fatal(err)
	}
	show(path)
	// Output: tit owl
}

func ExampleSplit() {
	dir, err := os.MkdirTemp("", "birds")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	f := birds(filepath.Join(dir, "a.beton"), "owl", "wren", "heron", "tit")
	defer f.Close()

	train, val := filepath.Join(dir, "train.beton"), filepath.Join(dir, "val.beton")
	parts := []splice.Part{{Path: train, Share: 0.75}, {Path: val, Share: 0.25}}
	if _, err := splice.Split(context.Background(), f, parts, nil); err != nil {
		log.Fatal(err)
	}
	show(train)
	show(val)
	// Output:
	// owl wren heron
	// tit
}

func ExampleAdd() {
	dir, err := os.MkdirTemp("", "birds")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	f := birds(filepath.Join(dir, "a.beton"), "owl", "wren")
	defer f.Close()

	grams := []float64{480, 9}
	weight := splice.Column{Name: "weight", Field: fields.Float{}, Len: len(grams), At: func(i int) (any, error) { return grams[i], nil }}
	path := filepath.Join(dir, "wide.beton")
	if _, err := splice.Add(context.Background(), path, f, []splice.Column{weight}, nil); err != nil {
		log.Fatal(err)
	}
	wide := mustOpen(path)
	defer wide.Close()
	g, err := wide.Float(1, wide.FieldIndex("weight"))
	fmt.Println(g, err)
	// Output: 9 <nil>
}

// cats writes a file of names and labels and opens it.
func cats(path string) *ffcv.File {
	specs := []ffcv.FieldSpec{{Name: "name", Field: fields.Bytes{}}, {Name: "label", Field: fields.Int{}}}
	w, err := ffcv.Create(path, specs, &ffcv.Options{Classes: []string{"tabby", "dog", "siamese"}})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	err = w.WriteStream(context.Background(), func(yield func(ffcv.Sample, error) bool) {
		for i, name := range []string{"Tom", "Rex", "Mia", "Tib", "Bob", "Sia"} {
			if !yield(ffcv.Sample{Values: []any{[]byte(name), i % 3}}, nil) {
				return
			}
		}
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	return mustOpen(path)
}

// list is a dataset of names.
type list []string

func (l list) Len() int { return len(l) }

func (l list) Sample(_ context.Context, i int) ([]any, string, error) {
	return []any{[]byte(l[i])}, "", nil
}

func ExampleAppend() {
	dir, err := os.MkdirTemp("", "birds")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "a.beton")
	f := birds(path, "owl", "wren")
	defer f.Close()

	opts := &splice.AppendOptions{Options: splice.Options{Overwrite: true}} // at the end, when all is well
	if _, err := splice.Append(context.Background(), path, f, list{"heron"}, opts); err != nil {
		log.Fatal(err)
	}
	show(path)
	// Output: owl wren heron
}

func ExampleDiff() {
	dir, err := os.MkdirTemp("", "birds")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	a := birds(filepath.Join(dir, "a.beton"), "owl", "wren", "tit")
	defer a.Close()
	b := birds(filepath.Join(dir, "b.beton"), "owl", "heron")
	defer b.Close()

	r, err := splice.Diff(context.Background(), a, b, &splice.DiffOptions{Report: func(d splice.Difference) {
		fmt.Println(d.What, d.Field, d.Sample)
	}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Differing, "of", r.Samples, "differ,", r.OnlyA, "only in the first file")
	// Output:
	// number of samples  [-1 -1]
	// value name [1 1]
	// sample  [2 -1]
	// 1 of 2 differ, 1 only in the first file
}

func ExampleRemap() {
	dir, err := os.MkdirTemp("", "cats")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	f := cats(filepath.Join(dir, "a.beton"))
	defer f.Close()

	rules, err := label.ParseMapping("tabby=cat, siamese=cat")
	if err != nil {
		log.Fatal(err)
	}
	m, err := label.NewMapping(rules, f.Classes())
	if err != nil {
		log.Fatal(err)
	}
	path := filepath.Join(dir, "two.beton")
	opts := &splice.RemapOptions{Field: f.FieldIndex("label"), Label: m.Label, Classes: m.Classes()}
	if _, err := splice.Remap(context.Background(), path, f, opts); err != nil {
		log.Fatal(err)
	}
	two := mustOpen(path)
	defer two.Close()
	labels, err := splice.Labels(context.Background(), two, two.FieldIndex("label"))
	fmt.Println(two.Classes(), labels, err)
	// Output: [cat dog] [0 1 0 0 1 0] <nil>
}

// Numbers of samples, for a loader's Indices, instead of files: one half of each
// class, and the other.
func ExampleDivide() {
	dir, err := os.MkdirTemp("", "cats")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	f := cats(filepath.Join(dir, "a.beton"))
	defer f.Close()

	opts := &splice.SplitOptions{ByClass: true, Field: f.FieldIndex("label")}
	parts, err := splice.Divide(context.Background(), f, []float64{1, 1}, opts)
	fmt.Println(parts, err)
	// Output: [[0 1 2] [3 4 5]] <nil>
}

// A file of the original FFCV gets checksums, and checkpoints of its JPEGs.
func ExampleSeal() {
	dir, err := os.MkdirTemp("", "seal")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "photos.beton")
	if err := os.WriteFile(path, golden.Bytes("rgb_jpg"), 0o666); err != nil {
		log.Fatal(err)
	}
	f := mustOpen(path)
	defer f.Close()
	fmt.Println("checksums:", f.Verifiable() == nil)

	if _, err := splice.Seal(context.Background(), filepath.Join(dir, "sealed.beton"), f, nil); err != nil {
		log.Fatal(err)
	}
	sealed := mustOpen(filepath.Join(dir, "sealed.beton"))
	defer sealed.Close()
	fmt.Println("checksums:", sealed.Verifiable() == nil)

	// Where there is no room for a second file: into the file itself.
	if _, err := splice.SealInPlace(context.Background(), path, nil); err != nil {
		log.Fatal(err)
	}
	_, err = splice.SealInPlace(context.Background(), path, nil)
	fmt.Println(errors.Is(err, splice.ErrSealed))
	// Output:
	// checksums: false
	// checksums: true
	// true
}

// The samples of a damaged file that are whole.
func ExampleRepair() {
	dir, err := os.MkdirTemp("", "birds")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path, clean := filepath.Join(dir, "a.beton"), filepath.Join(dir, "clean.beton")
	birds(path, "owl", "wren", "tit").Close()
	b, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	b[bytes.Index(b, []byte("wren"))] ^= 1
	if err := os.WriteFile(path, b, 0o666); err != nil {
		log.Fatal(err)
	}

	r, err := splice.Repair(context.Background(), path, &splice.RepairOptions{Output: clean})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(r.Damaged), "of", r.Samples, "damaged")
	show(clean)
	// Output:
	// 1 of 3 damaged
	// owl tit
}
