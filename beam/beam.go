// Package beam runs a build of many shards (package build) as an Apache Beam
// pipeline: on this machine by Beam's own runner, Prism, or where the user's data
// is processed already, on Dataflow, Flink or Spark.
//
//	func main() {
//		betonbeam.Child() // before anything else
//		flag.Parse()
//		beam.Init()
//		p, s := beam.NewPipelineWithRoot()
//		_, _, err := betonbeam.Build(ctx, s, "s3://bucket/plan.json", &betonbeam.Options{Out: "s3://bucket/train.beton"})
//		…
//		err = beamx.Run(ctx, p)
//	}
//
// The plan is what 'ffcvwrite plan' or build.NewPlan made. Workers share nothing
// but the place where it lies and those that it names, which all of them must
// reach: an object store, or a filesystem that they have in common. The file that
// comes out is byte for byte that of build.BuildShard and build.Merge in one
// process.
//
// Every shard is built in a process of its own, a child of the runner's worker,
// so that a crash, or a kill for want of memory, ends one attempt and nothing
// else. Attempts that fail are made again after a while, here and not by the
// runner: Prism ends a job at the first error of a function. A shard that fails
// at the last attempt ends the job with an error when all the others are built;
// running the pipeline again goes on from there.
//
// This is a module of its own, so that programs that don't use it need nothing of
// Beam.
package beam

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/store"
)

// Defaults of Options.
const (
	DefaultAttempts = 5
	DefaultBackoff  = time.Second
)

// maxBackoff bounds how long an attempt waits for the next one.
const maxBackoff = time.Minute

// Options are the choices of Build. Nil and the zero value of every member are
// the defaults.
type Options struct {
	// Out is what the shards are merged to: a path or URL that the workers reach.
	// "" leaves them as they are.
	Out string
	// IndexOnly writes Out as an index of the shards, which opens as one dataset,
	// and copies none of their bytes.
	IndexOnly bool
	// Overwrite allows to replace Out. Without it Build fails where something is
	// there; what appears there later is replaced, as an attempt to merge replaces
	// what another one wrote.
	Overwrite bool

	// NoSums merges without reading the shards for their SHA-256, as
	// build.MergeOptions.NoSums.
	NoSums bool

	// Workers is how many shards are built at a time by each worker process of the
	// runner, in as many children; 0 is the number of CPUs that it may use, which is
	// wrong where that many shards don't fit into memory.
	Workers int
	// Attempts is how often a shard, and the merge, is tried; 0 is DefaultAttempts.
	Attempts int
	// Backoff is about how long the second attempt waits, and later ones twice as
	// long each, up to a minute; 0 is DefaultBackoff.
	Backoff time.Duration
	// Timeout is after how long an attempt counts as failed; 0 is never.
	Timeout time.Duration
	// InProcess builds in the runner's worker itself: the default is wrong where
	// no process may be started. What crashes there takes the worker along.
	InProcess bool

	// Staging is the folder of a worker's machine in which a file is collected that
	// goes to an object store; "" is one in os.TempDir, which is wrong where that is
	// small.
	Staging string

	// S3 says how s3:// is reached, by this program and by the workers. Credentials
	// are no part of the pipeline: each worker has its own, from the usual places.
	S3 remote.S3

	// Progress, if it is not nil, is told how far the build is where shards are
	// built in this program's own process, as Prism does in its default
	// environment. It is called by one goroutine at a time.
	Progress func(Progress)
}

// Progress is how far a build is.
type Progress struct {
	Shards, Of         int // done, failed for good among them, and of the plan
	Samples, OfSamples int64
	Failed             int // attempts that were made again, or were the last
	Merging            bool
}

// Shard is what became of a shard.
type Shard struct {
	Shard    int
	Path     string // where it lies
	Size     int64  // of the file
	Samples  int64  // in it
	Skipped  int64  // samples that failed and were left out, as the plan says
	SHA256   string // of the file
	Attempts int    // that were made
	Seconds  float64
	Err      string // why it is not built, "" when it is
}

// Merged is what came out.
type Merged struct {
	Plan    string
	Out     string // "" when nothing was merged
	Shards  int
	Samples int64 // of the shards
	Skipped int64
	Size    int64 // of Out, or of the shards together
}

func init() {
	beam.RegisterType(typeOf[Shard]())
	beam.RegisterType(typeOf[Merged]())
	register.DoFn2x0[[]byte, func(int)](&listFn{})
	register.DoFn3x1[context.Context, int, func(Shard), error](&shardFn{})
	register.Function1x2(together)
	register.DoFn4x1[context.Context, int, func(*Shard) bool, func(Merged), error](&mergeFn{})
	register.Emitter1[int]()
	register.Emitter1[Shard]()
	register.Emitter1[Merged]()
	register.Iter1[Shard]()
}

// Build adds the build of a plan to a pipeline: its shards, as each is done, and
// at last one Merged. The plan is read now, and by the workers when they work; it
// must be the same still. A shard that fails is among the shards, with the reason,
// and then there is no Merged: the pipeline fails.
//
// Counters and distributions of the namespace "betongo" tell of shards, samples,
// skipped samples, bytes, attempts, failed attempts, and the milliseconds and
// bytes of a shard.
func Build(ctx context.Context, s beam.Scope, plan string, opts *Options) (shards, merged beam.PCollection, err error) {
	if opts == nil {
		opts = &Options{}
	}
	j, err := newJob(ctx, plan, opts)
	if err != nil {
		return shards, merged, err
	}
	s = s.Scope("betongo.Build")
	list := beam.Reshuffle(s, beam.ParDo(s, &listFn{Shards: j.Shards}, beam.Impulse(s)))
	shards = beam.ParDo(s, &shardFn{Job: *j}, list)
	merged = beam.ParDo(s, &mergeFn{Job: *j}, beam.GroupByKey(s, beam.ParDo(s, together, shards)))
	return shards, merged, nil
}

