package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/betongo/betongo/ffcv"
)

// # Writing
//
// One connection asks for a file and hears how it goes; others, of the same
// process or of its children, feed the samples, each as it gets to them.
//
//	{"do":"write","path":…,"fields":[FIELD…],"samples":n,"chunk":c,…}
//	-> {"ok":{"job":id}}, now and then {"progress":[samples, of, bytes]}, and at last
//	   {"end":{"samples","large","data","pages","bytes"},"warnings":[…]?} or {"error":…}, whose kind is "worker" too:
//	   who fed is gone
//
// Closing that connection gives the file up. Without "samples" the length is
// unknown: the file is a stream, that one connection feeds.
//
//	{"do":"feed","job":id,"worker":w,"pid":p} -> GIVE
//	{"do":"part","chunk":k,"first":row,"rows":n,"last":bool,"segment":[id,bytes]?,"names":bytes?} -> GIVE after the
//	     last part of a chunk, else {"ok":{"free":[…]}}
//	{"do":"free"} -> {"ok":{"free":[id…]}} when a segment is free; a client without memory waits so
//	{"do":"fail","row":r,"index":i,"message":…}, payload: the client's own account -> {"ok":{"stop":true}}
//	GIVE: {"ok":{"chunk":k,"first":row,"rows":n,"free":[…]}}, or {"ok":{"stop":true}} when there is no more, or the file
//	     has failed, which the connection that asked for it is told.
//
// Chunks are given out in order and may come back in any; rows come in order
// inside a chunk, cut into parts. The rows of a file, and so its bytes, are the
// same whoever feeds them. A chunk is given when it is at most job.window rows
// ahead of the first one that isn't encoded, which bounds what lies in memory
// with what a client's segments hold. A connection that closes while it has a
// chunk ends the file: its samples would be missing. Of a stream, chunk and
// first are 0 in every part and the last one ends it.
//
// # Parts
//
// A part's payload holds one column a field, in their order, one after another:
// of a "float" or "int" field n little-endian 8-byte numbers, of any other n
// entries of 32 bytes:
//
//	offset  type  meaning
//	 0      u4    form: 0 bytes, 1 pixels, 2 an image file's bytes, 3 a path, 4 sound, 5 a client's field
//	 4      u4    pixels: height; sound: sample rate; client's field: number of regions
//	 8      u4    pixels: width; sound: milliseconds
//	12      u4    pixels: channels, 0 for an array of two dimensions; sound: channels | encoding << 8
//	16      u8    where the value begins
//	24      u8    how many bytes it has
//
// Values lie behind the columns, or, when the request names a segment, in that:
// a file of the client's (memfd; elsewhere one without a name) of at least that
// many bytes, which comes with the request that names it first, and is mapped
// until the file is written. The client writes into it again when it was told
// that it is free. On Linux it is sealed against shrinking. Offsets count from
// the first byte after the columns, or of the segment.
//
// Where samples have names ("names": how many bytes these take, at the payload's
// end), there are n lengths of four bytes, and the names one after another. A
// name is the sample's key in the file; one without bytes is none.
//
// # Fields of a client's own
//
// FFCV lets a program define a field in Python, whose encode gets a place in the
// metadata and a function malloc(size) -> (pointer, buffer). It runs in the
// client, where nobody knows yet where the bytes will lie: malloc there gives
// out place holders, numbers that nothing else has, and the client looks for
// them in the metadata that encode has left. A value of form 5 is the metadata's
// bytes, and for each region 16 bytes {u8 size, u4 offset of its pointer in the
// metadata, u4 0}, then the regions' bytes. The engine writes the true pointers.
// So a pointer stands where encode stored it, whole and once, in eight bytes; a
// field that stores another number made of it, or none, is refused.
//
// A file's pointers stand at the same offsets in every row. Those of a field
// are given ("pointers") or else the ones that occur in the first part of the
// file: a later value with another one is an error, and one that lacks a
// pointer, with zeros in its place, gets one to no bytes.

// writeRequest asks for a file.
type writeRequest struct {
	Do        string      `json:"do"`
	Path      string      `json:"path"`
	Fields    []fieldSpec `json:"fields"`
	Samples   *int        `json:"samples"`
	Reserve   int64       `json:"reserve"`
	Chunk     int         `json:"chunk"`
	PageSize  int64       `json:"page_size"`
	Workers   int         `json:"workers"`
	Seed      uint64      `json:"seed"`
	Classes   []string    `json:"classes"`
	Plain     bool        `json:"plain"`
	Large     bool        `json:"large_samples"`
	Exclusive bool        `json:"exclusive"` // an existing file is an error
}

