package ffcv

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betongo/betongo/alloc"
	"golang.org/x/sync/errgroup"
)

// pipeline carries chunks of samples from their source into the partial file:
//
//	producer -> jobs -> encoders
//	        \-> order ---------> placer -> writes -> writers -> free -> producer
//
// A chunk is in order before it is encoded, so that the placer meets the
// chunks, and their errors, in sample order: every pointer, and which error
// ends it all, is the same for any number of workers. All the chunks that
// there are come from free, which bounds memory; every channel holds as many,
// so that only the producer waits for a chunk, the encoders for jobs, the
// placer for a chunk's encoder, and the writers for work.
type pipeline struct {
	plan     plan
	part     *partial
	workers  int
	pageSize int
	large    bool
	plain    bool
	seed     uint64

	ds      Dataset // nil for a stream
	order   order   // of the dataset's samples
	onError func(key string, err error) error
	total   int // samples, -1 unknown

	warn     func(string)
	progress func(Progress)

	free, jobs, queue, writes chan *chunk

	pace pace

	// The placer's, and after run's return the finish's.
	pages   *alloc.Pages
	rowsEnd int64 // offset behind which no row may lie: pages begin there
	rows    int64 // samples placed
	skipped int
	big     int   // samples that span pages
	data    int64 // bytes of values
	named   int64 // samples with a key
	shift   int64 // by which makeRoom moved the pages
	sizes   []int
	lastRep time.Time

	table *spool      // entries
	more  *spool      // rows that did not fit before rowsEnd
	keys  stringSpool // one a row
	marks stringSpool // for each row one of each field in plan.marked

	markBytes []int64 // of each such field

	regionSums *spool // of each region; nil without regions and in a plain file

	journal *journal   // nil none
	next    int64      // samples of the order or the stream that are placed or let go
	high    int64      // where the last bytes in a page end
	tallied streamSums // with a journal
	scratch []byte

	basePages int64        // pages copied from base files
	lostKeys  int64        // names of base samples that could not be read
	lostMarks atomic.Int64 // values whose marks could not be read

	sums rowSums

	stopOnce sync.Once
	stopErr  error
	cancel   context.CancelFunc
}

// newPipeline prepares a pipeline whose pages begin at first.
func (w *Writer) newPipeline(first int64) (*pipeline, error) {
	p := &pipeline{
		plan:     w.plan,
		part:     w.part,
		workers:  w.opts.Workers,
		pageSize: int(w.opts.PageSize),
		large:    w.opts.LargeSamples,
		plain:    w.opts.Plain,
		seed:     w.opts.Seed,
		total:    -1,
		warn:     w.opts.Warn,
		progress: w.opts.Progress,
		rowsEnd:  math.MaxInt64,
		journal:  w.journal,
	}
	if p.journal != nil {
		p.pace.most = p.journal.interval / 8
	}
	p.pages = alloc.NewPages(uint64(first), uint64(p.pageSize), p.large)
	p.sizes = make([]int, len(p.plan.ptrs))
	p.markBytes = make([]int64, len(p.plan.marked))
	if len(p.plan.ptrs) > 0 { // otherwise there will be no pages, and no table
		p.rowsEnd = first
		var err error
		if p.table, err = p.part.spool("table"); err != nil {
			return nil, err
		}
		if !p.plain {
			if p.regionSums, err = p.part.spool("sums"); err != nil {
				return nil, err
			}
		}
	}
	// While each encoder holds a chunk, as many wait for their turn to be
	// placed or written: a slow sample stops nobody for a while.
	n := 2*p.workers + 4
	p.free = make(chan *chunk, n)
	p.jobs, p.queue, p.writes = make(chan *chunk, n), make(chan *chunk, n), make(chan *chunk, n)
	for range n {
		p.free <- newChunk()
	}
	return p, nil
}

