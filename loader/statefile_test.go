package loader_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/betongo/betongo/loader"
)

// TestSaveStale: what killed Saves have left goes with the next one, but nothing
// that may be another rank's, and nothing that isn't Save's.
func TestSaveStale(t *testing.T) {
	l := newLoader(t, numbers(t, 10)["map"], nil)
	s, err := l.State()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	hour := time.Hour + time.Minute
	for name, age := range map[string]time.Duration{
		"state.json.partial-1z141z4":      hour,
		"state.json.partial-3w5e11264sgs": 48 * hour,
		"state.json.partial-abc":          50 * time.Minute, // another rank's
		"state.json.partial-future":       -hour,
		"state.json.partial-":             hour,
		"state.json.partial-no_number":    hour,
		"state.json.partial-ab.bak":       hour,
		"state.json.old":                  hour,
		"other.json.partial-1z141z4":      hour,
		"my-state.json.partial-1z141z4":   hour,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("{"), 0o666); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	folder := filepath.Join(dir, "state.json.partial-77")
	if err := os.Mkdir(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-hour)
	if err := os.Chtimes(folder, then, then); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Save(filepath.Join(dir, "state.json")); err != nil {
			t.Fatal(err)
		}
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range list {
			got = append(got, e.Name())
		}
		want := []string{
			"my-state.json.partial-1z141z4", "other.json.partial-1z141z4", "state.json", "state.json.old", "state.json.partial-",
			"state.json.partial-77", "state.json.partial-ab.bak", "state.json.partial-abc", "state.json.partial-future", "state.json.partial-no_number",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	if _, err := loader.ReadState(filepath.Join(dir, "state.json")); err != nil {
		t.Error(err)
	}
}

// TestSaveHere: a path without a folder is one in the current one.
func TestSaveHere(t *testing.T) {
	l := newLoader(t, numbers(t, 10)["map"], nil)
	s, err := l.State()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	stale := "s.partial-5"
	if err := os.WriteFile(stale, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(stale, then, then); err != nil {
		t.Fatal(err)
	}
	if err := s.Save("s"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", stale, err)
	}
}
