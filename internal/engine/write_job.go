package engine

import (
	"context"
	"fmt"
	"iter"
	"sort"
	"sync"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/mmap"
)

// job is a file being written: an ffcv.Dataset whose samples come from
// connections. Its methods are safe for concurrent use.
type job struct {
	q       writeRequest
	specs   []ffcv.FieldSpec // the last one's Field says when a row is encoded
	fields  []fields.Field   // of the client's values
	learns  []*customField   // whose pointers aren't known yet
	rows    int              // -1: a stream
	chunks  int
	size    int // rows of a chunk
	window  int // chunks that may be under way
	stream  chan *part
	over    chan struct{} // closed when the file is written, or not
	feeding sync.WaitGroup

	mu     sync.Mutex
	change *sync.Cond // of what follows
	ended  bool
	next   int            // the chunk to be given out
	floor  int            // the first one that isn't encoded
	open   map[int]*chunk // from floor to next
	first  *part          // of the file
	fed    bool           // a stream has its client
	closed bool           // nothing more comes of it
	failed error          // because of this
	warned []string
	maps   []*mmap.Map // of clients' segments
}

// chunk is a run of rows that one client feeds.
type chunk struct {
	number int
	parts  []*part
	have   int   // rows that came
	done   int   // rows that are encoded
	failed error // of the row first+have
}

// windowRows is how many rows may be under way at least.
const windowRows = 8192

// streamParts is how many parts of a stream wait for the writer at most.
const streamParts = 4

func newJob(q *writeRequest) (*job, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	j := &job{q: *q, rows: -1, over: make(chan struct{}), open: make(map[int]*chunk)}
	j.change = sync.NewCond(&j.mu)
	for i := range q.Fields {
		f, err := q.Fields[i].field()
		if err != nil {
			return nil, err
		}
		if c, ok := f.(*customField); ok && q.Fields[i].Pointers == nil {
			j.learns = append(j.learns, c)
		}
		j.fields = append(j.fields, f)
		if i == len(q.Fields)-1 {
			f = last(f)
		}
		j.specs = append(j.specs, ffcv.FieldSpec{Name: q.Fields[i].Name, Field: f})
	}
	if q.Samples == nil {
		j.stream = make(chan *part, streamParts)
		return j, nil
	}
	j.rows, j.size = *q.Samples, q.Chunk
	if j.size == 0 {
		j.size = 100
	}
	j.chunks = (j.rows + j.size - 1) / j.size
	j.window = max(windowRows/j.size, 4*q.Workers+4)
	return j, nil
}

// run writes the file with what the clients feed, and returns when every one of
// them has been told that it is over.
func (j *job) run(ctx context.Context, progress func(ffcv.Progress)) (ffcv.Stats, error) {
	defer j.end()
	opts := &ffcv.Options{
		PageSize: j.q.PageSize, Overwrite: !j.q.Exclusive, Plain: j.q.Plain, LargeSamples: j.q.Large,
		Seed: j.q.Seed, Classes: j.q.Classes, Progress: progress, Warn: j.warn,
	}
	if len(j.learns) > 0 {
		// What is wrong with the target is told before any sample is fed.
		w, err := ffcv.Create(j.q.Path, j.specs, opts)
		if err != nil {
			return ffcv.Stats{}, err
		}
		if err := w.Close(); err != nil {
			return ffcv.Stats{}, err
		}
		if err := j.learn(ctx); err != nil {
			return ffcv.Stats{}, err
		}
	}
	w, err := ffcv.Create(j.q.Path, j.specs, opts)
	if err != nil {
		return ffcv.Stats{}, err
	}
	defer w.Close()
	if j.stream != nil {
		err = w.WriteStream(ctx, j.samples(ctx), &ffcv.StreamOptions{Reserve: j.q.Reserve})
	} else {
		err = w.WriteDataset(ctx, j, nil)
	}
	return w.Stats(), err
}

// end tells the clients that it is over, waits until none is served any more,
// and gives their memory back: nothing is encoded any more.
func (j *job) end() {
	j.mu.Lock()
	j.ended = true
	j.mu.Unlock()
	j.change.Broadcast()
	close(j.over)
	j.feeding.Wait()
	for _, m := range j.maps {
		m.Close()
	}
}

func (j *job) warn(msg string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.warned = append(j.warned, msg)
}

func (j *job) warnings() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.warned
}

// wait waits, with the lock held, until ok says so or ctx is done.
func (j *job) wait(ctx context.Context, ok func() bool) error {
	if ok() {
		return nil
	}
	stop := context.AfterFunc(ctx, func() {
		j.mu.Lock() // not between the waiter's look at ctx and its wait
		defer j.mu.Unlock()
		j.change.Broadcast()
	})
	defer stop()
	for !ok() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		j.change.Wait()
	}
	return nil
}

