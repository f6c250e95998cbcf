package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/label"
	"github.com/betongo/betongo/splice"
	"github.com/betongo/betongo/store"
)

// maxFolds bounds --kfold: each fold is nearly the whole dataset once more.
const maxFolds = 1000

// checkFolds checks the flags of folds.
func (c *splitCommand) checkFolds() error {
	if c.KFold < 2 || c.KFold > maxFolds {
		return fmt.Errorf("--kfold: %d; expected 2 to %d folds", c.KFold, maxFolds)
	}
	if len(c.Output) != 1 || !strings.Contains(c.Output[0], "{}") {
		return fmt.Errorf("--output: %d names; expected one with {} in it, which stands for the number of a fold", len(c.Output))
	}
	return nil
}

// foldPaths are the files of fold k: its list, or what it trains on and what it
// holds back.
func (c *splitCommand) foldPaths(k int) []string {
	name := strings.ReplaceAll(c.Output[0], "{}", strconv.Itoa(k))
	if c.Lists {
		return []string{strings.TrimSuffix(name, ".json") + ".json"}
	}
	name = strings.TrimSuffix(name, ".beton")
	return []string{name + ".train.beton", name + ".val.beton"}
}

// runFolds writes the folds, one after another.
func (c *splitCommand) runFolds(e *env) error {
	var paths []string
	for k := range c.KFold {
		paths = append(paths, c.foldPaths(k)...)
	}
	if err := checkOutputs(paths, []string{c.File}); err != nil {
		return err
	}
	f, err := c.openWhole(e)
	if err != nil {
		return err
	}
	defer f.Close()
	folds, err := c.folds(e, f)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	if c.Lists {
		lists := make([]any, len(folds))
		for k, fold := range folds {
			lists[k] = struct {
				Train []int `json:"train"`
				Val   []int `json:"val"`
			}{fold.Train, fold.Test}
		}
		return c.writeLists(e, paths, lists, func(int) int { return f.Len() })
	}
	s := c.begin(e, &c.packFlags)
	out, err := c.output(s, paths...)
	if err != nil {
		return err
	}
	stats := make([]ffcv.Stats, len(paths))
	done := 0
	for k := 0; k < len(paths) && err == nil; k++ {
		sel := splice.Selection{Indices: folds[k/2].Train}
		if k%2 == 1 {
			sel.Indices = folds[k/2].Test
		}
		opts := s.opts
		opts.Progress = func(p ffcv.Progress) { s.progress.Set(int64(done+p.Done), int64(c.KFold)*int64(f.Len())) }
		stats[k], err = splice.Subset(e.ctx, out[k], f, sel, &opts)
		done += len(sel.Indices)
	}
	return s.end(err, paths, stats...)
}

// folds divides the samples.
func (c *splitCommand) folds(e *env, f *ffcv.File) ([]label.Fold, error) {
	if !c.ByClass {
		return label.KFold(f.Len(), c.KFold, c.Seed, c.Shuffle)
	}
	field, err := labelField(f, c.LabelField)
	if err != nil {
		return nil, err
	}
	list, err := splice.Labels(e.ctx, f, field)
	if err != nil {
		return nil, err
	}
	return label.StratifiedKFold(list, c.KFold, c.Seed)
}

// partLists writes the lists of the parts.
func (c *splitCommand) partLists(e *env, f *ffcv.File, opts *splice.SplitOptions) error {
	var shares []float64
	var paths []string
	for _, p := range c.parts {
		shares, paths = append(shares, p.Share), append(paths, p.Path)
	}
	parts, err := splice.Divide(e.ctx, f, shares, opts)
	if err != nil {
		return err
	}
	lists := make([]any, len(parts))
	for k, p := range parts {
		lists[k] = p
	}
	return c.writeLists(e, paths, lists, func(k int) int { return len(parts[k]) })
}

// writeLists writes lists as JSON.
func (c *splitCommand) writeLists(e *env, paths []string, lists []any, samples func(k int) int) error {
	start := time.Now()
	opts, err := c.store(e)
	if err != nil {
		return err
	}
	for _, path := range paths {
		there, err := store.Exists(e.ctx, path, opts)
		if err == nil && there && !c.Force {
			err = term.WithHint(fmt.Errorf("%s: file already exists", store.Name(path)), "--force replaces an existing file")
		}
		if err != nil {
			return err
		}
	}
	enc := json.NewEncoder(e.stdout)
	enc.SetEscapeHTML(false)
	for k, path := range paths {
		b, err := json.Marshal(lists[k])
		if err != nil {
			return err
		}
		if err := store.WriteFile(e.ctx, path, append(b, '\n'), c.Force, opts); err != nil {
			return err
		}
		n := samples(k)
		if c.JSON {
			err = enc.Encode(spliceResult{Output: store.Name(path), Samples: n, Bytes: int64(len(b) + 1), Seconds: time.Since(start).Seconds()})
		} else {
			_, err = fmt.Fprintf(e.stdout, "%s: the numbers of %s\n", store.Name(path), counted(n, "sample"))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
