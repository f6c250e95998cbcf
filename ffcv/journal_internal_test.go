package ffcv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/race"
)

// build is a small build of several pages with keys and marks, and how it is
// written.
type build struct {
	name   string
	specs  []FieldSpec
	n      int
	size   int
	stream bool
	opts   Options
	bad    int // every so-manieth sample fails, and is let go
	fails  func(i int) bool
}

func builds() []build {
	flags := []FieldSpec{{"data", flagged{}}, {"n", fields.Int{}}}
	return []build{
		{name: "dataset", specs: flags, n: 80, size: 60_000},
		{name: "let go", specs: flags, n: 80, size: 60_000, bad: 7},
		{name: "stream", specs: flags, n: 80, size: 60_000, stream: true, bad: 11},
		{name: "stream that outgrows its room", specs: broadSpecs, n: 70, size: 60_000, stream: true},
		{name: "plain", specs: flags, n: 80, size: 60_000, opts: Options{Plain: true}},
		{name: "no pages", specs: []FieldSpec{{"n", fields.Int{}}, {"x", fields.Float{}}}, n: 4000},
	}
}

var errBad = errors.New("a bad sample")

func (b *build) Len() int { return b.n }

func (b *build) Sample(_ context.Context, i int) ([]any, string, error) {
	if b.bad > 0 && i%b.bad == b.bad-1 || b.fails != nil && b.fails(i) {
		return nil, fmt.Sprintf("bad%d", i), fmt.Errorf("%w %d", errBad, i)
	}
	if b.size == 0 {
		return []any{i, float64(i) / 3}, "", nil
	}
	v := make([]byte, b.size/2+i*7919%(b.size/2))
	r := rand.NewPCG(uint64(i), 1)
	for k := 0; k+8 <= len(v); k += 8 {
		x := r.Uint64()
		v[k], v[k+3] = byte(x), byte(x>>8)
	}
	return []any{v, i}, fmt.Sprintf("k%d", i%100), nil
}

func (b *build) sequence(yield func(Sample, error) bool) {
	for i := range b.n {
		v, k, err := b.Sample(context.Background(), i)
		if !yield(Sample{Values: v, Key: k}, err) {
			return
		}
	}
}

// run writes the build to the disk. Options are changed by each of set.
func (b *build) run(t *testing.T, d disk, path string, set ...func(*Options)) error {
	t.Helper()
	o := b.opts
	o.PageSize, o.Workers, o.Overwrite = MinPageSize, 2, true
	for _, f := range set {
		f(&o)
	}
	w, err := createOn(d, path, b.specs, &o)
	if err != nil {
		return err
	}
	defer w.Close()
	var onError func(string, error) error
	if b.bad > 0 || b.fails != nil {
		onError = func(string, error) error { return nil }
	}
	if b.stream {
		return w.WriteStream(t.Context(), b.sequence, &StreamOptions{OnError: onError})
	}
	return w.WriteDataset(t.Context(), b, &DatasetOptions{ChunkSize: 3, OnError: onError})
}

func journaled(o *Options) { o.Journal = &Journal{Resume: true, Interval: 1} }

// whole is the file that nothing interrupted, without a journal.
func (b *build) whole(t *testing.T, path string) []byte {
	t.Helper()
	d := newSimDisk()
	if err := b.run(t, d, path); err != nil {
		t.Fatal(err)
	}
	return d.names[path].data
}

// checkClean says that a disk has the file and nothing beside it.
func checkClean(t *testing.T, d *simDisk, path string, want []byte) {
	t.Helper()
	if f := d.names[path]; f == nil || !bytes.Equal(f.data, want) {
		t.Fatal("not the file that nothing interrupted")
	}
	for name := range d.names {
		if name != path {
			t.Errorf("left behind: %s", name)
		}
	}
}

