package convert_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/convert"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/store"
)

// TestS3 converts to an object and back, with what says how the server is reached
// in the call alone; and opens what is there.
func TestS3(t *testing.T) {
	s := s3test.Start(t)
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	t.Setenv("AWS_REGION", "")
	s3 := remote.S3{Endpoint: s.URL, Region: "us-east-1"}
	dir := t.TempDir()
	in := filepath.Join(dir, "x.npy")
	x := array.Array{Spec: array.Spec{DType: array.Float32, Shape: []int{2, 3}}, Data: bytes.Repeat([]byte{1, 2, 3, 4}, 6)}
	if err := npy.Save(in, x.Strided(), nil); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"s3://data/x.npy", "s3://data/x.zarr", "s3://data/x.npk", "s3://data/x.beton", "s3://data/x.parquet"} {
		r, err := convert.ToS3(t.Context(), in, url, s3, nil)
		if err != nil || len(r.Arrays) != 1 || r.Arrays[0].Path != url {
			t.Errorf("%s: %+v, %v", url, r, err)
			continue
		}
		back := filepath.Join(dir, "back.npy")
		if _, err := convert.FromS3(t.Context(), url, back, s3, &convert.Options{Overwrite: true}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if b, err := os.ReadFile(back); err != nil || !bytes.Equal(b, want) {
			t.Errorf("%s: other bytes came back, %v", url, err)
		}
		f, err := convert.Open(t.Context(), url, &convert.Options{Store: &store.Options{Remote: remote.Options{S3: s3}}})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if m := f.Members(); len(m) != 1 || m[0].Spec.DType != array.Float32 {
			t.Errorf("%s: %+v", url, m)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := convert.ToS3(t.Context(), in, "s3://data/a/..", s3, &convert.Options{To: "npk", Overwrite: true}); err == nil || !strings.Contains(err.Error(), "none of an object") {
		t.Errorf("a name that leads out: %v", err)
	}
	s3.Anonymous = true
	if _, err := convert.FromS3(t.Context(), "s3://data/x.npy", filepath.Join(dir, "no.npy"), s3, nil); err == nil || !strings.Contains(err.Error(), "s3://data/x.npy: access denied") {
		t.Errorf("anonymous: %v", err)
	}
	for _, c := range [][2]string{{in, "gs://data/x.npy"}, {in, filepath.Join(dir, "y.npy")}} {
		if _, err := convert.ToS3(t.Context(), c[0], c[1], s3, nil); err == nil || !strings.Contains(err.Error(), "want s3://") {
			t.Errorf("to %s: %v", c[1], err)
		}
	}
}

// TestListCancelled: whichever request it is that a server never answers, who lists
// what a file holds, or opens it, can give up, and nothing of a copy is left.
func TestListCancelled(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	x := array.Array{Spec: array.Spec{DType: array.Float32, Shape: []int{2, 3}}, Data: bytes.Repeat([]byte{1, 2, 3, 4}, 6)}
	if err := npy.Save(filepath.Join(dir, "x.npy"), x.Strided(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := convert.Convert(t.Context(), filepath.Join(dir, "x.npy"), filepath.Join(dir, "x.beton"), nil); err != nil {
		t.Fatal(err)
	}
	var left atomic.Int64 // requests that are answered
	stalled := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if left.Add(-1) < 0 {
			stalled <- struct{}{}
			<-r.Context().Done()
			return
		}
		http.FileServer(http.Dir(dir)).ServeHTTP(w, r)
	}))
	defer server.Close()
	for _, name := range []string{"x.npy", "x.beton"} {
		for k := int64(0); ; k++ {
			left.Store(k)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { // ends with the listing; received below
				if _, err := convert.List(ctx, server.URL+"/"+name, nil); err != nil {
					done <- err
					return
				}
				f, err := convert.Open(ctx, server.URL+"/"+name, nil)
				if err == nil {
					err = f.Close()
				}
				done <- err
			}()
			var err error
			select {
			case <-stalled:
				cancel()
				select {
				case err = <-done:
				case <-time.After(10 * time.Second):
					t.Fatalf("%s: request %d has no answer, and nobody can give up", name, k)
				}
			case err = <-done:
				cancel()
				if err != nil {
					t.Errorf("%s: %v", name, err)
				} else if k < 4 {
					t.Errorf("%s: listed and opened with %d requests", name, k)
				}
			}
			if err == nil {
				break
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s, request %d: %v", name, k, err)
			}
			for len(stalled) > 0 {
				<-stalled
			}
		}
	}
	if rest, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(rest) > 0 {
		t.Errorf("left behind: %v, %v", rest, err)
	}
}
