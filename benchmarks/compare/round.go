package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"
)

// runner starts both sides.
type runner struct {
	python, script string
	ours           string // the ffcv binary
	workers        int
}

// result is what a run prints; of both sides' JSON the members that they
// share.
type result struct {
	Open       float64 `json:"open_s"`
	FirstBatch float64 `json:"start_to_first_batch_s"`
	Epochs     []struct {
		Wall    float64 `json:"wall_s"`
		CPU     float64 `json:"cpu_s"`
		Samples int     `json:"samples"`
	} `json:"epochs"`
	PeakRSS float64 `json:"peak_rss_mb"`

	wall, cpu float64 // seconds a sample, medians of the epochs after the first
}

// pair is one round: the same work by both.
type pair struct{ ffcv, ours result }

// round runs both sides once, FFCV first in every other round.
func (r *runner) round(ctx context.Context, d duel, n int) (p pair, err error) {
	sides := []func() error{
		func() (err error) {
			p.ffcv, err = r.run(ctx, r.python, r.script, d.file, d.pipeline, ffcvOrder[d.order],
				strconv.Itoa(d.batch), strconv.Itoa(d.epochs), strconv.Itoa(r.workers))
			return err
		},
		func() (err error) {
			pipeline := d.pipeline
			if pipeline == "rows" {
				pipeline = "raw"
			}
			p.ours, err = r.run(ctx, r.ours, "bench", d.file, "--json", "--pipeline", pipeline, "--order", d.order,
				"--batch", strconv.Itoa(d.batch), "--epochs", strconv.Itoa(d.epochs), "--workers", strconv.Itoa(r.workers))
			return err
		},
	}
	if n%2 == 1 {
		slices.Reverse(sides)
	}
	for _, side := range sides {
		if err := side(); err != nil {
			return p, err
		}
	}
	if a, b := p.ffcv.Epochs[0].Samples, p.ours.Epochs[0].Samples; a != b {
		return p, fmt.Errorf("FFCV loaded %d samples, ffcv bench %d", a, b)
	}
	return p, nil
}

func (r *runner) run(ctx context.Context, name string, args ...string) (result, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = os.TempDir() // away from the folder ffcv, which would hide Python's package
	cmd.Env = append(os.Environ(), fmt.Sprintf("START=%f", float64(time.Now().UnixNano())/1e9))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return result{}, fmt.Errorf("%s: %w\n%s", name, err, errs.Bytes())
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var res result
	if err := json.Unmarshal(lines[len(lines)-1], &res); err != nil || len(res.Epochs) < 2 {
		return res, fmt.Errorf("%s: %d epochs, %v: %s", name, len(res.Epochs), err, out)
	}
	var wall, cpu []float64
	for _, e := range res.Epochs[1:] {
		wall = append(wall, e.Wall/float64(e.Samples))
		cpu = append(cpu, e.CPU/float64(e.Samples))
	}
	res.wall, res.cpu = median(wall), median(cpu)
	return res, nil
}

func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	mid := len(v) / 2
	if len(v)%2 == 0 {
		return (v[mid-1] + v[mid]) / 2
	}
	return v[mid]
}
