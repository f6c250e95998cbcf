// Package view is the server behind "ffcv view": a web page that shows what a
// dataset holds, sample by sample and in numbers.
//
//	s, err := view.New(f, nil)
//	…
//	defer s.Close()
//	… http.Serve(listener, s.Handler()) // and open http://ADDRESS/?token= with s.Token()
//
// The page and its parts are embedded; nothing else is served but the dataset,
// and nothing of it to whoever doesn't know the token. No name in a request
// ever reaches the file system.
//
// A request looks at a bounded part of the dataset, so that the page is as quick
// over 10^8 samples as over 10: a search goes on where the last answer ended, and
// what has to read all of a file is a job, which a person starts and can stop.
// Nothing is kept for each sample.
package view

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/store"
)

// Options are the choices of New. nil and zero are the defaults.
type Options struct {
	// Token is what a browser has to show; "" is 256 random bits.
	Token string
	// Host is the address that is listened on, such as "127.0.0.1:8080": a request
	// that came under another name than it, localhost or a loopback address is
	// refused. Where it is no loopback address, requests may come under any name,
	// as the machine may have several.
	Host string
	// Loader is a file or a URL of a running loader's statistics; "" is none.
	Loader string
	// Store is how files are reached that the dataset has not opened: those of an
	// index.
	Store *store.Options
	// Quarantine are samples that loaders leave alone (loader.QuarantineFile).
	Quarantine []int
	// Memory bounds the pictures that are kept rendered, in bytes; 0 is 64 MiB.
	Memory int64
}

// Server shows a dataset. It is safe for concurrent use.
type Server struct {
	ds      loader.Dataset
	fields  []ffcv.Field
	names   []string // of the fields, as a page knows them
	files   []file   // of the dataset, in order; at least one
	classes []string // nil: none are named
	label   int      // the field that says a sample's class, -1: none does
	opts    Options
	facts   struct { // what takes reading a little of each file
		once sync.Once
		facts
	}

	mux      *http.ServeMux
	pictures *lru
	heavy    chan struct{}       // a place for each piece of heavy work at a time
	drawing  *semaphore.Weighted // bytes for pictures that are being drawn
	jobs     jobs
	tickets  struct { // tokens that were given out for one use
		mu    sync.Mutex
		valid map[string]bool
	}

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	ending sync.Mutex     // so that no request begins while Close waits
	work   sync.WaitGroup // requests, and what runs beside them
}

// file is one of a dataset's files.
type file struct {
	name  string
	first int            // its first sample's number in the dataset
	n     int            // its samples
	ds    loader.Dataset // of these samples alone
	beton *ffcv.File     // nil: it isn't opened, or the dataset is none of files

	fields []ffcv.Field // the dataset's, and where they lie in this one's rows
}

// New returns a server of a dataset, which is borrowed and must outlive it: a
// *ffcv.File, a *dataset.Concat of them, or any other.
func New(ds loader.Dataset, opts *Options) (*Server, error) {
	s := &Server{ds: ds, fields: ds.Fields(), mux: http.NewServeMux(), heavy: make(chan struct{}, max(2, runtime.GOMAXPROCS(0))),
		drawing: semaphore.NewWeighted(mostDrawing)}
	if opts != nil {
		s.opts = *opts
	}
	if s.opts.Memory < 0 {
		return nil, fmt.Errorf("view: Options.Memory is %d; expected 0 or more", s.opts.Memory)
	}
	for _, d := range s.fields {
		if d.Field == nil {
			return nil, fmt.Errorf("view: %s: field %q: %w", ds.Name(), d.Name, ffcv.ErrUnknownField)
		}
	}
	if s.opts.Memory == 0 {
		s.opts.Memory = 64 << 20
	}
	if s.opts.Token == "" {
		s.opts.Token = newToken()
	}
	s.files = filesOf(ds)
	s.label = labelOf(s.fields)
	s.names = namesOf(s.fields)
	if c, ok := ds.(interface{ Classes() []string }); ok && s.label >= 0 {
		s.classes = c.Classes()
	}
	s.pictures = newLRU(s.opts.Memory)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, part := range parts {
		for _, r := range part(s) {
			s.mux.Handle(r.method+" "+r.pattern, s.answer(r.handler))
		}
	}
	return s, nil
}

