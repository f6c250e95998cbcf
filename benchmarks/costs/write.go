package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// files are photographs as a dataset.
type files struct {
	names []string
	bytes [][]byte // what is in them, if that is kept
}

func (f *files) Len() int { return len(f.names) }

// Sample implements ffcv.Dataset.
func (f *files) Sample(_ context.Context, i int) ([]any, string, error) {
	if f.bytes != nil {
		return []any{f.bytes[i]}, "", nil
	}
	b, err := os.ReadFile(f.names[i])
	return []any{b}, "", err
}

// create writes a file.
func (c *costs) create(path string, ds ffcv.Dataset, image fields.RGBImage, opts ffcv.Options) error {
	opts.Overwrite = true
	w, err := ffcv.Create(path, []ffcv.FieldSpec{{Name: "image", Field: image}}, &opts)
	if err != nil {
		return err
	}
	defer w.Close()
	return w.WriteDataset(c.ctx, ds, nil)
}

// write measures the making of checksums.
func (c *costs) write() error {
	kept := &files{names: c.photos, bytes: make([][]byte, len(c.photos))}
	for i, name := range c.photos {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		kept.bytes[i] = b
	}
	path := filepath.Join(c.dir, "written.beton")
	for _, kind := range []struct {
		name  string
		ds    *files
		image fields.RGBImage
	}{
		{"write: shrunk to 256 pixels, encoded again", &files{names: c.photos}, fields.RGBImage{MaxResolution: 256}},
		{"write: verbatim", &files{names: c.photos}, fields.RGBImage{}},
		{"write: verbatim, out of memory", kept, fields.RGBImage{}},
	} {
		kind.image.NoCheckpoints = true
		err := c.pairs([]string{kind.name}, func(with bool) ([]time.Duration, error) {
			// Nothing else is in the block that Plain leaves out.
			t, err := measured(func() error { return c.create(path, kind.ds, kind.image, ffcv.Options{Plain: !with}) })
			return []time.Duration{t}, err
		})
		if err != nil {
			return err
		}
	}
	return os.Remove(path)
}
