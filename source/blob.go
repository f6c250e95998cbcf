package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/betongo/betongo/internal/mmap"
)

// Blob is a file of a source that is open for reading: on the local disk, where it
// is mapped, or in a Store. It is safe for concurrent use until Close; a second
// Close does nothing.
type Blob interface {
	io.ReaderAt
	Size() int64
	Close() error
}

// lender is a Blob whose bytes are in memory. What it lends is read-only, and
// valid until the Blob's Close.
type lender interface {
	Borrow(off, n int64) ([]byte, bool)
}

// openBlob opens a file by its path, or an object of the store by its URL.
func openBlob(ctx context.Context, name string, st Store) (Blob, error) {
	if !far(name) {
		return mapBlob(name)
	}
	if st == nil {
		return nil, fmt.Errorf("%s: a URL, and no store to read it from", shown(name))
	}
	return st.Open(ctx, name)
}

// mapped is a file on the local disk.
type mapped struct{ m *mmap.Map }

func mapBlob(path string) (Blob, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	return mapped{m}, nil
}

func (f mapped) Size() int64  { return f.m.Size() }
func (f mapped) Close() error { return f.m.Close() }

func (f mapped) Borrow(off, n int64) ([]byte, bool) {
	data := f.m.Bytes()
	if off < 0 || n < 0 || off > int64(len(data)) || n > int64(len(data))-off {
		return nil, false
	}
	return data[off : off+n : off+n], true
}

func (f mapped) ReadAt(p []byte, off int64) (int, error) {
	data := f.m.Bytes()
	switch {
	case data == nil && f.m.Size() > 0:
		return 0, fmt.Errorf("%s: %w", f.m.Name(), os.ErrClosed)
	case off < 0:
		return 0, fmt.Errorf("%s: a negative offset", f.m.Name())
	case off >= int64(len(data)):
		return 0, io.EOF
	}
	n := copy(p, data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// listed is a sum over n shards: their names, sizes and times of change; in a store,
// names, sizes and versions.
func listed(n int, at func(i int) (name string, b Blob)) string {
	var l listing
	for i := range n {
		name, b := at(i)
		if !far(name) {
			l.file(i, base(name), name)
			continue
		}
		text := base(name)
		if v, ok := b.(interface{ Version() string }); ok {
			text += " " + v.Version()
		}
		l.add(i, text, b.Size(), timeless)
	}
	return l.String()
}

// timeless is the time of change of an object, which has a version instead.
var timeless time.Time

// readBlob returns n bytes of a blob from off on. Those of a file on the local
// disk are borrowed from it until its Close; others are the caller's. When ctx is
// done it doesn't wait for a store's answer.
func readBlob(ctx context.Context, b Blob, off, n int64) ([]byte, error) {
	if size := b.Size(); off < 0 || n < 0 || off > size || n > size-off {
		return nil, fmt.Errorf("%d bytes from %d on, in a file of %d: %w", n, off, size, io.ErrUnexpectedEOF)
	}
	if n > maxObject {
		return nil, fmt.Errorf("%d bytes; a sample's file has at most %d", n, int64(maxObject))
	}
	if l, ok := b.(lender); ok {
		if p, ok := l.Borrow(off, n); ok {
			return p, ctx.Err()
		}
	}
	p := make([]byte, n)
	if err := fillBlob(ctx, b, p, off); err != nil {
		return nil, err
	}
	return p, nil
}

// fillBlob fills p, which nobody may use again after an error, with the bytes of a
// blob from off on.
func fillBlob(ctx context.Context, b Blob, p []byte, off int64) error {
	done := make(chan error, 1)
	go func() { // ends with its read, which the blob's Close ends and waits for
		n, err := b.ReadAt(p, off)
		if n == len(p) {
			err = nil
		} else if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// scanSize is how much of an object is read together when it is read from front to
// back: enough that waiting for answers takes the smaller part of the time.
const scanSize = 4 << 20

// scanner reads a blob by small parts that mostly follow each other, as headers
// of an archive do: of an object in runs of scanSize bytes. It is not safe for
// concurrent use.
type scanner struct {
	ctx context.Context
	b   Blob
	buf []byte // what was read last
	off int64  // of it
}

// scanBlob returns a reader for one pass over a blob.
func scanBlob(ctx context.Context, b Blob) io.ReaderAt {
	if l, ok := b.(lender); ok {
		if _, ok := l.Borrow(0, 0); ok {
			return b
		}
	}
	return &scanner{ctx: ctx, b: b}
}

func (s *scanner) ReadAt(p []byte, off int64) (int, error) {
	size := s.b.Size()
	switch {
	case off < 0:
		return 0, errors.New("a negative offset")
	case off >= size:
		return 0, io.EOF
	}
	end := int64(len(p))
	if end > size-off {
		end = size - off
	}
	end += off
	if off < s.off || end > s.off+int64(len(s.buf)) {
		buf, err := readBlob(s.ctx, s.b, off, min(max(scanSize, end-off), size-off))
		if err != nil {
			return 0, err
		}
		s.buf, s.off = buf, off
	}
	n := copy(p, s.buf[off-s.off:end-s.off])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
