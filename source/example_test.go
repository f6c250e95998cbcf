package source_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"encoding/binary"
	"errors"
	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/hdf5"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/testdata/photos"
	"testing"
)

func ExampleOpenTable() {
	dir, err := os.MkdirTemp("", "table")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "birds.csv")
	if err := os.WriteFile(path, []byte("song,weight\n\"chirp, chirp\",0.04\ncoo,0.3\n"), 0o666); err != nil {
		log.Fatal(err)
	}

	var specs []source.Spec
	for _, text := range []string{"weight=float", "text=bytes:column=song,inline=true"} {
		s, err := source.ParseSpec(text, fields.RGBImage{})
		if err != nil {
			log.Fatal(err)
		}
		specs = append(specs, s)
	}
	t, err := source.OpenTable(context.Background(), path, specs, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	for i := range t.Len() {
		values, _, err := t.Sample(context.Background(), i)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%v %s\n", values[0], values[1])
	}
	// Output:
	// 0.04 chirp, chirp
	// 0.3 coo
}

func ExampleOpenFolder() {
	folder, err := source.OpenFolder(context.Background(), "../testdata/photos", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer folder.Close()
	values, key, err := folder.Sample(context.Background(), 0)
	if err != nil {
		log.Fatal(err)
	}
	label := values[1].(int64)
	fmt.Println(folder.Len(), "photographs;", key, "is", folder.Classes()[label], label)
	// Output: 42 photographs; animal/chelsea_1.jpg is animal 0
}

// Row i of each array is a value of sample i.
func ExampleOpenArrays() {
	dir, err := os.MkdirTemp("", "arrays")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	x, err := array.Of([]float32{0, 1, 2, 3, 4, 5}, 3, 2)
	if err != nil {
		log.Fatal(err)
	}
	y, err := array.Of([]int64{0, 1, 0})
	if err != nil {
		log.Fatal(err)
	}
	paths := map[string]string{"x": filepath.Join(dir, "x.npy"), "y": filepath.Join(dir, "y.npy")}
	if err := errors.Join(npy.Save(paths["x"], x.Strided(), nil), npy.Save(paths["y"], y.Strided(), nil)); err != nil {
		log.Fatal(err)
	}

	a, err := source.OpenArrays([]source.Spec{
		{Field: source.Field{Name: "x"}, File: paths["x"]},
		{Field: source.Field{Name: "y"}, File: paths["y"]},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	for _, f := range a.Fields() {
		fmt.Printf("%s %T\n", f.Name, f.Field)
	}
	values, _, err := a.Sample(context.Background(), 1)
	fmt.Println(values[1], err)
	// Output:
	// x fields.NDArray
	// y fields.Int
	// 1 <nil>
}

func ExampleOpenCIFAR() {
	dir, err := os.MkdirTemp("", "cifar")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	record := make([]byte, 1+3*32*32) // a label, then red, green and blue
	record[0] = 2
	path := filepath.Join(dir, "data_batch_1.bin")
	if err := os.WriteFile(path, record, 0o666); err != nil {
		log.Fatal(err)
	}

	c, err := source.OpenCIFAR(context.Background(), []string{path}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	values, key, err := c.Sample(context.Background(), 0)
	fmt.Println(c.Len(), key, values[1], err)
	// Output: 1 data_batch_1.bin:0 2 <nil>
}

// MNIST's format: a file of images, and one of their labels.
func ExampleOpenIDX() {
	dir, err := os.MkdirTemp("", "idx")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	images, labels := filepath.Join(dir, "images-idx3-ubyte"), filepath.Join(dir, "labels-idx1-ubyte")
	err = errors.Join(
		os.WriteFile(images, []byte{0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 10, 20, 30, 40}, 0o666),
		os.WriteFile(labels, []byte{0, 0, 8, 1, 0, 0, 0, 1, 7}, 0o666),
	)
	if err != nil {
		log.Fatal(err)
	}

	x, err := source.OpenIDX(context.Background(), images, labels, &source.IDXOptions{As: "ndarray"})
	if err != nil {
		log.Fatal(err)
	}
	defer x.Close()
	values, _, err := x.Sample(context.Background(), 0)
	fmt.Println(values[1], err)
	// Output: 7 <nil>
}

// boxes returns what a sample's boxes say: left, top, right, bottom and label each.
func boxes(value any) []float32 {
	b := value.([]byte)
	list := make([]float32, len(b)/4)
	if _, err := binary.Decode(b, binary.LittleEndian, list); err != nil {
		log.Fatal(err)
	}
	return list
}

func ExampleOpenCOCO() {
	dir, err := os.MkdirTemp("", "coco")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "instances.json")
	text := `{"images": [{"id": 5, "file_name": "animal/chelsea_1.jpg", "width": 451, "height": 300}],
		"categories": [{"id": 17, "name": "cat"}],
		"annotations": [{"id": 1, "image_id": 5, "category_id": 17, "bbox": [10, 20, 100, 50], "area": 5000, "iscrowd": 0}]}`
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		log.Fatal(err)
	}

	c, err := source.OpenCOCO(context.Background(), file, "../testdata/photos", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	values, key, err := c.Sample(context.Background(), 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key, c.Classes(), boxes(values[1]))
	// Output: animal/chelsea_1.jpg [cat] [10 20 110 70 0]
}

func ExampleOpenYOLO() {
	dir, err := os.MkdirTemp("", "yolo")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	photo, err := photos.FS.ReadFile("animal/chelsea_1.jpg")
	if err != nil {
		log.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"data.yaml":                []byte("train: images/train\nnames: [cat]\n"),
		"images/train/chelsea.jpg": photo,
		"labels/train/chelsea.txt": []byte("0 0.5 0.5 0.5 0.5\n"), // class, middle, size
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, b, 0o666)); err != nil {
			log.Fatal(err)
		}
	}

	y, err := source.OpenYOLO(context.Background(), dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer y.Close()
	values, key, err := y.Sample(context.Background(), 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key, y.Classes(), boxes(values[1]))
	// Output: images/train/chelsea.jpg [cat] [112.75 75 338.25 225 0]
}

// A Parquet file as Hugging Face's datasets are: its metadata name the classes.
func ExampleOpenParquet() {
	p, err := source.OpenParquet(context.Background(), []string{"../testdata/records/parquet/classes.parquet"}, nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	for _, f := range p.Fields() {
		fmt.Printf("%s %T\n", f.Name, f.Field)
	}
	fmt.Println(p.Len(), "sample of", p.Classes())
	// Output:
	// image fields.RGBImage
	// label fields.Int
	// 1 sample of [dog cat]
}

func ExampleOpenTFRecord() {
	t, err := source.OpenTFRecord(context.Background(), []string{"../testdata/records/tfrecord/{plain,gzip}.tfrecord"}, nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	for _, f := range t.Fields() {
		fmt.Printf("%s %T\n", f.Name, f.Field)
	}
	_, key, err := t.Sample(context.Background(), 1)
	fmt.Println(t.Len(), "samples;", key, err)
	// Output:
	// image fields.RGBImage
	// label fields.Int
	// boxes fields.JSON
	// count fields.Int
	// synset fields.Bytes
	// mass fields.Float
	// raw fields.Bytes
	// vector fields.NDArray
	// words fields.JSON
	// 20 samples; 1/001.jpg <nil>
}

// collection is an HDF5 file as a source of samples.
type collection struct{ *hdf5.File }

func (c collection) Rows(name string) (source.Rows, error) {
	r, err := c.File.Rows(name)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// HDF5 is read by the system's library, which a program has to ask for.
func ExampleOpenCollection() {
	f, err := hdf5.Open("../testdata/records/hdf5/collection.h5", nil)
	if err != nil {
		log.Fatal(err)
	}
	var specs []source.Spec
	for _, text := range []string{"x=ndarray:column=vector", "label=int:column=labels"} {
		s, err := source.ParseSpec(text, fields.RGBImage{})
		if err != nil {
			log.Fatal(err)
		}
		specs = append(specs, s)
	}
	c, err := source.OpenCollection(context.Background(), collection{f}, specs, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close() // of f too
	for _, f := range c.Fields() {
		fmt.Printf("%s %T\n", f.Name, f.Field)
	}
	values, _, err := c.Sample(context.Background(), 0)
	fmt.Println(c.Len(), "samples of", len(values), "values", err)
}

// TestExampleOpenCollection runs the example where the library is.
func TestExampleOpenCollection(t *testing.T) {
	f, err := hdf5.Open("../testdata/records/hdf5/collection.h5", nil)
	if err != nil {
		t.Skip(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	ExampleOpenCollection()
}
