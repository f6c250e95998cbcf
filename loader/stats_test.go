package loader_test

import (
	"bytes"
	"context"
	"encoding/json"
	"expvar"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/loader"
)

// slowDecoder takes its time for each sample.
type slowDecoder time.Duration

func (d slowDecoder) BindField(ffcv.Field) (array.Spec, func(dst, meta []byte, data [][]byte, rng *rand.Rand) error, error) {
	return array.Spec{DType: array.Uint8, Shape: []int{8}}, func(dst, meta []byte, _ [][]byte, _ *rand.Rand) error {
		time.Sleep(time.Duration(d))
		copy(dst, meta)
		return nil
	}, nil
}

// slowFile takes its time for each read.
type slowFile struct {
	*ffcv.File
	time.Duration
}

func (f slowFile) Borrow(int64, int64) ([]byte, bool) { return nil, false }

func (f slowFile) Bytes(sample int, ptr uint64, size int64, buf []byte) ([]byte, error) {
	time.Sleep(f.Duration)
	return f.File.Bytes(sample, ptr, size, buf)
}

// slowBatch takes its time for each batch.
type slowBatch time.Duration

func (d slowBatch) BindBatch(in array.Spec) (array.Spec, func(dst, src []byte, samples []int, rng *rand.Rand) error, bool, error) {
	return in, func([]byte, []byte, []int, *rand.Rand) error {
		time.Sleep(time.Duration(d))
		return nil
	}, true, nil
}

// TestBounds slows down one part of the loader, or its consumer, so much that
// the rest doesn't count, and asks what held the epoch up.
func TestBounds(t *testing.T) {
	const ms = time.Millisecond
	f := numbers(t, 640)["map"]
	if f == nil {
		t.Fatal("no mapped file")
	}
	slowOp := func(d time.Duration, seldom int) any {
		n := 0
		var mu sync.Mutex
		return opFunc(func([]byte, *rand.Rand) error {
			mu.Lock()
			n++
			slow := seldom == 0 || n == seldom
			mu.Unlock()
			if slow {
				time.Sleep(d)
			}
			return nil
		})
	}
	of := func(o loader.Output) []loader.Output {
		other := map[string]string{"x": "n", "n": "x"}[o.Name]
		return []loader.Output{o, {Name: other, Disabled: true}}
	}
	for _, c := range []struct {
		name    string
		ds      loader.Dataset
		opts    loader.Options
		consume func(batch int)
		want    loader.Bound
		stage   loader.StageKind // that takes most; "" any
	}{
		{name: "consumer", ds: f, want: loader.BoundConsumer, consume: func(int) { time.Sleep(10 * ms) }},
		{name: "op", ds: f, want: loader.BoundOp, stage: loader.StageOp,
			opts: loader.Options{Outputs: of(loader.Output{Name: "x", Ops: []any{slowOp(ms/2, 0)}})}},
		{name: "decode", ds: f, want: loader.BoundDecode, stage: loader.StageDecode,
			opts: loader.Options{Outputs: of(loader.Output{Name: "n", Decoder: slowDecoder(ms / 2)})}},
		{name: "read, value by value", ds: slowFile{f, ms / 2}, want: loader.BoundRead, stage: loader.StageRead,
			opts: loader.Options{Outputs: of(loader.Output{Name: "x", Ops: []any{opFunc(func([]byte, *rand.Rand) error { return nil })}})}},
		{name: "read, plain", ds: slowFile{f, ms}, want: loader.BoundRead, stage: loader.StageRead,
			opts: loader.Options{Order: loader.Random, BatchSize: 8}},
		{name: "batch op", ds: f, want: loader.BoundSerial, stage: loader.StageBatchOp,
			opts: loader.Options{BatchesAhead: 1, Workers: 4, Outputs: []loader.Output{{Name: "x", Ops: []any{slowBatch(10 * ms)}}}}},
		{name: "collate", ds: f, want: loader.BoundSerial, stage: loader.StageBatchOp,
			opts: loader.Options{BatchesAhead: 1, Workers: 4, Collate: func(*loader.Batch) error { time.Sleep(10 * ms); return nil }}},
		{name: "order", ds: f, want: loader.BoundOrder,
			opts: loader.Options{Order: loader.OrderFunc(func(s loader.Selection, _ int) ([]int, error) {
				time.Sleep(200 * ms)
				list := make([]int, s.Len)
				for i := range list {
					list[i] = i
				}
				return list, nil
			})}},
		{name: "start", ds: f, want: loader.BoundStart, consume: func(int) { time.Sleep(10 * ms) },
			opts: loader.Options{Outputs: of(loader.Output{Name: "x", Ops: []any{slowOp(200*ms, 1)}})}},
		{name: "bursts", ds: f, want: loader.BoundAhead,
			consume: func(batch int) {
				if batch%5 == 0 {
					time.Sleep(300 * ms)
				}
			},
			opts: loader.Options{BatchesAhead: 1, Outputs: of(loader.Output{Name: "x", Ops: []any{slowOp(ms/10, 0)}})}},
	} {
		t.Run(c.name, func(t *testing.T) {
			opts := c.opts
			if opts.BatchSize == 0 {
				opts.BatchSize = 32
			}
			if opts.Workers == 0 {
				opts.Workers = 2
			}
			l := newLoader(t, c.ds, &opts)
			for b, err := range l.Epoch(context.Background(), 0) {
				if err != nil {
					t.Fatal(err)
				}
				if c.consume != nil {
					c.consume(b.Index())
				}
				b.Release()
			}
			s := l.Stats()
			if got := s.Bound(); got != c.want {
				t.Errorf("got %s, want %s\n%s\n%+v", got, c.want, s.Verdict(), s)
			}
			if most := largest(s); c.stage != "" && most.Kind != c.stage {
				t.Errorf("most time went to %+v, want a stage of kind %q", most, c.stage)
			}
			holds(t, s)
		})
	}
}

