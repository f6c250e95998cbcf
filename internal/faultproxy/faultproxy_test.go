package faultproxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/betongo/betongo/internal/faultproxy"
)

// server echoes what it gets, in several ways.
func server(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Header().Set("Host-Was", r.Host)
		w.Write(b)
	})
	mux.HandleFunc("/chunks", func(w http.ResponseWriter, r *http.Request) {
		for i := range 50 {
			fmt.Fprintf(w, "%d\n", i)
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/zeros", func(w http.ResponseWriter, r *http.Request) {
		var n int
		fmt.Sscan(r.URL.RawQuery, &n)
		w.Header().Set("Content-Length", fmt.Sprint(n))
		w.Write(make([]byte, n))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func start(t *testing.T, f faultproxy.Faults) (*faultproxy.Proxy, *http.Client) {
	t.Helper()
	p, err := faultproxy.Start(server(t), f)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{ExpectContinueTimeout: 10 * time.Second, DisableCompression: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := errors.Join(p.Close(), p.Close()); err != nil {
			t.Error(err)
		}
	})
	return p, &http.Client{Transport: transport}
}

func get(c *http.Client, p *faultproxy.Proxy, path string) ([]byte, int, error) {
	resp, err := c.Get("http://" + p.Addr() + path)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return b, resp.StatusCode, err
}

func TestPass(t *testing.T) {
	p, c := start(t, faultproxy.Faults{})
	body := bytes.Repeat([]byte("0123456789"), 100_000)
	for _, expect := range []bool{false, true} {
		for _, reader := range []io.Reader{bytes.NewReader(body), io.MultiReader(bytes.NewReader(body)), nil} { // with a length, in chunks, none
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+p.Addr()+"/echo", reader)
			if err != nil {
				t.Fatal(err)
			}
			if expect {
				req.Header.Set("Expect", "100-continue")
			}
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			want := body
			if reader == nil {
				want = nil
			}
			if err != nil || !bytes.Equal(got, want) || resp.Header.Get("Host-Was") != p.Addr() {
				t.Errorf("%T: %d bytes, host %s, %v", reader, len(got), resp.Header.Get("Host-Was"), err)
			}
		}
	}
	if b, _, err := get(c, p, "/chunks"); err != nil || !strings.HasSuffix(string(b), "\n48\n49\n") {
		t.Errorf("%q, %v", b, err)
	}
	resp, err := c.Head("http://" + p.Addr() + "/zeros?1000")
	if err != nil || resp.ContentLength != 1000 {
		t.Errorf("HEAD: %v", err)
	}
	if p.Requests() != 8 || p.Connections() != 1 || p.Bytes() < 4_000_000 || p.Sent() < 4_000_000 {
		t.Errorf("%d requests on %d connections, %d bytes there, %d back", p.Requests(), p.Connections(), p.Sent(), p.Bytes())
	}
}

func TestLatencyAndRate(t *testing.T) {
	const latency = 30 * time.Millisecond
	p, c := start(t, faultproxy.Faults{Latency: latency})
	for i, want := range []time.Duration{2 * latency, latency} { // the first with the connection
		begin := time.Now()
		if _, _, err := get(c, p, "/echo"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < want || took > 20*want {
			t.Errorf("request %d took %v, want %v", i, took, want)
		}
	}
	for _, f := range []faultproxy.Faults{{BytesPerSecond: 10e6}, {LinkBytesPerSecond: 10e6}} {
		p.Set(f)
		begin := time.Now()
		if b, _, err := get(c, p, "/zeros?2000000"); err != nil || len(b) != 2e6 {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < 180*time.Millisecond || took > 4*time.Second {
			t.Errorf("%+v: 2 MB took %v, want 200 ms", f, took)
		}
	}
}

func TestFaults(t *testing.T) {
	p, c := start(t, faultproxy.Faults{CutEvery: 50_000, Seed: 1})
	whole, resets, ends := 0, 0, 0
	for range 40 {
		b, _, err := get(c, p, "/zeros?50000")
		switch {
		case err == nil && len(b) == 50_000:
			whole++
		case err == nil:
			t.Errorf("%d bytes without an error", len(b))
		case strings.Contains(err.Error(), "reset"):
			resets++
		default:
			ends++
		}
	}
	if whole < 5 || resets < 3 || ends < 3 {
		t.Errorf("%d whole, %d reset, %d ended early", whole, resets, ends)
	}

	p.Set(faultproxy.Faults{Fail: func(n int) int { return 503 }})
	if b, status, err := get(c, p, "/echo"); status != 503 || !strings.Contains(string(b), "SlowDown") {
		t.Errorf("status %d, %q, %v", status, b, err)
	}

	p.Set(faultproxy.Faults{Answer: func(n int, head []byte) []byte {
		return bytes.Replace(head, []byte("200 OK"), []byte("206 Partial Content"), 1)
	}})
	if b, status, err := get(c, p, "/zeros?10"); status != 206 || len(b) != 10 {
		t.Errorf("status %d, %q, %v", status, b, err)
	}
	p.Set(faultproxy.Faults{Answer: func(int, []byte) []byte { return nil }})
	if _, _, err := get(c, p, "/zeros?10"); err == nil {
		t.Error("an answer, but it is cut")
	}

	p.Set(faultproxy.Faults{StallEvery: 1000})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Addr()+"/zeros?100000", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a connection that goes silent: %v", err)
	}
}

// TestClose: Close ends what is on its way.
func TestClose(t *testing.T) {
	p, c := start(t, faultproxy.Faults{Latency: time.Hour})
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() { // ends with the proxy
			defer wg.Done()
			if _, _, err := get(c, p, "/echo"); err == nil {
				t.Error("an answer within an hour")
			}
		}()
	}
	for p.Requests() < 4 {
		time.Sleep(time.Millisecond)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	other, err := faultproxy.Start("127.0.0.1:1", faultproxy.Faults{})
	if err != nil {
		t.Fatal("the server need not be there yet:", err)
	}
	other.Close()
}
