package engine

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/betongo/betongo/loader"
)

// sentAhead is how many batches more are sent than were taken.
const sentAhead = 2

// run is an epoch that the client has asked for. The reader makes it, and tells
// what the client does meanwhile.
type run struct {
	ctx    context.Context // ends when the client stops the epoch, or with the connection
	cancel context.CancelFunc
	sent   atomic.Int64
	taken  atomic.Int64
	wake   chan struct{} // taken has changed
	over   atomic.Bool   // its end is being sent
}

func newRun(ctx context.Context) *run {
	r := &run{wake: make(chan struct{}, 1)}
	r.ctx, r.cancel = context.WithCancel(ctx)
	return r
}

// wait waits until one more batch may be sent, or the epoch is to end.
func (r *run) wait() {
	for r.sent.Load() >= r.taken.Load()+sentAhead {
		select {
		case <-r.wake:
		case <-r.ctx.Done():
			return
		}
	}
}

// credit reads how many batches of the epoch were taken, and which batches, of
// any epoch, are released: the reader's goroutine.
func (c *conn) credit(payload []byte) error {
	s := c.stream.Load()
	if len(payload) < 4 || len(payload)%4 != 0 || s == nil {
		return &protocolError{fmt.Sprintf("a frame without an object, with %d bytes; want 4 for each number, and a loader", len(payload))}
	}
	if r := c.run; r != nil {
		taken := min(int64(binary.LittleEndian.Uint32(payload)), r.sent.Load())
		if taken > r.taken.Load() {
			r.taken.Store(taken)
			select {
			case r.wake <- struct{}{}:
			default:
			}
		}
	}
	for at := 4; at < len(payload); at += 4 {
		if seq := binary.LittleEndian.Uint32(payload[at:]); !s.release(seq) {
			return &protocolError{fmt.Sprintf("batch %d is released, which the client doesn't have", seq)}
		}
	}
	return nil
}

// release takes a batch back from the client.
func (s *stream) release(seq uint32) bool {
	s.mu.Lock()
	b := s.held[seq]
	delete(s.held, seq)
	s.mu.Unlock()
	if b == nil {
		return false
	}
	b.Release()
	return true
}

type epochRequest struct {
	Do      string          `json:"do"`
	Epoch   int             `json:"epoch"`
	Outputs []outputRequest `json:"outputs"`
	Order   *int            `json:"order"` // so many samples in the payload
}

type epochAnswer struct {
	Batches int          `json:"batches"`
	Outputs []outputSpec `json:"outputs"`
}

// epochEnd is the last frame of an epoch that has no error.
type epochEnd struct {
	End     bool        `json:"end"`
	Stopped bool        `json:"stopped"`
	Stats   statsAnswer `json:"stats"`
	Report  *report     `json:"report"`
	Warned  []string    `json:"warnings,omitempty"`
}

// epoch sends the batches of an epoch.
func (c *conn) epoch(r *request) error {
	defer r.run.cancel()
	s := c.stream.Load()
	if s == nil {
		return statef("epoch: the connection has no loader")
	}
	var q epochRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	if err := s.prepare(&q, r.payload); err != nil {
		return err
	}
	batches, err := s.batchesOf(q.Epoch)
	if err != nil {
		return err
	}
	if err := c.answer(epochAnswer{batches, s.specs}, nil); err != nil {
		return err
	}
	stopped, err := c.batches(s, q.Epoch, r.run)
	if err != nil {
		return err
	}
	end := epochEnd{End: true, Stopped: stopped, Stats: statsOf(s.now().Stats()), Report: reportOf(s.now(), q.Epoch), Warned: s.warnings()}
	object, err := json.Marshal(end)
	if err != nil {
		return err
	}
	r.run.over.Store(true)
	return c.link.write(object, nil, nil)
}

