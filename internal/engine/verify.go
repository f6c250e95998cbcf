package engine

import (
	"errors"

	"github.com/betongo/betongo/ffcv"
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
	Path   string                   `json:"path"`
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
	files, err := c.engine.files.open([]string{q.Path}, access{custom: q.Custom})
	if err != nil {
		return err
	}
	defer files.leave()
	f, ok := files.data.(*ffcv.File)
	if !ok {
		return optionf("verify: %q stands for several files", q.Path)
	}
	list := make([]int, 0, len(q.Fields))
	for _, name := range q.Fields {
		k := f.FieldIndex(name)
		if k < 0 {
			return unknownField("verify", name, f)
		}
		list = append(list, k)
	}
	if err := c.compare(f, &q, ids, list); err != nil {
		return err
	}
	return c.answer(struct{}{}, nil)
}

// compare does so.
func (c *conn) compare(f *ffcv.File, q *verifyRequest, ids, list []int) error {
	if err := f.Verifiable(); err != nil {
		return err
	}
	s, err := f.Sums()
	if err != nil {
		return err
	}
	n := len(ids)
	if n == 0 {
		if n = q.To - q.From; q.From < 0 || n < 0 || q.To > f.Len() {
			return optionf("verify: samples from %d up to %d, %s has %d", q.From, q.To, f.Name(), f.Len())
		}
	}
	var buf []byte
	for i := range n {
		id := q.From + i
		if len(ids) > 0 {
			if id = ids[i]; id < 0 || id >= f.Len() {
				return optionf("verify: sample %d, %s has %d", id, f.Name(), f.Len())
			}
		}
		if buf, err = s.Check(id, list, buf); err != nil {
			return sampleOf(f, id, err)
		}
		if i&1023 == 1023 && c.ctx.Err() != nil {
			return c.ctx.Err()
		}
	}
	return nil
}

// sampleOf places an error of a check, unless it is none of the sample's.
func sampleOf(f *ffcv.File, sample int, err error) error {
	var format *ffcv.FormatError
	if !errors.As(err, &format) || format.Sample < 0 {
		return err
	}
	return &loader.SampleError{File: f.Name(), Sample: sample, Field: format.Field, Offset: format.Offset, Err: err}
}
