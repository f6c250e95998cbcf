package loader

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
)

// pool keeps released batches for reuse: as many as an epoch has in flight,
// others give their memory back to the system. It also keeps what workers have
// allocated, from one epoch to the next.
type pool struct {
	plan *plan
	keep int

	marks *keptMarks

	mu    sync.Mutex
	free  []*Batch
	idle  []*worker
	spare []*flight // of an epoch that has ended
}

// keptMarks is what a loader has of marks, whatever its outputs.
type keptMarks struct {
	mu    sync.Mutex
	store *markStore // nil until needed
}

func newPool(p *plan, marks *keptMarks) *pool { return &pool{plan: p, keep: p.ahead + 1, marks: marks} }

// get returns a batch with room for the rows of fixed size.
func (p *pool) get() (*Batch, error) {
	p.mu.Lock()
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		p.mu.Unlock()
		b.released = false
		return b, nil
	}
	p.mu.Unlock()
	return p.make()
}

func (p *pool) make() (*Batch, error) {
	outs := p.plan.outputs
	b := &Batch{
		pool:    p,
		ids:     make([]int, 0, p.plan.batchSize),
		columns: make([]Column, len(outs)),
		mem:     newMemory(p.plan.allocator, len(outs)),
	}
	for i := range outs {
		o := &outs[i]
		c := &b.columns[i]
		c.Name, c.batch = o.name, b
		c.DType = o.spec.DType
		c.Shape, c.item = o.columnShape(), o.itemBytes
		if o.ragged {
			c.Offsets = make([]int64, 1, 1+p.plan.batchSize)
		}
		if o.varies() {
			c.Lengths = make([]int, 0, p.plan.batchSize)
		} else if err := b.mem.ensure(i, p.plan.batchSize*o.widest); err != nil {
			return nil, errors.Join(fmt.Errorf("output %q: %w", o.name, err), b.mem.release())
		}
		if o.kind == kindRawImage {
			c.Images = make([]ImageInfo, 0, p.plan.batchSize)
		}
	}
	// A batch that the consumer drops without Release is freed with it. The
	// iterator keeps the batch reachable while the loop's body runs.
	runtime.AddCleanup(b, func(m *memory) { m.release() }, b.mem)
	return b, nil
}

// worker returns a worker for an epoch.
func (p *pool) worker(e *epoch) *worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return newWorker(e)
	}
	w := p.idle[n-1]
	p.idle = p.idle[:n-1]
	w.epoch = e
	return w
}

// rest takes a worker back.
func (p *pool) rest(w *worker) {
	w.epoch = nil
	p.mu.Lock()
	kept := p.keep > 0 && len(p.idle) < p.plan.workers
	if kept {
		p.idle = append(p.idle, w)
	}
	p.mu.Unlock()
	if !kept {
		w.free()
	}
}

// flights returns those that an epoch can begin with.
func (p *pool) flights() []*flight {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.spare
	p.spare = nil
	return list
}

// land takes the flights of an epoch back, which nobody is at any more.
func (p *pool) land(list []*flight) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.keep > 0 && len(list) > len(p.spare) {
		p.spare = list
	}
}

// put takes a batch back.
func (p *pool) put(b *Batch) {
	if debugging {
		b.mem.protect() // stays mapped, so that no other memory comes to lie there, until b is unreachable
		return
	}
	p.mu.Lock()
	if len(p.free) < p.keep {
		p.free = append(p.free, b)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	b.mem.release()
}

// useMarks returns the store of marks for an epoch, which calls leave on its
// memory at the end; nil when nothing needs it.
func (p *pool) useMarks() *markStore {
	if p.plan.marksMemory == 0 && p.plan.marksFile == "" || !p.plan.marked() {
		return nil
	}
	k := p.marks
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.store == nil {
		if k.store = newMarkStore(p.plan); k.store == nil {
			return nil
		}
		// A loader that is dropped without Close.
		runtime.AddCleanup(k, func(m *markMemory) { m.close() }, k.store.mem)
	}
	k.store.mem.use()
	return k.store
}

// drop forgets a store, if it is the one that is kept, or whichever for nil.
func (k *keptMarks) drop(s *markStore) *markStore {
	k.mu.Lock()
	defer k.mu.Unlock()
	was := k.store
	if s == nil || was == s {
		k.store = nil
	}
	return was
}

// close frees what put and the epochs kept.
func (p *pool) close() error {
	p.mu.Lock()
	free, idle := p.free, p.idle
	p.free, p.idle, p.spare = nil, nil, nil
	p.mu.Unlock()
	var errs []error
	for _, w := range idle {
		errs = append(errs, w.free())
	}
	if marks := p.marks.drop(nil); marks != nil {
		errs = append(errs, marks.save(context.Background()), marks.mem.close())
	}
	for _, b := range free {
		errs = append(errs, b.mem.release())
	}
	return errors.Join(errs...)
}

// reset makes b an empty batch for n samples.
func (b *Batch) reset(index, n int, outs []output) {
	b.index = index
	b.ids = b.ids[:n]
	b.skipped = b.skipped[:0]
	for i := range b.columns {
		c := &b.columns[i]
		c.Shape[0] = n // of a ragged output anon
		switch o := &outs[i]; {
		case o.varies():
			c.Lengths = c.Lengths[:n]
			if c.Data = nil; o.ragged {
				c.Shape[0], c.Offsets = 0, c.Offsets[:n+1]
				clear(c.Offsets)
			} else {
				c.Shape[1] = 0
			}
			if c.Images != nil {
				c.Images = c.Images[:n]
			}
		default:
			c.Data = b.mem.blocks[i][: n*o.filledBytes : n*o.filledBytes]
		}
	}
}

// setWidth gives n rows of a varying output their common size in bytes.
func (b *Batch) setWidth(out, n, width int) error {
	c := &b.columns[out]
	if width > 0 && n > math.MaxInt/width {
		return fmt.Errorf("%d rows of %d bytes: more than memory can hold", n, width)
	}
	size := n * width
	if err := b.mem.ensure(out, size); err != nil {
		return err
	}
	c.Shape[0], c.Shape[1] = n, width/c.item
	c.Data = b.mem.blocks[out][:size:size]
	return nil
}
