package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/metrics"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/log"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/options/jobopts"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners"

	// Runners, by their names in --runner, and what makes their functions fast.
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/exec/optimized"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/gcs" // where Dataflow's binary is staged
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/local"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/dataflow"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/flink"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/spark"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/universal"

	betonbeam "github.com/betongo/betongo/beam"
	"github.com/betongo/betongo/internal/term"
)

const prog = "ffcvbeam"

const usage = `Usage: ffcvbeam PLAN [-o OUT] [flags]

Builds the shards of a plan that 'ffcvwrite plan' made, and merges them, as an
Apache Beam pipeline. Plan, source, shards and OUT are paths or URLs that all
workers reach.

`

// ours are the flags that are not Beam's, in the order in which help tells them.
var ours = []string{
	"o", "index-only", "overwrite", "no-sums", "workers", "attempts", "backoff", "timeout",
	"in-process", "staging", "endpoint-url", "s3-region", "profile", "anonymous", "v", "quiet",
	"runner", "endpoint", "environment_type", "environment_config", "worker_binary", "parallelism", "project", "region", "staging_location",
}

// command is the command line.
type command struct {
	betonbeam.Options
	plan  string
	loud  bool
	quiet bool
}

// declare declares the command's own flags beside Beam's.
func (c *command) declare(f *flag.FlagSet) {
	f.StringVar(&c.Out, "o", "", "Merge the shards to `FILE`; without it they are left as they are")
	f.BoolVar(&c.IndexOnly, "index-only", false, "Write -o as an index of the shards, without copying them")
	f.BoolVar(&c.Overwrite, "overwrite", false, "Allow to replace -o")
	f.BoolVar(&c.NoSums, "no-sums", false, "Merge without reading the shards for their SHA-256; their sizes are compared")
	f.IntVar(&c.Workers, "workers", 0, "Build `N` shards at a time in each worker of the runner, in processes of their own; 0 is its CPUs")
	f.IntVar(&c.Attempts, "attempts", betonbeam.DefaultAttempts, "Try each shard, and the merge, at most `N` times")
	f.DurationVar(&c.Backoff, "backoff", betonbeam.DefaultBackoff, "Wait about so long for the second attempt, and twice as long for each later one")
	f.DurationVar(&c.Timeout, "timeout", 0, "End attempts that take longer; 0 is never")
	f.BoolVar(&c.InProcess, "in-process", false, "Build in the runner's worker itself, for where no process may be started")
	f.StringVar(&c.Staging, "staging", "", "Collect files for object stores in `DIR` of a worker's machine (default the system's temporary folder)")
	f.StringVar(&c.S3.Endpoint, "endpoint-url", "", "The server of s3:// `URL`s (default $AWS_ENDPOINT_URL, else AWS)")
	f.StringVar(&c.S3.Region, "s3-region", "", "The region of s3:// URLs (default $AWS_REGION)")
	f.StringVar(&c.S3.Profile, "profile", "", "The profile of AWS's configuration files (default $AWS_PROFILE)")
	f.BoolVar(&c.S3.Anonymous, "anonymous", false, "Ask s3:// without credentials, for public buckets")
	f.BoolVar(&c.loud, "v", false, "Print what the runner has to say, and a line for each shard")
	f.BoolVar(&c.quiet, "quiet", false, "Print no progress")
}

// parse reads the arguments, flags before and behind the plan.
func (c *command) parse(f *flag.FlagSet, args []string) error {
	c.declare(f)
	var names []string
	for {
		if err := f.Parse(args); err != nil {
			return term.Usage(err)
		}
		if args = f.Args(); len(args) == 0 {
			break
		}
		names, args = append(names, args[0]), args[1:]
	}
	if f.Lookup("worker").Value.String() == "true" { // Beam's: a runner's worker, for which the plan is in the pipeline
		return nil
	}
	if len(names) != 1 {
		return term.Usagef("expected one PLAN; got %d", len(names))
	}
	c.plan = names[0]
	return nil
}

