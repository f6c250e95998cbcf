package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
)

// engine is what the connections have in common.
type engine struct {
	files library
	conns sync.WaitGroup
	jobs  jobs // files being written
	more  map[string]Operation
	tells describer
}

// Serve serves the connections that come through a door, one end of a Unix
// stream socket pair, which stays the caller's. It returns nil when the door
// and all connections are closed, and the context's error soon after that is
// done. All its goroutines have ended then, and what clients were served is
// theirs alone. more is what it does beyond files of the local disk; nil is
// nothing.
func Serve(ctx context.Context, door *os.File, more *More) error {
	if !served {
		return fmt.Errorf("engine: %s/%s is not served: the engine needs Linux or macOS", runtime.GOOS, runtime.GOARCH)
	}
	l, err := newLink(door)
	if err != nil {
		return fmt.Errorf("engine: door: %w", err)
	}
	e := &engine{}
	if more != nil {
		e.files.stores, e.more, e.tells = more.Stores, more.Operations, more.Describe
	}
	stop := context.AfterFunc(ctx, func() { l.close() })
	err = e.admit(ctx, l)
	stop()
	l.close()
	e.conns.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// admit serves each connection that comes through the door, until that closes.
// What is no connection is passed over: the door is of several processes, and
// the mistake of one is not to end the others.
func (e *engine) admit(ctx context.Context, door *link) error {
	var b [1]byte
	for {
		_, oobn, _, _, err := door.socket.ReadMsgUnix(b[:], door.rights)
		f := frame{}
		if oobn > 0 {
			f.files, _ = received(door.rights[:oobn])
		}
		if err == nil && b[0] == 'c' && len(f.files) == 1 {
			e.begin(ctx, f.files[0])
		}
		f.close()
		switch {
		case ctx.Err() != nil || err != nil && gone(err):
			return nil
		case err != nil:
			return fmt.Errorf("engine: door: %w", err)
		}
	}
}

// begin serves a connection in a goroutine, which ends when the connection is
// closed or ctx is done; e.conns waits for it.
func (e *engine) begin(ctx context.Context, f *os.File) {
	l, err := newLink(f)
	if err != nil {
		return // no socket: whoever sent it has the error
	}
	e.conns.Add(1)
	go func() {
		defer e.conns.Done()
		newConn(e, l).serve(ctx)
	}()
}

// errClosed is the cause of a connection's context that has ended because the
// client has closed it.
var errClosed = errors.New("the connection is closed")
