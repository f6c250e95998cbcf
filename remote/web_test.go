package remote_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/betongo/betongo/remote"
)

// TestWebVersions: a server's file is known again by what the server tells of it.
func TestWebVersions(t *testing.T) {
	data := noise(200_000)
	for _, c := range []struct {
		name       string
		head       http.Header
		next       http.Header // after it was replaced by as many bytes
		conditions bool        // requests say which version they want
		seen       bool        // that it was replaced is noticed
	}{
		{"ETag", http.Header{"Etag": {`"1"`}}, http.Header{"Etag": {`"2"`}}, true, true},
		{"a weak ETag", http.Header{"Etag": {`W/"1"`}}, http.Header{"Etag": {`W/"2"`}}, false, true},
		{"no ETag", http.Header{"Last-Modified": {"Sun, 01 Nov 2026 10:00:00 GMT"}}, http.Header{"Last-Modified": {"Sun, 01 Nov 2026 10:00:01 GMT"}}, false, true},
		{"the ETag is gone", http.Header{"Etag": {`"1"`}}, nil, true, true},
		{"nothing", nil, nil, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var now atomic.Pointer[http.Header]
			now.Store(&c.head)
			var conditions atomic.Bool
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("If-Match") != "" || r.Header.Get("If-Range") != "" {
					conditions.Store(true)
				}
				for k, v := range *now.Load() {
					w.Header()[k] = v
				}
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
			}))
			defer s.Close()
			cache := openCache(t, t.TempDir(), 1<<30)
			o := open(t, s.URL, &remote.Options{Cache: cache})
			checkReads(t, o, data)
			if conditions.Load() != c.conditions {
				t.Errorf("conditions in requests: %v", conditions.Load())
			}
			if cached := o.Stats().Cached > 0; cached != (c.head["Etag"] != nil) {
				t.Errorf("kept on the disk: %v", cached)
			}
			o = open(t, s.URL, nil)
			now.Store(&c.next)
			if _, err := o.ReadAt(make([]byte, 10), 0); errors.Is(err, remote.ErrChanged) != c.seen {
				t.Errorf("after it was replaced: %v", err)
			}
		})
	}
}

func TestWebRedirects(t *testing.T) {
	data := noise(100_000)
	target := &object{data: data, etag: `"v"`}
	var referer atomic.Value
	target.before = func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		if v := r.Header.Get("Referer") + r.Header.Get("Authorization"); v != "" {
			referer.Store(v)
		}
		return false
	}
	to := serve(t, target)
	to = strings.Replace(to, "127.0.0.1", "localhost", 1) // another host
	var password atomic.Value
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, p, _ := r.BasicAuth()
		password.Store(p)
		switch r.URL.Path {
		case "/loop":
			http.Redirect(w, r, r.URL.String()+"?again", http.StatusFound)
		case "/broken":
			w.Header().Set("Location", "http://%zz/?signature=secret")
			w.WriteHeader(http.StatusFound)
		default:
			http.Redirect(w, r, to+"?signature=other", http.StatusTemporaryRedirect)
		}
	}))
	defer s.Close()
	from := strings.Replace(s.URL, "http://", "http://user:secret@", 1)
	o := open(t, from+"/file?X-Signature=secret", nil)
	checkReads(t, o, data)
	if strings.Contains(o.Name(), "secret") || password.Load() != "secret" {
		t.Errorf("%s; password %v", o.Name(), password.Load())
	}
	if v := referer.Load(); v != nil {
		t.Errorf("the other host was told %v", v)
	}
	for _, path := range []string{"/loop?s=secret", "/broken?s=secret"} {
		_, err := remote.Open(t.Context(), from+path, &remote.Options{Retries: 3})
		if err == nil || !strings.Contains(err.Error(), "redirect") || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "tried") {
			t.Errorf("%s: %v", path, err)
		}
	}
	target.before = func(_ int64, w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(500); return true }
	if _, err := o.ReadAt(make([]byte, 1), 0); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "signature") {
		t.Errorf("%v", err)
	}
}

// TestWebAnswers: an answer that is not the range that was asked for is refused.
func TestWebAnswers(t *testing.T) {
	data := noise(100_000)
	for _, c := range []struct {
		name, want string
		answer     func(w http.ResponseWriter, r *http.Request)
	}{
		{"the whole file", "the whole file", func(w http.ResponseWriter, r *http.Request) { w.Write(data) }},
		{"another range", "the server sent bytes 0 to 10", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-9/100000")
			w.WriteHeader(http.StatusPartialContent)
			w.Write(data[:10])
		}},
		{"no range", "Content-Range", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusPartialContent)
			w.Write(data[:10])
		}},
		{"several ranges", "Content-Range", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "multipart/byteranges; boundary=x")
			w.WriteHeader(http.StatusPartialContent)
		}},
		{"what it can't do", "HTTP status 501 Not Implemented", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotImplemented)
		}},
		{"an empty answer", "ended early", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 100-199/100000")
			w.WriteHeader(http.StatusPartialContent)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			obj := &object{data: data}
			o := open(t, serve(t, obj), &remote.Options{Retries: 1})
			obj.before = func(_ int64, w http.ResponseWriter, r *http.Request) bool { c.answer(w, r); return true }
			if _, err := o.ReadAt(make([]byte, 100), 100); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestWebProxy: the proxy that the environment names is used, and its password
// isn't shown.
func TestWebProxy(t *testing.T) {
	const target = "http://files.example.test/data.beton"
	if os.Getenv("PROXY_CHILD") != "" {
		o, err := remote.Open(t.Context(), target, &remote.Options{Retries: -1})
		if err != nil {
			fmt.Println("ERROR:", err)
			return
		}
		b := make([]byte, 10)
		o.ReadAt(b, 5)
		fmt.Printf("READ: %s\n", b)
		return
	}
	file := &object{data: []byte("0123456789abcdefghij"), etag: `"v"`}
	var asked atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.String() + " " + r.Header.Get("Proxy-Authorization"))
		file.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(address string) string {
		cmd := exec.Command(exe, "-test.run=^TestWebProxy$")
		cmd.Env = append(os.Environ(), "PROXY_CHILD=1", "HTTP_PROXY="+address, "http_proxy="+address, "NO_PROXY=", "no_proxy=", "REQUEST_METHOD=")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Error(err)
		}
		return string(out)
	}
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("me", "secret")
	out := run(u.String())
	if !strings.Contains(out, "READ: 56789abcde") {
		t.Errorf("%s", out)
	}
	if got, _ := asked.Load().(string); !strings.HasPrefix(got, target+" Basic ") {
		t.Errorf("the proxy was asked for %q", got)
	}
	proxy.Close()
	if out := run(u.String()); !strings.Contains(out, "ERROR: ") || strings.Contains(out, "secret") {
		t.Errorf("%s", out)
	}
}
