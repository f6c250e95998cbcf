package remote_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/betongo/betongo/remote"
)

const testPage = 64 << 10

func openCache(t *testing.T, dir string, quota int64) *remote.Cache {
	t.Helper()
	c, err := remote.OpenCache(dir, &remote.CacheOptions{PageSize: testPage, Quota: quota})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// used is how many bytes a cache's folder has at one moment: the files that are
// found, and are still there when all were.
func used(t *testing.T, dir string) (n int64) {
	t.Helper()
	found := map[string]fs.FileInfo{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil // gone meanwhile
		}
		if info, err := e.Info(); err == nil && !strings.HasPrefix(filepath.Base(path), "CACHEDIR") {
			found[path] = info
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, before := range found {
		if info, err := os.Lstat(path); err == nil && os.SameFile(info, before) {
			n += info.Size()
		}
	}
	return n
}

func TestCacheQuota(t *testing.T) {
	data := noise(4 << 20)
	url := serve(t, &object{data: data, etag: `"v"`})
	dir := t.TempDir()
	const quota = 20 * testPage
	o := open(t, url, &remote.Options{Cache: openCache(t, dir, quota)})
	for range 3 {
		checkReads(t, o, data)
		if n := used(t, dir); n > quota+64 {
			t.Fatalf("%d bytes in the folder, quota %d", n, quota)
		}
	}
	if o.Stats().Cached == 0 {
		t.Error("nothing came from the disk")
	}
}

// TestCacheDamage flips a byte in every page, in each part of its file: what is
// read stays right.
func TestCacheDamage(t *testing.T) {
	data := noise(3*testPage + 100)
	url := serve(t, &object{data: data, etag: `"v"`})
	for _, at := range []int64{0, 9, 25, 33, 41, 4092, 4096, 4096 + 50} {
		dir := t.TempDir()
		checkReads(t, open(t, url, &remote.Options{Cache: openCache(t, dir, 1<<30)}), data)
		pages, err := filepath.Glob(filepath.Join(dir, "pages", "*", "*"))
		if err != nil || len(pages) != 4 {
			t.Fatalf("%v, %v", pages, err)
		}
		for _, path := range pages {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b[at] ^= 0x10
			if err := os.WriteFile(path, b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		o := open(t, url, &remote.Options{Cache: openCache(t, dir, 1<<30)})
		checkReads(t, o, data)
		if o.Stats().Bytes == 0 {
			t.Errorf("byte %d: the damage was not noticed", at)
		}
		for _, path := range pages {
			if err := os.Truncate(path, 4096+at); err != nil {
				t.Fatal(err)
			}
		}
		checkReads(t, open(t, url, &remote.Options{Cache: openCache(t, dir, 1<<30)}), data)
	}
}

// TestCacheForeign: a folder with other files is refused, and what somebody put
// into a cache's folder is never deleted.
// TestCacheLongRead: a read of many pages has no more goroutines than requests, and
// ends with the first error.
func TestCacheLongRead(t *testing.T) {
	const pages, requests = 400, 4
	data := noise(pages * 64 << 10)
	release, asked := make(chan struct{}), make(chan struct{}, requests)
	obj := &object{data: data, etag: `"v"`}
	obj.before = func(n int64, w http.ResponseWriter, r *http.Request) bool {
		if n == 1 {
			return false
		}
		select {
		case asked <- struct{}{}:
			<-release
		default:
		}
		return false
	}
	url := serve(t, obj)
	c, err := remote.OpenCache(t.TempDir(), &remote.CacheOptions{PageSize: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	o := open(t, url, &remote.Options{Cache: c, Requests: requests})
	before := runtime.NumGoroutine()
	b, done := make([]byte, len(data)), make(chan error)
	go func() { // ends with the read
		_, err := o.ReadAt(b, 0)
		done <- err
	}()
	for range requests {
		<-asked
	}
	if n := runtime.NumGoroutine() - before; n > 50 {
		t.Errorf("%d goroutines for %d requests", n, requests)
	}
	close(release)
	if err := <-done; err != nil || !bytes.Equal(b, data) {
		t.Errorf("%v, equal: %v", err, bytes.Equal(b, data))
	}
	other := open(t, url, &remote.Options{Cache: c, Requests: requests})
	obj.replace(data, `"w"`)
	seen := obj.requests.Load()
	if _, err := other.ReadAt(b, 0); err != nil { // all is on the disk
		t.Error(err)
	}
	gone := open(t, url, &remote.Options{Cache: c, Requests: requests})
	obj.replace(data, `"x"`)
	if _, err := gone.ReadAt(b, 0); !errors.Is(err, remote.ErrChanged) {
		t.Errorf("%v", err)
	}
	if n := obj.requests.Load() - seen; n > 4*requests {
		t.Errorf("%d requests after the first was refused", n)
	}
}

func TestCacheForeign(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := remote.OpenCache(dir, nil); err == nil || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("over other files: %v", err)
	}
	dir = t.TempDir()
	const quota = 8 * (testPage + 4096)
	c := openCache(t, dir, quota)
	foreign := []string{
		"pages/readme", "new/readme", "new/page-x", "new/page-77", "pages/00/readme",
		"pages/00/00000000000000000000000000000000-0", // a page's name, but no page
	}
	for _, name := range foreign {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o777)
		if err := os.WriteFile(path, []byte("mine"), 0o666); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Hour)
		os.Chtimes(path, old, old)
	}
	abandoned := filepath.Join(dir, "new", "page-123")
	if err := os.WriteFile(abandoned, append([]byte("\x89btnpg\r1"), noise(100)...), 0o666); err != nil {
		t.Fatal(err)
	}
	os.Chtimes(abandoned, time.Time{}, time.Now().Add(-time.Hour))
	data := noise(2 << 20)
	checkReads(t, open(t, serve(t, &object{data: data, etag: `"v"`}), &remote.Options{Cache: c}), data)
	for _, name := range foreign {
		if b, err := os.ReadFile(filepath.Join(dir, name)); string(b) != "mine" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if _, err := os.Stat(abandoned); err == nil {
		t.Error("the page of a dead process is still there")
	}
}

func TestCacheOptions(t *testing.T) {
	for _, o := range []remote.CacheOptions{{PageSize: 1000}, {PageSize: 1 << 30}, {PageSize: 3 << 16}, {Quota: 100}, {Quota: -1}} {
		if _, err := remote.OpenCache(t.TempDir(), &o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// TestCacheTag: a process that was killed while it made the folder leaves one that
// can be used.
func TestCacheTag(t *testing.T) {
	dir := t.TempDir()
	openCache(t, dir, 1<<30)
	tag := filepath.Join(dir, "CACHEDIR.TAG")
	for n := range 60 {
		if err := os.Truncate(tag, int64(60-n)); err != nil {
			t.Fatal(err)
		}
		openCache(t, dir, 1<<30)
	}
	if err := os.WriteFile(tag, []byte("Signature: 8a477f597d28d172789f06886806bc55\n# Another program's"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := remote.OpenCache(dir, nil); err == nil {
		t.Error("another program's folder was taken")
	}
}

// TestCacheKilled runs eight processes that read through one cache, kills them at
// random, and damages pages meanwhile: no byte is ever wrong, the quota holds at
// every moment, and what is not the cache's stays. BETONGO_LARGE=1 kills each of
// the eight fifty times.
func TestCacheKilled(t *testing.T) {
	if os.Getenv("CACHE_CHILD") != "" {
		cacheChild(t)
		return
	}
	runs := 3
	if os.Getenv("BETONGO_LARGE") != "" {
		runs = 50
	}
	data := noise(8 << 20)
	obj := &object{data: data, etag: `"v"`}
	url := serve(t, obj)
	dir := t.TempDir()
	const quota = 40 * testPage
	openCache(t, dir, quota)
	foreign := filepath.Join(dir, "pages", "notes.txt")
	file := filepath.Join(t.TempDir(), "data")
	if err := errors.Join(os.WriteFile(file, data, 0o666), os.WriteFile(foreign, []byte("mine"), 0o666)); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var wg, watchers sync.WaitGroup
	var killed, damaged, looks atomic.Int64
	done := make(chan struct{})
	watchers.Add(2)
	go func() { // ends with done
		defer watchers.Done()
		for most := int64(0); ; time.Sleep(time.Millisecond) {
			select {
			case <-done:
				t.Logf("at most %d bytes in the folder, quota %d", most, quota)
				return
			default:
			}
			looks.Add(1)
			if n := used(t, dir); n > most {
				if most = n; n > quota+64 { // the lock's file and usage aside
					t.Errorf("%d bytes in the folder, quota %d", n, quota)
				}
			}
		}
	}()
	go func() { // ends with done
		defer watchers.Done()
		for {
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if pages, _ := filepath.Glob(filepath.Join(dir, "pages", "*", "*-*")); len(pages) > 0 && damage(pages[rand.IntN(len(pages))]) {
				damaged.Add(1)
			}
		}
	}()
	for i := range 8 {
		wg.Add(1)
		go func() { // ends with its children
			defer wg.Done()
			for k := range runs {
				cmd := exec.Command(exe, "-test.run=^TestCacheKilled$")
				cmd.Env = append(os.Environ(), "CACHE_CHILD="+url, "CACHE_DIR="+dir, "CACHE_WANT="+file, "CACHE_QUOTA="+strconv.Itoa(quota))
				var out bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &out
				if err := cmd.Start(); err != nil {
					t.Error(err)
					return
				}
				kill := time.AfterFunc(50*time.Millisecond+rand.N(500*time.Millisecond), func() {
					if cmd.Process.Kill() == nil {
						killed.Add(1)
					}
				})
				cmd.Wait()
				kill.Stop()
				if strings.Contains(out.String(), "FAIL") || strings.Contains(out.String(), "panic") {
					t.Errorf("process %d, run %d: %s", i, k, out.String())
				}
			}
		}()
	}
	wg.Wait()
	close(done)
	watchers.Wait()
	o := open(t, url, &remote.Options{Cache: openCache(t, dir, quota)})
	checkReads(t, o, data)
	if b, err := os.ReadFile(foreign); string(b) != "mine" {
		t.Errorf("another's file: %q, %v", b, err)
	}
	t.Logf("%d processes killed of %d, %d pages damaged, %d looks at the folder, %d requests", killed.Load(), 8*runs, damaged.Load(), looks.Load(), obj.requests.Load())
}

// damage flips a bit of a page somewhere.
func damage(path string) bool {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false // thrown out meanwhile
	}
	defer f.Close()
	at := rand.Int64N(testPage + 4096)
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		return false
	}
	b[0] ^= 1 << rand.IntN(8)
	_, err = f.WriteAt(b[:], at)
	return err == nil
}

func cacheChild(t *testing.T) {
	want, err := os.ReadFile(os.Getenv("CACHE_WANT"))
	if err != nil {
		t.Fatal(err)
	}
	quota, err := strconv.ParseInt(os.Getenv("CACHE_QUOTA"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	o := open(t, os.Getenv("CACHE_CHILD"), &remote.Options{Cache: openCache(t, os.Getenv("CACHE_DIR"), quota)})
	for end := time.Now().Add(600 * time.Millisecond); time.Now().Before(end); {
		n := 1 + rand.IntN(200_000)
		off := rand.IntN(len(want) - n)
		b := make([]byte, n)
		if _, err := o.ReadAt(b, int64(off)); err != nil || !bytes.Equal(b, want[off:off+n]) {
			t.Fatalf("bytes %d to %d: %v", off, off+n, err)
		}
	}
}
