package loader_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// part is what one rank was handed of an epoch: its batches, each as text of its
// place, its samples and their rows.
type part []string

// rowsOf are the outputs of the tests of resuming: numbers, and random ones.
var rowsOf = []loader.Output{
	{Name: "x", Ops: []any{drawing{}}},
	{Name: "label"},
	{Name: "weight", Disabled: true},
	{Name: "second", Field: "x", Ops: []any{drawing{}, drawing{}}},
}

// load runs an epoch of a loader to its end, or to that many batches, and returns
// the state then, as it would come from a file.
func load(t *testing.T, l *loader.Loader, epoch, stop int) (part, *loader.State) {
	t.Helper()
	var list part
	for b, err := range l.Epoch(t.Context(), epoch) {
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		fmt.Fprintf(&text, "%d:", b.Index())
		for i, id := range b.Samples() {
			fmt.Fprintf(&text, " %d", id)
			for _, o := range b.Outputs() {
				fmt.Fprintf(&text, " %x", o.Value(i))
			}
			text.WriteByte('\n')
		}
		list = append(list, text.String())
		b.Release()
		if len(list) == stop {
			break
		}
	}
	return list, stateOf(t, l)
}

// stateOf is a loader's state after a trip through JSON.
func stateOf(t *testing.T, l *loader.Loader) *loader.State {
	t.Helper()
	s, err := l.State()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	back := new(loader.State)
	if err := json.Unmarshal(text, back); err != nil {
		t.Fatal(err)
	}
	return back
}

func resume(t *testing.T, ds loader.Dataset, opts loader.Options, s *loader.State) *loader.Loader {
	t.Helper()
	l, err := loader.Resume(ds, &opts, s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestResume is the matrix: orders, 1 to 8 ranks, workers, points of interruption,
// a second one, the rest of the epoch and the next one, batch by batch.
func TestResume(t *testing.T) {
	const n, batch, epoch = 107, 4, 2
	ds := newLabelled(t, n)
	for k, o := range everyOrder() {
		o.order = fit(o.order)
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			for world := 1; world <= 8; world++ {
				for rank := range world {
					opts := loader.Options{Order: o.order, Seed: 9, BatchSize: batch, Workers: 1 + (k+rank)%3, Rank: rank, WorldSize: world,
						ExactlyOnce: (k+world)%2 == 0, DropLast: world == 3, Outputs: rowsOf}
					checkResume(t, ds, opts, epoch)
				}
			}
		})
	}
}

// fit makes an order one of the small dataset.
func fit(o loader.Order) loader.Order {
	switch o := o.(type) {
	case loader.Repeated:
		o.Samples = min(o.Samples, 200)
		return o
	case loader.Weighted:
		o.Samples = min(o.Samples, 120)
		return o
	}
	return o
}

// checkResume compares an epoch interrupted at every fifth batch or so with one
// that is not.
func checkResume(t *testing.T, ds loader.Dataset, opts loader.Options, epoch int) {
	t.Helper()
	l := newLoader(t, ds, &opts)
	want, end := load(t, l, epoch, -1)
	next, _ := load(t, l, epoch+1, -1)
	if len(want) != l.Len() || end.Batches != len(want) || end.Consumed != end.Length {
		t.Fatalf("%d batches, of %d; the state at the end is %+v", len(want), l.Len(), end)
	}
	for _, k := range []int{1, len(want) / 2, len(want) - 1, len(want)} {
		if k < 1 {
			continue
		}
		first, s := load(t, l, epoch, k)
		other := opts
		other.Workers = 1 + opts.Workers%3
		other.BatchesAhead = 1 + k%4
		second := resume(t, ds, other, s)
		if same := stateOf(t, second); !equalStates(same, s) {
			t.Fatalf("the state of a loader that was resumed is %+v, want %+v", same, s)
		}
		then := part(nil)
		if k < len(want) { // a second time
			then, s = load(t, second, epoch, 1)
		}
		third := resume(t, ds, opts, s)
		rest, s := load(t, third, epoch, -1)
		if got := slices.Concat(first, then, rest); !slices.Equal(got, want) {
			t.Fatalf("rank %d of %d, interrupted after %d batches: %s", opts.Rank, opts.WorldSize, k, difference(got, want))
		}
		if !equalStates(s, end) {
			t.Fatalf("the state at the end is %+v, want %+v", s, end)
		}
		// At the end of the epoch, there is nothing left of it, and the next is whole.
		fourth := resume(t, ds, other, s)
		if rest, s := load(t, fourth, epoch, -1); len(rest) > 0 || !equalStates(s, end) {
			t.Fatalf("%d batches come after the end, %+v", len(rest), s)
		}
		if k == 1 {
			if got, _ := load(t, fourth, epoch+1, -1); !slices.Equal(got, next) {
				t.Fatalf("the next epoch: %s", difference(got, next))
			}
		}
	}
}

