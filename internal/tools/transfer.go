package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/betongo/betongo/internal/engine"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/store"
)

// transferRequest is about one object and, of fetch and upload, one local file,
// which the client has made room for and removes.
type transferRequest struct {
	Do        string          `json:"do"`
	URL       string          `json:"url"`
	Path      string          `json:"path"`
	Overwrite bool            `json:"overwrite"`
	Storage   json.RawMessage `json:"storage"`
}

// transfer reads a request, and returns it with the options; release is called
// when the object is open.
func (s *stores) transfer(c *engine.Call) (q *transferRequest, opts *remote.Options, release func(), err error) {
	q = &transferRequest{}
	if err := c.Decode(q); err != nil {
		return nil, nil, nil, err
	}
	if !store.IsURL(q.URL) {
		return nil, nil, nil, engine.Optionf("%s: %q is no URL of an object", q.Do, q.URL)
	}
	r, err := s.reach(q.Storage)
	if err != nil {
		return nil, nil, nil, err
	}
	o := r.q.options()
	release, err = r.Hold()
	return q, &o, release, err
}

// exists tells whether there is an object.
func (s *stores) exists(ctx context.Context, c *engine.Call) error {
	q, opts, release, err := s.transfer(c)
	if err != nil {
		return err
	}
	there, err := store.Exists(ctx, q.URL, &store.Options{Remote: *opts})
	release()
	if err != nil {
		return err
	}
	return c.Answer(map[string]bool{"exists": there}, nil)
}

// fetch copies an object into a new local file.
func (s *stores) fetch(ctx context.Context, c *engine.Call) error {
	q, opts, release, err := s.transfer(c)
	if err != nil {
		return err
	}
	o, err := remote.Open(ctx, q.URL, opts)
	release()
	if err != nil {
		return err
	}
	defer o.Close()
	f, err := os.OpenFile(q.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	err = copyRanges(ctx, f, o)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return c.Answer(map[string]int64{"bytes": o.Size()}, nil)
}

const (
	fetchPiece = 8 << 20
	fetchAhead = 8 // pieces on their way
)

// copyRanges copies an object, several ranges at a time.
func copyRanges(ctx context.Context, to io.WriterAt, o *remote.Object) error {
	pieces := make(chan int64)
	errs := make(chan error, fetchAhead)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers sync.WaitGroup
	for range fetchAhead {
		workers.Add(1)
		go func() { // ends when pieces is closed
			defer workers.Done()
			var buf []byte
			for off := range pieces {
				n := min(fetchPiece, o.Size()-off)
				if int64(cap(buf)) < n {
					buf = make([]byte, n)
				}
				_, err := o.ReadAt(buf[:n], off)
				if err == io.EOF {
					err = nil // at the end of what was asked for
				}
				if err == nil {
					_, err = to.WriteAt(buf[:n], off)
				}
				if err != nil {
					cancel()
					errs <- err
					return
				}
			}
		}()
	}
feed:
	for off := int64(0); off < o.Size(); off += fetchPiece {
		select {
		case pieces <- off:
		case <-ctx.Done():
			break feed
		}
	}
	close(pieces)
	workers.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return ctx.Err()
	}
}

// upload sends a local file as a new object, which appears when it is whole.
func (s *stores) upload(ctx context.Context, c *engine.Call) error {
	q, opts, release, err := s.transfer(c)
	if err != nil {
		return err
	}
	defer release() // parts are sent by whoever was asked for credentials first
	f, err := os.Open(q.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	part := usualPart
	for info.Size()/int64(part) >= maxParts {
		part *= 2
	}
	write := &remote.WriteOptions{Overwrite: q.Overwrite, PartSize: part, ContentType: "application/octet-stream"}
	u, err := remote.Create(ctx, q.URL, opts, write)
	if err != nil {
		return err
	}
	defer u.Abort()
	n, err := io.Copy(u, f)
	if err != nil {
		return err
	}
	if n != info.Size() {
		return fmt.Errorf("%s: %d bytes, it had %d when it was opened", q.Path, n, info.Size())
	}
	if err := u.Commit(); err != nil {
		return err
	}
	return c.Answer(map[string]int64{"bytes": n}, nil)
}

const (
	maxParts  = 9_999    // of an upload; 10,000 are allowed
	usualPart = 16 << 20 // remote.WriteOptions.PartSize
)