// job is what workers know of a build; it travels with the pipeline, as JSON.
type job struct {
	Plan      string
	Hash      string // of the plan
	Shards    int
	Samples   int64
	Out       string
	IndexOnly bool
	NoSums    bool
	Workers   int
	Attempts  int
	Backoff   time.Duration
	Timeout   time.Duration
	InProcess bool
	Staging   string
	S3        remote.S3
	Build     int64 // which one of this process it is, for tell
}

func newJob(ctx context.Context, plan string, opts *Options) (*job, error) {
	j := &job{
		Plan: plan, Out: opts.Out, IndexOnly: opts.IndexOnly, NoSums: opts.NoSums, Workers: opts.Workers, Attempts: opts.Attempts,
		Backoff: opts.Backoff, Timeout: opts.Timeout, InProcess: opts.InProcess, Staging: opts.Staging, S3: opts.S3,
	}
	switch {
	case j.Workers < 0 || j.Attempts < 0 || j.Backoff < 0 || j.Timeout < 0:
		return nil, fmt.Errorf("build of %s: %d workers, %d attempts, a backoff of %v and a timeout of %v; expected none below 0", plan, j.Workers, j.Attempts, j.Backoff, j.Timeout)
	case !j.InProcess && !isParent.Load():
		return nil, errors.New("build: main does not call Child, so there is no program to build shards in processes of their own; call it first, or set InProcess")
	}
	if j.Attempts == 0 {
		j.Attempts = DefaultAttempts
	}
	if j.Backoff == 0 {
		j.Backoff = DefaultBackoff
	}
	// Workers on this machine may have another folder.
	var err error
	for _, name := range []*string{&j.Plan, &j.Out} {
		if *name, err = whole(*name); err != nil {
			return nil, err
		}
	}
	if j.Out != "" && !opts.Overwrite {
		if err := build.CheckTarget(ctx, j.Out, false, false, j.store()); err != nil {
			return nil, err
		}
	}
	p, err := build.ReadPlan(ctx, j.Plan, j.store())
	if err != nil {
		return nil, err
	}
	j.Hash, j.Shards, j.Samples = p.Hash(), p.Len(), int64(p.Samples)
	if opts.Progress != nil {
		t := &teller{job: j, tell: opts.Progress, samples: make(map[int]int64)}
		j.Build = builds.Add(1)
		tellers.Store(j.Build, t)
	}
	return j, nil
}

// whole returns a path from the root of the filesystem, and a URL and "" as they
// are.
func whole(name string) (string, error) {
	if name == "" || remote.IsURL(name) {
		return name, nil
	}
	return filepath.Abs(name)
}

// atOnce is how many shards a worker process builds at a time.
func (j *job) atOnce() int {
	if j.Workers == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return j.Workers
}

var (
	builds  atomic.Int64 // of this process
	tellers sync.Map     // of builds of this process: their number to *teller
)

// teller tells Options.Progress. A nil one tells nothing.
type teller struct {
	job     *job
	tell    func(Progress)
	mu      sync.Mutex
	now     Progress
	samples map[int]int64 // of shards that are not done, so far
	sum     int64         // of those that are
}

// teller returns the build's in this process, which may be none.
func (j *job) teller() *teller {
	t, _ := tellers.Load(j.Build)
	found, _ := t.(*teller)
	return found
}

// change changes the progress and tells of it.
func (t *teller) change(f func()) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	t.now.Of, t.now.OfSamples, t.now.Samples = t.job.Shards, t.job.Samples, t.sum
	for _, n := range t.samples {
		t.now.Samples += n
	}
	t.tell(t.now)
}

// at says that an attempt at a shard is so far; done is that it ended, and how.
func (t *teller) at(shard int, samples int64) {
	t.change(func() { t.samples[shard] = samples })
}

func (t *teller) failed(shard int) {
	t.change(func() { delete(t.samples, shard); t.now.Failed++ })
}

func (t *teller) done(s *Shard) {
	t.change(func() { delete(t.samples, s.Shard); t.now.Shards++; t.sum += s.Samples + s.Skipped })
}

func (t *teller) merging() { t.change(func() { t.now.Merging = true }) }

// marker begins the error of a build, by which Cause finds it again.
const marker = "betongo build of "

// fail returns the error that ends the job.
func (j *job) fail(format string, args ...any) error {
	return fmt.Errorf("%s%s: %w", marker, store.Name(j.Plan), fmt.Errorf(format, args...))
}

// Cause returns the error that a pipeline of Build ended with as Build put it, in
// one line: a runner gives it as text, amidst what it has to say itself. Errors of
// others are returned as they are.
func Cause(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	at := strings.LastIndex(text, marker)
	if at < 0 {
		return err
	}
	text, _, _ = strings.Cut(text[at:], "\n")
	return errors.New(text)
}
