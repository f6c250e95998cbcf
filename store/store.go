// Package store opens and writes datasets and other files, whether they lie on
// the local disk or in an object store, under one name: a path, or a URL of
// s3://, gs://, azblob://, https:// or file://.
//
// A URL is read by ranges: what opening a file needs, and then what is asked
// for, ahead of that where a loader tells. An object that is written appears
// whole or not at all.
//
// Errors that wrap fs.ErrNotExist, fs.ErrExist and fs.ErrPermission say the same
// of objects as of files. They name a URL without its query and credentials.
package store

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/memory"
	"github.com/betongo/betongo/remote"
)

// DefaultMemory is the cache in memory of the URLs of one Open where
// Options.File.Memory doesn't say, if half of what the process can have is no
// less.
const DefaultMemory = 1 << 30

// Options are the choices of this package's functions. nil and zero are the
// defaults.
type Options struct {
	// Remote says how object stores are reached; Cache, the pages that are kept on
	// the local disk, is among it.
	Remote remote.Options

	// File are the options of each .beton. With Memory all files of one Open share
	// a cache of that size, local ones too. 0 maps local files and reads those of
	// URLs through a cache of DefaultMemory.
	File *ffcv.OpenOptions

	// IgnoreClasses lets files name different classes: the default is wrong when
	// labels don't stand for them.
	IgnoreClasses bool

	// Meter, if it is not nil, counts what is asked of object stores.
	Meter *Meter
}

func (o *Options) orDefaults() *Options {
	if o == nil {
		return &Options{}
	}
	return o
}

// memoryFor returns the size of the cache for URLs.
func (o *Options) memoryFor() int64 {
	if o.File != nil && o.File.Memory != 0 {
		return o.File.Memory
	}
	if n := memory.Available() / 2; n > 0 {
		return min(n, DefaultMemory)
	}
	return DefaultMemory
}

// Meter counts what was asked of object stores through the Options that name it.
// The zero value is ready. It is safe for concurrent use.
type Meter struct {
	mu      sync.Mutex
	objects []*remote.Object
}

// Stats sums what was asked for so far.
func (m *Meter) Stats() (sum remote.Stats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.objects {
		s := o.Stats()
		sum.Requests += s.Requests
		sum.Bytes += s.Bytes
		sum.Cached += s.Cached
	}
	return sum
}

func (m *Meter) add(o *remote.Object) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects = append(m.objects, o)
}

// openObject opens an object.
func (o *Options) openObject(ctx context.Context, url string) (*remote.Object, error) {
	obj, err := remote.Open(ctx, url, &o.Remote)
	if err != nil {
		return nil, plain(err)
	}
	o.Meter.add(obj)
	return obj, nil
}

// plain makes an object's error one that errors.Is takes for a file's.
func plain(err error) error {
	for _, c := range []struct{ from, to error }{
		{remote.ErrNotExist, fs.ErrNotExist}, {remote.ErrExist, fs.ErrExist}, {remote.ErrDenied, fs.ErrPermission},
	} {
		if errors.Is(err, c.from) && !errors.Is(err, c.to) {
			return &kindError{err, c.to}
		}
	}
	return err
}

// kindError is an error that is of a kind that the system has too.
type kindError struct{ err, kind error }

func (e *kindError) Error() string   { return e.err.Error() }
func (e *kindError) Unwrap() []error { return []error{e.err, e.kind} }
