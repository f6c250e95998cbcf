package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/storeflag"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/store"
)

// planCommand has a command for each kind of source.
type planCommand struct {
	kinds[planFlags] `group:"Plan to write a file of"`
}

// planFlags say into what a dataset is divided.
type planFlags struct {
	Output string `short:"o" required:"" complete:"file" placeholder:"PLAN" help:"What to write: a path or a URL. A .json that all machines reach."`
	Shards int    `required:"" placeholder:"N" help:"Number of shards, numbered from 0."`
	Dir    string `name:"shard-dir" aliases:"to" placeholder:"DIR" help:"Where the shards go, a path or a URL (default: a folder beside the plan, of its name with .shards behind it)."`
	Force  bool   `aliases:"overwrite" help:"Replace what is there. Shards of an old plan are not taken for the new one's."`
	JSON   bool   `name:"json" help:"Print JSON on standard output. It is one object of what was done."`
}

func (f *planFlags) do(ctx context.Context, s streams, from sourceFlags) error {
	return makePlan(ctx, s, from, f)
}

func (f *planFlags) validate() error { return nil }

// makePlan writes a plan.
func makePlan(ctx context.Context, s streams, from sourceFlags, f *planFlags) (err error) {
	if f.Output == "" {
		return term.Usagef("--output: empty; expected the name of the plan to write")
	}
	st, done, err := from.flags().Options(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	r, err := from.recipe(ctx, st)
	if err != nil {
		return err
	}
	if !f.Force {
		if there, err := store.Exists(ctx, f.Output, st); err != nil {
			return err
		} else if there {
			return term.WithHint(fmt.Errorf("plan %s: %w", f.Output, fs.ErrExist), "--force replaces it")
		}
	}
	p, err := build.NewPlan(ctx, r, f.Shards, &build.PlanOptions{Folder: f.Dir, Open: build.OpenOptions{Store: st}})
	var option *build.OptionError
	var spec *source.SpecError
	if errors.As(err, &option) || errors.As(err, &spec) {
		return usage(err)
	}
	if err != nil {
		return advise(err, typed{})
	}
	if err := p.Write(ctx, f.Output, f.Force, st); err != nil {
		return err
	}
	if f.JSON {
		return printJSON(s, struct {
			Plan    string `json:"plan"`
			Hash    string `json:"hash"`
			Shards  int    `json:"shards"`
			Samples int    `json:"samples"`
			Classes int    `json:"classes"`
		}{f.Output, p.Hash(), p.Len(), p.Samples, len(p.Classes)})
	}
	_, err = fmt.Fprintf(s.out, "%s: %s in %s; each is built by: %s shard %s --index N\n",
		f.Output, count(int64(p.Samples), "sample"), count(int64(p.Len()), "shard"), prog, f.Output)
	return err
}

func printJSON(s streams, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s\n", text)
	return err
}

type shardCommand struct {
	Plan    string `arg:"" complete:"beton" help:"The plan, a path or a URL."`
	Index   int    `required:"" env:"JOB_COMPLETION_INDEX,SLURM_ARRAY_TASK_ID" placeholder:"N" help:"The shard's number, from 0 on (default $$JOB_COMPLETION_INDEX of Kubernetes' Indexed Jobs, else $$SLURM_ARRAY_TASK_ID)."`
	Rebuild bool   `help:"Build it also when it is there."`
	workFlags
	storeflag.Flags
}

// shardReport is the object of --json.
type shardReport struct {
	Shard   int     `json:"shard"`
	Path    string  `json:"path"`
	Samples int64   `json:"samples"`
	Bytes   int64   `json:"bytes"`
	SHA256  string  `json:"sha256"`
	Skipped []skip  `json:"skipped"`
	Built   bool    `json:"built"` // false: it was there
	Seconds float64 `json:"seconds"`
}

func (c *shardCommand) run(ctx context.Context, s streams) (err error) {
	start := time.Now()
	if err := c.Check(); err != nil {
		return err
	}
	st, done, err := c.Options(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	p, err := build.ReadPlan(ctx, c.Plan, st)
	if err != nil {
		return err
	}
	j := &job{streams: s, progress: term.NewProgress(s.err, prog, "samples", 0)}
	built := false
	opts := &build.ShardOptions{Rebuild: c.Rebuild, WriteOptions: build.WriteOptions{
		Workers: c.Workers, Store: st, Staging: c.Staging,
		Progress: func(p ffcv.Progress) { built = true; j.progress.Set(int64(p.Done), int64(p.Total)) },
		Warn: func(msg string) {
			j.progress.Clear()
			term.Say(s.err, prog, "warning", msg)
		},
		Uploading: func(n int64) { j.uploading(n, c.Plan) },
	}}
	opts.Waiting = func(err error) {
		j.progress.Clear()
		term.Say(s.err, prog, "note", fmt.Sprintf("waits: %v", err))
	}
	r, err := build.BuildShard(ctx, p, c.Index, opts)
	j.progress.Clear()
	if err != nil {
		return c.advise(err)
	}
	return c.print(s, p, r, built, time.Since(start))
}

// advise adds to an error how a shard goes on.
func (c *shardCommand) advise(err error) error {
	var option *build.OptionError
	var changed *build.SourceError
	var interrupted *ffcv.InterruptedError
	switch {
	case errors.As(err, &option):
		return usage(option)
	case errors.As(err, &changed):
		return term.WithHint(err, "the shards of a plan are made of one source; for this one, make a plan of its own")
	case errors.As(err, &interrupted) && errors.Is(err, context.Canceled):
		return term.WithHint(errors.New("interrupted"), fmt.Sprintf("the same command goes on from sample %d of the shard, on this machine", interrupted.Next))
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	}
	return err
}

func (c *shardCommand) print(s streams, p *build.Plan, r *build.Receipt, built bool, took time.Duration) error {
	path, err := p.ShardPath(r.Shard)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s, shardReport{r.Shard, path, r.Samples, r.Size, r.SHA256, skips(r.Skipped), built, took.Seconds()})
	}
	for _, k := range r.Skipped {
		term.Say(s.err, prog, "skipped", term.Name(k.Path)+": "+k.Reason)
	}
	how := fmt.Sprintf("in %.1f s", took.Seconds())
	if !built {
		how = "there already"
	}
	_, err = fmt.Fprintf(s.out, "shard %d of %d: %s, %s, %s\n", r.Shard, p.Len(), count(r.Samples, "sample"), term.FormatSize(r.Size), how)
	return err
}

