package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// runner starts both sides.
type runner struct {
	python, scripts string
	ours, writer    string // our programs
	dir             string // of the files
	workers         int
	stderr          io.Writer
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
		Faults  int64   `json:"major_faults"`
	} `json:"epochs"`
	PeakRSS  float64 `json:"peak_rss_mb"`
	PeakAnon float64 `json:"peak_anon_mb"`

	faults    float64 // major ones, most of an epoch
	first     float64 // CPU seconds a sample of the first epoch
	wall, cpu float64 // seconds a sample, medians of the epochs after the first
}

// pair is one round: the same work by both.
type pair struct{ ffcv, ours result }

// round runs all sides once, FFCV first in every other round.
func (r *runner) round(ctx context.Context, d duel, n int) ([]pair, error) {
	var ffcv result
	pairs := make([]pair, len(d.ours))
	batch, epochs, workers := strconv.Itoa(d.batch), strconv.Itoa(d.epochs), strconv.Itoa(r.workers)
	sides := []func() error{func() (err error) {
		ffcv, err = r.run(ctx, r.python, filepath.Join(r.scripts, "ffcv_load.py"), d.ffcv.file, d.ffcv.pipeline,
			ffcvOrder[d.order], batch, epochs, workers, strconv.FormatBool(!d.limited), strconv.FormatBool(d.cold))
		return err
	}}
	for i, w := range d.ours {
		sides = append(sides, func() (err error) {
			pipeline := w.pipeline
			if pipeline == "rows" || pipeline == "bytes" {
				pipeline = "raw"
			}
			order := d.order
			if w.order != "" {
				order = w.order
			}
			args := []string{"bench", w.file, "--json", "--pipeline", pipeline, "--order", order,
				"--batch", batch, "--epochs", epochs, "--workers", workers}
			if args = append(args, w.flags...); d.cold {
				args = append(args, "--cold")
			}
			pairs[i].ours, err = r.run(ctx, r.ours, args...)
			return err
		})
	}
	if n%2 == 1 {
		slices.Reverse(sides)
	}
	for _, side := range sides {
		if err := side(); err != nil {
			return nil, err
		}
	}
	for i := range pairs {
		pairs[i].ffcv = ffcv
		if a, b := ffcv.Epochs[0].Samples, pairs[i].ours.Epochs[0].Samples; a != b {
			return nil, fmt.Errorf("FFCV loaded %d samples, ffcv bench %d", a, b)
		}
	}
	return pairs, nil
}

// output runs a program away from the folder ffcv, which would hide Python's
// package.
func (r *runner) output(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = os.TempDir()
	cmd.Env = append(os.Environ(), fmt.Sprintf("START=%f", float64(time.Now().UnixNano())/1e9))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", name, err, errs.Bytes())
	}
	return out, nil
}

func (r *runner) run(ctx context.Context, name string, args ...string) (result, error) {
	out, err := r.output(ctx, name, args...)
	if err != nil {
		return result{}, err
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var res result
	if err := json.Unmarshal(lines[len(lines)-1], &res); err != nil || len(res.Epochs) < 2 {
		return res, fmt.Errorf("%s: %d epochs, %v: %s", name, len(res.Epochs), err, out)
	}
	var wall, cpu []float64
	for _, e := range res.Epochs {
		if e.Samples == 0 {
			return res, fmt.Errorf("%s: an epoch without samples: %s", name, out)
		}
		res.faults = max(res.faults, float64(e.Faults))
		wall = append(wall, e.Wall/float64(e.Samples))
		cpu = append(cpu, e.CPU/float64(e.Samples))
	}
	res.first, res.wall, res.cpu = cpu[0], median(wall[1:]), median(cpu[1:])
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
