package ffcv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/aside"
)

// chunky has values of some 50 KB, of which those from a certain one on may fail.
type chunky struct {
	n     int
	fails func(i int) error
}

var chunkySpecs = []ffcv.FieldSpec{{"b", fields.Bytes{}}, {"i", fields.Int{}}}

func (d chunky) Len() int { return d.n }

func (d chunky) Sample(_ context.Context, i int) ([]any, string, error) {
	if d.fails != nil {
		if err := d.fails(i); err != nil {
			return nil, fmt.Sprintf("k%d", i), err
		}
	}
	return []any{bytes.Repeat([]byte(fmt.Sprintf("%d,", i)), 10_000), i}, fmt.Sprintf("k%d", i), nil
}

func (d chunky) stream() iter.Seq2[ffcv.Sample, error] {
	return func(yield func(ffcv.Sample, error) bool) {
		for i := range d.n {
			v, k, err := d.Sample(context.Background(), i)
			if !yield(ffcv.Sample{Values: v, Key: k}, err) {
				return
			}
		}
	}
}

// journaled writes the chunky to path with a journal.
func journaled(t *testing.T, path string, ds chunky, o ffcv.Options, write func(*ffcv.Writer) error) error {
	t.Helper()
	if o.PageSize == 0 {
		o.PageSize = 2 * mib
	}
	w, err := ffcv.Create(path, chunkySpecs, &o)
	if err != nil {
		return err
	}
	defer w.Close()
	if write != nil {
		return write(w)
	}
	return w.WriteDataset(t.Context(), ds, nil)
}

var errGone = errors.New("the source is gone")

func goneFrom(from int) func(int) error {
	return func(i int) error {
		if i >= from {
			return errGone
		}
		return nil
	}
}

// half leaves a build that stopped at sample 100.
func half(t *testing.T, path string, j ffcv.Journal) {
	t.Helper()
	err := journaled(t, path, chunky{}, ffcv.Options{Journal: &j}, func(w *ffcv.Writer) error {
		return w.WriteDataset(t.Context(), chunky{200, goneFrom(100)}, nil)
	})
	var in *ffcv.InterruptedError
	if !errors.As(err, &in) || !errors.Is(err, errGone) {
		t.Fatalf("error %v, want one that lets it go on", err)
	}
	if in.Next != 100 || in.Samples != 100 || in.Partial != path+".partial" {
		t.Errorf("%+v, want samples up to 100", in)
	}
}

func whole(t *testing.T, ds chunky) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "whole")
	if err := journaled(t, path, ds, ffcv.Options{}, nil); err != nil {
		t.Fatal(err)
	}
	return read(t, path)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A build goes on with any number of workers, from whatever ended it.
