package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/term"
)

type verifyCommand struct {
	fileFlags
}

// Run is kong's hook. Flaws go to standard output, one a line: file, sample,
// field, offset, and what is wrong.
func (c *verifyCommand) Run(e *env) error {
	flaws := 0
	out := bufio.NewWriter(e.stdout)
	report := func(flaw *ffcv.FormatError) {
		flaws++
		fmt.Fprintln(out, strings.NewReplacer("\n", " ", "\r", " ").Replace(flaw.Error()))
	}
	f, err := c.openWhole()
	if err == nil {
		defer f.Close()
		err = f.Verify(e.ctx, report)
	}
	var flaw *ffcv.FormatError
	switch {
	case err == nil:
		_, err = fmt.Fprintf(e.stdout, "%s: sound, %s samples, %s entries in the allocation table\n",
			c.File, term.FormatCount(int64(f.Len())), term.FormatCount(f.NumEntries()))
		return err
	case !errors.As(err, &flaw):
		return errors.Join(err, out.Flush())
	case flaws == 0: // so broken that it does not open
		report(flaw)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	noun := "flaws"
	if flaws == 1 {
		noun = "flaw"
	}
	return fmt.Errorf("%s: %s %s", c.File, term.FormatCount(int64(flaws)), noun)
}
