package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/advice"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/store"
)

type verifyCommand struct {
	filesFlags
	Decode bool `help:"Decode what is stored. Every value of a file with checksums too: a JPEG that was broken before the checksums were made is found then. Values of a file without are always decoded."`
	JSON   bool `name:"json" help:"Print JSON on standard output. It is an object a line for each flaw, and one for each file."`
}

// flawLine is what the verb prints of a flaw, and fileLine of a file; as JSON
// they are contracts with other programs.
type flawLine struct {
	File   string     `json:"file"`
	Sample *int       `json:"sample"` // null: of no one sample
	Field  *fieldName `json:"field"`  // null: of no one field
	Offset *int64     `json:"offset"` // byte in the file; null: none
	What   string     `json:"what"`
}

type fileLine struct {
	File      string  `json:"file"`
	Sound     bool    `json:"sound"`
	Samples   *int    `json:"samples"` // null: it does not open
	Flaws     int     `json:"flaws"`
	Checksums bool    `json:"checksums"` // the file has them
	Bytes     int64   `json:"bytes"`     // of the file
	Seconds   float64 `json:"seconds"`
}

// newFlawLine is the line of a flaw.
func newFlawLine(e *ffcv.FormatError) flawLine {
	what := &ffcv.FormatError{Sample: -1, Offset: -1, What: e.What, Err: e.Err}
	l := flawLine{File: e.File, Sample: known(e.Sample), What: what.Error()}
	if e.Field != "" {
		l.Field = (*fieldName)(&e.Field)
	}
	if e.Offset >= 0 {
		l.Offset = &e.Offset
	}
	return l
}

// oneLine is a flaw as text, whatever stands in it.
func oneLine(e *ffcv.FormatError) string {
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(e.Error())
}

// Run is kong's hook. Flaws go to standard output, one a line: file, sample,
// field, offset, and what is wrong. All files are read, whatever is wrong with
// those before.
func (c *verifyCommand) Run(e *env) error {
	list, err := c.list(e)
	if err != nil {
		return err
	}
	flaws, unsound, unread := 0, 0, 0
	var last error // that a file does not open
	for _, path := range list {
		n, closed, err := c.verify(e, path)
		last = errors.Join(last, closed)
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
		return term.WithHint(fmt.Errorf("%s: %s", store.Name(list[0]), counted(flaws, "flaw")), c.hint(list[0], advice.Of(last)))
	case unread == 0:
		return fmt.Errorf("%s in %d of %s", counted(flaws, "flaw"), unsound, counted(len(list), "file"))
	}
	return fmt.Errorf("%s in %d of %s; %d could not be read through", counted(flaws, "flaw"), unsound, counted(len(list), "file"), unread)
}

// hint is what helps a file with flaws, which may not open at all.
func (c *verifyCommand) hint(path string, closed error) string {
	if h := term.Hint(closed); h != "" {
		return h
	}
	return fmt.Sprintf("'ffcv repair %s -o OUT' writes the samples that are whole", store.Name(path))
}

// verify reads one file, prints its flaws, or that it is sound, and returns how
// many there are, and why it doesn't open.
func (c *verifyCommand) verify(e *env, path string) (flaws int, closed, err error) {
	out := bufio.NewWriter(e.stdout)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	report := func(flaw *ffcv.FormatError) {
		flaws++
		if c.JSON {
			_ = enc.Encode(newFlawLine(flaw)) // out keeps its error
			return
		}
		fmt.Fprintln(out, oneLine(flaw))
	}
	name := store.Name(path)
	line := fileLine{File: name}
	start := time.Now()
	f, err := c.customFlags.openWhole(e, path)
	if closed = err; err == nil {
		defer f.Close()
		sums, sumsErr := f.Sums()
		line.Samples, line.Checksums = known(f.Len()), sums != nil && sumsErr == nil
		err = c.read(e, f, report)
	}
	var flaw *ffcv.FormatError
	if err != nil && !errors.As(err, &flaw) {
		return flaws, closed, errors.Join(err, out.Flush())
	}
	if err != nil && flaws == 0 { // so broken that it does not open
		report(flaw)
	}
	if c.JSON {
		if f != nil {
			line.Bytes = f.Size()
		} else if info, err := os.Stat(path); err == nil {
			line.Bytes = info.Size()
		}
		line.Sound, line.Flaws, line.Seconds = flaws == 0, flaws, time.Since(start).Seconds()
		_ = enc.Encode(line)
	} else if err == nil {
		sums := "no checksums"
		if line.Checksums {
			sums = "all checksums right"
		}
		fmt.Fprintf(out, "%s: sound, %s, %s entries in the allocation table, %s\n",
			name, counted(f.Len(), "sample"), term.FormatCount(f.NumEntries()), sums)
	}
	return flaws, closed, out.Flush()
}

// read goes through a file that opens.
func (c *verifyCommand) read(e *env, f *ffcv.File, report func(*ffcv.FormatError)) error {
	r, err := c.reading(e, f)
	if err != nil {
		return err
	}
	defer r.end()
	told := func(flaw *ffcv.FormatError) {
		r.progress.Clear()
		report(flaw)
	}
	if c.Decode {
		return r.Files[0].Verify(e.ctx, told)
	}
	return r.Files[0].VerifySums(e.ctx, told)
}

// counted is so many of something.
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return term.FormatCount(int64(n)) + " " + noun
}
