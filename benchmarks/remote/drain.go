package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/internal/usage"
	"github.com/betongo/betongo/remote"
)

// drains are what no loader can be faster than: all of the file's bytes from the
// server, thrown away as they come, by long requests and by such as a photograph
// takes.
func (m *measurer) drains(far *server) []kind {
	info, err := os.Stat(m.path("photos.beton"))
	photo := int64(1)
	if err == nil {
		photo = max(info.Size()/int64(m.Count), 1)
	}
	of := func(what string, size int64) kind {
		return kind{name: fmt.Sprintf("thrown away, %s a request", what), of: -1, run: func(ctx context.Context) (loaded, error) {
			return m.load(ctx, far.Env(), epoch{Path: far.url("photos.beton"), Drain: size, Samples: m.Count})
		}}
	}
	return []kind{of("1 MiB", 1<<20), of(fmt.Sprintf("%d KiB", photo>>10), photo)}
}

// drain reads all of an object, e.Drain bytes a request, as many at a time as there
// may be, and throws them away.
func (e *epoch) drain(ctx context.Context) (r loaded, err error) {
	obj, err := remote.Open(ctx, e.Path, nil)
	if err != nil {
		return r, err
	}
	defer obj.Close()
	begin := time.Now()
	cpu, _ := usage.CPU()
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range obj.Reads() { // each ends behind the object's end
		g.Go(func() error {
			b := make([]byte, e.Drain)
			for ctx.Err() == nil {
				off := next.Add(e.Drain) - e.Drain
				if off >= obj.Size() {
					return nil
				}
				if _, err := obj.ReadAt(b, off); err != nil && err != io.EOF {
					return err
				}
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return r, err
	}
	end, _ := usage.CPU()
	r.Wall, r.CPU = time.Since(begin).Seconds(), (end - cpu).Seconds()
	r.Samples, r.After = e.Samples, e.Samples
	return r, nil
}
