package beam

import (
	"context"
	"errors"
	"fmt"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/store"
)

// mergeTask is a task's number that is no shard's: the merge.
const mergeTask = -1

// task is what is tried: a shard, or the merge.
type task struct {
	Shard   int
	attempt int // which, from 1 on
}

// answer is what came out of a task.
type answer struct {
	Shard *Shard `json:",omitempty"` // nil for the merge
	Size  int64  `json:",omitempty"` // of what was merged
}

// finalError is an error that another attempt would end with too.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// isFinal says whether another attempt would end with the same error.
func isFinal(err error) bool {
	var final finalError
	var source *build.SourceError
	var version *build.VersionError
	var option *build.OptionError
	return errors.As(err, &final) || errors.As(err, &source) || errors.As(err, &version) || errors.As(err, &option)
}

// store says how files are reached.
func (j *job) store() *store.Options {
	return &store.Options{Remote: remote.Options{S3: j.S3}}
}

// run does the task in this process.
func (t task) run(ctx context.Context, j *job, progress func(samples int64)) (*answer, error) {
	st := j.store()
	p, err := build.ReadPlan(ctx, j.Plan, st)
	if err != nil {
		return nil, err
	}
	if p.Hash() != j.Hash {
		return nil, finalError{fmt.Errorf("plan %s: its hash is %s; it was %s when the pipeline was made", store.Name(j.Plan), p.Hash(), j.Hash)}
	}
	tell := func(p ffcv.Progress) { progress(int64(p.Done)) }
	if t.Shard == mergeTask {
		stats, err := build.Merge(ctx, p, j.Out, &build.MergeOptions{IndexOnly: j.IndexOnly, NoSums: j.NoSums, Overwrite: true, Store: st, Staging: j.Staging, Progress: tell})
		return &answer{Size: stats.Bytes}, err
	}
	r, err := build.BuildShard(ctx, p, t.Shard, &build.ShardOptions{WriteOptions: build.WriteOptions{Store: st, Staging: j.Staging, Progress: tell}})
	if err != nil {
		return nil, err
	}
	path, err := p.ShardPath(t.Shard)
	if err != nil {
		return nil, err
	}
	return &answer{Shard: &Shard{Shard: r.Shard, Path: path, Size: r.Size, Samples: r.Samples, Skipped: int64(len(r.Skipped)), SHA256: r.SHA256}}, nil
}
