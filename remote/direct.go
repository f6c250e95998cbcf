package remote

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// direct reads an object of S3 by requests that AWS's library signs, but does not
// carry: what it puts around each takes several times the work of the request.
type direct struct {
	*bucket
	url             *url.URL // nil: by the library
	region, service string
	creds           aws.CredentialsProvider // nil: none
	signer          *v4.Signer
	signed          atomic.Pointer[signing] // the last one
}

// emptySHA256 is the hash of a request without a body.
const emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// openDirect asks the library where an object is and how its requests are signed,
// by having it sign a link with a key that is none. Where the answer is something
// else than the usual kind (buckets with sessions, signatures for several
// regions), requests stay the library's.
func openDirect(ctx context.Context, b *bucket, p place) *direct {
	d := &direct{bucket: b, signer: v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })}
	if strings.HasSuffix(p.bucket, "--x-s3") || !plainKey(p.key) {
		return d
	}
	o := b.s3.Options()
	if o.Credentials != nil && !b.key.s3.Anonymous && !aws.IsCredentialsProvider(o.Credentials, aws.AnonymousCredentials{}) {
		d.creds = o.Credentials
	}
	link, err := s3.NewPresignClient(b.s3).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &p.bucket, Key: &p.key}, func(o *s3.PresignOptions) {
		o.ClientOptions = append(o.ClientOptions, func(o *s3.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider("none", "none", "")
		})
	})
	if err != nil {
		return d
	}
	u, err := url.Parse(link.URL)
	if err != nil {
		return d
	}
	query := u.Query()
	scope := strings.Split(query.Get("X-Amz-Credential"), "/") // key, day, region, service, aws4_request
	if query.Get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256" || len(scope) != 5 {
		return d
	}
	u.RawQuery = ""
	d.url, d.region, d.service = u, scope[2], scope[3]
	return d
}

// plainKey says whether a key is one that needs no escapes of the library's own.
func plainKey(key string) bool {
	return !strings.Contains(key, "../") && strings.IndexFunc(key, func(r rune) bool { return r < ' ' || r == '\uFFFD' }) < 0
}

// request makes a request for a run of bytes.
func (d *direct) request(ctx context.Context, span string, a attrs) (*http.Response, error) {
	head := http.Header{"X-Amz-Content-Sha256": {emptySHA256}, "User-Agent": {"betongo"}, "Accept-Encoding": {"identity"}}
	if d.creds != nil {
		creds, err := d.creds.Retrieve(ctx)
		if err != nil {
			if ctx.Err() != nil || d.signed.Load() != nil { // there were some: they may come again
				return nil, &passing{error: bare(err)}
			}
			return nil, noCredentials(err)
		}
		if head, err = d.sign(ctx, head, creds); err != nil {
			return nil, err
		}
	}
	head["Range"] = []string{span}
	if a.etag != "" {
		head["If-Match"] = []string{a.etag}
	}
	req := (&http.Request{
		Method: http.MethodGet, URL: d.url, Host: d.url.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: head,
	}).WithContext(ctx)
	resp, err := d.session.direct.RoundTrip(req)
	if err != nil {
		return nil, &passing{error: bare(err)}
	}
	return resp, nil
}

// signing is a request's head that is signed.
type signing struct {
	head  http.Header
	creds aws.Credentials
	at    time.Time
}

// resign is how long a signature is used. Servers take one for a quarter of an
// hour.
const resign = time.Minute

// sign returns a copy of a head with a signature. What differs between requests for
// runs of one object, the run, needs not be signed, so that one serves for all for
// a while.
func (d *direct) sign(ctx context.Context, head http.Header, creds aws.Credentials) (http.Header, error) {
	old := d.signed.Load()
	now := time.Now()
	if age := now.Sub(old.time()); old == nil || age > resign || age < -resign || old.creds.AccessKeyID != creds.AccessKeyID ||
		old.creds.SecretAccessKey != creds.SecretAccessKey || old.creds.SessionToken != creds.SessionToken {
		u := *d.url // signing writes into it
		req := &http.Request{Method: http.MethodGet, URL: &u, Host: u.Host, Header: head}
		if err := d.signer.SignHTTP(ctx, creds, req, emptySHA256, d.service, d.region, now); err != nil {
			return nil, err
		}
		old = &signing{head, creds, now}
		d.signed.Store(old)
	}
	return maps.Clone(old.head), nil
}

func (s *signing) time() time.Time {
	if s == nil {
		return time.Time{}
	}
	return s.at
}

// noCredentials is the error for credentials that can't be had.
func noCredentials(err error) error {
	return fmt.Errorf("%w: no credentials for S3 were found (%v); public buckets are read anonymously", ErrDenied, bare(err))
}

// stat asks for the first byte: other than to HEAD, a server's refusal then says
// why.
func (d *direct) stat(ctx context.Context, key string) (a attrs, err error) {
	if d.url == nil {
		return d.bucket.stat(ctx, key)
	}
	r, err := watch(ctx, d.opts.Timeout, func(ctx context.Context) (io.ReadCloser, error) {
		resp, err := d.request(ctx, "bytes=0-0", attrs{})
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusPartialContent {
			defer resp.Body.Close()
			return nil, refusal(resp)
		}
		_, _, total, err := contentRange(resp.Header.Get("Content-Range"))
		a = attrs{size: total, etag: resp.Header.Get("ETag")}
		return resp.Body, err
	})
	var other *elsewhere
	if errors.Is(err, ErrChanged) || errors.As(err, &other) { // an empty object has no first byte
		return d.bucket.stat(ctx, key)
	}
	if err != nil {
		return attrs{}, err
	}
	io.Copy(io.Discard, io.LimitReader(r, 16))
	return a, r.Close()
}

func (d *direct) get(ctx context.Context, key string, off, n int64, a attrs) (body, error) {
	if d.url == nil {
		return d.bucket.get(ctx, key, off, n, a)
	}
	r, err := watch(ctx, d.opts.Timeout, func(ctx context.Context) (io.ReadCloser, error) {
		span := append(make([]byte, 0, 48), "bytes="...)
		span = strconv.AppendInt(span, off, 10)
		span = append(span, '-')
		span = strconv.AppendInt(span, off+n-1, 10)
		resp, err := d.request(ctx, string(span), a)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode == http.StatusPartialContent || resp.StatusCode == http.StatusOK {
			err = checkPart(resp, off, n, a)
		} else if err = refusal(resp); errors.Is(err, ErrNotExist) {
			err = fmt.Errorf("%w: it is gone", ErrChanged)
		}
		if err != nil {
			resp.Body.Close()
			return nil, err
		}
		return resp.Body, nil
	})
	var other *elsewhere
	if errors.As(err, &other) {
		return d.bucket.get(ctx, key, off, n, a)
	}
	return r, err
}

// elsewhere is a server's answer that the object is at another one.
type elsewhere struct{ error }

// refusal says what an answer means that is none.
func refusal(resp *http.Response) error {
	var said struct{ Code string }
	// What is no XML, from a server in between, says nothing.
	xml.NewDecoder(io.LimitReader(resp.Body, 16<<10)).Decode(&said)
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return &elsewhere{fmt.Errorf("HTTP status %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))}
	}
	if resp.StatusCode == http.StatusOK {
		return errors.New("the server sent the whole file instead of a range of bytes")
	}
	err := verdict(resp.StatusCode, said.Code)
	var p *passing
	if errors.As(err, &p) {
		p.after = retryAfter(resp)
	}
	return err
}
