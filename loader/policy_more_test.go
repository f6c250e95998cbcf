package loader_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

// failsAt is an operation on field n of numbers that fails for some samples, or
// panics.
func failsAt(ids []int, panics bool) loader.Op {
	return opFunc(func(b []byte, _ *rand.Rand) error {
		if id := int(b[0]) | int(b[1])<<8; !slices.Contains(ids, id) {
			return nil
		} else if panics {
			panic(fmt.Sprint("fell over ", id))
		}
		return errors.New("bad")
	})
}

// ints counts up from lo to hi-1.
func ints(lo, hi int) (list []int) {
	for i := lo; i < hi; i++ {
		list = append(list, i)
	}
	return list
}

// TestMaxFailures: the epoch ends where the samples that failed one after
// another become too many, whatever the batch's size, the workers and the
// quarantine between them.
func TestMaxFailures(t *testing.T) {
	f := numbers(t, 600)["map"]
	defer leak.Watch(t)()
	bad := slices.Concat(ints(50, 89), ints(90, 120), ints(200, 240))
	for _, c := range []struct {
		most, first, last int // last 0: no error
		quarantine        []int
	}{
		{40, 200, 239, nil},
		{39, 50, 88, nil},
		{41, 0, 0, nil},
		{0, 0, 0, nil},
		{-1, 0, 0, nil},
		{1, 50, 50, nil},
		{69, 50, 119, []int{89}},
		{38, 200, 239, slices.Concat(ints(50, 60), []int{210, 220})},
	} {
		for _, batch := range []int{1, 7, 64, 600} {
			for _, workers := range []int{1, 3} {
				l := newLoader(t, f, &loader.Options{
					BatchSize: batch, Workers: workers, OnError: loader.Skip, MaxFailures: c.most, Quarantine: c.quarantine,
					Outputs: []loader.Output{{Name: "n", Ops: []any{failsAt(bad, workers == 3)}}},
				})
				batches, err := consume(t.Context(), l, math.MaxInt)
				r, _ := l.Report(0)
				if c.last == 0 {
					if err != nil || r.Failed != len(bad) || r.Samples != 600 {
						t.Errorf("most %d, batch %d: %v, %+v", c.most, batch, err, r)
					}
					continue
				}
				var many *loader.TooManyError
				if !errors.As(err, &many) || many.Count != c.most || many.First.Sample != c.first || many.Last.Sample != c.last || batches != c.last/batch {
					t.Fatalf("most %d, batch %d, %d workers: after %d batches %v", c.most, batch, workers, batches, err)
				}
				var e *loader.SampleError
				if !errors.As(err, &e) || e.Sample != c.first || many.Report.Failed != r.Failed || !strings.Contains(err.Error(), fmt.Sprint(c.most)) {
					t.Errorf("%v: %+v, %+v", err, e, r)
				}
			}
		}
	}
}