func equalStates(a, b *loader.State) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

func difference(got, want part) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("batch %d is\n%s, want\n%s", i, got[i], want[i])
		}
	}
	return fmt.Sprintf("%d batches, want %d", len(got), len(want))
}

// TestResumeWithOtherRanks: whatever the ranks and the sizes of batches that an
// epoch goes on with, once and again, its order and its rows stay as they were
// when it began.
func TestResumeWithOtherRanks(t *testing.T) {
	const n, epoch = 107, 1
	ds := newLabelled(t, n)
	for k, o := range everyOrder() {
		o.order = fit(o.order)
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range [][3]int{{1, 2, 3}, {8, 1, 5}, {4, 7, 1}, {3, 8, 2}, {5, 5, 8}, {2, 6, 6}} {
				for _, once := range []bool{true, false} {
					// Batches of other sizes too: but some draw from windows of them.
					checkElastic(t, ds, o.order, epoch, c, [3]int{3, 3 + k%2, 2}, once)
				}
			}
		})
	}
}

func checkElastic(t *testing.T, ds loader.Dataset, order loader.Order, epoch int, worlds, batches [3]int, once bool) {
	t.Helper()
	options := func(k, rank int) loader.Options {
		return loader.Options{Order: order, Seed: 4, BatchSize: batches[k], Workers: 1 + rank%2, Rank: rank, WorldSize: worlds[k], ExactlyOnce: once, Outputs: rowsOf}
	}
	want := inOrder(t, ds, options, worlds[0], batches[0], epoch)
	got := make([]string, 0, len(want))
	var s *loader.State
	for k, world := range worlds {
		stop := 2
		if k == 2 {
			stop = -1
		}
		parts := make([]part, world)
		states := make([]*loader.State, world)
		for rank := range world {
			opts := options(k, rank)
			l := newLoader(t, ds, &opts)
			if s != nil {
				l = resume(t, ds, opts, s)
			}
			parts[rank], states[rank] = load(t, l, epoch, stop)
			if len(parts[rank]) != len(parts[0]) {
				t.Fatalf("rank %d of %d has %d batches, rank 0 %d", rank, world, len(parts[rank]), len(parts[0]))
			}
			if !equalStates(states[rank], states[0]) {
				t.Fatalf("the states of ranks 0 and %d: %+v and %+v", rank, states[0], states[rank])
			}
		}
		rows := turns(parts)
		if s = states[0]; s.Consumed < s.Length && len(rows) != s.Consumed-len(got) {
			t.Fatalf("%d samples came, the state counts %d after %d", len(rows), s.Consumed, len(got))
		}
		got = append(got, rows...)
	}
	if s.Consumed != len(want) {
		t.Fatalf("%d of %d samples are consumed at the end", s.Consumed, len(want))
	}
	padding := len(got) - len(want)
	if padding < 0 || once && padding > 0 || padding >= slices.Max(worlds[:]) || !slices.Equal(got[:len(want)], want) {
		t.Fatalf("ranks %v, batches of %v, exactly once %v: %d rows in another order or otherwise made, want %d", worlds, batches, once, len(got), len(want))
	}
	for i, row := range got[len(want):] { // the front again
		if id, _, _ := strings.Cut(row, " "); !strings.HasPrefix(want[i%len(want)], id+" ") {
			t.Fatalf("row %d of padding is %s, want %s", i, row, want[i%len(want)])
		}
	}
}

// inOrder is an epoch that isn't interrupted, in the order of all ranks.
func inOrder(t *testing.T, ds loader.Dataset, options func(k, rank int) loader.Options, world, batch, epoch int) []string {
	t.Helper()
	parts := make([]part, world)
	for rank := range world {
		opts := options(0, rank)
		opts.ExactlyOnce = true
		parts[rank], _ = load(t, newLoader(t, ds, &opts), epoch, -1)
	}
	return turns(parts)
}

