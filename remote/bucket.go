package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	azblobblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"
	"gocloud.dev/gcp"
	"google.golang.org/api/googleapi"
)

// bucket is one bucket of an object store.
type bucket struct {
	*blob.Bucket
	scheme string
	opts   Options
}

// openStore opens the store that a place is in.
func openStore(ctx context.Context, p place, o Options) (store, error) {
	if p.u != nil {
		return openWeb(p, o), nil
	}
	if p.key == "" {
		return nil, fmt.Errorf("no key behind the bucket; want %s://BUCKET/KEY", p.scheme)
	}
	return openBucket(ctx, p, o)
}

func openBucket(ctx context.Context, p place, o Options) (*bucket, error) {
	var b *blob.Bucket
	var err error
	switch p.scheme {
	case "s3":
		b, err = openS3(ctx, p.bucket, o.S3)
	case "gs":
		b, err = openGCS(ctx, p.bucket)
	default:
		b, err = openAzure(ctx, p.bucket)
	}
	if err != nil {
		return nil, err
	}
	return &bucket{b, p.scheme, o}, nil
}

// openS3 opens a bucket with the settings that AWS's own tools would use.
func openS3(ctx context.Context, name string, o S3) (*blob.Bucket, error) {
	load := []func(*config.LoadOptions) error{
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }), // ours knows how much came already
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost, t.MaxIdleConns = 64, 256
		})),
	}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	if o.Anonymous {
		load = append(load, config.WithCredentialsProvider(aws.AnonymousCredentials{}))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1" // what servers that have no regions expect, and AWS redirects from
	}
	client := s3.NewFromConfig(cfg, func(s *s3.Options) {
		if o.Endpoint != "" {
			s.BaseEndpoint = aws.String(o.Endpoint)
		}
		s.UsePathStyle = (o.Endpoint != "" || cfg.BaseEndpoint != nil) && !o.VirtualHost
		// Parts of an object have no checksum that could be asked for.
		s.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		s.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	})
	return s3blob.OpenBucket(ctx, client, name, nil)
}

// openGCS opens a bucket with the machine's default credentials, without any
// where there are none, as for public buckets.
func openGCS(ctx context.Context, name string) (*blob.Bucket, error) {
	client := gcp.NewAnonymousHTTPClient(gcp.DefaultTransport())
	if os.Getenv("STORAGE_EMULATOR_HOST") == "" {
		if creds, err := gcp.DefaultCredentials(ctx); err == nil {
			if client, err = gcp.NewHTTPClient(gcp.DefaultTransport(), creds.TokenSource); err != nil {
				return nil, err
			}
		}
	}
	return gcsblob.OpenBucket(ctx, client, name, nil)
}

func openAzure(ctx context.Context, container string) (*blob.Bucket, error) {
	url, err := azureblob.NewServiceURL(azureblob.NewDefaultServiceURLOptions())
	if err != nil {
		return nil, err
	}
	client, err := azureblob.NewDefaultClient(url, azureblob.ContainerName(container))
	if err != nil {
		return nil, err
	}
	return azureblob.OpenBucket(ctx, client, nil)
}

func (s *bucket) close() error { return s.Close() }

func (s *bucket) stat(ctx context.Context, key string) (a attrs, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	got, err := s.Attributes(ctx, key)
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
		r, err := s.NewRangeReader(ctx, key, off, n, &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error { return pin(as, a) }})
		if err != nil {
			err = s.failure(err)
			if errors.Is(err, ErrNotExist) {
				err = fmt.Errorf("%w: it is gone", ErrChanged)
			}
			return nil, err
		}
		if r.Size() != a.size {
			r.Close()
			return nil, ErrChanged
		}
		return failing{r, s}, nil
	})
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
		return &passing{err}
	}
	code, text := s.code(err)
	switch {
	case code == http.StatusPreconditionFailed, gcerrors.Code(err) == gcerrors.FailedPrecondition:
		return ErrChanged
	case code == http.StatusNotFound, gcerrors.Code(err) == gcerrors.NotFound:
		return fmt.Errorf("%w%s", ErrNotExist, bucketHint(text))
	case code == http.StatusUnauthorized, code == http.StatusForbidden, gcerrors.Code(err) == gcerrors.PermissionDenied:
		return fmt.Errorf("%w%s", ErrDenied, inBrackets(text))
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		return &passing{fmt.Errorf("HTTP status %d %s%s", code, http.StatusText(code), inBrackets(text))}
	case code == http.StatusConflict && strings.Contains(text, "Conditional"): // two conditional writes at once
		return &passing{errors.New(text)}
	case code == http.StatusRequestedRangeNotSatisfiable:
		return ErrChanged
	case code != 0:
		return fmt.Errorf("HTTP status %d %s%s", code, http.StatusText(code), inBrackets(text))
	}
	return &passing{bare(err)} // no answer came
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
