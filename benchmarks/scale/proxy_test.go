package main

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/faultproxy"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/store"
)

// served puts a file behind a web server and a proxy that is some way off.
func served(t *testing.T, path string, latency time.Duration) *faultproxy.Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		w.Header().Set("ETag", `"1"`)
		http.ServeContent(w, r, "", time.Time{}, f)
	})}
	done := make(chan struct{})
	go func() { // ends with Close; received below
		defer close(done)
		server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	p, err := faultproxy.Start(l.Addr().String(), faultproxy.Faults{Latency: latency})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// load loads an epoch of a URL, and returns the samples in their order and what the
// proxy saw of it.
func (c *checkCmd) load(ctx context.Context, p *faultproxy.Proxy, order string, requests int) (r foretold, ids []int, err error) {
	ds, err := store.Open(ctx, []string{"http://" + p.Addr() + "/x.beton"}, &store.Options{
		Remote: remote.Options{Requests: requests}, File: &ffcv.OpenOptions{Memory: int64(c.Memory)},
	})
	if err != nil {
		return r, nil, err
	}
	defer ds.Close()
	l, err := loader.New(ds, &loader.Options{BatchSize: c.Batch, Workers: c.Workers, Order: checkOrders[order], Seed: 1,
		Outputs: []loader.Output{{Name: "x", Decoder: sleeper(c.Decode)}}})
	if err != nil {
		return r, nil, err
	}
	defer l.Close()
	asked, bytes := p.Requests(), p.Bytes()
	for b, err := range l.Epoch(ctx, 0) {
		if err != nil {
			return r, nil, err
		}
		ids = append(ids, b.Samples()...)
		b.Release()
	}
	r.Requests, r.Bytes = int(p.Requests()-asked), p.Bytes()-bytes
	return r, ids, nil
}

// TestNeighboursProxy: of an epoch from a real server, far away, as many requests come
// by as the simulator foretells: some for each sample where the file is larger than
// the memory, and a tenth of them where it has room and neighbours are read along.
func TestNeighboursProxy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.beton")
	c := &checkCmd{Samples: 800, Size: 40 << 10, Batch: 32, Workers: 2, Decode: 500 * time.Microsecond}
	if err := writeValues(t.Context(), path, c.Samples, int(c.Size)); err != nil {
		t.Fatal(err)
	}
	l, err := layoutOf(path)
	if err != nil {
		t.Fatal(err)
	}
	p := served(t, path, 20*time.Millisecond)
	c.best = float64(c.Workers) / c.Decode.Seconds()
	list := []string{"random", "blocks"}
	if testing.Short() {
		list = list[:1]
	}
	for _, order := range list {
		for _, reads := range []int{4, 16} {
			for _, c.Memory = range []term.Size{24 << 20, 46 << 20, 512 << 20} {
				fits := c.Memory == 512<<20 || c.Memory == 46<<20 && reads == 4 // what requests are read into is taken off the memory
				t.Run(fmt.Sprintf("%s, %d at a time, %d MiB", order, reads, c.Memory>>20), func(t *testing.T) {
					got, ids, err := c.load(t.Context(), p, order, reads)
					if err != nil {
						t.Fatal(err)
					}
					m := c.foretell(l, &pair{order: order, far: far{latency: 20 * time.Millisecond, reads: reads}, ids: ids})
					t.Logf("%d requests, %d bytes; foretold %d, %d; the file has %d", got.Requests, got.Bytes, m.Requests, m.Bytes, l.Size)
					least, most := 0.75, 1.1
					if !fits { // on a busy machine requests wait, and then go together, or come late
						least, most = 0.5, 1.5
					}
					if few := float64(got.Requests) < 0.15*float64(c.Samples); few != fits {
						t.Errorf("%d requests of %d samples", got.Requests, c.Samples)
					}
					if n, want := float64(got.Requests), float64(m.Requests); n < least*want-2 || n > most*want+2 {
						t.Errorf("%d requests, foretold %d", got.Requests, m.Requests)
					}
					if off := math.Abs(float64(got.Bytes - int64(got.Requests)*300 - m.Bytes)); off > 0.05*float64(m.Bytes) {
						t.Errorf("%d bytes, foretold %d", got.Bytes, m.Bytes)
					}
				})
			}
		}
	}
}
