package view_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/testdata/photos"
	"github.com/betongo/betongo/view"
)

// served is a dataset that is being served to a test.
type served struct {
	tb      testing.TB
	server  *view.Server
	handler http.Handler
}

// serve serves a dataset until the test ends.
func serve(tb testing.TB, ds loader.Dataset, opts *view.Options) *served {
	tb.Helper()
	s, err := view.New(ds, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &served{tb, s, s.Handler()}
}

// request is a GET of a path that shows the token.
func (s *served) request(path string) *http.Request {
	r := httptest.NewRequest("GET", path, nil)
	r.Host = "127.0.0.1:1234"
	r.Header.Set("Authorization", "Bearer "+s.server.Token())
	return r
}

// do answers a request.
func (s *served) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// get is the answer to a GET, of which another status than 200 ends the test.
func (s *served) get(path string) []byte {
	s.tb.Helper()
	w := s.do(s.request(path))
	if w.Code != 200 {
		s.tb.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.Bytes()
}

// refused is the answer to a GET that is to fail with a status and an error which
// has all of words.
func (s *served) refused(path string, status int, words ...string) map[string]any {
	s.tb.Helper()
	w := s.do(s.request(path))
	var a map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		s.tb.Fatalf("%s: %d %q: %v", path, w.Code, w.Body, err)
	}
	text, _ := a["error"].(string)
	if w.Code != status || text == "" {
		s.tb.Errorf("%s: %d %s, want %d", path, w.Code, w.Body, status)
	}
	for _, word := range words {
		if !strings.Contains(text, word) {
			s.tb.Errorf("%s: %q lacks %q", path, text, word)
		}
	}
	return a
}

// answer decodes the JSON of a GET.
func answer[T any](s *served, path string) T {
	s.tb.Helper()
	var a T
	if b := s.get(path); json.Unmarshal(b, &a) != nil {
		s.tb.Fatalf("%s: %s is no %T: %v", path, b, a, json.Unmarshal(b, &a))
	}
	return a
}

// pictures are a few photographs.
func pictures(tb testing.TB, n int) (list [][]byte) {
	tb.Helper()
	err := fs.WalkDir(photos.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || len(list) == n || !strings.HasSuffix(path, ".jpg") {
			return err
		}
		b, err := fs.ReadFile(photos.FS, path)
		list = append(list, b)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return list
}

// The fields of richFile, and how many samples it has.
const richSamples = 48

var richClasses = []string{"cat", "dog", "golden retriever", "terrier fox", "terrier bull", "Äffchen"}

// richFile has a field of every kind.
func richFile(tb testing.TB) string {
	tb.Helper()
	specs := []ffcv.FieldSpec{
		{Name: "image", Field: fields.RGBImage{}}, {Name: "label", Field: fields.Int{}}, {Name: "score", Field: fields.Float{}},
		{Name: "big", Field: fields.Int{}}, {Name: "meta", Field: fields.JSON{}}, {Name: "note", Field: fields.Bytes{}},
		{Name: "clip", Field: fields.Audio{}}, {Name: "tone", Field: fields.Bytes{}},
		{Name: "emb", Field: fields.NDArray{DType: array.Float32, Shape: []int{600}}},
		{Name: "grid", Field: fields.TorchTensor{DType: array.Int16, Shape: []int{2, 3, 5}}},
		{Name: "mask", Field: fields.Image{}}, {Name: "depth", Field: fields.Image{DType: array.Uint16}},
		{Name: "tokens", Field: fields.LZ4{Of: fields.JSON{}}}, {Name: "raw", Field: fields.RGBImage{Mode: fields.ModeRaw}},
		{Name: "file", Field: fields.Bytes{}},
	}
	list := pictures(tb, 6)
	var keys keyed
	keys.n, keys.at = richSamples, func(i int) ([]any, string) {
		score := float64(i) / 4
		if i == 7 {
			score = math.NaN()
		}
		emb := make([]float32, 600)
		for k := range emb {
			emb[k] = float32(math.Sin(float64(k) / 20))
		}
		grid := make([]int16, 30)
		for k := range grid {
			grid[k] = int16(i*100 + k)
		}
		meta := fmt.Sprintf(`{"title": "Photo %d <script>alert(1)</script>", "camera": {"iso": %d, "name": "M\u00f6ller"}, "tags": ["a%d", "all"], "x.y": %d, "none": null, "ok": %v, "nan": NaN}`, i, 100*i, i%3, i, i%2 == 0)
		depth := rgb.Raster{Width: 9, Height: 4, Channels: 1, Depth: 2, Pix: make([]byte, 72)}
		for k := range 36 {
			binary.LittleEndian.PutUint16(depth.Pix[2*k:], uint16(1000+k*i))
		}
		mask := rgb.Raster{Width: 30, Height: 20, Channels: 1, Depth: 1, Pix: bytes.Repeat([]byte{0, byte(i % 20), 2}, 200)}
		return []any{list[i%len(list)], i % 7, score, int64(1)<<53 + int64(i), fields.JSONText(meta), []byte(strings.Repeat("note äöü ", i)),
				fields.AudioClip{SampleRate: 8000, Channels: 1, DurationMS: 10, Data: make([]byte, 160)}, wav(300 + i),
				emb, grid, mask, depth, fields.JSONText(`{"tokens": [` + strings.Repeat("7, ", 200) + `7]}`), list[i%len(list)], list[i%len(list)]},
			fmt.Sprintf("folder/photo_%03d.jpg", i)
	}
	return keys.write(tb, specs, &ffcv.Options{PageSize: ffcv.MinPageSize, Classes: richClasses, LargeSamples: true})
}

// wav is sound of n bytes.
func wav(n int) []byte {
	b := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(n+36))
	b = append(b, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data"...)
	return append(binary.LittleEndian.AppendUint32(b, uint32(n)), make([]byte, n)...)
}

// keyed is samples with names.
type keyed struct {
	n  int
	at func(i int) ([]any, string)
}

func (k *keyed) Len() int { return k.n }

func (k *keyed) Sample(_ context.Context, i int) ([]any, string, error) {
	values, key := k.at(i)
	return values, key, nil
}

func (k *keyed) write(tb testing.TB, specs []ffcv.FieldSpec, opts *ffcv.Options) string {
	tb.Helper()
	path := tb.TempDir() + "/rich.beton"
	w, err := ffcv.Create(path, specs, opts)
	if err != nil {
		tb.Fatal(err)
	}
	defer w.Close()
	if err := w.WriteDataset(tb.Context(), k, nil); err != nil {
		tb.Fatal(err)
	}
	return path
}

// rich serves a richFile.
func rich(tb testing.TB) *served { return serve(tb, ffcvtest.Map(tb, richFile(tb), nil), nil) }

// TestAccess: who shows the token is let in, nobody else.
func TestAccess(t *testing.T) {
	f := ffcvtest.Map(t, ffcvtest.Unpack(t, "ints_floats"), nil)
	s := serve(t, f, &view.Options{Token: "secret", Host: "127.0.0.1:1234"})
	for _, test := range []struct {
		what, path, host string
		header           [2]string
		status           int
		location         string
	}{
		{what: "nothing", path: "/", status: 403},
		{what: "nothing, an address of the API", path: "/api/dataset", status: 403},
		{what: "nothing, what isn't there", path: "/nowhere", status: 403},
		{what: "the token", path: "/?token=secret", status: 303, location: "/"},
		{what: "the token, deeper", path: "/api/samples?q=a%26b&token=secret&count=3", status: 303, location: "/api/samples?count=3&q=a%26b"},
		{what: "the token, an address of another server", path: "//evil.example/?token=secret", status: 303, location: "/evil.example/"},
		{what: "the same with a backslash", path: `/\evil.example/?token=secret`, status: 303, location: "/evil.example/"},
		{what: "another token", path: "/?token=guess", status: 403},
		{what: "a part of the token", path: "/?token=secre", status: 403},
		{what: "no token", path: "/?token=", status: 403},
		{what: "two tokens", path: "/?token=guess&token=secret", status: 403},
		{what: "another token beside the right cookie", path: "/?token=guess", header: [2]string{"Cookie", "ffcv_view_1234=secret"}, status: 403},
		{what: "the cookie", path: "/", header: [2]string{"Cookie", "ffcv_view_1234=secret"}, status: 200},
		{what: "the cookie among others", path: "/api/dataset", header: [2]string{"Cookie", "a=b; ffcv_view_1234=secret; c=d"}, status: 200},
		{what: "two cookies, one of them right", path: "/api/dataset", header: [2]string{"Cookie", "ffcv_view_1234=old; ffcv_view_1234=secret"}, status: 200},
		{what: "a wrong cookie", path: "/", header: [2]string{"Cookie", "ffcv_view_1234=guess"}, status: 403},
		{what: "another port's cookie", path: "/", header: [2]string{"Cookie", "ffcv_view_1235=secret"}, status: 403},
		{what: "another port's cookie there", path: "/", host: "localhost:1235", header: [2]string{"Cookie", "ffcv_view_1235=secret"}, status: 200},
		{what: "a header", path: "/api/dataset", header: [2]string{"Authorization", "Bearer secret"}, status: 200},
		{what: "a wrong header", path: "/api/dataset", header: [2]string{"Authorization", "Bearer guess"}, status: 403},
		{what: "a header of another kind", path: "/api/dataset", header: [2]string{"Authorization", "Basic secret"}, status: 403},
		{what: "localhost", path: "/?token=secret", host: "localhost:1234", status: 303, location: "/"},
		{what: "localhost without a port", path: "/?token=secret", host: "LOCALHOST", status: 303, location: "/"},
		{what: "loopback of IPv6", path: "/?token=secret", host: "[::1]:1234", status: 303, location: "/"},
		{what: "another loopback address", path: "/?token=secret", host: "127.9.9.9:1234", status: 303, location: "/"},
		{what: "another name", path: "/?token=secret", host: "evil.example:1234", status: 403},
		{what: "a name that begins so", path: "/?token=secret", host: "localhost.evil.example:1234", status: 403},
		{what: "a name that begins like an address", path: "/?token=secret", host: "127.0.0.1.evil.example:1234", status: 403},
		{what: "an address of the network", path: "/?token=secret", host: "192.168.0.1:1234", status: 403},
		{what: "no host", path: "/?token=secret", host: " ", status: 403},
	} {
		r := httptest.NewRequest("GET", "http://x"+test.path, nil)
		r.Host = "127.0.0.1:1234"
		if test.host != "" {
			r.Host = strings.TrimSpace(test.host)
		}
		if test.header[0] != "" {
			r.Header.Set(test.header[0], test.header[1])
		}
		w := s.do(r)
		if w.Code != test.status || w.Header().Get("Location") != test.location {
			t.Errorf("%s: %d to %q, want %d to %q", test.what, w.Code, w.Header().Get("Location"), test.status, test.location)
		}
		checkHeaders(t, test.what, w)
		if w.Code == 403 && strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: the answer has the token", test.what)
		}
		if cookie := w.Header().Get("Set-Cookie"); test.status == 303 && (!strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict")) {
			t.Errorf("%s: the cookie is %q", test.what, cookie)
		} else if test.status == 403 && cookie != "" {
			t.Errorf("%s: a cookie", test.what)
		}
	}
}

// checkHeaders: every answer has what keeps a browser from doing more with it
// than showing it.
func checkHeaders(t *testing.T, what string, w *httptest.ResponseRecorder) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %s is %q, want %q", what, name, got, want)
		}
	}
	csp := w.Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "default-src 'none'; script-src 'self';") || strings.Contains(csp, "unsafe") {
		t.Errorf("%s: %q", what, csp)
	}
}

