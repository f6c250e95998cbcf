package remote_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/betongo/betongo/remote"
)

// s3Server starts a real S3 server (versitygw, whose program VERSITYGW names)
// with a bucket called "data", and sets the environment as AWS's tools want it.
func s3Server(t *testing.T) (endpoint string) {
	t.Helper()
	program := os.Getenv("VERSITYGW")
	if program == "" {
		t.Skip("VERSITYGW names no S3 server: go install github.com/versity/versitygw/cmd/versitygw@v1.8.0")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	meta := filepath.Join(dir, "meta")
	files := filepath.Join(dir, "files")
	if err := errors.Join(os.Mkdir(meta, 0o777), os.Mkdir(files, 0o777)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--port", addr, "posix", "--sidecar", meta, files)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY=testkey", "ROOT_SECRET_KEY=testsecret")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for k, v := range map[string]string{
		"AWS_ACCESS_KEY_ID": "testkey", "AWS_SECRET_ACCESS_KEY": "testsecret", "AWS_REGION": "us-east-1",
		"AWS_ENDPOINT_URL": "", "AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(k, v)
	}
	endpoint = "http://" + addr
	client := s3Client(t, endpoint)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("data")})
		if err == nil {
			return endpoint
		}
		if time.Now().After(end) {
			t.Fatalf("the S3 server doesn't answer: %v\n%s", err, log.String())
		}
	}
}

func s3Client(t *testing.T, endpoint string) *s3.Client {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s3.NewFromConfig(cfg, func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &endpoint, true })
}

func upload(t *testing.T, opts *remote.Options, url string, data []byte, w *remote.WriteOptions) error {
	t.Helper()
	u, err := remote.Create(t.Context(), url, opts, w)
	if err != nil {
		return err
	}
	if _, err := io.Copy(u, bytes.NewReader(data)); err != nil {
		return errors.Join(err, u.Abort())
	}
	return u.Commit()
}

func TestS3(t *testing.T) {
	endpoint := s3Server(t)
	opts := &remote.Options{S3: remote.S3{Endpoint: endpoint}, Retries: 2}
	small, large := noise(100_000), noise(23<<20+1)
	const one, two = "s3://data/a/one.beton", "s3://data/a/two ?#%41é.beton"
	if err := errors.Join(upload(t, opts, one, small, nil), upload(t, opts, two, large, nil)); err != nil {
		t.Fatal(err)
	}
	checkReads(t, open(t, one, opts), small)
	checkReads(t, open(t, two, opts), large)

	t.Run("exists", func(t *testing.T) {
		if err := upload(t, opts, one, large, nil); !errors.Is(err, remote.ErrExist) {
			t.Errorf("over an object: %v", err)
		}
		checkReads(t, open(t, one, opts), small)
	})
	for name, data := range map[string][]byte{"small": noise(5000), "in parts": noise(40 << 20)} {
		t.Run("appeared meanwhile, "+name, func(t *testing.T) {
			url := "s3://data/race-" + name
			u, err := remote.Create(t.Context(), url, opts, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := upload(t, opts, url, small, nil); err != nil {
				t.Fatal(err)
			}
			if _, err = u.Write(data); err == nil {
				err = u.Commit()
			}
			if !errors.Is(err, remote.ErrExist) {
				t.Errorf("%v", err)
			}
			checkReads(t, open(t, url, opts), small)
		})
	}
	t.Run("abort", func(t *testing.T) {
		u, err := remote.Create(t.Context(), "s3://data/aborted", opts, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Write(large); err != nil {
			t.Fatal(err)
		}
		if err := u.Abort(); err != nil {
			t.Error(err)
		}
		if _, err := remote.Open(t.Context(), "s3://data/aborted", opts); !errors.Is(err, remote.ErrNotExist) {
			t.Errorf("after Abort: %v", err)
		}
		parts, err := s3Client(t, endpoint).ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String("data")})
		if err != nil || len(parts.Uploads) > 0 {
			t.Errorf("%d uploads are left, %v", len(parts.Uploads), err)
		}
	})
	t.Run("list", func(t *testing.T) {
		for pattern, want := range map[string]string{
			"s3://data/a/*.beton":   one + " " + two,
			"s3://data/a/on?.*":     one,
			"s3://data/*.beton":     "",
			"s3://data/[ab]/t*":     two,
			"s3://data/a/one.beton": one,
		} {
			list, err := remote.List(t.Context(), pattern, opts)
			var got []string
			for _, e := range list {
				got = append(got, e.URL)
			}
			if err != nil || strings.Join(got, " ") != want {
				t.Errorf("%s: %q, %v", pattern, got, err)
			}
		}
	})
	t.Run("replaced", func(t *testing.T) {
		o := open(t, one, opts)
		if err := upload(t, opts, one, noise(100_001)[1:], &remote.WriteOptions{Overwrite: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := o.ReadAt(make([]byte, 10), 0); !errors.Is(err, remote.ErrChanged) {
			t.Errorf("%v", err)
		}
		if err := remote.Delete(t.Context(), one, opts); err != nil {
			t.Fatal(err)
		}
		if _, err := o.ReadAt(make([]byte, 10), 0); !errors.Is(err, remote.ErrChanged) {
			t.Errorf("deleted: %v", err)
		}
	})
	t.Run("missing", func(t *testing.T) {
		for _, url := range []string{"s3://data/nothing", "s3://nobucket/x"} {
			if _, err := remote.Open(t.Context(), url, opts); !errors.Is(err, remote.ErrNotExist) {
				t.Errorf("%s: %v", url, err)
			}
		}
	})
	t.Run("anonymous", func(t *testing.T) {
		o := *opts
		o.S3.Anonymous = true
		if _, err := remote.Open(t.Context(), two, &o); !errors.Is(err, remote.ErrDenied) {
			t.Errorf("%v", err)
		}
	})
	t.Run("wrong credentials", func(t *testing.T) {
		t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
		_, err := remote.Open(t.Context(), two, opts)
		if !errors.Is(err, remote.ErrDenied) || strings.Contains(err.Error(), "wrong-secret") {
			t.Errorf("%v", err)
		}
	})
	t.Run("broken network", func(t *testing.T) {
		o := *opts
		o.S3.Endpoint, o.Retries = brokenProxy(t, endpoint), 20
		checkReads(t, open(t, two, &o), large)
	})
}

// brokenProxy passes requests on, but answers some with 503, and cuts some
// answers short.
func brokenProxy(t *testing.T, endpoint string) string {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	n := 0
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ModifyResponse: func(r *http.Response) error {
			mu.Lock()
			defer mu.Unlock()
			if n++; n%3 == 0 && r.ContentLength > 2 {
				r.Body = struct {
					io.Reader
					io.Closer
				}{io.LimitReader(r.Body, r.ContentLength/2), r.Body}
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) { panic(http.ErrAbortHandler) },
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen++
		fail := seen%4 == 1
		mu.Unlock()
		if fail {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	})}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }() // ends with Shutdown
	t.Cleanup(func() { s.Shutdown(context.Background()); <-done })
	return "http://" + l.Addr().String()
}
