package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/betongo/betongo/internal/faultproxy"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/remote"
)

const mib = 1 << 20

// check reads an object whole.
func check(t *testing.T, url string, want []byte) {
	t.Helper()
	o := open(t, url, nil)
	got := make([]byte, o.Size())
	if _, err := o.ReadAt(got, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: %d bytes, want %d others", url, len(got), len(want))
	}
}

func TestS3Compose(t *testing.T) {
	s := s3test.Start(t)
	p, err := faultproxy.Start(s.Addr, faultproxy.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	t.Setenv("AWS_ENDPOINT_URL", "http://"+p.Addr())
	a, b, head := noise(24*mib+7), noise(11*mib), noise(100_000)
	const ua, ub = "s3://data/shards/a ä+%.beton", "s3://data/shards/b.beton"
	if err := errors.Join(upload(t, nil, ua, a, nil), upload(t, nil, ub, b, nil)); err != nil {
		t.Fatal(err)
	}
	web := serve(t, &object{data: b, etag: `"w"`})
	whole := func(url string, data []byte) remote.Piece { return remote.Piece{Object: url, Len: int64(len(data))} }
	ours := func(b []byte) remote.Piece { return remote.Piece{Len: int64(len(b)), Bytes: bytes.NewReader(b)} }
	part := func(url string, off, n int64) remote.Piece { return remote.Piece{Object: url, Off: off, Len: n} }
	for i, c := range []struct {
		pieces []remote.Piece
		most   int64 // bytes that go through here
	}{
		{nil, 1e5},
		{[]remote.Piece{ours(nil), ours(head[:1])}, 1e5},
		{[]remote.Piece{whole(ua, a)}, 1e5},
		{[]remote.Piece{whole(ua, a), whole(ub, b)}, 1e5},
		{[]remote.Piece{ours(head), whole(ua, a), whole(ub, b), ours(head)}, 11 * mib},
		{[]remote.Piece{part(ua, 0, 5*mib), part(ub, 1, 5*mib-1), part(ua, 3, 5*mib+1)}, 21 * mib},
		{[]remote.Piece{part(ua, 5*mib, 6*mib), part(ua, 11*mib, 6*mib), part(ub, 0, 10)}, 1e5}, // joined
		{[]remote.Piece{part(ub, 0, 10), part(ua, 5, 10), ours(head), part(ub, 7*mib, 4*mib)}, 15 * mib},
		{[]remote.Piece{whole(web, b), whole(ua, a), ours(noise(40 * mib)), whole(ub, b)}, 80 * mib},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			var want []byte
			for _, p := range c.pieces {
				switch p.Object {
				case ua:
					want = append(want, a[p.Off:p.Off+p.Len]...)
				case ub, web:
					want = append(want, b[p.Off:p.Off+p.Len]...)
				default:
					b := make([]byte, p.Len)
					p.Bytes.ReadAt(b, p.Off)
					want = append(want, b...)
				}
			}
			url := fmt.Sprintf("s3://data/out-%d", i)
			before := p.Bytes() + p.Sent()
			if err := remote.Compose(t.Context(), url, c.pieces, nil, nil); err != nil {
				t.Fatal(err)
			}
			if n := p.Bytes() + p.Sent() - before; n > c.most {
				t.Errorf("%d bytes went through here, want at most %d", n, c.most)
			}
			check(t, url, want)
			if err := remote.Compose(t.Context(), url, c.pieces, nil, nil); !errors.Is(err, remote.ErrExist) {
				t.Errorf("again: %v", err)
			}
		})
	}
	t.Run("wrong", func(t *testing.T) {
		for _, c := range []struct {
			piece remote.Piece
			want  string
		}{
			{part(ua, 0, int64(len(a))+1), "want bytes 0 to"},
			{part(ua, -1, 5), "piece 0"},
			{part(ua, 1<<62, 1<<62), "piece 0"},
			{remote.Piece{Len: 1}, "piece 0"},
			{part("s3://data/none", 0, 10), "no such object"},
			{remote.Piece{Object: ua, Len: 1, Version: `"old"`}, "replaced"},
			{remote.Piece{Len: 10, Bytes: bytes.NewReader(head[:9])}, "unexpected EOF"},
			{part("ftp://x/y", 0, 10), "scheme"},
		} {
			err := remote.Compose(t.Context(), "s3://data/wrong", []remote.Piece{whole(ua, a), c.piece}, nil, nil)
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "piece 1", "piece 0"), c.want) {
				t.Errorf("%+v: %v", c.piece, err)
			}
			if _, err := remote.Stat(t.Context(), "s3://data/wrong", nil); !errors.Is(err, remote.ErrNotExist) {
				t.Errorf("%+v: something was written: %v", c.piece, err)
			}
		}
	})
	if left := s.Uploads(t); len(left) > 0 {
		t.Errorf("uploads are left: %q", left)
	}
}

