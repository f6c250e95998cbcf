package export_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/export"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/source"
)

// A folder of photographs becomes a .beton, and that a folder again: the same JPEGs,
// byte for byte.
func ExampleWrite() {
	dir, err := os.MkdirTemp("", "export")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "photos.beton")
	writePhotos(path)

	f, err := ffcv.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for _, format := range []export.Format{export.Folder, export.Tar} {
		stats, err := export.Write(context.Background(), f, filepath.Join(dir, string(format)), &export.Options{Format: format})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(format, stats.Samples, "samples,", stats.Files, "files")
	}
	// Output:
	// folder 42 samples, 43 files
	// tar 42 samples, 2 files
}

// writePhotos packs the photographs of a folder of class folders.
func writePhotos(path string) {
	folder, err := source.OpenFolder(context.Background(), "../testdata/photos", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer folder.Close()
	var specs []ffcv.FieldSpec
	for _, f := range folder.Fields() {
		specs = append(specs, ffcv.FieldSpec{Name: f.Name, Field: f.Field})
	}
	w, err := ffcv.Create(path, specs, &ffcv.Options{Classes: folder.Classes()})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	if err := w.WriteDataset(context.Background(), folder, nil); err != nil {
		log.Fatal(err)
	}
}
