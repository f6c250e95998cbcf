package ffcv_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/leak"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	existing := filepath.Join(dir, "existing.beton")
	if err := os.WriteFile(existing, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	one := []ffcv.FieldSpec{{"a", fields.Int{}}}
	for _, c := range []struct {
		name  string
		path  string
		specs []ffcv.FieldSpec
		opts  *ffcv.Options
		is    error
		want  string
	}{
		{"no name", "", one, nil, nil, "no file name"},
		{"no fields", "x", nil, nil, nil, "no fields"},
		{"nil field", "x", []ffcv.FieldSpec{{"a", nil}}, nil, nil, `"a": no Field`},
		{"long name", "x", []ffcv.FieldSpec{{"a23456789_1234567", fields.Int{}}}, nil, nil, "a23456789_1234567"},
		{"not ASCII", "x", []ffcv.FieldSpec{{"naïve", fields.Int{}}}, nil, nil, "ASCII"},
		{"twice", "x", []ffcv.FieldSpec{{"a", fields.Int{}}, {"a", fields.Int{}}}, nil, nil, "twice"},
		{"scalar array", "x", []ffcv.FieldSpec{{"a", fields.NDArray{}}}, nil, nil, `"a"`},
		{"stray pointer", "x", []ffcv.FieldSpec{{"a", strayPointer{}}}, nil, nil, "data pointer at 1"},
		{"page of 1 MiB", "x", one, &ffcv.Options{PageSize: 1 * mib}, nil, "page size 1048576"},
		{"page of 3 MiB", "x", one, &ffcv.Options{PageSize: 3 * mib}, nil, "power of two"},
		{"page of 2 GiB", "x", one, &ffcv.Options{PageSize: 2 << 30}, nil, "page size"},
		{"negative page", "x", one, &ffcv.Options{PageSize: -1}, nil, "page size -1"},
		{"negative workers", "x", one, &ffcv.Options{Workers: -1}, nil, "-1 workers"},
		{"existing", existing, one, nil, fs.ErrExist, "existing.beton"},
		{"folder", dir, one, &ffcv.Options{Overwrite: true}, nil, "is a directory"},
		{"no folder", filepath.Join(dir, "none", "x"), one, nil, fs.ErrNotExist, "none"},
		{"file as folder", filepath.Join(existing, "x"), one, nil, nil, "existing.beton"},
	} {
		path := c.path
		if path == "x" {
			path = filepath.Join(dir, "x.beton")
		}
		w, err := ffcv.Create(path, c.specs, c.opts)
		if err == nil || w != nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		if !strings.HasPrefix(err.Error(), "create "+path+": ") || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: error %q, want one of %q (%v)", c.name, err, c.want, c.is)
		}
	}
	if b, err := os.ReadFile(existing); err != nil || string(b) != "old" {
		t.Errorf("the existing file now holds %q (%v)", b, err)
	}
	checkAlone(t, existing)
}

type strayPointer struct{ fields.Int }

func (strayPointer) Layout() fields.Layout {
	return fields.Layout{Size: 8, Align: 8, Pointers: []int{1}}
}

