package ffcv_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
)

// photoPair is the bytes of a file of photographs without checkpoints, and of
// one with them.
func photoPair(t testing.TB) (without, with []byte) {
	t.Helper()
	photos, _ := filepath.Glob("../testdata/photos/*/*.jpg")
	if len(photos) < 20 {
		t.Fatalf("%d photos", len(photos))
	}
	ds := made{len(photos) + 1, func(i int) []any {
		if i == len(photos) {
			i = 0 // one comes twice
		}
		return []any{fields.Path(photos[i]), i}
	}, nil}
	for i, none := range []bool{true, false} {
		specs := []ffcv.FieldSpec{{"image", fields.RGBImage{NoCheckpoints: none}}, {"n", fields.Int{}}}
		b, err := os.ReadFile(write(t, specs, ds, &ffcv.Options{PageSize: 8 * mib}, nil))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			without = b
		} else {
			with = b
		}
	}
	return without, with
}

func identity(t testing.TB, f *ffcv.File) ffcv.Identity {
	t.Helper()
	id, err := f.Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// What WriteMarks makes is what the writer would have put into the file, the
// same bytes for any number of workers and through every kind of source.
func TestWriteMarks(t *testing.T) {
	without, with := photoPair(t)
	marked, err := ffcv.New(ffcvtest.Lend(with), nil)
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	for kind, f := range ffcvtest.Open(t, without, nil) {
		id := identity(t, f)
		if id == identity(t, marked) {
			t.Error("two files with one identity")
		}
		for _, workers := range []int{0, 1, 7} {
			path := filepath.Join(t.TempDir(), "x.marks")
			var done, total int64
			stats, err := f.WriteMarks(t.Context(), path, &ffcv.MarksOptions{Workers: workers, Progress: func(d, n int64) {
				if d < done {
					t.Errorf("%d after %d", d, done)
				}
				done, total = d, n
			}})
			if err != nil {
				t.Fatal(err)
			}
			checkAlone(t, path)
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = got
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s, %d workers: other bytes", kind, workers)
			}
			n := int64(f.Len())
			if stats.Values != n || stats.Bytes != int64(len(got)) || done != n || total != n {
				t.Errorf("%+v, %d of %d told; %d samples, %d bytes", stats, done, total, n, len(got))
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
				mine, known := m.Marks(i, 0, e.Data)
				theirs, err := marked.Marks(i, 0, nil)
				if !known || err != nil || !bytes.Equal(mine, theirs) || (mine == nil) != (len(theirs) == 0) {
					t.Fatalf("sample %d: %d bytes of marks, known %v; %d in a file that has them (%v)", i, len(mine), known, len(theirs), err)
				}
				if len(mine) > 0 {
					stats.Marked--
				}
			}
			if stats.Marked != 0 {
				t.Errorf("%d more marked than there are", stats.Marked)
			}
		}
	}
	// A file that has them needs no side file.
	path := filepath.Join(t.TempDir(), "x.marks")
	if stats, err := marked.WriteMarks(t.Context(), path, nil); err != nil || stats != (ffcv.MarksStats{}) {
		t.Errorf("%+v, %v", stats, err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file, %v", err)
	}
}

// An end before the end leaves what was there.
func TestWriteMarksCancelled(t *testing.T) {
	without, _ := photoPair(t)
	f, err := ffcv.New(ffcvtest.Lend(without), nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.marks")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err = f.WriteMarks(ctx, path, &ffcv.MarksOptions{Progress: func(int64, int64) { cancel() }})
	// Few samples may all be done before it is noticed.
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if list, _ := os.ReadDir(filepath.Dir(path)); err != nil && len(list) > 0 {
		t.Errorf("left behind: %v", list)
	}
	cancel()
	id := ffcv.Identity{Samples: 3}
	if err := ffcv.UpdateMarks(ctx, path, id, []int{0}, noEntry); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func noEntry(_, _ int) []byte { return nil }

// Identity sees the header, names, sizes and the table, in a bounded number of
// bytes.
func TestIdentity(t *testing.T) {
	b, specs := markedFile(t, 20_000)
	open := func(b []byte) ffcv.Identity {
		t.Helper()
		f, err := ffcv.New(ffcvtest.Lend(b), custom(specs))
		if err != nil {
			t.Fatal(err)
		}
		return identity(t, f)
	}
	want := open(b)
	if want.Size != int64(len(b)) || want.Samples != 20_000 {
		t.Errorf("%+v", want)
	}
	table := int(binary.LittleEndian.Uint64(b[16:]))
	for what, at := range map[string]int{"name": 25, "first entry": table, "last entry": len(b) - 1, "an extension's sum": table - 32 + 4} {
		other := bytes.Clone(b)
		other[at] ^= 1
		if got := open(other); got == want {
			t.Errorf("%s: not seen", what)
		}
	}
	if got := open(append(bytes.Clone(b), 0)); got == want {
		t.Error("a byte more: not seen")
	}
	c := &counter{ReaderAt: bytes.NewReader(b)}
	f, err := ffcv.New(ffcv.ReaderAtSource("counted", c, int64(len(b))), custom(specs))
	if err != nil {
		t.Fatal(err)
	}
	c.reads, c.bytes = 0, 0
	if got := identity(t, f); got != want || c.bytes > 80<<10 {
		t.Errorf("%+v, want %+v; %d bytes read", got, want, c.bytes)
	}
}

// sideEntry is what the tests below give sample i of the field.
func sideEntry(i, field int) (value, marks []byte) {
	value = fmt.Appendf(nil, "value %d of %d", i, field)
	return value, value[6 : 6+i%3]
}

func sideEntryOf(i, field int) []byte {
	value, marks := sideEntry(i, field)
	return ffcv.AppendMarksEntry(nil, value, marks)
}

// knownOf counts the entries that are known, all of them right.
func knownOf(t testing.TB, m *ffcv.MarksFile, samples int, list ...int) (n int) {
	t.Helper()
	for _, k := range list {
		for i := range samples {
			value, want := sideEntry(i, k)
			got, known := m.Marks(i, k, value)
			if known && !bytes.Equal(got, want) {
				t.Fatalf("sample %d of field %d: marks %q, want %q", i, k, got, want)
			}
			if known {
				n++
			}
		}
	}
	return n
}

// Several that each know some samples, at the same time: in the end all are
// there, and nobody ever sees a file that is not whole.
func TestUpdateMarksTogether(t *testing.T) {
	const samples, ranks = 10_000, 6
	id := ffcv.Identity{Size: 9, Samples: samples, Sum: 1}
	path := filepath.Join(t.TempDir(), "x.marks")
	quit, reader := make(chan struct{}), sync.WaitGroup{}
	reader.Add(1)
	go func() { // ends with quit
		defer reader.Done()
		for {
			select {
			case <-quit:
				return
			default:
			}
			m, err := ffcv.OpenMarks(path, id)
			if err == nil {
				knownOf(t, m, 50, 0, 1)
				m.Close()
			} else if !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
				return
			}
		}
	}()
	// Where folders can't be locked two renames in one moment lose something;
	// whoever misses it adds it again, as a loader does in its next epoch.
	for round := 0; ; round++ {
		var all sync.WaitGroup
		for rank := range ranks {
			all.Add(1)
			go func() { // ends with UpdateMarks
				defer all.Done()
				err := ffcv.UpdateMarks(t.Context(), path, id, []int{rank % 2}, func(i, k int) []byte {
					if i%ranks != rank || k != rank%2 {
						return nil
					}
					return sideEntryOf(i, k)
				})
				if err != nil {
					t.Error(err)
				}
			}()
		}
		all.Wait()
		m, err := ffcv.OpenMarks(path, id)
		if err != nil {
			t.Fatal(err)
		}
		n := knownOf(t, m, samples, 0, 1)
		m.Close()
		t.Logf("round %d: %d entries", round, n)
		if n == samples {
			break
		}
		if round == 20 || runtime.GOOS == "linux" {
			t.Fatalf("%d of %d entries", n, samples)
		}
	}
	close(quit)
	reader.Wait()
	checkAlone(t, path)
}

const sideTarget = "BETONGO_TEST_SIDE_TARGET"

// TestSideChild is no test: TestUpdateMarksKilled runs it until it is killed.
func TestSideChild(t *testing.T) {
	path := os.Getenv(sideTarget)
	if path == "" {
		t.Skip("for TestUpdateMarksKilled")
	}
	id := ffcv.Identity{Size: 9, Samples: 20_000, Sum: 1}
	for n := range 10_000 {
		err := ffcv.UpdateMarks(context.Background(), path, id, []int{n % 2}, func(i, k int) []byte {
			if i%7 == n%7 {
				return nil
			}
			return sideEntryOf(i, k)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// One that is killed leaves a whole file, or none, under the name.
func TestUpdateMarksKilled(t *testing.T) {
	id := ffcv.Identity{Size: 9, Samples: 20_000, Sum: 1}
	path := filepath.Join(t.TempDir(), "x.marks")
	none, whole, left := 0, 0, 0
	rounds := 25
	if testing.Short() {
		rounds = 8
	}
	for round := range rounds {
		if round%3 == 0 {
			_ = os.Remove(path)
		}
		child := exec.Command(os.Args[0], "-test.run=^TestSideChild$")
		child.Env = append(os.Environ(), sideTarget+"="+path)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.IntN(80_000*(1+none))) * time.Microsecond) // longer on a machine that is busy
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // killed
		m, err := ffcv.OpenMarks(path, id)
		switch {
		case err == nil:
			whole++
			knownOf(t, m, 100, 0, 1)
			m.Close()
		case errors.Is(err, fs.ErrNotExist):
			none++
		default:
			t.Fatal(err)
		}
		rest, err := filepath.Glob(path + ".partial-*")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range rest {
			left++
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d whole files, %d times none; %d partial ones beside", whole, none, left)
	if whole == 0 {
		t.Error("never a whole file")
	}
}

// A side file reached through a link stays where it is.
func TestUpdateMarksLink(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := os.Symlink("real", link); err != nil {
		t.Skip(err)
	}
	id := ffcv.Identity{Size: 9, Samples: 5}
	for k := range 2 {
		if err := ffcv.UpdateMarks(t.Context(), link, id, []int{k}, sideEntryOf); err != nil {
			t.Fatal(err)
		}
	}
	m, err := ffcv.OpenMarks(real, id)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if n := knownOf(t, m, 5, 0, 1); n != 10 {
		t.Errorf("%d entries", n)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	if err := ffcv.CheckMarksTarget(dir); err == nil {
		t.Error("a folder can be replaced")
	}
}
