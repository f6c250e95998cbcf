package tools

import (
	"context"
	"encoding/json"

	"github.com/betongo/betongo/internal/engine"
	"github.com/betongo/betongo/stats"
)

// surveyRequest asks what a dataset holds, or what two have in common.
type surveyRequest struct {
	Do         string          `json:"do"`
	Paths      []string        `json:"paths"` // one, or two
	Fields     []string        `json:"fields"`
	Samples    int             `json:"samples"`
	Pixels     string          `json:"pixels"` // "full", "scaled" or "none"
	Duplicates bool            `json:"duplicates"`
	Near       bool            `json:"near"`
	Distance   int             `json:"distance"`
	Limit      int             `json:"limit"`
	Memory     int64           `json:"memory"`
	Workers    int             `json:"workers"`
	Storage    json.RawMessage `json:"storage"`
}

var pixels = map[string]stats.Pixels{
	"": stats.PixelsFull, "full": stats.PixelsFull, "scaled": stats.PixelsScaled, "none": stats.PixelsNone,
}

func (q *surveyRequest) options(c *engine.Call) (*stats.Options, error) {
	p, ok := pixels[q.Pixels]
	if !ok {
		return nil, engine.Optionf("pixels: %q; want full, scaled or none", q.Pixels)
	}
	t := &teller{call: c}
	return &stats.Options{
		Fields: q.Fields, Samples: q.Samples, Pixels: p, NoDuplicates: !q.Duplicates, Near: q.Near, Distance: q.Distance,
		Limit: q.Limit, Memory: q.Memory, Workers: q.Workers, Progress: t.progress,
	}, nil
}

// survey answers with a stats.Report of one dataset, or a stats.OverlapReport of
// two.
func (s *stores) survey(ctx context.Context, c *engine.Call) error {
	var q surveyRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	opts, err := q.options(c)
	if err != nil {
		return err
	}
	if len(q.Paths) != 1 && len(q.Paths) != 2 {
		return engine.Optionf("survey: %d paths; want one, or two", len(q.Paths))
	}
	return s.with(q.Storage, func(r *reach) error {
		var open []engine.Dataset
		for _, path := range q.Paths {
			ds, release, err := r.dataset(path)
			if err != nil {
				return err
			}
			defer release()
			open = append(open, ds)
		}
		var a any
		if len(open) == 1 {
			a, err = stats.Survey(ctx, open[0], opts)
		} else {
			a, err = stats.Overlap(ctx, open[0], open[1], opts)
		}
		if err != nil {
			return err
		}
		return c.Answer(a, nil)
	})
}
