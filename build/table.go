package build

import (
	"context"
	"fmt"

	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/store"
)

// Table is a file of records, on the local disk or in an object store
// (source.Table).
type Table struct {
	File         string   `json:"file"`
	Fields       []string `json:"fields"` // as source.ParseSpec reads them
	AllowOutside bool     `json:"allow_outside,omitempty"`
}

func (t *Table) check(image *Image) error {
	_, err := image.specs(t.Fields, nil)
	return err
}

func (t *Table) open(ctx context.Context, s *Source, r *Recipe, opts *OpenOptions) error {
	specs, err := r.Image.specs(t.Fields, opts.Images)
	if err != nil {
		return err
	}
	copied, err := store.Fetch(ctx, t.File, opts.Store)
	if err != nil {
		return fmt.Errorf("table: %w", err)
	}
	s.closers = append(s.closers, copied.Close)
	file := t.File
	if s.far = store.IsURL(file); !s.far {
		file = copied.Path
	}
	d, err := source.OpenTable(ctx, file, specs, &source.TableOptions{Outside: t.AllowOutside, Store: objectsOf(opts.Store), Copy: copied.Path, Name: store.Name(t.File)})
	if err != nil {
		return err
	}
	s.of = d
	s.closers = append(s.closers, d.Close)
	return nil
}

func (t *Table) at(change func(name *string)) kind {
	c := *t
	change(&c.File)
	return &c
}