// TestTicket: a ticket lets in once.
func TestTicket(t *testing.T) {
	s := serve(t, ffcvtest.Map(t, ffcvtest.Unpack(t, "ints_floats"), nil), nil)
	ticket := s.server.Ticket()
	for i, want := range []int{303, 403} {
		r := httptest.NewRequest("GET", "/?token="+ticket, nil)
		r.Host = "localhost:1"
		w := s.do(r)
		if w.Code != want {
			t.Errorf("use %d: %d, want %d", i+1, w.Code, want)
		}
		if got := strings.Contains(w.Header().Get("Set-Cookie"), s.server.Token()); got != (want == 303) {
			t.Errorf("use %d: cookie %q", i+1, w.Header().Get("Set-Cookie"))
		}
	}
}

// TestElsewhere: a server that listens for others is reached under names that it
// can't know.
func TestElsewhere(t *testing.T) {
	f := ffcvtest.Map(t, ffcvtest.Unpack(t, "ints_floats"), nil)
	for _, test := range []struct {
		listens, host string
		ok            bool
	}{
		{"0.0.0.0:80", "machine.local", true}, {"[::]:80", "192.168.7.1:80", true}, {"machine.local:80", "machine.local:80", true},
		{"", "machine.local", false}, {"localhost:80", "machine.local", false}, {"[::1]:80", "127.0.0.1:80", true}, {"127.0.0.1:80", "10.0.0.1:80", false},
	} {
		s := serve(t, f, &view.Options{Host: test.listens})
		r := s.request("/")
		r.Host = test.host
		if got := s.do(r).Code == 200; got != test.ok {
			t.Errorf("listening on %q, asked as %q: let in %v, want %v", test.listens, test.host, got, test.ok)
		}
	}
}

