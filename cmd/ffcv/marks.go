package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/store"
)

type marksCommand struct {
	fileFlags
	Output string `short:"o" complete:"file" placeholder:"FILE" help:"What to write: a path or a URL. FILE.marks unless given; a side file there is replaced."`
	JSON   bool   `name:"json" help:"Print JSON on standard output. It is one object of what was done."`
	term.Jobs
}

// Validate is kong's hook.
func (c *marksCommand) Validate() error {
	if err := c.Check(); err != nil {
		return err
	}
	return c.fileFlags.Validate()
}

// marksResult is what the verb prints; as JSON it is a contract with other
// programs.
type marksResult struct {
	File    string  `json:"file"`
	Output  string  `json:"output"` // "" when none was written
	Images  int64   `json:"images"`
	Marked  int64   `json:"marked"` // that have checkpoints
	Bytes   int64   `json:"bytes"`  // of the output
	Seconds float64 `json:"seconds"`
}

// Run is kong's hook.
func (c *marksCommand) Run(e *env) error {
	start := time.Now()
	f, err := c.openWhole(e)
	if err != nil {
		return err
	}
	defer f.Close()
	if c.Output == "" {
		if c.Output = c.File + ".marks"; store.IsURL(c.File) {
			c.Output = store.Base(c.File) + ".marks" // loaders take it from the local disk
		}
	}
	progress := term.NewProgress(e.stderr, prog, "images", -1)
	opts, err := c.store(e)
	if err != nil {
		return err
	}
	out, err := store.Create(e.ctx, c.Output, true, opts)
	if err != nil {
		return err
	}
	defer out.Close()
	stats, err := f.WriteMarks(e.ctx, out.Path, &ffcv.MarksOptions{Workers: c.Workers, Progress: progress.Set})
	progress.Clear()
	if err == nil && stats.Bytes > 0 {
		err = out.Commit(e.ctx)
	}
	if err != nil {
		return suggestVerify(err, f.Name())
	}
	r := marksResult{File: f.Name(), Images: stats.Values, Marked: stats.Marked, Bytes: stats.Bytes, Seconds: time.Since(start).Seconds()}
	if stats.Bytes > 0 {
		r.Output = c.Output
	}
	if c.JSON {
		enc := json.NewEncoder(e.stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	}
	if r.Output == "" {
		_, err = fmt.Fprintf(e.stdout, "%s: no image field lacks checkpoints, nothing to write\n", f.Name())
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s: checkpoints of %s images of %s, %s, in %.1f s\n", c.Output,
		term.FormatCount(r.Marked), term.FormatCount(r.Images), term.FormatSize(r.Bytes), r.Seconds)
	return err
}