// turns deals the rows of all ranks together again.
func turns(parts []part) (rows []string) {
	lists := make([][]string, len(parts))
	longest := 0
	for r, p := range parts {
		for _, b := range p {
			_, text, _ := strings.Cut(b, ":")
			for row := range strings.Lines(text) {
				lists[r] = append(lists[r], strings.TrimSpace(row))
			}
		}
		longest = max(longest, len(lists[r]))
	}
	for i := range longest {
		for _, list := range lists {
			if i < len(list) {
				rows = append(rows, list[i])
			}
		}
	}
	return rows
}

// TestStateCounts: what is handed out counts, not what is prepared.
func TestStateCounts(t *testing.T) {
	ds := newLabelled(t, 100)
	l := newLoader(t, ds, &loader.Options{BatchSize: 8, WorldSize: 3, Rank: 1, BatchesAhead: 4})
	check := func(epoch, batches, consumed int) {
		t.Helper()
		s := stateOf(t, l)
		if s.Epoch != epoch || s.Batches != batches || s.Consumed != consumed || s.Length != 100 || s.WorldSize != 3 || s.BatchSize != 8 {
			t.Errorf("%+v, want epoch %d, %d batches, %d consumed", s, epoch, batches, consumed)
		}
	}
	check(0, 0, 0)
	k := 0
	for b, err := range l.Epoch(t.Context(), 6) {
		if err != nil {
			t.Fatal(err)
		}
		k++
		check(6, k, min(24*k, 100))
		b.Release()
	}
	check(6, 5, 100)
	for range l.Epoch(t.Context(), 7) {
		break
	}
	check(7, 1, 24)
	text, err := json.Marshal(stateOf(t, l))
	if err != nil || len(text) > 1000 {
		t.Errorf("the state has %d bytes (%v)", len(text), err)
	}
}

// TestResumeRefuses: a state of something else is refused, with both values.
func TestResumeRefuses(t *testing.T) {
	ds := newLabelled(t, 100)
	opts := loader.Options{BatchSize: 8, Order: loader.Keyed, Seed: 5, Outputs: []loader.Output{{Name: "x"}, {Name: "label"}}}
	state := func() *loader.State {
		_, s := load(t, newLoader(t, ds, &opts), 3, 2)
		return s
	}
	changed := func(f func(o *loader.Options)) loader.Options {
		o := opts
		o.Outputs = slices.Clone(o.Outputs)
		f(&o)
		return o
	}
	for _, c := range []struct {
		says string
		opts loader.Options
	}{
		{"the seed is 5 in the state, 6 here", changed(func(o *loader.Options) { o.Seed = 6 })},
		{"the order is keyed in the state, random here", changed(func(o *loader.Options) { o.Order = loader.Random })},
		{"the order is keyed in the state, block shuffle of 64 by 256 here", changed(func(o *loader.Options) { o.Order = loader.BlockShuffle{} })},
		{"the selection is none in the state, 3 samples, ", changed(func(o *loader.Options) { o.Indices = []int{4, 2, 3} })},
		{"the epoch's length is 100 in the state, 3 here", changed(func(o *loader.Options) { o.Indices = []int{4, 2, 3} })},
		{"exactly-once is false in the state, true here", changed(func(o *loader.Options) { o.ExactlyOnce = true })},
		{"drop-last is false in the state, true here", changed(func(o *loader.Options) { o.DropLast = true })},
		{`output "x" is x: default in the state, x: default | loader_test.drawing{} here`, changed(func(o *loader.Options) { o.Outputs[0].Ops = []any{drawing{}} })},
		{`output "y" is missing in the state, x: default here`, changed(func(o *loader.Options) { o.Outputs = append(o.Outputs, loader.Output{Name: "y", Field: "x"}) })},
	} {
		_, err := loader.Resume(ds, &c.opts, state())
		var e *loader.StateError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want a StateError that says %q", err, c.says)
		}
	}
	other := newLabelled(t, 99)
	if _, err := loader.Resume(other, &opts, state()); err == nil || !strings.Contains(err.Error(), "number of samples is 100 in the state, 99 here") || !strings.Contains(err.Error(), "size is ") {
		t.Errorf("another dataset: %v", err)
	}
	// What may change.
	free := changed(func(o *loader.Options) { o.Workers, o.BatchesAhead, o.BatchSize, o.Rank, o.WorldSize = 3, 1, 5, 1, 2 })
	if _, err := loader.Resume(ds, &free, state()); err != nil {
		t.Error(err)
	}
	// Without outputs in the state they aren't compared.
	s := state()
	s.Outputs = nil
	less := changed(func(o *loader.Options) { o.Outputs = nil })
	if _, err := loader.Resume(ds, &less, s); err != nil {
		t.Error(err)
	}
	// Numbers that no loader writes.
	for _, f := range []func(*loader.State){
		func(s *loader.State) { s.Version = 2 }, func(s *loader.State) { s.Epoch = -1 }, func(s *loader.State) { s.Consumed = -1 },
		func(s *loader.State) { s.Consumed = 101 }, func(s *loader.State) { s.Batches = -1 }, func(s *loader.State) { s.Batches = 17 },
		func(s *loader.State) { s.WorldSize = 0 }, func(s *loader.State) { s.BatchSize = math.MaxInt }, func(s *loader.State) { s.Length = 99 },
		func(s *loader.State) { s.StreamVersion++ }, func(s *loader.State) { s.OrderVersion++ },
	} {
		s := state()
		f(s)
		if _, err := loader.Resume(ds, &opts, s); err == nil {
			t.Errorf("%+v: accepted", s)
		}
	}
	if _, err := loader.Resume(ds, &opts, nil); err == nil {
		t.Error("no state: accepted")
	}
}

