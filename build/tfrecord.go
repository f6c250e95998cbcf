package build

import (
	"context"
	"errors"

	"github.com/betongo/betongo/source"
)

// TFRecord are files of TensorFlow's records, on the local disk or in an object store
// (source.TFRecord).
type TFRecord struct {
	Files   []string `json:"files"`             // names and patterns
	Fields  []string `json:"fields,omitempty"`  // as source.ParseSpec reads them; nil is all features
	Classes []string `json:"classes,omitempty"` // by label; nil is none
}

func (t *TFRecord) check(image *Image) error {
	if len(t.Files) == 0 {
		return errors.New("tfrecord without files")
	}
	_, err := image.specs(t.Fields, nil)
	return err
}

func (t *TFRecord) open(ctx context.Context, s *Source, r *Recipe, opts *OpenOptions) error {
	specs, err := r.Image.specs(t.Fields, opts.Images)
	if err != nil {
		return err
	}
	d, err := source.OpenTFRecord(ctx, t.Files, specs, &source.TFRecordOptions{Classes: t.Classes, Store: objectsOf(opts.Store)})
	if err != nil {
		return err
	}
	s.of, s.far = d, farAny(t.Files)
	s.closers = append(s.closers, d.Close)
	if len(specs) == 0 {
		s.Fields, err = r.ownFields(d.Fields(), opts.Images)
	}
	return err
}

func (t *TFRecord) at(change func(name *string)) kind {
	c := *t
	c.Files = changed(t.Files, change)
	return &c
}
