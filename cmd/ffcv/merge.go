package main

import (
	"errors"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/splice"
)

type mergeCommand struct {
	Files  []string `arg:"" name:"file" complete:"beton" help:"The .beton files, in the order of their samples: files, and patterns such as 'train-*.beton'. A file may come more than once."`
	Output string   `short:"o" required:"" complete:"beton" placeholder:"OUT" help:"What to write: a path or a URL."`
	Repack bool     `help:"Place the values anew instead of copying pages: for files of different page sizes, or with many pages that are nearly empty."`
	customFlags
	packFlags
	spliceFlags
}

// Validate is kong's hook.
func (c *mergeCommand) Validate() error {
	if err := c.spliceFlags.check(); err != nil {
		return err
	}
	if err := c.packFlags.check(); err != nil {
		return err
	}
	if c.PageSize != 0 && !c.Repack {
		return errors.New("--page-size: pages that are copied keep their size; expected --repack with it")
	}
	return c.customFlags.Validate()
}

// Run is kong's hook.
func (c *mergeCommand) Run(e *env) error {
	var list []string
	for _, path := range c.Files { // one by one: together none may come twice
		some, err := c.files(e, []string{path})
		if err != nil {
			return err
		}
		list = append(list, some...)
	}
	if err := checkOutputs([]string{c.Output}, list); err != nil {
		return err
	}
	var files []*ffcv.File
	defer func() { closeAll(files) }()
	for _, path := range list {
		f, err := c.openWhole(e, path)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	s := c.begin(e, &c.packFlags)
	s.opts.Repack = c.Repack
	out, err := c.output(s, c.Output)
	if err != nil {
		return err
	}
	stats, err := splice.Merge(e.ctx, out[0], files, &s.opts)
	return s.end(err, []string{c.Output}, stats)
}