// A machine that stops at any moment, and loses any part of what was not synced,
// leaves the old file or the whole new one, and a build that goes on, through
// more such stops, ends in the file that nothing interrupted.
func TestJournalPowerLoss(t *testing.T) {
	rounds := race.Fewer(30, 5)
	if testing.Short() {
		rounds = min(rounds, 15)
	}
	for _, b := range builds() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.beton")
			want := b.whole(t, path)
			first := newSimDisk()
			if err := b.run(t, first, path, journaled); err != nil {
				t.Fatal(err)
			}
			checkClean(t, first, path, want)
			resumed, stops := 0, 0
			for round := range rounds {
				r := rand.New(rand.NewPCG(uint64(round), 5))
				d := newSimDisk()
				old := &simFile{d: d, data: []byte("old"), safe: []byte("old")}
				d.names[path], d.safe[path] = old, old
				var err error
				for {
					if r.IntN(6) > 0 {
						d.dies = 1 + r.IntN(first.calls+5)
					}
					err = b.run(t, d, path, journaled, func(o *Options) {
						o.Journal.Resumed = func(Resumed) { resumed++ }
					})
					if d.dies == 0 || d.calls < d.dies {
						break
					}
					stops++
					if d = d.restart(r); !bytes.Equal(d.names[path].data, []byte("old")) && !bytes.Equal(d.names[path].data, want) {
						t.Fatalf("round %d: a file of %d bytes that is neither the old nor the new one", round, len(d.names[path].data))
					}
				}
				if err != nil {
					t.Fatalf("round %d: %v", round, err)
				}
				checkClean(t, d, path, want)
			}
			t.Logf("%d stops, gone on from %d times", stops, resumed)
			if resumed < rounds/4 {
				t.Errorf("of %d stops %d were gone on from: want more", stops, resumed)
			}
		})
	}
}

// A build that is killed when its file has its name already, or is just about to,
// is seen to be finished, whatever is still left beside.
func TestJournalKilledAtTheEnd(t *testing.T) {
	b := builds()[1]
	path := filepath.Join(t.TempDir(), "x.beton")
	want := b.whole(t, path)
	created := func(o *Options) { o.Overwrite = false }
	finished := 0
	for back := range 20 {
		// How many calls a build makes depends on when its notes come about.
		d := newSimDisk()
		renames := 0
		d.fault = func(_ int, op string) (int, error) {
			if op == "rename" {
				renames = d.calls
			}
			if renames > 0 && d.calls >= renames+back {
				return -1, errDead
			}
			return -1, nil
		}
		err := b.run(t, d, path, journaled, created)
		if err == nil {
			break
		}
		d.fault = nil
		if d.names[path] != nil && !bytes.Equal(d.names[path].data, want) {
			t.Fatal("a file that is not the whole one")
		}
		var resumed Resumed
		err = b.run(t, d, path, journaled, created, func(o *Options) { o.Journal.Resumed = func(r Resumed) { resumed = r } })
		if err != nil {
			t.Fatalf("killed %d calls behind the rename: %v", back, err)
		}
		if resumed.Finished {
			finished++
			if len(resumed.Skipped) == 0 || resumed.Next != b.n {
				t.Errorf("%+v", resumed)
			}
		}
		checkClean(t, d, path, want)
	}
	if finished < 5 {
		t.Errorf("%d builds were finished, want more", finished)
	}
}

// Samples that come out otherwise behind an interruption leave nothing of what
// they were before it.
func TestJournalOtherwise(t *testing.T) {
	b := &build{name: "dataset", specs: []FieldSpec{{"data", flagged{}}, {"n", fields.Int{}}}, n: 150, size: 60_000}
	path := filepath.Join(t.TempDir(), "x.beton")
	probe := newSimDisk()
	if err := b.run(t, probe, path); err != nil {
		t.Fatal(err)
	}
	seldom := func(o *Options) { o.Journal = &Journal{Resume: true, Interval: time.Minute} }
	resumed := 0
	rounds := race.Fewer(20, 8)
	for round := range rounds {
		d := newSimDisk()
		d.dies = probe.calls/2 + round*probe.calls/(3*rounds)
		if err := b.run(t, d, path, seldom); err == nil {
			t.Fatal("no error of a machine that stopped")
		}
		d = d.restart(rand.New(rand.NewPCG(uint64(round), 1)))
		next := 0
		otherwise := *b
		otherwise.fails = func(i int) bool { return next > 0 && i >= next && i%3 == 0 }
		err := otherwise.run(t, d, path, journaled, func(o *Options) {
			o.Journal.Resumed = func(r Resumed) { next = r.Next }
		})
		if err != nil {
			t.Fatal(err)
		}
		if next > 0 && next < b.n-10 {
			resumed++
		}
		checkClean(t, d, path, otherwise.whole(t, path))
	}
	if resumed < rounds/4 {
		t.Errorf("%d builds went on in the middle, want more", resumed)
	}
}