// TestNothingToRepeat: a batch without a good sample takes one selected after
// it; where there is none the epoch ends, exactly once it goes on, empty.
func TestNothingToRepeat(t *testing.T) {
	f := numbers(t, 30)["map"]
	opts := loader.Options{BatchSize: 4, OnError: loader.Skip, MaxFailures: -1, Indices: []int{9, 8, 7, 6, 5, 4, 3, 2},
		Outputs: []loader.Output{{Name: "n", Ops: []any{failsAt(ints(5, 10), false)}}}}
	var got [][]int
	run := func() error {
		got = nil
		for b, err := range newLoader(t, f, &opts).Epoch(t.Context(), 0) {
			if err != nil {
				return err
			}
			got = append(got, slices.Clone(b.Samples()))
			for i, v := range view[int64](t, b.Output("n")) {
				if int(v) != b.Samples()[i] {
					t.Errorf("row %d holds %d, not %d", i, v, b.Samples()[i])
				}
			}
			b.Release()
		}
		return nil
	}
	if err := run(); err != nil || fmt.Sprint(got) != "[[4 4 4 4] [4 4 3 2]]" {
		t.Errorf("%v, %v", got, err)
	}
	opts.ExactlyOnce = true
	if err := run(); err != nil || fmt.Sprint(got) != "[[] [4 3 2]]" {
		t.Errorf("exactly once: %v, %v", got, err)
	}
	opts.ExactlyOnce, opts.Indices = false, []int{9, 8, 7, 6}
	if err := run(); err == nil || !strings.Contains(err.Error(), "nor any other") {
		t.Errorf("only bad ones: %v", err)
	}
	opts.OnError, opts.Quarantine = nil, []int{6, 7, 8, 9}
	if err := run(); err == nil || !strings.Contains(err.Error(), "nor any other") {
		t.Errorf("all in quarantine: %v", err)
	}
	opts.OnError = loader.SubstituteSample(7)
	if _, err := loader.New(f, &opts); err == nil || !strings.Contains(err.Error(), "quarantine") {
		t.Error(err)
	}
	opts.Quarantine = nil
	if err := run(); err == nil || !strings.Contains(err.Error(), "sample 7") {
		t.Errorf("a substitute that fails: %v", err)
	}
	for _, o := range []loader.Options{{OnError: loader.SubstituteSample(30)}, {OnError: loader.SubstituteSample(-1)}, {Quarantine: []int{30}}, {Quarantine: []int{3, -1}}} {
		if _, err := loader.New(f, &o); err == nil || !strings.Contains(err.Error(), "sample") && !strings.Contains(err.Error(), "Sample") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestNoSamplesOwn: what no sample is to blame for ends an epoch under any policy.
func TestNoSamplesOwn(t *testing.T) {
	f := numbers(t, 30)["map"]
	boom := errors.New("boom")
	for name, o := range map[string]loader.Options{
		"goexit":  {Outputs: []loader.Output{{Name: "n", Ops: []any{opFunc(func([]byte, *rand.Rand) error { runtime.Goexit(); return nil })}}}},
		"collate": {Collate: func(*loader.Batch) error { return boom }},
		"panic":   {Collate: func(*loader.Batch) error { panic(boom) }},
		"value": {OnError: loader.SubstituteValue(func(string, int, array.Array) error { return boom }),
			Outputs: []loader.Output{{Name: "n", Ops: []any{failsAt([]int{3}, false)}}}},
		"value panics": {OnError: loader.SubstituteValue(func(string, int, array.Array) error { panic(boom) }),
			Outputs: []loader.Output{{Name: "n", Ops: []any{failsAt([]int{3}, false)}}}},
	} {
		settle := leak.Watch(t)
		if o.BatchSize = 8; o.OnError == nil {
			o.OnError = loader.Skip
		}
		l := newLoader(t, f, &o)
		n, err := consume(t.Context(), l, math.MaxInt)
		var p *loader.PanicError
		if n != 0 || err == nil || name != "goexit" && !errors.Is(err, boom) && !(errors.As(err, &p) && p.Value == boom) || !strings.Contains(err.Error(), "batch 0") && name != "goexit" {
			t.Errorf("%s: after %d batches %v", name, n, err)
		}
		l.Close()
		settle()
	}
}

// TestCutUnderSkip: a file that is cut short while it is mapped ends the epoch
// by its number of failures, and the samples before the cut come.
func TestCutUnderSkip(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a mapped file can't be cut short on Windows")
	}
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "x", Field: fields.NDArray{DType: array.Uint8, Shape: []int{4096}}}, {Name: "b", Field: fields.Bytes{}}}, 1000, func(i int) []any {
		return []any{bytes.Repeat([]byte{byte(i)}, 4096), bytes.Repeat([]byte{byte(i)}, 3000)}
	}, nil)
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l := newLoader(t, f, &loader.Options{BatchSize: 100, Workers: 2, OnError: loader.Skip, MaxFailures: 150})
	if err := os.Truncate(path, 8<<20+20480); err != nil {
		t.Fatal(err)
	}
	n, err := consume(t.Context(), l, math.MaxInt)
	var many *loader.TooManyError
	var format *ffcv.FormatError
	if !errors.As(err, &many) || !errors.As(err, &format) || many.Count != 150 {
		t.Fatalf("after %d batches %v", n, err)
	}
	if r, _ := l.Report(0); r.Kinds["format"] != r.Failed || r.Batches != n {
		t.Errorf("%+v after %d batches", r, n)
	}
}

