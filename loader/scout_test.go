package loader_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/loader"
)

// away is a file that is some time away.
type away struct {
	io.ReaderAt
	wait time.Duration
}

func (a away) Reads() int { return 16 }

func (a away) ReadAt(p []byte, off int64) (int, error) {
	time.Sleep(a.wait)
	return a.ReaderAt.ReadAt(p, off)
}

// awaited is a dataset that notes how many values were announced and not asked for
// yet.
type awaited struct {
	*ffcv.File
	mu     sync.Mutex
	at     map[int64]bool // offsets of values
	most   int
	asked  int
	cold   int // asked for without having been announced
	forgot bool
}

func (d *awaited) WillNeed(ranges []ffcv.Range) {
	d.mu.Lock()
	d.forgot = len(ranges) == 0
	for _, r := range ranges {
		for off := r.Off; off < r.Off+r.Len; off += awayBytes {
			d.at[off] = true
		}
	}
	d.most = max(d.most, len(d.at))
	d.mu.Unlock()
	d.File.WillNeed(ranges)
}

func (d *awaited) Bytes(sample int, ptr uint64, size int64, buf []byte) ([]byte, error) {
	d.mu.Lock()
	d.asked++
	if !d.at[int64(ptr)] {
		d.cold++
	}
	delete(d.at, int64(ptr))
	d.mu.Unlock()
	return d.File.Bytes(sample, ptr, size, buf)
}

const awayBytes = 20_000

// awayFile is n samples through a cache of so many bytes, wait away.
func awayFile(t *testing.T, n int, memory int64, wait time.Duration) *awaited {
	t.Helper()
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "v", Field: fields.Bytes{}}}, n, func(i int) []any {
		return []any{bytes.Repeat([]byte{byte(i), byte(i >> 8)}, awayBytes/2)}
	}, &ffcv.Options{PageSize: ffcv.MinPageSize})
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	src, err := ffcv.CacheSource("away", away{bytes.NewReader(b), wait}, int64(len(b)), memory)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ffcv.New(src, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &awaited{File: f, at: map[int64]bool{}}
}

// TestScout: of a file far away samples are announced further ahead than there are
// batches, as far as half of its cache has room, and all come as the order says.
func TestScout(t *testing.T) {
	const n, batch, ahead = 500, 10, 3
	for _, c := range []struct {
		memory      int64
		least, most int // samples announced at a time
	}{
		{512 << 10, batch, ahead * batch},
		{4 << 20, 35, 60},
		{64 << 20, n / 2, n},
	} {
		for _, order := range []loader.Order{loader.Sequential, loader.Random, loader.QuasiRandom} {
			t.Run(fmt.Sprintf("%T %d", order, c.memory), func(t *testing.T) {
				settle := leak.Watch(t)
				f := awayFile(t, n, c.memory, time.Millisecond)
				l := newLoader(t, f, &loader.Options{BatchSize: batch, BatchesAhead: ahead, Workers: 2, Order: order, Seed: 3,
					Quarantine: []int{7, 400}, Outputs: []loader.Output{{Name: "v", Ragged: true}}})
				for epoch := range 2 {
					seen := map[int]bool{}
					for b, err := range l.Epoch(t.Context(), epoch) {
						if err != nil {
							t.Fatal(err)
						}
						v := b.Output("v")
						for i, id := range b.Samples() {
							if got := v.Value(i); len(got) != awayBytes || got[0] != byte(id) || got[awayBytes-1] != byte(id>>8) {
								t.Fatalf("sample %d: %d bytes", id, len(got))
							}
							seen[id] = true
						}
						time.Sleep(2 * time.Millisecond)
						b.Release()
					}
					if len(seen) != n-2 {
						t.Errorf("%d samples", len(seen))
					}
				}
				if f.cold > 0 || f.most < c.least || f.most > c.most {
					t.Errorf("%d values of %d were not announced; up to %d at a time, want %d to %d", f.cold, f.asked, f.most, c.least, c.most)
				}
				f.Close()
				settle()
			})
		}
	}
}

// TestScoutEnds: who leaves an epoch early leaves nothing behind.
func TestScoutEnds(t *testing.T) {
	settle := leak.Watch(t)
	f := awayFile(t, 300, 16<<20, 3*time.Millisecond)
	l := newLoader(t, f, &loader.Options{BatchSize: 10, Workers: 2, Order: loader.Random, Outputs: []loader.Output{{Name: "v", Ragged: true}}})
	for epoch := range 10 {
		ctx, stop := context.WithCancel(t.Context())
		batches := 0
		for b, err := range l.Epoch(ctx, epoch) {
			if err != nil {
				break
			}
			b.Release()
			if batches++; batches > epoch {
				if epoch%2 == 0 {
					break
				}
				stop()
			}
		}
		stop()
		if !f.forgot {
			t.Errorf("epoch %d: what was announced was not taken back", epoch)
		}
	}
	l.Close()
	f.Close()
	settle()
}

// broken is an order that fails at a position.
type broken struct{ at int }

func (o broken) Plan(s loader.Selection) (loader.Plan, error) { return brokenPlan{o.at, s.Len}, nil }

type brokenPlan struct{ at, n int }

func (p brokenPlan) Len() int { return p.n }

func (p brokenPlan) Epoch(loader.Start) (loader.Sequence, error) {
	return loader.SequenceFunc(func(dst []int, from, step int) error {
		for i := range dst {
			if dst[i] = from + i*step; dst[i] == p.at {
				return errors.New("no more")
			}
		}
		return nil
	}), nil
}

// TestScoutError: an order that fails fails at its batch, not before.
func TestScoutError(t *testing.T) {
	f := awayFile(t, 300, 16<<20, 0)
	for _, at := range []int{0, 5, 95, 299} {
		l := newLoader(t, f, &loader.Options{BatchSize: 10, Workers: 2, Order: broken{at}, Outputs: []loader.Output{{Name: "v", Ragged: true}}})
		batches, last := 0, error(nil)
		for b, err := range l.Epoch(t.Context(), 0) {
			if err != nil {
				last = err
				break
			}
			batches++
			b.Release()
		}
		if batches != at/10 || last == nil || !strings.Contains(last.Error(), "no more") {
			t.Errorf("at %d: %d batches, %v", at, batches, last)
		}
	}
}
