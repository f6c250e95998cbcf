package browser

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// asked is an answer to a request that is sent as it stands.
type asked struct {
	status int
	header http.Header
	body   string
}

// ask sends a request with headers, a line each, and nothing that a client would
// make better of it.
func (v *viewer) ask(t *testing.T, method, target string, body string, headers ...string) asked {
	t.Helper()
	host := strings.TrimPrefix(v.origin, "http://")
	c, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	own := true
	for _, h := range headers {
		own = own && !strings.HasPrefix(h, "Host:")
	}
	if own {
		headers = append([]string{"Host: " + host}, headers...)
	}
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\n%s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", method, target, strings.Join(headers, "\r\n"), len(body), body)
	r, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	return asked{r.StatusCode, r.Header, string(b)}
}

// cookie lets in as a browser's does.
func (v *viewer) cookie(t *testing.T) string {
	t.Helper()
	a := v.ask(t, "GET", "/?token="+v.token, "")
	if a.status != http.StatusSeeOther || strings.Contains(a.header.Get("Location"), "token") {
		t.Fatalf("with the token: %d, to %q", a.status, a.header.Get("Location"))
	}
	set := a.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(set, want) {
			t.Errorf("cookie %q has no %s", set, want)
		}
	}
	pair, _, _ := strings.Cut(set, ";")
	return "Cookie: " + pair
}

// TestBrowserAccess: who doesn't know the token, comes from another page, under
// another name or by a strange path, gets nothing of the dataset.
func TestBrowserAccess(t *testing.T) {
	t.Parallel()
	v := serve(t, photoFile(t))
	cookie := v.cookie(t)
	port := v.origin[strings.LastIndexByte(v.origin, ':'):]
	const nobody = http.StatusForbidden
	for _, test := range []struct {
		name, method, target, body string
		headers                    []string
		status                     int
	}{
		{"let in", "GET", "/api/dataset", "", []string{cookie}, 200},
		{"as localhost", "GET", "/api/dataset", "", []string{"Host: localhost" + port, cookie}, 200},
		{"no cookie", "GET", "/api/dataset", "", nil, nobody},
		{"no cookie, the page", "GET", "/", "", nil, nobody},
		{"no cookie, a script", "GET", "/app.js", "", nil, nobody},
		{"no cookie, a picture", "GET", "/api/sample/0/image?field=image&side=64", "", nil, nobody},
		{"wrong cookie", "GET", "/api/dataset", "", []string{cookie[:len(cookie)-1] + "x"}, nobody},
		{"empty cookie", "GET", "/api/dataset", "", []string{cookie[:strings.IndexByte(cookie, '=')+1]}, nobody},
		{"wrong token", "GET", "/?token=" + strings.Repeat("0", len(v.token)), "", nil, nobody},
		{"wrong token in spite of the cookie", "GET", "/?token=x", "", []string{cookie}, nobody},
		{"empty token", "GET", "/?token=", "", nil, nobody},
		{"the token's beginning", "GET", "/?token=" + v.token[:len(v.token)-1], "", nil, nobody},
		{"two tokens", "GET", "/?token=x&token=" + v.token, "", nil, nobody},
		{"a foreign Host", "GET", "/api/dataset", "", []string{"Host: elsewhere.invalid" + port, cookie}, nobody},
		{"a foreign Host with the token", "GET", "/?token=" + v.token, "", []string{"Host: elsewhere.invalid"}, nobody},
		{"a Host that begins well", "GET", "/api/dataset", "", []string{"Host: 127.0.0.1.elsewhere.invalid" + port, cookie}, nobody},
		{"a foreign Origin", "POST", "/api/jobs", `{"kind":"verify"}`, []string{cookie, "Content-Type: application/json", "Origin: http://elsewhere.invalid"}, nobody},
		{"another port's Origin", "POST", "/api/jobs", `{"kind":"verify"}`, []string{cookie, "Content-Type: application/json", "Origin: http://127.0.0.1:1"}, nobody},
		{"Origin null", "POST", "/api/loader", `{"action":"start"}`, []string{cookie, "Content-Type: application/json", "Origin: null"}, nobody},
		{"no Origin", "POST", "/api/loader", `{"action":"start"}`, []string{cookie, "Content-Type: application/json"}, nobody},
		{"a form", "POST", "/api/jobs", "kind=verify", []string{cookie, "Content-Type: application/x-www-form-urlencoded", "Origin: " + v.origin}, nobody},
		{"a form of text", "POST", "/api/jobs", `{"kind":"verify"}`, []string{cookie, "Content-Type: text/plain", "Origin: " + v.origin}, nobody},
		{"DELETE from elsewhere", "DELETE", "/api/jobs/1", "", []string{cookie, "Origin: http://elsewhere.invalid"}, nobody},
		{"its own page", "POST", "/api/loader", `{"action":"stop"}`, []string{cookie, "Content-Type: application/json", "Origin: " + v.origin}, http.StatusConflict},
	} {
		a := v.ask(t, test.method, test.target, test.body, test.headers...)
		if a.status != test.status {
			t.Errorf("%s: %s %s: %d, want %d: %.100s", test.name, test.method, test.target, a.status, test.status, a.body)
		}
		if a.status == nobody && (strings.Contains(a.body, "photographs") || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") || a.header.Get("Set-Cookie") != "") {
			t.Errorf("%s: the refusal is %q %v", test.name, a.body, a.header)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin"} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", test.name, name, got, want)
			}
		}
		if p := a.header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "unsafe") {
			t.Errorf("%s: the policy is %q", test.name, p)
		}
	}
}

