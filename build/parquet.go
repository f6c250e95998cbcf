package build

import (
	"context"
	"errors"

	"github.com/betongo/betongo/source"
)

// Parquet are Parquet files such as those of Hugging Face's datasets, on the local
// disk or in an object store (source.Parquet).
type Parquet struct {
	Files   []string `json:"files"`             // names, patterns, folders
	Fields  []string `json:"fields,omitempty"`  // as source.ParseSpec reads them; nil is all columns
	Classes []string `json:"classes,omitempty"` // by label; nil is what the files name
}

func (p *Parquet) check(image *Image) error {
	if len(p.Files) == 0 {
		return errors.New("parquet without files")
	}
	_, err := image.specs(p.Fields, nil)
	return err
}

func (p *Parquet) open(ctx context.Context, s *Source, r *Recipe, opts *OpenOptions) error {
	specs, err := r.Image.specs(p.Fields, opts.Images)
	if err != nil {
		return err
	}
	d, err := source.OpenParquet(ctx, p.Files, specs, &source.ParquetOptions{Classes: p.Classes, Store: objectsOf(opts.Store)})
	if err != nil {
		return err
	}
	s.of, s.far = d, farAny(p.Files)
	s.closers = append(s.closers, d.Close)
	if len(specs) == 0 {
		s.Fields, err = r.ownFields(d.Fields(), opts.Images)
	}
	return err
}

func (p *Parquet) at(change func(name *string)) kind {
	c := *p
	c.Files = changed(p.Files, change)
	return &c
}
