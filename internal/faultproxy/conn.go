package faultproxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

const (
	bufferSize = 64 << 10
	maxHead    = 1 << 20
	// tail is how long a request's body may take behind its answer's end.
	tail = time.Second
)

var errCut = errors.New("cut")

// conn is a client's connection, and one to the server of its own.
type conn struct {
	p        *Proxy
	client   net.Conn
	fromC    *bufio.Reader
	server   net.Conn // nil before the first request
	fromS    *bufio.Reader
	buf      []byte
	faults   Faults // for this request
	n        int    // its number
	end      time.Time
	cut      int64 // bytes of answers until the connection is cut; 0 not drawn
	stall    int64
	cutEvery int64 // what cut was drawn for
}

func newConn(p *Proxy, client net.Conn) *conn {
	return &conn{p: p, client: client, fromC: bufio.NewReaderSize(client, bufferSize), buf: make([]byte, bufferSize)}
}

// serve passes requests on, one after another, until the connection ends.
func (c *conn) serve() {
	defer func() {
		if c.server != nil {
			c.p.drop(c.server)
		}
	}()
	for first := true; ; first = false {
		head, err := readHead(c.fromC)
		if err != nil {
			return
		}
		c.n, c.faults = int(c.p.requests.Add(1)), c.p.now()
		c.p.sent.Add(int64(len(head)))
		if first && !c.p.sleep(c.faults.Latency) {
			return
		}
		if c.exchange(head) != nil {
			return
		}
	}
}

// exchange passes a request and its answer on.
func (c *conn) exchange(head []byte) error {
	req := parse(head)
	if c.faults.Fail != nil {
		c.p.call.Lock()
		status := c.faults.Fail(c.n)
		c.p.call.Unlock()
		if status != 0 {
			return c.refuse(status, req)
		}
	}
	reused := c.server != nil
	if !reused {
		if err := c.dial(); err != nil {
			return err
		}
	}
	_, err := c.server.Write(head)
	body := c.passRequest(req)
	if err == nil {
		_, err = c.fromS.Peek(1)
	}
	if err != nil && reused && req.empty() {
		// The server had given up a connection that was idle for too long.
		c.p.drop(c.server)
		if err = c.dial(); err != nil {
			return err
		}
		if _, err = c.server.Write(head); err != nil {
			return err
		}
	}
	again, err := c.passAnswer(req)
	if err == nil && !again {
		err = io.EOF
	}
	if body == nil {
		return err
	}
	if err == nil {
		c.client.SetReadDeadline(time.Now().Add(tail)) // an answer may come before the request's end
	} else {
		c.client.SetReadDeadline(time.Now())
		c.server.SetWriteDeadline(time.Now())
	}
	if e := <-body; err == nil {
		err = e
	}
	c.client.SetReadDeadline(time.Time{})
	return err
}

func (c *conn) dial() error {
	s, err := net.Dial("tcp", c.p.target)
	if err != nil {
		c.reset()
		return err
	}
	if !c.p.keep(s) {
		return net.ErrClosed
	}
	c.server, c.fromS = s, bufio.NewReaderSize(s, bufferSize)
	return nil
}

// passRequest passes a request's body on meanwhile; the channel tells its end.
// Nil without a body.
func (c *conn) passRequest(req message) chan error {
	if req.empty() {
		return nil
	}
	done := make(chan error, 1)
	go func() { // ends with the body or the connection; exchange waits
		var end time.Time
		done <- req.pass(c.fromC, make([]byte, bufferSize), func(b []byte) error {
			c.p.sent.Add(int64(len(b)))
			if !c.pace(&end, len(b)) {
				return net.ErrClosed
			}
			_, err := c.server.Write(b)
			return err
		})
	}()
	return done
}

// passAnswer passes an answer on, and says whether another one may follow.
func (c *conn) passAnswer(req message) (again bool, err error) {
	late := false
	for {
		head, err := readHead(c.fromS)
		if err != nil {
			c.reset()
			return false, err
		}
		if !late && !c.p.sleep(c.faults.Latency) {
			return false, net.ErrClosed
		}
		late = true
		answer := parse(head)
		if c.faults.Answer != nil {
			c.p.call.Lock()
			head = c.faults.Answer(c.n, head)
			c.p.call.Unlock()
			if head == nil {
				c.reset()
				return false, errCut
			}
		}
		if err := c.toClient(head); err != nil {
			return false, err
		}
		switch status := answer.status(); {
		case status == http.StatusContinue:
			continue
		case status < 200, status == http.StatusNoContent, status == http.StatusNotModified, strings.HasPrefix(req.first, "HEAD "):
			return !answer.close, nil
		}
		if answer.length < 0 && !answer.chunked {
			answer.close = true // its end is the connection's
		}
		err = answer.pass(c.fromS, c.buf, c.toClient)
		return !answer.close && !req.close, err
	}
}

// refuse answers a request by itself.
func (c *conn) refuse(status int, req message) error {
	if !req.expects {
		if err := req.pass(c.fromC, c.buf, func([]byte) error { return nil }); err != nil {
			return err
		}
	}
	if !c.p.sleep(c.faults.Latency) {
		return net.ErrClosed
	}
	code := map[int]string{429: "TooManyRequests", 503: "SlowDown", 500: "InternalError", 404: "NoSuchKey", 403: "AccessDenied"}[status]
	text := fmt.Sprintf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>refused on purpose</Message></Error>", code)
	if strings.HasPrefix(req.first, "HEAD ") {
		text = ""
	}
	head := fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n", status, http.StatusText(status), len(text))
	if req.expects {
		head += "Connection: close\r\n"
	}
	err := c.toClient([]byte(head + "\r\n" + text))
	if err == nil && req.expects {
		err = io.EOF
	}
	return err
}

