// Package faultproxy is a proxy on the loopback before an HTTP server that is as
// far away, as slow and as unreliable as a test or a benchmark wants it. It passes
// the bytes of requests and answers on as they are, so that signatures stay valid.
package faultproxy

import (
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Faults are what a Proxy does to requests and answers. The zero value of every
// member is nothing.
type Faults struct {
	// Latency is how much later every answer begins: the way there and back. A new
	// connection takes it once more, for its handshake.
	Latency time.Duration

	// BytesPerSecond is how fast each connection's answers and requests go.
	BytesPerSecond int64

	// LinkBytesPerSecond is how fast those of all connections go together.
	LinkBytesPerSecond int64

	// CutEvery is after about how many bytes of answers a connection is cut: by a
	// reset, or as if the server had closed it, by turns.
	CutEvery int64

	// StallEvery is after about how many bytes of answers a connection goes silent,
	// and stays open.
	StallEvery int64

	// Fail returns the HTTP status that request n, from 1 on, is answered with
	// instead of being passed on; 0 passes it on. It is called by one goroutine at a
	// time.
	Fail func(n int) int

	// Answer returns what goes out instead of the head of an answer to request n, up
	// to the empty line behind it; nil cuts the connection. It is called by one
	// goroutine at a time.
	Answer func(n int, head []byte) []byte

	// Seed is that of the places where connections are cut and go silent.
	Seed uint64
}

// Proxy is a running proxy. It is safe for concurrent use.
type Proxy struct {
	l      net.Listener
	target string

	mu      sync.Mutex
	faults  Faults
	random  *rand.Rand
	conns   map[net.Conn]bool // all that are open, both sides'
	closed  bool
	linkEnd time.Time // until when the link is busy

	call                             sync.Mutex // one call of Fail and Answer at a time
	wait                             sync.WaitGroup
	done                             chan struct{} // closed by Close
	requests, bytes, sent, connected atomic.Int64
}

// Start starts a proxy before the server at an address, host:port.
func Start(target string, f Faults) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{l: l, target: target, conns: map[net.Conn]bool{}, done: make(chan struct{})}
	p.Set(f)
	p.wait.Add(1)
	go p.accept() // ends with Close, which waits
	return p, nil
}

// Addr returns the proxy's address, host:port.
func (p *Proxy) Addr() string { return p.l.Addr().String() }

// Set sets the faults from the next request of each connection on.
func (p *Proxy) Set(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
	p.random = rand.New(rand.NewPCG(f.Seed, 0x70726f7879))
}

// Requests returns how many requests came.
func (p *Proxy) Requests() int64 { return p.requests.Load() }

// Bytes returns how many bytes of answers went to clients, with their heads.
func (p *Proxy) Bytes() int64 { return p.bytes.Load() }

// Sent returns how many bytes of requests came from clients, with their heads.
func (p *Proxy) Sent() int64 { return p.sent.Load() }

// Connections returns how many connections came.
func (p *Proxy) Connections() int64 { return p.connected.Load() }

// Close ends all connections and the proxy, and waits for them. A second one does
// nothing.
func (p *Proxy) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	close(p.done)
	err := p.l.Close()
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.wait.Wait()
	return err
}

func (p *Proxy) accept() {
	defer p.wait.Done()
	for {
		c, err := p.l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // as with too many open files
			p.sleep(10 * time.Millisecond)
			continue
		}
		if !p.keep(c) {
			return
		}
		p.connected.Add(1)
		p.wait.Add(1)
		go func() { // ends with its connection
			defer p.wait.Done()
			defer p.drop(c)
			newConn(p, c).serve()
		}()
	}
}

// keep has Close close a connection; false behind Close.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
	c.Close()
}

func (p *Proxy) now() Faults {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults
}

// draw returns a number about n, from 1 to twice as much.
func (p *Proxy) draw(n int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return 1 + p.random.Int64N(2*n)
}

// sleep waits; false says that Close came first.
func (p *Proxy) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.done:
		return false
	}
}

// occupy takes the link for n bytes, and returns until when.
func (p *Proxy) occupy(n, perSecond int64) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.linkEnd = later(p.linkEnd, n, perSecond)
	return p.linkEnd
}

// later is when n bytes have gone that follow those until end. What wasn't used
// meanwhile is lost, but for what a timer may be late.
func later(end time.Time, n, perSecond int64) time.Time {
	const slack = 2 * time.Millisecond
	if now := time.Now(); end.Before(now.Add(-slack)) {
		end = now.Add(-slack)
	}
	return end.Add(time.Duration(float64(n) / float64(perSecond) * 1e9))
}
