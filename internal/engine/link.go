package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const (
	headSize   = 8        // of a frame: the sizes of object and payload
	maxObject  = 16 << 20 // bytes
	maxPayload = 1 << 30
	maxFiles   = 250 // with one message; Linux takes 253
	firstRead  = 1 << 20
)

// frame is what one side sends at once.
type frame struct {
	object  []byte // JSON; empty in what a client sends during an epoch
	payload []byte
	files   []*os.File
}

// close closes the files that nobody took.
func (f *frame) close() {
	for _, file := range f.files {
		if file != nil {
			file.Close()
		}
	}
	f.files = nil
}

// protocolError says that the other side doesn't keep to the protocol. The
// connection is of no use after it.
type protocolError struct{ what string }

func (e *protocolError) Error() string { return e.what }

// socket is what a link needs of a *net.UnixConn.
type socket interface {
	Read(b []byte) (int, error)
	ReadMsgUnix(b, oob []byte) (n, oobn, flags int, addr *net.UnixAddr, err error)
	Write(b []byte) (int, error)
	WriteMsgUnix(b, oob []byte, addr *net.UnixAddr) (n, oobn int, err error)
	SetWriteDeadline(t time.Time) error
	Close() error
}

// link is one end of a socket pair: frames in, frames out. One goroutine reads,
// any number write.
type link struct {
	socket socket
	head   [headSize]byte
	rights []byte // control data, as it came

	mu  sync.Mutex
	out []byte
	err error // of an earlier write, after which nothing more can be written
}

// newLink makes a link of an end of a stream socket pair, which stays the
// caller's: the link has a duplicate.
func newLink(f *os.File) (*link, error) {
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok || u.LocalAddr().Network() != "unix" {
		c.Close()
		return nil, fmt.Errorf("%s is a socket of %s, want a Unix stream socket", f.Name(), c.LocalAddr().Network())
	}
	return &link{socket: u, rights: make([]byte, rightsSpace(maxFiles))}, nil
}

// read reads the next frame. small is memory for frames without an object,
// which the caller is done with before the next call. At the end of what the
// other side sends the error is io.EOF; in the midst of a frame
// io.ErrUnexpectedEOF.
func (l *link) read(small []byte) (f frame, err error) {
	defer func() {
		if err != nil {
			f.close()
			f = frame{}
		}
	}()
	if f.files, err = l.readHead(); err != nil {
		return f, err
	}
	object, payload := binary.LittleEndian.Uint32(l.head[:]), binary.LittleEndian.Uint32(l.head[4:])
	if object > maxObject {
		return f, &protocolError{fmt.Sprintf("a frame with an object of %d bytes; at most %d are taken", object, maxObject)}
	}
	if payload > maxPayload {
		return f, &protocolError{fmt.Sprintf("a frame with a payload of %d bytes; at most %d are taken", payload, maxPayload)}
	}
	if object == 0 && int(payload) <= len(small) {
		f.payload = small[:payload]
		_, err = io.ReadFull(l.socket, f.payload)
		return f, inside(err)
	}
	if f.object, err = l.take(int(object)); err == nil {
		f.payload, err = l.take(int(payload))
	}
	return f, err
}

// readHead reads a frame's sizes, and the files that come with them.
func (l *link) readHead() (files []*os.File, err error) {
	for have := 0; have < headSize; {
		n, oobn, _, _, err := l.socket.ReadMsgUnix(l.head[have:], l.rights)
		if oobn > 0 {
			more, e := received(l.rights[:oobn])
			if files = append(files, more...); e != nil {
				return files, &protocolError{e.Error()}
			}
		}
		if err != nil {
			if have > 0 {
				err = inside(err)
			}
			return files, err
		}
		if have += n; n == 0 {
			return files, io.ErrNoProgress
		}
	}
	return files, nil
}

// take reads n bytes. What the other side only says that it sends takes no
// memory.
func (l *link) take(n int) ([]byte, error) {
	b := make([]byte, min(n, firstRead))
	for have := 0; have < n; {
		if have == len(b) {
			b = append(b, make([]byte, min(n, 2*have)-have)...)
		}
		m, err := l.socket.Read(b[have:])
		have += m
		if err != nil && have < n {
			return nil, inside(err)
		}
	}
	return b, nil
}

// inside is an error in the midst of a frame.
func inside(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// together is how large a payload may be to be sent along with its object,
// copied.
const together = 64 << 10

// write sends a frame with the files of these descriptors, which stay the
// caller's. It is safe for concurrent use, and waits while the other side
// doesn't read. After an error every later one is the same.
func (l *link) write(object, payload []byte, fds []int) error {
	if len(object) > maxObject || len(payload) > maxPayload || len(fds) > maxFiles {
		return fmt.Errorf("a frame of %d and %d bytes with %d files; at most %d, %d and %d are sent",
			len(object), len(payload), len(fds), maxObject, maxPayload, maxFiles)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	b := l.out[:0]
	b = binary.LittleEndian.AppendUint32(b, uint32(len(object)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, object...)
	if len(payload) <= together {
		b, payload = append(b, payload...), nil
	}
	if cap(b) <= 2*together {
		l.out = b
	}
	l.err = l.send(b, fds)
	if l.err == nil && len(payload) > 0 {
		_, l.err = l.socket.Write(payload)
	}
	return l.err
}

// send writes b, the descriptors with its first byte.
func (l *link) send(b []byte, fds []int) error {
	n := 0
	if len(fds) > 0 {
		var err error
		if n, _, err = l.socket.WriteMsgUnix(b, rightsOf(fds), nil); err != nil {
			return err
		}
	}
	if n == len(b) {
		return nil
	}
	_, err := l.socket.Write(b[n:])
	return err
}

// close ends reads and writes, also those under way.
func (l *link) close() error { return l.socket.Close() }

// gone tells an error of a connection that the other side, or close, has
// closed.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || closedByPeer(err)
}
