package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	ok := step{"good", func(context.Context) error { return nil }}
	bad := step{"bad", func(context.Context) error { return errors.New("first line\nsecond line") }}
	for _, test := range []struct {
		name   string
		steps  []step
		strict bool
		fails  string
		prints []string
	}{
		{"all well", []step{ok, ok}, true, "", []string{"2 ran and are ok, 0 failed, 0 skipped"}},
		{"a failure", []step{bad, ok}, false, "1 of 2 steps failed", []string{"FAILED", "second line", "good"}},
		{"a skip", []step{ok, skip("race", "no compiler")}, false, "", []string{"1 skipped", "no compiler"}},
		{"a skip when strict", []step{ok, skip("race", "no compiler")}, true, "1 of 2 steps were skipped", []string{"no compiler"}},
		{"a peer that isn't there when strict", []step{ok, {"arrays", func(context.Context) error { return absent("no cargo") }}}, true, "", []string{"1 skipped", "no cargo"}},
		{"an advisory when strict", []step{ok, {"advisories", func(context.Context) error { return noted("look\nhere") }}}, true, "", []string{"2 ran and are ok", "noted", "here"}},
		{"nothing", nil, false, "no step ran", nil},
		{"only skips", []step{skip("race", "no compiler")}, false, "no step ran", nil},
	} {
		var out bytes.Buffer
		err := report(&out, runAll(context.Background(), &out, test.steps), test.strict)
		if (err == nil) != (test.fails == "") || err != nil && !strings.Contains(err.Error(), test.fails) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.fails)
		}
		for _, want := range test.prints {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in\n%s", test.name, want, out.String())
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out bytes.Buffer
	if err := report(&out, runAll(ctx, &out, []step{ok}), false); err == nil {
		t.Error("a cancelled run is not a failure")
	}
}

func TestReadModule(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":             "module x\n\ngo 1.24.0\n",
		"a/a.go":             "package a\n\nimport \"sync\"\n\nvar M sync.Mutex\n",
		"a/a_test.go":        "package a\n\nimport \"testing\"\n\nfunc FuzzOne(f *testing.F) {}\n\nfunc FuzzyThing(t *testing.T) {}\n",
		"b/b.go":             "package b\n\nfunc F() {\n\tgo F()\n}\n",
		"c/c.go":             "package c\nfunc  F( ) {}\n",
		"c/testdata/d/d.go":  "not Go",
		"nested/go.mod":      "module y\n",
		"nested/n.go":        "not Go either",
		"c/crlf.go":          "package c\r\n\r\nvar X = 1\r\n",
		"c/skip_windows.go":  "package c\n\nimport _ \"sync/atomic\"\n",
		".hidden/h.go":       "nor this",
		"c/notes_test.go.md": "",
	} {
		name = filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	m, err := readModule(root)
	if err != nil {
		t.Fatal(err)
	}
	if want := []target{{"./a", "FuzzOne"}}; m.goVersion != "1.24.0" || !slices.Equal(m.fuzz, want) {
		t.Errorf("go %q, fuzz targets %v, want %v", m.goVersion, m.fuzz, want)
	}
	if want := []string{"./a", "./b", "./c"}; !slices.Equal(m.concurrent, want) {
		t.Errorf("concurrent packages %v, want %v", m.concurrent, want)
	}
	if want := []string{"nested"}; !slices.Equal(m.nested, want) {
		t.Errorf("modules inside %v, want %v", m.nested, want)
	}
	if _, err := m.inside(); err == nil {
		t.Error("a module inside without a Go version: no error")
	}
	bad, err := m.unformatted()
	if want := []string{filepath.Join("c", "c.go")}; err != nil || !slices.Equal(bad, want) {
		t.Errorf("unformatted %v, %v; want %v", bad, err, want)
	}
	if _, err := readModule(t.TempDir()); err == nil {
		t.Error("an empty folder: no error")
	}
}

// TestPlan: on our own sources, nothing is quietly left out.
func TestPlan(t *testing.T) {
	m, err := readModule(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(m.fuzz, target{"./alloc", "FuzzTable"}) || !slices.Contains(m.concurrent, "./alloc") {
		t.Errorf("fuzz targets %v, concurrent packages %v", m.fuzz, m.concurrent)
	}
	inside, err := m.inside()
	if err != nil {
		t.Fatal(err)
	}
	names := func(quick bool) (names []string) {
		for _, s := range plan(m, inside, time.Second, quick) {
			names = append(names, s.name)
		}
		return names
	}
	all := names(false)
	if !slices.Equal(all, names(true)) {
		t.Error("-quick lists other steps: it must name what it skips")
	}
	for _, want := range []string{"gofmt", "vet", "staticcheck", "advisories", "gomlx: advisories", "test", "race", "test -tags purego", "build windows/arm64", "fuzz alloc.FuzzTable", "go " + m.goVersion, "gomlx: test", "gomlx: race"} {
		if !slices.Contains(all, want) {
			t.Errorf("no step %q in %q", want, all)
		}
	}
}

// TestAdvisories: whatever govulncheck says, it is no failure.
func TestAdvisories(t *testing.T) {
	for _, test := range []struct{ out, word string }{
		{"=== Symbol Results ===\n\nVulnerability #1: GO-2023-1572\n", "noted"},
		{"govulncheck: fetching vulnerabilities: 503", "skipped"},
		{"", "skipped"},
	} {
		r := result{err: judged(test.out)}
		if word, _ := r.outcome(); word != test.word {
			t.Errorf("%q: %s, want %s", test.out, word, test.word)
		}
		if err := report(&bytes.Buffer{}, []result{{name: "x"}, r}, true); err != nil {
			t.Errorf("%q: %v", test.out, err)
		}
	}
	found := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/db" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	if err := reachable(t.Context(), found.URL+"/db"); err != nil {
		t.Error(err)
	}
	if err := reachable(t.Context(), found.URL+"/other"); err == nil {
		t.Error("403: reachable")
	}
	found.Close()
	if err := reachable(t.Context(), found.URL+"/db"); err == nil {
		t.Error("nobody there: reachable")
	}
}

func TestFlags(t *testing.T) {
	if err := run(context.Background(), []string{"-quick", "-full"}, &bytes.Buffer{}); err == nil {
		t.Error("-quick -full: no error")
	}
	if err := run(context.Background(), []string{"-nonsense"}, &bytes.Buffer{}); err == nil {
		t.Error("-nonsense: no error")
	}
}
