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
	o := opts.withDefaults()
	s, err := openBucket(ctx, p, o)
	if err != nil {
		return fail(err)
	}
	defer s.close()
	listing := &blob.ListOptions{Prefix: p.key}
	if !deep {
		listing.Delimiter = "/"
	}
	for it := s.Bucket.List(listing); ; {
		var obj *blob.ListObject
		err := retry(ctx, o, func(ctx context.Context) (err error) {
			ctx, cancel := context.WithTimeout(ctx, o.Timeout)
			defer cancel()
			if obj, err = it.Next(ctx); err != nil && err != io.EOF {
				return s.failure(err)
			}
			if err == io.EOF {
				obj = nil
			}
			return nil
		})
		if err != nil {
			return fail(err)
		}
		if obj == nil {
			return nil
		}
		e := Entry{URL: place{scheme: p.scheme, bucket: p.bucket, key: obj.Key}.String(), Size: obj.Size}
		if !obj.IsDir {
			e.Version = listedVersion(obj)
		}
		if err := yield(e); err != nil {
			return err
		}
	}
}
