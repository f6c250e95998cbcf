package beam

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/log"
)

const namespace = "betongo"

var (
	shardsDone     = beam.NewCounter(namespace, "shards")
	samplesDone    = beam.NewCounter(namespace, "samples")
	samplesSkipped = beam.NewCounter(namespace, "skipped_samples")
	bytesDone      = beam.NewCounter(namespace, "bytes")
	attemptsMade   = beam.NewCounter(namespace, "attempts")
	attemptsFailed = beam.NewCounter(namespace, "failed_attempts")
	shardMillis    = beam.NewDistribution(namespace, "shard_ms")
	shardBytes     = beam.NewDistribution(namespace, "shard_bytes")
)

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// listFn lists the shards' numbers.
type listFn struct{ Shards int }

// ProcessElement emits the numbers, once.
func (f *listFn) ProcessElement(_ []byte, emit func(int)) {
	for i := range f.Shards {
		emit(i)
	}
}

// shardFn builds shards, some at a time: a runner gives a bundle's elements one
// after another, and Prism takes all of them for one bundle at first. So an
// element is taken as soon as there is room for it in this process, built beside
// others, and what came out is emitted at the bundle's end. More are not taken, so
// that the runner can still give the others elsewhere.
type shardFn struct {
	Job job

	ctx     context.Context // of the bundle
	cancel  context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex // guards what follows, and the bundle's counters
	done    []Shard
}

// StartBundle begins a bundle.
func (f *shardFn) StartBundle(ctx context.Context, _ func(Shard)) {
	f.ctx, f.cancel = context.WithCancel(ctx)
	f.done = nil
}

// ProcessElement takes a shard.
func (f *shardFn) ProcessElement(ctx context.Context, shard int, _ func(Shard)) error {
	room := rooms(f.Job.atOnce())
	if err := room.enter(ctx); err != nil {
		return err
	}
	f.running.Add(1)
	go func() { // ends with its shard, or with the bundle's ctx; FinishBundle and Teardown wait
		defer f.running.Done()
		f.build(f.ctx, shard, room)
	}()
	return nil
}

// FinishBundle waits for the bundle's shards and emits them.
func (f *shardFn) FinishBundle(ctx context.Context, emit func(Shard)) error {
	f.running.Wait()
	f.cancel()
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, s := range f.done {
		emit(s)
	}
	return nil
}

// Teardown ends what a bundle that failed left behind.
func (f *shardFn) Teardown() {
	if f.cancel != nil {
		f.cancel()
	}
	f.running.Wait()
}

// build builds a shard, in as many attempts as it takes, and leaves room at last.
func (f *shardFn) build(ctx context.Context, shard int, room room) {
	start := time.Now()
	s := Shard{Shard: shard}
	tell := f.Job.teller()
	attempts, err := f.Job.retry(ctx, fmt.Sprintf("shard %d", shard), room, func(ctx context.Context, attempt int) error {
		a, err := f.Job.attempt(ctx, task{Shard: shard, attempt: attempt}, func(samples int64) { tell.at(shard, samples) })
		f.mu.Lock()
		defer f.mu.Unlock()
		attemptsMade.Inc(ctx, 1)
		if err != nil {
			attemptsFailed.Inc(ctx, 1)
			tell.failed(shard)
			return err
		}
		s = *a.Shard
		return nil
	})
	s.Attempts, s.Seconds = attempts, time.Since(start).Seconds()
	if err != nil {
		s.Err = err.Error()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = append(f.done, s)
	tell.done(&s)
	if err != nil {
		log.Errorf(ctx, "betongo: shard %d of %d is not built: %v", shard, f.Job.Shards, err)
		return
	}
	shardsDone.Inc(ctx, 1)
	samplesDone.Inc(ctx, s.Samples)
	samplesSkipped.Inc(ctx, s.Skipped)
	bytesDone.Inc(ctx, s.Size)
	shardMillis.Update(ctx, time.Since(start).Milliseconds())
	shardBytes.Update(ctx, s.Size)
	log.Infof(ctx, "betongo: shard %d of %d: %d samples, %d bytes, %.1f s, attempt %d", shard, f.Job.Shards, s.Samples, s.Size, s.Seconds, attempts)
}