func TestJournalInterrupted(t *testing.T) {
	want := whole(t, chunky{n: 600})
	for name, end := range map[string]func(ctx context.Context, cancel func(), w *ffcv.Writer) error{
		"a source that fails": func(ctx context.Context, _ func(), w *ffcv.Writer) error {
			return w.WriteDataset(ctx, chunky{600, goneFrom(500)}, nil)
		},
		"a sequence that fails": func(ctx context.Context, _ func(), w *ffcv.Writer) error {
			return w.WriteStream(ctx, chunky{600, goneFrom(500)}.stream(), &ffcv.StreamOptions{Reserve: 600})
		},
		"a sequence that panics": func(ctx context.Context, _ func(), w *ffcv.Writer) error {
			d := chunky{600, func(i int) error {
				if i == 500 {
					panic("ouch")
				}
				return nil
			}}
			return w.WriteStream(ctx, d.stream(), &ffcv.StreamOptions{Reserve: 600})
		},
		"a worker that panics": func(ctx context.Context, _ func(), w *ffcv.Writer) error {
			return w.WriteDataset(ctx, chunky{600, func(i int) error {
				if i == 500 {
					panic("ouch")
				}
				return nil
			}}, nil)
		},
		"the context": func(ctx context.Context, cancel func(), w *ffcv.Writer) error {
			return w.WriteDataset(ctx, chunky{600, func(i int) error {
				if i == 500 {
					cancel()
					time.Sleep(10 * time.Millisecond)
				}
				return nil
			}}, nil)
		},
		"Ready": nil,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.beton")
			if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
				t.Fatal(err)
			}
			o := ffcv.Options{Overwrite: true, Workers: 3, Journal: &ffcv.Journal{}}
			if end == nil {
				o.Ready = func(context.Context) error { return errGone }
				end = func(ctx context.Context, _ func(), w *ffcv.Writer) error {
					return w.WriteDataset(ctx, chunky{n: 600}, nil)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := journaled(t, path, chunky{}, o, func(w *ffcv.Writer) error { return end(ctx, cancel, w) })
			var in *ffcv.InterruptedError
			if !errors.As(err, &in) || in.Next < 40 {
				t.Fatalf("error %v (%+v)", err, in)
			}
			if string(read(t, path)) != "old" {
				t.Error("the old file is not there any more")
			}
			resumed := ffcv.Resumed{}
			o = ffcv.Options{Overwrite: true, Workers: 1, Journal: &ffcv.Journal{Resume: true, Resumed: func(r ffcv.Resumed) { resumed = r }}}
			err = journaled(t, path, chunky{}, o, func(w *ffcv.Writer) error {
				if strings.Contains(name, "sequence") {
					return w.WriteStream(t.Context(), chunky{n: 600}.stream(), &ffcv.StreamOptions{Reserve: 600})
				}
				return w.WriteDataset(t.Context(), chunky{n: 600}, nil)
			})
			if err != nil {
				t.Fatal(err)
			}
			if resumed.Next != in.Next || resumed.Samples != in.Samples {
				t.Errorf("resumed %+v, want %+v", resumed, in)
			}
			if !bytes.Equal(read(t, path), want) {
				t.Error("not the file that nothing interrupted")
			}
			checkAlone(t, path)
		})
	}
}

