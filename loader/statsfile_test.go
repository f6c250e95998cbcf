package loader_test

import (
	"context"
	"encoding/json"
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
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/loader"
)

// TestStatsFile: another process finds a whole snapshot at any time, and at the
// end of an epoch the one that Stats gives.
func TestStatsFile(t *testing.T) {
	defer leak.Watch(t)()
	f := numbers(t, 640)["map"]
	path := filepath.Join(t.TempDir(), "stats.json")
	l, err := loader.New(f, &loader.Options{BatchSize: 8, Workers: 2, StatsFile: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	first := snapshotAt(t, path)
	if first.Epoch.Verdict != "no epoch yet" || first.Epoch.Epoch != -1 || first.Batches != l.Len() || first.Samples != l.Samples() {
		t.Errorf("before the first epoch: %+v", first)
	}
	l.SetStatsEvery(time.Millisecond)
	running, stop, read := 0, make(chan struct{}), make(chan int)
	go func() { // another process, as it were; ends by stop, waited for by read
		n := 0
		for {
			select {
			case <-stop:
				read <- n
				return
			default:
			}
			if _, err := loader.ReadSnapshot(path); err != nil && runtime.GOOS != "windows" {
				t.Errorf("read %d: %v", n, err)
			}
			n++
		}
	}()
	for epoch := range 3 {
		for b, err := range l.Epoch(context.Background(), epoch) {
			if err != nil {
				t.Fatal(err)
			}
			b.Release()
			time.Sleep(time.Millisecond / 2)
			if s, err := loader.ReadSnapshot(path); err == nil && s.Epoch.Running && s.Epoch.Batches > 0 {
				running++
			}
			if epoch == 1 {
				break
			}
		}
		s := snapshotAt(t, path)
		if got, want := asJSON(t, s.Epoch.Stats), asJSON(t, l.Stats()); got != want || s.Epoch.Epoch != epoch || s.Epoch.Running {
			t.Errorf("epoch %d:\n got %s\nwant %s", epoch, got, want)
		}
		if got, want := asJSON(t, s.Total.Stats), asJSON(t, l.Totals()); got != want {
			t.Errorf("totals after epoch %d:\n got %s\nwant %s", epoch, got, want)
		}
		if s.Epoch.Verdict != l.Stats().Verdict() || s.Epoch.Bound != l.Stats().Bound() || s.Every <= 0 || time.Since(s.Time) > time.Minute {
			t.Errorf("epoch %d: %+v", epoch, s)
		}
	}
	close(stop)
	if n := <-read; n == 0 || running == 0 {
		t.Errorf("%d reads, %d of a running epoch; want some", n, running)
	}
	onlyFile(t, path)
}

// TestStatsFileTells: what is in it is what docs/stats.md says, and nothing that
// says where it was made.
func TestStatsFileTells(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stats.json")
	l, err := loader.New(numbers(t, 64)["map"], &loader.Options{StatsFile: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(b, &top); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"format", "version", "time", "every", "batches", "samples", "epoch", "total"} {
		if top[name] == nil {
			t.Errorf("no %q in %s", name, b)
		}
		delete(top, name)
	}
	if len(top) > 0 {
		t.Errorf("more than documented: %v", top)
	}
	doc, err := os.ReadFile(filepath.Join("..", "docs", "stats.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := func(v any) {
		var keys map[string]json.RawMessage
		if err := json.Unmarshal([]byte(asJSON(t, v)), &keys); err != nil {
			t.Fatal(err)
		}
		for name := range keys {
			if !strings.Contains(string(doc), "`"+name+"`") {
				t.Errorf("docs/stats.md doesn't tell of %q", name)
			}
		}
	}
	documented(loader.Snapshot{})
	documented(loader.Figures{})
	documented(loader.StageStats{Output: "x"})
	host, err := os.Hostname()
	for _, secret := range []string{host, fmt.Sprint(`"`, os.Getpid()), filepath.Dir(path)} {
		if err == nil && len(secret) > 3 && strings.Contains(string(b), secret) {
			t.Errorf("%q is in %s", secret, b)
		}
	}
}

func TestStatsFileRefused(t *testing.T) {
	f, dir := numbers(t, 64)["map"], t.TempDir()
	other := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(other, []byte(`{"format":"mine"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ path, want string }{
		{other, "holds no loader's statistics"},
		{dir, "folder"},
		{filepath.Join(dir, "nowhere", "stats.json"), "nowhere"},
		{empty, ""},
		{empty, ""}, // its own, of the time before
	} {
		l, err := loader.New(f, &loader.Options{StatsFile: test.path})
		if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "StatsFile")) {
			t.Errorf("%s: got %v, want %q", test.path, err, test.want)
		}
		if err == nil {
			l.Close()
		}
	}
	if b, _ := os.ReadFile(other); string(b) != `{"format":"mine"}` {
		t.Errorf("it was changed: %s", b)
	}
}

// TestStatsFileLost: a folder that goes away in an epoch costs no batch, and is
// told.
func TestStatsFileLost(t *testing.T) {
	defer leak.Watch(t)()
	dir := filepath.Join(t.TempDir(), "run")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	var told []string
	l, err := loader.New(numbers(t, 64)["map"], &loader.Options{
		BatchSize: 8, StatsFile: filepath.Join(dir, "stats.json"), Warn: func(msg string) { told = append(told, msg) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.SetStatsEvery(time.Millisecond)
	batches := 0
	for epoch := range 2 {
		for b, err := range l.Epoch(context.Background(), epoch) {
			if err != nil {
				t.Fatal(err)
			}
			b.Release()
			if batches++; batches == 4 {
				if err := os.Rename(dir, dir+" elsewhere"); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Millisecond)
		}
		if batches == l.Len() { // later it is there again
			if err := os.Mkdir(dir, 0o777); err != nil {
				t.Fatal(err)
			}
		}
	}
	if batches != 2*l.Len() || len(told) != 1 || !strings.Contains(told[0], "statistics") {
		t.Errorf("%d batches, told %q; want %d and one word", batches, told, 2*l.Len())
	}
	if s := snapshotAt(t, filepath.Join(dir, "stats.json")); s.Epoch.Epoch != 1 {
		t.Errorf("the snapshot is of epoch %d, want 1", s.Epoch.Epoch)
	}
}

// falling is a dataset whose figures fall over.
type falling struct {
	*ffcv.File
	falls *atomic.Bool
}

func (f falling) CacheStats() (ffcv.CacheStats, bool) {
	if f.falls.Load() {
		panic("no figures")
	}
	return ffcv.CacheStats{}, true
}

// TestStatsFilePanics: a dataset's own panic while the file is written ends no
// process.
func TestStatsFilePanics(t *testing.T) {
	var told []string
	ds := falling{numbers(t, 64)["map"], new(atomic.Bool)}
	l, err := loader.New(ds, &loader.Options{BatchSize: 8, StatsFile: filepath.Join(t.TempDir(), "s"), Warn: func(msg string) { told = append(told, msg) }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.SetStatsEvery(time.Millisecond)
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		ds.falls.Store(true)
		time.Sleep(5 * time.Millisecond)
		ds.falls.Store(false)
		b.Release()
	}
	if len(told) > 0 {
		t.Errorf("told %q, though the last was written", told)
	}
}

func TestParseSnapshot(t *testing.T) {
	long := `{"format":"betongo-loader-stats","version":1}` + strings.Repeat(" ", loader.MaxSnapshot)
	for _, test := range []struct{ text, want string }{
		{`{"format":"betongo-loader-stats","version":1}`, ""},
		{`{"format":"betongo-loader-stats","version":7,"new":[1]}`, ""},
		{`{"format":"betongo-loader-stats","version":1,"epoch":{"elapsed":-1,"workers":-9223372036854775808,"batches":3}}`, ""},
		{`{"format":"betongo-loader-stats"}`, "version 0"},
		{`{"format":"other","version":1}`, `"other"`},
		{`{"format":"betongo-loader-stats","version":1,"epoch":{"batches":1e99}}`, "batches"},
		{`{"format":"betongo-loader-sta`, "unexpected end"},
		{``, "unexpected end"},
		{`null`, "format"},
		{`[1]`, "cannot unmarshal"},
		{long, "bytes"},
	} {
		s, err := loader.ParseSnapshot([]byte(test.text))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.80s: got %v, want %q", test.text, err, test.want)
		}
		if err == nil {
			_ = s.Epoch.Stats.Verdict() // of any numbers
		}
	}
	if _, err := loader.ReadSnapshot(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func FuzzParseSnapshot(f *testing.F) {
	f.Add([]byte(`{"format":"betongo-loader-stats","version":1,"epoch":{"verdict":"<script>","epoch":0,"stages":[{"kind":"read","time":1}]},"total":{}}`))
	f.Add([]byte(`{"format":"betongo-loader-stats","version":1,"epoch":{"batches":1,"workers":2,"elapsed":5,"wait":9,"work":-3,"first_wait":-9223372036854775808}}`))
	f.Add([]byte(`{"format":`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := loader.ParseSnapshot(b)
		if err != nil {
			return
		}
		_ = s.Epoch.Stats.Verdict()
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := loader.ParseSnapshot(again); err != nil && len(again) <= loader.MaxSnapshot {
			t.Fatalf("%s: %v", again, err)
		}
	})
}

func snapshotAt(t testing.TB, path string) *loader.Snapshot {
	t.Helper()
	s, err := loader.ReadSnapshot(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
