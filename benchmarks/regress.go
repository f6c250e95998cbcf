package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/betongo/betongo/benchmarks/regress"
	"github.com/betongo/betongo/internal/term"
)

type regressCommand struct {
	Base  string  `default:"HEAD^" placeholder:"COMMIT" help:"The commit to compare with (default HEAD^)."`
	Head  string  `default:"HEAD" placeholder:"COMMIT" help:"The commit to look at (default HEAD)."`
	Bound float64 `default:"${bound}" placeholder:"PERCENT" help:"How many percent more instructions a work may take (default ${bound})."`
	Only  string  `placeholder:"REGEXP" help:"Only the works whose name this matches."`
}

// Run is kong's hook.
func (c *regressCommand) Run(e *env) error {
	opts := &regress.Options{Base: c.Base, Head: c.Head, Bound: c.Bound, Log: e.stderr}
	if c.Only != "" {
		only, err := regexp.Compile(c.Only)
		if err != nil {
			return term.Usagef("--only: %w", err)
		}
		opts.Only = only
	}
	report, err := regress.Run(e.ctx, opts)
	if err != nil {
		return err
	}
	if err := report.Print(e.stdout); err != nil {
		return err
	}
	var names []string
	for _, row := range report.Slower() {
		names = append(names, row.Work)
	}
	if len(names) > 0 {
		return fmt.Errorf("more than %g %% slower: %s", report.Bound, strings.Join(names, ", "))
	}
	return nil
}
