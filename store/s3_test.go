package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/faultproxy"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/store"
)

// written writes a file of n samples: their number from first on, and a value of
// so many bytes that depends on it.
func written(t testing.TB, first, n, size int) string {
	t.Helper()
	return ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "id", Field: fields.Int{}}, {Name: "data", Field: fields.Bytes{}}}, n, func(i int) []any {
		b := make([]byte, size)
		for k := range b {
			b[k] = byte((first + i) * (k + 3) >> 2)
		}
		return []any{first + i, b}
	}, nil)
}

// put uploads a file.
func put(t testing.TB, path, url string) {
	t.Helper()
	target, err := store.Create(t.Context(), url, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(target.Path, b, 0o600), target.Commit(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// sum is of everything that an epoch gives.
func sum(t testing.TB, ds loader.Dataset, order loader.Order) string {
	t.Helper()
	l, err := loader.New(ds, &loader.Options{BatchSize: 64, Order: order, Seed: 7, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := sha256.New()
	for b, err := range l.Epoch(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range b.Outputs() {
			h.Write(o.Data)
		}
		b.Release()
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// TestS3Open: objects give what the files give that they are copies of, one by
// one, by a pattern, beside local ones, and by an index.
func TestS3Open(t *testing.T) {
	s3test.Start(t)
	var local, urls, web []string
	for k, n := range []int{100, 1, 0, 150} {
		local = append(local, written(t, k*1000, n, 3000))
		urls = append(urls, fmt.Sprintf("s3://data/sets/train-%d.beton", k))
		put(t, local[k], urls[k])
		server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(local[k]))))
		defer server.Close()
		web = append(web, server.URL+"/"+filepath.Base(local[k])+"?sig=secret")
	}
	index := indexOf(t, local, urls)
	whole, err := store.Open(t.Context(), local, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	orders := []loader.Order{loader.Sequential, loader.Random, loader.PageShuffle{Window: 2}}
	var want []string
	for _, o := range orders {
		want = append(want, sum(t, whole, o))
	}
	for name, paths := range map[string][]string{
		"objects": urls,
		"pattern": {"s3://data/sets/train-?.beton"},
		"mixed":   {urls[0], local[1], local[2], urls[3]},
		"index":   {index},
		"web":     web,
	} {
		for _, memory := range []int64{0, 1 << 20} {
			if memory > 0 && name != "mixed" && name != "index" {
				continue // slow, and alike
			}
			meter := new(store.Meter)
			opts := &store.Options{Meter: meter, File: &ffcv.OpenOptions{Memory: memory}}
			ds, err := store.Open(t.Context(), paths, opts)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			for i, o := range orders {
				if got := sum(t, ds, o); got != want[i] {
					t.Errorf("%s, %v, memory %d: other bytes than the files'", name, o, memory)
				}
			}
			stats, ok := ds.CacheStats()
			asked := meter.Stats()
			if !ok || stats.Bytes == 0 || asked.Bytes < stats.Bytes/2 || asked.Requests == 0 {
				t.Errorf("%s, memory %d: the cache did %+v, %+v was asked of the store", name, memory, stats, asked)
			}
			if err := errors.Join(ds.Close(), ds.Close()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if err := whole.Close(); err != nil {
		t.Error(err)
	}
}

// indexOf puts an index of the objects beside them.
func indexOf(t *testing.T, local, urls []string) string {
	t.Helper()
	files, names := make([]*ffcv.File, len(local)), make([]string, len(local))
	for i, path := range local {
		files[i], names[i] = ffcvtest.Map(t, path, nil), store.Base(urls[i])
	}
	x, err := dataset.NewIndex(files, names)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	url := store.Join(store.Dir(urls[0]), "index.json")
	if err := store.WriteFile(t.Context(), url, b, false, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "index.json")
	for i := range x.Shards { // one on the disk, of objects
		x.Shards[i].Path = urls[i]
	}
	if b, err = x.Marshal(); err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if ds, err := store.Open(t.Context(), []string{path}, nil); err != nil || ds.Len() != 251 {
		t.Errorf("an index on the disk: %v", err)
	} else if err := ds.Close(); err != nil {
		t.Error(err)
	}
	return url
}

// TestWebIndex: an index on a web server, with a signature in its URL that no message
// shows.
func TestWebIndex(t *testing.T) {
	dir := t.TempDir()
	for k := range 2 {
		b, err := os.ReadFile(written(t, k*100, 100, 3000))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("part-%d.beton", k)), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	x, err := dataset.NewIndex([]*ffcv.File{ffcvtest.Map(t, files[0], nil), ffcvtest.Map(t, files[1], nil)}, []string{"part-0.beton", "part-1.beton"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := x.Marshal()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "index.json"), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("sig") != "secret" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		http.FileServer(http.Dir(dir)).ServeHTTP(w, r)
	}))
	defer server.Close()
	whole, err := store.Open(t.Context(), []string{filepath.Join(dir, "index.json")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	ds, err := store.Open(t.Context(), []string{server.URL + "/index.json?sig=secret"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ds.Close()
	if sum(t, ds, loader.Random) != sum(t, whole, loader.Random) {
		t.Error("other bytes than the files'")
	}
	if strings.Contains(ds.Name(), "secret") || !strings.HasPrefix(ds.Name(), server.URL) {
		t.Errorf("it is called %s", ds.Name())
	}
	if err := os.Truncate(filepath.Join(dir, "part-1.beton"), 1000); err != nil {
		t.Fatal(err)
	}
	broken, err := store.Open(t.Context(), []string{server.URL + "/index.json?sig=secret"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer broken.Close()
	if _, err := broken.Rows(150, 1, nil); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), server.URL+"/part-1.beton") {
		t.Errorf("a shard of another size: %v", err)
	}
}

// TestIndexFileURL: a shard of an index may be named by a file:// URL.
func TestIndexFileURL(t *testing.T) {
	path := written(t, 0, 100, 300)
	x, err := dataset.NewIndex([]*ffcv.File{ffcvtest.Map(t, path, nil)}, []string{"file://" + filepath.ToSlash(path)})
	if err != nil {
		t.Fatal(err)
	}
	b, err := x.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	index := filepath.Join(t.TempDir(), "index.json")
	if err := os.WriteFile(index, b, 0o600); err != nil {
		t.Fatal(err)
	}
	ds, err := store.Open(t.Context(), []string{"file://" + filepath.ToSlash(index)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ds.Close()
	if _, err := ds.Rows(0, 100, nil); err != nil {
		t.Error(err)
	}
	if list, err := store.Files(t.Context(), []string{index}, nil); err != nil || len(list) != 1 || list[0] != path {
		t.Errorf("%q, %v", list, err)
	}
}

// TestCloseStalled: a dataset can be closed while a server says nothing of its
// shards.
func TestCloseStalled(t *testing.T) {
	const index = `{"betongo_index": 1, "samples": 5, "page_size": 2097152, "fields": [{"name": "y", "type": 1}],
"shards": [{"path": "a.beton", "size": 400, "samples": 5, "alloc_table": 400}]}`
	asked := make(chan struct{}, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".json") {
			w.Header().Set("ETag", `"1"`)
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(index))
			return
		}
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	ds, err := store.Open(t.Context(), []string{server.URL + "/index.json"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ds.WillNeedRows([]int{0, 1}, false)
	read := make(chan error, 1)
	go func() { // ends with the read; received below
		_, err := ds.Rows(0, 1, nil)
		read <- err
	}()
	<-asked
	start := time.Now()
	if err := ds.Close(); err != nil {
		t.Error(err)
	}
	if err := <-read; err == nil {
		t.Error("a row of nothing")
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("closing took %v", took)
	}
}

// TestS3Little: to open a large file, and to read a sample of it, takes a few
// requests for a few blocks, whatever the size of its tables.
func TestS3Little(t *testing.T) {
	s3test.Start(t)
	const n = 300_000
	path := written(t, 0, n, 40)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, "s3://data/large.beton")
	meter := new(store.Meter)
	f, err := store.OpenFile(t.Context(), "s3://data/large.beton", &store.Options{Meter: meter})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	opened := meter.Stats()
	v, err := f.Value(n/2, 1)
	if err != nil {
		t.Fatal(err)
	}
	read := meter.Stats()
	t.Logf("%d bytes of file; open: %+v; with a sample: %+v; %d", info.Size(), opened, read, len(v.([]byte)))
	if opened.Requests > 10 || opened.Bytes > 10*16<<10 {
		t.Errorf("to open took %+v", opened)
	}
	if r := read.Requests - opened.Requests; r > 3 || read.Bytes-opened.Bytes > 3*16<<10 {
		t.Errorf("a sample took %d requests, %d bytes", r, read.Bytes-opened.Bytes)
	}
}

// TestS3Far: over a network of 20 ms a random order has as many requests on their
// way as an object may have, and takes about one a sample.
func TestS3Far(t *testing.T) {
	s := s3test.Start(t)
	const n, size = 600, 40_000
	put(t, written(t, 0, n, size), "s3://data/far.beton")
	proxy, err := faultproxy.Start(s.Addr, faultproxy.Faults{Latency: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	for _, kv := range s.Through(proxy.Addr()) {
		k, v, _ := strings.Cut(kv, "=")
		t.Setenv(k, v)
	}
	for _, order := range []loader.Order{loader.Random, loader.Sequential} {
		meter := new(store.Meter)
		ds, err := store.Open(t.Context(), []string{"s3://data/far.beton"}, &store.Options{Meter: meter})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		sum(t, ds, order)
		took, asked := time.Since(start), meter.Stats()
		t.Logf("%v: %d samples in %v, %.2f requests and %.0f bytes a sample", order, n, took, float64(asked.Requests)/n, float64(asked.Bytes)/n)
		if asked.Requests > n*3/2 || took > 600*20*time.Millisecond/4 {
			t.Errorf("%v: %+v in %v", order, asked, took)
		}
		if err := ds.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestS3Errors: what can't be had says of what, and is of a kind that files' errors
// are of too.
func TestS3Errors(t *testing.T) {
	s3test.Start(t)
	put(t, written(t, 0, 3, 10), "s3://data/a.beton")
	if err := store.WriteFile(t.Context(), "s3://data/no.beton", []byte("these are too few bytes"), false, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		kind error
		want string
	}{
		{"s3://data/none.beton", fs.ErrNotExist, "s3://data/none.beton"},
		{"s3://data/none*.beton", fs.ErrNotExist, "s3://data/none*.beton"},
		{"s3://nobucket/a.beton", fs.ErrNotExist, "no such bucket"},
		{"s3://data/no.beton", nil, "s3://data/no.beton: "},
		{"s3://data", nil, "no key"},
	} {
		_, err := store.Open(t.Context(), []string{c.path}, nil)
		if err == nil || c.kind != nil && !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.path, err)
		}
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
	if _, err := store.Open(t.Context(), []string{"s3://data/a.beton"}, nil); !errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("wrong credentials: %v", err)
	}
	if _, err := store.Exists(t.Context(), "s3://data/a.beton", nil); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("wrong credentials: %v", err)
	}
}

// TestS3Write: an object that is written appears whole, at Commit, and where one is
// already it stays unless it may be replaced.
func TestS3Write(t *testing.T) {
	s := s3test.Start(t)
	const url = "s3://data/out/a b.bin"
	content := bytes.Repeat([]byte("0123456789"), 3<<20)
	write := func(ctx context.Context, overwrite, commit bool, b []byte) error {
		target, err := store.Create(ctx, url, overwrite, nil)
		if err != nil {
			return err
		}
		defer target.Close()
		if filepath.Base(target.Path) != "a b.bin" {
			t.Errorf("to write to: %s", target.Path)
		}
		if err := os.WriteFile(target.Path, b, 0o600); err != nil {
			return err
		}
		if !commit {
			return nil
		}
		if there, err := store.Exists(ctx, url, nil); there != overwrite || err != nil {
			t.Errorf("before Commit it is there: %v, %v", there, err)
		}
		return target.Commit(ctx)
	}
	if err := write(t.Context(), false, false, content); err != nil {
		t.Error(err)
	}
	if there, err := store.Exists(t.Context(), url, nil); there || err != nil {
		t.Errorf("without Commit it is there: %v, %v", there, err)
	}
	if err := write(t.Context(), false, true, content); err != nil {
		t.Fatal(err)
	}
	if err := write(t.Context(), false, true, content); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), url) {
		t.Errorf("there already: %v", err)
	}
	if err := store.WriteFile(t.Context(), url, []byte("x"), false, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("there already: %v", err)
	}
	c, err := store.Fetch(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(c.Path); err != nil || !bytes.Equal(b, content) {
		t.Errorf("fetched: %d bytes, %v", len(b), err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(c.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v", err)
	}
	if err := write(t.Context(), true, true, []byte("new")); err != nil {
		t.Error(err)
	}
	if b, err := store.ReadFile(t.Context(), url, nil); err != nil || string(b) != "new" {
		t.Errorf("%q, %v", b, err)
	}
	if list := s.Uploads(t); len(list) > 0 {
		t.Errorf("uploads are left: %q", list)
	}
}

// TestS3WriteFile: of several that write an object one wins.
func TestS3WriteFile(t *testing.T) {
	s3test.Start(t)
	errs := make(chan error, 6)
	for i := range cap(errs) {
		go func() { // ends with its object
			errs <- store.WriteFile(t.Context(), "s3://data/plan.json", []byte{byte(i)}, false, nil)
		}()
	}
	won := 0
	for range cap(errs) {
		if err := <-errs; err == nil {
			won++
		} else if !errors.Is(err, fs.ErrExist) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d won", won)
	}
}

// TestS3Cache: what was read once comes from the folder, also for another process's
// dataset.
func TestS3Cache(t *testing.T) {
	s3test.Start(t)
	put(t, written(t, 0, 500, 5000), "s3://data/a.beton")
	cache, err := remote.OpenCache(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	var sums []string
	for k := range 2 {
		meter := new(store.Meter)
		ds, err := store.Open(t.Context(), []string{"s3://data/a.beton"}, &store.Options{Meter: meter, Remote: remote.Options{Cache: cache}})
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, sum(t, ds, loader.Random))
		if s := meter.Stats(); k == 1 && (s.Bytes > 0 || s.Cached == 0) {
			t.Errorf("the second time %+v", s)
		}
		if err := ds.Close(); err != nil {
			t.Error(err)
		}
	}
	if sums[0] != sums[1] {
		t.Error("the second time other bytes")
	}
}
