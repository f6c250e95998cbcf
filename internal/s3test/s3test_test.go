package s3test_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/betongo/betongo/internal/s3test"
)

func TestS3Start(t *testing.T) {
	s := s3test.Start(t)
	if list, err := os.ReadDir(s.Folder); err != nil || len(list) > 0 {
		t.Errorf("the bucket's folder: %v, %v", list, err)
	}
	// As a program that knows the environment alone.
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	body := []byte("some bytes")
	if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(s.Bucket), Key: aws.String("a/b"), Body: bytes.NewReader(body)}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(s.Folder, "a", "b")); err != nil || !bytes.Equal(b, body) {
		t.Errorf("the object's file: %q, %v", b, err)
	}
	s.Kill()
	if _, err := http.Get(s.URL); err == nil {
		t.Error("it answers after Kill")
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	got, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(s.Bucket), Key: aws.String("a/b")})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if b, err := io.ReadAll(got.Body); err != nil || !bytes.Equal(b, body) {
		t.Errorf("after Restart: %q, %v", b, err)
	}
	// Credentials are required.
	resp, err := http.Get(s.URL + "/" + s.Bucket + "/a/b")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("without credentials: status %d", resp.StatusCode)
	}
	if _, err := s.Client(t).CreateMultipartUpload(context.Background(), &s3.CreateMultipartUploadInput{Bucket: aws.String(s.Bucket), Key: aws.String("parts")}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Uploads(t), " "); got != "parts" {
		t.Errorf("uploads in parts: %q", got)
	}
	env := strings.Join(s.Through("127.0.0.1:1"), " ")
	if !strings.Contains(env, "AWS_ENDPOINT_URL=http://127.0.0.1:1 ") || strings.Join(s.Env, " ") == env {
		t.Errorf("through a proxy: %s", env)
	}
}

// TestS3Missing: where there is no program the test is skipped, or fails if that
// is asked for.
func TestS3Missing(t *testing.T) {
	t.Setenv("VERSITYGW", filepath.Join(t.TempDir(), "nothing"))
	t.Setenv("BETONGO_S3", "")
	tb := &recorder{TB: t}
	func() {
		defer func() { recover() }()
		s3test.Start(tb)
	}()
	if !tb.skipped || tb.failed {
		t.Errorf("skipped %v, failed %v", tb.skipped, tb.failed)
	}
	t.Setenv("BETONGO_S3", "required")
	tb = &recorder{TB: t}
	func() {
		defer func() { recover() }()
		s3test.Start(tb)
	}()
	if tb.skipped || !tb.failed {
		t.Errorf("required: skipped %v, failed %v", tb.skipped, tb.failed)
	}
}

// recorder is a test that only notes how it ended.
type recorder struct {
	testing.TB
	skipped, failed bool
}

var errEnded = errors.New("ended")

func (r *recorder) Skipf(string, ...any)  { r.skipped = true; panic(errEnded) }
func (r *recorder) Fatalf(string, ...any) { r.failed = true; panic(errEnded) }
