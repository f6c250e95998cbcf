package engine

import (
	"encoding/json"
	"fmt"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/splice"
)

// mergeRequest asks for one file of several that clients wrote beside each
// other, the parts of one dataset.
type mergeRequest struct {
	Do    string   `json:"do"`
	Path  string   `json:"path"`
	Parts []string `json:"parts"`
	Plain bool     `json:"plain"`
	Large bool     `json:"large_samples"`

	Exclusive bool `json:"exclusive"` // an existing file is an error
}

// merge answers {"end":…} as write does. The values are placed anew: the file
// is the one that writing all samples one after another makes.
func (c *conn) merge(r *request) error {
	var q mergeRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	files := make([]*ffcv.File, 0, len(q.Parts))
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for _, path := range q.Parts {
		f, err := ffcv.Open(path, nil)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	opts := &splice.Options{Overwrite: !q.Exclusive, Repack: true, Plain: q.Plain, LargeSamples: q.Large}
	stats, err := splice.Merge(c.ctx, q.Path, files, opts)
	if err != nil {
		return fmt.Errorf("put the shards together: %w", err)
	}
	object, err := json.Marshal(ended(stats))
	if err != nil {
		return err
	}
	return c.link.write(object, nil, nil)
}

// ended tells what was written.
func ended(s ffcv.Stats) map[string]any {
	return map[string]any{"end": map[string]int64{
		"samples": int64(s.Samples), "large": int64(s.Large), "data": s.Data, "pages": s.Pages, "bytes": s.Bytes,
	}}
}
