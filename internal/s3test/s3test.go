// Package s3test starts a real S3 server for tests: versitygw, a program of its
// own, on the loopback, with credentials required.
package s3test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	access = "testkey"
	secret = "testsecret"
	region = "us-east-1"
	bucket = "data"
)

// Server is an S3 server that runs until its test ends.
type Server struct {
	Addr   string // host:port
	URL    string // http://Addr
	Bucket string // there, and empty at first
	// Folder is where the bucket's objects lie as files, by their keys.
	Folder string
	// Env are the settings for child processes, KEY=VALUE; the test's own process
	// has them already.
	Env []string

	program, meta, files string
	mu                   sync.Mutex
	cmd                  *exec.Cmd // nil while it doesn't run
	ended                chan error
	log                  bytes.Buffer
}

// Start starts a server for the rest of the test, and sets AWS_ENDPOINT_URL,
// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION for its process, so that
// it must not run in parallel with others.
//
// The program is the one that VERSITYGW names, else one in the user's cache folder,
// which is built there from source when it is first needed (some minutes). Where
// that can't be done the test is skipped, or fails if BETONGO_S3 is "required".
// Under -short nothing is built.
func Start(t testing.TB) *Server {
	t.Helper()
	s := launch(t)
	for _, kv := range s.Env {
		k, v, _ := strings.Cut(kv, "=")
		t.Setenv(k, v)
	}
	return s
}

// launch starts a server with an empty bucket.
func launch(t testing.TB) *Server {
	t.Helper()
	program, err := find(testing.Short())
	if err != nil {
		if os.Getenv("BETONGO_S3") == "required" {
			t.Fatalf("S3 server: %v", err)
		}
		t.Skipf("no S3 server: %v", err)
	}
	dir := t.TempDir()
	s := &Server{Bucket: bucket, program: program, meta: filepath.Join(dir, "meta"), files: filepath.Join(dir, "files")}
	s.Folder = filepath.Join(s.files, bucket)
	if err := errors.Join(os.Mkdir(s.meta, 0o777), os.Mkdir(s.files, 0o777)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("the S3 server's log:\n%s", s.log.String())
		}
	})
	// The port is free when it is asked for, and may be another's a moment later.
	for try := 1; ; try++ {
		if s.Addr, err = freeAddr(); err == nil {
			err = s.Restart()
		}
		if err == nil {
			break
		}
		if try == 5 {
			t.Fatalf("S3 server: %v\n%s", err, s.log.String())
		}
	}
	s.URL = "http://" + s.Addr
	s.Env = s.Through(s.Addr)
	if _, err := s.Client(t).CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatalf("S3 server: %v\n%s", err, s.log.String())
	}
	return s
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Through returns the settings that reach the server through a proxy at an
// address, as Env.
func (s *Server) Through(proxyAddr string) []string {
	return []string{
		"AWS_ENDPOINT_URL=http://" + proxyAddr, "AWS_ACCESS_KEY_ID=" + access, "AWS_SECRET_ACCESS_KEY=" + secret,
		"AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region, "AWS_SESSION_TOKEN=", "AWS_PROFILE=", "AWS_ENDPOINT_URL_S3=",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_EC2_METADATA_DISABLED=true",
	}
}

// Restart starts the server after Kill, with its objects, at the same address, and
// waits until it answers.
func (s *Server) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Connections stay, as those to S3 do; the access log is not for a buffer.
	cmd := exec.Command(s.program, "--port", s.Addr, "--keep-alive", "--quiet", "posix", "--sidecar", s.meta, s.files)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+access, "ROOT_SECRET_KEY="+secret)
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends with the program; Kill waits for it
	s.cmd, s.ended = cmd, ended
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		select {
		case err := <-ended:
			s.cmd = nil
			return fmt.Errorf("%s ended at once: %v", filepath.Base(s.program), err)
		default:
		}
		c, err := net.DialTimeout("tcp", s.Addr, time.Second)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s doesn't answer: %v", filepath.Base(s.program), err)
		}
	}
}

// Kill ends the server at once, as a crash would. A second one does nothing.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill()
	<-s.ended
	s.cmd = nil
}

// Client returns a client of AWS's library, with the right credentials.
func (s *Server) Client(t testing.TB) *s3.Client {
	t.Helper()
	return s3.New(s3.Options{
		BaseEndpoint: aws.String("http://" + s.Addr), UsePathStyle: true, Region: region,
		Credentials: credentials.NewStaticCredentialsProvider(access, secret, ""),
	})
}

// Uploads returns the keys of uploads in parts that were neither finished nor
// given up.
func (s *Server) Uploads(t testing.TB) []string {
	t.Helper()
	list, err := s.Client(t).ListMultipartUploads(context.Background(), &s3.ListMultipartUploadsInput{Bucket: aws.String(s.Bucket)})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, u := range list.Uploads {
		keys = append(keys, aws.ToString(u.Key))
	}
	slices.Sort(keys)
	return keys
}
