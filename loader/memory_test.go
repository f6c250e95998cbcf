package loader_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/loader"
)

var errNoMemory = errors.New("no more memory")

// counted is an Allocator over maps of its own, which looks at what it is given
// back. Its memory begins as anything but zeros.
type counted struct {
	mu    sync.Mutex
	out   map[*byte][]byte // what nobody has freed
	calls int
	most  int // so many calls of Alloc succeed; below 0 all
	odd   error
}

func newCounted(most int) *counted { return &counted{out: map[*byte][]byte{}, most: most} }

func (a *counted) Alloc(n int) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.calls++; a.most >= 0 && a.calls > a.most {
		return nil, errNoMemory
	}
	if n <= 0 {
		a.odd = fmt.Errorf("Alloc of %d bytes", n)
	}
	b, err := mmap.Anon(n)
	if err != nil {
		return nil, err
	}
	for i := range b {
		b[i] = 0xa5
	}
	a.out[&b[0]] = b
	return b, nil
}

func (a *counted) Free(b []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	got := a.out[&b[0]]
	if len(got) != len(b) || cap(got) != cap(b) {
		a.odd = fmt.Errorf("Free of %d bytes of %d, Alloc gave %d of %d", len(b), cap(b), len(got), cap(got))
		return a.odd
	}
	delete(a.out, &b[0])
	b[0]++ // it is memory to use again, also of a debug build
	return mmap.Free(b)
}

