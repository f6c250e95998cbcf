package convert_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		f, err := convert.Open(url, &convert.Options{Store: &store.Options{Remote: remote.Options{S3: s3}}})
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
