//go:build linux || darwin

package engine_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/betongo/betongo/internal/engine"
	"github.com/betongo/betongo/internal/leak"
)

// pair makes a stream socket pair.
func pair(tb testing.TB) (a, b *os.File) {
	tb.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		tb.Fatal(err)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	return os.NewFile(uintptr(fds[0]), "end 0"), os.NewFile(uintptr(fds[1]), "end 1")
}

// sock makes a connection of an end, which it takes.
func sock(tb testing.TB, f *os.File) *net.UnixConn {
	tb.Helper()
	c, err := net.FileConn(f)
	if err != nil {
		tb.Fatal(err)
	}
	f.Close()
	tb.Cleanup(func() { c.Close() })
	return c.(*net.UnixConn)
}

// served is an engine in this process.
type served struct {
	tb   testing.TB
	door *net.UnixConn
	done chan error
	stop context.CancelFunc
}

// serve begins an engine. The test's end closes its door, and finds that all
// of it has ended.
func serve(tb testing.TB) *served {
	tb.Helper()
	settle := leak.Watch(tb)
	a, b := pair(tb)
	ctx, stop := context.WithCancel(context.Background())
	s := &served{tb: tb, door: sock(tb, a), done: make(chan error, 1), stop: stop}
	go func() {
		defer b.Close()
		s.done <- engine.Serve(ctx, b, nil)
	}()
	tb.Cleanup(func() {
		s.door.Close()
		s.wait()
		stop()
		settle()
	})
	return s
}

// wait waits for the engine's end.
func (s *served) wait() error {
	s.tb.Helper()
	select {
	case err := <-s.done:
		s.done <- err
		return err
	case <-time.After(20 * time.Second):
		s.tb.Fatal("the engine hasn't ended")
		return nil
	}
}

// client is one connection.
type client struct {
	tb   testing.TB
	sock *net.UnixConn
}

// dial makes a connection, without hello.
func (s *served) dial() *client {
	s.tb.Helper()
	a, b := pair(s.tb)
	if _, _, err := s.door.WriteMsgUnix([]byte{'c'}, unix.UnixRights(int(b.Fd())), nil); err != nil {
		s.tb.Fatal(err)
	}
	b.Close()
	return &client{s.tb, sock(s.tb, a)}
}

// connect makes a connection.
func (s *served) connect() *client {
	s.tb.Helper()
	c := s.dial()
	c.ask(object{"do": "hello", "protocol": engine.Protocol, "version": "test", "pid": os.Getpid()}, nil)
	return c
}

type object = map[string]any

// reply is a frame from the engine.
type reply struct {
	object  object
	payload []byte
	fds     []int
}

// failure is an error that the engine told.
type failure struct{ object }

func (f failure) kind() string { return fmt.Sprint(f.object["kind"]) }

func (f failure) Error() string { return fmt.Sprintf("%v: %v", f.object["kind"], f.object["message"]) }

// bytes is a frame.
func bytesOf(object, payload []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(object)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	return append(append(b, object...), payload...)
}

// send sends a frame; a nil object is none.
func (c *client) send(o object, payload []byte) error {
	var text []byte
	if o != nil {
		var err error
		if text, err = json.Marshal(o); err != nil {
			return err
		}
	}
	_, err := c.sock.Write(bytesOf(text, payload))
	return err
}

// patience is how long a client waits.
const patience = 20 * time.Second

// recv receives a frame.
func (c *client) recv() (r reply, err error) {
	c.sock.SetReadDeadline(time.Now().Add(patience))
	var head [8]byte
	rights := make([]byte, unix.CmsgSpace(4*253))
	n, oobn, flags, _, err := c.sock.ReadMsgUnix(head[:], rights)
	if err != nil {
		return r, err
	}
	if flags&unix.MSG_CTRUNC != 0 {
		return r, errors.New("descriptors were lost")
	}
	messages, err := unix.ParseSocketControlMessage(rights[:oobn])
	if err != nil {
		return r, err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return r, err
		}
		r.fds = append(r.fds, fds...)
	}
	if _, err = io.ReadFull(c.sock, head[n:]); err != nil {
		return r, err
	}
	text := make([]byte, binary.LittleEndian.Uint32(head[:]))
	r.payload = make([]byte, binary.LittleEndian.Uint32(head[4:]))
	if _, err = io.ReadFull(c.sock, text); err == nil {
		_, err = io.ReadFull(c.sock, r.payload)
	}
	if err == nil {
		err = json.Unmarshal(text, &r.object)
	}
	if e, ok := r.object["error"].(object); ok && err == nil {
		err = failure{e}
	}
	return r, err
}

// try sends a request and returns the answer.
func (c *client) try(o object, payload []byte) (object, []byte, error) {
	if err := c.send(o, payload); err != nil {
		return nil, nil, err
	}
	r, err := c.recv()
	if err != nil {
		return nil, nil, err
	}
	ok, _ := r.object["ok"].(object)
	return ok, r.payload, nil
}

// ask is try where nothing is to fail.
func (c *client) ask(o object, payload []byte) (object, []byte) {
	c.tb.Helper()
	ok, p, err := c.try(o, payload)
	if err != nil {
		c.tb.Fatalf("%v: %v", o["do"], err)
	}
	return ok, p
}

// fails asks for what is to fail with an error of that kind, which it returns.
func (c *client) fails(kind string, o object, payload []byte) failure {
	c.tb.Helper()
	_, _, err := c.try(o, payload)
	var f failure
	if !errors.As(err, &f) || f.kind() != kind {
		c.tb.Fatalf("%v: got %v, want an error of kind %q", o, err, kind)
	}
	return f
}

// closed waits until the engine has closed the connection.
func (c *client) closed() {
	c.tb.Helper()
	for {
		_, err := c.recv()
		var f failure
		switch {
		case errors.As(err, &f) || err == nil:
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.tb.Fatal("the engine hasn't closed the connection")
		}
		return
	}
}
