package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/betongo/betongo/remote"
)

// object is a file on a web server that can misbehave.
type object struct {
	mu   sync.Mutex
	data []byte
	etag string
	// before runs before each answer; true says that it has answered.
	before   func(n int64, w http.ResponseWriter, r *http.Request) bool
	requests atomic.Int64
}

func (o *object) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := o.requests.Add(1)
	if o.before != nil && o.before(n, w, r) {
		return
	}
	o.mu.Lock()
	data, etag := o.data, o.etag
	o.mu.Unlock()
	w.Header().Set("ETag", etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

func (o *object) replace(data []byte, etag string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.data, o.etag = data, etag
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func serve(t *testing.T, o *object) string {
	t.Helper()
	s := httptest.NewServer(o)
	t.Cleanup(s.Close)
	return s.URL + "/data.beton"
}

func open(t *testing.T, url string, opts *remote.Options) *remote.Object {
	t.Helper()
	o, err := remote.Open(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

// ranges are reads at the boundaries of an object of this size.
func ranges(size int) [][2]int {
	list := [][2]int{{0, 0}, {0, 1}, {0, size}, {size - 1, 1}, {size / 2, size - size/2}, {size, 0}}
	r := rand.New(rand.NewPCG(2, 3))
	for range 12 {
		off := r.IntN(size)
		list = append(list, [2]int{off, r.IntN(size - off + 1)})
	}
	return list
}

func checkReads(t *testing.T, o io.ReaderAt, want []byte) {
	t.Helper()
	for _, r := range ranges(len(want)) {
		off, n := r[0], r[1]
		b := make([]byte, n)
		got, err := o.ReadAt(b, int64(off))
		if off == len(want) && err == io.EOF {
			continue
		}
		if err != nil || got != n || !bytes.Equal(b, want[off:off+n]) {
			t.Fatalf("bytes %d to %d: %d bytes, %v", off, off+n, got, err)
		}
		if o, ok := o.(*remote.Object); ok {
			checkPieces(t, o, want, off, n)
		}
	}
}

// checkPieces reads n bytes at off into pieces of all lengths.
func checkPieces(t *testing.T, o *remote.Object, want []byte, off, n int) {
	t.Helper()
	b, pieces := make([]byte, n), [][]byte{nil}
	for left, size := b, 1; len(left) > 0; size = size*7%9973 + 1 {
		k := min(size, len(left))
		pieces, left = append(pieces, left[:k], nil), left[k:]
	}
	list := slices.Clone(pieces)
	got, err := o.ReadPieces(list, int64(off))
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	if err != nil || got != int64(n) || !bytes.Equal(b, want[off:off+n]) {
		t.Fatalf("bytes %d to %d in %d pieces: %d bytes, %v", off, off+n, len(pieces), got, err)
	}
	for i := range list {
		if len(list[i]) != len(pieces[i]) {
			t.Fatalf("piece %d is changed", i)
		}
	}
}

func TestRead(t *testing.T) {
	data := noise(300_001)
	url := serve(t, &object{data: data, etag: `"v1"`})
	o := open(t, url, nil)
	if o.Size() != int64(len(data)) || o.Name() != url || o.Version() != `"v1"` {
		t.Errorf("%d bytes, name %s, version %s", o.Size(), o.Name(), o.Version())
	}
	checkReads(t, o, data)
	b := make([]byte, 10)
	if n, err := o.ReadAt(b, o.Size()-4); n != 4 || err != io.EOF || !bytes.Equal(b[:4], data[len(data)-4:]) {
		t.Errorf("over the end: %d, %v", n, err)
	}
	if n, err := o.ReadAt(b, o.Size()); n != 0 || err != io.EOF {
		t.Errorf("behind the end: %d, %v", n, err)
	}
	if _, err := o.ReadAt(b, -1); err == nil {
		t.Error("before the beginning")
	}
	for _, off := range []int64{-1, o.Size() - 9, o.Size() + 1, math.MaxInt64} {
		if n, err := o.ReadPieces([][]byte{b[:5], b[5:]}, off); n != 0 || err == nil {
			t.Errorf("pieces at %d: %d, %v", off, n, err)
		}
	}
	if err := errors.Join(o.Close(), o.Close()); err != nil {
		t.Error(err)
	}
	if _, err := o.ReadAt(b, 0); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("after Close: %v", err)
	}
	if _, err := o.ReadPieces([][]byte{b}, 0); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("pieces after Close: %v", err)
	}
}

func TestEmpty(t *testing.T) {
	o := open(t, serve(t, &object{etag: `"e"`}), nil)
	if n, err := o.ReadAt(make([]byte, 1), 0); o.Size() != 0 || n != 0 || err != io.EOF {
		t.Errorf("size %d; %d, %v", o.Size(), n, err)
	}
}

// TestRetry: what passes is tried again, and what has come is not asked for
// again.
func TestRetry(t *testing.T) {
	data := noise(1 << 20)
	for _, c := range []struct {
		name   string
		before func(n int64, w http.ResponseWriter, r *http.Request) bool
	}{
		{"503 bursts", func(n int64, w http.ResponseWriter, r *http.Request) bool {
			if n%4 != 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return n%4 != 0
		}},
		{"429", func(n int64, w http.ResponseWriter, r *http.Request) bool {
			if n%2 == 1 {
				w.WriteHeader(http.StatusTooManyRequests)
			}
			return n%2 == 1
		}},
		{"cut connections", func(n int64, w http.ResponseWriter, r *http.Request) bool {
			if n%3 != 1 {
				return false
			}
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
			return true
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(t, serve(t, &object{data: data, etag: `"v"`, before: c.before}), nil)
			checkReads(t, o, data)
		})
	}
}

// TestCutAnswers: an answer that ends early is continued where it ended.
func TestCutAnswers(t *testing.T) {
	data := noise(1 << 20)
	obj := &object{data: data, etag: `"v"`}
	obj.before = func(n int64, w http.ResponseWriter, r *http.Request) bool {
		var first, last int
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last)
		if last-first < 1000 {
			return false
		}
		w.Header().Set("ETag", `"v"`)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, len(data)))
		w.Header().Set("Content-Length", fmt.Sprint(last-first+1))
		w.WriteHeader(http.StatusPartialContent)
		w.Write(data[first : first+(last-first+1)/2])
		w.(http.Flusher).Flush() // else what is left in the buffer is lost
		panic(http.ErrAbortHandler)
	}
	o := open(t, serve(t, obj), nil)
	b := make([]byte, len(data))
	if _, err := o.ReadAt(b, 0); err != nil || !bytes.Equal(b, data) {
		t.Fatal(err)
	}
	if s := o.Stats(); s.Bytes > int64(len(data))+1 {
		t.Errorf("%d bytes received of %d", s.Bytes, len(data))
	}
	checkPieces(t, o, data, 0, len(data))
	if s := o.Stats(); s.Bytes > 2*int64(len(data))+1 {
		t.Errorf("%d bytes received of twice %d", s.Bytes, len(data))
	}
}

