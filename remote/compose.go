package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// Piece is a run of bytes of an object that Compose writes: of an object that is
// there already, or of ours.
type Piece struct {
	Object  string      // URL; "" Bytes
	Version string      // the object's; "" the one that is there
	Off     int64       // in the object, or in Bytes
	Len     int64       // how many bytes
	Bytes   io.ReaderAt // where Object is ""; safe for concurrent use
}

// Compose writes an object out of pieces, one after another. Runs of objects of
// S3 the store copies by itself; what is shorter than 5 MiB, which is the least it
// takes for a part, and what is in another store comes through here, a few parts at
// a time in memory. The object appears whole or not at all, and an object that is
// copied from has to stay what it was at the beginning, else ErrChanged. Without
// Overwrite an object that is there is ErrExist.
func Compose(ctx context.Context, url string, pieces []Piece, opts *Options, write *WriteOptions) error {
	o, w := opts.withDefaults(), write.withDefaults()
	o.Cache = nil // what is read once needs no place on the disk
	p, s, err := openTarget(ctx, url, o)
	if err == nil {
		err = s.compose(ctx, p, pieces, o, w)
		err = errors.Join(err, s.close())
	}
	if err != nil {
		return &Error{Op: "write", URL: p.String(), Err: err}
	}
	return nil
}

func (s *bucket) compose(ctx context.Context, p place, pieces []Piece, o Options, w WriteOptions) error {
	if !w.Overwrite {
		if err := s.absent(ctx, p); err != nil {
			return err
		}
	}
	src, err := openSources(ctx, pieces, o)
	if err != nil {
		return err
	}
	defer src.close()
	runs, err := src.runs(pieces)
	if err != nil {
		return err
	}
	if s.s3 == nil {
		return through(ctx, s, p, runs, w)
	}
	m, err := newMultipart(s, p, w)
	if err != nil {
		return err
	}
	list, err := layOut(runs, int64(w.PartSize))
	if err != nil {
		return err
	}
	return m.build(ctx, list)
}

// source is a version of an object that is copied from.
type source struct {
	*Object
}

// copied says whether S3 copies from it by itself.
func (s *source) copied() bool {
	return s.place.scheme == "s3" && s.attrs.etag != "" && plainKey(s.place.key)
}

// sources are the objects that pieces are of, by URL.
type sources map[string]*source

