package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"
)

// WriteOptions are the choices of Create. Nil and the zero value of every member
// are the defaults.
type WriteOptions struct {
	// Overwrite allows to replace an object.
	Overwrite bool
	// PartSize is how many bytes are sent together, at least 5 MiB; 0 is 16 MiB. An
	// object may have 10,000 parts: the default is wrong above 160 GB.
	PartSize int
	// ContentType is what web servers shall call it; "" is found by the bytes.
	ContentType string
}

// Upload is an object that is being written. It is for one goroutine.
type Upload struct {
	place place
	store *bucket
	stop  func() bool // no more heed of Create's context

	mu   sync.Mutex
	to   sink
	done error // why nothing more is taken; nil while it is
}

// sink is where an upload's bytes go. Its object appears at commit; one of the two
// is called, once.
type sink interface {
	io.Writer
	commit() error
	abort() error
}

var (
	errAborted = errors.New("the upload was given up")
	errEnded   = errors.New("the upload has ended")
)

func (w *WriteOptions) withDefaults() WriteOptions {
	var v WriteOptions
	if w != nil {
		v = *w
	}
	if v.PartSize <= 0 {
		v.PartSize = 16 << 20
	}
	v.PartSize = max(v.PartSize, minPart)
	if v.ContentType == "" {
		v.ContentType = "application/octet-stream"
	}
	return v
}

// openTarget opens the store of an object that is to be written.
func openTarget(ctx context.Context, url string, o Options) (place, *bucket, error) {
	p, err := parse(url)
	if err != nil {
		return p, nil, err
	}
	if p.u != nil || p.key == "" {
		return p, nil, errors.New("want an object of s3://, gs:// or azblob://")
	}
	s, err := openBucket(ctx, p, o)
	return p, s, err
}

// Create begins an object, which appears, whole, at Commit: until then there is
// nothing, or the object that was there. Without Overwrite one that is there by
// then is ErrExist, also if it came meanwhile. ctx ends the upload as Abort does.
// In S3 four parts, and in the others as many, are in memory at a time.
func Create(ctx context.Context, url string, opts *Options, write *WriteOptions) (*Upload, error) {
	w := write.withDefaults()
	p, s, err := openTarget(ctx, url, opts.withDefaults())
	if err != nil {
		return nil, &Error{Op: "write", URL: p.String(), Err: err}
	}
	u := &Upload{place: p, store: s}
	if !w.Overwrite {
		// Asked before the bytes are sent too, not only when they are there.
		err = s.absent(ctx, p)
	}
	if err == nil {
		u.to, err = newSink(ctx, s, p, w)
	}
	if err != nil {
		return nil, u.fail(errors.Join(err, s.close()))
	}
	u.stop = context.AfterFunc(ctx, func() { u.end(context.Cause(ctx)) })
	return u, nil
}

// absent is nil if there is no such object.
func (s *bucket) absent(ctx context.Context, p place) error {
	err := retry(ctx, s.opts, func(ctx context.Context) error {
		_, err := s.stat(ctx, p.key)
		return err
	})
	switch {
	case err == nil:
		return ErrExist
	case errors.Is(err, ErrNotExist):
		return nil
	}
	return err
}

func newSink(ctx context.Context, s *bucket, p place, w WriteOptions) (sink, error) {
	if s.s3 == nil {
		return newPipe(ctx, s, p, w), nil
	}
	m, err := newMultipart(s, p, w)
	if err != nil {
		return nil, err
	}
	return newParts(ctx, m), nil
}

// Write is io.Writer.
func (u *Upload) Write(b []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.done != nil {
		return 0, u.fail(u.done)
	}
	n, err := u.to.Write(b)
	if err != nil {
		return n, u.fail(err)
	}
	return n, nil
}

// Commit sends what is left, and has the object appear. A second one is an error.
func (u *Upload) Commit() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.done != nil {
		return u.fail(u.done)
	}
	u.done = errEnded
	u.stop()
	if err := errors.Join(u.to.commit(), u.store.close()); err != nil {
		return u.fail(err)
	}
	return nil
}

// Abort ends the upload: nothing of it is seen. Behind Commit it does nothing,
// so that it can be deferred.
func (u *Upload) Abort() error { return u.end(errAborted) }

// end gives the upload up, unless it has ended.
func (u *Upload) end(cause error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.done != nil {
		return nil
	}
	u.done = cause
	u.stop()
	if err := errors.Join(u.to.abort(), u.store.close()); err != nil {
		return u.fail(err)
	}
	return nil
}