// toClient sends bytes of an answer, at the pace and up to the cut that the
// faults want.
func (c *conn) toClient(b []byte) error {
	if c.cutEvery != c.faults.CutEvery || c.cut == 0 && c.faults.CutEvery > 0 {
		c.cut, c.cutEvery = c.drawn(c.faults.CutEvery), c.faults.CutEvery
	}
	if c.stall == 0 || c.faults.StallEvery == 0 {
		c.stall = c.drawn(c.faults.StallEvery)
	}
	n := int64(len(b))
	cut, stall := c.cut > 0 && c.cut <= n, c.stall > 0 && c.stall <= n
	if cut {
		n = c.cut - 1
	}
	if stall {
		n = min(n, c.stall-1)
	}
	if !c.pace(&c.end, int(n)) {
		return net.ErrClosed
	}
	sent, err := c.client.Write(b[:n])
	c.p.bytes.Add(int64(sent))
	if c.cut > 0 {
		c.cut -= n
	}
	if c.stall > 0 {
		c.stall -= n
	}
	switch {
	case err != nil:
		return err
	case stall:
		c.silence()
		return errCut
	case cut:
		if c.n%2 == 0 {
			c.reset()
		}
		return errCut
	}
	return nil
}

func (c *conn) drawn(n int64) int64 {
	if n <= 0 {
		return 0
	}
	return c.p.draw(n)
}

// silence holds the connection, without a byte, until the client ends it.
func (c *conn) silence() {
	io.Copy(io.Discard, c.client)
}

// reset has the connection's end be an error at the client's.
func (c *conn) reset() {
	if t, ok := c.client.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
}

// pace waits until n bytes may have gone; false says that Close came first.
func (c *conn) pace(end *time.Time, n int) bool {
	var wait time.Duration
	if rate := c.faults.BytesPerSecond; rate > 0 {
		*end = later(*end, int64(n), rate)
		wait = time.Until(*end)
	}
	if rate := c.faults.LinkBytesPerSecond; rate > 0 {
		wait = max(wait, time.Until(c.p.occupy(int64(n), rate)))
	}
	if wait < 500*time.Microsecond { // shorter than what timers are good for
		return true
	}
	return c.p.sleep(wait)
}

// message is what the head of a request or an answer tells of what follows.
type message struct {
	first                   string // line
	length                  int64  // of the body; -1 not told
	chunked, close, expects bool
}

// parse reads a head.
func parse(head []byte) message {
	m := message{length: -1}
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(head)))
	m.first, _ = r.ReadLine()
	h, _ := r.ReadMIMEHeader()
	if n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		m.length = n
	}
	m.chunked = strings.EqualFold(h.Get("Transfer-Encoding"), "chunked")
	m.close = strings.EqualFold(h.Get("Connection"), "close")
	m.expects = h.Get("Expect") != ""
	return m
}

// empty says whether a request has no body.
func (m message) empty() bool { return m.length <= 0 && !m.chunked }

// status is an answer's.
func (m message) status() int {
	_, rest, _ := strings.Cut(m.first, " ")
	code, _, _ := strings.Cut(rest, " ")
	n, _ := strconv.Atoi(code)
	return n
}

// pass passes a body on as it is; of an answer without a length all that comes.
func (m message) pass(from *bufio.Reader, buf []byte, to func([]byte) error) error {
	switch {
	case m.chunked:
		return passChunks(from, buf, to)
	case m.length >= 0:
		return passN(from, buf, to, m.length)
	case strings.HasPrefix(m.first, "HTTP/"):
		for {
			n, err := from.Read(buf)
			if n > 0 {
				if err := to(buf[:n]); err != nil {
					return err
				}
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func passN(from io.Reader, buf []byte, to func([]byte) error, n int64) error {
	for n > 0 {
		k, err := from.Read(buf[:min(n, int64(len(buf)))])
		n -= int64(k)
		if k > 0 {
			if err := to(buf[:k]); err != nil {
				return err
			}
		}
		if err != nil && n > 0 {
			return err
		}
	}
	return nil
}

func passChunks(from *bufio.Reader, buf []byte, to func([]byte) error) error {
	for body := true; ; {
		line, err := from.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, _, _ := strings.Cut(strings.TrimSpace(string(line)), ";")
		if err := to(line); err != nil {
			return err
		}
		if !body { // the trailer, up to an empty line
			if size == "" {
				return nil
			}
			continue
		}
		n, err := strconv.ParseInt(size, 16, 62)
		if err != nil {
			return err
		}
		if body = n > 0; body {
			if err := passN(from, buf, to, n+2); err != nil {
				return err
			}
		}
	}
}

// readHead reads up to an empty line.
func readHead(r *bufio.Reader) ([]byte, error) {
	var head []byte
	for {
		line, err := r.ReadSlice('\n')
		head = append(head, line...)
		if err != nil {
			return nil, err
		}
		if len(head) > maxHead {
			return nil, errors.New("a head that is too long")
		}
		if len(line) <= 2 && len(bytes.TrimSpace(line)) == 0 && len(head) > 2 {
			return head, nil
		}
	}
}
