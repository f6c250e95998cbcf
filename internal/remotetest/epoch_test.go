// Package remotetest holds the test of what the rooms promise together: an epoch
// over a network that fails in every way gives the bytes of the local file, or one
// clear error.
package remotetest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/faultproxy"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/remote"
)

// large says whether the tests run in their whole size (BETONGO_LARGE=1).
var large = os.Getenv("BETONGO_LARGE") != ""

// sum is of everything that an epoch gives; each is called for every batch.
func sum(src ffcv.Source, order loader.Order, each func(n int)) (string, error) {
	f, err := ffcv.New(src, nil)
	if err != nil {
		return "", errors.Join(err, src.Close())
	}
	defer f.Close()
	l, err := loader.New(f, &loader.Options{BatchSize: 50, Order: order, Seed: 3, Workers: 4})
	if err != nil {
		return "", err
	}
	defer l.Close()
	h, n := sha256.New(), 0
	for b, err := range l.Epoch(context.Background(), 1) {
		if err != nil {
			return "", err
		}
		for _, o := range b.Outputs() {
			h.Write(o.Data)
		}
		b.Release()
		if each != nil {
			each(n)
		}
		n++
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// dataset is a file, local and in a store behind a proxy.
type dataset struct {
	server *s3test.Server
	proxy  *faultproxy.Proxy
	url    string
	data   []byte
	want   map[string]string // by order
}

var orders = map[string]loader.Order{"random": loader.Random, "quasi-random": loader.QuasiRandom}

func start(t *testing.T) *dataset {
	t.Helper()
	n := 500
	if large {
		n = 40_000
	}
	r := rand.New(rand.NewPCG(5, 6))
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "id", Field: fields.Int{}}, {Name: "data", Field: fields.Bytes{}}}, n, func(i int) []any {
		b := make([]byte, 500+r.IntN(12_000))
		for k := range b {
			b[k] = byte(r.Uint32())
		}
		return []any{i, b}
	}, &ffcv.Options{PageSize: ffcv.MinPageSize})
	d := &dataset{server: s3test.Start(t), url: "s3://data/train.beton", want: map[string]string{}}
	var err error
	if d.data, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteFile(t.Context(), d.url, d.data, nil, nil); err != nil {
		t.Fatal(err)
	}
	for name, order := range orders {
		if d.want[name], err = sum(ffcvtest.Lend(d.data), order, nil); err != nil {
			t.Fatal(err)
		}
	}
	if d.proxy, err = faultproxy.Start(d.server.Addr, faultproxy.Faults{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.proxy.Close() })
	return d
}

// epoch reads an epoch through the proxy and a memory that is far smaller than the
// file.
func (d *dataset) epoch(order loader.Order, opts remote.Options, each func(n int)) (string, remote.Stats, error) {
	opts.S3.Endpoint = "http://" + d.proxy.Addr()
	obj, err := remote.Open(context.Background(), d.url, &opts)
	if err != nil {
		return "", remote.Stats{}, err
	}
	src, err := ffcv.CacheSource(obj.Name(), obj, obj.Size(), 1<<20)
	if err != nil {
		return "", remote.Stats{}, errors.Join(err, obj.Close())
	}
	got, err := sum(src, order, each)
	return got, obj.Stats(), err
}

// TestS3Epoch: faults that pass are not seen.
func TestS3Epoch(t *testing.T) {
	d := start(t)
	status := func(codes ...int) func(int) int {
		r := rand.New(rand.NewPCG(8, uint64(codes[0])))
		left := 0 // of a burst
		return func(int) int {
			if left == 0 && r.IntN(20) == 0 {
				left = 1 + r.IntN(6)
			}
			if left == 0 {
				return 0
			}
			left--
			return codes[r.IntN(len(codes))]
		}
	}
	for _, c := range []struct {
		name   string
		faults faultproxy.Faults
		opts   remote.Options
	}{
		{"nothing", faultproxy.Faults{}, remote.Options{}},
		{"far away", faultproxy.Faults{Latency: 5 * time.Millisecond}, remote.Options{}},
		{"cut connections", faultproxy.Faults{CutEvery: 200_000, Seed: 1}, remote.Options{}},
		{"cut all the time", faultproxy.Faults{CutEvery: 50_000, Seed: 2}, remote.Options{Retries: 30}},
		{"bursts of 5xx", faultproxy.Faults{Fail: status(500, 502, 503, 504)}, remote.Options{Retries: 12}},
		{"slow down", faultproxy.Faults{Fail: status(503, 429)}, remote.Options{Retries: 12}},
		{"a slow server", faultproxy.Faults{BytesPerSecond: 2e6, LinkBytesPerSecond: 8e6}, remote.Options{Timeout: time.Second}},
		{"a server that goes silent", faultproxy.Faults{StallEvery: 400_000, Seed: 3}, remote.Options{Timeout: 150 * time.Millisecond, Retries: 12}},
		{"everything", faultproxy.Faults{Latency: time.Millisecond, CutEvery: 400_000, StallEvery: 1e6, Fail: status(503, 500), Seed: 4}, remote.Options{Timeout: 150 * time.Millisecond, Retries: 30}},
	} {
		for name, order := range orders {
			if name != "random" && !large {
				continue
			}
			t.Run(c.name+"/"+name, func(t *testing.T) {
				d.proxy.Set(c.faults)
				got, stats, err := d.epoch(order, c.opts, nil)
				if err != nil || got != d.want[name] {
					t.Errorf("%s, want %s; %v", got, d.want[name], err)
				}
				t.Logf("%d requests, %.2f of the file's bytes", stats.Requests, float64(stats.Bytes)/float64(len(d.data)))
			})
		}
	}
	t.Run("a server that dies and comes back", func(t *testing.T) {
		d.proxy.Set(faultproxy.Faults{})
		var once sync.Once
		back := make(chan error, 1)
		got, _, err := d.epoch(loader.Random, remote.Options{Retries: 30}, func(n int) {
			once.Do(func() {
				d.server.Kill()
				go func() { // ends with the server's start; received below
					time.Sleep(300 * time.Millisecond)
					back <- d.server.Restart()
				}()
			})
		})
		if err := errors.Join(err, <-back); err != nil || got != d.want["random"] {
			t.Errorf("%s, want %s; %v", got, d.want["random"], err)
		}
	})
}

