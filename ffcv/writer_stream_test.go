package ffcv_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/leak"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// wide is a custom field with a long row: a few samples outgrow the page in
// which the rows begin. It has two pointers, neither of them aligned.
type wide struct{}

const wideRow = 100_001

func (wide) TypeID() fields.TypeID      { return fields.TypeCustom }
func (wide) Args() (fields.Args, error) { return fields.Args{}, nil }
func (wide) Layout() fields.Layout {
	return fields.Layout{Size: wideRow, Align: 1, Pointers: []int{wideRow - 9, 3}}
}

func (wide) Encode(meta []byte, v any, at fields.At) error {
	for i, off := range (wide{}).Layout().Pointers {
		b := v.([]byte)[i*10:]
		ptr, buf, err := at.Alloc(len(b))
		if err != nil {
			return err
		}
		copy(buf, b)
		binary.LittleEndian.PutUint64(meta[off:], ptr)
		meta[50_000] = byte(at.Sample)
	}
	return nil
}

func (wide) Regions(dst []fields.Region, meta []byte) ([]fields.Region, error) {
	for _, off := range (wide{}).Layout().Pointers {
		dst = append(dst, fields.Region{Ptr: binary.LittleEndian.Uint64(meta[off:]), Size: fields.UnknownSize})
	}
	return dst, nil
}

func (wide) Decode(meta []byte, data [][]byte) (any, error) {
	if !slices.Equal(data[0][10:], data[1]) {
		return nil, errors.New("the two regions differ")
	}
	return data[0], nil
}

// A streamed file is the indexed one, also when the pages had to move.
func TestWriteStream(t *testing.T) {
	specs, ds := everyKind(2000)
	wideSpecs := []ffcv.FieldSpec{{"w", wide{}}, {"n", fields.Int{}}}
	wideDS := made{n: 50, at: func(i int) []any { return []any{golden.Input(i, 100_000+i), i} }, key: ds.key}
	for _, c := range []struct {
		name     string
		specs    []ffcv.FieldSpec
		ds       made
		n        int
		reserve  int64
		sameFile bool
	}{
		{"none", specs, ds, 0, 0, true},
		{"none, reserved", specs, ds, 0, 10, true},
		{"none, much reserved", specs, ds, 0, 1_000_000, true}, // no page, no gap
		{"one", specs, ds, 1, 0, true},
		{"many", specs, ds, 2000, 0, true},
		{"many, reserved", specs, ds, 2000, 2000, true},
		{"many, much reserved", specs, ds, 2000, 100_000, false},
		{"wide, fits", wideSpecs, wideDS, 20, 0, true},
		{"wide, one too many", wideSpecs, wideDS, 21, 0, true},
		{"wide, reserved", wideSpecs, wideDS, 50, 50, true},
		{"wide, half reserved", wideSpecs, wideDS, 50, 25, true},
		{"wide, not reserved", wideSpecs, wideDS, 50, 0, true},
		{"wide, much reserved", wideSpecs, wideDS, 20, 50, false},
	} {
		ds := c.ds
		ds.n = c.n
		o := &ffcv.Options{PageSize: 2 * mib, Classes: []string{"a", "b"}, Seed: 9}
		want := fileSum(t, write(t, c.specs, ds, o, nil))
		for _, workers := range []int{1, 4} {
			o.Workers = workers
			w, path := create(t, c.specs, o)
			if err := w.WriteStream(t.Context(), ds.stream(), &ffcv.StreamOptions{Reserve: c.reserve}); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			checkAlone(t, path)
			checkFile(t, path, c.specs, ds, c.n, nil)
			if same := fileSum(t, path) == want; same != c.sameFile {
				t.Errorf("%s, %d workers: same as WriteDataset's: %v, want %v", c.name, workers, same, c.sameFile)
			}
		}
	}
}

// A stream without data pages takes any number of rows without a move.
func TestWriteStreamScalars(t *testing.T) {
	specs := []ffcv.FieldSpec{{"n", fields.Int{}}}
	ds := made{300_000, func(i int) []any { return []any{i} }, nil}
	o := &ffcv.Options{PageSize: 2 * mib}
	w, path := create(t, specs, o)
	if err := w.WriteStream(t.Context(), ds.stream(), &ffcv.StreamOptions{Reserve: 5}); err != nil {
		t.Fatal(err)
	}
	if got, want := fileSum(t, path), fileSum(t, write(t, specs, ds, o, nil)); got != want {
		t.Error("not the indexed file")
	}
}

