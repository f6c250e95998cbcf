package ffcv

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// ordered does jobs 0 to n-1 in parallel and hands their results to emit, in
// order and in the caller's goroutine. start makes one worker's state. The
// first error of a job or of emit, or the end of ctx, ends all of it; every
// goroutine has ended when ordered returns, and when emit panics.
func ordered[R any](ctx context.Context, workers, n int, start func() func(ctx context.Context, job int) (R, error), emit func(R) error) error {
	ctx, cancel := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	defer g.Wait()
	defer cancel()

	type slot struct {
		job int
		out chan R // holds the one result, so that no worker waits for emit
	}
	todo := make(chan slot)
	queue := make(chan slot, 2*workers) // the same slots, in order; bounds how far the workers run ahead
	g.Go(func() error {                 // ends when all slots are given out, or with ctx
		defer close(todo)
		defer close(queue)
		for job := range n {
			s := slot{job, make(chan R, 1)}
			for _, c := range []chan slot{queue, todo} {
				select {
				case c <- s:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
		return nil
	})
	for range workers {
		g.Go(func() error { // ends when todo is closed
			work := start()
			for s := range todo {
				r, err := work(ctx, s.job)
				if err != nil {
					return err
				}
				s.out <- r
			}
			return nil
		})
	}
	for s := range queue {
		select {
		case r := <-s.out:
			if err := emit(r); err != nil {
				return err
			}
		case <-ctx.Done():
			if err := g.Wait(); err != nil {
				return err
			}
			return ctx.Err() // every job was done, but not every result was emitted
		}
	}
	return g.Wait()
}
