package build

import (
	"context"
	"errors"
	"fmt"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
)

// WebDataset are WebDataset's shards, tar archives on the local disk or in an object
// store (source.WebDataset).
type WebDataset struct {
	Shards  []string `json:"shards"`            // names, lists in braces, patterns
	Fields  []string `json:"fields,omitempty"`  // as source.ParseSpec reads them; nil is what the first sample has
	Classes []string `json:"classes,omitempty"` // by label
}

func (w *WebDataset) check(image *Image) error {
	if len(w.Shards) == 0 {
		return errors.New("webdataset without shards")
	}
	_, err := image.specs(w.Fields, nil)
	return err
}

func (w *WebDataset) open(ctx context.Context, s *Source, r *Recipe, opts *OpenOptions) error {
	specs, err := r.Image.specs(w.Fields, opts.Images)
	if err != nil {
		return err
	}
	d, err := source.OpenWebDataset(ctx, w.Shards, specs, &source.WebDatasetOptions{Classes: w.Classes, Store: objectsOf(opts.Store)})
	if err != nil {
		return err
	}
	s.of, s.far, s.LeftOut = d, farAny(w.Shards), d.Skipped()
	s.closers = append(s.closers, d.Close)
	if len(specs) == 0 {
		s.Fields, err = r.ownFields(d.Fields(), opts.Images)
	}
	return err
}

func (w *WebDataset) at(change func(name *string)) kind {
	c := *w
	c.Shards = changed(w.Shards, change)
	return &c
}

// ownFields is imageFields, and checks the names that a source chose; masks are
// shrunk as the photographs are.
func (r *Recipe) ownFields(list []source.Field, stats *fields.ImageStats) ([]source.Field, error) {
	list, err := r.imageFields(list, stats)
	if err != nil {
		return nil, err
	}
	var specs []source.Spec
	for i := range list {
		if m, ok := list[i].Field.(fields.Image); ok {
			m.MaxResolution, m.MaxPixels = r.Image.MaxResolution, r.Image.MaxPixels
			list[i].Field = m
		}
		specs = append(specs, source.Spec{Field: list[i]})
	}
	if err := checkNames(specs); err != nil {
		return nil, fmt.Errorf("%w; choose fields and their names (--field NAME=TYPE:column=…)", err)
	}
	return list, nil
}
