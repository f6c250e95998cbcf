package ffcv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/betongo/betongo/fields"
)

func TestPermutation(t *testing.T) {
	for n := 1; n < 300; n++ {
		checkPermutation(t, n, uint64(n))
	}
	for _, n := range []int{1 << 16, 1<<16 + 1, 99_991, 100_000} {
		checkPermutation(t, n, 5)
	}
	// Far beyond what a test can list.
	p, seen := newPermutation(1<<50+3, 1), map[int]bool{}
	for i := range 10_000 {
		at := p.at(i)
		if at < 0 || at >= 1<<50+3 || seen[at] {
			t.Fatalf("%d is mapped to %d", i, at)
		}
		seen[at] = true
	}
	// Every order of few samples comes about as often as the others: 5! = 120
	// orders, 400 times each expected, standard deviation 20.
	count := map[string]int{}
	for seed := range uint64(120 * 400) {
		p := newPermutation(5, seed)
		count[fmt.Sprint(p.at(0), p.at(1), p.at(2), p.at(3), p.at(4))]++
	}
	for o, n := range count {
		if n < 300 || n > 500 {
			t.Errorf("order %s came %d times, want about 400", o, n)
		}
	}
	if len(count) != 120 {
		t.Errorf("%d of 120 orders came", len(count))
	}
	// The documented order, so that files stay the same.
	var got []int
	for i := range 10 {
		got = append(got, newPermutation(10, 7).at(i))
	}
	if want := "[4 6 2 7 1 9 3 8 0 5]"; fmt.Sprint(got) != want {
		t.Errorf("the order of 10 samples for seed 7 is %v, was %s", got, want)
	}
}

func checkPermutation(t *testing.T, n int, seed uint64) {
	t.Helper()
	p, seen := newPermutation(n, seed), make([]bool, n)
	for i := range n {
		at := p.at(i)
		if at < 0 || at >= n || seen[at] {
			t.Fatalf("n=%d: %d is mapped to %d", n, i, at)
		}
		seen[at] = true
	}
}

// texts is a dataset of n values of size bytes with keys.
type texts struct{ n, size int }

func (d texts) Len() int { return d.n }

func (d texts) Sample(_ context.Context, i int) ([]any, string, error) {
	return []any{bytes.Repeat([]byte{byte(i + 1)}, d.size), i}, fmt.Sprintf("k%d", i%100), nil
}

func (d texts) stream(yield func(Sample, error) bool) {
	for i := range d.n {
		v, k, _ := d.Sample(context.Background(), i)
		if !yield(Sample{Values: v, Key: k}, nil) {
			return
		}
	}
}

// flagged is a Bytes field whose marks are a value's first 100 bytes.
type flagged struct{ fields.Bytes }

func (flagged) AppendMarks(dst, _ []byte, data [][]byte) ([]byte, error) {
	return append(dst, data[0][:min(len(data[0]), 100)]...), nil
}

// broad is a custom field with a row of 64 KiB.
type broad struct{ fields.Bytes }

func (broad) TypeID() fields.TypeID { return fields.TypeCustom }

func (broad) Layout() fields.Layout {
	return fields.Layout{Size: 64<<10 + 16, Align: 1, Pointers: []int{0}}
}

func (b broad) Regions(dst []fields.Region, meta []byte) ([]fields.Region, error) {
	return b.Bytes.Regions(dst, meta[:16])
}

func (b broad) Encode(meta []byte, v any, at fields.At) error {
	return b.Bytes.Encode(meta[:16], v, at)
}

func (b broad) Decode(meta []byte, data [][]byte) (any, error) {
	return b.Bytes.Decode(meta[:16], data)
}

var broadSpecs = []FieldSpec{{"b", broad{}}, {"n", fields.Int{}}}

// faultyFile is a file on a disk that has only so much room, or that breaks.
type faultyFile struct {
	*os.File
	room    *atomic.Int64 // bytes that may still be written; nil any number
	corrupt int64         // what is written at this offset is read back wrong; 0 nothing
	syncErr error
}

var errFull = errors.New("no space left on device")

func (f *faultyFile) WriteAt(b []byte, off int64) (int, error) {
	if f.room != nil && f.room.Add(-int64(len(b))) < 0 {
		return 0, errFull
	}
	return f.File.WriteAt(b, off)
}

func (f *faultyFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(b, off)
	if at := f.corrupt - off; f.corrupt > 0 && at >= 0 && at < int64(n) {
		b[at] ^= 1
	}
	return n, err
}

func (f *faultyFile) Sync() error {
	if f.syncErr != nil {
		return f.syncErr
	}
	return f.File.Sync()
}

// withFile puts a faulty file in the place of a writer's.
func withFile(t *testing.T, path string, specs []FieldSpec, opts *Options) (*Writer, *faultyFile) {
	t.Helper()
	w, err := Create(path, specs, opts)
	if err != nil {
		t.Fatal(err)
	}
	f := &faultyFile{File: w.part.file.(*os.File)}
	w.part.file = f
	return w, f
}

