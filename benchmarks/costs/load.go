package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// datasets are the files that are loaded, with checkpoints: a crop decodes what
// it needs, and comparing reads all.
var datasets = []struct {
	name  string
	image fields.RGBImage
}{
	{"256 pixels", fields.RGBImage{MaxResolution: 256}},
	{"verbatim", fields.RGBImage{}},
}

// crops are what is loaded of them.
var crops = []struct {
	name string
	loader.Output
}{
	{"random crops of 0.08 to 1", loader.Output{Decoder: transform.RandomResizedCrop{Width: 224, Height: 224}}},
	{"center crops", loader.Output{Decoder: transform.CenterCrop{Width: 224, Height: 224}}},
	{"random crops of 0.02 to 0.08", loader.Output{Decoder: transform.RandomResizedCrop{Width: 64, Height: 64, Scale: [2]float64{0.02, 0.08}}}},
	{"as stored", loader.Output{Decoder: loader.Raw{}, Ragged: true}},
}

// load measures the comparing, in the first epoch and in a later one.
func (c *costs) load() error {
	for _, set := range datasets {
		path := filepath.Join(c.dir, "loaded.beton")
		if err := c.create(path, &files{names: c.photos}, set.image, ffcv.Options{}); err != nil {
			return err
		}
		for _, crop := range crops {
			for _, access := range []struct {
				name string
				opts ffcv.OpenOptions
			}{{"", ffcv.OpenOptions{}}, {", by a cache", ffcv.OpenOptions{Memory: 64 << 20}}} {
				name := fmt.Sprintf("load: %s, %s%s", set.name, crop.name, access.name)
				err := c.pairs([]string{name + ": first epoch", name + ": second epoch"}, func(with bool) ([]time.Duration, error) {
					return c.epochs(path, &access.opts, crop.Output, with)
				})
				if err != nil {
					return err
				}
			}
		}
		if err := errors.Join(c.table.Flush(), os.Remove(path)); err != nil {
			return err
		}
	}
	return nil
}

// epochs opens a file and loads two epochs.
func (c *costs) epochs(path string, access *ffcv.OpenOptions, out loader.Output, verify bool) ([]time.Duration, error) {
	f, err := ffcv.Open(path, access)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out.Name = "image"
	opts := &loader.Options{Order: loader.Random, Seed: 1, BatchSize: 64, Outputs: []loader.Output{out}}
	if verify {
		opts.Verify = loader.VerifyOnFirstRead
	}
	l, err := loader.New(f, opts)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	times := make([]time.Duration, 2)
	for n := range times {
		times[n], err = measured(func() error {
			for b, err := range l.Epoch(c.ctx, n) {
				if err != nil {
					return err
				}
				b.Release()
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return times, nil
}

// check measures ffcv verify beside reading the file.
func (c *costs) check() error {
	path := filepath.Join(c.dir, "checked.beton")
	if err := c.create(path, &files{names: c.photos}, fields.RGBImage{}, ffcv.Options{}); err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	return c.pairs([]string{"ffcv verify, beside reading the file"}, func(with bool) ([]time.Duration, error) {
		t, err := measured(func() error {
			if !with {
				f, err := os.Open(path)
				if err != nil {
					return err
				}
				defer f.Close()
				_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, buf)
				return err
			}
			f, err := ffcv.Open(path, nil)
			if err != nil {
				return err
			}
			defer f.Close()
			return f.VerifySums(c.ctx, nil)
		})
		return []time.Duration{t}, err
	})
}