// batches sends the batches, as fast as the client takes them.
func (c *conn) batches(s *stream, epoch int, r *run) (stopped bool, err error) {
	for b, err := range s.now().Epoch(r.ctx, epoch) {
		if r.ctx.Err() != nil {
			if b != nil {
				b.Release()
			}
			return true, nil
		}
		if err != nil {
			return false, err
		}
		r.sent.Add(1)
		if err := s.send(c.link, b); err != nil {
			return false, err
		}
		r.wait()
	}
	return r.ctx.Err() != nil, nil
}

// prepare sets what is new with an epoch.
func (s *stream) prepare(q *epochRequest, payload []byte) error {
	if q.Epoch < 0 {
		return optionf("epoch %d is negative", q.Epoch)
	}
	if q.Outputs != nil {
		if err := s.change(q.Outputs); err != nil {
			return fmt.Errorf("epoch %d: %w", q.Epoch, err)
		}
	}
	if q.Order == nil {
		return nil
	}
	if s.given == nil {
		return optionf("epoch %d: samples are given, and the loader's order is another one than given", q.Epoch)
	}
	rest := &numbers{payload}
	samples, err := rest.ints(*q.Order)
	if err != nil || s.given.give(samples) {
		return err
	}
	return s.resize(samples)
}

// resize makes a new loader, for a given order of another length.
func (s *stream) resize(samples []int) error {
	if s.resumed != nil {
		return optionf("order given: %d samples, want %d as in the state", len(samples), s.given.Len())
	}
	opts := s.opts
	g := &given{length: len(samples)}
	opts.Order = g
	l, err := loader.New(s.files.data, &opts)
	if err != nil {
		return s.tells.asOption(err)
	}
	s.mu.Lock()
	old := s.loader
	s.loader, s.loaders, s.given = l, append(s.loaders, l), g
	s.mu.Unlock()
	old.Close() // and again in the end: the client may have batches of it
	if !g.give(samples) {
		return optionf("order given: %d samples", len(samples))
	}
	return nil
}

// change sets the outputs of the epochs from now on. A loader of nothing else
// finds what is wrong with them, and what they give.
func (s *stream) change(list []outputRequest) error {
	outs, err := outputs(list)
	if err != nil {
		return err
	}
	probe, err := loader.New(s.files.data, &loader.Options{BatchSize: 1, Workers: 1, MarksMemory: -1, Outputs: outs})
	if err != nil {
		return s.tells.asOption(err)
	}
	defer probe.Close()
	found := specs(probe.Explain(), outs)
	if err := sameOutputs(s.specs, found); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outputs, s.specs = outs, found
	return nil
}

// sameOutputs refuses outputs of other names.
func sameOutputs(old, now []outputSpec) error {
	same := len(old) == len(now)
	for i := 0; same && i < len(old); i++ {
		same = old[i].Name == now[i].Name
	}
	if same {
		return nil
	}
	names := func(list []outputSpec) (names []string) {
		for _, o := range list {
			names = append(names, o.Name)
		}
		return names
	}
	return optionf("the outputs are %q; want %q, as at the first epoch", names(now), names(old))
}

// send sends a batch, which is the client's then until it releases it. One
// goroutine at a time.
func (s *stream) send(l *link, b *loader.Batch) error {
	columns := b.Outputs()
	s.data = s.data[:0]
	for i := range columns {
		s.data = append(s.data, columns[i].Data)
	}
	if err := s.slots.ship(&s.shipment, s.data); err != nil {
		b.Release()
		return err
	}
	s.mu.Lock()
	seq := s.next
	s.next++
	s.held[seq] = b
	s.mu.Unlock()
	err := s.describe(seq, b, columns)
	var fds []int
	for _, f := range s.shipment.files {
		fds = append(fds, int(f.Fd()))
	}
	if err == nil {
		err = l.write(s.object, s.payload, fds)
	}
	for _, f := range s.shipment.files {
		f.Close()
	}
	return err
}

