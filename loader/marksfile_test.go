package loader_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

func cropped(marksFile string) loader.Options {
	return loader.Options{
		BatchSize: 8, Workers: 3, Order: loader.Random, MarksFile: marksFile,
		Outputs: []loader.Output{{Name: "image", Decoder: transform.RandomResizedCrop{Width: 64, Height: 64}}},
	}
}

// knownMarks counts the JPEGs of f that the side file tells about.
func knownMarks(t testing.TB, path string, f *ffcv.File) (known int) {
	t.Helper()
	id, err := f.Identity()
	if err != nil {
		t.Fatal(err)
	}
	m, err := ffcv.OpenMarks(path, id)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i := range f.Len() {
		e, err := f.Image(i, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := m.Marks(i, 0, e.Data); ok {
			known++
		}
	}
	return known
}

// onlyFile fails when anything but the file lies in its folder.
func onlyFile(t testing.TB, path string) {
	t.Helper()
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(list) != 1 || list[0].Name() != filepath.Base(path) {
		t.Errorf("in the folder: %v (%v), want %s alone", list, err, filepath.Base(path))
	}
}

// The first epoch makes the file, another loader uses it, and no pixel depends
// on it, nor on whether the dataset lends its bytes.
func TestMarksFile(t *testing.T) {
	f := photoFile(t, false)
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	r, err := ffcv.New(ffcv.ReaderAtSource("reader", bytes.NewReader(b), int64(len(b))), nil)
	if err != nil {
		t.Fatal(err)
	}
	opts := cropped("")
	opts.MarksMemory = -1
	want := rows(t, f, opts, 3)
	path := filepath.Join(t.TempDir(), "x.marks")
	opts = cropped(path)
	opts.Warn = func(msg string) { t.Error(msg) }
	sameRows(t, "making it", rows(t, f, opts, 3), want)
	onlyFile(t, path)
	if n := knownMarks(t, path, f); n != f.Len()-1 { // the last picture is no JPEG
		t.Errorf("%d JPEGs of %d are known", n, f.Len()-1)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	// Complete, it is never written again, and needs no folder to write to.
	for _, memory := range []int{0, -1} {
		opts.MarksMemory = memory
		sameRows(t, "using it", rows(t, f, opts, 3), want)
		sameRows(t, "using it, from a reader", rows(t, r, opts, 3), want)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("replaced (%v)", err)
	}
	// Damaged in the middle, it is mended.
	damaged, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged[len(damaged)/2] ^= 8
	if err := os.WriteFile(path, damaged, 0o666); err != nil {
		t.Fatal(err)
	}
	if n := knownMarks(t, path, f); n != f.Len()-2 {
		t.Errorf("%d JPEGs known with one entry damaged", n)
	}
	opts.MarksMemory = 0
	sameRows(t, "damaged", rows(t, f, opts, 1), want[:1])
	if n := knownMarks(t, path, f); n != f.Len()-1 {
		t.Errorf("%d JPEGs known after mending", n)
	}
}

// Ranks and loaders of some samples add theirs.
func TestMarksFileShares(t *testing.T) {
	f := photoFile(t, false)
	path := filepath.Join(t.TempDir(), "x.marks")
	epoch := func(l *loader.Loader, n int) {
		for b, err := range l.Epoch(context.Background(), n) {
			if err != nil {
				t.Error(err)
				return
			}
			b.Release()
		}
	}
	opts := cropped(path)
	opts.Warn = func(msg string) { t.Error(msg) }
	opts.Indices = []int{3, 5, 8}
	epoch(newLoader(t, f, &opts), 0)
	if n := knownMarks(t, path, f); n != 3 {
		t.Errorf("%d JPEGs are known of 3", n)
	}
	opts.Indices, opts.Order = nil, loader.Sequential
	var ranks sync.WaitGroup
	for rank := range 3 {
		opts := opts
		opts.Rank, opts.WorldSize = rank, 3
		l := newLoader(t, f, &opts)
		ranks.Add(1)
		go func() { // ends with its epochs
			defer ranks.Done()
			for n := range 3 {
				epoch(l, n)
			}
		}()
	}
	ranks.Wait()
	if n := knownMarks(t, path, f); n != f.Len()-1 {
		t.Errorf("%d JPEGs of %d are known", n, f.Len()-1)
	}
	onlyFile(t, path)
}

// An epoch that was left early is written by Close.
func TestMarksFileClose(t *testing.T) {
	f := photoFile(t, false)
	path := filepath.Join(t.TempDir(), "x.marks")
	opts := cropped(path)
	l := newLoader(t, f, &opts)
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		b.Release()
		break
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("written before Close (%v)", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if n := knownMarks(t, path, f); n < 8 {
		t.Errorf("%d JPEGs are known, a batch has 8", n)
	}
	onlyFile(t, path)
}

// other is a dataset without an identity, or with that of another.
type other struct{ loader.Dataset }

type fewer struct{ *ffcv.File }

func (f fewer) Len() int { return f.File.Len() - 1 }

// What can't be is said by New, unless there is no need for it.
func TestMarksFileRefused(t *testing.T) {
	f := photoFile(t, false)
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("a text"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ds     loader.Dataset
		path   string
		memory int
		want   string
	}{
		{f, text, 0, "not a side file of marks"},
		{f, dir, 0, "not a regular file"},
		{f, filepath.Join(dir, "absent", "x"), 0, "absent"},
		{f, filepath.Join(dir, "x"), -1, "no such file"},
		{other{f}, filepath.Join(dir, "x"), 0, "no Identity"},
		{fewer{f}, filepath.Join(dir, "x"), 0, "samples"},
	} {
		opts := cropped(c.path)
		opts.MarksMemory = c.memory
		if _, err := loader.New(c.ds, &opts); err == nil || runtime.GOOS != "windows" && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%T, %s: %v, want %q", c.ds, c.path, err, c.want)
		}
		opts.Outputs = []loader.Output{{Name: "image", Decoder: loader.Raw{}}}
		if _, err := loader.New(c.ds, &opts); err != nil {
			t.Errorf("%T, %s: %v, although no output uses marks", c.ds, c.path, err)
		}
	}
	if got, err := os.ReadFile(text); err != nil || string(got) != "a text" {
		t.Errorf("%q, %v", got, err)
	}
}

// A folder that goes away, or a name that becomes another file's, costs no
// batch: Warn and Close tell.
func TestMarksFileLost(t *testing.T) {
	f := photoFile(t, false)
	opts := cropped("")
	opts.MarksMemory = -1
	want := rows(t, f, opts, 2)
	for what, spoil := range map[string]func(path string) error{
		"folder removed": func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
		"another file":   func(path string) error { return os.WriteFile(path, []byte("a text"), 0o666) },
	} {
		dir := filepath.Join(t.TempDir(), "d")
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "x.marks")
		var told []string
		opts := cropped(path)
		opts.Warn = func(msg string) { told = append(told, msg) }
		l, err := loader.New(f, &opts)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 2 {
			first := n == 0
			for b, err := range l.Epoch(context.Background(), n) {
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if first {
					if err := spoil(path); err != nil {
						t.Fatal(err)
					}
					first = false
				}
				for i, id := range b.Samples() {
					if !bytes.Equal(b.Outputs()[0].Value(i), want[n][id]) {
						t.Errorf("%s: epoch %d, sample %d: other bytes", what, n, id)
					}
				}
				b.Release()
			}
		}
		if len(told) == 0 || !strings.Contains(told[0], "x.marks") {
			t.Errorf("%s: told %q", what, told)
		}
		if err := l.Close(); err == nil {
			t.Errorf("%s: Close has no error", what)
		}
		if b, err := os.ReadFile(path); err == nil && string(b) != "a text" {
			t.Errorf("%s: replaced by %.20q", what, b)
		}
	}
}

// New tells that a side file of another dataset will go, and lets it stand.
func TestMarksFileOfOther(t *testing.T) {
	f, g := photoFile(t, false), photoFile(t, true)
	path := filepath.Join(t.TempDir(), "x.marks")
	opts := cropped(path)
	rows(t, f, opts, 1)
	told := 0
	opts.Warn = func(string) { told++ }
	newLoader(t, g, &opts)
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	if n := knownMarks(t, path, f); n != f.Len()-1 {
		t.Errorf("replaced by New alone: %d known", n)
	}
}

// Nothing is allocated for the marks of a sample, wherever they come from.
func TestMarksAllocateNothing(t *testing.T) {
	without, with := photoFile(t, false), photoFile(t, true)
	read := func(f *ffcv.File) *ffcv.File {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		r, err := ffcv.New(ffcv.ReaderAtSource("reader", bytes.NewReader(b), int64(len(b))), nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	allocations := func(f *ffcv.File, path string, memory int) float64 {
		opts := cropped(path)
		opts.MarksMemory, opts.Workers = memory, 1
		l := newLoader(t, f, &opts)
		epochs := race.Fewer(20, 5)
		var before, after runtime.MemStats
		for n := range 2 * epochs {
			if n == epochs {
				runtime.ReadMemStats(&before)
			}
			for b, err := range l.Epoch(context.Background(), n) {
				if err != nil {
					t.Fatal(err)
				}
				b.Release()
			}
		}
		runtime.ReadMemStats(&after)
		return float64(after.Mallocs-before.Mallocs) / float64(epochs)
	}
	path := filepath.Join(t.TempDir(), "x.marks")
	rows(t, without, cropped(path), 1)
	for what, pair := range map[string][2]float64{
		"lent":              {allocations(without, path, 0), allocations(without, "", -1)},
		"read":              {allocations(read(without), path, 0), allocations(read(without), "", -1)},
		"read, of the file": {allocations(read(with), "", -1), allocations(read(without), "", -1)},
	} {
		// Some epochs have a few more, none as many as samples. (Under the race detector
		// sync.Pool forgets one in four of what announces marks.)
		if pair[0] > pair[1]+float64(without.Len())/float64(race.Fewer(4, 2)) {
			t.Errorf("%s: %.0f allocations an epoch of %d samples, %.0f without marks", what, pair[0], without.Len(), pair[1])
		}
	}
}

// Outputs that change from epoch to epoch keep one side file, and one that
// can't be made any more ends none.
func TestMarksFileOutputsAt(t *testing.T) {
	f := photoFile(t, false)
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "x.marks")
	var told []string
	opts := cropped(path)
	opts.Outputs = nil
	opts.OutputsAt = func(epoch int) []loader.Output {
		side := 32 + 8*epoch
		return []loader.Output{{Name: "image", Decoder: transform.RandomResizedCrop{Width: side, Height: side}}}
	}
	opts.Warn = func(msg string) { told = append(told, msg) }
	l := newLoader(t, f, &opts)
	for n := range 4 {
		if n == 2 {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
		for b, err := range l.Epoch(context.Background(), n) {
			if err != nil {
				t.Fatal(err)
			}
			b.Release()
		}
		if n == 1 {
			if known := knownMarks(t, path, f); known != f.Len()-1 || len(told) > 0 {
				t.Errorf("%d JPEGs of %d are known; told %q", known, f.Len()-1, told)
			}
		}
	}
}
