package build

import (
	"context"
	"errors"

	"github.com/betongo/betongo/source"
)

// MDS are datasets of MosaicML Streaming, one after another, on the local disk or in
// an object store (source.MDS).
type MDS struct {
	Dirs    []string `json:"dirs"`              // folders with an index.json
	Fields  []string `json:"fields,omitempty"`  // as source.ParseSpec reads them; nil is all columns
	Classes []string `json:"classes,omitempty"` // by label
}

func (m *MDS) check(image *Image) error {
	if len(m.Dirs) == 0 {
		return errors.New("mds without a folder")
	}
	_, err := image.specs(m.Fields, nil)
	return err
}

func (m *MDS) open(ctx context.Context, s *Source, r *Recipe, opts *OpenOptions) error {
	specs, err := r.Image.specs(m.Fields, opts.Images)
	if err != nil {
		return err
	}
	d, err := source.OpenMDS(ctx, m.Dirs, specs, &source.MDSOptions{Classes: m.Classes, Store: objectsOf(opts.Store)})
	if err != nil {
		return err
	}
	s.of, s.far = d, farAny(m.Dirs)
	s.closers = append(s.closers, d.Close)
	if len(specs) == 0 {
		s.Fields, err = r.ownFields(d.Fields(), opts.Images)
	}
	return err
}

func (m *MDS) at(change func(name *string)) kind {
	c := *m
	c.Dirs = changed(m.Dirs, change)
	return &c
}