// TestS3ComposeFaults: what passes is tried again, and whatever happens there is
// the whole object or none, and no part is left.
func TestS3ComposeFaults(t *testing.T) {
	s := s3test.Start(t)
	a := noise(17*mib + 3)
	const ua = "s3://data/a"
	if err := upload(t, nil, ua, a, nil); err != nil {
		t.Fatal(err)
	}
	entry, err := remote.Stat(t.Context(), ua, nil)
	if err != nil || entry.Size != int64(len(a)) || entry.Version == "" {
		t.Fatalf("%+v, %v", entry, err)
	}
	pieces := []remote.Piece{
		{Object: ua, Version: entry.Version, Len: int64(len(a))}, {Len: 10, Bytes: strings.NewReader("0123456789")},
		{Object: ua, Off: 1, Len: 9 * mib}, {Object: ua, Len: 100},
	}
	want := append(append(append(bytes.Clone(a), "0123456789"...), a[1:1+9*mib]...), a[:100]...)
	p, err := faultproxy.Start(s.Addr, faultproxy.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	t.Setenv("AWS_ENDPOINT_URL", "http://"+p.Addr())
	t.Run("bursts of 503", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		p.Set(faultproxy.Faults{Fail: func(n int) int { return []int{0, 0, 0, 503, 500, 429}[r.IntN(6)] }})
		if err := remote.Compose(t.Context(), "s3://data/503", pieces, &remote.Options{Retries: 20}, nil); err != nil {
			t.Fatal(err)
		}
		p.Set(faultproxy.Faults{})
		check(t, "s3://data/503", want)
	})
	t.Run("answers that are lost", func(t *testing.T) {
		// The server has done what it was asked for, and here nobody knows.
		r := rand.New(rand.NewPCG(3, 4))
		lost := faultproxy.Faults{Answer: func(_ int, head []byte) []byte {
			if r.IntN(3) == 0 && !bytes.HasPrefix(head, []byte("HTTP/1.1 100")) {
				return nil
			}
			return head
		}}
		for i := range 3 {
			p.Set(lost)
			url := fmt.Sprintf("s3://data/lost-%d", i)
			err := remote.Compose(t.Context(), url, pieces, nil, nil)
			small := remote.WriteFile(t.Context(), url+".json", []byte("{}"), nil, nil)
			p.Set(faultproxy.Faults{})
			if err != nil || small != nil {
				t.Fatal(err, small)
			}
			check(t, url, want)
			check(t, url+".json", []byte("{}"))
		}
	})
	t.Run("refused", func(t *testing.T) {
		for k := 2; k < 12; k++ {
			first := p.Requests()
			p.Set(faultproxy.Faults{Fail: func(n int) int {
				if int64(n) == first+int64(k) {
					return 403
				}
				return 0
			}})
			url := fmt.Sprintf("s3://data/refused-%d", k)
			err := remote.Compose(t.Context(), url, pieces, nil, nil)
			p.Set(faultproxy.Faults{})
			if _, there := remote.Stat(t.Context(), url, nil); (err == nil) != (there == nil) {
				t.Errorf("request %d refused: %v; afterwards %v", k, err, there)
			}
			if err != nil && !errors.Is(err, remote.ErrDenied) {
				t.Errorf("request %d refused: %v", k, err)
			}
		}
	})
	left := func() (keys []string) {
		for _, key := range s.Uploads(t) {
			if !strings.HasPrefix(key, "lost-") { // those were begun twice, and are without a part
				keys = append(keys, key)
			}
		}
		return keys
	}
	if left := left(); len(left) > 0 {
		t.Errorf("uploads are left: %q", left)
	}
	t.Run("cancelled", func(t *testing.T) {
		for i := range 8 {
			p.Set(faultproxy.Faults{Latency: 10 * time.Millisecond})
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*15*time.Millisecond)
			url := fmt.Sprintf("s3://data/cancelled-%d", i)
			err := remote.Compose(ctx, url, pieces, nil, nil)
			cancel()
			p.Set(faultproxy.Faults{})
			if _, there := remote.Stat(t.Context(), url, nil); err == nil && there != nil {
				t.Errorf("done, but %v", there)
			}
		}
		if left := left(); len(left) > 0 {
			t.Errorf("uploads are left: %q", left)
		}
	})
	t.Run("replaced meanwhile", func(t *testing.T) {
		first := p.Requests()
		p.Set(faultproxy.Faults{Fail: func(n int) int {
			if int64(n) == first+3 { // the upload has begun
				t.Setenv("AWS_ENDPOINT_URL", s.URL)
				if err := upload(t, &remote.Options{S3: remote.S3{Endpoint: s.URL}}, ua, noise(len(a) + 1)[1:], &remote.WriteOptions{Overwrite: true}); err != nil {
					t.Error(err)
				}
			}
			return 0
		}})
		err := remote.Compose(t.Context(), "s3://data/mixed", pieces, nil, nil)
		if !errors.Is(err, remote.ErrChanged) || !strings.Contains(err.Error(), ua) {
			t.Errorf("%v", err)
		}
		p.Set(faultproxy.Faults{})
		if _, err := remote.Stat(t.Context(), "s3://data/mixed", nil); !errors.Is(err, remote.ErrNotExist) {
			t.Errorf("something was written: %v", err)
		}
	})
}

// TestS3Race: of those that write the same object at the same time one succeeds.
func TestS3Race(t *testing.T) {
	s3test.Start(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := []int{}
	for i := range 8 {
		wg.Add(1)
		go func() { // ends with its write
			defer wg.Done()
			err := remote.WriteFile(t.Context(), "s3://data/one", fmt.Appendf(nil, "%d", i), nil, nil)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				won = append(won, i)
			} else if !errors.Is(err, remote.ErrExist) {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	b, err := remote.ReadFile(t.Context(), "s3://data/one", nil)
	if err != nil || len(won) != 1 || string(b) != fmt.Sprint(won[0]) {
		t.Errorf("%v succeeded, there is %q, %v", won, b, err)
	}
	if err := remote.WriteFile(t.Context(), "s3://data/one", nil, nil, &remote.WriteOptions{Overwrite: true}); err != nil {
		t.Fatal(err)
	}
	if b, err := remote.ReadFile(t.Context(), "s3://data/one", nil); err != nil || len(b) != 0 {
		t.Errorf("overwritten by nothing: %q, %v", b, err)
	}
	if _, err := remote.ReadFile(t.Context(), "s3://data/none", nil); !errors.Is(err, remote.ErrNotExist) {
		t.Error(err)
	}
}
