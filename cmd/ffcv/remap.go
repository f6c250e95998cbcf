package main

import (
	"fmt"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/label"
	"github.com/betongo/betongo/splice"
	"github.com/betongo/betongo/store"
)

type remapCommand struct {
	fileFlags
	Output string   `short:"o" required:"" complete:"beton" placeholder:"OUT" help:"What to write: a path or a URL."`
	Map    []string `required:"" sep:"none" placeholder:"OLD=NEW,…|FILE" help:"What becomes of which class: OLD=NEW with commas between, by names or, where there are none, by the numbers of labels; *=NEW is for all others, which otherwise stay. Or a file of that, with line ends or commas, or a JSON object. The flag repeats."`
	labelFlag
	spliceFlags
}

// Validate is kong's hook.
func (c *remapCommand) Validate() error {
	if err := c.spliceFlags.check(); err != nil {
		return err
	}
	return c.fileFlags.Validate()
}

// Run is kong's hook.
func (c *remapCommand) Run(e *env) error {
	if err := checkOutputs([]string{c.Output}, []string{c.File}); err != nil {
		return err
	}
	f, err := c.openWhole(e)
	if err != nil {
		return err
	}
	defer f.Close()
	opts := &splice.RemapOptions{}
	if opts.Field, err = labelField(f, c.LabelField); err != nil {
		return err
	}
	classes := f.Classes() // of the label field
	if own, err := labelField(f, ""); err == nil && own != opts.Field {
		classes = nil
	}
	m, err := c.mapping(e, f, classes)
	if err != nil {
		return err
	}
	opts.Label, opts.Classes = m.Label, m.Classes()
	if classes == nil && f.Classes() != nil {
		if opts.Classes != nil {
			return fmt.Errorf("--map: the classes of %s are those of another field; expected numbers", f.Name())
		}
		opts.Classes = f.Classes()
	}
	s := c.begin(e, nil)
	opts.Options = s.opts
	out, err := c.output(s, c.Output)
	if err != nil {
		return err
	}
	stats, err := splice.Remap(e.ctx, out[0], f, opts)
	return s.end(err, []string{c.Output}, stats)
}

// mapping reads the rules, and makes the mapping of them for a file
// whose labels have these names.
func (c *remapCommand) mapping(e *env, f *ffcv.File, classes []string) (label.Mapping, error) {
	var rules []label.Rename
	for _, text := range c.Map {
		where := "--map"
		if store.IsURL(text) || !strings.ContainsAny(text, "={") {
			opts, err := c.store(e)
			if err != nil {
				return label.Mapping{}, err
			}
			b, err := store.ReadFile(e.ctx, text, opts)
			if err != nil {
				return label.Mapping{}, fmt.Errorf("--map: %w", err)
			}
			text, where = string(b), store.Name(text)
		}
		more, err := label.ParseMapping(text)
		if err != nil {
			return label.Mapping{}, fmt.Errorf("%s: %w", where, err)
		}
		rules = append(rules, more...)
	}
	m, err := label.NewMapping(rules, classes)
	if err != nil {
		return m, term.WithHint(fmt.Errorf("--map: %w", err), fmt.Sprintf("'ffcv info --json %s' lists the classes", f.Name()))
	}
	return m, nil
}