func largest(s loader.Stats) loader.StageStats {
	if len(s.Stages) == 0 {
		return loader.StageStats{}
	}
	return slices.MaxFunc(s.Stages, func(a, b loader.StageStats) int { return int(a.Time - b.Time) })
}

// holds checks what is true of any figures.
func holds(t *testing.T, s loader.Stats) {
	t.Helper()
	sum := time.Duration(0)
	for _, st := range s.Stages {
		if st.Time < 0 || st.Values <= 0 || st.What == "" {
			t.Errorf("stage %+v", st)
		}
		sum += st.Time
	}
	switch {
	case sum > s.Work+time.Microsecond:
		t.Errorf("stages of %v, work of %v", sum, s.Work)
	case s.Work > time.Duration(s.Workers)*s.Elapsed:
		t.Errorf("%d workers did %v in %v", s.Workers, s.Work, s.Elapsed)
	case s.Wait+s.Order > s.Elapsed+s.Elapsed/10 || s.FirstWait > s.Wait || s.Waits > s.Batches+1:
		t.Errorf("waits: %+v", s)
	case s.Ready < 0 || s.Ready > float64(s.Ahead):
		t.Errorf("%g of %d batches ready", s.Ready, s.Ahead)
	}
}

// TestStatsCount holds the counts to what was loaded: by epochs in turn, one that
// is left, and one beside another.
func TestStatsCount(t *testing.T) {
	const n, row = 1000, 12 + 8
	for way, f := range numbers(t, n) {
		l := newLoader(t, f, &loader.Options{BatchSize: 64, Workers: 3, Order: loader.Random})
		if s := l.Stats(); s.Epoch != -1 || s.Epochs != 0 || l.Totals().Epoch != -1 {
			t.Errorf("%s: before the first epoch: %+v", way, s)
		}
		load := func(epoch, most int) {
			got := 0
			for b, err := range l.Epoch(context.Background(), epoch) {
				if err != nil {
					t.Error(err)
					return
				}
				b.Release()
				if got++; got == most {
					break
				}
			}
		}
		load(3, -1)
		s := l.Stats()
		if s.Epoch != 3 || s.Epochs != 1 || s.Running || s.Batches != 16 || s.Samples != n || s.Bytes != n*row || s.Read != n*row || s.Skipped != 0 {
			t.Errorf("%s: %+v", way, s)
		}
		holds(t, s)
		for _, st := range s.Stages {
			if st.Kind != loader.StageLookUp && st.Values != n {
				t.Errorf("%s: stage %+v for %d values", way, st, n)
			}
		}
		load(4, 2)
		if s := l.Stats(); s.Epoch != 4 || s.Batches != 2 || s.Samples != 128 {
			t.Errorf("%s: left epoch: %+v", way, s)
		}
		if _, err := l.Get(context.Background(), 0, []int{1, 2}); err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		for k := range 2 {
			both.Add(1)
			go func() {
				defer both.Done()
				load(5+k, -1)
			}()
		}
		both.Wait()
		total := l.Totals()
		if total.Epochs != 4 || total.Running || total.Batches != 3*16+2 || total.Samples != 3*n+128 || total.Bytes != (3*n+128)*row {
			t.Errorf("%s: totals: %+v", way, total)
		}
	}
}

