package remote

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/storage"
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcp"
)

// session is what everything that is open in a bucket shares: credentials, which
// may take a request to get, and connections.
type session struct {
	key sessionKey
	*blob.Bucket
	s3     *s3.Client      // nil in another store
	direct *http.Transport // for the reads that need no client

	refs int       // under sessions.Mutex
	left time.Time // when the last one let go
}

// sessionKey tells sessions apart: the same name in other settings is another
// place.
type sessionKey struct {
	scheme, bucket string
	s3             S3
	env            string
}

// sessions are those in use, and those that were a moment ago: who opens one
// object after another needs the same one again and again.
var sessions struct {
	sync.Mutex
	list map[sessionKey]*session
}

// linger is how long a session stays that nobody uses.
const linger = 30 * time.Second

// environ are the variables that decide where a store is and who asks.
func environ() string {
	var list []string
	for _, kv := range os.Environ() {
		for _, prefix := range []string{"AWS_", "AZURE_", "GOOGLE_", "STORAGE_", "CLOUDSDK_", "HOME="} {
			if strings.HasPrefix(kv, prefix) {
				list = append(list, kv)
			}
		}
	}
	slices.Sort(list)
	return strings.Join(list, "\x00")
}

// openSession returns the session for a bucket. Each is given back by release.
func openSession(ctx context.Context, p place, o S3) (*session, error) {
	key := sessionKey{p.scheme, p.bucket, o, environ()}
	if s := key.borrow(nil); s != nil {
		return s, nil
	}
	s := &session{key: key}
	var err error
	switch p.scheme {
	case "s3":
		if s.s3, s.direct, err = s3Client(ctx, o); err == nil {
			s.Bucket, err = s3blob.OpenBucket(ctx, s.s3, p.bucket, nil)
		}
	case "gs":
		s.Bucket, err = openGCS(ctx, p.bucket)
	default:
		s.Bucket, err = openAzure(ctx, p.bucket)
	}
	if err != nil {
		return nil, err
	}
	return key.borrow(s), nil
}

// borrow counts one user more of the session that there is, else of s.
func (k sessionKey) borrow(s *session) *session {
	sessions.Lock()
	defer sessions.Unlock()
	for key, old := range sessions.list {
		if old.refs == 0 && key != k && time.Since(old.left) > linger {
			delete(sessions.list, key)
			old.end()
		}
	}
	if old := sessions.list[k]; old != nil {
		if s != nil {
			s.end() // another one was faster
		}
		s = old
	}
	if s == nil {
		return nil
	}
	if sessions.list == nil {
		sessions.list = map[sessionKey]*session{}
	}
	sessions.list[k] = s
	s.refs++
	return s
}

func (s *session) release() {
	sessions.Lock()
	defer sessions.Unlock()
	s.refs--
	s.left = time.Now()
}

func (s *session) end() {
	s.Close()
	if s.direct != nil {
		s.direct.CloseIdleConnections()
	}
}

// connections has a transport keep as many connections as there may be requests
// at a time. Ranges come one to a connection: HTTP/2 would put them all on one,
// which is as slow as one.
func connections(t *http.Transport) {
	t.MaxIdleConnsPerHost, t.MaxIdleConns = 128, 512
	t.ForceAttemptHTTP2, t.TLSNextProto = false, nil
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.DisableCompression = true // ranges are of the bytes as they are stored
}

// s3Client returns a client with the settings that AWS's own tools would use, and
// the connections for what does without it.
func s3Client(ctx context.Context, o S3) (*s3.Client, *http.Transport, error) {
	web := awshttp.NewBuildableClient().WithTransportOptions(connections)
	load := []func(*config.LoadOptions) error{
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }), // ours knows how much came already
		config.WithHTTPClient(web),
	}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	if o.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(o.Profile))
	}
	if o.Anonymous {
		load = append(load, config.WithCredentialsProvider(aws.AnonymousCredentials{}))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, nil, err
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1" // what servers that have no regions expect, and AWS redirects from
	}
	client := s3.NewFromConfig(cfg, func(s *s3.Options) {
		if o.Endpoint != "" {
			s.BaseEndpoint = aws.String(o.Endpoint)
		}
		s.UsePathStyle = s.BaseEndpoint != nil && !o.VirtualHost
		// Parts of an object have no checksum that could be asked for.
		s.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		s.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	})
	if b, ok := client.Options().HTTPClient.(*awshttp.BuildableClient); ok {
		web = b // with the certificates that the configuration names
	}
	t := web.GetTransport()
	connections(t)
	return client, t, nil
}

// openGCS opens a bucket with the machine's default credentials, without any
// where there are none, as for public buckets. Those that are named have to do.
func openGCS(ctx context.Context, name string) (*blob.Bucket, error) {
	client := gcp.NewAnonymousHTTPClient(gcp.DefaultTransport())
	if os.Getenv("STORAGE_EMULATOR_HOST") == "" {
		creds, err := gcp.DefaultCredentials(ctx)
		if err != nil && os.Getenv("GOOGLE_APPLICATION_CREDENTIALS") != "" {
			return nil, fmt.Errorf("%w: $GOOGLE_APPLICATION_CREDENTIALS: %v", ErrDenied, bare(err))
		}
		if err == nil {
			if client, err = gcp.NewHTTPClient(gcp.DefaultTransport(), creds.TokenSource); err != nil {
				return nil, err
			}
		}
	}
	b, err := gcsblob.OpenBucket(ctx, client, name, nil)
	if err != nil {
		return nil, err
	}
	var c *storage.Client
	if b.As(&c) {
		c.SetRetry(storage.WithPolicy(storage.RetryNever)) // as once says
	}
	return b, nil
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
