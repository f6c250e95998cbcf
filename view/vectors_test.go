package view_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/view"
)

// TestVectors asks everything of the files of testdata/broken that can be opened: there
// may be errors, but none of the server's own, and all that reads the whole file ends.
func TestVectors(t *testing.T) {
	paths, err := filepath.Glob("../testdata/broken/*.vector")
	if err != nil || len(paths) < 60 {
		t.Fatalf("%d vectors, %v", len(paths), err)
	}
	opened := 0
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, packed, _ := bytes.Cut(b, []byte("\n\n"))
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(path, err)
		}
		if b, err = io.ReadAll(z); err != nil {
			t.Fatal(path, err)
		}
		f, err := ffcv.New(ffcvtest.Lend(b), nil)
		if err != nil {
			continue
		}
		server, err := view.New(f, nil)
		if err != nil {
			continue
		}
		opened++
		s := &served{t, server, server.Handler()}
		see := func(path string, status int, body []byte) {
			if status >= 500 || len(body) == 0 && !strings.Contains(path, "/bytes") {
				t.Errorf("%s: %s: %d %s", filepath.Base(t.Name()), path, status, body)
			}
		}
		everything(s, 2, see)
		for _, what := range []string{"/api/charts", "/api/pages", "/api/page/1", "/api/page/2", `/api/playground/image?sample=0&pipeline=[{"op":"CenterCrop"}]`} {
			w := s.do(s.request(what))
			see(filepath.Base(path)+what, w.Code, w.Body.Bytes())
		}
		for k, kind := range []string{"verify", "decode", "survey"} {
			r := s.request("/api/jobs")
			r.Method, r.Body = "POST", io.NopCloser(strings.NewReader(fmt.Sprintf(`{"kind":%q}`, kind)))
			r.Header.Set("Content-Type", "application/json")
			if w := s.do(r); w.Code != 200 {
				t.Errorf("%s: %s: %d %s", path, kind, w.Code, w.Body)
				continue
			}
			for state := "running"; state == "running"; {
				state = answer[struct{ State string }](s, fmt.Sprintf("/api/jobs/%d", k+1)).State
			}
		}
		if err := server.Close(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		f.Close()
	}
	if opened < 30 {
		t.Errorf("only %d of %d could be opened", opened, len(paths))
	}
}