// learn waits for the file's first part, and finds the pointers of the fields
// that the client didn't tell.
func (j *job) learn(ctx context.Context) error {
	if j.rows == 0 {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.wait(ctx, func() bool {
		c := j.open[0]
		return j.first != nil || j.closed || c != nil && c.failed != nil
	})
	if err != nil || j.first == nil {
		return err // the writing itself finds the failure
	}
	for i := range j.first.n {
		for k, f := range j.first.fields {
			c, ok := f.(*customField)
			if !ok || j.q.Fields[k].Pointers != nil {
				continue
			}
			v, err := j.first.known(i, k)
			if err != nil {
				return err
			}
			if v, ok := v.(customValue); ok {
				c.learn(v)
			}
		}
	}
	return nil
}

// Len is the number of rows.
func (j *job) Len() int { return j.rows }

// Sample waits for row i. The values borrow what the client sent, which stays
// until they are encoded.
func (j *job) Sample(ctx context.Context, i int) ([]any, string, error) {
	j.mu.Lock()
	at := i % j.size
	var c *chunk
	err := j.wait(ctx, func() bool {
		c = j.open[i/j.size]
		return c != nil && (at < c.have || c.failed != nil)
	})
	if err == nil && at >= c.have {
		err = c.failed
	}
	var p *part
	if err == nil {
		p = c.parts[sort.Search(len(c.parts), func(k int) bool { return c.parts[k].first > i })-1]
	}
	j.mu.Unlock()
	if err != nil {
		return nil, "", err
	}
	values, err := p.row(i)
	return values, p.name(i), err
}

// join says that a client feeds the file from now on, until leave; false when
// the file is done with.
func (j *job) join() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return false
	}
	j.feeding.Add(1)
	return true
}

// keep keeps a client's segment mapped until the file is written.
func (j *job) keep(m *mmap.Map) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.maps = append(j.maps, m)
}

// give returns the next chunk and its first and number of rows; false when
// there is none any more. It waits until the chunk may be given.
func (j *job) give(ctx context.Context) (k, first, n int, ok bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	err = j.wait(ctx, func() bool { return j.ended || j.next == j.chunks || j.next < j.floor+j.window })
	if err != nil || j.ended || j.next == j.chunks {
		return 0, 0, 0, false, err
	}
	k = j.next
	j.next++
	j.open[k] = &chunk{number: k}
	first = k * j.size
	return k, first, min(j.size, j.rows-first), true, nil
}

// take takes a part of chunk k, which its rows have to follow on.
func (j *job) take(k int, p *part, free func()) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.open[k]
	if c == nil || p.first != k*j.size+c.have || c.have+p.n > j.size || p.first+p.n > j.rows || p.n == 0 {
		return &protocolError{fmt.Sprintf("rows %d to %d are not the next of chunk %d", p.first, p.first+p.n, k)}
	}
	if j.first == nil && k == 0 {
		j.first = p
	}
	p.release = func() { j.encoded(c, p, free) }
	c.parts = append(c.parts, p)
	c.have += p.n
	j.change.Broadcast()
	return nil
}

// encoded says that a part's rows are encoded.
func (j *job) encoded(c *chunk, p *part, free func()) {
	if free != nil {
		free()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	c.done += p.n
	p.columns, p.values, p.held = nil, nil, nil
	for {
		c := j.open[j.floor]
		if c == nil || c.done < min(j.size, j.rows-j.floor*j.size) {
			break
		}
		delete(j.open, j.floor)
		j.floor++
	}
	j.change.Broadcast()
}

// fail ends the file: the rows of chunk k that have not come will not.
func (j *job) fail(k int, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if c := j.open[k]; c != nil && c.failed == nil {
		c.failed = err
	}
	j.change.Broadcast()
}

// push hands a stream's part to the writer, when there is room for it.
func (j *job) push(ctx context.Context, p *part) error {
	j.mu.Lock()
	if j.first == nil {
		j.first = p
		j.change.Broadcast()
	}
	j.mu.Unlock()
	select {
	case j.stream <- p:
	case <-j.over:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// finish says that nothing more comes of a stream, and why if that is an error.
// Only the one goroutine that pushes calls it.
func (j *job) finish(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return
	}
	j.closed, j.failed = true, err
	close(j.stream)
	j.change.Broadcast()
}

// samples are those of a stream.
func (j *job) samples(ctx context.Context) iter.Seq2[ffcv.Sample, error] {
	return func(yield func(ffcv.Sample, error) bool) {
		for {
			var p *part
			ok := true
			select {
			case p, ok = <-j.stream:
			case <-ctx.Done():
				return
			}
			if !ok {
				break
			}
			for i := range p.n {
				values, err := p.row(p.first + i)
				if !yield(ffcv.Sample{Values: values, Key: p.name(p.first + i)}, err) {
					return
				}
			}
		}
		j.mu.Lock()
		err := j.failed
		j.mu.Unlock()
		if err != nil {
			yield(ffcv.Sample{}, err)
		}
	}
}
