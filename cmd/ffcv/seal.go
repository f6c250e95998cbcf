package main

import (
	"errors"
	"fmt"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/splice"
)

type sealCommand struct {
	fileFlags
	Output        string `short:"o" placeholder:"OUT" help:"The file to write; unless given, the new file takes the old one's place once it is whole."`
	InPlace       bool   `help:"Write behind the end of the file itself and then switch eight bytes of its header, instead of writing a new file: for files that there is no room for twice. If the machine stops meanwhile, 'ffcv repair' finishes it or takes it back."`
	NoCheckpoints bool   `help:"Add checksums only, no checkpoints of JPEGs."`
	Workers       int    `default:"0" placeholder:"N" help:"Goroutines that make checksums and checkpoints; 0 is one a processor."`
	Force         bool   `help:"Replace an existing file."`
	JSON          bool   `name:"json" help:"Print what was done as one JSON object."`
}

// Validate is kong's hook.
func (c *sealCommand) Validate() error {
	if c.InPlace && c.Output != "" {
		return errors.New("--in-place: not with --output")
	}
	s := spliceFlags{Workers: c.Workers}
	if err := s.check(); err != nil {
		return err
	}
	return c.fileFlags.Validate()
}

// Run is kong's hook.
func (c *sealCommand) Run(e *env) error {
	if c.InPlace {
		return c.inPlace(e)
	}
	path := c.Output
	if path == "" {
		path, c.Force = c.File, true
	} else if err := checkOutputs([]string{path}, []string{c.File}); err != nil {
		return err
	}
	f, err := c.openWhole(e)
	if err != nil {
		return err
	}
	defer f.Close()
	flags := spliceFlags{Workers: c.Workers, Force: c.Force, JSON: c.JSON}
	s := flags.begin(e, nil)
	out, err := c.output(s, path)
	if err != nil {
		return err
	}
	stats, err := splice.Seal(e.ctx, out[0], f, &splice.SealOptions{Options: s.opts, NoCheckpoints: c.NoCheckpoints})
	if errors.Is(err, splice.ErrSealed) && c.Output == "" && !c.JSON {
		s.progress.Clear()
		_, err = fmt.Fprintf(e.stdout, "%s: sealed already, nothing to add\n", f.Name())
		return err
	}
	return s.end(err, []string{path}, stats)
}

// inPlace seals the file itself.
func (c *sealCommand) inPlace(e *env) error {
	if err := onlyLocal("--in-place", c.File, "without it the new object takes the old one's place once it is whole"); err != nil {
		return err
	}
	f, err := c.openWhole(e) // for what it says of custom fields
	if err != nil {
		return err
	}
	f.Close()
	flags := spliceFlags{Workers: c.Workers, JSON: c.JSON}
	s := flags.begin(e, nil)
	stats, err := splice.SealInPlace(e.ctx, c.File, &splice.SealOptions{
		Options: s.opts, Open: &ffcv.OpenOptions{Custom: c.custom}, NoCheckpoints: c.NoCheckpoints,
	})
	if errors.Is(err, splice.ErrSealed) && !c.JSON {
		s.progress.Clear()
		_, err = fmt.Fprintf(e.stdout, "%s: sealed already, nothing to add\n", c.File)
		return err
	}
	if errors.Is(err, ffcv.ErrUnfinishedSeal) {
		err = term.WithHint(err, fmt.Sprintf("'ffcv repair %s' finishes it or takes it back", c.File))
	}
	return s.end(err, []string{c.File}, stats)
}