// TestReportsAreKept: those of the last eight epochs, and during one.
func TestReportsAreKept(t *testing.T) {
	f := numbers(t, 40)["map"]
	l := newLoader(t, f, &loader.Options{BatchSize: 10, OnError: loader.Skip, Outputs: []loader.Output{{Name: "n", Ops: []any{failsAt([]int{5, 15, 16}, false)}}}})
	for n := range 11 {
		for b, err := range l.Epoch(t.Context(), n) {
			if err != nil {
				t.Fatal(err)
			}
			want := []int{1, 3, 3, 3}[b.Index()]
			if r, ok := l.Report(n); !ok || r.Failed != want || r.Batches != b.Index()+1 || len(r.List) != want {
				t.Errorf("epoch %d, batch %d: %+v", n, b.Index(), r)
			}
			b.Release()
		}
	}
	for n := range 12 {
		r, ok := l.Report(n)
		if ok != (n >= 3 && n < 11) || ok && (r.Epoch != n || r.Failed != 3) {
			t.Errorf("epoch %d: %+v, %v", n, r, ok)
		}
	}
}

// TestOnDamageNames: what OnDamage is told names sample and output, of views that
// share a decode too, and the report counts it.
func TestOnDamageNames(t *testing.T) {
	ds := torn{photoFile(t, true), 3}
	for _, exact := range []bool{false, true} {
		var mu sync.Mutex
		var told []error
		tell := func(err error) { mu.Lock(); defer mu.Unlock(); told = append(told, err) }
		crop := transform.CenterCrop{Width: 32, Height: 32, Ratio: 1, Exact: exact, OnDamage: tell}
		l := newLoader(t, ds, &loader.Options{BatchSize: 8, Workers: 2, Outputs: []loader.Output{{Name: "image", Decoder: crop}, {Name: "again", Field: "image", Decoder: crop}}})
		if _, err := consume(t.Context(), l, math.MaxInt); err != nil {
			t.Fatal(err)
		}
		names := map[string]int{}
		for _, err := range told {
			var e *loader.SampleError
			var picture *rgb.InvalidError
			if !errors.As(err, &e) || !errors.As(err, &picture) || e.Sample != 3 || e.File != ds.Name() || e.Offset <= 0 || !strings.Contains(err.Error(), "sample 3") {
				t.Fatalf("%v", err)
			}
			names[e.Output]++
		}
		if r, _ := l.Report(0); names["image"] != 1 || names["again"] != 1 || r.Damaged != 2 || r.Failed != 0 {
			t.Errorf("exact %v: %v, %+v", exact, names, r)
		}
	}
}

