package loader

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"

	"github.com/betongo/betongo/array"
)

// IndexedOp is an [Op] that wants to know which sample it works on: its number
// in the dataset.
type IndexedOp interface {
	// BindIndexed is as Op.Bind.
	BindIndexed(in array.Spec) (out array.Spec, apply func(dst, src []byte, sample int, rng *rand.Rand) error, inPlace bool, err error)
}

// BatchOp is an operation on all rows of a batch at once, mixup for example.
type BatchOp interface {
	// BindBatch is as Op.Bind: in and out are the type and shape of a row. The
	// function is called with len(samples) rows, one after another, by one
	// goroutine a batch. The random numbers belong to (seed, epoch, last sample
	// of the batch, kind of operation, number among those of its kind) and not to
	// the output, so that the operations for images and for their labels draw
	// the same where they agree on a name of the stream: by a method
	// Stream() string.
	BindBatch(in array.Spec) (out array.Spec, apply func(dst, src []byte, samples []int, rng *rand.Rand) error, inPlace bool, err error)
}

// bindOp binds an operation of any kind.
func (s *stage) bindOp(op any, in array.Spec) (out array.Spec, err error) {
	switch op := op.(type) {
	case Op:
		out, s.apply, s.inPlace, err = op.Bind(in)
	case IndexedOp:
		out, s.indexed, s.inPlace, err = op.BindIndexed(in)
	case BatchOp:
		out, s.batch, s.inPlace, err = op.BindBatch(in)
	case nil:
		return out, errors.New("nil is no operation")
	default:
		if decodes(op) {
			return out, errors.New("it is a decoder and no operation: it may stand as Decoder")
		}
		return out, errors.New("it is none of Op, IndexedOp, BatchOp")
	}
	if err == nil && s.apply == nil && s.indexed == nil && s.batch == nil {
		err = errors.New("it gives no function")
	}
	return out, err
}

// run applies an operation on one sample's value.
func (w *worker) run(s *stage, dst, src []byte, id int) error {
	w.source.rekey(s.key, uint32(w.epoch.number), uint64(id))
	var err error
	if s.indexed != nil {
		err = s.indexed(dst, src, id, w.rng)
	} else {
		err = s.apply(dst, src, w.rng)
	}
	if err != nil {
		return fmt.Errorf("operation %d: %w", s.op, err)
	}
	return nil
}

// divide parts the operations before the first BatchOp, which workers do sample
// by sample, from it and those behind it, which wait for the whole batch.
func (o *output) divide() {
	at := slices.IndexFunc(o.stages, func(s stage) bool { return s.batch != nil })
	if at < 0 {
		o.filledBytes, o.widest = o.rowBytes, o.rowBytes
		return
	}
	o.stages, o.tail = o.stages[:at:at], o.stages[at:]
	o.filledBytes = o.valueBytes
	if at > 0 {
		o.filledBytes = o.stages[at-1].bytes
	}
	o.widest = o.filledBytes
	for i := range o.tail {
		o.widest = max(o.widest, o.tail[i].bytes)
	}
}

// finish does what waits for the whole batch. It runs after the flight is
// filled, on the worker that was the last.
func (w *worker) finish(f *flight) {
	if f.err != nil || w.epoch.stopped.Load() {
		return
	}
	w.at, w.out, w.flight = -1, -1, f
	finished := false
	defer func() {
		if finished {
			return
		}
		r := recover()
		switch {
		case r == nil:
			f.fail(0, w.lost(f, errors.New("an operation ended its goroutine")))
		case w.at >= 0:
			f.fail(w.at, w.panicked(f, w.at, r))
		default:
			f.fail(0, w.lost(f, newPanic(r)))
		}
	}()
	if err := w.whole(f); err != nil {
		f.fail(max(w.at, 0), err)
	}
	finished = true
}