// Pages that must move are copied where the system can't shift them, and the
// file is the same.
func TestMovePagesByCopy(t *testing.T) {
	for _, n := range []int{31, 32, 33, 70} {
		for _, size := range []int{10, 100_000} {
			dir, ds, opts := t.TempDir(), texts{n, size}, &Options{PageSize: MinPageSize}
			indexed, err := Create(filepath.Join(dir, "indexed"), broadSpecs, opts)
			if err != nil {
				t.Fatal(err)
			}
			if err := indexed.WriteDataset(t.Context(), ds, nil); err != nil {
				t.Fatal(err)
			}
			copied, _ := withFile(t, filepath.Join(dir, "copied"), broadSpecs, opts)
			if err := copied.WriteStream(t.Context(), ds.stream, nil); err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join(dir, "indexed"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(dir, "copied"))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%d samples of %d bytes: not the indexed file", n, size)
			}
			checkSound(t, filepath.Join(dir, "copied"))
		}
	}
}

func checkSound(t *testing.T, path string) {
	t.Helper()
	f, err := Open(path, &OpenOptions{Custom: map[string]fields.Field{"b": broad{}}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Verify(t.Context(), func(e *FormatError) { t.Error(e) }); err != nil {
		t.Fatal(err)
	}
}

// A disk that is full at any point, and one that can't sync or reads back
// something else, leave the old file and nothing more.
func TestWriteDiskFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.beton")
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	specs := []FieldSpec{{"data", flagged{}}, {"n", fields.Int{}}}
	ds := texts{500, 1000}
	opts := &Options{Overwrite: true, Workers: 2, Classes: []string{"a"}}
	fails := func(name string, want error, set func(*faultyFile), stream bool) (ok bool) {
		t.Helper()
		w, f := withFile(t, path, specs, opts)
		set(f)
		var err error
		if stream {
			err = w.WriteStream(t.Context(), ds.stream, nil)
		} else {
			err = w.WriteDataset(t.Context(), ds, nil)
		}
		if err == nil {
			return true
		}
		if want != nil && !errors.Is(err, want) || !strings.HasPrefix(err.Error(), "write "+path+": ") {
			t.Errorf("%s: error %v, want %v", name, err, want)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
			t.Fatalf("%s: the old file now holds %.20q (%v)", name, b, err)
		}
		list, err := os.ReadDir(dir)
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: left behind: %v (%v)", name, list, err)
		}
		return false
	}
	// Room for every length, up to where it is enough.
	full := 0
	for room := int64(0); ; room += 7919 {
		left := new(atomic.Int64)
		left.Store(room)
		if fails(fmt.Sprintf("room for %d bytes", room), errFull, func(f *faultyFile) { f.room = left }, full%2 == 1) {
			if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
				t.Fatal(err)
			}
			break
		}
		full++
	}
	if full < 50 {
		t.Errorf("failed %d times, want more", full)
	}
	if fails("sync", fs.ErrInvalid, func(f *faultyFile) { f.syncErr = fs.ErrInvalid }, false) {
		t.Error("a failed sync: no error")
	}
	for name, off := range map[string]int64{
		"page size":        6,
		"descriptor":       HeaderSize + 1,
		"row":              metadataOffset(2) + 5,
		"classes":          DefaultPageSize*2 + sectionHeaderSize,
		"marks":            DefaultPageSize*2 + 40_000,
		"allocation table": DefaultPageSize*2 + 70_000,
	} {
		if fails(name, nil, func(f *faultyFile) { f.corrupt = off }, false) {
			t.Errorf("%s read back wrong: no error", name)
		}
	}
}

// A spool that can't be made ends the writing, and leaves nothing.
func TestSpoolFails(t *testing.T) {
	for _, kind := range []string{"table", "keys", "keysends", "marks", "marksends"} {
		path := filepath.Join(t.TempDir(), "x.beton")
		w, err := Create(path, []FieldSpec{{"data", flagged{}}, {"n", fields.Int{}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		taken := w.part.name + "." + kind
		if err := os.WriteFile(taken, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := w.WriteDataset(t.Context(), texts{30, 100}, nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: error %v, want %v", kind, err, fs.ErrExist)
		}
		list, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(list) != 1 || list[0].Name() != filepath.Base(taken) {
			t.Errorf("%s: left behind: %v (%v)", kind, list, err)
		}
	}
}

// The target can't be replaced: a folder took its place meanwhile.
func TestWriteRenameFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.beton")
	w, err := Create(path, []FieldSpec{{"data", fields.Bytes{}}, {"n", fields.Int{}}}, &Options{Overwrite: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteDataset(t.Context(), texts{3, 3}, nil); err == nil {
		t.Error("no error")
	}
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(list) != 1 {
		t.Errorf("left behind: %v (%v)", list, err)
	}
}

// A bounded number of sums, spread over all that was written.
func TestRowSums(t *testing.T) {
	var s rowSums
	const n = 10_000
	for i := range n {
		s.add(int64(i), []byte{byte(i)})
	}
	if len(s.list) < maxRowSums/2 || len(s.list) > maxRowSums {
		t.Errorf("%d sums", len(s.list))
	}
	for i, sum := range s.list {
		if sum.off != int64(i*s.stride) {
			t.Fatalf("sum %d is of %d, want every %d-th", i, sum.off, s.stride)
		}
	}
	if last := s.list[len(s.list)-1].off; last < n-int64(2*s.stride) {
		t.Errorf("the last is of %d of %d", last, n)
	}
}
