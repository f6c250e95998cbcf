package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/internal/clitest"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/testdata/photos"
)

var program = clitest.Program{
	Name: prog, Grammar: func() any { return new(grammar) }, Pages: manual(),
	Run: func(t *testing.T, args []string, stdout, stderr io.Writer) int {
		return run(t.Context(), args, stdout, stderr)
	},
}

func TestManuals(t *testing.T)  { program.Manuals(t) }
func TestOverview(t *testing.T) { program.Overview(t) }
func TestFlags(t *testing.T)    { program.Flags(t, "../flags.md") }

func TestJSONFlags(t *testing.T) {
	program.JSON(t, map[string]string{"completion": "prints a script"})
}

// TestExamples runs what --help shows.
func TestExamples(t *testing.T) {
	program.Examples(t, &clitest.World{Make: exampleFiles(t), Parsed: withoutHDF5()})
}

// TestS3Examples runs those of an object store.
func TestS3Examples(t *testing.T) {
	s := s3test.Start(t)
	for _, kv := range s.Env {
		k, v, _ := strings.Cut(kv, "=")
		t.Setenv(k, v)
	}
	n := 0
	program.Examples(t, &clitest.World{Make: exampleFiles(t), Parsed: withoutHDF5(), Bucket: func() string {
		n++
		return fmt.Sprint("s3://data/", n)
	}})
}

func withoutHDF5() map[string]string {
	if f, err := build.OpenHDF5(filepath.Join("..", "..", "testdata", "records", "hdf5", "collection.h5")); err != nil {
		why := "there is no libhdf5: " + err.Error()
		return map[string]string{"hdf5": why, "plan hdf5": why}
	} else {
		f.Close()
	}
	return nil
}

// exampleFiles returns what puts the files that an example names into the working
// folder.
func exampleFiles(t *testing.T) func(*testing.T, string) {
	records, err := filepath.Abs(filepath.Join("..", "..", "testdata", "records"))
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, command string) {
		words := clitest.Split(t, command)
		for i, word := range words {
			if i == 0 || words[i-1] == "-o" {
				continue
			}
			name := word
			if at := strings.IndexByte(name, '='); at >= 0 && !strings.HasPrefix(name, "-") {
				name = name[at+1:]
			}
			if err := exampleFile(t, name, records); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

// exampleFile makes a file or folder; other words of commands are none.
func exampleFile(t *testing.T, name, records string) error {
	from := func(parts ...string) string { return filepath.Join(append([]string{records}, parts...)...) }
	switch name {
	case "PHOTOS", "VAL":
		return os.CopyFS(name, photos.FS)
	case "IMAGES":
		return copyPhotos(name)
	case "YOLO":
		return makeYOLO(name)
	case "rows.csv":
		if err := copyPhotos("."); err != nil {
			return err
		}
		return os.WriteFile(name, []byte("image,age,caption\n0.jpg,7,one\n1.jpg,8,two\n"), 0o666)
	case "x.npy", "y.npy":
		return saveArray(name, array.Float32, 10, 3)
	case "pixels.npy":
		return saveArray(name, array.Uint8, 10, 8, 8, 3)
	case "shards/*.tar":
		return copyAll("shards", from("webdataset", "shard-000000.tar"), from("webdataset", "shard-000001.tar"))
	case "mds":
		if _, err := os.Stat(name); err == nil {
			return nil // the command's name too
		}
		return os.CopyFS(name, os.DirFS(from("mds", "photos")))
	case "parquet/*.parquet":
		return copyAll("parquet", from("parquet", "datasets.parquet"))
	case "records/*.tfrecord":
		return copyAll("records", from("tfrecord", "plain.tfrecord"))
	case "data.h5":
		return copyTo(name, from("hdf5", "collection.h5"))
	case "cifar-10-batches-bin":
		return makeCIFAR(name)
	case "images-idx3-ubyte":
		return makeIDX(name, 5, 4, 4)
	case "labels-idx1-ubyte":
		return makeIDX(name, 5)
	case "instances.json":
		return os.WriteFile(name, []byte(`{"images": [{"id": 1, "file_name": "0.jpg", "width": 40, "height": 30}], "categories": [{"id": 18, "name": "dog"}],
"annotations": [{"id": 1, "image_id": 1, "category_id": 18, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0, "segmentation": [[1, 1, 9, 1, 9, 9]]}]}`), 0o666)
	case "train.beton":
		return runAll(t, "folder PHOTOS -o train.beton", records)
	case "plan.json":
		return runAll(t, "plan folder PHOTOS -o plan.json --shards 2", records)
	case "built.json":
		return runAll(t, "plan folder PHOTOS -o built.json --shards 2; shard built.json --index 0; shard built.json --index 1", records)
	}
	return nil
}

// runAll runs commands that make what others read.
func runAll(t *testing.T, commands, records string) error {
	if _, err := os.Stat("PHOTOS"); err != nil {
		if err := exampleFile(t, "PHOTOS", records); err != nil {
			return err
		}
	}
	for command := range strings.SplitSeq(commands, "; ") {
		var errs bytes.Buffer
		if code := run(t.Context(), strings.Fields(command), io.Discard, &errs); code != 0 {
			return fmt.Errorf("%s: %s", command, &errs)
		}
	}
	return nil
}

func copyTo(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o666)
}

func copyAll(dir string, files ...string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, f := range files {
		if err := copyTo(filepath.Join(dir, filepath.Base(f)), f); err != nil {
			return err
		}
	}
	return nil
}

// copyPhotos puts two pictures into a folder.
func copyPhotos(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for i := range 2 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i, ".jpg")), jpegOf(40, 30), 0o666); err != nil {
			return err
		}
	}
	return nil
}

func makeYOLO(dir string) error {
	for _, sub := range []string{"images/train", "labels/train"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o777); err != nil {
			return err
		}
	}
	if err := copyPhotos(filepath.Join(dir, "images", "train")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "data.yaml"), []byte("train: images/train\nnames: {0: dog}\n"), 0o666); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "labels", "train", "0.txt"), []byte("0 0.5 0.5 0.25 0.25\n"), 0o666)
}

func makeCIFAR(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	names := []string{"test_batch.bin"}
	for i := range 5 {
		names = append(names, fmt.Sprintf("data_batch_%d.bin", i+1))
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), slices.Concat([]byte{3}, make([]byte, 3072)), 0o666); err != nil {
			return err
		}
	}
	return nil
}

func makeIDX(name string, sizes ...int) error {
	b, n := []byte{0, 0, 8, byte(len(sizes))}, 1
	for _, size := range sizes {
		b = binary.BigEndian.AppendUint32(b, uint32(size))
		n *= size
	}
	return os.WriteFile(name, append(b, make([]byte, n)...), 0o666)
}

func saveArray(name string, d array.DType, shape ...int) error {
	spec := array.Spec{DType: d, Shape: shape}
	size, err := spec.Bytes()
	if err != nil {
		return err
	}
	a, err := array.New(spec, make([]byte, size))
	if err != nil {
		return err
	}
	return npy.Save(name, a.Strided(), nil)
}