// openSources opens the objects that pieces are of.
func openSources(ctx context.Context, pieces []Piece, o Options) (sources, error) {
	all := sources{}
	for i := range pieces {
		if pieces[i].Object != "" {
			all[pieces[i].Object] = nil
		}
	}
	var mu sync.Mutex
	group, under := errgroup.WithContext(ctx)
	group.SetLimit(o.Requests)
	for _, url := range slices.Sorted(maps.Keys(all)) { // all is written to meanwhile
		group.Go(func() error { // ends with its request; Wait below
			obj, err := Open(under, url, &o)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			all[url] = &source{obj}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		all.close()
		return nil, err
	}
	return all, nil
}

func (a sources) close() {
	for _, s := range a {
		if s != nil {
			s.Close()
		}
	}
}

// run is a run of bytes of the object to be.
type run struct {
	r    io.ReaderAt
	from *source // the same as r; nil where S3 can't copy it
	off  int64
	size int64
}

// runs checks the pieces, and joins what follows on itself.
func (a sources) runs(pieces []Piece) ([]run, error) {
	var list []run
	total := int64(0)
	for i, p := range pieces {
		if p.Off < 0 || p.Len < 0 || p.Off+p.Len < 0 || total+p.Len < 0 || p.Object == "" && p.Bytes == nil && p.Len > 0 {
			return nil, fmt.Errorf("piece %d: %d bytes from %d on of %q", i, p.Len, p.Off, p.Object)
		}
		total += p.Len
		r := run{r: p.Bytes, off: p.Off, size: p.Len}
		if p.Object != "" {
			s := a[p.Object]
			if p.Version != "" && p.Version != s.Version() {
				return nil, fmt.Errorf("piece %d, %s: version %s is there, want %s: %w", i, s.Name(), s.Version(), p.Version, ErrChanged)
			}
			if p.Off+p.Len > s.Size() {
				return nil, fmt.Errorf("piece %d, %s: want bytes %d to %d of %d", i, s.Name(), p.Off, p.Off+p.Len, s.Size())
			}
			r.r = s
			if s.copied() {
				r.from = s
			}
		}
		if r.size == 0 {
			continue
		}
		if n := len(list); n > 0 && r.from != nil && list[n-1].from == r.from && list[n-1].off+list[n-1].size == r.off {
			list[n-1].size += r.size
			continue
		}
		list = append(list, r)
	}
	return list, nil
}

// part is a part of an object of S3: one that S3 copies, or one that is sent.
type part struct {
	from      *source
	off, size int64
	runs      []run // where from is nil
}

// layOut makes parts of runs: all but the last have at least minPart bytes, and
// there are at most maxParts.
func layOut(runs []run, partSize int64) ([]part, error) {
	for copySize := int64(512 << 20); ; {
		list := cut(runs, partSize, copySize)
		if len(list) <= maxParts {
			return list, nil
		}
		if copySize == maxCopy && partSize >= maxCopy/8 {
			return nil, fmt.Errorf("%d parts, want at most %d", len(list), maxParts)
		}
		copySize, partSize = min(2*copySize, maxCopy), min(2*partSize, maxCopy/8)
	}
}

// cut makes parts of runs. What S3 can't copy, because it is ours or too short, is
// collected, with as much of the next run as a part needs.
func cut(runs []run, partSize, copySize int64) []part {
	var list []part
	var open part
	flush := func() {
		if open.size > 0 {
			list = append(list, open)
			open = part{}
		}
	}
	add := func(r run, n int64) run { // n bytes of r; returns the rest
		for n > 0 {
			k := min(n, partSize-open.size)
			open.runs = append(open.runs, run{r: r.r, off: r.off, size: k})
			open.size += k
			r.off, r.size, n = r.off+k, r.size-k, n-k
			if open.size == partSize {
				flush()
			}
		}
		return r
	}
	for _, r := range runs {
		if r.from != nil && open.size > 0 && open.size < minPart {
			r = add(r, min(r.size, minPart-open.size))
		}
		if r.from == nil || r.size < minPart {
			add(r, r.size)
			continue
		}
		flush()
		k := (r.size + copySize - 1) / copySize
		for i := range k { // of nearly the same size
			lo, hi := share(r.size, i, k), share(r.size, i+1, k)
			list = append(list, part{from: r.from, off: r.off + lo, size: hi - lo})
		}
	}
	flush()
	return list
}

// share is where part i of k parts of n bytes begins.
func share(n, i, k int64) int64 { return n/k*i + min(i, n%k) }

// build writes the parts, several at a time, and has the object appear.
func (m *multipart) build(ctx context.Context, list []part) (err error) {
	if len(list) == 0 || len(list) == 1 && list[0].from == nil {
		var b []byte
		if len(list) > 0 {
			if b, err = list[0].read(ctx); err != nil {
				return err
			}
		}
		return exists(m.put(ctx, b))
	}
	if err := m.begin(ctx); err != nil {
		return err
	}
	done := make([]types.CompletedPart, len(list))
	var total int64
	group, under := errgroup.WithContext(ctx)
	group.SetLimit(max(m.s.opts.Requests/2, 1))
	memory := make(chan struct{}, atOnce)
	for i, p := range list {
		total += p.size
		group.Go(func() (err error) { // ends with its part or ctx; Wait below
			if p.from != nil {
				done[i], err = m.copy(under, int32(i+1), p.from, p.off, p.size)
				return err
			}
			select {
			case memory <- struct{}{}:
				defer func() { <-memory }()
			case <-under.Done():
				return under.Err()
			}
			b, err := p.read(under)
			if err == nil {
				done[i], err = m.part(under, int32(i+1), b)
			}
			return err
		})
	}
	if err = group.Wait(); err == nil {
		err = exists(m.complete(ctx, done, total))
	}
	if err != nil {
		return errors.Join(err, m.abort(ctx))
	}
	return nil
}

// read reads the part's runs, several at a time.
func (p *part) read(ctx context.Context) ([]byte, error) {
	b := make([]byte, p.size)
	group, under := errgroup.WithContext(ctx)
	group.SetLimit(8)
	at := int64(0)
	for _, r := range p.runs {
		to := b[at : at+r.size]
		at += r.size
		group.Go(func() error { // ends with its read; Wait below
			if under.Err() != nil {
				return under.Err()
			}
			return r.read(to)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return b, nil
}

// read fills b from the run's beginning on.
func (r *run) read(b []byte) error {
	n, err := r.r.ReadAt(b, r.off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = fmt.Errorf("bytes %d to %d of a piece: %w after %d", r.off, r.off+int64(len(b)), io.ErrUnexpectedEOF, n)
	}
	return err
}

// through writes an object whose bytes all come through here.
func through(ctx context.Context, s *bucket, p place, runs []run, w WriteOptions) error {
	total := int64(0)
	for _, r := range runs {
		total += r.size
	}
	for total/int64(w.PartSize) >= maxParts { // other stores bound their parts' number too
		w.PartSize *= 2
	}
	to, err := newSink(ctx, s, p, w)
	if err != nil {
		return err
	}
	if err := pour(ctx, to, runs, w.PartSize); err != nil {
		return errors.Join(err, to.abort())
	}
	return to.commit()
}

// pour writes runs, the next bytes being read meanwhile.
func pour(ctx context.Context, to io.Writer, runs []run, size int) error {
	ctx, cancel := context.WithCancel(ctx)
	type block struct {
		b   []byte
		err error
	}
	blocks := make(chan block)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel()
	wait.Add(1)
	go func() { // ends with the last run or ctx; Wait above
		defer wait.Done()
		defer close(blocks)
		for _, p := range cut(withoutCopies(runs), int64(size), maxCopy) {
			b, err := p.read(ctx)
			select {
			case blocks <- block{b, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	for k := range blocks {
		if k.err != nil {
			return k.err
		}
		if _, err := to.Write(k.b); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// withoutCopies has all bytes come through here.
func withoutCopies(runs []run) []run {
	list := make([]run, len(runs))
	for i, r := range runs {
		r.from = nil
		list[i] = r
	}
	return list
}
