package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// passing marks a failure that may pass.
type passing struct {
	error
	after time.Duration // when the server wants to be asked again
}

func (p *passing) Unwrap() error { return p.error }

const (
	firstPause = 50 * time.Millisecond
	maxPause   = 10 * time.Second
)

// retry runs do until it succeeds, fails for good, or has failed too often. The
// pauses double, and each is drawn from zero to its length, so that clients that
// failed together don't come back together ("full jitter").
func retry(ctx context.Context, o Options, do func(ctx context.Context) error) error {
	pause := firstPause
	for try := 0; ; try++ {
		err := do(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !passes(err) {
			return err
		}
		if try == o.Retries {
			return fmt.Errorf("%w (tried %d times)", err, try+1)
		}
		length := rand.N(pause) + time.Millisecond
		var p *passing
		if errors.As(err, &p) && p.after > 0 {
			length += min(p.after, maxPause)
		}
		wait := time.NewTimer(length)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		}
		pause = min(2*pause, maxPause)
	}
}

// passes says whether a failure may pass.
func passes(err error) bool {
	var p *passing
	var network net.Error
	switch {
	case errors.Is(err, ErrNotExist), errors.Is(err, ErrChanged), errors.Is(err, ErrDenied), errors.Is(err, ErrExist):
		return false
	case errors.As(err, &p), errors.As(err, &network), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF),
		errors.Is(err, errStalled), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EPIPE):
		return true
	}
	return false
}

// busy says whether an HTTP status is one that may be another a moment later.
func busy(code int) bool {
	switch code {
	case http.StatusTooManyRequests, http.StatusRequestTimeout:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported: // it never will be
		return false
	}
	return code >= 500
}

// retryAfter is the pause that an answer asks for in seconds, 0 for none.
func retryAfter(resp *http.Response) time.Duration {
	n, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// errStalled says that a request stood still.
var errStalled = errors.New("the server went silent")

// body is an answer that is being read.
type body = io.ReadCloser

// watched is an answer whose request is cancelled when it stands still for too
// long.
type watched struct {
	io.ReadCloser
	timer   *time.Timer
	limit   time.Duration
	cancel  context.CancelFunc
	stalled *atomic.Bool
}

// watch runs begin under a context that ends when nothing comes for so long;
// begin's answer goes on under it until it is closed.
func watch(ctx context.Context, limit time.Duration, begin func(ctx context.Context) (io.ReadCloser, error)) (body, error) {
	ctx, cancel := context.WithCancel(ctx)
	stalled := new(atomic.Bool)
	timer := time.AfterFunc(limit, func() { stalled.Store(true); cancel() })
	r, err := begin(ctx)
	if err != nil {
		timer.Stop()
		cancel()
		if stalled.Load() {
			return nil, fmt.Errorf("%w for %v", errStalled, limit)
		}
		return nil, err
	}
	return &watched{r, timer, limit, cancel, stalled}, nil
}

func (w *watched) Read(b []byte) (int, error) {
	w.timer.Reset(w.limit)
	n, err := w.ReadCloser.Read(b)
	if err != nil && w.stalled.Load() {
		err = fmt.Errorf("%w for %v", errStalled, w.limit)
	}
	return n, err
}

func (w *watched) Close() error {
	w.timer.Stop()
	err := w.ReadCloser.Close()
	w.cancel()
	return err
}

// counters count an object's requests.
type counters struct{ requests, bytes, hits atomic.Int64 }

// Stats tells what was asked of a store.
type Stats struct {
	Requests int64 `json:"requests"` // with those made again
	Bytes    int64 `json:"bytes"`    // received
	Cached   int64 `json:"cached"`   // bytes read from the local disk instead
}

// Stats tells what was asked of the store since Open.
func (o *Object) Stats() Stats {
	return Stats{o.stats.requests.Load(), o.stats.bytes.Load(), o.stats.hits.Load()}
}