func (u *Upload) fail(err error) error { return &Error{Op: "write", URL: u.place.String(), Err: err} }

// pipe writes a stream to the stores whose libraries cut it into parts, and forget
// them when their context ends.
type pipe struct {
	*io.PipeWriter
	cancel context.CancelFunc
	sent   chan error // of the whole, once
}

func newPipe(ctx context.Context, s *bucket, p place, w WriteOptions) *pipe {
	ctx, cancel := context.WithCancel(ctx)
	r, pw := io.Pipe()
	to := &pipe{pw, cancel, make(chan error, 1)}
	go func() { // ends with the pipe or ctx; commit and abort wait for it
		err := s.Upload(again(ctx, s.opts), p.key, r, &blob.WriterOptions{
			BufferSize: w.PartSize, MaxConcurrency: atOnce, IfNotExist: !w.Overwrite, ContentType: w.ContentType,
			BeforeWrite: func(as func(any) bool) error { persist(as, s.opts); return nil },
		})
		if err != nil {
			err = exists(s.failure(err))
		}
		r.CloseWithError(err)
		to.sent <- err
	}()
	return to
}

func (p *pipe) commit() error {
	defer p.cancel()
	p.Close() // after an error that one stays
	return <-p.sent
}

func (p *pipe) abort() error {
	p.cancel() // only thus do these not take what came for the whole
	p.CloseWithError(errAborted)
	<-p.sent // of the cancelling, or what came before
	return nil
}

// Delete removes an object. That there is none is ErrNotExist.
func Delete(ctx context.Context, url string, opts *Options) error {
	o := opts.withDefaults()
	p, s, err := openTarget(ctx, url, o)
	if err != nil {
		return &Error{Op: "delete", URL: p.String(), Err: err}
	}
	unsure := false // an earlier request may have been heard
	err = retry(ctx, o, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, o.Timeout)
		defer cancel()
		err := s.Delete(once(ctx), p.key)
		if err != nil {
			err = s.failure(err)
		}
		if unsure && errors.Is(err, ErrNotExist) {
			return nil
		}
		unsure = true
		return err
	})
	if err = errors.Join(err, s.close()); err != nil {
		return &Error{Op: "delete", URL: p.String(), Err: err}
	}
	return nil
}

// Entry is an object that List or Stat found.
type Entry struct {
	URL  string
	Size int64
	// Version is what its store calls this version of the object, as Object.Version;
	// "" where it says none.
	Version string
}

// List returns the objects that a pattern stands for, in the order of their
// keys' bytes: '*' and '?' stand for characters that aren't '/', [a-z] for one of
// those (path.Match). A key without them stands for itself, if it is there.
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
	s, err := openBucket(ctx, p, opts.withDefaults())
	if err != nil {
		return nil, &Error{Op: "list", URL: p.String(), Err: err}
	}
	defer s.close()
	var list []Entry
	prefix := p.key
	if i := strings.IndexAny(prefix, `*?[\`); i >= 0 {
		prefix = prefix[:i]
	}
	listing := &blob.ListOptions{Prefix: prefix}
	if !strings.Contains(p.key[len(prefix):], "/") {
		listing.Delimiter = "/" // what lies deeper isn't listed
	}
	err = s.each(ctx, listing, func(obj *blob.ListObject) error {
		if ok, _ := path.Match(p.key, obj.Key); ok && !obj.IsDir {
			list = append(list, Entry{place{scheme: p.scheme, bucket: p.bucket, key: obj.Key}.String(), obj.Size, listedVersion(obj)})
		}
		return nil
	})
	if err != nil {
		return nil, &Error{Op: "list", URL: p.String(), Err: err}
	}
	return list, nil
}

// listedVersion is the version that a listing tells, as stat would.
func listedVersion(obj *blob.ListObject) string {
	var in types.Object
	var az container.BlobItem
	var g storage.ObjectAttrs
	switch {
	case obj.As(&in) && in.ETag != nil:
		return *in.ETag
	case obj.As(&az) && az.Properties != nil && az.Properties.ETag != nil:
		return quoted(string(*az.Properties.ETag))
	case obj.As(&g):
		return fmt.Sprint(g.Generation)
	}
	return ""
}

// quoted is an ETag as a header has it: Azure's listings leave the marks out.
func quoted(etag string) string {
	if strings.HasPrefix(etag, `"`) || strings.HasPrefix(etag, "W/") {
		return etag
	}
	return `"` + etag + `"`
}