// Every call to the disk, one after another, is interrupted, does half its work,
// or fails. The first two are no error; after the others the next build goes on.
func TestJournalFaults(t *testing.T) {
	for _, b := range builds()[1:4] {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.beton")
			want := b.whole(t, path)
			step := 20
			if testing.Short() {
				step = 40
			}
			if race.Enabled {
				step = 120
			}
			for _, fault := range faults {
				failed, kept := 0, 0
				for at, hit := 1, true; hit; at += step {
					d := newSimDisk()
					hit = false
					unsafe := false // a sync failed, which may never be passed over
					d.fault = func(call int, op string) (int, error) {
						if call < at || fault.err == nil && op != "write" && op != "read" {
							return -1, nil
						}
						if call > at && hit && (fault.over || op != "write") {
							return -1, nil // a disk that is full stays full, for writes
						}
						if fault.over && (op == "open" || op == "remove" || op == "rename" || op == "syncdir" || op == "truncate") {
							return -1, nil // the system's own calls do these again
						}
						hit, unsafe = true, unsafe || op == "sync"
						return fault.short, fault.err
					}
					err := b.run(t, d, path, journaled)
					if err == nil {
						if unsafe && !fault.over {
							t.Fatalf("%s at call %d, a sync: no error", fault.name, at)
						}
						checkClean(t, d, path, want)
						continue
					}
					failed++
					if fault.over || !errors.Is(err, fault.err) {
						t.Fatalf("%s at call %d: %v", fault.name, at, err)
					}
					var in *InterruptedError
					if errors.As(err, &in) {
						kept++
					} else if len(d.names) > 0 && d.names[path] == nil {
						t.Fatalf("%s at call %d: %v, and left behind: %v", fault.name, at, err, d.names)
					}
					d.fault = nil
					if err := b.run(t, d, path, journaled); err != nil {
						t.Fatalf("%s at call %d, gone on: %v", fault.name, at, err)
					}
					checkClean(t, d, path, want)
				}
				t.Logf("%s: %d builds failed, %d of them could go on", fault.name, failed, kept)
				if !fault.over && kept == 0 && failed > 10 {
					t.Errorf("%s: %d of %d builds could go on, want more", fault.name, kept, failed)
				}
			}
		})
	}
}