// jobs are the files that an engine writes, by number.
type jobs struct {
	mu   sync.Mutex
	last int64
	of   map[int64]*job
}

func (s *jobs) add(j *job) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = make(map[int64]*job)
	}
	s.last++
	s.of[s.last] = j
	return s.last
}

func (s *jobs) find(id int64) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of[id]
}

func (s *jobs) remove(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, id)
}

// write writes a file: the request is answered when it begins and when it is
// done.
func (c *conn) write(r *request) error {
	var q writeRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	j, err := newJob(&q)
	if err != nil {
		return err
	}
	id := c.engine.jobs.add(j)
	defer c.engine.jobs.remove(id)
	if err := c.answer(map[string]int64{"job": id}, nil); err != nil {
		return err
	}
	say := newTeller(c)
	stats, err := j.run(c.ctx, say.tell)
	say.end()
	if err != nil {
		return c.refuseFile(err)
	}
	end := ended(stats)
	if w := j.warnings(); len(w) > 0 {
		end["warnings"] = w
	}
	object, err := json.Marshal(end)
	if err != nil {
		return err
	}
	return c.link.write(object, nil, nil)
}

// refuseFile says why there is no file, with the client's own account of a
// sample that it failed to give.
func (c *conn) refuseFile(err error) error {
	f := c.engine.tells.describe(err)
	var (
		sample  *ffcv.SampleError
		fell    *ffcv.PanicError
		ours    *clientError
		lost    *lostError
		payload []byte
	)
	switch {
	case errors.As(err, &fell):
		f.Kind = "internal"
	case errors.As(err, &lost):
		f.Kind, f.Message = "worker", lost.Error()
	case errors.As(err, &sample):
		f.Kind, f.Field, f.Sample = "sample", sample.Field, &sample.Sample
		if errors.As(err, &ours) {
			payload, f.Message = ours.account, ours.message
		} else {
			f.Message = sample.Err.Error() // the client knows the place better
		}
	case errors.Is(err, context.Canceled):
		return nil // nobody listens
	}
	object, e := json.Marshal(map[string]any{"error": f})
	if e != nil {
		return e
	}
	return c.link.write(object, payload, nil)
}

// teller sends progress without making the writing wait: what the client
// doesn't take at once is left out.
type teller struct {
	latest chan ffcv.Progress
	done   chan struct{}
}

// newTeller starts a goroutine that end ends and waits for.
func newTeller(c *conn) *teller {
	t := &teller{make(chan ffcv.Progress, 1), make(chan struct{})}
	go func() {
		defer close(t.done)
		for p := range t.latest {
			object := fmt.Appendf(nil, `{"progress":[%d,%d,%d]}`, p.Done, p.Total, p.Bytes)
			if c.link.write(object, nil, nil) != nil {
				for range t.latest {
				}
			}
		}
	}()
	return t
}

func (t *teller) tell(p ffcv.Progress) {
	select {
	case <-t.latest:
	default:
	}
	select {
	case t.latest <- p:
	default:
	}
}

func (t *teller) end() {
	close(t.latest)
	<-t.done
}

// check says what is wrong with the request's numbers. What ffcv checks is left
// to it.
func (q *writeRequest) check() error {
	switch {
	case q.Path == "":
		return optionf("write: no file name")
	case len(q.Fields) == 0:
		return optionf("write: no fields: a file has at least one")
	case q.Samples != nil && *q.Samples < 0:
		return optionf("write: %d samples", *q.Samples)
	case q.Chunk < 0 || q.Chunk > math.MaxInt32:
		return optionf("write: chunks of %d samples", q.Chunk)
	case q.Reserve < 0:
		return optionf("write: room for %d samples", q.Reserve)
	}
	names := make([]string, len(q.Fields))
	for i := range q.Fields {
		names[i] = q.Fields[i].Name
	}
	if err := ffcv.CheckNames(names); err != nil {
		return optionf("write: %v", err)
	}
	if q.PageSize != 0 {
		if err := ffcv.CheckPageSize(q.PageSize); err != nil {
			return optionf("write: page_size: %v", err)
		}
	}
	return nil
}