// check waits until all is freed: what nobody releases is, by the collector.
func (a *counted) check(t *testing.T) {
	t.Helper()
	left := func() int {
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.out)
	}
	for range 1000 {
		if left() == 0 {
			break
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if n := left(); n > 0 || a.odd != nil {
		t.Errorf("%d of %d pieces of memory not freed, %v", n, a.calls, a.odd)
	}
}

// texts is a file with texts of very different lengths.
func texts(t testing.TB, n int) *ffcv.File {
	t.Helper()
	return ffcvtest.Map(t, ffcvtest.Write(t, []ffcv.FieldSpec{
		{Name: "x", Field: fields.NDArray{DType: array.Float32, Shape: []int{3}}},
		{Name: "n", Field: fields.Int{}},
		{Name: "text", Field: fields.Bytes{}},
	}, n, func(i int) []any {
		v := float32(i)
		return []any{[]float32{v, v + 0.25, v + 0.5}, i, bytes.Repeat([]byte{byte(i)}, i*i%977*(1+i/40))}
	}, nil), nil)
}

// tens fails every tenth sample.
func tens(b []byte, _ *rand.Rand) error {
	if b[0]%10 == 3 {
		return errors.New("a three at its end")
	}
	return nil
}

// allocated are options under which memory is got in every way.
func allocated(a loader.Allocator) loader.Options {
	return loader.Options{BatchSize: 16, Workers: 2, Order: loader.Random, Seed: 3, OnError: loader.Skip, Allocator: a, Outputs: []loader.Output{
		{Name: "n", Ops: []any{opFunc(tens)}},
		{Name: "again", Field: "text", Ragged: true},
		{Name: "shifted", Field: "n", Ops: []any{shift{stream: "s"}, shift{inPlace: true, stream: "t"}}},
	}}
}

// TestAllocator: batches are the same wherever their memory comes from, and all of
// it goes back: that of batches released, dropped and left over by epochs that end
// early, of schedules, of Get and of the workers.
func TestAllocator(t *testing.T) {
	f := texts(t, 200)
	a := newCounted(-1)
	ends := map[string]func(l *loader.Loader){
		"whole": func(l *loader.Loader) { load(t, l, 1, -1) },
		"break": func(l *loader.Loader) { load(t, l, 1, 2) },
		"unreleased": func(l *loader.Loader) {
			for _, err := range l.Epoch(t.Context(), 0) {
				if err != nil {
					t.Fatal(err)
				}
			}
		},
		"get": func(l *loader.Loader) {
			b, err := l.Slice(t.Context(), 2, 20, 90)
			if err != nil {
				t.Fatal(err)
			}
			b.Release()
		},
		"replay": func(l *loader.Loader) {
			if _, err := l.Replay(7, 1); err != nil {
				t.Fatal(err)
			}
		},
		"released after Close": func(l *loader.Loader) {
			for b, err := range l.Epoch(t.Context(), 0) {
				if err != nil {
					t.Fatal(err)
				}
				l.Close()
				b.Release()
			}
		},
	}
	for name, end := range ends {
		opts := allocated(a)
		l, err := loader.New(f, &opts)
		if err != nil {
			t.Fatal(err)
		}
		end(l)
		if err := l.Close(); err != nil {
			t.Errorf("%s: close: %v", name, err)
		}
	}
	opts, plain := allocated(a), allocated(nil)
	l := newLoader(t, f, &opts)
	got, _ := load(t, l, 1, -1)
	want, _ := load(t, newLoader(t, f, &plain), 1, -1)
	if !slices.Equal(got, want) {
		t.Error(difference(got, want))
	}
	l.Close()
	scheduled := loader.Options{BatchSize: 16, Allocator: a, OutputsAt: func(epoch int) []loader.Output {
		return []loader.Output{{Name: "n", Ops: slices.Repeat([]any{shift{stream: "s"}}, epoch)}}
	}}
	l = newLoader(t, f, &scheduled)
	for epoch := range 4 {
		load(t, l, epoch, -1)
	}
	l.Close()
	a.check(t)
	if a.calls < 20 {
		t.Errorf("%d calls of Alloc", a.calls)
	}
}

// TestAllocatorAtOnce: a released batch's memory, and what Close finds, go back
// without the collector.
func TestAllocatorAtOnce(t *testing.T) {
	if loader.Debugging {
		t.Skip("a debug build keeps a released batch's memory")
	}
	a := newCounted(-1)
	opts := allocated(a)
	l := newLoader(t, texts(t, 100), &opts)
	load(t, l, 0, -1)
	l.Close()
	if len(a.out) != 0 || a.odd != nil {
		t.Errorf("%d of %d pieces of memory not freed by Close, %v", len(a.out), a.calls, a.odd)
	}
	b, err := l.Get(t.Context(), 0, []int{4, 5})
	if err != nil {
		t.Fatal(err)
	}
	if b.Release(); len(a.out) != 0 {
		t.Errorf("%d pieces of memory not freed by Release after Get", len(a.out))
	}
}

// TestAllocatorFails: an error of Alloc, wherever it comes, ends the epoch and says
// what it was for.
func TestAllocatorFails(t *testing.T) {
	f := texts(t, 200)
	for most := range 400 {
		a := newCounted(most)
		opts := allocated(a)
		l := newLoader(t, f, &opts)
		n, err := consume(t.Context(), l, 1000)
		if err == nil {
			if most < 10 || n != 13 {
				t.Errorf("%d calls of Alloc: %d batches, no error", most, n)
			}
			l.Close()
			a.check(t)
			return
		}
		if !errors.Is(err, errNoMemory) || !strings.Contains(err.Error(), "batch ") || !strings.Contains(err.Error(), `output "`) {
			t.Errorf("%d calls of Alloc: %v", most, err)
		}
		l.Close()
		a.check(t)
	}
	t.Error("400 calls of Alloc are not enough")
}

// brief gives less than it is asked for, and panics when it can't be asked.
type brief struct{ *counted }

func (a brief) Alloc(n int) ([]byte, error) {
	if a.most == 0 {
		panic("out of order")
	}
	return a.counted.Alloc(n - 1)
}

func TestAllocatorGivesLess(t *testing.T) {
	f := texts(t, 20)
	for most, want := range map[int]string{-1: "bytes of memory, want ", 0: "out of order"} {
		a := brief{newCounted(most)}
		l := newLoader(t, f, &loader.Options{Allocator: a})
		if _, err := consume(context.Background(), l, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		l.Close()
		a.check(t)
	}
}

// TestNoOutputs: a loader without outputs gives batches of samples' numbers alone.
func TestNoOutputs(t *testing.T) {
	f := texts(t, 100)
	off := []loader.Output{{Name: "x", Disabled: true}, {Name: "n", Disabled: true}, {Name: "text", Disabled: true}}
	for _, workers := range []int{1, 3} {
		a := newCounted(0)
		opts := &loader.Options{BatchSize: 7, Workers: workers, Order: loader.Random, Seed: 5, Outputs: off, Allocator: a}
		l := newLoader(t, f, opts)
		with := *opts
		with.Outputs, with.Allocator = nil, nil
		full := newLoader(t, f, &with)
		want := ids(t, full, 2)
		if got := ids(t, l, 2); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		b, err := l.Get(t.Context(), 0, []int{9, 3, 9})
		if err != nil || !slices.Equal(b.Samples(), []int{9, 3, 9}) || len(b.Outputs()) != 0 {
			t.Errorf("Get: %v", err)
		}
		b.Release()
		if r, err := l.Replay(3, 0); err != nil || len(r.Outputs) != 0 {
			t.Errorf("Replay: %v, %v", r, err)
		}
		for _, err := range l.Epoch(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		s := stateOf(t, l)
		if got := ids(t, resume(t, f, *opts, s), 0); !slices.Equal(got, ids(t, full, 0)[7:]) {
			t.Errorf("resumed: %v", got)
		}
		if v := l.Stats(); v.Verdict() == "" {
			t.Error("no verdict")
		}
		if a.check(t); a.calls != 0 {
			t.Errorf("%d calls of Alloc", a.calls)
		}
	}
	skip := newLoader(t, f, &loader.Options{BatchSize: 7, Outputs: off, OnError: loader.Skip, Quarantine: []int{0, 50}})
	if got := ids(t, skip, 0); len(got) != 100 || slices.Contains(got, 50) {
		t.Errorf("with a quarantine: %v", got)
	}
}

// ids returns the samples of an epoch in order.
func ids(t *testing.T, l *loader.Loader, epoch int) (list []int) {
	t.Helper()
	for b, err := range l.Epoch(t.Context(), epoch) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b.Samples()...)
		b.Release()
	}
	return list
}

// TestStateAt: it is what State is at that place, of a resumed epoch too.
func TestStateAt(t *testing.T) {
	ds := newLabelled(t, 100)
	for _, opts := range []loader.Options{
		{BatchSize: 8}, {BatchSize: 8, WorldSize: 3, Rank: 1}, {BatchSize: 8, WorldSize: 3, Rank: 2, ExactlyOnce: true},
		{BatchSize: 33, DropLast: true}, {BatchSize: 7, Order: loader.Random, Seed: 4, Outputs: rowsOf},
	} {
		l := newLoader(t, ds, &opts)
		for range 3 { // at first whole, then resumed
			k := 0
			for b, err := range l.Epoch(t.Context(), 5) {
				if err != nil {
					t.Fatal(err)
				}
				k++
				if got, err := l.StateAt(5, k); err != nil || !equalStates(got, stateOf(t, l)) {
					t.Errorf("after %d batches: %+v, %v, want %+v", k, got, err, stateOf(t, l))
				}
				b.Release()
			}
			for epoch, batches := range map[int]int{5: k + 1, 4: -1, -1: 0} {
				if s, err := l.StateAt(epoch, batches); err == nil || s != nil {
					t.Errorf("epoch %d, %d batches: %+v, no error", epoch, batches, s)
				}
			}
			s, err := l.StateAt(5, min(1, k))
			if err != nil {
				t.Fatal(err)
			}
			l = resume(t, ds, opts, s)
			if got, err := l.StateAt(5, 0); err != nil || !equalStates(got, s) {
				t.Errorf("%+v, %v, want %+v", got, err, s)
			}
		}
	}
}
