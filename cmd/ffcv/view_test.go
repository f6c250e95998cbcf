package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"
)

// viewing runs 'ffcv view' until stop is called, which returns the exit code and
// what was printed on standard error. first is its first line.
func viewing(t *testing.T, args ...string) (first string, stop func() (int, string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var errs bytes.Buffer
	ended := make(chan int, 1)
	go func() { // ends when the context does; stop waits for it
		code := run(ctx, append([]string{"view", "--no-open"}, args...), w, &errs)
		w.Close()
		ended <- code
	}()
	lines := bufio.NewReader(r)
	first, err := lines.ReadString('\n')
	go io.Copy(io.Discard, lines) // ends with w
	stop = func() (int, string) {
		cancel()
		select {
		case code := <-ended:
			return code, errs.String()
		case <-time.After(20 * time.Second):
			t.Fatal("it doesn't end")
		}
		return 0, ""
	}
	if err != nil {
		code, errs := stop()
		t.Fatalf("%v: no address, but %v: %d %s", args, err, code, errs)
	}
	return first, stop
}

func TestView(t *testing.T) {
	path, err := unpack(t.TempDir(), "cifar_like")
	if err != nil {
		t.Fatal(err)
	}
	first, stop := viewing(t, path, "--listen", "127.0.0.1:0", "--json")
	var printed struct{ URL string }
	if err := json.Unmarshal([]byte(first), &printed); err != nil {
		t.Fatalf("%q: %v", first, err)
	}
	u, err := url.Parse(printed.URL)
	if err != nil || u.Hostname() != "127.0.0.1" || u.Port() == "0" || len(u.Query().Get("token")) != 64 || u.Path != "/" {
		t.Fatalf("%s: %v", printed.URL, err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Jar: jar, Timeout: 20 * time.Second}
	defer c.CloseIdleConnections()
	get := func(url string) (int, string) {
		t.Helper()
		resp, err := c.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	base := "http://" + u.Host
	if code, _ := get(base + "/api/dataset"); code != 403 {
		t.Errorf("without the token: %d", code)
	}
	if code, body := get(printed.URL); code != 200 || !strings.Contains(body, "<html") {
		t.Errorf("the page: %d %.200s", code, body)
	}
	if code, body := get(base + "/api/dataset"); code != 200 || !strings.Contains(body, `"samples":`) {
		t.Errorf("the dataset: %d %.200s", code, body)
	}
	if code, body := get(base + "/api/sample/3/image"); code != 200 || len(body) < 100 {
		t.Errorf("a picture: %d, %d bytes", code, len(body))
	}
	if code, errs := stop(); code != 0 || errs != "" {
		t.Errorf("it ended with %d, %s", code, errs)
	}
	if _, err := c.Get(printed.URL); err == nil {
		t.Error("it still answers")
	}
}

// TestViewSeveral: files with patterns and custom fields, and a line for people.
func TestViewSeveral(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"mixed", "mixed_shuffled"} {
		if _, err := unpack(dir, name); err != nil {
			t.Fatal(err)
		}
	}
	first, stop := viewing(t, dir+"/mixed*.beton", "--custom", "flag=|u1", "--custom", "u4=<u4", "--custom", "flag2=|u1", "--listen", "localhost:0", "--memory", "4MiB")
	if !strings.HasPrefix(first, "http://127.0.0.1:") && !strings.HasPrefix(first, "http://[::1]:") {
		t.Errorf("%q", first)
	}
	if code, errs := stop(); code != 0 || !strings.Contains(errs, "Ctrl-C") || strings.Contains(errs, "warning") {
		t.Errorf("%d %s", code, errs)
	}
}

// TestViewOthers: listening for others is said.
func TestViewOthers(t *testing.T) {
	path, err := unpack(t.TempDir(), "ints_floats")
	if err != nil {
		t.Fatal(err)
	}
	first, stop := viewing(t, path, "--listen", "0.0.0.0:0")
	if code, errs := stop(); code != 0 || !strings.Contains(errs, "warning: others on the network") || strings.Contains(first, "0.0.0.0") {
		t.Errorf("%q, %d, %s", first, code, errs)
	}
}
