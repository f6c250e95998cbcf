package view_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/view"
)

// TestCloseWaits: Close ends answers that are under way, also one that its browser
// doesn't read on, and none looks at the dataset once it has returned.
func TestCloseWaits(t *testing.T) {
	defer leak.Watch(t)()
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "note", Field: fields.Bytes{}}}, 1, func(int) []any { return []any{make([]byte, 32<<20)} },
		&ffcv.Options{PageSize: 64 << 20})
	s, err := view.New(ffcvtest.Map(t, path, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	var running atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Add(-1)
		s.Handler().ServeHTTP(w, r)
	}))
	defer web.Close()
	c, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /api/sample/0/bytes HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", web.Listener.Addr(), s.Token())
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
		t.Fatalf("%q %v", line, err)
	}
	closed := make(chan error)
	go func() { closed <- s.Close() }() // ends with Close, which is waited for
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Close waits for ever")
	}
	for k := 0; running.Load() > 0; k++ { // what is left to do is net/http's
		if k == 100 {
			t.Fatal("an answer goes on")
		}
		time.Sleep(10 * time.Millisecond)
	}
	r := httptest.NewRequest("GET", "/api/dataset", nil)
	r.Host = "localhost"
	r.Header.Set("Authorization", "Bearer "+s.Token())
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("after Close: %d %s", w.Code, w.Body)
	}
}

// TestFromAnotherSite: who follows a link on another site gets a page that goes on,
// as a browser keeps a strict cookie back while it is redirected from there.
func TestFromAnotherSite(t *testing.T) {
	s := serve(t, ffcvtest.Map(t, ffcvtest.Unpack(t, "ints_floats"), nil), &view.Options{Token: "secret"})
	for site, want := range map[string]int{"": 303, "none": 303, "same-origin": 303, "same-site": 303, "cross-site": 200} {
		r := httptest.NewRequest("GET", `/a"><b>?token=secret&q=%22%3E%3Cscript%3E`, nil)
		r.Host = "127.0.0.1:1234"
		r.Header.Set("Sec-Fetch-Site", site)
		w := s.do(r)
		if w.Code != want || !strings.HasPrefix(w.Header().Get("Set-Cookie"), "ffcv_view_1234=secret;") {
			t.Errorf("%q: %d %v", site, w.Code, w.Header())
		}
		checkHeaders(t, site, w)
		if want != 200 {
			continue
		}
		body := w.Body.String()
		if !strings.Contains(body, `content="0;url=/a%22%3E%3Cb%3E?q=%22%3E%3Cscript%3E"`) || strings.Contains(body, "secret") || strings.Contains(body, "<script") || w.Header().Get("Location") != "" {
			t.Errorf("%s %v", body, w.Header())
		}
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.URL.RawQuery = "token=guess"
		if w := s.do(r); w.Code != 403 {
			t.Errorf("with another token: %d", w.Code)
		}
	}
}
