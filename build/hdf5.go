package build

import (
	"context"
	"errors"
	"fmt"

	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/store"
)

// HDF5 are datasets of an HDF5 file that share their first axis, on the local disk or
// in an object store, from which the file is fetched (source.Collected).
type HDF5 struct {
	File    string   `json:"file"`
	Fields  []string `json:"fields,omitempty"`  // as source.ParseSpec reads them; nil is all datasets
	Classes []string `json:"classes,omitempty"` // by label; nil is none
}

// OpenHDF5 opens an HDF5 file. It is nil in a program that doesn't load the system's
// library for that, and set, before the first use of this package, by one that does:
// most programs shall stay free of libraries of the system.
var OpenHDF5 func(path string) (source.Collection, error)

func (h *HDF5) check(image *Image) error {
	if h.File == "" {
		return errors.New("hdf5 without a file")
	}
	_, err := image.specs(h.Fields, nil)
	return err
}

func (h *HDF5) open(ctx context.Context, s *Source, r *Recipe, opts *OpenOptions) error {
	if OpenHDF5 == nil {
		return fmt.Errorf("%s: this program was built without HDF5; ffcvwrite reads it unless it was built with the tag static, and ffcvconvert makes .npy files of HDF5's arrays", store.Name(h.File))
	}
	specs, err := r.Image.specs(h.Fields, opts.Images)
	if err != nil {
		return err
	}
	copied, err := store.Fetch(ctx, h.File, opts.Store)
	if err != nil {
		return fmt.Errorf("hdf5: %w", err)
	}
	s.closers = append(s.closers, copied.Close)
	s.fetched = store.IsURL(h.File)
	c, err := OpenHDF5(copied.Path)
	if err != nil {
		return err
	}
	d, err := source.OpenCollection(ctx, c, specs, &source.CollectionOptions{Classes: h.Classes})
	if err != nil {
		return err
	}
	s.of = d
	s.closers = append(s.closers, d.Close)
	if len(specs) == 0 {
		s.Fields, err = r.ownFields(d.Fields(), opts.Images)
	}
	return err
}

func (h *HDF5) at(change func(name *string)) kind {
	c := *h
	change(&c.File)
	return &c
}