// filesOf lists the files of a dataset.
func filesOf(ds loader.Dataset) []file {
	c, ok := ds.(*dataset.Concat)
	if !ok {
		f, _ := ds.(*ffcv.File)
		return []file{{name: ds.Name(), n: ds.Len(), ds: ds, beton: f, fields: ds.Fields()}}
	}
	var list []file
	for _, m := range c.Members() {
		first := 0
		if len(list) > 0 {
			last := &list[len(list)-1]
			first = last.first + last.n
		}
		f, _ := m.(*ffcv.File)
		list = append(list, file{name: m.Name(), first: first, n: m.Len(), ds: m, beton: f, fields: m.Fields()})
	}
	return list
}

// fileOf returns the file of a sample of the dataset.
func (s *Server) fileOf(sample int) *file {
	k, found := slices.BinarySearchFunc(s.files, sample, func(f file, i int) int { return f.first - i })
	if !found {
		k--
	}
	for s.files[k].n == 0 && k+1 < len(s.files) { // an empty file has its successor's first
		k++
	}
	return &s.files[k]
}

// number is which of the dataset's files one is.
func (s *Server) number(f *file) int {
	return slices.IndexFunc(s.files, func(other file) bool { return other.first == f.first && other.n == f.n })
}

// open returns a file as itself, and what ends its use: the dataset's own where
// that has it open.
func (s *Server) open(ctx context.Context, f *file) (*ffcv.File, func() error, error) {
	if f.beton != nil {
		return f.beton, func() error { return nil }, nil
	}
	if _, ok := s.ds.(*dataset.Concat); !ok {
		return nil, nil, errorf(http.StatusNotFound, "%s is no file, nor several one after another", s.ds.Name())
	}
	opened, err := store.OpenFile(ctx, f.name, s.opts.Store)
	if err != nil {
		return nil, nil, err
	}
	return opened, opened.Close, nil
}

// Token is what a browser has to show: http://ADDRESS/?token=TOKEN.
func (s *Server) Token() string { return s.opts.Token }

// Ticket is a token that lets one browser in, once: for an address that others on
// the machine may see, as they do with the command line of a program that is
// started with it.
func (s *Server) Ticket() string {
	s.tickets.mu.Lock()
	defer s.tickets.mu.Unlock()
	if s.tickets.valid == nil {
		s.tickets.valid = map[string]bool{}
	}
	ticket := newToken()
	s.tickets.valid[ticket] = true
	return ticket
}

// newToken is 256 random bits.
func newToken() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Handler answers requests. After Close it refuses them.
func (s *Server) Handler() http.Handler { return s.secure(s.mux) }

// Close stops the jobs that run and the requests that are being answered, and waits
// for them: nothing looks at the dataset any more.
func (s *Server) Close() error {
	s.ending.Lock()
	s.cancel()
	s.ending.Unlock()
	s.work.Wait()
	return nil
}

// begin counts a request, which Close then waits for; false after Close.
func (s *Server) begin() bool {
	s.ending.Lock()
	defer s.ending.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.work.Add(1)
	return true
}

// spawn runs do beside the request that asks for it. Its context ends with Close,
// which waits for it; a memory fault in it is an error of done.
func (s *Server) spawn(do func(ctx context.Context) error, done func(error)) {
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		done(guarded(func() error { return do(s.ctx) }))
	}()
}

// busy waits for a place among the heavy work; the function returned gives it
// back.
func (s *Server) busy(ctx context.Context) (done func(), err error) {
	select {
	case s.heavy <- struct{}{}:
		return func() { <-s.heavy }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// guarded runs do, and returns a fault of memory in it, or a panic (a custom
// field's, say), as an error.
func guarded(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if e, ok := v.(error); ok && errors.Is(e, http.ErrAbortHandler) {
				panic(v)
			}
			err = &ffcv.PanicError{Value: v}
		}
	}()
	return mmap.Guard(do)
}