// TestStatsAtAnyTime asks while epochs run, by several goroutines; the race
// detector has its say.
func TestStatsAtAnyTime(t *testing.T) {
	l := newLoader(t, numbers(t, 500)["map"], &loader.Options{BatchSize: 16, Workers: 2})
	quit := make(chan struct{})
	var asking sync.WaitGroup
	for range 2 {
		asking.Add(1)
		go func() {
			defer asking.Done()
			last := loader.Stats{}
			for {
				s := l.Totals()
				if s.Batches < last.Batches || s.Elapsed < last.Elapsed || s.Wait < last.Wait || s.Bytes < last.Bytes || s.Read < last.Read {
					t.Errorf("%+v came after %+v", s, last)
				}
				last = s
				_ = l.Stats().Verdict()
				select {
				case <-quit:
					return
				case <-time.After(100 * time.Microsecond):
				}
			}
		}()
	}
	for e := range 20 {
		for b, err := range l.Epoch(context.Background(), e) {
			if err != nil {
				t.Fatal(err)
			}
			if s := l.Stats(); !s.Running || s.Epoch != e || s.Batches != int64(b.Index()+1) {
				t.Errorf("epoch %d, batch %d: %+v", e, b.Index(), s)
			}
			b.Release()
		}
	}
	close(quit)
	asking.Wait()
}

// TestStatsShown: slog, expvar and JSON tell the same.
func TestStatsShown(t *testing.T) {
	l := newLoader(t, numbers(t, 100)["map"], &loader.Options{BatchSize: 10})
	var v expvar.Var = l.Var()
	if !json.Valid([]byte(v.String())) {
		t.Errorf("before the first epoch: %s", v)
	}
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		b.Release()
	}
	var shown map[string]struct {
		Verdict string
		loader.Stats
	}
	if err := json.Unmarshal([]byte(v.String()), &shown); err != nil {
		t.Fatal(err)
	}
	s := l.Stats()
	for _, name := range []string{"epoch", "total"} {
		if got := shown[name]; got.Verdict != s.Verdict() || got.Samples != 100 || got.Work != s.Work || len(got.Stages) != len(s.Stages) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	var text bytes.Buffer
	slog.New(slog.NewJSONHandler(&text, nil)).Info("epoch", "loader", s)
	var line struct {
		Loader struct {
			Verdict string
			Samples int
		}
	}
	if err := json.Unmarshal(text.Bytes(), &line); err != nil || line.Loader.Verdict != s.Verdict() || line.Loader.Samples != 100 {
		t.Errorf("%v: %s", err, text.String())
	}
}