// run runs the pipeline: produce, on the caller's goroutine, takes chunks and
// sends them. It returns when every goroutine has ended, with the first error
// in sample order if it is a sample's, with ctx's if that ended it.
func (p *pipeline) run(parent context.Context, produce func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(parent)
	p.cancel = cancel
	g, ctx := errgroup.WithContext(ctx)
	for range p.workers {
		g.Go(func() error { return p.encodeAll(ctx) })
	}
	g.Go(func() error { return p.placeAll(ctx) })
	for range min(p.workers, 4) {
		g.Go(func() error { return p.writeAll(ctx) })
	}
	if p.journal != nil {
		p.journal.start(p.stop)
		defer p.journal.end() // when produce ends this goroutine
	}
	defer g.Wait() // when produce ends this goroutine
	defer cancel()
	err := p.drive(ctx, produce)
	groupErr := g.Wait()
	if p.journal != nil {
		p.journal.end() // a disk that failed it has failed the file
	}
	return p.verdict(parent, p.stopErr, err, groupErr)
}

// drive runs produce, and afterwards says that no more chunks come.
func (p *pipeline) drive(ctx context.Context, produce func(ctx context.Context) error) (err error) {
	done := false
	defer close(p.queue)
	defer close(p.jobs)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // values may lie in maps
	defer func() {
		if r := recover(); r != nil {
			err = panicked(r)
		}
		if !done || err != nil {
			p.cancel()
		}
	}()
	err = produce(ctx)
	done = true
	return err
}

// verdict chooses among the errors the one to tell.
func (p *pipeline) verdict(parent context.Context, errs ...error) error {
	if err := parent.Err(); err != nil {
		for _, e := range errs {
			// What a dataset says after the context ended tells nothing more.
			if e != nil && !errors.Is(e, err) {
				return e
			}
		}
		return err
	}
	for _, e := range errs {
		if e != nil {
			return e
		}
	}
	return nil
}

// stop ends the pipeline with an error from a goroutine that can't return one.
func (p *pipeline) stop(err error) {
	p.stopOnce.Do(func() { p.stopErr = err })
	p.cancel()
}

// take waits for a free chunk; nil when ctx is done.
func (p *pipeline) take(ctx context.Context) *chunk {
	if ctx.Err() != nil {
		return nil
	}
	select {
	case c := <-p.free:
		return c
	case <-ctx.Done():
		return nil
	}
}

// send hands a chunk on: its place first, then the work.
func (p *pipeline) send(c *chunk) {
	p.queue <- c
	p.jobs <- c
}

func (p *pipeline) encodeAll(ctx context.Context) error {
	debug.SetPanicOnFault(true) // values may lie in maps; sample makes it an error
	e := newEncoder(p)
	for {
		select {
		case c, ok := <-p.jobs:
			if !ok {
				return nil
			}
			e.run(ctx, c)
		case <-ctx.Done():
			return nil
		}
	}
}

// placeAll places the chunks in order.
func (p *pipeline) placeAll(ctx context.Context) (err error) {
	normal := false
	defer close(p.writes)
	defer func() { // the callbacks run here
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
		} else if !normal {
			p.stop(errGoexit)
		}
	}()
	p.report(true)
	for c := range p.queue {
		for more := true; more; {
			select {
			case <-c.ready:
			case <-ctx.Done():
				normal = true
				return nil
			}
			more = c.more // read before a writer has the chunk
			if err := p.place(ctx, c); err != nil {
				normal = true
				return err
			}
			if p.journal != nil {
				p.scratch = p.tallied.tally(c, p.scratch)
				c.part = p.journal.placed(p.standing())
			}
			p.writes <- c
		}
		p.report(false)
	}
	normal = true
	return nil
}

