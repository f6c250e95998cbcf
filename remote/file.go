package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// maxFile is the most that ReadFile reads.
const maxFile = 64 << 20

// ReadFile returns the bytes of an object of at most 64 MiB, all of one version.
func ReadFile(ctx context.Context, url string, opts *Options) ([]byte, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	o.Cache = nil // it is asked for the object that is there now
	for try := 1; ; try++ {
		b, err := readFile(ctx, url, &o)
		if errors.Is(err, ErrChanged) && try < 5 { // between two requests
			continue
		}
		return b, err
	}
}

func readFile(ctx context.Context, url string, o *Options) ([]byte, error) {
	obj, err := Open(ctx, url, o)
	if err != nil {
		return nil, err
	}
	defer obj.Close()
	if obj.Size() > maxFile {
		return nil, &Error{Op: "read", URL: obj.Name(), Err: fmt.Errorf("%d bytes, want at most %d", obj.Size(), maxFile)}
	}
	stop := context.AfterFunc(ctx, obj.cancel)
	defer stop()
	b := make([]byte, obj.Size())
	if n, err := obj.ReadAt(b, 0); n < len(b) {
		return nil, errors.Join(ctx.Err(), err)
	} else if err != nil && err != io.EOF {
		return nil, err
	}
	return b, nil
}

// WriteFile writes an object by one request: it is there whole, or not at all.
// Without Overwrite an object that is there is ErrExist; of those that write at the
// same time one succeeds.
func WriteFile(ctx context.Context, url string, b []byte, opts *Options, write *WriteOptions) error {
	w := write.withDefaults()
	p, s, err := openTarget(ctx, url, opts.withDefaults())
	if err != nil {
		return &Error{Op: "write", URL: p.String(), Err: err}
	}
	if err = errors.Join(s.putFile(ctx, p, b, w), s.close()); err != nil {
		return &Error{Op: "write", URL: p.String(), Err: err}
	}
	return nil
}

func (s *bucket) putFile(ctx context.Context, p place, b []byte, w WriteOptions) error {
	if s.s3 != nil {
		m, err := newMultipart(s, p, w)
		if err != nil {
			return err
		}
		return exists(m.put(ctx, b))
	}
	to := newPipe(ctx, s, p, w)
	if _, err := to.Write(b); err != nil {
		return errors.Join(err, to.abort())
	}
	return to.commit()
}

// Stat tells of an object.
func Stat(ctx context.Context, url string, opts *Options) (Entry, error) {
	o := opts.withDefaults()
	o.Cache = nil
	obj, err := Open(ctx, url, &o)
	if err != nil {
		return Entry{}, err
	}
	defer obj.Close()
	return Entry{URL: url, Size: obj.Size(), Version: obj.Version()}, nil
}