func TestStalled(t *testing.T) {
	release := make(chan struct{})
	obj := &object{data: noise(1000), etag: `"v"`}
	obj.before = func(n int64, w http.ResponseWriter, r *http.Request) bool {
		if n > 1 {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
		return false
	}
	url := serve(t, obj)
	t.Cleanup(func() { close(release) })
	o := open(t, url, &remote.Options{Timeout: 50 * time.Millisecond, Retries: 1})
	_, err := o.ReadAt(make([]byte, 10), 0)
	if err == nil || !strings.Contains(err.Error(), "silent") || !strings.Contains(err.Error(), "bytes 0 to 10") {
		t.Errorf("%v", err)
	}
}

func TestChanged(t *testing.T) {
	obj := &object{data: noise(1000), etag: `"v1"`}
	o := open(t, serve(t, obj), nil)
	for _, c := range []struct {
		data []byte
		etag string
	}{{noise(1000), `"v2"`}, {noise(10), `"v3"`}, {noise(1001), `"v1"`}} {
		obj.replace(c.data, c.etag)
		if _, err := o.ReadAt(make([]byte, 10), 5); !errors.Is(err, remote.ErrChanged) {
			t.Errorf("%d bytes, %s: %v", len(c.data), c.etag, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		status int
		want   error
		text   string
	}{
		{404, remote.ErrNotExist, ""},
		{403, remote.ErrDenied, ""},
		{401, remote.ErrDenied, ""},
		{400, nil, "400"},
		{500, nil, "tried 2 times"},
	} {
		obj := &object{before: func(n int64, w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(c.status); return true }}
		_, err := remote.Open(t.Context(), serve(t, obj)+"?X-Signature=secret", &remote.Options{Retries: 1})
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%d: %v", c.status, err)
		}
	}
	whole := &object{before: func(n int64, w http.ResponseWriter, r *http.Request) bool { w.Write(noise(100)); return true }}
	if _, err := remote.Open(t.Context(), serve(t, whole), nil); err == nil || !strings.Contains(err.Error(), "ranges") {
		t.Errorf("a server without ranges: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := remote.Open(t.Context(), "http://user:secret@"+l.Addr().String()+"/x", &remote.Options{Retries: 1}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("no server: %v", err)
	}
	for _, url := range []string{"", "x", "ftp://a/b", "s3://", "s3:///key", "http://", "s3://bucket", "://", "https://%zz"} {
		if _, err := remote.Open(t.Context(), url, nil); err == nil {
			t.Errorf("%q was opened", url)
		}
	}
}

// TestCancel: a context that ends ends the opening.
func TestCancel(t *testing.T) {
	obj := &object{before: func(n int64, w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(503); return true }}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := remote.Open(ctx, serve(t, obj), &remote.Options{Retries: 1000}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestCache(t *testing.T) {
	data := noise(5<<20 + 12345)
	obj := &object{data: data, etag: `"v1"`}
	url := serve(t, obj)
	dir := t.TempDir()
	cache := func(quota int64) *remote.Cache {
		c, err := remote.OpenCache(dir, &remote.CacheOptions{PageSize: 64 << 10, Quota: quota})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	c := cache(1 << 30)
	o := open(t, url, &remote.Options{Cache: c})
	checkReads(t, o, data)
	seen := obj.requests.Load()
	if pages := int64(len(data)/(64<<10)) + 1; seen > pages+1 {
		t.Errorf("%d requests for %d pages", seen, pages)
	}
	checkReads(t, o, data)
	again := open(t, url, &remote.Options{Cache: cache(1 << 30)})
	checkReads(t, again, data)
	if n := obj.requests.Load(); n != seen+1 {
		t.Errorf("%d requests more with everything on the disk", n-seen)
	}
	if s := again.Stats(); s.Bytes != 0 || s.Cached == 0 {
		t.Errorf("%+v", s)
	}
	// Another version has pages of its own.
	other := noise(len(data) - 1)
	obj.replace(other, `"v2"`)
	checkReads(t, open(t, url, &remote.Options{Cache: c}), other)
}
