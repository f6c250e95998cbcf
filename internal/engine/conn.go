package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"
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

	// The handlers' goroutine's:
	greeted bool
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
	var broken *protocolError
	if errors.As(err, &broken) {
		c.say(broken)
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
}

// read reads frames until there is an error.
func (c *conn) read() error {
	small := make([]byte, 4<<10)
	for {
		f, err := c.link.read(small)
		if err != nil {
			return err
		}
		if len(f.object) == 0 {
			f.close()
			return &protocolError{"a frame without an object, and no epoch runs"}
		}
		r, err := newRequest(f)
		if err != nil {
			f.close()
			return err
		}
		select {
		case c.queue <- r:
		default:
			f.close()
			return &protocolError{fmt.Sprintf("request %q: %d before it wait for their answers already", r.do, maxQueued)}
		}
	}
}

// handle answers a request.
func (c *conn) handle(r *request) {
	defer func() { (&frame{files: r.files}).close() }()
	if c.ctx.Err() != nil {
		return
	}
	err := c.run(r)
	if err == nil || c.ctx.Err() != nil {
		return
	}
	c.refuse(err)
	var broken *protocolError
	if errors.As(err, &broken) {
		c.cancel(broken)
	}
}

// run calls the request's handler. A panic is its error.
func (c *conn) run(r *request) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // files may be cut short under their maps
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p, debug.Stack()}
		}
	}()
	h, ok := handlers[r.do]
	switch {
	case !ok:
		names := make([]string, 0, len(handlers))
		for name := range handlers {
			names = append(names, name)
		}
		return unknown("request", r.do, names)
	case !c.greeted && r.do != "hello":
		return &protocolError{fmt.Sprintf("request %q before hello", r.do)}
	}
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
	object, e := json.Marshal(map[string]any{"error": describe(err)})
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