// A batch that fails is not handed out: the state stands before it, and another
// policy may go on from there.
func TestResumeAfterFailure(t *testing.T) {
	ds := newLabelled(t, 40)
	bad := []loader.Output{{Name: "x", Ops: []any{fails{at: 21}}}}
	opts := loader.Options{BatchSize: 8, Outputs: bad}
	l := newLoader(t, ds, &opts)
	n := 0
	var last error
	for b, err := range l.Epoch(t.Context(), 0) {
		if last = err; err == nil {
			n++
			b.Release()
		}
	}
	s := stateOf(t, l)
	if last == nil || n != 2 || s.Batches != 2 || s.Consumed != 16 {
		t.Fatalf("%v after %d batches, %+v", last, n, s)
	}
	opts.OnError = loader.Skip
	rest, end := load(t, resume(t, ds, opts, s), 0, -1)
	if len(rest) != 3 || end.Consumed != 40 || !strings.HasPrefix(rest[0], "2: 16 ") {
		t.Errorf("%d batches, %+v, the first %.10s", len(rest), end, rest[0])
	}
}

// fails is an operation that one sample can't have.
type fails struct{ at int64 }

func (o fails) Bind(in array.Spec) (array.Spec, func(dst, src []byte, rng *rand.Rand) error, bool, error) {
	return in, func(dst, _ []byte, _ *rand.Rand) error {
		if int64(binary.LittleEndian.Uint64(dst)) == o.at {
			return errors.New("bad")
		}
		return nil
	}, true, nil
}

// The pipelines of a schedule are compared as they are in the state's epoch.
func TestResumeOfSchedule(t *testing.T) {
	ds := newLabelled(t, 40)
	at := func(epoch int) []loader.Output {
		if epoch < 2 {
			return nil
		}
		return []loader.Output{{Name: "x", Ops: []any{drawing{}}}}
	}
	opts := loader.Options{BatchSize: 8, OutputsAt: at}
	l := newLoader(t, ds, &opts)
	want, _ := load(t, l, 2, -1)
	first, s := load(t, l, 2, 2)
	rest, _ := load(t, resume(t, ds, opts, s), 2, -1)
	if got := slices.Concat(first, rest); !slices.Equal(got, want) {
		t.Error(difference(got, want))
	}
	if _, err := loader.Resume(ds, &loader.Options{BatchSize: 8}, s); err == nil || !strings.Contains(err.Error(), `output "x"`) {
		t.Errorf("other outputs: %v", err)
	}
}