// Options that make another file are named, old and new; those that don't are not.
func TestJournalChanged(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.beton")
	half(t, path, ffcv.Journal{Identity: []ffcv.Setting{{"photos", "10"}}})
	before := dirSums(t, dir)
	for _, c := range []struct {
		name   string
		change func(o *ffcv.Options)
		n      int
		opts   *ffcv.DatasetOptions
		want   []ffcv.Change
	}{
		{"seed and source", func(o *ffcv.Options) {
			o.Seed = 7
			o.Journal.Identity = []ffcv.Setting{{"photos", "11"}, {"masks", "3"}}
		}, 200, nil, []ffcv.Change{{"photos", "10", "11"}, {"masks", "", "3"}, {"seed", "0", "7"}}},
		{"nothing given", func(o *ffcv.Options) { o.Journal.Identity = nil }, 200, nil, []ffcv.Change{{"photos", "10", ""}}},
		{"page size, plain", func(o *ffcv.Options) { o.PageSize, o.Plain = 4*mib, true }, 200, nil,
			[]ffcv.Change{{"page size", "2097152", "4194304"}, {"plain", "false", "true"}}},
		{"samples", func(*ffcv.Options) {}, 201, nil, []ffcv.Change{{"samples", "200", "201"}}},
		{"order", func(*ffcv.Options) {}, 200, &ffcv.DatasetOptions{Shuffle: true}, []ffcv.Change{{"order", "as it is", "as it is, shuffled"}}},
	} {
		o := ffcv.Options{Workers: 5, Journal: &ffcv.Journal{Resume: true, Identity: []ffcv.Setting{{"photos", "10"}}}}
		c.change(&o)
		err := journaled(t, path, chunky{}, o, func(w *ffcv.Writer) error {
			return w.WriteDataset(t.Context(), chunky{n: c.n}, c.opts)
		})
		var changed *ffcv.ChangedError
		if !errors.As(err, &changed) || fmt.Sprint(changed.Changes) != fmt.Sprint(c.want) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
		if got := dirSums(t, dir); got != before {
			t.Fatalf("%s: the files were\n%s, are\n%s", c.name, before, got)
		}
	}
	// A field's settings are part of what must be the same.
	w, err := ffcv.Create(path, []ffcv.FieldSpec{{"b", fields.RGBImage{Quality: 80}}, {"i", fields.Int{}}},
		&ffcv.Options{PageSize: 2 * mib, Journal: &ffcv.Journal{Resume: true}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteDataset(t.Context(), chunky{n: 200}, nil); err == nil || !strings.Contains(err.Error(), "field b was fields.Bytes{}, ") || !strings.Contains(err.Error(), "Quality:80") {
		t.Errorf("error %v", err)
	}
}

func dirSums(t *testing.T, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range list {
		data := read(t, filepath.Join(dir, e.Name()))
		fmt.Fprintf(&b, "%s %d %x\n", e.Name(), len(data), bytes.TrimRight(data[max(0, len(data)-100):], "\x00"))
	}
	return b.String()
}

// What an earlier build left is named, never used or deleted unasked.
func TestJournalPartial(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.beton")
	half(t, path, ffcv.Journal{})
	before := dirSums(t, dir)
	var partial *ffcv.PartialError
	if _, err := ffcv.Create(path, chunkySpecs, &ffcv.Options{Journal: &ffcv.Journal{}}); !errors.As(err, &partial) || partial.Samples != 100 || partial.Err != nil || partial.Partial != path+".partial" {
		t.Errorf("error %v (%+v)", err, partial)
	}
	// A writer without a journal tells of it, and works.
	var warned []string
	err := journaled(t, path, chunky{n: 3}, ffcv.Options{Warn: func(s string) { warned = append(warned, s) }}, nil)
	if err != nil || len(warned) == 0 || !strings.HasPrefix(warned[0], path+".partial, ") {
		t.Errorf("%v, warned of %q", err, warned)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := dirSums(t, dir); got != before {
		t.Fatalf("the files were\n%s, are\n%s", before, got)
	}
	if _, err := ffcv.Create(path, chunkySpecs, &ffcv.Options{Journal: &ffcv.Journal{Resume: true, Restart: true}}); err == nil {
		t.Error("Resume and Restart: no error")
	}
	resumed := false
	o := ffcv.Options{Journal: &ffcv.Journal{Restart: true, Resumed: func(ffcv.Resumed) { resumed = true }}}
	if err := journaled(t, path, chunky{n: 50}, o, nil); err != nil || resumed {
		t.Fatalf("Restart: %v, resumed %v", err, resumed)
	}
	checkAlone(t, path)
	if !bytes.Equal(read(t, path), whole(t, chunky{n: 50})) {
		t.Error("not the file that nothing interrupted")
	}
	// Without its journal a partial file is nobody's, without a partial file a
	// journal is worth nothing.
	for _, name := range []string{".partial", ".partial.journal"} {
		path := filepath.Join(t.TempDir(), "y.beton")
		half(t, path, ffcv.Journal{})
		if err := os.Remove(path + name); err != nil {
			t.Fatal(err)
		}
		err := journaled(t, path, chunky{n: 200}, ffcv.Options{Journal: &ffcv.Journal{Resume: true}}, nil)
		if name == ".partial" {
			if err != nil {
				t.Errorf("without %s: %v", name, err)
			}
			checkAlone(t, path)
		} else if !errors.As(err, &partial) || partial.Err == nil {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// Samples that were let go are told of once more, and a short build leaves
// nothing.
func TestJournalSkipped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.beton")
	let := func(n, gone int, resume bool, told *[]string) error {
		j := &ffcv.Journal{Resume: resume, Resumed: func(r ffcv.Resumed) {
			for _, e := range r.Skipped {
				*told = append(*told, fmt.Sprintf("%d %s %v", e.Sample, e.Key, e.Err))
			}
		}}
		return journaled(t, path, chunky{}, ffcv.Options{Journal: j}, func(w *ffcv.Writer) error {
			return w.WriteDataset(t.Context(), chunky{n, func(i int) error {
				if i >= gone {
					return errGone
				} else if i%40 == 39 {
					return fmt.Errorf("bad sample %d", i)
				}
				return nil
			}}, &ffcv.DatasetOptions{OnError: func(key string, err error) error {
				if errors.Is(err, errGone) {
					return err
				}
				var s *ffcv.SampleError
				errors.As(err, &s)
				*told = append(*told, fmt.Sprintf("%d %s %v", s.Sample, s.Key, s.Err))
				return nil
			}})
		})
	}
	var first, second []string
	if err := let(200, 150, false, &first); !errors.Is(err, errGone) {
		t.Fatal(err)
	}
	if err := let(200, 200, true, &second); err != nil {
		t.Fatal(err)
	}
	if want := "[39 k39 bad sample 39 79 k79 bad sample 79 119 k119 bad sample 119 159 k159 bad sample 159 199 k199 bad sample 199]"; fmt.Sprint(second) != want || len(first) != 3 {
		t.Errorf("told of %v, then of %v, want %s", first, second, want)
	}
	short := filepath.Join(t.TempDir(), "short.beton")
	err := journaled(t, short, chunky{}, ffcv.Options{Journal: &ffcv.Journal{}}, func(w *ffcv.Writer) error {
		return w.WriteDataset(t.Context(), chunky{10, goneFrom(5)}, nil)
	})
	var in *ffcv.InterruptedError
	if !errors.Is(err, errGone) || errors.As(err, &in) {
		t.Errorf("a short build: %v", err)
	}
	checkNothing(t, short)
}

// Two writers of one target: the second is refused, with who has it.
func TestWriterHolds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.beton")
	for _, o := range []*ffcv.Options{nil, {Journal: &ffcv.Journal{}}} {
		w, err := ffcv.Create(path, chunkySpecs, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range []*ffcv.Options{nil, {Journal: &ffcv.Journal{Resume: true}}, {Journal: &ffcv.Journal{Restart: true}}} {
			var held *aside.HeldError
			if _, err := ffcv.Create(path, chunkySpecs, other); !errors.As(err, &held) || held.PID != os.Getpid() {
				if runtime.GOOS == "linux" {
					t.Errorf("error %v, want one of who has it", err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		checkNothing(t, path)
	}
}

// A real disk that is full, if one can be had.
func TestJournalFullDisk(t *testing.T) {
	ds := chunky{n: 400}
	want := whole(t, ds)
	for _, workers := range []int{1, 4} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			dir := t.TempDir()
			mount := exec.Command("mount", "-t", "tmpfs", "-o", "size=12m", "none", dir)
			if out, err := mount.CombinedOutput(); err != nil {
				t.Skipf("no small disk can be had here: %v, %s", err, out)
			}
			defer func() {
				if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
					t.Errorf("%v, %s", err, out)
				}
			}()
			path := filepath.Join(dir, "x.beton")
			if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
				t.Fatal(err)
			}
			o := ffcv.Options{Overwrite: true, Workers: workers, Journal: &ffcv.Journal{Resume: true}}
			err := journaled(t, path, ds, o, nil)
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("error %v, want that of a full disk", err)
			}
			// One worker writes in the order of the file. Of several, the first
			// may come to write when the others have filled the disk: then there
			// is nothing to go on from.
			var in *ffcv.InterruptedError
			if workers == 1 && (!errors.As(err, &in) || in.Next < 50) {
				t.Fatalf("error %v (%+v)", err, in)
			}
			if string(read(t, path)) != "old" {
				t.Error("the old file is not there any more")
			}
			if out, err := exec.Command("mount", "-o", "remount,size=80m", dir).CombinedOutput(); err != nil {
				t.Fatalf("%v, %s", err, out)
			}
			if err := journaled(t, path, ds, o, nil); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(read(t, path), want) {
				t.Error("not the file that nothing interrupted")
			}
		})
	}
}
