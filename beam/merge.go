package beam

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/log"
)

// together gives all shards the same key, so that one function sees them when
// all of them are there.
func together(s Shard) (int, Shard) { return 0, s }

// mergeFn merges the shards.
type mergeFn struct{ Job job }

// ProcessElement takes all shards.
func (f *mergeFn) ProcessElement(ctx context.Context, _ int, next func(*Shard) bool, emit func(Merged)) error {
	j := &f.Job
	defer tellers.Delete(j.Build)
	m := Merged{Plan: j.Plan, Out: j.Out}
	seen := make(map[int]bool)
	var failed []Shard
	var s Shard
	for next(&s) {
		switch {
		case seen[s.Shard]:
		case s.Err != "":
			failed = append(failed, s)
		default:
			m.Shards++
			m.Samples += s.Samples
			m.Skipped += s.Skipped
			m.Size += s.Size
		}
		seen[s.Shard] = true
	}
	if len(failed) > 0 {
		return j.fail("%d of %d shards are not built: %s", len(failed), j.Shards, failures(failed))
	}
	if m.Shards != j.Shards {
		return j.fail("%d shards came from the runner; expected %d", m.Shards, j.Shards)
	}
	if j.Out != "" {
		size, err := f.merge(ctx)
		if err != nil {
			return j.fail("merge to %s: %w", j.Out, err)
		}
		m.Size = size
	}
	emit(m)
	return nil
}

// merge merges the shards to what is wanted, and returns its size.
func (f *mergeFn) merge(ctx context.Context) (size int64, err error) {
	j := &f.Job
	room := rooms(j.atOnce())
	if err := room.enter(ctx); err != nil {
		return 0, err
	}
	j.teller().merging()
	attempts, err := j.retry(ctx, "merge to "+j.Out, room, func(ctx context.Context, attempt int) error {
		a, err := j.attempt(ctx, task{Shard: mergeTask, attempt: attempt}, func(int64) {})
		if err == nil {
			size = a.Size
		}
		return err
	})
	if err == nil {
		log.Infof(ctx, "betongo: %s: %d shards merged, %d bytes, attempt %d", j.Out, j.Shards, size, attempts)
	}
	return size, err
}

// failuresShown is how many failed shards an error names.
const failuresShown = 5

func failures(failed []Shard) string {
	slices.SortFunc(failed, func(a, b Shard) int { return a.Shard - b.Shard })
	var b strings.Builder
	for i, s := range failed {
		if i == failuresShown {
			fmt.Fprintf(&b, "; and %d more", len(failed)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "shard %d: %s", s.Shard, s.Err)
	}
	return b.String()
}
