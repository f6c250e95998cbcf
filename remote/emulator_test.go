package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"github.com/betongo/betongo/internal/faultproxy"
	"github.com/betongo/betongo/remote"
)

// Servers that speak as Google's and Azure's stores do are programs of their own,
// which these tests don't build. Where there is none they are skipped:
//
//	go install github.com/fsouza/fake-gcs-server@v1.55.0    # FAKE_GCS_SERVER, or in $PATH
//	npm install azurite@3.37.0                              # AZURITE_BLOB, azurite-blob in $PATH

// emulator starts such a program for the rest of the test, and a proxy before it, by
// which it is to be reached.
func emulator(t *testing.T, variable, name string, args func(host, port, through string) []string) *faultproxy.Proxy {
	t.Helper()
	program := os.Getenv(variable)
	if program == "" {
		var err error
		if program, err = exec.LookPath(name); err != nil {
			t.Skipf("no %s: %v", name, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	proxy, err := faultproxy.Start(addr, faultproxy.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	host, port, _ := net.SplitHostPort(addr)
	var log bytes.Buffer
	cmd := exec.Command(program, args(host, port, proxy.Addr())...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("the end of %s's log:\n%s", name, log.String()[max(0, log.Len()-5000):])
		}
	})
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return proxy
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

func TestGCS(t *testing.T) {
	proxy := emulator(t, "FAKE_GCS_SERVER", "fake-gcs-server", func(host, port, through string) []string {
		return []string{"-scheme", "http", "-host", host, "-port", port, "-backend", "memory", "-external-url", "http://" + through, "-public-host", through, "-log-level", "error"}
	})
	r, err := http.Post("http://"+proxy.Addr()+"/storage/v1/b?project=test", "application/json", strings.NewReader(`{"name": "data"}`))
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatal(r, err)
	}
	r.Body.Close()
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	t.Setenv("STORAGE_EMULATOR_HOST", proxy.Addr())
	checkStore(t, "gs", proxy)
}

func TestAzure(t *testing.T) {
	// The account that Azurite has, by its documentation.
	const account, key = "devstoreaccount1", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
	proxy := emulator(t, "AZURITE_BLOB", "azurite-blob", func(host, port, _ string) []string {
		return []string{"--blobHost", host, "--blobPort", port, "--inMemoryPersistence", "--disableTelemetry", "--silent", "--skipApiVersionCheck"}
	})
	cred, err := azblob.NewSharedKeyCredential(account, key)
	if err != nil {
		t.Fatal(err)
	}
	client, err := azblob.NewClientWithSharedKeyCredential("http://"+proxy.Addr()+"/"+account, cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateContainer(t.Context(), "data", nil); err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{
		"AZURE_STORAGE_ACCOUNT": account, "AZURE_STORAGE_KEY": key, "AZURE_STORAGE_DOMAIN": proxy.Addr(),
		"AZURE_STORAGE_PROTOCOL": "http", "AZURE_STORAGE_IS_LOCAL_EMULATOR": "true",
	} {
		t.Setenv(k, v)
	}
	checkStore(t, "azblob", proxy)
	t.Run("wrong credentials", func(t *testing.T) {
		t.Setenv("AZURE_STORAGE_KEY", "d3Jvbmctc2VjcmV0")
		_, err := remote.Open(t.Context(), "azblob://data/any", &remote.Options{Retries: -1})
		if !errors.Is(err, remote.ErrDenied) || strings.Contains(err.Error(), "d3Jvbmctc2VjcmV0") {
			t.Errorf("%v", err)
		}
	})
}

// checkStore does with the bucket "data" of a store what can be done with it.
func checkStore(t *testing.T, scheme string, proxy *faultproxy.Proxy) {
	base, opts := scheme+"://data/", &remote.Options{Retries: 2}
	small, large := noise(100_000), noise(37<<20+1)
	one, two := base+"a/one.beton", base+"a/two ?#%41é.beton"
	if err := errors.Join(upload(t, opts, one, small, nil), upload(t, opts, two, large, nil), upload(t, opts, base+"b/empty", nil, nil)); err != nil {
		t.Fatal(err)
	}
	checkReads(t, open(t, one, opts), small)
	checkReads(t, open(t, two, opts), large)
	if o := open(t, base+"b/empty", opts); o.Size() != 0 {
		t.Errorf("nothing has %d bytes", o.Size())
	}
	t.Run("write", func(t *testing.T) { checkWrites(t, base, opts, small, large) })
	t.Run("list", func(t *testing.T) { checkLists(t, base, one, two, opts) })
	t.Run("missing", func(t *testing.T) { checkMissing(t, scheme, opts, small) })
	t.Run("compose", func(t *testing.T) {
		pieces := []remote.Piece{{Len: 10, Bytes: strings.NewReader("0123456789")}, {Object: two, Len: int64(len(large))}, {Object: one, Off: 7, Len: 1000}}
		want := slices.Concat([]byte("0123456789"), large, small[7:1007])
		if err := remote.Compose(t.Context(), base+"composed", pieces, opts, nil); err != nil {
			t.Fatal(err)
		}
		check(t, base+"composed", want)
		if err := remote.Compose(t.Context(), base+"composed", pieces, opts, nil); !errors.Is(err, remote.ErrExist) {
			t.Errorf("again: %v", err)
		}
		pieces[1].Version = "older"
		if err := remote.Compose(t.Context(), base+"mixed", pieces, opts, nil); !errors.Is(err, remote.ErrChanged) {
			t.Errorf("of another version: %v", err)
		}
	})
	t.Run("broken network", func(t *testing.T) {
		bursts := faultproxy.Faults{CutEvery: 3 << 20, Fail: func(n int) int {
			if n%4 == 1 {
				return 503
			}
			return 0
		}}
		proxy.Set(bursts)
		defer proxy.Set(faultproxy.Faults{})
		patient := &remote.Options{Retries: 20}
		start := time.Now()
		checkReads(t, open(t, two, patient), large)
		t.Logf("reads: %v", time.Since(start))
		start = time.Now()
		if err := upload(t, patient, base+"through", large, &remote.WriteOptions{Overwrite: true}); err != nil {
			t.Error(err)
		}
		t.Logf("a write: %v", time.Since(start))
		proxy.Set(faultproxy.Faults{})
		check(t, base+"through", large)
	})
	t.Run("replaced", func(t *testing.T) { replaced(t, one, opts) })
}

func checkWrites(t *testing.T, base string, opts *remote.Options, small, large []byte) {
	one := base + "a/one.beton"
	if err := upload(t, opts, one, large, nil); !errors.Is(err, remote.ErrExist) {
		t.Errorf("over an object: %v", err)
	}
	checkReads(t, open(t, one, opts), small)
	for name, data := range map[string][]byte{"small": small[1:], "large": large} {
		url := base + "race-" + name
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
			t.Errorf("it appeared meanwhile, %s: %v", name, err)
		}
		check(t, url, small)
	}
	for name, data := range map[string][]byte{"small": small, "large": large} {
		ctx, cancel := context.WithCancel(t.Context())
		u, err := remote.Create(ctx, base+"aborted", opts, nil)
		if err == nil {
			_, err = u.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
		if name == "small" {
			cancel()
		}
		u.Abort()
		cancel()
		if _, err := remote.Open(t.Context(), base+"aborted", opts); !errors.Is(err, remote.ErrNotExist) {
			t.Errorf("after Abort, %s: %v", name, err)
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var won []string
	for i := range 8 {
		wg.Add(1)
		go func() { // ends with its write
			defer wg.Done()
			b := fmt.Appendf(nil, "%d", i)
			err := remote.WriteFile(t.Context(), base+"won", b, opts, nil)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, string(b))
			} else if !errors.Is(err, remote.ErrExist) {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if b, err := remote.ReadFile(t.Context(), base+"won", opts); err != nil || len(won) != 1 || won[0] != string(b) {
		t.Errorf("%q succeeded, there is %q, %v", won, b, err)
	}
}

func checkLists(t *testing.T, base, one, two string, opts *remote.Options) {
	for pattern, want := range map[string]string{"a/*.beton": one + " " + two, "a/on?.*": one, "*.beton": "", "[ab]/t*": two, "a/one.beton": one} {
		list, err := remote.List(t.Context(), base+pattern, opts)
		var got []string
		for _, e := range list {
			got = append(got, e.URL)
			if stat, err := remote.Stat(t.Context(), e.URL, opts); err != nil || stat != e {
				t.Errorf("listed as %+v, is %+v, %v", e, stat, err)
			}
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v", pattern, got, err)
		}
	}
	for deep, want := range map[bool]string{true: "a/one.beton a/two ?#%41é.beton b/empty", false: "a/ b/"} {
		var got []string
		err := remote.Walk(t.Context(), base, deep, opts, func(e remote.Entry) error {
			if name := strings.TrimPrefix(e.URL, base); strings.Contains(name, "/") {
				got = append(got, name)
			}
			return nil
		})
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("walk, deep %v: %q, %v", deep, got, err)
		}
	}
}

func checkMissing(t *testing.T, scheme string, opts *remote.Options, data []byte) {
	for url, want := range map[string]string{scheme + "://data/nothing": scheme + "://data/nothing: no such object", scheme + "://nobucket/x": scheme + "://nobucket/x: no such"} {
		if _, err := remote.Open(t.Context(), url, opts); !errors.Is(err, remote.ErrNotExist) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", url, err)
		}
		if err := remote.Delete(t.Context(), url, opts); !errors.Is(err, remote.ErrNotExist) {
			t.Errorf("delete %s: %v", url, err)
		}
	}
	for _, w := range []*remote.WriteOptions{nil, {Overwrite: true}} {
		if err := upload(t, opts, scheme+"://nobucket/x", data, w); err == nil || !strings.Contains(err.Error(), scheme+"://nobucket/x: no such") {
			t.Errorf("write: %v", err)
		}
	}
	if _, err := remote.List(t.Context(), scheme+"://nobucket/*", opts); !errors.Is(err, remote.ErrNotExist) {
		t.Errorf("list: %v", err)
	}
}