func TestQuarantineList(t *testing.T) {
	in := "\ufeff# of train.beton\r\n\r\n17\r\n  203 \t field \"image\": cut off \n17\n0"
	list, err := loader.ReadQuarantine(strings.NewReader(in))
	want := []loader.Quarantined{{17, ""}, {203, `field "image": cut off`}, {17, ""}, {0, ""}}
	if err != nil || !slices.Equal(list, want) {
		t.Fatalf("%v, %v", list, err)
	}
	var out bytes.Buffer
	want[0].Note = "a\nb"
	if err := loader.WriteQuarantine(&out, want); err != nil || out.String() != "17\ta b\n203\tfield \"image\": cut off\n17\n0\n" {
		t.Fatalf("%q, %v", out.String(), err)
	}
	path := filepath.Join(t.TempDir(), "bad.txt")
	if err := os.WriteFile(path, out.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	if ids, err := loader.QuarantineFile(path); err != nil || !slices.Equal(ids, []int{17, 203, 17, 0}) {
		t.Fatal(ids, err)
	}
	for _, bad := range []string{"x", "-3", "3,4", "99999999999999999999", "1\n0x3 why"} {
		if _, err := loader.ReadQuarantine(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), "line") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := loader.WriteQuarantine(&out, []loader.Quarantined{{Sample: -1}}); err == nil {
		t.Error("sample -1 is written")
	}
	if _, err := loader.QuarantineFile(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestFilterAndQuarantine: Filter isn't asked for what is in quarantine.
func TestFilterAndQuarantine(t *testing.T) {
	f := numbers(t, 20)["map"]
	l := newLoader(t, f, &loader.Options{Quarantine: []int{3, 4}, Filter: func(s *loader.Sample) (bool, error) {
		if i := s.Index(); i == 3 || i == 4 {
			return false, errors.New("asked")
		}
		return s.Index()%2 == 1, nil
	}})
	if l.Samples() != 9 {
		t.Errorf("%d samples", l.Samples())
	}
}

// FuzzQuarantine: what is read is written, and read again, as it was.
func FuzzQuarantine(f *testing.F) {
	f.Add("17\n203\tfield \"image\"\n# x\n\n 4 a  b\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		list, err := loader.ReadQuarantine(strings.NewReader(in))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := loader.WriteQuarantine(&out, list); err != nil {
			t.Fatal(err)
		}
		again, err := loader.ReadQuarantine(&out)
		for i := range list {
			list[i].Note = strings.Join(strings.Fields(list[i].Note), " ")
		}
		if err != nil || !slices.Equal(again, list) {
			t.Fatalf("%q: %v, then %v, %v", in, list, again, err)
		}
	})
}

// TestResumeUnderSkip: what stands in for bad samples is the same in an epoch
// that was interrupted.
func TestResumeUnderSkip(t *testing.T) {
	_, damaged, bad := damagedFile(t, 500)
	f := ffcvtest.Open(t, damaged, nil)["map"]
	for _, once := range []bool{false, true} {
		opts := loader.Options{BatchSize: 3, Order: loader.Random, OnError: loader.Skip, ExactlyOnce: once, Outputs: all(true), Quarantine: []int{1, 3, 480}}
		row := func(b *loader.Batch) string {
			s := fmt.Sprintln(b.Index(), b.Samples())
			for i := range b.Len() {
				s += rowOf(b, i)
			}
			return s
		}
		var want []string
		for b, err := range newLoader(t, f, &opts).Epoch(t.Context(), 1) {
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, row(b))
			b.Release()
		}
		if len(bad) != 50 || len(want) != 167 {
			t.Fatalf("%d broken samples, %d batches", len(bad), len(want))
		}
		for _, stop := range []int{1, 50, 120, 166} {
			l := newLoader(t, f, &opts)
			var state *loader.State
			for b, err := range l.Epoch(t.Context(), 1) {
				if err != nil {
					t.Fatal(err)
				}
				last := b.Index()+1 == stop
				b.Release()
				if last {
					if state, err = l.State(); err != nil {
						t.Fatal(err)
					}
					break
				}
			}
			opts := opts
			opts.Workers = 1
			again, err := loader.Resume(f, &opts, state)
			if err != nil {
				t.Fatal(err)
			}
			at := stop
			for b, err := range again.Epoch(t.Context(), 1) {
				if err != nil {
					t.Fatal(err)
				}
				if at >= len(want) || row(b) != want[at] {
					t.Fatalf("stopped after %d: batch %d is another", stop, at)
				}
				at++
				b.Release()
			}
			if at != len(want) {
				t.Errorf("stopped after %d: %d batches in all, want %d", stop, at, len(want))
			}
			again.Close()
		}
	}
}
