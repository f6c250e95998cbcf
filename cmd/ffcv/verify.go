package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/term"
)

type verifyCommand struct {
	filesFlags
}

// Run is kong's hook. Flaws go to standard output, one a line: file, sample,
// field, offset, and what is wrong. All files are read, whatever is wrong with
// those before.
func (c *verifyCommand) Run(e *env) error {
	list, err := dataset.Expand(c.Files)
	if err != nil {
		return err
	}
	flaws, unsound, unread := 0, 0, 0
	for _, path := range list {
		n, err := c.verify(e, path)
		if err != nil {
			if len(list) == 1 || e.ctx.Err() != nil {
				return err
			}
			term.Fail(e.stderr, prog, err)
			unread++
		} else if n > 0 {
			unsound++
		}
		flaws += n
	}
	switch {
	case unsound+unread == 0:
		return nil
	case len(list) == 1:
		return fmt.Errorf("%s: %s", list[0], counted(flaws, "flaw"))
	case unread == 0:
		return fmt.Errorf("%s in %d of %s", counted(flaws, "flaw"), unsound, counted(len(list), "file"))
	}
	return fmt.Errorf("%s in %d of %s; %d could not be read through", counted(flaws, "flaw"), unsound, counted(len(list), "file"), unread)
}

// verify reads one file, prints its flaws, or that it is sound, and returns how
// many there are.
func (c *verifyCommand) verify(e *env, path string) (flaws int, err error) {
	out := bufio.NewWriter(e.stdout)
	report := func(flaw *ffcv.FormatError) {
		flaws++
		fmt.Fprintln(out, strings.NewReplacer("\n", " ", "\r", " ").Replace(flaw.Error()))
	}
	f, err := c.customFlags.openWhole(path)
	if err == nil {
		defer f.Close()
		err = f.Verify(e.ctx, report)
	}
	var flaw *ffcv.FormatError
	switch {
	case err == nil:
		_, err = fmt.Fprintf(e.stdout, "%s: sound, %s, %s entries in the allocation table\n",
			path, counted(f.Len(), "sample"), term.FormatCount(f.NumEntries()))
		return 0, err
	case !errors.As(err, &flaw):
		return flaws, errors.Join(err, out.Flush())
	case flaws == 0: // so broken that it does not open
		report(flaw)
	}
	return flaws, out.Flush()
}

// counted is so many of something.
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return term.FormatCount(int64(n)) + " " + noun
}
