package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	azblobblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
	"google.golang.org/api/googleapi"
)

// bucket is one bucket of an object store.
type bucket struct {
	*session
	scheme string
	opts   Options
}

// openStore opens the store that a place is in, to read the object there.
func openStore(ctx context.Context, p place, o Options) (store, error) {
	if p.u != nil {
		return openWeb(p, o), nil
	}
	if p.key == "" {
		return nil, fmt.Errorf("no key behind the bucket; want %s://BUCKET/KEY", p.scheme)
	}
	b, err := openBucket(ctx, p, o)
	if err != nil || b.s3 == nil {
		return b, err
	}
	return openDirect(ctx, b, p), nil
}

func openBucket(ctx context.Context, p place, o Options) (*bucket, error) {
	s, err := openSession(ctx, p, o.S3)
	if err != nil {
		return nil, err
	}
	return &bucket{s, p.scheme, o}, nil
}

func (s *bucket) close() error {
	s.release()
	return nil
}

func (s *bucket) stat(ctx context.Context, key string) (a attrs, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	got, err := s.Attributes(once(ctx), key)
	if err != nil {
		return attrs{}, s.failure(err)
	}
	a = attrs{size: got.Size, etag: got.ETag}
	var g storage.ObjectAttrs
	if got.As(&g) {
		a.etag = fmt.Sprint(g.Generation) // what reads can be tied to
	}
	return a, nil
}

func (s *bucket) get(ctx context.Context, key string, off, n int64, a attrs) (body, error) {
	return watch(ctx, s.opts.Timeout, func(ctx context.Context) (io.ReadCloser, error) {
		r, err := s.NewRangeReader(once(ctx), key, off, n, &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error { return pin(as, a) }})
		if err != nil {
			err = s.failure(err)
			if errors.Is(err, ErrNotExist) {
				err = fmt.Errorf("%w: it is gone", ErrChanged)
			}
			return nil, err
		}
		if err := checkReader(r, off, n, a); err != nil {
			r.Close()
			return nil, err
		}
		return failing{r, s}, nil
	})
}

// checkReader says whether an answer is the part that was asked for.
func checkReader(r *blob.Reader, off, n int64, a attrs) error {
	if r.Size() != a.size {
		return ErrChanged
	}
	var span *string
	var in s3.GetObjectOutput
	var az azblobblob.DownloadStreamResponse
	var g *storage.Reader
	etag := "" // what the server says that it sent; servers are about that do not heed conditions
	switch {
	case r.As(&in):
		span, etag = in.ContentRange, aws.ToString(in.ETag)
	case r.As(&az):
		if span = az.ContentRange; az.ETag != nil {
			etag = string(*az.ETag)
		}
	case r.As(&g):
		if sent := g.Attrs.Generation; sent != 0 && a.etag != fmt.Sprint(sent) {
			return ErrChanged
		}
		if g.Attrs.StartOffset != off || g.Remain() != n {
			return fmt.Errorf("the server sent %d bytes from %d on", g.Remain(), g.Attrs.StartOffset)
		}
		return nil
	default:
		return nil
	}
	if etag != "" && a.etag != "" && etag != a.etag {
		return ErrChanged
	}
	if span == nil && off == 0 && n == a.size {
		return nil // the whole
	}
	first, last, _, err := contentRange(aws.ToString(span))
	if err == nil && (first != off || last != off+n-1) {
		err = fmt.Errorf("the server sent bytes %d to %d", first, last+1)
	}
	return err
}

// pin ties a read to one version of an object.
func pin(as func(any) bool, a attrs) error {
	if a.etag == "" {
		return nil
	}
	var in *s3.GetObjectInput
	var az *azblob.DownloadStreamOptions
	var g **storage.ObjectHandle
	switch {
	case as(&in):
		in.IfMatch = aws.String(a.etag)
	case as(&az):
		etag := azcore.ETag(a.etag)
		az.AccessConditions = &azblobblob.AccessConditions{ModifiedAccessConditions: &azblobblob.ModifiedAccessConditions{IfMatch: &etag}}
	case as(&g):
		var generation int64
		if _, err := fmt.Sscan(a.etag, &generation); err != nil {
			return fmt.Errorf("generation %q: %w", a.etag, err)
		}
		*g = (*g).If(storage.Conditions{GenerationMatch: generation})
	}
	return nil
}

// failing is a reader whose errors are told as the store's.
type failing struct {
	*blob.Reader
	s *bucket
}

func (f failing) Read(b []byte) (int, error) {
	n, err := f.Reader.Read(b)
	if err != nil && err != io.EOF {
		err = f.s.failure(err)
	}
	return n, err
}

// failure says what a store's error means. Only its code and message are kept:
// the libraries' own texts hold request numbers, hosts and signed URLs.
func (s *bucket) failure(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &passing{error: err}
	}
	code, text := s.code(err)
	switch gcerrors.Code(err) {
	case gcerrors.FailedPrecondition:
		code = http.StatusPreconditionFailed
	case gcerrors.NotFound:
		code = http.StatusNotFound
	case gcerrors.PermissionDenied:
		code = http.StatusForbidden
	}
	switch {
	case code == 0 && strings.Contains(err.Error(), "get identity:"): // the library's step before a request
		return noCredentials(err)
	case code == 0:
		return &passing{error: bare(err)} // no answer came
	}
	return verdict(code, text)
}

// denials are S3's words for credentials that won't do; servers give them various
// statuses.
var denials = []string{"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "XAdminUserNotFound"}

// verdict says what an object store's HTTP status and its own word for it mean.
func verdict(code int, text string) error {
	said := fmt.Errorf("HTTP status %d %s%s", code, http.StatusText(code), inBrackets(text))
	switch {
	case text == "NoSuchUpload":
		return said
	case slices.Contains(denials, text):
		return fmt.Errorf("%w%s", ErrDenied, inBrackets(text))
	case code == http.StatusPreconditionFailed, code == http.StatusRequestedRangeNotSatisfiable:
		return ErrChanged
	case code == http.StatusNotFound:
		return fmt.Errorf("%w%s", ErrNotExist, bucketHint(text))
	case text == "RequestTimeout", text == "RequestTimeTooSkewed", text == "SlowDown":
		return &passing{error: said}
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fmt.Errorf("%w%s", ErrDenied, inBrackets(text))
	case busy(code):
		return &passing{error: said}
	case code == http.StatusConflict && strings.Contains(text, "Conditional"): // two conditional writes at once
		return &passing{error: said}
	}
	return said
}

// code returns the HTTP status and the store's own code of an error; 0 without
// an answer.
func (s *bucket) code(err error) (int, string) {
	var text string
	var api smithy.APIError
	if errors.As(err, &api) {
		text = api.ErrorCode()
	}
	var aw *awshttp.ResponseError
	var az *azcore.ResponseError
	var gs *googleapi.Error
	switch {
	case errors.As(err, &aw):
		return aw.HTTPStatusCode(), text
	case errors.As(err, &az), s.ErrorAs(err, &az):
		return az.StatusCode, az.ErrorCode
	case errors.As(err, &gs), s.ErrorAs(err, &gs):
		return gs.Code, ""
	}
	return 0, text
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// bucketHint tells a missing bucket from a missing object.
func bucketHint(code string) string {
	if code == "NoSuchBucket" || code == "ContainerNotFound" {
		return ": no such bucket"
	}
	return ""
}

// bare is the innermost cause of an error.
func bare(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
