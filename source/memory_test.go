package source_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
)

// anonymous returns the memory of the process that is no file's, or 0 where the
// system does not say.
func anonymous(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, ok := strings.Cut(string(status), "RssAnon:")
	var kib int64
	if _, err := fmt.Sscan(rest, &kib); !ok || err != nil {
		return 0
	}
	return kib << 10
}

// flat fails the test when f makes the process grow by more than most bytes.
// What it borrows from the system for its heap it does not give back soon, so
// the end shows the peak.
func flat(t *testing.T, what string, most int64, f func()) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // what is kept counts, not how long the collector waits
	debug.FreeOSMemory()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	anon := anonymous(t)
	f()
	anon = anonymous(t) - anon
	runtime.ReadMemStats(&after)
	heap := int64(after.HeapSys-after.HeapReleased) - int64(before.HeapSys-before.HeapReleased)
	t.Logf("%s: heap +%d KiB, anonymous memory +%d KiB", what, heap>>10, anon>>10)
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		anon = 0 // the race detector keeps books of its own
	}
	if heap > most || anon > most {
		t.Errorf("%s: heap +%d, anonymous memory +%d; want at most %d", what, heap, anon, most)
	}
}

// TestTableMemory opens tables of a few and of many records, whose index alone
// would be 24 MB.
func TestTableMemory(t *testing.T) {
	dir := t.TempDir()
	for _, file := range []struct{ name, head, row string }{
		{"t.csv", "i\n", "1\n"},
		{"t.jsonl", "", "{\"i\":1}\n"},
	} {
		for _, n := range []int{50_000, 3_000_000} {
			path := filepath.Join(dir, file.name)
			must(t, os.WriteFile(path, []byte(file.head), 0o666))
			out, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			must(t, err)
			const rows = 10_000
			for range n / rows {
				_, err := out.Write(bytes.Repeat([]byte(file.row), rows))
				must(t, err)
			}
			must(t, out.Close())
			s := specs(t, "i=int")
			flat(t, fmt.Sprintf("%s of %d records", file.name, n), 12<<20, func() {
				tab, err := source.OpenTable(t.Context(), path, s, nil)
				must(t, err)
				if tab.Len() != n {
					t.Errorf("got %d records, want %d", tab.Len(), n)
				}
				for i := 0; i < n; i += 997 {
					if v, _, err := tab.Sample(t.Context(), i); err != nil || v[0] != int64(1) {
						t.Fatalf("sample %d: got %v, %v", i, v, err)
					}
				}
				must(t, tab.Close())
			})
		}
	}
}

// TestTableTemporaryFolder opens a table whose index has no place.
func TestTableTemporaryFolder(t *testing.T) {
	path := write(t, "t.csv", "i\n"+strings.Repeat("1\n", 200_000))
	missing := filepath.Join(t.TempDir(), "missing")
	t.Setenv("TMPDIR", missing)
	t.Setenv("TMP", missing)
	_, err := source.OpenTable(t.Context(), path, specs(t, "i=int"), nil)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "temporary folder "+missing) {
		t.Errorf("got %v, want an error that names %s and %s", err, path, missing)
	}
}

func TestTableClosed(t *testing.T) {
	tab, err := source.OpenTable(t.Context(), write(t, "t.csv", "i\n1\n"), specs(t, "i=int"), nil)
	must(t, err)
	for range 2 {
		must(t, tab.Close())
	}
	if _, _, err := tab.Sample(t.Context(), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v, want that it is closed", err)
	}
}

// manyKey is the name of file i of n: 200 bytes long, 500 to a class, in folders
// whose names sort between files' names.
func manyKey(i, n int) string {
	folders := []string{"", "b/", "b!/", "b0/c/", "b0/"}
	return fmt.Sprintf("class%05d/%sb%c%06d%s.jpg", i/500, folders[i/4%len(folders)], "!-.0"[i%4], i*7919%n, strings.Repeat("x", 170))
}

// manyFiles makes these files, empty, below dir.
func manyFiles(t testing.TB, dir string, n int) {
	t.Helper()
	for i := range n {
		path := filepath.Join(dir, filepath.FromSlash(manyKey(i, n)))
		f, err := os.Create(path)
		if errors.Is(err, os.ErrNotExist) {
			if err = os.MkdirAll(filepath.Dir(path), 0o777); err == nil {
				f, err = os.Create(path)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

// TestFolderMemory lists a few and many files, whose names alone are 4 MB.
func TestFolderMemory(t *testing.T) {
	few, many := t.TempDir(), t.TempDir()
	manyFiles(t, few, 1000)
	const n = 20_000
	manyFiles(t, many, n)
	var f *source.Folder
	open := func(dir string) func() {
		return func() {
			var err error
			f, err = source.OpenFolder(t.Context(), dir, nil)
			must(t, err)
		}
	}
	flat(t, "folder of 1,000 files", 12<<20, open(few))
	must(t, f.Close())
	flat(t, "folder of 20,000 files", 10<<20, open(many))
	defer f.Close()
	var want []string
	for i := range n {
		want = append(want, manyKey(i, n))
	}
	slices.Sort(want)
	if got := keys(t, f); !slices.Equal(got, want) {
		t.Errorf("got %d keys, want %d in byte order", len(got), len(want))
	}
	must(t, f.Close())

	missing := filepath.Join(t.TempDir(), "missing")
	t.Setenv("TMPDIR", missing)
	t.Setenv("TMP", missing)
	if _, err := source.OpenFolder(t.Context(), many, nil); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "temporary folder "+missing) {
		t.Errorf("got %v, want an error that names %s", err, missing)
	}
}

func BenchmarkFolder(b *testing.B) {
	dir := b.TempDir()
	manyFiles(b, dir, 10_000)
	for b.Loop() {
		f, err := source.OpenFolder(b.Context(), dir, nil)
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}

func BenchmarkTable(b *testing.B) {
	const n = 200_000
	path := filepath.Join(b.TempDir(), "t.csv")
	text := append([]byte("a,b,c\n"), bytes.Repeat([]byte("12,3.5,[1 2]\n"), n)...)
	if err := os.WriteFile(path, text, 0o666); err != nil {
		b.Fatal(err)
	}
	var s []source.Spec
	for _, text := range []string{"a=int", "b=float"} {
		spec, err := source.ParseSpec(text, fields.RGBImage{})
		if err != nil {
			b.Fatal(err)
		}
		s = append(s, spec)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			tab, err := source.OpenTable(b.Context(), path, s, nil)
			if err != nil {
				b.Fatal(err)
			}
			tab.Close()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
	})
	b.Run("sample", func(b *testing.B) {
		tab, err := source.OpenTable(b.Context(), path, s, nil)
		if err != nil {
			b.Fatal(err)
		}
		defer tab.Close()
		i := 0
		for b.Loop() {
			if _, _, err := tab.Sample(b.Context(), i); err != nil {
				b.Fatal(err)
			}
			i = (i + 1) % n
		}
	})
}