// TestBrowserLink: a link on a page of another site, a notebook's say, lets in, and
// the token doesn't stay in the address.
func TestBrowserLink(t *testing.T) {
	t.Parallel()
	v := serve(t, photoFile(t))
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><link rel="icon" href="data:,"><a id="link" href="%s">the viewer</a>`, v.url)
	}))
	defer other.Close()
	p := v.blank(t)
	p.allow("request to elsewhere: http://localhost")
	p.visit(strings.Replace(other.URL, "127.0.0.1", "localhost", 1))
	p.click("#link")
	p.ready("gallery")
	if u := p.text(`() => location.href`); !strings.HasPrefix(u, v.origin+"/") || strings.Contains(u, "token") {
		t.Errorf("at %s", u)
	}
}

// TestBrowserTraversal: no path leads to a file of the machine.
func TestBrowserTraversal(t *testing.T) {
	t.Parallel()
	v := serve(t, photoFile(t))
	cookie := v.cookie(t)
	for _, target := range []string{
		"/../../../../etc/passwd", "/..%2f..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..\\..\\etc\\passwd",
		"/etc/passwd", "//etc/passwd", "/./etc/passwd", "/api/../../etc/passwd", "/api/sample/..%2f..%2fetc%2fpasswd",
		"/api/sample/0/bytes?field=../../../../etc/passwd", "/api/sample/0/image?field=/etc/passwd", "/api/sample/-1", "/api/sample/99999999999999999999",
		"/api/sample/120", "/api/page/-1", "/api/page/99999999", "/api/jobs/..%2f1", "/web/index.html", "/assets.go", "/server.go", "/.git/config",
		"file:///etc/passwd", "http://elsewhere.invalid/etc/passwd", "/app.js/../../server.go", "/app.js%00.png", "/C:/Windows/win.ini",
	} {
		a := v.ask(t, "GET", target, "", cookie)
		// What is cleaned to another address is for the client to follow there.
		if a.status >= 300 && a.status < 400 && strings.HasPrefix(a.header.Get("Location"), "/") && !strings.HasPrefix(a.header.Get("Location"), "//") {
			a = v.ask(t, "GET", a.header.Get("Location"), "", cookie)
		}
		if a.status < 400 || a.status >= 500 || strings.Contains(a.body, "root:") || strings.Contains(a.body, "package view") || strings.Contains(a.body, "[core]") {
			t.Errorf("%s: %d, %.100q", target, a.status, a.body)
		}
	}
}

// TestBrowserMedia: what is served as a picture or a sound is one, everything else
// is a download; parts of a sound can be asked for.
func TestBrowserMedia(t *testing.T) {
	t.Parallel()
	v := serve(t, photoFile(t))
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: patience}
	get := func(target, part string) asked {
		t.Helper()
		q, err := http.NewRequest("GET", v.origin+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if part != "" {
			q.Header.Set("Range", part)
		}
		r, err := client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return asked{r.StatusCode, r.Header, string(b)}
	}
	if a := get("/?"+url.Values{"token": {v.token}}.Encode(), ""); a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		t.Fatalf("the page: %d %v", a.status, a.header)
	}
	if a := get("/api/sample/0/image?field=image&side=0", ""); !strings.HasPrefix(a.header.Get("Content-Type"), "image/jpeg") || !strings.HasPrefix(a.body, "\xff\xd8") {
		t.Errorf("a picture: %d %v", a.status, a.header)
	}
	if a := get("/api/sample/0/bytes?field=note", ""); a.header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") || !strings.HasPrefix(a.body, "Note 0") {
		t.Errorf("bytes: %d %v %.40q", a.status, a.header, a.body)
	}
	whole := get("/api/sample/0/audio?field=sound", "")
	if whole.status != 200 || !strings.HasPrefix(whole.header.Get("Content-Type"), "audio/") || !strings.HasPrefix(whole.body, "RIFF") {
		t.Fatalf("a sound: %d %v", whole.status, whole.header)
	}
	part := get("/api/sample/0/audio?field=sound", "bytes=100-199")
	if part.status != http.StatusPartialContent || part.body != whole.body[100:200] {
		t.Errorf("a part of a sound: %d, %d bytes", part.status, len(part.body))
	}
	if !bytes.Contains([]byte(whole.body), tone(0).Data) {
		t.Error("the sound is another one")
	}
}
