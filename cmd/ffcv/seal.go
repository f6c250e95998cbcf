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
	Output        string `short:"o" complete:"beton" placeholder:"OUT" help:"What to write: a path or a URL. Unless given, the new file takes the old one's place once it is whole."`
	InPlace       bool   `help:"Change the file itself, instead of --output. Sealing writes behind its end and then switch eight bytes of its header, instead of writing a new file: for files that there is no room for twice. If the machine stops meanwhile, 'ffcv repair' finishes it or takes it back."`
	NoCheckpoints bool   `help:"Write no checkpoints of JPEGs. Checksums only."`
	Force         bool   `aliases:"overwrite" help:"Replace what is there."`
	JSON          bool   `name:"json" help:"Print JSON on standard output. It is one object of what was done."`
	term.Jobs
}

// Validate is kong's hook.
func (c *sealCommand) Validate() error {
	if c.InPlace && c.Output != "" {
		return errors.New("--in-place: not with --output")
	}
	if err := c.Jobs.Check(); err != nil {
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
	flags := spliceFlags{Jobs: c.Jobs, Force: c.Force, JSON: c.JSON}
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
	flags := spliceFlags{Jobs: c.Jobs, JSON: c.JSON}
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
