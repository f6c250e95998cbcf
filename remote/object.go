package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Object is an object that is open for reading: the version that was there when
// it was opened, or ErrChanged. It is safe for concurrent use, and fits
// ffcv.Source.
type Object struct {
	place place
	attrs attrs
	opts  Options
	store store

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	slots  chan struct{} // one for each request that runs
	pages  *pages        // nil without a cache
	wait   sync.WaitGroup
	mu     sync.Mutex
	closed bool
	stats  counters
}

var errClosed = errors.New("the object is closed")

// Open opens an object. It asks its store for its size and version, and reads
// nothing else. ctx is for the opening alone.
func Open(ctx context.Context, url string, opts *Options) (*Object, error) {
	o := opts.withDefaults()
	p, err := parse(url)
	if err != nil {
		return nil, &Error{Op: "open", URL: p.String(), Err: err}
	}
	s, err := openStore(ctx, p, o)
	if err != nil {
		return nil, &Error{Op: "open", URL: p.String(), Err: err}
	}
	var a attrs
	err = retry(ctx, o, func(ctx context.Context) (err error) {
		a, err = s.stat(ctx, p.key)
		return err
	})
	if err != nil {
		return nil, &Error{Op: "open", URL: p.String(), Err: errors.Join(err, s.close())}
	}
	obj := &Object{place: p, attrs: a, opts: o, store: s, slots: make(chan struct{}, o.Requests)}
	obj.ctx, obj.cancel = context.WithCancel(context.Background())
	if o.Cache != nil && a.etag != "" {
		obj.pages = o.Cache.pagesOf(p.String(), a)
	}
	return obj, nil
}

// Name returns the object's URL, without credentials and query.
func (o *Object) Name() string { return o.place.String() }

// Size returns the object's length in bytes.
func (o *Object) Size() int64 { return o.attrs.size }

// Version returns what its store calls this version of the object, its ETag; ""
// where it says none.
func (o *Object) Version() string { return o.attrs.etag }

// Borrow lends nothing: a remote object is not in memory.
func (o *Object) Borrow(off, n int64) ([]byte, bool) { return nil, false }

// WillNeed does nothing: who wants to read ahead reads through a cache in memory.
func (o *Object) WillNeed([]Range) {}

// Reads returns how many reads at a time are worth it.
func (o *Object) Reads() int { return o.opts.Requests }

// Close ends reads in progress and waits for them. A second one does nothing.
func (o *Object) Close() error {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return nil
	}
	o.closed = true
	o.mu.Unlock()
	o.cancel()
	o.wait.Wait()
	return o.store.close()
}

// enter counts a read, which Close waits for; false behind Close.
func (o *Object) enter() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.wait.Add(1)
	return true
}

// ReadPieces is ReadAt into several pieces, one after another, that lie in the
// object as a whole: with one request, into their own memory. errors.ErrUnsupported
// where pages are kept on the disk, which have checksums of longer runs.
func (o *Object) ReadPieces(pieces [][]byte, off int64) (int64, error) {
	if o.pages != nil {
		return 0, errors.ErrUnsupported
	}
	d := into{pieces: pieces}
	for _, p := range pieces {
		d.left += int64(len(p))
	}
	total := d.left
	if !o.enter() {
		return 0, &Error{Op: "read", URL: o.Name(), Off: off, Len: total, Err: errClosed}
	}
	defer o.wait.Done()
	if off < 0 || total > o.attrs.size-off {
		return 0, &Error{Op: "read", URL: o.Name(), Err: fmt.Errorf("%d bytes at %d of %d", total, off, o.attrs.size)}
	}
	if err := o.fetchRun(&d, off); err != nil {
		return 0, &Error{Op: "read", URL: o.Name(), Off: off, Len: total, Err: err}
	}
	return total, nil
}

// ReadAt is io.ReaderAt.
func (o *Object) ReadAt(p []byte, off int64) (int, error) {
	if !o.enter() {
		return 0, &Error{Op: "read", URL: o.Name(), Off: off, Len: int64(len(p)), Err: errClosed}
	}
	defer o.wait.Done()
	if off < 0 {
		return 0, &Error{Op: "read", URL: o.Name(), Err: errors.New("a negative offset")}
	}
	if off >= o.attrs.size {
		return 0, io.EOF
	}
	b := p[:min(int64(len(p)), o.attrs.size-off)]
	var err error
	if o.pages != nil {
		err = o.pages.read(o, b, off)
	} else {
		err = o.fetch(b, off)
	}
	if err != nil {
		return 0, &Error{Op: "read", URL: o.Name(), Off: off, Len: int64(len(b)), Err: err}
	}
	if len(b) < len(p) {
		return len(b), io.EOF
	}
	return len(b), nil
}

// splitSize is the length of the requests that long reads are split into: one
// connection is slower than several, and far longer runs gain nothing.
const splitSize = 8 << 20

// fetch fills b from the store, in one request if it is no long read and nothing
// goes wrong.
func (o *Object) fetch(b []byte, off int64) error {
	if len(b) < 2*splitSize {
		return o.fetchRun(intoOne(b), off)
	}
	var g errgroup.Group
	g.SetLimit(o.opts.Requests) // more could only wait
	for lo := 0; lo < len(b); lo += splitSize {
		hi := min(lo+splitSize, len(b))
		g.Go(func() error { return o.fetchRun(intoOne(b[lo:hi]), off+int64(lo)) }) // ends with its run
	}
	return g.Wait()
}

// into is where bytes of an object go: pieces, one after another.
type into struct {
	pieces [][]byte
	at     int   // bytes of the first that are there
	left   int64 // bytes that are missing
}

func intoOne(b []byte) *into { return &into{pieces: [][]byte{b}, left: int64(len(b))} }

// fill reads what is missing, and returns how much came.
func (d *into) fill(r io.Reader) (n int64, err error) {
	for d.left > 0 && err == nil {
		var k int
		k, err = io.ReadFull(r, d.pieces[0][d.at:])
		n, d.left, d.at = n+int64(k), d.left-int64(k), d.at+k
		if d.at == len(d.pieces[0]) {
			d.pieces, d.at = d.pieces[1:], 0
		}
	}
	return n, err
}

// fetchRun fills d from the store.
func (o *Object) fetchRun(d *into, off int64) error {
	if d.left == 0 {
		return nil
	}
	select {
	case o.slots <- struct{}{}:
		defer func() { <-o.slots }()
	case <-o.ctx.Done():
		return errClosed
	}
	for d.left > 0 {
		// What came stays: the next request is for the rest, and has all its tries.
		n := int64(0)
		err := retry(o.ctx, o.opts, func(ctx context.Context) (err error) {
			n, err = o.request(ctx, d, off)
			if n > 0 && (err == nil || passes(err)) {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
		off += n
	}
	return nil
}

// request makes one request, and returns how many bytes came.
func (o *Object) request(ctx context.Context, d *into, off int64) (int64, error) {
	o.stats.requests.Add(1)
	r, err := o.store.get(ctx, o.place.key, off, d.left, o.attrs)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	n, err := d.fill(r)
	o.stats.bytes.Add(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, &passing{error: errors.New("the answer ended early")}
	}
	return n, err
}
