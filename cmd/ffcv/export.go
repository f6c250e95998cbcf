package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/export"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/splice"
	"github.com/betongo/betongo/store"
)

type exportCommand struct {
	filesFlags
	To        string    `required:"" enum:"folder,tar,parquet,mds" placeholder:"folder|tar|parquet|mds" help:"The format of what is written. folder (class folders, as torchvision's ImageFolder reads them), tar (WebDataset's shards), parquet (with Hugging Face's image column) or mds (MosaicML Streaming)."`
	Output    string    `short:"o" required:"" complete:"dir" placeholder:"OUT" help:"What to write: a path or a URL. It becomes a folder."`
	ShardSize term.Size `default:"0" placeholder:"SIZE" help:"At most this many bytes in a shard (default 256MiB, of mds 64MiB)."`
	KeyFrom   string    `complete:"field" placeholder:"path|FIELD|index" help:"What samples are called: path, the path that each came from; index, its number; or the value of an int, bytes or JSON field. Without it the path of those that have one, and the number of others."`
	Fields    []string  `complete:"field" placeholder:"NAME,…" help:"Only these fields, with commas between. Unless given, all in the file's order."`
	indicesFlags
	labelFlag
	Ext      []string `sep:"none" placeholder:"FIELD=EXT" help:"The extension of a bytes field's files, in folder and tar, such as caption=txt (default bin); the flag repeats."`
	Name     string   `placeholder:"NAME" help:"What tar and parquet shards are called before their number (default shard, data), such as train, by which Hugging Face knows a split."`
	Metadata bool     `help:"In a folder, write metadata.jsonl, a line a sample in the file's order, also when there is nothing but pictures and labels."`
	OnError  string   `default:"fail" enum:"fail,skip" placeholder:"fail|skip" help:"What to do with a sample that cannot be read. fail (the default), or skip it and report it."`
	term.Jobs
	Force bool `aliases:"overwrite" help:"Replace what is there. It must be an earlier export: a folder with any other file stays."`
	JSON  bool `name:"json" help:"Print JSON on standard output. It is one object of what was done."`
	memoryFlags

	ext map[string]string
}

// Validate is kong's hook.
func (c *exportCommand) Validate() error {
	if err := errors.Join(c.indicesFlags.check(), c.Jobs.Check()); err != nil {
		return err
	}
	switch {
	case c.ShardSize < 0:
		return fmt.Errorf("--shard-size: %d; expected more than 0", c.ShardSize)
	case c.Metadata && c.To != "folder":
		return fmt.Errorf("--metadata: only a folder has it; in %s samples are in order", c.To)
	}
	for _, text := range c.Ext {
		field, ext, ok := strings.Cut(text, "=")
		if _, twice := c.ext[field]; !ok || twice {
			return fmt.Errorf("--ext: %q; expected FIELD=EXT, once a field", text)
		}
		if c.ext == nil {
			c.ext = map[string]string{}
		}
		c.ext[field] = ext
	}
	if err := c.memoryFlags.set(&c.customFlags); err != nil {
		return err
	}
	return c.customFlags.Validate()
}

// exportResult is what the verb prints; as JSON it is a contract with other
// programs.
type exportResult struct {
	Output        string  `json:"output"`
	Format        string  `json:"format"`
	Samples       int     `json:"samples"`
	Skipped       []skip  `json:"skipped"`
	Files         int64   `json:"files"`
	Shards        int     `json:"shards"`
	Bytes         int64   `json:"bytes"`
	PNG           int64   `json:"png"` // pictures that were stored as pixels
	Seconds       float64 `json:"seconds"`
	SamplesPerSec float64 `json:"samples_per_s"`
}

