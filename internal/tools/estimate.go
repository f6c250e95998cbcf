package tools

import (
	"context"
	"encoding/json"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/internal/engine"
)

// estimateRequest asks what a recipe will take.
type estimateRequest struct {
	Do        string          `json:"do"`
	Recipe    build.Recipe    `json:"recipe"`
	Samples   int             `json:"samples"`
	Seed      uint64          `json:"seed"`
	Workers   int             `json:"workers"`
	Cores     int             `json:"cores"`
	Disk      int64           `json:"disk"`
	PerSecond float64         `json:"per_second"`
	Storage   json.RawMessage `json:"storage"`
}

// estimate answers with a build.Estimate.
func (s *stores) estimate(ctx context.Context, c *engine.Call) error {
	var q estimateRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	return s.with(q.Storage, func(r *reach) error {
		if err := check(&q.Recipe); err != nil {
			return err
		}
		opts, release, err := r.store()
		if err != nil {
			return err
		}
		defer release()
		t := &teller{call: c}
		e, err := q.Recipe.Estimate(ctx, &build.EstimateOptions{
			Samples: q.Samples, Seed: q.Seed, Workers: q.Workers, Cores: q.Cores, Disk: q.Disk, PerSecond: q.PerSecond,
			Open:     build.OpenOptions{Store: opts},
			Progress: func(done, all int, _ string) { t.progress(done, all) },
		})
		if err != nil {
			return err
		}
		return c.Answer(e, nil)
	})
}
