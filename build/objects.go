package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/store"
)

// objects are the files of a source that lies in an object store.
type objects struct{ opts *remote.Options }

// objectsOf returns the files of sources that lie in object stores.
func objectsOf(st *store.Options) objects {
	o := remoteOf(st)
	if o != nil && o.Cache != nil {
		// What is read once needs no place on the disk.
		bare := *o
		bare.Cache = nil
		o = &bare
	}
	return objects{o}
}

// List is part of source.Store.
func (s objects) List(ctx context.Context, folder string, deep bool, yield func(name string, size int64) error) error {
	return remote.Walk(ctx, folder, deep, s.opts, func(e remote.Entry) error {
		name, ok := strings.CutPrefix(e.URL, folder)
		if !ok {
			return fmt.Errorf("list %s: the store named %s", folder, e.URL)
		}
		if strings.HasSuffix(name, "/") {
			e.Size = -1
		}
		return yield(name, e.Size)
	})
}

// maxRead bounds what is read of an object at once, whatever a server says.
const maxRead = 4 << 30

// Read is part of source.Store.
func (s objects) Read(ctx context.Context, name string, n int64) ([]byte, error) {
	for try := 1; ; try++ {
		b, err := s.read(ctx, name, n)
		if !errors.Is(err, remote.ErrChanged) || try == 5 { // replaced between two requests
			return b, err
		}
	}
}

func (s objects) read(ctx context.Context, name string, n int64) ([]byte, error) {
	obj, err := openObjectOf(ctx, name, s.opts)
	if err != nil {
		return nil, err
	}
	defer obj.Close()
	n = min(n, obj.Size())
	if n > maxRead {
		return nil, fmt.Errorf("%s: %d bytes; a sample's file has at most %d", obj.Name(), obj.Size(), maxRead)
	}
	b := make([]byte, n)
	defer context.AfterFunc(ctx, func() { obj.Close() })() // ends the read
	if k, err := obj.ReadAt(b, 0); k < len(b) {
		return nil, errors.Join(ctx.Err(), err)
	} else if err != nil && err != io.EOF {
		return nil, err
	}
	return b, nil
}

// Size is part of source.Store.
func (s objects) Size(ctx context.Context, name string) (int64, error) {
	obj, err := openObjectOf(ctx, name, s.opts)
	if err != nil {
		return 0, err
	}
	return obj.Size(), obj.Close()
}

// Open is part of source.Store.
func (s objects) Open(ctx context.Context, name string) (source.Blob, error) {
	obj, err := openObjectOf(ctx, name, s.opts)
	if err != nil {
		return nil, err
	}
	return obj, nil
}

// openObjectOf opens an object; one that isn't there is fs.ErrNotExist.
func openObjectOf(ctx context.Context, url string, o *remote.Options) (*remote.Object, error) {
	obj, err := remote.Open(ctx, url, o)
	if errors.Is(err, remote.ErrNotExist) {
		err = fmt.Errorf("%w: %w", err, fs.ErrNotExist)
	}
	return obj, err
}