// place gives a chunk's samples their rows, and their regions space.
func (p *pipeline) place(ctx context.Context, c *chunk) error {
	for _, fail := range c.failed {
		if p.onError == nil {
			return fail
		}
		if err := ctx.Err(); err != nil {
			return err // why the sample failed, most likely
		}
		if err := p.onError(fail.Key, fail); err != nil {
			return err
		}
		if p.skipped++; p.journal != nil {
			p.journal.skip(fail)
		}
	}
	p.next = int64(c.lo) + int64(c.upto)
	c.row = p.rows
	p.rows += int64(c.good)
	if err := p.placeRegions(c); err != nil {
		return err
	}
	p.named += int64(c.named)
	var err error
	if c.keyAt, err = p.keys.place(p.part, "keys", len(c.keys)); err != nil {
		return err
	}
	if c.markAt, err = p.marks.place(p.part, "marks", len(c.marks)); err != nil {
		return err
	}
	at := 0
	for i, end := range c.markEnds {
		p.markBytes[i%len(p.markBytes)] += int64(end - at)
		at = end
	}
	if end := p.rowAt(p.rows); end > p.rowsEnd && p.more == nil {
		if p.more, err = p.part.spool("rows"); err != nil {
			return err
		}
	}
	return nil
}

// placeRegions rewrites the provisional pointers of a chunk's rows and makes
// its table entries.
func (p *pipeline) placeRegions(c *chunk) error {
	k := len(p.plan.ptrs)
	n := c.good * k
	c.ptrs = slices.Grow(c.ptrs[:0], n)[:n]
	c.table = slices.Grow(c.table[:0], n*alloc.EntrySize)[:n*alloc.EntrySize]
	regions := c.arena.Regions(0)
	if len(regions) != n {
		return fmt.Errorf("%d samples with %d regions, want %d: a field took one after its Encode", c.good, len(regions), n)
	}
	for i := 0; i < n; i += k {
		sample := c.row + int64(i/k)
		total := 0
		for j := range k {
			p.sizes[j] = regions[i+j].Size
			total += p.sizes[j]
		}
		if err := p.pages.Place(p.sizes, c.ptrs[i:i+k]); err != nil {
			return fmt.Errorf("row %d: %w", sample, err)
		}
		row := c.rows[(i/k)*p.plan.row.size:]
		for j, off := range p.plan.ptrs {
			ptr := c.ptrs[i+j]
			binary.LittleEndian.PutUint64(row[off:], ptr)
			e := alloc.Entry{Sample: uint64(sample), Ptr: ptr, Size: uint64(p.sizes[j])}
			e.Put(c.table[(i+j)*alloc.EntrySize:])
			if end := int64(ptr) + int64(p.sizes[j]); p.sizes[j] > 0 && end > p.high {
				p.high = end
			}
		}
		if p.data += int64(total); total > p.pageSize {
			p.warnLarge(sample, total)
		}
	}
	return nil
}

// warnLarge counts a sample that spans pages, and tells of the first.
func (p *pipeline) warnLarge(sample int64, size int) {
	if p.big++; p.big == 1 && p.warn != nil {
		p.warn(fmt.Sprintf("row %d has %d bytes and spans several pages of %d: FFCV reads this file right with os_cache=True only", sample, size, p.pageSize))
	}
}

// report calls Progress when it is time.
func (p *pipeline) report(now bool) {
	p.reportAs(now, p.rows, p.data+p.rows*int64(p.plan.row.size))
}

// reportAs is report with numbers of its own.
func (p *pipeline) reportAs(now bool, done, bytes int64) {
	if p.progress == nil {
		return
	}
	if t := time.Now(); now || t.Sub(p.lastRep) >= 100*time.Millisecond {
		p.lastRep = t
		p.progress(Progress{Done: int(done), Skipped: p.skipped, Total: p.total, Bytes: bytes})
	}
}

// rowAt is where row i begins in the file.
func (p *pipeline) rowAt(i int64) int64 {
	return metadataOffset(len(p.plan.specs)) + i*int64(p.plan.row.size)
}