// describe writes a batch's frame in s.object and s.payload.
func (s *stream) describe(seq uint32, b *loader.Batch, columns []loader.Column) error {
	num := func(o []byte, text string, n int) []byte { return strconv.AppendInt(append(o, text...), int64(n), 10) }
	o := num(s.object[:0], `{"b":`, int(seq))
	o = num(o, `,"n":`, b.Len())
	o = append(o, `,"o":[`...)
	p := s.payload[:0]
	for _, id := range b.Samples() {
		p = binary.LittleEndian.AppendUint64(p, uint64(id))
	}
	for i := range columns {
		c, at := &columns[i], s.shipment.places[i]
		width := -1
		if spec := &s.specs[i]; spec.Shape == nil {
			width = c.Shape[1]
		}
		if i > 0 {
			o = append(o, ',')
		}
		o = num(o, "[", at.segment)
		o = num(o, ",", at.offset)
		o = num(o, ",", c.Shape[0])
		o = append(num(o, ",", width), ']')
		if s.specs[i].Lengths {
			for _, n := range c.Lengths {
				p = binary.LittleEndian.AppendUint64(p, uint64(n))
			}
		}
		if s.specs[i].Offsets {
			for _, n := range c.Offsets {
				p = binary.LittleEndian.AppendUint64(p, uint64(n))
			}
		}
	}
	o = append(o, `],"fds":[`...)
	for i, g := range s.shipment.fresh {
		if i > 0 {
			o = append(o, ',')
		}
		o = num(o, "[", g.number)
		o = append(num(o, ",", len(g.mem)), ']')
	}
	o = append(o, `],"drop":[`...)
	for i, n := range s.shipment.dropped {
		if i > 0 {
			o = append(o, ',')
		}
		o = num(o, "", n)
	}
	o = append(o, ']')
	if list := b.Skipped(); len(list) > 0 {
		text, err := json.Marshal(skippedOf(list))
		if err != nil {
			return err
		}
		o = append(append(o, `,"skipped":`...), text...)
	}
	s.object, s.payload = append(o, '}'), p
	return nil
}

// stop ends the epoch that runs.
func (c *conn) stop(*request) error {
	if c.run != nil {
		c.run.cancel()
	}
	return nil
}

type stateRequest struct {
	Do      string `json:"do"`
	Epoch   int    `json:"epoch"`
	Batches int    `json:"batches"`
}

// state tells what to go on from after so many batches.
func (c *conn) state(r *request) error {
	s := c.stream.Load()
	if s == nil {
		return statef("state: the connection has no loader")
	}
	var q stateRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	state, err := s.now().StateAt(q.Epoch, q.Batches)
	if err != nil {
		return c.engine.tells.asOption(err)
	}
	return c.tell("state", state)
}

// tell sends {name: v}.
func (c *conn) tell(name string, v any) error {
	object, err := json.Marshal(map[string]any{name: v})
	if err != nil {
		return err
	}
	return c.link.write(object, nil, nil)
}

type getRequest struct {
	Do    string `json:"do"`
	IDs   int    `json:"ids"` // so many in the payload
	Epoch int    `json:"epoch"`
}

// get sends a batch of any samples.
func (c *conn) get(r *request) error {
	s := c.stream.Load()
	if s == nil {
		return statef("get: the connection has no loader")
	}
	var q getRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	rest := &numbers{r.payload}
	samples, err := rest.ints(q.IDs)
	if err != nil {
		return err
	}
	return c.one(s, q.Epoch, samples)
}

// one sends a batch of these samples.
func (c *conn) one(s *stream, epoch int, samples []int) error {
	b, err := s.now().Get(c.ctx, epoch, samples)
	if err != nil {
		return c.engine.tells.asOption(err)
	}
	return s.send(c.link, b)
}

type replayRequest struct {
	Do     string `json:"do"`
	Epoch  int    `json:"epoch"`
	Sample int    `json:"sample"`
}

// replay tells how a sample was made, and sends it.
func (c *conn) replay(r *request) error {
	s := c.stream.Load()
	if s == nil {
		return statef("replay: the connection has no loader")
	}
	var q replayRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	again, err := s.now().Replay(q.Sample, q.Epoch)
	if err != nil {
		return c.engine.tells.asOption(err)
	}
	if err := c.answer(again, nil); err != nil {
		return err
	}
	return c.one(s, q.Epoch, []int{q.Sample})
}
