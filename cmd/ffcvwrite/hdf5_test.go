//go:build !static

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array/hdf5"
	"github.com/betongo/betongo/internal/s3test"
)

// TestHDF5Scripts runs the scripts that need libhdf5.
func TestHDF5Scripts(t *testing.T) {
	if _, _, err := hdf5.Version(); err != nil {
		t.Skip(err)
	}
	s := s3test.Start(t)
	file := filepath.Join("..", "..", "testdata", "records", "hdf5")
	if err := os.CopyFS(filepath.Join(s.Folder, "records", "hdf5"), os.DirFS(file)); err != nil {
		t.Fatal(err)
	}
	scripts(t, "hdf5", append(s.Env, "RECORDS="+recordFiles(t), hdf5.Variable+"="+os.Getenv(hdf5.Variable))...)
}
