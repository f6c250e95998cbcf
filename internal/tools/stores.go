package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/engine"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/store"
)

// stores is the engine's way to objects.
type stores struct {
	environ environment
	caches  caches
}

// Reach reads what a request says of how objects are reached.
func (s *stores) Reach(storage json.RawMessage) (engine.Reach, error) {
	r, err := s.reach(storage)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (s *stores) reach(storage json.RawMessage) (*reach, error) {
	r := &reach{of: s}
	if len(storage) > 0 && !bytes.Equal(storage, []byte("null")) {
		if err := engine.Strict(storage, &r.q, "storage"); err != nil {
			return nil, err
		}
	}
	return r, r.q.check()
}

// reach is the way of one request.
type reach struct {
	of *stores
	q  storageRequest
}

// Key tells it from others.
func (r *reach) Key() string { return r.q.key() }

// Memory is what the cache of objects may take by default.
func (r *reach) Memory() int64 { return store.DefaultMemory }

// Hold makes the environment the client's.
func (r *reach) Hold() (release func(), err error) { return r.of.environ.hold(r.q.Environ) }

// Version is a file's version, or of a pattern the versions of all that match it.
func (r *reach) Version(url string, several bool) (string, error) {
	opts := r.q.options()
	list, err := []remote.Entry(nil), error(nil)
	if several {
		list, err = remote.List(context.Background(), url, &opts)
	} else {
		var e remote.Entry
		e, err = remote.Stat(context.Background(), url, &opts)
		list = []remote.Entry{e}
	}
	var b strings.Builder
	for _, e := range list {
		fmt.Fprintf(&b, "%q %d %q|", e.URL, e.Size, e.Version)
	}
	return b.String(), err
}

// Open opens objects. What is on the way when nobody waits any more ends with its
// retries.
func (r *reach) Open(paths []string, several bool, file *ffcv.OpenOptions) (engine.Dataset, func() error, error) {
	opts, release, err := r.store()
	if err != nil {
		return nil, nil, err
	}
	opts.File = file
	var ds engine.Dataset
	if several {
		ds, err = store.Open(context.Background(), paths, opts)
	} else {
		ds, err = store.OpenFile(context.Background(), paths[0], opts)
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return ds, release, nil
}

// describeObject tells errors of objects.
func describeObject(err error) (f engine.Failure, ok bool) {
	var object *remote.Error
	if !errors.As(err, &object) {
		return f, false
	}
	f = engine.Failure{Kind: "os", Message: err.Error(), File: object.URL, Errno: int(objectErrno(err))}
	if f.Errno == int(syscall.ENOENT) {
		f.Kind = "notfound"
	}
	return f, true
}

// objectErrno is the number that the system has for an error of an object's.
func objectErrno(err error) syscall.Errno {
	for _, c := range []struct {
		is error
		no syscall.Errno
	}{
		{remote.ErrNotExist, syscall.ENOENT}, {remote.ErrExist, syscall.EEXIST}, {remote.ErrDenied, syscall.EACCES}, {remote.ErrChanged, syscall.ESTALE},
	} {
		if errors.Is(err, c.is) {
			return c.no
		}
	}
	return syscall.EIO
}