// whole does finish's work.
func (w *worker) whole(f *flight) error {
	if err := w.mend(f); err != nil {
		if w.at, w.out = -1, -1; errors.As(err, new(*TooManyError)) {
			return err
		}
		return w.lost(f, err)
	}
	w.at = -1
	for i := range w.plan.outputs {
		o := &w.plan.outputs[i]
		w.out = i
		if o.ragged && o.text {
			f.batch.squeeze(i)
		}
		if len(o.tail) > 0 && len(f.batch.ids) > 0 {
			w.meter.open(w.meter.tails())
			err := w.tail(f, o)
			w.meter.settle(w.meter.tails())
			if err != nil {
				return err
			}
		}
	}
	w.at, w.out = -1, -1
	if w.plan.collate != nil && !f.hopeless.Load() {
		w.meter.open(w.meter.tails())
		err := w.plan.collate(f.batch)
		w.meter.close(w.meter.tails(), len(f.batch.ids))
		if err != nil {
			return w.lost(f, fmt.Errorf("function Collate: %w", err))
		}
	}
	return nil
}

// lost says of which batch and output an error is.
func (w *worker) lost(f *flight, err error) error {
	if w.out < 0 {
		return fmt.Errorf("%s: batch %d: %w", w.plan.name, f.batch.index, err)
	}
	return fmt.Errorf("%s: batch %d: output %q: %w", w.plan.name, f.batch.index, w.plan.outputs[w.out].name, err)
}

// tail takes an output through the operations from its first BatchOp on. One
// that does not work in place fills the worker's block, which then changes
// places with the batch's.
func (w *worker) tail(f *flight, o *output) error {
	b, n := f.batch, len(f.batch.ids)
	size := o.filledBytes
	for i := range o.tail {
		s := &o.tail[i]
		src := b.mem.blocks[w.out][: n*size : n*size]
		dst := src
		if !s.inPlace {
			if err := w.wide.ensure(w.out, w.plan.batchSize*o.widest); err != nil {
				return w.lost(f, err)
			}
			dst = w.wide.blocks[w.out][: n*s.bytes : n*s.bytes]
		}
		if err := w.tailStage(f, s, dst, src, size); err != nil {
			return err
		}
		if w.meter.on {
			w.meter.lap(w.out, o.tailStage(i), n)
		}
		if !s.inPlace {
			b.mem.swap(w.out, w.wide)
		}
		size = s.bytes
	}
	b.columns[w.out].Data = b.mem.blocks[w.out][: n*size : n*size]
	return nil
}

func (w *worker) tailStage(f *flight, s *stage, dst, src []byte, size int) error {
	ids := f.batch.ids
	if len(ids) == 0 {
		return nil
	}
	if w.at = -1; s.batch != nil {
		w.repeat(f, len(ids)-1)
		w.source.rekey(s.key, uint32(w.epoch.number), uint64(ids[len(ids)-1]))
		if err := s.batch(dst, src, ids, w.rng); err != nil {
			return w.lost(f, fmt.Errorf("operation %d: %w", s.op, err))
		}
		return nil
	}
	for i, id := range ids {
		w.turn(f, i)
		if err := w.run(s, dst[i*s.bytes:(i+1)*s.bytes:(i+1)*s.bytes], src[i*size:(i+1)*size:(i+1)*size], id); err != nil {
			return w.wrap(f, i, err)
		}
	}
	return nil
}

// makeWide gives the worker memory for whole outputs, where one is needed.
func (w *worker) makeWide() {
	for i := range w.plan.outputs {
		if slices.ContainsFunc(w.plan.outputs[i].tail, func(s stage) bool { return !s.inPlace }) {
			w.newWide()
			return
		}
	}
}

func (w *worker) newWide() {
	w.wide = newMemory(w.plan.allocator, len(w.plan.outputs))
	runtime.AddCleanup(w, func(m *memory) { m.release() }, w.wide)
}

// free gives back what the worker holds beside the Go heap. It is not used again.
func (w *worker) free() error {
	var errs []error
	if w.wide != nil {
		errs = append(errs, w.wide.release())
	}
	if w.alone != nil {
		errs = append(errs, w.alone.batch.mem.release())
	}
	return errors.Join(errs...)
}
