package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/splice"
	"github.com/betongo/betongo/store"
)

type diffCommand struct {
	A     string `arg:"" complete:"beton" help:"A .beton file, or its URL."`
	B     string `arg:"" complete:"beton" help:"The other one."`
	ByKey bool   `help:"Compare the samples of the same name rather than of the same number."`
	Limit int    `default:"100" placeholder:"N" help:"How much is listed at most; all is counted. Differences; 0 lists all."`
	JSON  bool   `name:"json" help:"Print JSON on standard output. It is an object a line for each difference, and one at the end with their number."`
	customFlags
}

// Validate is kong's hook.
func (c *diffCommand) Validate() error {
	if c.Limit < 0 {
		return fmt.Errorf("--limit: %d; expected 0 or more", c.Limit)
	}
	return c.customFlags.Validate()
}

// diffLine is what the verb prints of a difference, and diffEnd at the end; as
// JSON they are contracts with other programs.
type diffLine struct {
	What    string     `json:"what"`
	SampleA *int       `json:"sample_a"` // null: of no sample of it
	SampleB *int       `json:"sample_b"`
	Key     *fieldName `json:"key,omitempty"`
	Field   *fieldName `json:"field,omitempty"`
	Text    string     `json:"text"`
}

type diffEnd struct {
	Same        bool  `json:"same"`
	Differences int64 `json:"differences"`
	Samples     int64 `json:"samples"` // that were compared
	Differing   int64 `json:"differing_samples"`
	OnlyA       int64 `json:"only_a"`
	OnlyB       int64 `json:"only_b"`
}

// Run is kong's hook. It ends with 2 when a file cannot be read, so that 1 means
// that the files differ.
func (c *diffCommand) Run(e *env) error {
	r, err := c.diff(e)
	if err != nil {
		if e.ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		return term.Usage(err)
	}
	if r.Differences == 0 {
		return nil
	}
	return fmt.Errorf("%s and %s differ: %s", store.Name(c.A), store.Name(c.B), counted(int(r.Differences), "difference"))
}

// diff compares the files and prints in what they differ.
func (c *diffCommand) diff(e *env) (*splice.DiffReport, error) {
	var files []*ffcv.File
	defer func() { closeAll(files) }()
	for _, path := range []string{c.A, c.B} {
		f, err := c.openWhole(e, path)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	out := bufio.NewWriter(e.stdout)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	left := c.Limit
	watch, err := c.reading(e, files...)
	if err != nil {
		return nil, err
	}
	defer watch.end()
	r, err := splice.Diff(e.ctx, watch.Files[0], watch.Files[1], &splice.DiffOptions{ByKey: c.ByKey, Report: func(d splice.Difference) {
		switch left--; {
		case c.Limit > 0 && left < 0:
		case c.JSON:
			_ = enc.Encode(newDiffLine(&d)) // out keeps its error
		default:
			watch.progress.Clear()
			fmt.Fprintln(out, term.Text(d.String()))
		}
	}})
	if err != nil {
		return nil, errors.Join(suggestVerifyIts(err), out.Flush())
	}
	watch.end()
	switch more := r.Differences - int64(c.Limit); {
	case c.JSON:
		_ = enc.Encode(diffEnd{r.Differences == 0, r.Differences, r.Samples, r.Differing, r.OnlyA, r.OnlyB})
	case c.Limit > 0 && more > 0:
		fmt.Fprintf(out, "… and %s more\n", term.FormatCount(more))
	case r.Differences == 0:
		fmt.Fprintf(out, "no difference in %s\n", counted(int(r.Samples), "sample"))
	}
	return r, out.Flush()
}

func newDiffLine(d *splice.Difference) diffLine {
	l := diffLine{What: d.What, SampleA: known(d.Sample[0]), SampleB: known(d.Sample[1]), Text: d.Text}
	if d.Key != "" {
		l.Key = (*fieldName)(&d.Key)
	}
	if d.Field != "" {
		l.Field = (*fieldName)(&d.Field)
	}
	return l
}
