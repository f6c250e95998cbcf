package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/store"
	golden "github.com/betongo/betongo/testdata/ffcv"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

// Files of the local disk and objects are opened alike: these paths may as well be
// "s3://bucket/part-*.beton".
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"part-0.beton", "part-1.beton"} {
		if err := os.WriteFile(filepath.Join(dir, name), golden.Bytes("ints_floats"), 0o666); err != nil {
			fmt.Println(err)
			return
		}
	}
	ds, err := store.Open(context.Background(), []string{filepath.Join(dir, "part-*.beton")}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ds.Close()
	fmt.Println(ds.Len(), "samples in", len(ds.Members()), "files")
	// Output: 2000 samples in 2 files
}

// served is a web server with a dataset and an index of it.
func served() *httptest.Server {
	b := golden.Bytes("ints_floats")
	files := http.FileServerFS(fstest.MapFS{"train/part-0.beton": {Data: b}, "train/notes.txt": {Data: []byte("made by hand\n")}})
	return httptest.NewServer(files)
}

// A file that is far away: what opening it needs is read, and then what is asked for.
func ExampleOpenFile() {
	ctx := context.Background()
	web := served()
	defer web.Close()
	url := web.URL + "/train/part-0.beton"

	there, err := store.Exists(ctx, url, nil)
	if err != nil || !there {
		log.Fatal(there, err)
	}
	var meter store.Meter
	f, err := store.OpenFile(ctx, url, &store.Options{Meter: &meter})
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	fmt.Println(f.Len(), "samples, asked for:", meter.Stats().Requests > 0)
	// Output: 1000 samples, asked for: true
}

// Small files, and the first bytes of large ones.
func ExampleReadFile() {
	ctx := context.Background()
	web := served()
	defer web.Close()

	notes, err := store.ReadFile(ctx, web.URL+"/train/notes.txt", nil)
	if err != nil {
		log.Fatal(err)
	}
	head, err := store.ReadHead(ctx, web.URL+"/train/part-0.beton", 2, nil)
	fmt.Println(strings.TrimSpace(string(notes)), head, err)
	// Output: made by hand [2 0] <nil>
}

// A program that can read local files only.
func ExampleFetch() {
	web := served()
	defer web.Close()

	local, err := store.Fetch(context.Background(), web.URL+"/train/notes.txt", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer local.Close() // removes it
	b, err := os.ReadFile(local.Path)
	fmt.Printf("%q %v\n", b, err)
	// Output: "made by hand\n" <nil>
}

// A program that can write local files only. With "s3://bucket/notes.txt" it would be
// an object, which appears at Commit.
func ExampleCreate() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "notes.txt")

	t, err := store.Create(ctx, path, false, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	if err := os.WriteFile(t.Path, []byte("made by hand\n"), 0o666); err != nil {
		log.Fatal(err)
	}
	if err := t.Commit(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(store.Exists(ctx, path, nil))
	// Output: true <nil>
}

// What patterns and indexes stand for. The same goes for "s3://bucket/train/*.beton".
func ExampleFiles() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"part-0.beton", "part-1.beton"} {
		if err := os.WriteFile(filepath.Join(dir, name), golden.Bytes("ints_floats"), 0o666); err != nil {
			log.Fatal(err)
		}
	}
	list, err := store.Expand(ctx, []string{filepath.Join(dir, "*.beton")}, nil)
	if err != nil {
		log.Fatal(err)
	}
	index := filepath.Join(dir, "train.json")
	if err := writeIndex(ctx, index, list); err != nil {
		log.Fatal(err)
	}

	list, err = store.Files(ctx, []string{index}, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range list {
		fmt.Println(store.Base(path))
	}
	below, err := store.Below(ctx, dir, nil)
	fmt.Println(below, err)
	// Output:
	// part-0.beton
	// part-1.beton
	// [part-0.beton part-1.beton train.json] <nil>
}

// writeIndex writes an index of files that lie beside it.
func writeIndex(ctx context.Context, path string, list []string) error {
	var files []*ffcv.File
	var names []string
	for _, path := range list {
		f, err := store.OpenFile(ctx, path, nil)
		if err != nil {
			return err
		}
		defer f.Close()
		files, names = append(files, f), append(names, store.Base(path))
	}
	x, err := dataset.NewIndex(files, names)
	if err != nil {
		return err
	}
	b, err := x.Marshal()
	if err != nil {
		return err
	}
	return store.WriteFile(ctx, path, b, false, nil)
}

// A folder is sent to an object store, the index behind all that it lists.
func ExampleUpload() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "part-0.beton")
	if err := os.WriteFile(path, golden.Bytes("ints_floats"), 0o666); err != nil {
		log.Fatal(err)
	}
	if err := writeIndex(ctx, filepath.Join(dir, "train.json"), []string{path}); err != nil {
		log.Fatal(err)
	}

	last := func(name string) bool { return name == "train.json" }
	if err := store.Upload(ctx, dir, "s3://data/train", last, false, nil); err != nil {
		log.Fatal(err)
	}
	ds, err := store.Open(ctx, []string{"s3://data/train/train.json"}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer ds.Close()
	fmt.Println(ds.Len(), "samples")
}

// TestExampleUpload runs the example with a real store.
func TestExampleUpload(t *testing.T) {
	s3test.Start(t)
	ExampleUpload()
}