type statusCommand struct {
	Plan string `arg:"" complete:"beton" help:"The plan, a path or a URL."`
	JSON bool   `name:"json" help:"Print JSON on standard output. It is one object."`
	storeflag.Flags
}

// statusReport is the object of --json.
type statusReport struct {
	Plan    string `json:"plan"`
	Shards  int    `json:"shards"`
	Built   int    `json:"built"`
	Missing []int  `json:"missing"`
	Samples int64  `json:"samples"` // of the shards that are built
	Skipped int64  `json:"skipped"` // of their samples
	Bytes   int64  `json:"bytes"`
}

func (c *statusCommand) run(ctx context.Context, s streams) (err error) {
	st, done, err := c.Options(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	p, err := build.ReadPlan(ctx, c.Plan, st)
	if err != nil {
		return err
	}
	receipts, err := p.Receipts(ctx, st)
	if err != nil {
		return err
	}
	r := statusReport{Plan: store.Name(c.Plan), Shards: p.Len(), Missing: []int{}}
	for i, x := range receipts {
		if x == nil {
			r.Missing = append(r.Missing, i)
			continue
		}
		r.Built++
		r.Samples += x.Samples
		r.Skipped += int64(len(x.Skipped))
		r.Bytes += x.Size
	}
	if c.JSON {
		return printJSON(s, r)
	}
	line := fmt.Sprintf("%s: %d of %d shards are built: %s, %s", store.Name(c.Plan), r.Built, r.Shards, count(r.Samples, "sample"), term.FormatSize(r.Bytes))
	if r.Skipped > 0 {
		line += fmt.Sprintf(", %s skipped", term.FormatCount(r.Skipped))
	}
	if len(r.Missing) > 0 {
		line += "\nmissing: " + build.Ranges(r.Missing)
	}
	_, err = fmt.Fprintln(s.out, line)
	return err
}

type mergeCommand struct {
	Plan      string `arg:"" complete:"beton" help:"The plan, a path or a URL."`
	Output    string `short:"o" required:"" complete:"beton" placeholder:"FILE" help:"What to write: a path or a URL. A .beton, or with --index-only a .json."`
	IndexOnly bool   `help:"Write an index of the shards, which opens as one dataset, and copy nothing."`
	NoSums    bool   `help:"Compare the shards' sizes alone with their receipts, without reading them for their SHA-256."`
	Force     bool   `aliases:"overwrite" help:"Replace what is there."`
	JSON      bool   `name:"json" help:"Print JSON on standard output. It is one object of what was done."`
	stagingFlag
	storeflag.Flags
}

// mergeReport is the object of --json.
type mergeReport struct {
	Output  string  `json:"output"`
	Shards  int     `json:"shards"`
	Samples int     `json:"samples"`
	Skipped []skip  `json:"skipped"`
	Bytes   int64   `json:"bytes"` // of the file, or of the shards of an index
	Pages   int64   `json:"pages"`
	Seconds float64 `json:"seconds"`
}

func (c *mergeCommand) run(ctx context.Context, s streams) (err error) {
	start := time.Now()
	if c.Output == "" {
		return term.Usagef("--output: empty; expected the name of the file to write")
	}
	st, done, err := c.Options(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	p, err := build.ReadPlan(ctx, c.Plan, st)
	if err != nil {
		return err
	}
	checking := term.NewProgress(s.err, prog, "bytes checked", 0)
	progress := term.NewProgress(s.err, prog, "samples", int64(p.Samples))
	stats, err := build.Merge(ctx, p, c.Output, &build.MergeOptions{
		IndexOnly: c.IndexOnly, NoSums: c.NoSums, Overwrite: c.Force, Store: st, Staging: c.Staging,
		Checking: func(done, total int64) { checking.Set(done, total) },
		Progress: func(p ffcv.Progress) { checking.Clear(); progress.Set(int64(p.Done), int64(p.Total)) },
		Warn: func(msg string) {
			checking.Clear()
			progress.Clear()
			term.Say(s.err, prog, "warning", msg)
		},
	})
	checking.Clear()
	progress.Clear()
	var missing *build.MissingError
	var shard *build.ShardError
	switch {
	case errors.As(err, &missing):
		return term.WithHint(err, fmt.Sprintf("%s shard %s --index N builds one", prog, store.Name(c.Plan)))
	case errors.As(err, &shard):
		return term.WithHint(err, fmt.Sprintf("%s shard %s --index %d --rebuild builds it again", prog, store.Name(c.Plan), shard.Shard))
	case errors.Is(err, fs.ErrExist):
		return term.WithHint(err, "--force replaces an existing file")
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted; no file was written")
	case err != nil:
		return err
	}
	return c.print(ctx, s, p, stats, st, time.Since(start))
}

func (c *mergeCommand) print(ctx context.Context, s streams, p *build.Plan, stats ffcv.Stats, st *store.Options, took time.Duration) error {
	receipts, err := p.Receipts(ctx, st)
	if err != nil {
		return err
	}
	r := mergeReport{Output: c.Output, Shards: p.Len(), Samples: stats.Samples, Skipped: []skip{}, Bytes: stats.Bytes, Pages: stats.Pages, Seconds: took.Seconds()}
	for _, x := range receipts {
		if x != nil {
			r.Skipped = append(r.Skipped, skips(x.Skipped)...)
		}
	}
	if c.JSON {
		return printJSON(s, r)
	}
	line := fmt.Sprintf("%s: %s of %s in %.1f s, %s", c.Output, count(int64(r.Samples), "sample"), count(int64(r.Shards), "shard"), r.Seconds, term.FormatSize(r.Bytes))
	if n := len(r.Skipped); n > 0 {
		line += fmt.Sprintf(", %s skipped", term.FormatCount(int64(n)))
	}
	_, err = fmt.Fprintln(s.out, line)
	return err
}