func TestWriteOverwrites(t *testing.T) {
	specs, ds := everyKind(10)
	path := filepath.Join(t.TempDir(), "x.beton")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w, err := ffcv.Create(path, specs, &ffcv.Options{Overwrite: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteDataset(t.Context(), ds, nil); err != nil {
			t.Fatal(err)
		}
		checkAlone(t, path)
		checkFile(t, path, specs, ds, 10, nil)
	}

	// A file that came into being after Create is not replaced either.
	w, path := create(t, specs, nil)
	if err := os.WriteFile(path, []byte("theirs"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteDataset(t.Context(), ds, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file appeared meanwhile: error %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "theirs" {
		t.Errorf("it now holds %q (%v)", b, err)
	}
	checkAlone(t, path)
}

func TestWriteSymlink(t *testing.T) {
	specs, ds := everyKind(10)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "links"), 0o777); err != nil {
		t.Fatal(err)
	}
	link, target := filepath.Join(dir, "links", "l.beton"), filepath.Join(dir, "t.beton")
	if err := os.Symlink(filepath.Join("..", "t.beton"), link); err != nil {
		t.Fatal(err)
	}
	for i := range 2 { // it leads nowhere at first
		w, err := ffcv.Create(link, specs, &ffcv.Options{Overwrite: i > 0})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteDataset(t.Context(), ds, nil); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Fatalf("the link became %v (%v)", info.Mode(), err)
		}
		checkAlone(t, link)
		checkFile(t, target, specs, ds, 10, nil)
	}
	if _, err := ffcv.Create(link, specs, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("link to an existing file: error %v", err)
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	if _, err := ffcv.Create(loop, specs, nil); err == nil {
		t.Error("link to itself: no error")
	}
}

// A name as long as the system allows leaves no room for the partial file's.
func TestWriteLongName(t *testing.T) {
	specs, ds := everyKind(3)
	path := filepath.Join(t.TempDir(), strings.Repeat("ä", 124)+".beton")
	w, err := ffcv.Create(path, specs, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteDataset(t.Context(), ds, nil); err != nil {
		t.Fatal(err)
	}
	checkAlone(t, path)
	checkFile(t, path, specs, ds, 3, nil)
}

func TestWriterClose(t *testing.T) {
	specs, ds := everyKind(10)
	w, path := create(t, specs, nil)
	for range 2 {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	checkNothing(t, path)
	if err := w.WriteDataset(t.Context(), ds, nil); err == nil {
		t.Error("a Write after Close: no error")
	}
}

// faulty fails, panics or blocks at one sample.
type faulty struct {
	made
	bad int
	how func(ctx context.Context, i int) ([]any, string, error)
}

func (f faulty) Sample(ctx context.Context, i int) ([]any, string, error) {
	if i >= f.bad {
		return f.how(ctx, i)
	}
	return f.made.Sample(ctx, i)
}

var errBoom = errors.New("boom")

// refusing is a field that misbehaves.
type refusing struct {
	fields.Bytes
	how func(meta []byte, at fields.At) error
}

func (r refusing) Encode(meta []byte, v any, at fields.At) error {
	if at.Sample < 700 {
		return r.Bytes.Encode(meta, v, at)
	}
	return r.how(meta, at)
}

// Every failure is the lowest sample's, names it, and leaves nothing.
func TestWriteFails(t *testing.T) {
	specs, ds := everyKind(3000)
	settle := leak.Watch(t)
	fails := func(name string, specs []ffcv.FieldSpec, ds ffcv.Dataset, is error, want string) {
		t.Helper()
		for _, o := range []struct{ workers, chunk int }{{1, 0}, {4, 1}, {8, 50}, {3, 5000}} {
			w, path := create(t, specs, &ffcv.Options{Workers: o.workers})
			err := w.WriteDataset(t.Context(), ds, &ffcv.DatasetOptions{ChunkSize: o.chunk})
			if err == nil || !strings.HasPrefix(err.Error(), "write "+path+": "+want) || is != nil && !errors.Is(err, is) {
				t.Fatalf("%s, %+v: error %.300v\nwant %s", name, o, err, want)
			}
			checkNothing(t, path)
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			if w.Stats() != (ffcv.Stats{}) {
				t.Error("stats after an error")
			}
		}
		settle()
	}
	fails("error", specs, faulty{ds, 700, func(_ context.Context, i int) ([]any, string, error) {
		return nil, "x/y.jpg", fmt.Errorf("%w %d", errBoom, i)
	}}, errBoom, "sample 700 (x/y.jpg): boom 700")
	fails("panic", specs, faulty{ds, 700, func(context.Context, int) ([]any, string, error) {
		panic(errBoom)
	}}, errBoom, "sample 700: panic: boom\n\n")
	fails("Goexit", specs, faulty{ds, 700, func(context.Context, int) ([]any, string, error) {
		runtime.Goexit()
		panic("not reached")
	}}, nil, "sample ")
	fails("too few values", specs, faulty{ds, 700, func(context.Context, int) ([]any, string, error) {
		return []any{1}, "k", nil
	}}, nil, "sample 700 (k): 1 values for 6 fields")
	fails("wrong value", specs, faulty{ds, 700, func(_ context.Context, i int) ([]any, string, error) {
		v := ds.at(i)
		v[1] = "seven"
		return v, "k", nil
	}}, fields.ErrValue, `sample 700 (k), field "label": `)

	one := made{3000, func(i int) []any { return []any{golden.Input(i, 100), golden.Input(i, 10)} }, nil}
	for name, c := range map[string]struct {
		how  func(meta []byte, at fields.At) error
		is   error
		want string
	}{
		"error":       {func([]byte, fields.At) error { return errBoom }, errBoom, "boom"},
		"panic":       {func([]byte, fields.At) error { panic("ouch") }, nil, "panic: ouch\n\n"},
		"no region":   {func([]byte, fields.At) error { return nil }, nil, "the field took 0 regions, its layout has 1 pointers"},
		"no pointer":  {func(_ []byte, at fields.At) error { _, _, err := at.Alloc(3); return err }, nil, "the field stored 0x0 at byte 0"},
		"huge region": {func(_ []byte, at fields.At) error { _, _, err := at.Alloc(1<<30 + 1); return err }, nil, "sample of 1073741825 bytes does not fit into a page of 8388608"},
		"negative":    {func(_ []byte, at fields.At) error { _, _, err := at.Alloc(-1); return err }, nil, "a region of -1 bytes"},
	} {
		s := []ffcv.FieldSpec{{"good", fields.Bytes{}}, {"bad", refusing{how: c.how}}}
		fails(name, s, one, c.is, `sample 700, field "bad": `+c.want)
	}
	w, path := create(t, specs, nil)
	if err := w.WriteDataset(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "panic: ") {
		t.Errorf("no dataset: %v", err)
	}
	checkNothing(t, path)
	panicky, _ := create(t, specs, &ffcv.Options{Progress: func(ffcv.Progress) { panic("in progress") }})
	var p *ffcv.PanicError
	if err := panicky.WriteDataset(t.Context(), ds, nil); !errors.As(err, &p) || p.Value != "in progress" {
		t.Errorf("panic in Progress: %v", err)
	}
	settle()
}

func TestWriteCancelled(t *testing.T) {
	specs, ds := everyKind(100000)
	settle := leak.Watch(t)
	path := filepath.Join(t.TempDir(), "x.beton")
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{1, 2, 8} {
		for _, after := range []int64{0, 1, 1000, 30000} {
			ctx, cancel := context.WithCancel(t.Context())
			if after == 0 {
				cancel()
			}
			var n atomic.Int64
			counting := faulty{ds, 0, func(ctx context.Context, i int) ([]any, string, error) {
				if n.Add(1) == after {
					cancel()
				}
				return ds.Sample(ctx, i)
			}}
			w, err := ffcv.Create(path, specs, &ffcv.Options{Workers: workers, Overwrite: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.WriteDataset(ctx, counting, nil); !errors.Is(err, context.Canceled) {
				t.Fatalf("cancelled after %d: error %v", after, err)
			}
			if n.Load() > after+20000 {
				t.Errorf("cancelled after %d, went on to %d", after, n.Load())
			}
			if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
				t.Fatalf("the old file now holds %.20q (%v)", b, err)
			}
			checkAlone(t, path)
			cancel()
		}
	}
	settle()

	// A dataset that waits for ctx, and says so in its error.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	w, path := create(t, specs, nil)
	err := w.WriteDataset(ctx, faulty{ds, 50, func(ctx context.Context, i int) ([]any, string, error) {
		<-ctx.Done()
		return nil, "", ctx.Err()
	}}, nil)
	if want := fmt.Sprintf("write %s: context deadline exceeded", path); err == nil || err.Error() != want || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("deadline: error %v, want %s", err, want)
	}
	checkNothing(t, path)
	settle()
}