// skip is a sample that was left out.
type skip struct {
	Sample int    `json:"sample"`
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

// Run is kong's hook.
func (c *exportCommand) Run(e *env) error {
	start := time.Now()
	f, err := c.openWhole(e)
	if err != nil {
		return err
	}
	defer f.Close()
	ds, err := c.selected(e, f.(export.Dataset))
	if err != nil {
		return err
	}
	st, err := c.store(e)
	if err != nil {
		return err
	}
	r := exportResult{Output: store.Name(c.Output), Format: c.To, Skipped: []skip{}}
	progress := term.NewProgress(e.stderr, prog, "samples", int64(ds.Len()))
	opts := &export.Options{
		Format: export.Format(c.To), ShardSize: int64(c.ShardSize), KeyFrom: c.KeyFrom, Fields: c.Fields, Label: c.LabelField,
		Ext: c.ext, Prefix: c.Name, Metadata: c.Metadata, Overwrite: c.Force, Store: st, Workers: c.Workers,
		Progress: func(done, all int) { progress.Set(int64(done), int64(all)) },
		Warn: func(text string) {
			progress.Clear()
			term.Say(e.stderr, prog, "warning", text)
		},
	}
	if c.OnError == "skip" {
		opts.OnError = func(s *export.SampleError) error {
			progress.Clear()
			term.Say(e.stderr, prog, "warning", "skipped: "+s.Error())
			r.Skipped = append(r.Skipped, skip{s.Sample, s.Key, s.Err.Error()})
			return nil
		}
	}
	stats, err := export.Write(e.ctx, ds, c.Output, opts)
	progress.Clear()
	if err != nil {
		return c.advise(err)
	}
	r.Samples, r.Files, r.Shards, r.Bytes, r.PNG = stats.Samples, stats.Files, stats.Shards, stats.Bytes, stats.PNG
	r.Seconds = time.Since(start).Seconds()
	r.SamplesPerSec = float64(r.Samples) / max(r.Seconds, 1e-9)
	return c.print(e, &r)
}

// print tells what was written.
func (c *exportCommand) print(e *env, r *exportResult) error {
	if c.JSON {
		enc := json.NewEncoder(e.stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	}
	what := fmt.Sprintf("%s files", term.FormatCount(r.Files))
	if r.Shards == 1 {
		what = "1 shard"
	} else if r.Shards > 1 {
		what = fmt.Sprintf("%d shards", r.Shards)
	}
	if n := len(r.Skipped); n > 0 {
		what += fmt.Sprintf(", %s skipped", term.FormatCount(int64(n)))
	}
	_, err := fmt.Fprintf(e.stdout, "%s: %s samples as %s, %s, %s, in %.1f s\n", r.Output,
		term.FormatCount(int64(r.Samples)), r.Format, what, term.FormatSize(r.Bytes), r.Seconds)
	return err
}

// selected returns the samples of the flags.
func (c *exportCommand) selected(e *env, ds export.Dataset) (export.Dataset, error) {
	n := ds.Len()
	switch {
	case c.Indices != "":
		path, err := c.fetch(e, c.Indices)
		if err != nil {
			return nil, err
		}
		list, err := readIndices(path)
		if err != nil {
			return nil, err
		}
		for i, at := range list {
			if at < 0 || at >= n {
				return nil, fmt.Errorf("--indices: number %d is %d; %s has the samples 0 to %d", i, at, ds.Name(), n-1)
			}
		}
		return dataset.NewSubset(ds, list)
	case c.Range != "":
		r, err := parseSlice(c.Range, n)
		if err != nil {
			return nil, err
		}
		return ranged(ds, r)
	}
	return ds, nil
}

// ranged returns the samples of a slice.
func ranged(ds export.Dataset, r splice.Range) (export.Dataset, error) {
	if r.Step == 1 {
		return dataset.NewRange(ds, r.First, r.First+r.Count)
	}
	list := make([]int, r.Count)
	for i := range list {
		list[i] = r.First + i*r.Step
	}
	return dataset.NewSubset(ds, list)
}

// advise adds what may help.
func (c *exportCommand) advise(err error) error {
	err = suggestVerifyIts(err)
	var sample *export.SampleError
	switch {
	case term.Hint(err) != "":
	case errors.Is(err, export.ErrForeign):
		return term.WithHint(err, "--force replaces what an export wrote and nothing else; move it away, or write to another place")
	case errors.Is(err, fs.ErrExist) && !c.Force:
		return term.WithHint(err, "--force replaces an earlier export")
	case errors.Is(err, export.ErrTwice) && c.KeyFrom != "index":
		return term.WithHint(err, "--key-from index calls samples by their numbers, and --key-from FIELD by a field's values")
	case errors.As(err, &sample) && c.OnError == "fail":
		return term.WithHint(err, "--on-error skip leaves out samples that cannot be exported, and lists them")
	}
	return err
}
