package remote

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// atOnce is how many parts are sent at a time.
const atOnce = 4

// parts writes a stream to S3: at once if it is one part, else in parts, some at a
// time.
type parts struct {
	m     *multipart
	outer context.Context
	ctx   context.Context // ends with the first part that fails
	group *errgroup.Group
	stop  context.CancelFunc
	buf   []byte      // the part that is being filled
	free  chan []byte // those that were sent
	n     int32
	size  int64

	mu   sync.Mutex
	done []types.CompletedPart
}

func newParts(ctx context.Context, m *multipart) *parts {
	outer, stop := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(outer)
	group.SetLimit(atOnce)
	return &parts{m: m, outer: outer, ctx: ctx, group: group, stop: stop, free: make(chan []byte, atOnce+1)}
}

// Write is io.Writer.
func (p *parts) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		if len(p.buf) == p.m.w.PartSize { // not when it gets full: the last part has something in it
			if err := p.flush(); err != nil {
				return n, err
			}
		}
		k := min(len(b), p.m.w.PartSize-len(p.buf))
		p.buf = append(p.buf, b[:k]...)
		b, n = b[k:], n+k
	}
	return n, nil
}

// flush sends the part that was filled.
func (p *parts) flush() error {
	if p.n == maxParts {
		return fmt.Errorf("more than %d parts of %d bytes: want a larger PartSize", maxParts, p.m.w.PartSize)
	}
	if p.n == 0 {
		if err := p.m.begin(p.ctx); err != nil {
			return p.cause(err)
		}
	}
	p.n++
	n, b := p.n, p.buf
	p.size += int64(len(b))
	p.group.Go(func() error { // ends with its part or ctx; commit and abort wait
		part, err := p.m.part(p.ctx, n, b)
		if err != nil {
			return err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.done = append(p.done, part)
		p.free <- b[:0]
		return nil
	})
	select {
	case p.buf = <-p.free:
	default:
		p.buf = make([]byte, 0, p.m.w.PartSize)
	}
	if p.ctx.Err() != nil {
		return p.cause(p.ctx.Err())
	}
	return nil
}

// cause is the error of the part that failed first, where one has.
func (p *parts) cause(err error) error {
	if p.ctx.Err() != nil {
		p.stop()
		if e := p.group.Wait(); e != nil {
			return e
		}
		if e := context.Cause(p.ctx); e != nil {
			return e
		}
	}
	return err
}

func (p *parts) commit() error {
	defer p.stop()
	if p.n == 0 {
		return exists(p.m.put(p.outer, p.buf))
	}
	err := p.flush()
	if e := p.group.Wait(); e != nil {
		err = e
	}
	if err == nil {
		slices.SortFunc(p.done, func(a, b types.CompletedPart) int { return cmp.Compare(*a.PartNumber, *b.PartNumber) })
		err = p.m.complete(p.outer, p.done, p.size)
	}
	if err != nil {
		p.m.abort(p.ctx) // the cause is the better error
	}
	return exists(err)
}

func (p *parts) abort() error {
	p.stop()
	p.group.Wait()
	return p.m.abort(p.ctx)
}