// Every byte of a journal, changed or missing, is noticed or does no harm.
func TestJournalDamaged(t *testing.T) {
	b := builds()[1]
	path := filepath.Join(t.TempDir(), "x.beton")
	want := b.whole(t, path)
	stopped := func() *simDisk {
		d := newSimDisk()
		syncs := 0
		d.fault = func(_ int, op string) (int, error) {
			if op == "sync" {
				syncs++
			}
			if syncs > 8 && op == "write" {
				return -1, errFull
			}
			return -1, nil
		}
		var in *InterruptedError
		if err := b.run(t, d, path, journaled); !errors.As(err, &in) {
			t.Fatalf("error %v, want one that lets it go on", err)
		}
		d.fault = nil
		return d
	}
	d := stopped()
	journal := slices.Clone(d.names[path+".partial.journal"].data)
	h, err := readHistory(bytes.NewReader(journal))
	if err != nil || h.stand == nil {
		t.Fatalf("%+v, %v", h, err)
	}
	images := map[string][]byte{}
	for name, f := range d.names {
		images[name] = slices.Clone(f.data)
	}
	again := func(change func(d *simDisk)) (*simDisk, error) {
		d := newSimDisk()
		for name, b := range images {
			d.names[name] = &simFile{d: d, data: slices.Clone(b), safe: slices.Clone(b)}
		}
		change(d)
		return d, b.run(t, d, path, journaled)
	}
	for i := 0; i < int(h.end); i += 1 + i/race.Fewer(40, 8) {
		for _, cut := range []bool{false, true} {
			d, err := again(func(d *simDisk) {
				f := d.names[path+".partial.journal"]
				if cut {
					f.data = f.data[:i]
				} else {
					f.data[i] ^= 0x55
				}
			})
			var partial *PartialError
			switch {
			case err == nil:
				checkClean(t, d, path, want)
			case !errors.As(err, &partial):
				t.Fatalf("byte %d, cut %v: %v", i, cut, err)
			}
		}
	}
	// What the journal speaks of is not there any more, or is something else.
	for name := range images {
		if strings.HasSuffix(name, ".journal") {
			continue
		}
		for kind, change := range map[string]func(f *simFile){
			"a changed byte": func(f *simFile) {
				at := 3
				if strings.HasSuffix(name, ".partial") {
					at = int(h.stand.high) - 9
				}
				f.data[at] ^= 1
			},
			"cut": func(f *simFile) { f.data = f.data[:min(len(f.data), 5)] },
		} {
			_, err := again(func(d *simDisk) { change(d.names[name]) })
			var partial *PartialError
			if !errors.As(err, &partial) || partial.Err == nil {
				t.Errorf("%s of %s: error %v", kind, name, err)
			}
		}
	}
}

// A sample that was let go, and not followed by a standing when the machine
// stopped, is let go again by the build that goes on: its record is written over.
func TestJournalSkipWithoutStanding(t *testing.T) {
	whole := appendBegin([]byte(journalMagic), 7, []Setting{{"a", "b"}})
	s := standing{next: 5, rows: 5}
	whole = s.append(whole, 7)
	end := int64(len(whole))
	for n := range 3 {
		h, err := readHistory(bytes.NewReader(whole))
		if err != nil || h.stand == nil || h.end != end || len(h.skipped) > 0 {
			t.Fatalf("%d records behind the standing: %+v, %v; want an end at byte %d", n, h, err, end)
		}
		whole = appendSkip(whole, 7, &SampleError{Sample: 5 + n, Key: "k", Err: errBad})
	}
}

// FuzzJournal reads anything as a journal.
func FuzzJournal(f *testing.F) {
	whole := appendBegin([]byte(journalMagic), 7, []Setting{{"a", "b"}})
	f.Add(slices.Clone(whole))
	whole = appendSkip(whole, 7, &SampleError{Sample: 1, Key: "k", Err: errBad})
	s := standing{next: 5, rows: 4, skipped: 1, markBytes: []int64{4}}
	whole = s.append(whole, 7)
	f.Add(slices.Clone(whole))
	f.Add(appendRecord(slices.Clone(whole), 7, recordMove, nil))
	w := whole2()
	f.Add(w.append(whole, 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := readHistory(bytes.NewReader(b))
		if err != nil {
			return
		}
		if h.end > int64(len(b)) || h.stand != nil && (h.stand.rows < 0 || h.stand.skipped != int64(len(h.skipped))) {
			t.Errorf("%+v", h)
		}
		if h.stand == nil {
			return
		}
		// What it says about a build is checked before it is believed.
		p := testPipeline(t)
		if err := p.restore(h.stand); err == nil && (p.rows > 1<<40 || p.high > int64(p.pages.End())) && p.pages.Count() == 0 {
			t.Errorf("restored %+v", h.stand)
		}
	})
}

func whole2() whole { return whole{size: 100, tail: 50, stats: Stats{Samples: 3}} }

func testPipeline(t *testing.T) *pipeline {
	d := newSimDisk()
	w, err := createOn(d, filepath.Join(t.TempDir(), "f"), []FieldSpec{{"d", flagged{}}}, &Options{PageSize: MinPageSize})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	p, err := w.newPipeline(MinPageSize)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
