package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/betongo/betongo/splice"
)

type splitCommand struct {
	fileFlags
	Parts   string   `placeholder:"N|SHARES" help:"The number of equal parts, or the share of each part, such as 0.9,0.1 or 80,10,10."`
	KFold   int      `name:"kfold" placeholder:"K" help:"K folds instead of parts: each sample is held back in one of them. Fold {} of --output 'cv{}' is cv0.train.beton and cv0.val.beton. With --by-class each fold has the same mixture."`
	Output  []string `short:"o" required:"" sep:"none" complete:"beton" placeholder:"OUT" help:"What to write: a path or a URL. The file of a part; the flag repeats, in the order of the parts. Or one name for all with {} in it, which stands for the part's or fold's number, from 0."`
	Lists   bool     `name:"indices-only" help:"Write the numbers of the samples as JSON and copy none: a list for a part, an object with the lists train and val for a fold. Loaders take them, and 'ffcv subset --indices'."`
	Shuffle bool     `help:"Put the samples in a random order, which --seed decides."`
	Seed    uint64   `default:"0" placeholder:"S" help:"Seed of all that is random. It decides --shuffle and --kfold."`
	ByClass bool     `help:"Divide the samples of each label for themselves, so that all parts have the same mixture."`
	labelFlag
	packFlags
	spliceFlags

	parts []splice.Part
}

// maxParts bounds --parts N: all parts are written at the same time.
const maxParts = 1000

// Validate is kong's hook.
func (c *splitCommand) Validate() error {
	if err := c.parse(); err != nil {
		return err
	}
	if err := c.spliceFlags.check(); err != nil {
		return err
	}
	if err := c.packFlags.check(); err != nil {
		return err
	}
	return c.fileFlags.Validate()
}

// parse reads the parts, or the folds.
func (c *splitCommand) parse() error {
	c.parts = nil
	switch {
	case (c.Parts == "") == (c.KFold == 0):
		return errors.New("--parts and --kfold: expected one of them")
	case c.KFold != 0:
		return c.checkFolds()
	}
	words := strings.Split(c.Parts, ",")
	if n, err := strconv.Atoi(c.Parts); err == nil {
		if n < 1 || n > maxParts {
			return fmt.Errorf("--parts: %d; expected 1 to %d parts", n, maxParts)
		}
		c.parts = make([]splice.Part, n)
		for k := range c.parts {
			c.parts[k].Share = 1
		}
	} else {
		for _, word := range words {
			share, err := strconv.ParseFloat(strings.TrimSpace(word), 64)
			if err != nil || !(share > 0) || math.IsInf(share, 0) {
				return fmt.Errorf("--parts: %q; expected a number of parts, or shares above 0 with commas between", word)
			}
			c.parts = append(c.parts, splice.Part{Share: share})
		}
	}
	switch {
	case len(c.Output) == len(c.parts) && !(len(c.Output) == 1 && strings.Contains(c.Output[0], "{}")):
		for k := range c.parts {
			c.parts[k].Path = c.Output[k]
		}
	case len(c.Output) == 1 && strings.Contains(c.Output[0], "{}"):
		for k := range c.parts {
			c.parts[k].Path = strings.ReplaceAll(c.Output[0], "{}", strconv.Itoa(k))
		}
	default:
		return fmt.Errorf("--output: %d names for %d parts; expected one for each, or one with {} in it", len(c.Output), len(c.parts))
	}
	for k := range c.parts {
		for _, p := range c.parts[:k] {
			if p.Path == c.parts[k].Path {
				return errors.New("--output: two parts have the name " + p.Path)
			}
		}
	}
	return nil
}

// Run is kong's hook.
func (c *splitCommand) Run(e *env) error {
	var paths []string
	for _, p := range c.parts {
		paths = append(paths, p.Path)
	}
	if c.KFold > 0 {
		return c.runFolds(e)
	}
	if err := checkOutputs(paths, []string{c.File}); err != nil {
		return err
	}
	f, err := c.openWhole(e)
	if err != nil {
		return err
	}
	defer f.Close()
	opts := &splice.SplitOptions{Shuffle: c.Shuffle, Seed: c.Seed, ByClass: c.ByClass}
	if c.ByClass {
		if opts.Field, err = labelField(f, c.LabelField); err != nil {
			return err
		}
	}
	if c.Lists {
		return c.partLists(e, f, opts)
	}
	s := c.begin(e, &c.packFlags)
	opts.Options = s.opts
	out, err := c.output(s, paths...)
	if err != nil {
		return err
	}
	for k := range c.parts {
		c.parts[k].Path = out[k]
	}
	stats, err := splice.Split(e.ctx, f, c.parts, opts)
	return s.end(err, paths, stats...)
}
