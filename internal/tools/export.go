package tools

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/export"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/engine"
)

// exportRequest asks for samples as another system's dataset. The payload is the
// numbers of the samples, int64, unless all are wanted.
type exportRequest struct {
	Do         string            `json:"do"`
	Path       string            `json:"path"`
	Out        string            `json:"out"`
	Format     string            `json:"format"`
	ShardSize  int64             `json:"shard_size"`
	KeyFrom    string            `json:"key_from"`
	Fields     []string          `json:"fields"`
	Label      string            `json:"label"`
	Ext        map[string]string `json:"ext"`
	Prefix     string            `json:"prefix"`
	Metadata   bool              `json:"metadata"`
	SkipErrors bool              `json:"skip_errors"`
	Overwrite  bool              `json:"overwrite"`
	Workers    int               `json:"workers"`
	Indices    *int              `json:"indices"` // so many in the payload; null: all
	Storage    json.RawMessage   `json:"storage"`
}

type exportAnswer struct {
	Samples int            `json:"samples"`
	Skipped []skippedValue `json:"skipped"` // at most mostListed
	Failed  int            `json:"failed"`  // how many there are
	Files   int64          `json:"files"`
	Shards  int            `json:"shards"`
	Bytes   int64          `json:"bytes"`
	PNG     int64          `json:"png"`
}

type skippedValue struct {
	Sample int    `json:"sample"`
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

// export writes samples as another system's dataset.
func (s *stores) export(ctx context.Context, c *engine.Call) error {
	var q exportRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	indices, err := q.indices(c.Payload())
	if err != nil {
		return err
	}
	return s.with(q.Storage, func(r *reach) error {
		ds, release, err := r.dataset(q.Path)
		if err != nil {
			return err
		}
		defer release()
		from, ok := ds.(export.Dataset)
		if !ok {
			return engine.Optionf("export: %s has no keys", ds.Name())
		}
		if q.Indices != nil {
			if from, err = subset(from, indices); err != nil {
				return err
			}
		}
		return q.write(ctx, c, r, from)
	})
}

func (q *exportRequest) indices(payload []byte) ([]int, error) {
	n := 0
	if q.Indices != nil {
		n = *q.Indices
	}
	if n < 0 || len(payload)%8 != 0 || n != len(payload)/8 {
		return nil, engine.Optionf("export: %d indices, and %d bytes of them", n, len(payload))
	}
	list := make([]int, n)
	for i := range list {
		list[i] = int(int64(binary.LittleEndian.Uint64(payload[8*i:])))
	}
	return list, nil
}

// subset is the samples of these numbers.
func subset(ds export.Dataset, list []int) (export.Dataset, error) {
	for i, at := range list {
		if at < 0 || at >= ds.Len() {
			return nil, engine.Optionf("indices: number %d is %d; %s has the samples 0 to %d", i, at, ds.Name(), ds.Len()-1)
		}
	}
	return dataset.NewSubset(ds, list)
}

func (q *exportRequest) write(ctx context.Context, c *engine.Call, r *reach, ds export.Dataset) error {
	opts, release, err := r.store()
	if err != nil {
		return err
	}
	defer release()
	a := &exportAnswer{Skipped: []skippedValue{}}
	t := &teller{call: c}
	o := &export.Options{
		Format: export.Format(q.Format), ShardSize: q.ShardSize, KeyFrom: q.KeyFrom, Fields: q.Fields, Label: q.Label,
		Ext: q.Ext, Prefix: q.Prefix, Metadata: q.Metadata, Overwrite: q.Overwrite, Store: opts, Workers: q.Workers,
		Progress: t.progress,
		Warn:     func(msg string) { c.Tell("warning", msg) },
	}
	if q.SkipErrors {
		o.OnError = func(e *export.SampleError) error {
			if len(a.Skipped) < mostListed {
				a.Skipped = append(a.Skipped, skippedValue{e.Sample, e.Key, e.Err.Error()})
			}
			return nil
		}
	}
	stats, err := export.Write(ctx, ds, q.Out, o)
	if err != nil {
		return err
	}
	t.end(ds.Len())
	a.Failed = stats.Skipped
	a.Samples, a.Files, a.Shards, a.Bytes, a.PNG = stats.Samples, stats.Files, stats.Shards, stats.Bytes, stats.PNG
	return c.Answer(a, nil)
}

// dataset opens a .beton, or several as one; release closes it.
func (r *reach) dataset(path string) (ds engine.Dataset, release func() error, err error) {
	ds, free, err := r.Open([]string{path}, engine.Several(path), &ffcv.OpenOptions{})
	if err != nil {
		return nil, nil, err
	}
	return ds, func() error { return errors.Join(ds.Close(), free()) }, nil
}

// with does something with the client's settings of stores and in its
// environment. Its errors are of what was to be made.
func (s *stores) with(storage json.RawMessage, do func(r *reach) error) error {
	r, err := s.reach(storage)
	if err != nil {
		return err
	}
	release, err := r.Hold()
	if err != nil {
		return err
	}
	defer release()
	if err := do(r); err != nil {
		return &madeError{err}
	}
	return nil
}
