package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/faultproxy"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/s3test"
)

// TestS3Interrupted: who stops a writer while it uploads finds nothing, here and
// there, and an object that it would have replaced as it was.
func TestS3Interrupted(t *testing.T) {
	s := s3test.Start(t)
	noise := rand.NewChaCha8([32]byte{})
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "data", Field: fields.Bytes{}}}, 40, func(int) []any {
		b := make([]byte, 1<<20)
		noise.Read(b)
		return []any{b}
	}, nil)
	proxy, err := faultproxy.Start(s.Addr, faultproxy.Faults{LinkBytesPerSecond: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	for _, kv := range s.Through(proxy.Addr()) {
		k, v, _ := strings.Cut(kv, "=")
		t.Setenv(k, v)
	}
	old := []byte("what was there")
	if err := os.WriteFile(filepath.Join(s.Folder, "old.beton"), old, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"s3://data/new.beton", "s3://data/old.beton"} {
		tmp := t.TempDir()
		t.Setenv("TMPDIR", tmp)
		ctx, cancel := context.WithCancel(t.Context())
		sent := proxy.Sent()
		go func() { // ends when a few MiB were sent, or with the test
			for ctx.Err() == nil && proxy.Sent() < sent+4<<20 {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		var stdout, stderr bytes.Buffer
		code := run(ctx, []string{"merge", "--force", path, "-o", url}, &stdout, &stderr)
		cancel()
		if code != 1 || !strings.Contains(stderr.String(), "interrupted") || stdout.Len() > 0 {
			t.Errorf("%s: code %d, %s%s", url, code, &stdout, &stderr)
		}
		if list, err := os.ReadDir(tmp); err != nil || len(list) > 0 {
			t.Errorf("%s: left here: %v, %v", url, list, err)
		}
	}
	if _, err := os.Stat(filepath.Join(s.Folder, "new.beton")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("new.beton: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(s.Folder, "old.beton")); err != nil || !bytes.Equal(b, old) {
		t.Errorf("old.beton: %d bytes, %v", len(b), err)
	}
	if list := s.Uploads(t); len(list) > 0 {
		t.Errorf("uploads are left: %q", list)
	}
}
