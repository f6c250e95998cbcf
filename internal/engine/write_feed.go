package engine

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/rgb"
)

type feedRequest struct {
	Do     string `json:"do"`
	Job    int64  `json:"job"`
	Worker int    `json:"worker"`
	PID    int    `json:"pid"`
}

type partRequest struct {
	Do      string  `json:"do"`
	Chunk   int     `json:"chunk"`
	First   int     `json:"first"`
	Rows    int     `json:"rows"`
	Last    bool    `json:"last"`
	Segment []int64 `json:"segment"` // its number and how many of its bytes
	Names   int     `json:"names"`   // bytes of names at the end of the payload
}

type failRequest struct {
	Do      string `json:"do"`
	Row     int    `json:"row"`
	Index   int    `json:"index"`
	Message string `json:"message"`
}

// giveAnswer is what a client is to do next, and what it may use again.
type giveAnswer struct {
	Chunk  *int    `json:"chunk,omitempty"`
	First  int     `json:"first"`
	Rows   int     `json:"rows"`
	Free   []int64 `json:"free,omitempty"`
	Stop   bool    `json:"stop,omitempty"`
	Stream bool    `json:"stream,omitempty"`
}

// maxSegments is how many segments a client may have: it needs a few, and each
// takes address space here.
const maxSegments = 4096

// clientError is a client's failure to give a sample.
type clientError struct {
	message string
	account []byte // the client's own, in a form that the client knows
}

func (e *clientError) Error() string { return e.message }

// lostError says that a client is gone that had rows to feed.
type lostError struct {
	worker, pid, row int
}

func (e *lostError) Error() string {
	return fmt.Sprintf("worker %d (process %d) was gone before it had fed row %d", e.worker, e.pid, e.row)
}

// feeder is a connection that feeds a file. Its methods run on the connection's
// goroutine of handlers, freed's members apart.
type feeder struct {
	c        *conn
	j        *job
	q        feedRequest
	chunk    int // that it has to feed, -1 none
	have     int // rows of it
	segments map[int64]*mmap.Map

	mu     sync.Mutex
	change *sync.Cond
	freed  []int64
	held   int // segments that parts lie in
}

// feed serves a connection that feeds a file, until the file is done with or the
// connection closed.
func (c *conn) feed(r *request) error {
	var q feedRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	j := c.engine.jobs.find(q.Job)
	if j == nil || !j.join() {
		return c.answer(giveAnswer{Stop: true}, nil)
	}
	defer j.feeding.Done()
	f := &feeder{c: c, j: j, q: q, chunk: -1, segments: make(map[int64]*mmap.Map)}
	f.change = sync.NewCond(&f.mu)
	defer f.leave()
	if err := f.begin(); err != nil {
		return err
	}
	for {
		select {
		case r, ok := <-c.queue:
			if !ok {
				return nil
			}
			err := f.serve(r)
			(&frame{files: r.files}).close()
			if err != nil {
				return err
			}
		case <-j.over:
			return nil // what else the client asks for is answered by fedTooLate
		}
	}
}

// fedTooLate answers what belongs to a file that is done with.
func (c *conn) fedTooLate(*request) error { return c.answer(giveAnswer{Stop: true}, nil) }

func (f *feeder) begin() error {
	if f.j.stream == nil {
		return f.next()
	}
	f.j.mu.Lock()
	fed := f.j.fed
	f.j.fed = true
	f.j.mu.Unlock()
	if fed {
		return statef("job %d is fed by another connection already", f.q.Job)
	}
	f.chunk = 0
	return f.c.answer(giveAnswer{Stream: true}, nil)
}

// leave says what is missing when the connection goes with rows to feed.
func (f *feeder) leave() {
	if f.chunk < 0 {
		return
	}
	row := f.have
	if f.j.stream == nil {
		row += f.chunk * f.j.size
	}
	err := &lostError{f.q.Worker, f.q.PID, row}
	if f.j.stream != nil {
		f.j.finish(err)
	} else {
		f.j.fail(f.chunk, err)
	}
}

