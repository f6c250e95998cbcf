package main

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/term"
)

// reading shows how much of some files is read by what tells nothing of it: by
// the bytes that it borrows of mapped files, and those that object stores sent.
type reading struct {
	Files    []*ffcv.File // to read: the given ones, or others over them
	progress *term.Progress
	stop     func()
}

// reading begins a progress over files, where one is to be seen. Its end must be
// called before they are closed.
func (f *customFlags) reading(e *env, files ...*ffcv.File) (*reading, error) {
	r := &reading{Files: files, stop: func() {}}
	var total int64
	for _, file := range files {
		total += file.Size()
	}
	if r.progress = term.NewProgress(e.stderr, prog, "MiB", total>>20); r.progress == nil {
		return r, nil
	}
	r.Files = nil
	var all []*counter
	for _, file := range files {
		if _, ok := file.Borrow(0, file.Size()); !ok {
			r.Files = append(r.Files, file) // the meter counts
			continue
		}
		c := &counter{File: file}
		over, err := ffcv.New(c, &ffcv.OpenOptions{Custom: f.custom})
		if err != nil {
			return nil, err
		}
		r.Files, all = append(r.Files, over), append(all, c)
	}
	before := f.meter.Stats().Bytes
	end, ended := make(chan struct{}), make(chan struct{})
	go func() { // ended by stop
		defer close(ended)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				read := f.meter.Stats().Bytes - before
				for _, c := range all {
					read += min(c.read.Load(), c.Size())
				}
				r.progress.Set(min(read, total)>>20, total>>20)
			case <-end:
				return
			}
		}
	}()
	r.stop = func() {
		close(end)
		<-ended
	}
	return r, nil
}

// end takes the progress off the terminal.
func (r *reading) end() {
	r.stop()
	r.stop = func() {}
	r.progress.Clear()
}

// counter is a mapped file as the source of another, which counts the bytes that
// are borrowed.
type counter struct {
	*ffcv.File
	read atomic.Int64
}

// Borrow lends what the file lends.
func (c *counter) Borrow(off, n int64) ([]byte, bool) {
	c.read.Add(n)
	return c.File.Borrow(off, n)
}

// ReadAt is for bytes that are not to be borrowed, of which a mapped file has none.
func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	b, ok := c.File.Borrow(off, int64(len(p)))
	if !ok {
		return 0, errors.ErrUnsupported
	}
	return copy(p, b), nil
}

// Close does nothing: the bytes are the file's.
func (c *counter) Close() error { return nil }
