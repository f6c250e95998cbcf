package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/splice"
	"github.com/betongo/betongo/store"
)

type repairCommand struct {
	fileFlags
	Output     string `short:"o" complete:"beton" placeholder:"OUT" help:"What to write: a path or a URL. A new file of the samples that are whole."`
	Quarantine string `complete:"file" placeholder:"FILE" help:"A list of samples that loaders leave alone, a number a line: it is written, of those that cannot be loaded."`
	Force      bool   `aliases:"overwrite" help:"Replace what is there."`
	JSON       bool   `name:"json" help:"Print JSON on standard output. It is one object of what was found and done."`
	term.Jobs
}

// Validate is kong's hook.
func (c *repairCommand) Validate() error {
	if err := c.Jobs.Check(); err != nil {
		return err
	}
	return c.fileFlags.Validate()
}

// repairResult is what the verb prints; as JSON it is a contract with other
// programs.
type repairResult struct {
	File      string          `json:"file"`
	Seal      string          `json:"seal"` // what became of an unfinished one: "none", "finished" or "taken back"
	Samples   int             `json:"samples"`
	Checksums bool            `json:"checksums"`
	Flaws     int             `json:"flaws"`
	Recovered []string        `json:"recovered"`
	Damaged   []damagedSample `json:"damaged"`
	Block     bool            `json:"extension_block_damaged"`
	Listed    string          `json:"quarantine,omitempty"`
	Output    *spliceResult   `json:"output,omitempty"`
}

type damagedSample struct {
	Sample int    `json:"sample"`
	Why    string `json:"why"`
}

var sealOutcomes = map[ffcv.SealOutcome]string{ffcv.SealNothing: "none", ffcv.SealFinished: "finished", ffcv.SealTakenBack: "taken back"}

// Run is kong's hook. Without --output and --quarantine nothing but sealing in
// place is put right, and a file that is damaged is a failure.
func (c *repairCommand) Run(e *env) error {
	if err := c.check(); err != nil {
		return err
	}
	path, err := c.fetch(e, c.File) // an object is only read, of a copy
	if err != nil {
		return err
	}
	f, err := c.customFlags.openWhole(e, path) // for what it says of custom fields
	if err == nil {
		f.Close()
	} else if errors.Is(err, fs.ErrNotExist) || term.Hint(err) != "" {
		return err
	}
	flags := spliceFlags{Jobs: c.Jobs, Force: c.Force}
	s := flags.begin(e, nil)
	out := ""
	if c.Output != "" {
		local, err := c.output(s, c.Output)
		if err != nil {
			return err
		}
		out = local[0]
	}
	r, err := splice.Repair(e.ctx, path, &splice.RepairOptions{
		Options: s.opts, Open: &ffcv.OpenOptions{Custom: c.custom}, Output: out,
		KeepUnfinished: c.Output != "" || c.Quarantine != "" || path != c.File,
	})
	s.progress.Clear()
	for _, t := range s.targets {
		if err == nil {
			err = t.Commit(e.ctx)
		}
	}
	if err != nil {
		return adviseSplice(c.ofCopy(err, path))
	}
	if c.Quarantine != "" {
		if err := c.list(e, r); err != nil {
			return adviseSplice(err)
		}
	}
	if err := c.print(e, r); err != nil {
		return err
	}
	if c.Output != "" || c.Quarantine != "" || r.Flaws == 0 {
		return nil
	}
	return term.WithHint(fmt.Errorf("%s: %s, %s damaged", store.Name(c.File), counted(r.Flaws, "flaw"), counted(len(r.Damaged), "sample")),
		"-o OUT writes what is whole into a new file, --quarantine LIST lists what cannot be loaded")
}

// copyError is an error that names a file instead of a copy of it, which is gone by
// the time that it is read.
type copyError struct {
	err        error
	file, copy string
}

func (e *copyError) Error() string { return strings.ReplaceAll(e.err.Error(), e.copy, e.file) }
func (e *copyError) Unwrap() error { return e.err }

