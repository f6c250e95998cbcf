package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/store"
	golden "github.com/betongo/betongo/testdata/ffcv"
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