// serve answers a request. An error ends the feeding.
func (f *feeder) serve(r *request) error {
	switch r.do {
	case "part":
		return f.part(r)
	case "free":
		return f.free()
	case "fail":
		return f.fail(r)
	}
	return statef("request %q on a connection that feeds a file", r.do)
}

// next answers with the next chunk to feed.
func (f *feeder) next() error {
	k, first, n, ok, err := f.j.give(f.c.ctx)
	if err != nil {
		return err
	}
	if !ok {
		f.chunk = -1
		return f.c.answer(giveAnswer{Stop: true}, nil)
	}
	f.chunk, f.have = k, 0
	return f.c.answer(giveAnswer{Chunk: &k, First: first, Rows: n, Free: f.takeFreed()}, nil)
}

// takeFreed returns the segments that the client may write into again.
func (f *feeder) takeFreed() []int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	freed := f.freed
	f.freed = nil
	return freed
}

// free waits for a segment that is free.
func (f *feeder) free() error {
	ended := func() bool {
		select {
		case <-f.j.over:
			return true
		case <-f.c.ctx.Done():
			return true
		default:
			return false
		}
	}
	wake := func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.change.Broadcast()
	}
	defer context.AfterFunc(f.c.ctx, wake)()
	quit := make(chan struct{})
	var woken sync.WaitGroup
	woken.Add(1)
	go func() { // ends with the call
		defer woken.Done()
		select {
		case <-f.j.over:
			wake()
		case <-quit:
		}
	}()
	f.mu.Lock()
	for len(f.freed) == 0 && f.held > 0 && !ended() {
		f.change.Wait()
	}
	f.mu.Unlock()
	close(quit)
	woken.Wait()
	if ended() {
		return f.c.answer(giveAnswer{Stop: true}, nil)
	}
	return f.c.answer(giveAnswer{Free: f.takeFreed()}, nil)
}

// fail takes the news that a sample can't be had.
func (f *feeder) fail(r *request) error {
	var q failRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	err := &clientError{q.Message, r.payload}
	if f.j.stream != nil {
		f.j.finish(err)
	} else {
		f.j.fail(f.chunk, err)
	}
	f.chunk = -1
	return f.c.answer(giveAnswer{Stop: true}, nil)
}

// part takes a part of the chunk, or of the stream.
func (f *feeder) part(r *request) error {
	var q partRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	if f.chunk < 0 || q.Chunk != f.chunk || q.Rows < 0 || q.Rows > len(r.payload)/numberSize {
		return &protocolError{fmt.Sprintf("a part of %d rows of chunk %d with %d bytes; chunk %d is to be fed", q.Rows, q.Chunk, len(r.payload), f.chunk)}
	}
	var values []byte
	id := int64(-1)
	if len(q.Segment) > 0 {
		var err error
		if id, values, err = f.segment(&q, r); err != nil {
			return err
		}
	}
	if q.Rows > 0 {
		payload, names, err := splitNames(r.payload, q.Rows, q.Names)
		if err != nil {
			return err
		}
		p, err := newPart(f.j.fields, q.First, q.Rows, payload, values)
		if err != nil {
			return err
		}
		p.names = names
		if f.j.stream != nil {
			err = f.streamed(&q, p, id)
		} else {
			err = f.taken(&q, p, id)
		}
		if err != nil {
			return err
		}
	}
	f.have += q.Rows
	switch {
	case !q.Last:
		return f.c.answer(giveAnswer{Free: f.takeFreed()}, nil)
	case f.j.stream != nil:
		f.j.finish(nil)
		f.chunk = -1
		return f.c.answer(giveAnswer{Stop: true}, nil)
	}
	if want := min(f.j.size, f.j.rows-f.chunk*f.j.size); f.have != want {
		return &protocolError{fmt.Sprintf("chunk %d ends with %d rows, want %d", f.chunk, f.have, want)}
	}
	return f.next()
}

