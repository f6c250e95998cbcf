package roll_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/betongo/betongo/internal/roll"
)

// inMemory is how many numbers a list keeps in memory.
const inMemory = 256 << 10 / 8

// temp makes a temporary folder of the test's own and returns it.
func temp(t testing.TB) string {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir)
	return dir
}

// files fails the test unless dir has at most n files, none where open files
// need no name.
func files(t *testing.T, dir string, n int) {
	t.Helper()
	if runtime.GOOS != "windows" {
		n = 0
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > n {
		t.Errorf("temporary folder: got %v, %v; want %d files", entries, err, n)
	}
}

func TestNumbers(t *testing.T) {
	dir := temp(t)
	for _, n := range []int{0, 1, inMemory - 1, inMemory, inMemory + 1, 3*inMemory + 5} {
		var l roll.Numbers
		value := func(i int) int64 { return int64(i)*1e12 - 7 }
		for i := range n {
			l.Append(value(i))
		}
		if err := errors.Join(l.Err(), l.Seal()); err != nil {
			t.Fatalf("%d numbers: %v", n, err)
		}
		files(t, dir, 1)
		if l.Len() != n {
			t.Errorf("got %d numbers, want %d", l.Len(), n)
		}
		for i := range n {
			if got := l.At(i); got != value(i) {
				t.Fatalf("%d numbers: number %d: got %d, want %d", n, i, got, value(i))
			}
		}
		for range 2 {
			if err := l.Close(); err != nil {
				t.Errorf("%d numbers: Close: %v", n, err)
			}
		}
		files(t, dir, 0)
		if l.Len() != 0 {
			t.Errorf("%d numbers left after Close", l.Len())
		}
	}
}

func TestTexts(t *testing.T) {
	temp(t)
	for _, long := range []int{0, 30, 256<<10 - 1, 256 << 10, 256<<10 + 1, 3 << 20} {
		var l roll.Texts
		texts := []string{"", "a", strings.Repeat("long", long/4+1), "", "z", strings.Repeat("x", long)}
		for _, s := range texts {
			l.Append(s[:len(s)/2], s[len(s)/2:])
		}
		if err := errors.Join(l.Err(), l.Seal()); err != nil {
			t.Fatalf("%d bytes: %v", long, err)
		}
		for i, want := range texts {
			if got := string(l.At(i)); got != want {
				t.Errorf("%d bytes: text %d: got %d bytes, want %d", long, i, len(got), len(want))
			}
		}
		if l.Len() != len(texts) {
			t.Errorf("got %d texts, want %d", l.Len(), len(texts))
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestMemory holds that a long list takes no more memory than a short one, and
// that many may read it.
func TestMemory(t *testing.T) {
	dir := temp(t)
	const n = 1_000_000
	text := func(i int) string { return fmt.Sprintf("n%07d_some_photograph.jpg", i) }
	var before, after runtime.MemStats
	var l roll.Texts
	runtime.ReadMemStats(&before)
	buf := make([]byte, 0, 64)
	for i := range n {
		buf = fmt.Appendf(buf[:0], "n%07d", i)
		l.Append(string(buf), "_some_photograph.jpg")
	}
	if err := l.Seal(); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := int64(after.HeapSys) - int64(before.HeapSys); got > 16<<20 {
		t.Errorf("a list of %d texts made the heap grow by %d bytes; want at most 16 MiB", n, got)
	}
	files(t, dir, 2)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := w; i < n; i += 4001 {
				if got := string(l.At(i)); got != text(i) {
					t.Errorf("text %d: got %q", i, got)
					return
				}
			}
		}()
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	files(t, dir, 0)
}

func TestNoTemporaryFolder(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	t.Setenv("TMPDIR", missing)
	t.Setenv("TMP", missing)
	var short, long roll.Numbers
	for i := range inMemory {
		short.Append(int64(i))
		long.Append(int64(i))
	}
	if err := errors.Join(short.Seal(), short.Close()); err != nil {
		t.Errorf("a list in memory: %v", err)
	}
	for range 2 * inMemory {
		long.Append(1)
	}
	for _, err := range []error{long.Err(), long.Seal()} {
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "temporary folder "+missing) {
			t.Errorf("got %v, want that %s does not exist", err, missing)
		}
	}
	if err := long.Close(); err != nil {
		t.Error(err)
	}
	var texts roll.Texts
	for range 3 {
		texts.Append(strings.Repeat("x", 1<<19))
	}
	for _, err := range []error{texts.Err(), texts.Seal()} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v, want that %s does not exist", err, missing)
		}
	}
	if err := texts.Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkNumbers(b *testing.B) {
	temp(b)
	var l roll.Numbers
	for i := range b.N {
		l.Append(int64(i))
	}
	if err := errors.Join(l.Seal(), l.Close()); err != nil {
		b.Fatal(err)
	}
}