// run is the command; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c command
	f := flag.CommandLine // Beam's flags are there
	f.Init(prog, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	stderr = term.Safe(stderr)
	err := c.parse(f, args)
	if errors.Is(err, flag.ErrHelp) {
		help(f, stdout)
		return term.ExitDone
	}
	if err != nil {
		return term.Fail(stderr, prog, err)
	}
	log.LogLevel = "info"
	beam.Init() // in a worker it ends the process
	if err := c.build(ctx, stdout, stderr); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted; shards that were built stay")
		}
		return term.Fail(stderr, prog, err)
	}
	return term.ExitDone
}

// help prints the flags, and not those of Beam that few need.
func help(f *flag.FlagSet, w io.Writer) {
	fmt.Fprint(w, usage)
	for _, name := range ours {
		fl := f.Lookup(name)
		value, text := flag.UnquoteUsage(fl)
		dash := "--"
		if len(name) == 1 {
			dash = "-"
		}
		fmt.Fprintf(w, "  %s%s %s\n    \t%s\n", dash, name, value, text)
	}
	fmt.Fprint(w, "\nBeam has more flags, such as those of Dataflow's machines: see its documentation.\n")
}

// runnerNames are the runners, as Beam knows them.
var runnerNames = []string{"prism", "dataflow", "flink", "spark", "portable"}

// runnerOf returns the runner that a flag means, in the spelling of other SDKs too:
// "FlinkRunner".
func runnerOf(name string) (string, error) {
	short := strings.ToLower(strings.TrimSuffix(name, "Runner"))
	switch {
	case name == "":
		return runnerNames[0], nil
	case slices.Contains(runnerNames, short):
		return short, nil
	}
	last := len(runnerNames) - 1
	return "", term.Usagef("--runner: %s; expected %s or %s", name, strings.Join(runnerNames[:last], ", "), runnerNames[last])
}

// build runs the pipeline and tells what came out.
func (c *command) build(ctx context.Context, stdout, stderr io.Writer) error {
	runner, err := runnerOf(*runners.Runner)
	if err != nil {
		return err
	}
	var bar *term.Progress // nil shows nothing
	here := runner == "prism" && *jobopts.Endpoint == ""
	if here && !c.quiet {
		bar = term.NewProgress(stderr, prog, "samples", -1)
		c.Progress = func(p betonbeam.Progress) { bar.Set(p.Samples, p.OfSamples) }
	}
	if here && !c.loud { // it tells each error five times
		slog.SetDefault(slog.New(&notes{w: stderr, before: bar.Clear}))
	}
	if *jobopts.WorkerBinary == "" && runtime.GOOS == "linux" { // elsewhere Beam compiles one, from source
		if *jobopts.WorkerBinary, err = os.Executable(); err != nil {
			return err
		}
	}
	p, s := beam.NewPipelineWithRoot()
	if _, _, err := betonbeam.Build(ctx, s, c.plan, &c.Options); err != nil {
		return err
	}
	start := time.Now()
	result, err := beam.Run(ctx, runner, p)
	bar.Clear()
	if err != nil {
		return betonbeam.Cause(err)
	}
	if *jobopts.Async {
		_, err := fmt.Fprintf(stdout, "%s: runs\n", c.plan)
		return err
	}
	return c.report(stdout, result, time.Since(start))
}

// report prints what was built.
func (c *command) report(w io.Writer, result beam.PipelineResult, took time.Duration) error {
	all := result.Metrics().Query(func(r metrics.SingleResult) bool { return r.Namespace() == "betongo" })
	n := func(name string) (sum int64) {
		for _, r := range all.Counters() {
			if r.Name() == name {
				sum += r.Result()
			}
		}
		return sum
	}
	out := c.Out
	if out == "" {
		out = c.plan
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s samples in %s shards, %s, %.1f s", out, term.FormatCount(n("samples")), term.FormatCount(n("shards")), term.FormatSize(n("bytes")), took.Seconds())
	for _, x := range []struct{ name, text string }{{"skipped_samples", "skipped"}, {"failed_attempts", "attempts failed"}} {
		if k := n(x.name); k > 0 {
			fmt.Fprintf(&b, ", %s %s", term.FormatCount(k), x.text)
		}
	}
	_, err := fmt.Fprintln(w, b.String())
	return err
}
