package remote_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/internal/faultproxy"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/remote"
)

func upload(t testing.TB, opts *remote.Options, url string, data []byte, w *remote.WriteOptions) error {
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
	s := s3test.Start(t)
	opts := &remote.Options{Retries: 2}
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
		if left := s.Uploads(t); len(left) > 0 {
			t.Errorf("uploads are left: %q", left)
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
	t.Run("replaced", func(t *testing.T) { replaced(t, one, opts) })
	t.Run("missing", func(t *testing.T) {
		for url, want := range map[string]string{"s3://data/nothing": "s3://data/nothing: no such object", "s3://nobucket/x": "no such bucket"} {
			if _, err := remote.Open(t.Context(), url, opts); !errors.Is(err, remote.ErrNotExist) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", url, err)
			}
			if err := remote.Delete(t.Context(), url, opts); !errors.Is(err, remote.ErrNotExist) {
				t.Errorf("delete %s: %v", url, err)
			}
		}
		for _, err := range []error{
			upload(t, opts, "s3://nobucket/x", small, nil), upload(t, opts, "s3://nobucket/x", large, &remote.WriteOptions{Overwrite: true}),
			remote.WriteFile(t.Context(), "s3://nobucket/x", small, opts, nil),
		} {
			if err == nil || !strings.Contains(err.Error(), "no such bucket") {
				t.Errorf("write: %v", err)
			}
		}
		if _, err := remote.List(t.Context(), "s3://nobucket/*", opts); !errors.Is(err, remote.ErrNotExist) {
			t.Errorf("list: %v", err)
		}
	})
	t.Run("profile", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "credentials")
		text := "[default]\naws_access_key_id = testkey\naws_secret_access_key = wrong-secret\n" +
			"[other]\naws_access_key_id = testkey\naws_secret_access_key = testsecret\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
			t.Setenv(name, "")
		}
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
		for profile, want := range map[string]error{"": remote.ErrDenied, "other": nil} {
			o := *opts
			o.S3.Profile = profile
			if _, err := remote.Stat(t.Context(), two, &o); !errors.Is(err, want) {
				t.Errorf("profile %q: %v", profile, err)
			}
		}
		o := *opts
		o.S3.Profile = "nobody"
		if _, err := remote.Stat(t.Context(), two, &o); err == nil || !strings.Contains(err.Error(), "nobody") {
			t.Errorf("a profile that is not there: %v", err)
		}
	})
	t.Run("no credentials", func(t *testing.T) {
		for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
			t.Setenv(name, "")
		}
		_, err := remote.Open(t.Context(), two, opts)
		if !errors.Is(err, remote.ErrDenied) || !strings.Contains(err.Error(), "credentials") {
			t.Errorf("%v", err)
		}
		err = remote.WriteFile(t.Context(), two, small, opts, nil)
		if !errors.Is(err, remote.ErrDenied) || !strings.Contains(err.Error(), "credentials") {
			t.Errorf("write: %v", err)
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
		if !errors.Is(err, remote.ErrDenied) || strings.Contains(err.Error(), "wrong-secret") || !strings.Contains(err.Error(), "SignatureDoesNotMatch") {
			t.Errorf("%v", err)
		}
		t.Setenv("AWS_ACCESS_KEY_ID", "nobody")
		if _, err = remote.Open(t.Context(), two, opts); !errors.Is(err, remote.ErrDenied) {
			t.Errorf("%v", err)
		}
		if err = remote.WriteFile(t.Context(), two, small, opts, nil); !errors.Is(err, remote.ErrDenied) {
			t.Errorf("write: %v", err)
		}
	})
	t.Run("broken network", func(t *testing.T) {
		p, err := faultproxy.Start(s.Addr, faultproxy.Faults{CutEvery: 3 << 20, Fail: func(n int) int {
			if n%4 == 1 {
				return 503
			}
			return 0
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		o := *opts
		o.S3.Endpoint, o.Retries = "http://"+p.Addr(), 20
		checkReads(t, open(t, two, &o), large)
	})
}

// replaced holds an open object to the version that it was opened as: after others
// wrote over it, and after they deleted it.
func replaced(t *testing.T, one string, opts *remote.Options) {
	t.Helper()
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
}