// Samples that fail are let go one after another, in order, and take no row.
func TestWriteStreamSkips(t *testing.T) {
	specs, ds := everyKind(1000)
	bad := func(i int) bool { return i%7 == 3 || i >= 500 && i < 520 }
	seq := func(yield func(ffcv.Sample, error) bool) {
		for i := range ds.n {
			s, err := ffcv.Sample{Values: ds.at(i), Key: fmt.Sprint(i)}, error(nil)
			if bad(i) {
				switch i % 3 {
				case 0: // the sequence fails
					s.Values, err = nil, errBoom
				case 1: // a field fails
					s.Values[0] = 3.5
				case 2: // behind regions that must go again
					s.Values[5] = "not bytes"
				}
			}
			if !yield(s, err) {
				return
			}
		}
	}
	var good []int
	for i := range ds.n {
		if !bad(i) {
			good = append(good, i)
		}
	}
	keyed := ds
	keyed.key = func(i int) string { return fmt.Sprint(i) }
	var first string
	for _, workers := range []int{1, 2, 8} {
		var skipped []string
		w, path := create(t, specs, &ffcv.Options{Workers: workers, PageSize: 2 * mib})
		err := w.WriteStream(t.Context(), seq, &ffcv.StreamOptions{OnError: func(key string, err error) error {
			var at *ffcv.SampleError
			if !errors.As(err, &at) || fmt.Sprint(at.Sample) != key {
				t.Errorf("key %s: %v", key, err)
			}
			skipped = append(skipped, key)
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if s := w.Stats(); s.Skipped != len(skipped) || s.Samples != len(good) || s.Samples+s.Skipped != ds.n {
			t.Errorf("%d skipped, stats %+v", len(skipped), s)
		}
		n := 0
		for i := range ds.n {
			if bad(i) {
				if skipped[n] != fmt.Sprint(i) {
					t.Fatalf("skip %d is sample %s, want %d", n, skipped[n], i)
				}
				n++
			}
		}
		checkFile(t, path, specs, keyed, len(good), func(row int) int { return good[row] })
		if got := fileSum(t, path); first == "" {
			first = got
		} else if got != first {
			t.Errorf("%d workers: another file", workers)
		}
	}

	// Without OnError, and when it says so, the first failure ends it all.
	for _, o := range []*ffcv.StreamOptions{nil, {OnError: func(key string, err error) error { return err }}} {
		w, path := create(t, specs, nil)
		err := w.WriteStream(t.Context(), seq, o)
		if !errors.Is(err, errBoom) || !strings.Contains(err.Error(), "sample 3 (3): boom") {
			t.Errorf("%+v: error %v, want sample 3's", o, err)
		}
		checkNothing(t, path)
	}
}

func TestWriteStreamEnds(t *testing.T) {
	specs, ds := everyKind(100_000)
	settle := leak.Watch(t)
	for name, end := range map[string]struct {
		how  func(cancel func())
		want string
	}{
		"panic":  {func(func()) { panic("from the sequence") }, "panic: from the sequence"},
		"cancel": {func(cancel func()) { cancel() }, "context canceled"},
	} {
		for _, at := range []int{0, 1, 17, 5000} {
			ctx, cancel := context.WithCancel(t.Context())
			var seq iter.Seq2[ffcv.Sample, error] = func(yield func(ffcv.Sample, error) bool) {
				for i := range ds.n {
					if i == at {
						end.how(cancel)
					}
					if !yield(ffcv.Sample{Values: ds.at(i)}, nil) {
						return
					}
				}
			}
			w, path := create(t, specs, &ffcv.Options{Workers: 3})
			err := w.WriteStream(ctx, seq, nil)
			if err == nil || !strings.HasPrefix(err.Error(), "write "+path+": "+end.want) {
				t.Errorf("%s at %d: error %.100v", name, at, err)
			}
			cancel()
			checkNothing(t, path)
			settle()
		}
	}

	// A sequence may end its goroutine, as t.FailNow does: nothing is left.
	w, path := create(t, specs, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.WriteStream(t.Context(), func(yield func(ffcv.Sample, error) bool) {
			yield(ffcv.Sample{Values: ds.at(0)}, nil)
			runtime.Goexit()
		}, nil)
	}()
	<-done
	checkNothing(t, path)
	settle()

	for _, o := range []*ffcv.StreamOptions{{Reserve: -1}, {Reserve: 1 << 62}} {
		w, path := create(t, specs, nil)
		if err := w.WriteStream(t.Context(), ds.stream(), o); err == nil || !strings.Contains(err.Error(), "room for") {
			t.Errorf("%+v: error %v", *o, err)
		}
		checkNothing(t, path)
	}
}
