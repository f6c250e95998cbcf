package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"gocloud.dev/blob"
)

// WriteOptions are the choices of Create. Nil and the zero value of every member
// are the defaults.
type WriteOptions struct {
	// Overwrite allows to replace an object.
	Overwrite bool
	// PartSize is how many bytes are sent together; 0 is 16 MiB. An object may have
	// 10,000 parts: the default is wrong above 160 GB.
	PartSize int
	// ContentType is what web servers shall call it; "" is found by the bytes.
	ContentType string
}

// Upload is an object that is being written. It is for one goroutine.
type Upload struct {
	place  place
	store  *bucket
	w      *io.PipeWriter
	sent   chan error // of the whole, once
	cancel context.CancelFunc
	stop   func() bool // no more heed of Create's context
	done   bool
}

var errAborted = errors.New("the upload was given up")

// Create begins an object, which appears, whole, at Commit: until then there is
// nothing, or the object that was there. Without Overwrite one that is there by
// then is ErrExist, also if it came meanwhile. ctx ends the upload as Abort does.
func Create(ctx context.Context, url string, opts *Options, write *WriteOptions) (*Upload, error) {
	var w WriteOptions
	if write != nil {
		w = *write
	}
	o := opts.withDefaults()
	p, err := parse(url)
	if err != nil {
		return nil, &Error{Op: "write", URL: p.String(), Err: err}
	}
	if p.u != nil || p.key == "" {
		return nil, &Error{Op: "write", URL: p.String(), Err: errors.New("want an object of s3://, gs:// or azblob://")}
	}
	s, err := openBucket(ctx, p, o)
	if err != nil {
		return nil, &Error{Op: "write", URL: p.String(), Err: err}
	}
	u := &Upload{place: p, store: s}
	if !w.Overwrite {
		// Asked before the bytes are sent too, not only when they are there.
		_, err := s.stat(ctx, p.key)
		if err == nil {
			err = ErrExist
		}
		if !errors.Is(err, ErrNotExist) {
			return nil, &Error{Op: "write", URL: p.String(), Err: errors.Join(err, s.close())}
		}
	}
	if w.PartSize <= 0 {
		w.PartSize = 16 << 20
	}
	if w.ContentType == "" {
		w.ContentType = "application/octet-stream"
	}
	// Not under ctx: an upload in parts that ends has to tell the store, which would
	// keep the parts.
	under, cancel := context.WithCancel(context.WithoutCancel(ctx))
	u.cancel = cancel
	r, pw := io.Pipe()
	u.w, u.sent = pw, make(chan error, 1)
	u.stop = context.AfterFunc(ctx, func() { u.giveUp(context.Cause(ctx)) })
	go func() { // ends with the pipe; Commit and Abort wait for it
		err := s.Upload(under, p.key, r, &blob.WriterOptions{
			BufferSize: w.PartSize, MaxConcurrency: 4, IfNotExist: !w.Overwrite, ContentType: w.ContentType,
		})
		if err != nil {
			err = s.failure(err)
		}
		r.CloseWithError(err)
		u.sent <- err
	}()
	return u, nil
}

// giveUp ends the upload before its end.
func (u *Upload) giveUp(err error) {
	if u.store.scheme != "s3" {
		u.cancel() // only thus do these not take what came for the whole
	}
	u.w.CloseWithError(err)
}

// Write is io.Writer.
func (u *Upload) Write(b []byte) (int, error) {
	if u.done {
		return 0, u.fail(errors.New("the upload has ended"))
	}
	n, err := u.w.Write(b)
	if err != nil {
		return n, u.fail(err)
	}
	return n, nil
}

// Commit sends what is left, and has the object appear. A second one is an error.
func (u *Upload) Commit() error {
	if u.done {
		return u.fail(errors.New("the upload has ended"))
	}
	u.done = true
	u.w.Close() // after an error, or ctx's end, that one stays
	err := <-u.sent
	u.stop()
	u.cancel()
	if errors.Is(err, ErrChanged) {
		err = ErrExist // the only condition of an upload
	}
	if err = errors.Join(err, u.store.close()); err != nil {
		return u.fail(err)
	}
	return nil
}

// Abort ends the upload: nothing of it is seen. Behind Commit it does nothing,
// so that it can be deferred.
func (u *Upload) Abort() error {
	if u.done {
		return nil
	}
	u.done = true
	u.stop()
	u.giveUp(errAborted)
	<-u.sent // errAborted, or what came before
	u.cancel()
	return u.store.close()
}

func (u *Upload) fail(err error) error { return &Error{Op: "write", URL: u.place.String(), Err: err} }

// Delete removes an object.
func Delete(ctx context.Context, url string, opts *Options) error {
	p, err := parse(url)
	if err == nil && (p.u != nil || p.key == "") {
		err = errors.New("want an object of s3://, gs:// or azblob://")
	}
	var s *bucket
	if err == nil {
		s, err = openBucket(ctx, p, opts.withDefaults())
	}
	if err != nil {
		return &Error{Op: "delete", URL: p.String(), Err: err}
	}
	if err = s.Delete(ctx, p.key); err != nil {
		err = s.failure(err)
	}
	if err = errors.Join(err, s.close()); err != nil {
		return &Error{Op: "delete", URL: p.String(), Err: err}
	}
	return nil
}

// Entry is an object that List found.
type Entry struct {
	URL  string
	Size int64
}

// List returns the objects that a pattern stands for, in the order of their
// keys' bytes: '*' and '?' stand for characters that aren't '/', [a-z] for one of
// those (path.Match). A key without them stands for itself and is not looked for.
func List(ctx context.Context, pattern string, opts *Options) ([]Entry, error) {
	p, err := parse(pattern)
	if err == nil && p.u != nil {
		err = errors.New("a web server's files can't be listed")
	}
	if err == nil {
		_, err = path.Match(p.key, "")
	}
	if err != nil {
		return nil, &Error{Op: "list", URL: p.String(), Err: err}
	}
	o := opts.withDefaults()
	s, err := openBucket(ctx, p, o)
	if err != nil {
		return nil, &Error{Op: "list", URL: p.String(), Err: err}
	}
	defer s.close()
	var list []Entry
	prefix := p.key
	if i := strings.IndexAny(prefix, `*?[\`); i >= 0 {
		prefix = prefix[:i]
	}
	it := s.Bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		var obj *blob.ListObject
		err := retry(ctx, o, func(ctx context.Context) (err error) {
			if obj, err = it.Next(ctx); err != nil && err != io.EOF {
				return s.failure(err)
			}
			if err == io.EOF {
				obj = nil
			}
			return nil
		})
		if err != nil {
			return nil, &Error{Op: "list", URL: p.String(), Err: err}
		}
		if obj == nil {
			return list, nil
		}
		if ok, _ := path.Match(p.key, obj.Key); ok && !obj.IsDir {
			list = append(list, Entry{fmt.Sprintf("%s://%s/%s", p.scheme, p.bucket, obj.Key), obj.Size})
		}
	}
}