var ranges = regexp.MustCompile(`bytes [0-9]+-[0-9]+/`)

// TestS3EpochEnds: what doesn't pass is one clear error, which names the object
// and no secret.
func TestS3EpochEnds(t *testing.T) {
	d := start(t)
	head := func(old, new string) func(int, []byte) []byte {
		first := d.proxy.Requests() + 8 // the opening goes well
		return func(n int, head []byte) []byte {
			if int64(n) < first {
				return head
			}
			return bytes.Replace(head, []byte(old), []byte(new), 1)
		}
	}
	after := func(code int) func(int) int {
		first := d.proxy.Requests() + 8
		return func(n int) int {
			if int64(n) < first {
				return 0
			}
			return code
		}
	}
	put := func(b []byte) {
		if err := remote.WriteFile(t.Context(), d.url, b, nil, &remote.WriteOptions{Overwrite: true}); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []struct {
		name   string
		faults func() faultproxy.Faults
		do     func() // behind the first batch
		is     error
		text   string
	}{
		{"another range", func() faultproxy.Faults {
			f := after(1)
			return faultproxy.Faults{Answer: func(n int, head []byte) []byte {
				if f(n) == 0 {
					return head
				}
				return ranges.ReplaceAll(head, []byte("bytes 0-4095/"))
			}}
		}, nil, nil, "the server sent bytes 0 to 4096"},
		{"no range", func() faultproxy.Faults { return faultproxy.Faults{Answer: head("Content-Range:", "Content-Rage:")} }, nil, nil, "Content-Range"},
		{"200 instead of 206", func() faultproxy.Faults {
			return faultproxy.Faults{Answer: head("206 Partial Content", "200 OK")}
		}, nil, nil, "the whole file instead of a range"},
		{"another ETag", func() faultproxy.Faults { return faultproxy.Faults{Answer: head("ETag: ", "ETag: \"f\" ")} }, nil, remote.ErrChanged, ""},
		{"403", func() faultproxy.Faults { return faultproxy.Faults{Fail: after(403)} }, nil, remote.ErrDenied, "AccessDenied"},
		{"503 for ever", func() faultproxy.Faults { return faultproxy.Faults{Fail: after(503)} }, nil, nil, "503 Service Unavailable (SlowDown) (tried 4 times)"},
		{"cut for ever", func() faultproxy.Faults {
			return faultproxy.Faults{Answer: func() func(int, []byte) []byte {
				f := after(1)
				return func(n int, head []byte) []byte {
					if f(n) == 1 {
						return nil
					}
					return head
				}
			}()}
		}, nil, nil, "(tried 4 times)"},
		{"replaced", nil, func() { b := bytes.Clone(d.data); b[len(b)-1]++; put(b) }, remote.ErrChanged, ""},
		{"replaced by a shorter one", nil, func() { put(d.data[:len(d.data)/2]) }, remote.ErrChanged, ""},
		{"deleted", nil, func() {
			if err := remote.Delete(t.Context(), d.url, nil); err != nil {
				t.Error(err)
			}
		}, remote.ErrChanged, "gone"},
		{"a server that dies", nil, d.server.Kill, nil, "(tried 4 times)"}, // the last one
	} {
		t.Run(c.name, func(t *testing.T) {
			put(d.data)
			d.proxy.Set(faultproxy.Faults{})
			if c.faults != nil {
				d.proxy.Set(c.faults())
			}
			var once sync.Once
			_, _, err := d.epoch(loader.Random, remote.Options{Retries: 3}, func(n int) {
				if c.do != nil {
					once.Do(c.do)
				}
			})
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), d.url) {
				t.Fatalf("%v", err)
			}
			if strings.Contains(err.Error(), "testsecret") || strings.Contains(err.Error(), "testkey") {
				t.Errorf("%v", err)
			}
			t.Log(err)
		})
	}
}
