package store

import (
	"context"
	"errors"
	"io"

	"github.com/betongo/betongo/internal/regular"
)

// ReadHead reads the first n bytes of a file, or all if there are fewer.
func ReadHead(ctx context.Context, path string, n int, opts *Options) ([]byte, error) {
	b := make([]byte, n)
	if !IsURL(path) {
		f, err := regular.Open(localPath(path))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return head(f, b)
	}
	obj, err := opts.orDefaults().openObject(ctx, path)
	if err != nil {
		return nil, err
	}
	defer obj.Close()
	defer context.AfterFunc(ctx, func() { obj.Close() })()
	if b, err = head(obj, b); err != nil {
		return nil, errors.Join(ctx.Err(), plain(err))
	}
	return b, nil
}

func head(r io.ReaderAt, b []byte) ([]byte, error) {
	n, err := r.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b[:n], nil
}
