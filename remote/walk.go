package remote

import (
	"context"
	"errors"
	"io"

	"gocloud.dev/blob"
)

// Walk calls yield with the objects of a folder, a URL that ends in '/', in the
// order of their keys' bytes; if deep, with those of all folders below it too, else
// with those folders, as entries whose URL ends in '/', without a size. An error of
// yield ends it.
func Walk(ctx context.Context, folder string, deep bool, opts *Options, yield func(Entry) error) error {
	p, err := parse(folder)
	fail := func(err error) error { return &Error{Op: "list", URL: p.String(), Err: err} }
	switch {
	case err != nil:
		return fail(err)
	case p.u != nil:
		return fail(errors.New("a web server's files can't be listed"))
	case p.key != "" && p.key[len(p.key)-1] != '/':
		return fail(errors.New("want a folder, which ends in '/'"))
	}
	s, err := openBucket(ctx, p, opts.withDefaults())
	if err != nil {
		return fail(err)
	}
	defer s.close()
	listing := &blob.ListOptions{Prefix: p.key}
	if !deep {
		listing.Delimiter = "/"
	}
	var failed error
	err = s.each(ctx, listing, func(obj *blob.ListObject) error {
		e := Entry{URL: place{scheme: p.scheme, bucket: p.bucket, key: obj.Key}.String(), Size: obj.Size}
		if !obj.IsDir {
			e.Version = listedVersion(obj)
		}
		failed = yield(e)
		return failed
	})
	if err != nil && failed == nil {
		return fail(err)
	}
	return err
}

// each calls yield with what a listing has, in order. An error of yield ends it.
func (s *bucket) each(ctx context.Context, listing *blob.ListOptions, yield func(obj *blob.ListObject) error) error {
	for it := s.Bucket.List(listing); ; {
		var obj *blob.ListObject // nil at the end
		err := retry(ctx, s.opts, func(ctx context.Context) (err error) {
			ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
			defer cancel()
			if obj, err = it.Next(once(ctx)); err == io.EOF {
				obj, err = nil, nil
			}
			if err != nil {
				err = s.failure(err)
			}
			return err
		})
		if err != nil || obj == nil {
			return err
		}
		if err := yield(obj); err != nil {
			return err
		}
	}
}
