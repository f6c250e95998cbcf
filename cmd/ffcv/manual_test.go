package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/clitest"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/source"
	golden "github.com/betongo/betongo/testdata/ffcv"
	"github.com/betongo/betongo/testdata/photos"
)

var program = clitest.Program{
	Name: prog, Grammar: func() any { return new(grammar) }, Pages: manual(),
	Run: func(t *testing.T, args []string, stdout, stderr io.Writer) int {
		return run(context.Background(), args, stdout, stderr)
	},
}

func TestManuals(t *testing.T)  { program.Manuals(t) }
func TestOverview(t *testing.T) { program.Overview(t) }
func TestFlags(t *testing.T)    { program.Flags(t, "../flags.md") }

func TestJSONFlags(t *testing.T) {
	program.JSON(t, map[string]string{
		"replay":     "prints JSON and nothing else",
		"completion": "prints a script",
	})
}

// TestExamples runs what --help shows.
func TestExamples(t *testing.T) {
	w := newExampleWorld(t)
	program.Examples(t, &clitest.World{Make: w.fill, Parsed: map[string]string{"view": "it serves until it is stopped; its own tests do that"}})
}

// TestS3Examples runs those of an object store.
func TestS3Examples(t *testing.T) {
	s := s3test.Start(t)
	for _, kv := range s.Env {
		k, v, _ := strings.Cut(kv, "=")
		t.Setenv(k, v)
	}
	w := newExampleWorld(t)
	program.Examples(t, &clitest.World{Bucket: func() string { return "s3://data" }, Make: func(t *testing.T, command string) {
		w.fill(t, command)
		copyFile(t, w.file(t, "train.beton"), filepath.Join(s.Folder, "train.beton"))
	}})
}

// exampleWorld makes the files that examples name, each once.
type exampleWorld struct {
	dir    string
	photos func() string
}

func newExampleWorld(t *testing.T) *exampleWorld {
	w := &exampleWorld{dir: t.TempDir()}
	w.photos = sync.OnceValue(func() string { // classes of the names that the examples have
		dir := filepath.Join(w.dir, "PHOTOS")
		for class, from := range map[string]string{"cat": "animal", "dog": "dandelion", "bird": "object", "meal": "meal", "sunset": "sunset", "tower": "tower"} {
			list, err := photos.FS.ReadDir(from)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(dir, class), 0o777); err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				b, err := photos.FS.ReadFile(from + "/" + e.Name())
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, class, e.Name()), b, 0o666)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		return dir
	})
	return w
}

// fill puts the files that a command names into the working folder.
func (w *exampleWorld) fill(t *testing.T, command string) {
	words := clitest.Split(t, command)
	for i, word := range words {
		switch {
		case i > 0 && slices.Contains([]string{"-o", "--state"}, words[i-1]):
		case word == "PHOTOS":
			if err := os.CopyFS(word, os.DirFS(w.photos())); err != nil {
				t.Fatal(err)
			}
		case strings.HasPrefix(word, "emb="):
			array := w.file(t, "emb.npy")
			copyFile(t, array, "emb.npy")
		case word == "part*.beton":
			copyFile(t, w.file(t, "train.beton"), "part0.beton")
			copyFile(t, w.file(t, "train.beton"), "part1.beton")
		case strings.HasSuffix(word, ".beton") && !strings.Contains(word, "://") && !strings.Contains(word, "="):
			copyFile(t, w.file(t, word), word)
		}
	}
}

// file makes a file, and returns where it is.
func (w *exampleWorld) file(t *testing.T, name string) string {
	path := filepath.Join(w.dir, name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	switch name {
	case "ffcv.beton":
		write(t, path, golden.Bytes("rgb_jpg"))
	case "damaged.beton":
		b, err := os.ReadFile(w.file(t, "train.beton"))
		if err != nil {
			t.Fatal(err)
		}
		b[ffcv.MinPageSize+5000]++
		write(t, path, b)
	case "emb.npy":
		w.saveArray(t, path)
	default:
		w.pack(t, path)
	}
	return path
}

// saveArray writes a row for each sample.
func (w *exampleWorld) saveArray(t *testing.T, path string) {
	f, err := ffcv.Open(w.file(t, "train.beton"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, err := array.New(array.Spec{DType: array.Float32, Shape: []int{f.Len(), 4}}, make([]byte, 16*f.Len()))
	if err == nil {
		err = npy.Save(path, a.Strided(), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (w *exampleWorld) pack(t *testing.T, path string) {
	d, err := source.OpenFolder(t.Context(), w.photos(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var specs []ffcv.FieldSpec
	for _, f := range d.Fields() {
		specs = append(specs, ffcv.FieldSpec{Name: f.Name, Field: f.Field})
	}
	f, err := ffcv.Create(path, specs, &ffcv.Options{PageSize: ffcv.MinPageSize, Classes: d.Classes()})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.WriteDataset(t.Context(), d, nil); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, b)
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}
