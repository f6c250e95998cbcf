package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/mmap"
)

// maxQueued is how many requests a connection may send ahead of their answers.
const maxQueued = 16

// conn is a connection. Its reader puts requests in a queue, from which one
// other goroutine takes them; what can't wait the reader does itself.
type conn struct {
	engine *engine
	link   *link
	ctx    context.Context // ends with the connection
	cancel context.CancelCauseFunc
	queue  chan *request
	stream atomic.Pointer[stream] // the loader; set once, by the handlers' goroutine

	run *run // the latest epoch; the reader's

	// The handlers' goroutine's:
	greeted bool
	looked  *set // what open has opened; nil: nothing
}

func newConn(e *engine, l *link) *conn {
	return &conn{engine: e, link: l, queue: make(chan *request, maxQueued)}
}

// serve serves the connection until the client closes it, breaks the protocol,
// or ctx is done. All that it began has ended then.
func (c *conn) serve(ctx context.Context) {
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.ctx, func() { c.link.close() })
	done := make(chan struct{})
	go func() { // ends when the queue is closed, which serve waits for
		defer close(done)
		for r := range c.queue {
			c.handle(r)
		}
	}()
	err := c.read()
	if errors.As(err, new(*protocolError)) || errors.As(err, new(*panicError)) {
		c.say(err)
	}
	c.cancel(errClosed)
	close(c.queue)
	<-done
	c.end()
	stop()
	c.link.close()
}

// end gives back what the handlers kept. None runs any more.
func (c *conn) end() {
	if s := c.stream.Load(); s != nil {
		s.close()
	}
	if c.looked != nil {
		c.looked.leave()
	}
}

// read reads frames until there is an error.
func (c *conn) read() error {
	defer func() {
		if c.run != nil {
			c.run.cancel()
		}
	}()
	small := make([]byte, 4<<10)
	for {
		f, err := c.link.read(small)
		if err == nil {
			err = c.receive(f)
		}
		if err != nil {
			return err
		}
	}
}

// caught makes a panic an error, and a fault that of the file that was cut short
// under its map.
func caught(err *error) {
	p := recover()
	if p == nil {
		return
	}
	if fault := mmap.Fault(p); fault != nil {
		*err = &ffcv.FormatError{File: fault.Name, Sample: -1, Offset: fault.Offset, What: fault.Reason()}
		return
	}
	*err = &panicError{p, debug.Stack()}
}

// receive does at once what is not to wait, and queues the rest.
func (c *conn) receive(f frame) (err error) {
	defer caught(&err)
	if len(f.object) == 0 {
		f.close()
		return c.credit(f.payload)
	}
	r, err := newRequest(f)
	if err != nil {
		f.close()
		return err
	}
	if h, ok := urgent[r.do]; ok {
		return c.urgent(h, r)
	}
	if c.run != nil && !c.run.over.Load() {
		f.close()
		return &protocolError{fmt.Sprintf("request %q while an epoch runs", r.do)}
	}
	if r.do == "epoch" {
		if c.run != nil {
			c.run.cancel()
		}
		c.run = newRun(c.ctx)
		r.run = c.run
	}
	select {
	case c.queue <- r:
		return nil
	default:
		f.close()
		return &protocolError{fmt.Sprintf("request %q: %d before it wait for their answers already", r.do, maxQueued)}
	}
}

// urgent does a request in the reader's goroutine. What can't be done is an
// answer with the request's name: it may come among the batches of an epoch.
func (c *conn) urgent(h handler, r *request) error {
	defer func() { (&frame{files: r.files}).close() }()
	err := c.guard(h, r)
	var broken *protocolError
	if err == nil || errors.As(err, &broken) {
		return err
	}
	object, e := json.Marshal(map[string]any{"error": c.engine.tells.describe(err), "do": r.do})
	if e != nil {
		return e
	}
	return c.link.write(object, nil, nil)
}

// handle answers a request.
func (c *conn) handle(r *request) {
	defer func() { (&frame{files: r.files}).close() }()
	if c.ctx.Err() != nil {
		return
	}
	err := c.perform(r)
	if r.run != nil {
		r.run.over.Store(true)
	}
	if err == nil || c.ctx.Err() != nil {
		return
	}
	c.refuse(err)
	var broken *protocolError
	if errors.As(err, &broken) {
		c.cancel(broken)
	}
}

// perform calls the request's handler.
func (c *conn) perform(r *request) error {
	h, ok := handlers[r.do]
	if do := c.engine.more[r.do]; do != nil {
		h, ok = func(c *conn, r *request) error { return do(c.ctx, &Call{c, r}) }, true
	}
	switch {
	case !ok:
		known := slices.AppendSeq(slices.Collect(maps.Keys(handlers)), maps.Keys(c.engine.more))
		slices.Sort(known)
		return unknown("request", r.do, known)
	case !c.greeted && r.do != "hello":
		return &protocolError{fmt.Sprintf("request %q before hello", r.do)}
	}
	return c.guard(h, r)
}

// guard calls a handler. A panic is its error.
func (c *conn) guard(h handler, r *request) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // files may be cut short under their maps
	defer caught(&err)
	return h(c, r)
}

// answer sends {"ok": v}. An error is of the connection, or says that v can't
// be told.
func (c *conn) answer(v any, payload []byte) error {
	object, err := json.Marshal(map[string]any{"ok": v})
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return c.link.write(object, payload, nil)
}

// refuse sends an error.
func (c *conn) refuse(err error) error {
	object, e := json.Marshal(map[string]any{"error": c.engine.tells.describe(err)})
	if e != nil {
		return e
	}
	return c.link.write(object, nil, nil)
}

// say sends the error that ends the connection, if the client takes it soon.
func (c *conn) say(err error) {
	c.link.socket.SetWriteDeadline(time.Now().Add(time.Second))
	if e := c.refuse(err); e != nil {
		return
	}
	// A socket that is closed with bytes unread takes those back that it has
	// sent: what the client still sends is read, for a moment.
	if s, ok := c.link.socket.(interface{ SetReadDeadline(time.Time) error }); ok {
		s.SetReadDeadline(time.Now().Add(time.Second))
	}
	if s, ok := c.link.socket.(interface{ CloseWrite() error }); ok {
		s.CloseWrite()
	}
	io.Copy(io.Discard, io.LimitReader(c.link.socket, maxObject))
}
