package beam

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/log"
)

// room is where a process builds shards, as many at a time as it has places, for
// all bundles and pipelines together that build as many.
type room chan struct{}

var allRooms sync.Map // number of places to room

func rooms(places int) room {
	r, _ := allRooms.LoadOrStore(places, make(room, places))
	return r.(room)
}

// enter takes a place when there is one.
func (r room) enter(ctx context.Context) error {
	select {
	case r <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r room) leave() { <-r }

// retry makes attempts at something until one succeeds, no more are to be made, or
// ctx is done, and returns how many there were. The caller has a place in the
// room, which others have while nothing is done, and which is left at the end.
func (j *job) retry(ctx context.Context, what string, in room, try func(ctx context.Context, attempt int) error) (attempts int, err error) {
	for attempts = 1; ; attempts++ {
		err = j.within(ctx, func(ctx context.Context) error { return try(ctx, attempts) })
		in.leave()
		switch {
		case err == nil:
			return attempts, nil
		case ctx.Err() != nil:
			return attempts, context.Cause(ctx)
		case isFinal(err):
			return attempts, err
		case attempts >= j.Attempts:
			return attempts, fmt.Errorf("attempt %d of %d: %w", attempts, j.Attempts, err)
		}
		wait := j.wait(attempts)
		log.Warnf(ctx, "betongo: %s, attempt %d of %d: %v; again in %v", what, attempts, j.Attempts, err, wait.Round(time.Millisecond))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return attempts, context.Cause(ctx)
		}
		if err := in.enter(ctx); err != nil {
			return attempts, err
		}
	}
}

// wait is how long to wait after a number of failed attempts: longer each time,
// and not for everybody the same.
func (j *job) wait(attempts int) time.Duration {
	d := maxBackoff
	if n := attempts - 1; n < 32 && j.Backoff<<n>>n == j.Backoff {
		d = min(d, j.Backoff<<n)
	}
	return d/2 + rand.N(d/2+1)
}

// within runs f for as long as an attempt may take, and makes a panic an error.
func (j *job) within(ctx context.Context, f func(context.Context) error) (err error) {
	if j.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, j.Timeout, fmt.Errorf("no end after %v", j.Timeout))
		defer cancel()
	}
	defer func() {
		if p := recover(); p != nil {
			log.Errorf(ctx, "betongo: panic: %v\n%s", p, debug.Stack())
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f(ctx)
}