// ofCopy is an error about what was read from path.
func (c *repairCommand) ofCopy(err error, path string) error {
	if path == c.File {
		return err
	}
	var flaw *ffcv.FormatError
	if errors.As(err, &flaw) && flaw.File == path {
		flaw.File = store.Name(c.File) // for hints
	}
	return &copyError{err, store.Name(c.File), path}
}

// check refuses outputs before the long work.
func (c *repairCommand) check() error {
	for _, path := range []string{c.Output, c.Quarantine} {
		if path == "" {
			continue
		}
		if err := checkOutputs([]string{path}, []string{c.File}); err != nil {
			return err
		}
		if _, err := os.Lstat(path); err == nil && !c.Force && !store.IsURL(path) {
			return term.WithHint(&fs.PathError{Op: "write", Path: path, Err: fs.ErrExist}, "--force replaces an existing file")
		}
	}
	if c.Output != "" && c.Output == c.Quarantine {
		return term.Usagef("--quarantine %s: is the output", c.Quarantine)
	}
	return nil
}

// list writes the quarantine list: of the file as it lies there, in which what
// Repair puts right is still wrong.
func (c *repairCommand) list(e *env, r *splice.RepairReport) error {
	var list []loader.Quarantined
	for _, d := range slices.Concat(r.Damaged, r.Unreadable) {
		list = append(list, loader.Quarantined{Sample: d.Sample, Note: term.Text(d.Why)})
	}
	slices.SortFunc(list, func(a, b loader.Quarantined) int { return a.Sample - b.Sample })
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s of %d of %s\n", counted(len(list), "sample"), r.Samples, term.Name(store.Name(c.File)))
	if err := loader.WriteQuarantine(&b, list); err != nil {
		return err
	}
	opts, err := c.store(e)
	if err != nil {
		return err
	}
	return store.WriteFile(e.ctx, c.Quarantine, b.Bytes(), c.Force, opts)
}

func (c *repairCommand) print(e *env, r *splice.RepairReport) error {
	res := repairResult{File: store.Name(c.File), Seal: sealOutcomes[r.Seal], Samples: r.Samples, Checksums: r.Checked, Flaws: r.Flaws,
		Recovered: append([]string{}, r.Recovered...), Damaged: []damagedSample{}, Block: r.BlockDamaged, Listed: c.Quarantine}
	for _, d := range r.Damaged {
		res.Damaged = append(res.Damaged, damagedSample{d.Sample, d.Why})
	}
	if c.Output != "" {
		res.Output = &spliceResult{Output: c.Output, Samples: r.Written.Samples, Pages: r.Written.Pages, Bytes: r.Written.Bytes}
	}
	out := bufio.NewWriter(e.stdout)
	if c.JSON {
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(res) // out keeps its error
		return out.Flush()
	}
	if r.Seal != ffcv.SealNothing {
		fmt.Fprintf(out, "%s: sealing in place was %s\n", store.Name(c.File), res.Seal)
	}
	for _, what := range r.Recovered {
		fmt.Fprintf(out, "%s: can be made from the rest of the file: %s\n", store.Name(c.File), what)
	}
	for _, d := range r.Damaged {
		fmt.Fprintf(out, "%s: sample %d: %s\n", store.Name(c.File), d.Sample, strings.NewReplacer("\n", " ", "\r", " ").Replace(d.Why))
	}
	if r.BlockDamaged {
		fmt.Fprintf(out, "%s: the extension block is damaged\n", store.Name(c.File))
	}
	by := "no checksums to tell"
	if r.Checked {
		by = "by checksums"
	}
	fmt.Fprintf(out, "%s: %s, %s damaged (%s)\n", store.Name(c.File), counted(r.Samples, "sample"), term.FormatCount(int64(len(r.Damaged))), by)
	if c.Quarantine != "" {
		fmt.Fprintf(out, "%s: %s\n", c.Quarantine, counted(len(r.Damaged)+len(r.Unreadable), "sample"))
	}
	if o := res.Output; o != nil {
		fmt.Fprintf(out, "%s: %s, %s\n", c.Output, counted(o.Samples, "sample"), term.FormatSize(o.Bytes))
	}
	return out.Flush()
}
