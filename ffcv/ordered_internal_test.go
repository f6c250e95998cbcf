package ffcv

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/betongo/betongo/internal/leak"
)

func TestOrdered(t *testing.T) {
	defer leak.Watch(t)()
	broken := errors.New("broken")
	for _, c := range []struct{ jobs, workers, fail, stop, cancel int }{
		{0, 2, -1, -1, -1}, {1, 4, -1, -1, -1}, {100, 1, -1, -1, -1}, {300, 8, -1, -1, -1},
		{100, 4, 0, -1, -1}, {100, 4, 99, -1, -1}, {100, 4, 50, -1, -1},
		{100, 4, -1, 0, -1}, {100, 4, -1, 99, -1},
		{100, 4, -1, -1, 0}, {100, 4, -1, -1, 98},
	} {
		for range 20 {
			ctx, cancel := context.WithCancel(context.Background())
			next := 0
			err := ordered(ctx, c.workers, c.jobs, func() func(context.Context, int) (int, error) {
				return func(_ context.Context, job int) (int, error) {
					for range rand.IntN(3) {
						runtime.Gosched()
					}
					if job == c.fail {
						return 0, broken
					}
					return job, nil
				}
			}, func(job int) error {
				if job != next {
					t.Fatalf("%+v: result %d, want %d", c, job, next)
				}
				next++
				if job == c.cancel {
					cancel()
					time.Sleep(time.Millisecond) // the workers may finish meanwhile
				}
				if job == c.stop {
					return broken
				}
				return nil
			})
			cancel()
			switch {
			case c.fail >= 0 || c.stop >= 0:
				if err != broken {
					t.Fatalf("%+v: %v", c, err)
				}
			case err != nil && (c.cancel < 0 || !errors.Is(err, context.Canceled)):
				t.Fatalf("%+v: %v", c, err)
			case err == nil && next != c.jobs:
				t.Fatalf("%+v: no error after %d results", c, next)
			}
		}
	}
}