func (p *pipeline) writeAll(ctx context.Context) error {
	for c := range p.writes {
		if ctx.Err() != nil && p.journal == nil {
			return nil
		}
		// With a journal what is placed is written, so that it can stay.
		if err := p.write(c); err != nil {
			return err
		}
		if p.journal != nil {
			p.journal.wrote(c.part)
		}
		if c.more {
			c.resume <- struct{}{}
		} else {
			p.free <- c
		}
	}
	return nil
}

// write writes what a placed chunk holds to its places.
func (p *pipeline) write(c *chunk) error {
	for off, b := range c.arena.Spans(c.ptrs) {
		if _, err := p.part.WriteAt(b, int64(off)); err != nil {
			return err
		}
	}
	if len(c.table) > 0 {
		if _, err := p.table.WriteAt(c.table, c.row*int64(len(p.plan.ptrs))*alloc.EntrySize); err != nil {
			return err
		}
	}
	if len(c.sums) > 0 {
		if _, err := p.regionSums.WriteAt(c.sums, c.row*int64(len(p.plan.ptrs))*sumSize); err != nil {
			return err
		}
	}
	if err := p.writeRows(c.rows, c.row); err != nil {
		return err
	}
	if err := p.keys.write(c.keys, c.keyAt, c.ends, c.row); err != nil {
		return err
	}
	return p.marks.write(c.marks, c.markAt, c.markEnds, c.row*int64(len(p.plan.marked)))
}

// writeRows writes rows from number first on: before the pages while they fit
// there, the others to their spool.
func (p *pipeline) writeRows(rows []byte, first int64) error {
	size := int64(p.plan.row.size)
	fit := int64(len(rows))
	if p.rowsEnd < p.rowAt(first)+fit {
		fit = max(0, (p.rowsEnd-p.rowAt(first))/size*size)
	}
	if fit > 0 {
		if _, err := p.part.WriteAt(rows[:fit], p.rowAt(first)); err != nil {
			return err
		}
		p.sums.add(p.rowAt(first), rows[:fit])
	}
	if fit < int64(len(rows)) {
		inPlace := (p.rowsEnd - p.rowAt(0)) / size
		if _, err := p.more.WriteAt(rows[fit:], (first+fit/size-inPlace)*size); err != nil {
			return err
		}
	}
	return nil
}

// pace finds how many samples make a good chunk.
type pace struct {
	samples, bytes, nanos atomic.Int64

	most time.Duration // that a chunk should take to encode, 0 any time
}

const (
	chunkBytes   = 768 << 10 // of an average chunk: a few writes of a good size, one block of its arena
	chunkSamples = 2048      // at most: a chunk is also what one worker does alone
	firstChunk   = 16        // samples of a chunk when nothing is known
)

// learn takes an encoded part of a chunk into account, and how long that took.
func (p *pace) learn(c *chunk, took time.Duration) {
	p.bytes.Add(int64(c.size()))
	p.nanos.Add(int64(took))
	p.samples.Add(int64(c.good))
}

// chunk is how many samples the next chunk should have.
func (p *pace) chunk() int {
	n, bytes := p.samples.Load(), p.bytes.Load()
	if n == 0 {
		return firstChunk
	}
	size := min(chunkSamples, max(1, chunkBytes/max(1, bytes/n)))
	if p.most > 0 {
		size = min(size, max(1, int64(p.most)/max(1, p.nanos.Load()/n)))
	}
	return int(size)
}

// standing is how far the build has come, as a journal notes it.
func (p *pipeline) standing() standing {
	s := standing{
		next: p.next, rows: p.rows, skipped: int64(p.skipped), big: int64(p.big), data: p.data, named: p.named,
		lost: p.lostMarks.Load(), high: p.high, keys: p.keys.size, marks: p.marks.size,
		markBytes: slices.Clone(p.markBytes), sums: p.tallied,
	}
	s.pages, s.used = p.pages.State()
	return s
}