// TestChanges: what changes something has to come from the page itself.
func TestChanges(t *testing.T) {
	s := serve(t, ffcvtest.Map(t, ffcvtest.Unpack(t, "ints_floats"), nil), &view.Options{Token: "secret"})
	for _, test := range []struct {
		what, method, kind, origin, cookie, bearer string
		status                                     int
	}{
		{"the page", "POST", "application/json", "http://127.0.0.1:1234", "secret", "", 400},
		{"the page, with a charset", "POST", "application/json; charset=utf-8", "http://127.0.0.1:1234", "secret", "", 400},
		{"a program", "POST", "application/json", "", "", "secret", 400},
		{"another page", "POST", "application/json", "http://evil.example", "secret", "", 403},
		{"another port's page", "POST", "application/json", "http://127.0.0.1:1235", "secret", "", 403},
		{"a page in a sandbox", "POST", "application/json", "null", "secret", "", 403},
		{"another page, as a program", "POST", "application/json", "http://evil.example", "", "secret", 403},
		{"no origin", "POST", "application/json", "", "secret", "", 403},
		{"a form", "POST", "application/x-www-form-urlencoded", "http://127.0.0.1:1234", "secret", "", 403},
		{"text", "POST", "text/plain", "http://127.0.0.1:1234", "secret", "", 403},
		{"no type", "POST", "", "http://127.0.0.1:1234", "secret", "", 403},
		{"no token", "POST", "application/json", "http://127.0.0.1:1234", "", "", 403},
		{"another page deletes", "DELETE", "", "http://evil.example", "secret", "", 403},
		{"the page deletes", "DELETE", "", "http://127.0.0.1:1234", "secret", "", 404},
	} {
		path := "/api/jobs"
		if test.method == "DELETE" {
			path = "/api/jobs/1"
		}
		r := httptest.NewRequest(test.method, path, strings.NewReader(`{"kind":"nothing"}`))
		r.Host = "127.0.0.1:1234"
		for name, value := range map[string]string{"Content-Type": test.kind, "Origin": test.origin} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		if test.cookie != "" {
			r.AddCookie(&http.Cookie{Name: "ffcv_view_1234", Value: test.cookie})
		}
		if test.bearer != "" {
			r.Header.Set("Authorization", "Bearer "+test.bearer)
		}
		if w := s.do(r); w.Code != test.status {
			t.Errorf("%s: %d %s, want %d", test.what, w.Code, w.Body, test.status)
		}
	}
	r := httptest.NewRequest("POST", "/api/jobs", strings.NewReader(`{"kind":"`+strings.Repeat("x", 2<<20)+`"}`))
	r.Host = "127.0.0.1:1234"
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer secret")
	if w := s.do(r); w.Code != 400 {
		t.Errorf("a body of 2 MiB: %d", w.Code)
	}
}