// segment returns the segment of a part, mapped when it is new.
func (f *feeder) segment(q *partRequest, r *request) (id int64, values []byte, err error) {
	if len(q.Segment) != 2 {
		return 0, nil, &protocolError{fmt.Sprintf("a segment of %d numbers, want 2", len(q.Segment))}
	}
	id, n := q.Segment[0], q.Segment[1]
	m := f.segments[id]
	if m == nil {
		if len(r.files) != 1 || len(f.segments) >= maxSegments {
			return 0, nil, &protocolError{fmt.Sprintf("segment %d comes with %d files, want 1; there are %d others", id, len(r.files), len(f.segments))}
		}
		if err := sealed(r.files[0]); err != nil {
			return 0, nil, err
		}
		if m, err = mmap.File(r.files[0]); err != nil {
			return 0, nil, fmt.Errorf("segment %d: %w", id, err)
		}
		f.segments[id] = m
		f.j.keep(m)
	}
	b := m.Bytes()
	if n < 0 || n > int64(len(b)) {
		return 0, nil, &protocolError{fmt.Sprintf("%d bytes of segment %d, which has %d", n, id, len(b))}
	}
	return id, b[:n:n], nil
}

// taken takes a part of a chunk, whose segment is free when its rows are
// encoded.
func (f *feeder) taken(q *partRequest, p *part, id int64) error {
	var free func()
	if id >= 0 {
		free = func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.freed = append(f.freed, id)
			f.held--
			f.change.Broadcast()
		}
		f.mu.Lock()
		f.held++
		f.mu.Unlock()
	}
	return f.j.take(q.Chunk, p, free)
}

// streamed takes a part of a stream. A writer may collect many samples of a
// stream before it encodes the first, so they get memory of their own, and
// pictures are shrunk first.
func (f *feeder) streamed(q *partRequest, p *part, id int64) error {
	if q.First != f.have {
		return &protocolError{fmt.Sprintf("row %d of a stream after %d", q.First, f.have)}
	}
	if err := p.own(); err != nil {
		return err
	}
	if id >= 0 {
		f.mu.Lock()
		f.freed = append(f.freed, id)
		f.mu.Unlock()
	}
	return f.j.push(f.c.ctx, p)
}

// own makes the part independent of the client's memory.
func (p *part) own() error {
	d := decoders.Get().(*decoder)
	defer d.release()
	p.ready = make([]any, p.n*len(p.fields))
	for i := range p.n {
		for k, f := range p.fields {
			v, err := p.value(i, k)
			if err != nil {
				return err
			}
			p.ready[i*len(p.fields)+k] = owned(d, f, v)
		}
	}
	p.columns, p.values = nil, nil
	return nil
}

// owned returns a value in memory of its own, shrunk if the field would.
func owned(d *decoder, f fields.Field, v any) any {
	switch v := v.(type) {
	case []byte:
		return bytes.Clone(v)
	case fields.JSONText:
		return fields.JSONText(bytes.Clone(v))
	case array.Array:
		v.Data = bytes.Clone(v.Data)
		return v
	case fields.AudioClip:
		v.Data = bytes.Clone(v.Data)
		return v
	case customValue:
		c := customValue{meta: bytes.Clone(v.meta)}
		for _, r := range v.regions {
			c.regions = append(c.regions, customRegion{r.at, bytes.Clone(r.data)})
		}
		return c
	case rgb.Image:
		w, h := v.Width, v.Height
		switch f := f.(type) {
		case fields.RGBImage:
			w, h = mostSize(w, h, f.MaxResolution)
		case *leastImage:
			w, h = leastSize(w, h, f.least)
		}
		if whole := len(v.Pix) == 3*v.Width*v.Height; whole && w > 0 && h > 0 && (w < v.Width || h < v.Height) {
			small := rgb.Image{}
			d.ResizeArea(&small, v, rgb.Rect{W: v.Width, H: v.Height}, w, h)
			return small
		}
		v.Pix = bytes.Clone(v.Pix)
		return v
	}
	return v
}

// mostSize is what a maximum of the longer side makes of a size, rounded as
// FFCV does.
func mostSize(width, height, most int) (w, h int) {
	long := max(width, height)
	if most <= 0 || most >= long {
		return width, height
	}
	ratio := float64(most) / float64(long)
	return int(ratio * float64(width)), int(ratio * float64(height))
}
