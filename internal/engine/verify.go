package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
)

// verifying is when a loader compares values with their checksums.
func verifying(name string) (loader.Verify, error) {
	switch name {
	case "", "never":
		return loader.VerifyNever, nil
	case "first_read":
		return loader.VerifyOnFirstRead, nil
	}
	return 0, unknown("verify", name, []string{"never", "first_read"})
}

// verifyRequest asks about samples of one file: those in the payload, or where
// there are none those from From up to To.
type verifyRequest struct {
	Do     string                   `json:"do"`
	Path   string                   `json:"path"`   // "": the dataset that the connection has opened
	Fields []string                 `json:"fields"` // none: of the samples' metadata rows only
	IDs    int                      `json:"ids"`    // so many in the payload
	From   int                      `json:"from"`
	To     int                      `json:"to"`
	Custom map[string]customRequest `json:"custom"`
}

// verify compares samples' metadata rows and values with their checksums, as far
// as that was not done since the engine has opened the file. The first that differs is
// an error of kind "sample"; a file without checksums one of kind "unsupported".
func (c *conn) verify(r *request) error {
	var q verifyRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	rest := &numbers{r.payload}
	ids, err := rest.ints(q.IDs)
	if err != nil {
		return err
	}
	var ds loader.Dataset
	if q.Path == "" {
		if ds, err = c.opened(q.Do); err != nil {
			return err
		}
	} else {
		files, err := c.engine.files.open([]string{q.Path}, access{custom: q.Custom})
		if err != nil {
			return err
		}
		defer files.leave()
		ds = files.data
	}
	list := make([]int, 0, len(q.Fields))
	for _, name := range q.Fields {
		k := fieldOf(ds, name)
		if k < 0 {
			return unknownField("verify", name, ds)
		}
		list = append(list, k)
	}
	if err := c.compare(ds, &q, ids, list); err != nil {
		return err
	}
	return c.answer(struct{}{}, nil)
}

// compare does so.
func (c *conn) compare(ds loader.Dataset, q *verifyRequest, ids, list []int) error {
	check, err := checking(ds, list)
	if err != nil {
		return err
	}
	n := len(ids)
	if n == 0 {
		if n = q.To - q.From; q.From < 0 || n < 0 || q.To > ds.Len() {
			return optionf("verify: samples from %d up to %d, %s has %d", q.From, q.To, ds.Name(), ds.Len())
		}
	}
	for i := range n {
		id := q.From + i
		if len(ids) > 0 {
			if id = ids[i]; id < 0 || id >= ds.Len() {
				return optionf("verify: sample %d, %s has %d", id, ds.Name(), ds.Len())
			}
		}
		if err := check(id); err != nil {
			return sampleOf(ds, id, err)
		}
		if i&1023 == 1023 && c.ctx.Err() != nil {
			return c.ctx.Err()
		}
	}
	return nil
}

// checking returns what compares a sample's row and the values of fields.
func checking(ds loader.Dataset, list []int) (func(sample int) error, error) {
	v, ok := ds.(loader.Verifier)
	if !ok {
		return nil, fmt.Errorf("%s has no checksums: %w", ds.Name(), ffcv.ErrUnsupported)
	}
	if err := v.Verifiable(); err != nil {
		return nil, err
	}
	var buf []byte
	if f, ok := ds.(*ffcv.File); ok {
		s, err := f.Sums()
		return func(id int) (err error) {
			buf, err = s.Check(id, list, buf)
			return err
		}, err
	}
	if len(list) == 0 { // a value comes with its row: one that takes the least
		list = []int{smallest(ds.Fields())}
	}
	return func(id int) (err error) {
		for _, k := range list {
			if buf, err = v.VerifyValue(id, k, buf); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// smallest returns a field whose value lies in the row, else the first.
func smallest(list []ffcv.Field) int {
	return max(0, slices.IndexFunc(list, func(d ffcv.Field) bool {
		return d.Type == fields.TypeInt || d.Type == fields.TypeFloat
	}))
}

// sampleOf places an error of a check, unless it is none of the sample's.
func sampleOf(ds loader.Dataset, sample int, err error) error {
	var format *ffcv.FormatError
	if !errors.As(err, &format) || format.Sample < 0 {
		return err
	}
	file := format.File
	if file == "" {
		file = ds.Name()
	}
	return &loader.SampleError{File: file, Sample: sample, FileSample: format.Sample, Field: format.Field, Offset: format.Offset, Err: err}
}