// TestAssets: the page and its parts are served, and no other file.
func TestAssets(t *testing.T) {
	s := serve(t, ffcvtest.Map(t, ffcvtest.Unpack(t, "ints_floats"), nil), nil)
	w := s.do(s.request("/"))
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || !bytes.Contains(w.Body.Bytes(), []byte("<!doctype html")) && !bytes.Contains(w.Body.Bytes(), []byte("<!DOCTYPE html")) {
		t.Errorf("%d, %s", w.Code, w.Header())
	}
	for _, path := range []string{"/index.html", "/web/index.html", "/..", "/../server.go", "/%2e%2e/server.go", "/..%2fserver.go", "/web/../../go.mod", "/%00", "/etc/passwd",
		"//etc/passwd", "/./../../../../etc/passwd", `/..\..\go.mod`, "/api/sample/../../etc/passwd", "/api/sample/0/image/../../../../etc/passwd", "/app.js/", "/app.js%00.html",
		"/api/sample/..%2f..%2fetc%2fpasswd", "/api/sample/0/bytes?field=..%2f..%2fetc%2fpasswd", "/api/sample/0/text?field=/etc/passwd", "/api/jobs/..%2f1", "/api/page/..%2f..%2fx"} {
		r := s.request("/")
		if u, err := url.Parse("http://x" + path); err == nil {
			r.URL = u
		} else {
			r.URL.Path = path
		}
		if w := s.do(r); w.Code < 300 || w.Code >= 500 || w.Code/100 == 3 && !strings.HasPrefix(w.Header().Get("Location"), "/") || strings.HasPrefix(w.Header().Get("Location"), "//") {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Location"))
		} else if strings.Contains(w.Body.String(), "root:") || strings.Contains(w.Body.String(), "module ") {
			t.Errorf("%s gives %s", path, w.Body)
		}
	}
}

// TestServer uses a real server and a client that keeps cookies, as a browser
// does.
func TestServer(t *testing.T) {
	f := ffcvtest.Map(t, ffcvtest.Unpack(t, "cifar_like"), nil)
	s := serve(t, f, nil)
	server := httptest.NewServer(s.handler)
	defer server.Close()
	jar := &jar{}
	c := &http.Client{Jar: jar}
	for _, test := range []struct {
		path string
		code int
	}{{"/api/dataset", 403}, {"/?token=" + s.server.Token(), 200}, {"/api/dataset", 200}, {"/api/sample/3/image?side=20", 200}} {
		resp, err := c.Get(server.URL + test.path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != test.code || err != nil || len(b) == 0 || strings.Contains(resp.Request.URL.String(), "token") {
			t.Errorf("%s: %d, %d bytes, %v, at %s", test.path, resp.StatusCode, len(b), err, resp.Request.URL)
		}
	}
}

// jar keeps cookies.
type jar struct{ list []*http.Cookie }

func (j *jar) SetCookies(_ *url.URL, cookies []*http.Cookie) { j.list = cookies }
func (j *jar) Cookies(*url.URL) []*http.Cookie               { return j.list }