func TestStateFile(t *testing.T) {
	ds := newLabelled(t, 40)
	_, s := load(t, newLoader(t, ds, &loader.Options{BatchSize: 8}), 0, 2)
	path := filepath.Join(t.TempDir(), "state.json")
	if _, err := loader.ReadState(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	for range 2 { // also over one that is there
		if err := s.Save(path); err != nil {
			t.Fatal(err)
		}
	}
	back, err := loader.ReadState(path)
	if err != nil || !equalStates(back, s) {
		t.Errorf("%+v (%v), want %+v", back, err, s)
	}
	if list, _ := os.ReadDir(filepath.Dir(path)); len(list) != 1 {
		t.Errorf("beside the state: %v", list)
	}
	if err := s.Save(filepath.Join(path, "no")); err == nil {
		t.Error("saved below a file")
	}
	for _, text := range []string{"", "{", "{}", "[]", `{"version":1}`, `{"version":2}`, "\x00", `{"version":1,"epoch":1e400}`, strings.Repeat(" ", 1<<20+1)} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if s, err := loader.ReadState(path); err == nil || s != nil {
			t.Errorf("%.20q: %+v", text, s)
		}
	}
}

// FuzzState: whatever a state says, it is refused, or its epoch comes to an end.
func FuzzState(f *testing.F) {
	ds := newLabelled(f, 40)
	opts := &loader.Options{BatchSize: 8, Order: loader.QuasiRandom, Workers: 1}
	l, err := loader.New(ds, opts)
	if err != nil {
		f.Fatal(err)
	}
	s, err := l.State()
	if err != nil {
		f.Fatal(err)
	}
	for _, n := range []int{0, 1, 2, 39, 40} {
		s.Batches, s.Consumed, s.WorldSize = (n+7)/8, n, 1+n%3
		text, err := json.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s loader.State
		if json.Unmarshal(text, &s) != nil || s.Epoch > 1000 {
			return
		}
		l, err := loader.Resume(ds, opts, &s)
		if err != nil {
			return
		}
		defer l.Close()
		n := s.Consumed
		for b, err := range l.Epoch(t.Context(), s.Epoch) {
			if err != nil {
				t.Fatal(err)
			}
			n += b.Len()
			b.Release()
		}
		if n != 40 {
			t.Errorf("%+v: %d samples came", s, n)
		}
	})
}

// TestEmptyBatch: exactly once, the last batch of some ranks is empty, whatever
// its outputs.
func TestEmptyBatch(t *testing.T) {
	for name, f := range scenes(t, 9, nil) {
		for rank := range 8 {
			l := newLoader(t, f, &loader.Options{BatchSize: 1, WorldSize: 8, Rank: rank, ExactlyOnce: true, Order: loader.Keyed, Outputs: []loader.Output{
				{Name: "image", Decoder: transform.RandomResizedCrop{Width: 12, Height: 10}, Ops: []any{transform.HorizontalFlip{}}},
				{Name: "again", Field: "image", Decoder: transform.RandomResizedCrop{Width: 8, Height: 8}, Ops: []any{transform.ImageMixup{Alpha: 0.2}}},
				{Name: "raw", Field: "image", Decoder: loader.Raw{}},
				{Name: "mask", Decoder: transform.Mask{}, Follow: "image"},
				{Name: "depth", Disabled: true},
				{Name: "rgba", Decoder: transform.RandomCrop{Width: 20, Height: 20}},
				{Name: "label", Ops: []any{transform.LabelMixup{Alpha: 0.2}, drawing{}}},
			}})
			var sizes []int
			for b, err := range l.Epoch(t.Context(), 0) {
				if err != nil {
					t.Fatalf("%s, rank %d: %v", name, rank, err)
				}
				sizes = append(sizes, b.Len())
				for _, o := range b.Outputs() {
					if o.Shape[0] != b.Len() || b.Len() == 0 && len(o.Data) > 0 {
						t.Errorf("%s, rank %d: output %q of %v in a batch of %d", name, rank, o.Name, o.Shape, b.Len())
					}
				}
				b.Release()
			}
			if want := []int{1, 1 - min(rank, 1)}; !slices.Equal(sizes, want) || l.Len() != 2 {
				t.Errorf("%s, rank %d: batches of %v, want %v", name, rank, sizes, want)
			}
		}
	}
}
