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
		"go.mod":             "module x\n\ngo 1.24.0\n\nrequire a.b/c v1.2.3\n\nrequire (\n\ta.b/d v0.0.0\n\ta.b/e/v2 v2.1.0 // indirect\n)\n\nreplace a.b/d => ../d\n",
		"a/a.go":             "package a\n\nimport \"sync\"\n\nvar M sync.Mutex\n",
		"a/a_test.go":        "package a\n\nimport \"testing\"\n\nfunc FuzzOne(f *testing.F) {}\n\nfunc FuzzyThing(t *testing.T) {}\n",
		"b/b.go":             "package b\n\nfunc F() {\n\tgo F()\n}\n",
		"b/b_test.go":        "package b\n\nimport \"testing\"\n\nfunc TestS3Some(t *testing.T) {}\n\nfunc TestS3More(t *testing.T) {}\n\nfunc TestBrowserToo(t *testing.T) {}\n",
		"c/c.go":             "package c\nfunc  F( ) {}\n",
		"c/c_amd64.s":        "assembly",
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
	if want := []string{"./b"}; !slices.Equal(m.s3, want) {
		t.Errorf("packages that want an S3 server %v, want %v", m.s3, want)
	}
	if want := []string{"./b"}; !slices.Equal(m.browser, want) {
		t.Errorf("packages that want a browser %v, want %v", m.browser, want)
	}
	if want := []string{"./c"}; !slices.Equal(m.assembly, want) {
		t.Errorf("packages with assembly %v, want %v", m.assembly, want)
	}
	if m.needs != 3 {
		t.Errorf("%d modules are needed, want 3", m.needs)
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
	for _, want := range []string{"gofmt", "vet", "staticcheck", "advisories", "gomlx: advisories", "test", "race", "test -tags purego", "build windows/amd64", "fuzz alloc.FuzzTable", "go " + m.goVersion, "gomlx: test", "gomlx: race", "object stores", "viewer in a browser", "view/browser: test"} {
		if !slices.Contains(all, want) {
			t.Errorf("no step %q in %q", want, all)
		}
	}
	m.whole = true
	list := names(false)
	for _, want := range []string{"build windows/arm64", "build darwin/amd64", "soak", "beside other systems", "files read by FFCV"} {
		if !slices.Contains(list, want) {
			t.Errorf("-full has no step %q: %q", want, list)
		}
	}
}

// TestLarge: what is slow of a module with very many dependencies is for -full.
func TestLarge(t *testing.T) {
	m := &moduleInfo{name: "n", goVersion: "1.24.0", needs: manyNeeds, concurrent: []string{"."}}
	for _, test := range []struct {
		needs int
		whole bool
		late  bool
	}{{manyNeeds, false, true}, {manyNeeds + 1, false, false}, {manyNeeds + 1, true, true}} {
		m.needs, m.whole = test.needs, test.whole
		soon, late := nestedPlan(m, time.Second)
		if len(soon) == 0 || (len(late) > 0) != test.late {
			t.Errorf("%d modules, all of it %v: %d quick steps, %d others", test.needs, test.whole, len(soon), len(late))
		}
	}
}

// TestPairs: two steps run at a time, and each answers for itself, also when
// there is no time left.
func TestPairs(t *testing.T) {
	meet := make(chan int)
	steps := pairs([]step{
		{"a", func(context.Context) error { meet <- 1; return nil }},
		{"b", func(context.Context) error { <-meet; return errors.New("b's") }},
		{"c", func(context.Context) error { return errors.New("c's") }},
	})
	var names []string
	for _, r := range runAll(t.Context(), &bytes.Buffer{}, steps) {
		if r.err != nil {
			r.name += ": " + r.err.Error()
		}
		names = append(names, r.name)
	}
	if want := []string{"a", "b: b's", "c: c's"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := false
	steps = pairs([]step{
		{"a", func(context.Context) error { cancel(); return ctx.Err() }},
		{"b", func(ctx context.Context) error { <-ctx.Done(); ended = true; return ctx.Err() }},
	})
	if runAll(ctx, &bytes.Buffer{}, steps); !ended {
		t.Error("a step still runs that nobody waits for")
	}
}

func TestNoServer(t *testing.T) {
	for _, test := range []struct {
		out, why string
		ok       bool
	}{
		{"--- PASS: TestS3Start (0.1s)\nok\n", "", false},
		{"=== RUN   TestS3Start\n    s3test_test.go:21: no S3 server: go install x@v1: exit status 1\n        go: x@v1: dial tcp: no route\n--- SKIP: TestS3Start (0.1s)\n", "go: x@v1: dial tcp: no route", true},
	} {
		if why, ok := noServer(test.out); why != test.why || ok != test.ok {
			t.Errorf("%q: %q, %v", test.out, why, ok)
		}
	}
}

func TestNoBrowser(t *testing.T) {
	for _, test := range []struct {
		out, why string
		ok       bool
	}{
		{"--- PASS: TestBrowserGallery (0.1s)\nok\n", "", false},
		{"--- FAIL: TestBrowserGallery (0.1s)\n    x_test.go:1: no browser: none\n", "", false},
		{"=== RUN   TestBrowserGallery\n    x_test.go:21: no browser: none of chromium is there\n--- SKIP: TestBrowserGallery (0.1s)\n", "no browser: none of chromium is there", true},
	} {
		if why, ok := noBrowser(test.out); why != test.why || ok != test.ok {
			t.Errorf("%q: %q, %v", test.out, why, ok)
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
