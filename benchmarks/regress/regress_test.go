package regress_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/betongo/betongo/benchmarks/regress"
	"github.com/betongo/betongo/internal/race"
)

// clone copies the repository that the tests lie in, its last commit only, into a
// folder of its own, in which commits can be made.
func clone(t *testing.T) string {
	t.Helper()
	top, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		t.Skipf("no repository of git's: %v", err)
	}
	dir := filepath.Join(t.TempDir(), "clone")
	git(t, "", "clone", "-q", "--depth", "1", "file://"+filepath.ToSlash(strings.TrimSpace(string(top))), dir)
	return dir
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false", "-c", "core.hooksPath="}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", args[0], err, out)
	}
	return strings.TrimSpace(string(out))
}

// change writes or edits a file of the clone and commits that.
func change(t *testing.T, dir, name string, edit func(old string) string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	changed := edit(string(old))
	if changed == string(old) {
		t.Fatalf("%s: the edit changes nothing", name)
	}
	if err := os.WriteFile(path, []byte(changed), 0o666); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "add", name)
	git(t, dir, "commit", "-q", "-m", "test")
}

func compare(t *testing.T, dir string, opts regress.Options) *regress.Report {
	t.Helper()
	opts.Root, opts.Work = dir, t.TempDir()
	r, err := regress.Run(t.Context(), &opts)
	if errors.Is(err, regress.ErrNoCounter) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	if err := r.Print(&table); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", table.String())
	if left, err := os.ReadDir(opts.Work); err != nil || len(left) != 0 {
		t.Errorf("%d things are left behind (%v)", len(left), err)
	}
	return r
}

// TestSlowDown makes commits in a clone: one that changes nothing that runs, two
// that change the program but no work and add one with what it needs, two that slow
// a function down.
func TestSlowDown(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: builds the programs of commits")
	}
	if race.Enabled {
		t.Skip("what is counted are programs of their own, without the race detector")
	}
	dir := clone(t)
	change(t, dir, "README.md", func(old string) string { return old + "\nMore.\n" })
	if r := compare(t, dir, regress.Options{}); !r.Same || len(r.Rows) != 0 || r.Err() != nil {
		t.Errorf("another README: %+v", r)
	}

	change(t, dir, "rgb/started.go", func(string) string {
		return "package rgb\n\nimport \"os\"\n\nvar started int\n\nfunc init() { started = len(os.Args) }\n\n// Added is new.\nfunc Added() {}\n"
	})
	change(t, dir, "benchmarks/regress/works/added.go", func(string) string {
		return `package main

import "github.com/betongo/betongo/rgb"

var _ = register(work{name: "added", times: 1, begin: func(place) (func() error, error) {
	n := 0
	return func() error {
		rgb.Added()
		for range 100_000 {
			n += len(noise(make([]byte, 10), 1))
		}
		return nil
	}, nil
}})
`
	})
	some := regexp.MustCompile(`^(added|resize|open|write-bytes|rows-random)$`)
	r := compare(t, dir, regress.Options{Base: "HEAD~2", Only: some})
	if r.Same || len(r.Rows) != 5 || r.Err() != nil || !r.Rows[0].New || r.Rows[0].Head < 100_000 {
		t.Errorf("another program that does the same, and a new work: %v, %+v", r.Err(), r)
	}
	for _, row := range r.Rows[1:] {
		if row.New || math.Abs(row.Change()) > 0.5 {
			t.Errorf("%s: %+.3f %% for the same work", row.Work, row.Change())
		}
	}

	change(t, dir, "rgb/slow.go", func(string) string {
		return "package rgb\n\nvar wasted int\n\n//go:noinline\nfunc waste() {\n\tfor i := range 100_000 {\n\t\twasted += i\n\t}\n}\n"
	})
	change(t, dir, "rgb/resize.go", func(old string) string {
		return regexp.MustCompile(`(?m)^func \(s \*Scratch\) ResizeArea\(.*\{$`).ReplaceAllString(old, "$0\n\twaste()")
	})
	r = compare(t, dir, regress.Options{Base: "HEAD~2", Only: some})
	slower := r.Slower()
	if r.Err() == nil || len(slower) != 1 || slower[0].Work != "resize" {
		t.Fatalf("a slower function: %v, %+v", r.Err(), r.Rows)
	}
	if !strings.Contains(r.Err().Error(), "resize") {
		t.Errorf("the error %q does not say what is slower", r.Err())
	}
	if r.Counter == "valgrind" && (len(slower[0].Grown) == 0 || !strings.HasSuffix(slower[0].Grown[0].Function, "rgb.waste")) {
		t.Errorf("what grew is %+v, want rgb.waste first", slower[0].Grown)
	}
}

func TestRunRefuses(t *testing.T) {
	dir := t.TempDir()
	git(t, dir, "init", "-q")
	change(t, dir, "x", func(string) string { return "x" })
	for name, test := range map[string]struct {
		opts regress.Options
		want string
	}{
		"no parent":       {regress.Options{}, "find the commit HEAD^"},
		"no such commit":  {regress.Options{Base: "--all", Head: "HEAD"}, "find the commit --all"},
		"no works":        {regress.Options{Base: "HEAD"}, "no works"},
		"negative bound":  {regress.Options{Bound: -1}, "a bound of -1 %"},
		"no such folder":  {regress.Options{Work: filepath.Join(dir, "none")}, "none"},
		"not a work tree": {regress.Options{Root: t.TempDir()}, "git"},
	} {
		if test.opts.Root == "" {
			test.opts.Root = dir
		}
		if test.opts.Work == "" {
			test.opts.Work = t.TempDir()
		}
		_, err := regress.Run(t.Context(), &test.opts)
		if errors.Is(err, regress.ErrNoCounter) {
			t.Skip(err)
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func TestPrint(t *testing.T) {
	r := &regress.Report{Base: "0123456789abcdef", Head: "fedcba9876543210", Counter: "valgrind", Bound: 2, Rows: []regress.Row{
		{Work: "even", Base: 2_000_000, Head: 2_038_000},
		{Work: "faster", Base: 2_000_000, Head: 1_000_000},
		{Work: "new", Head: 1_000_000, New: true},
		{Work: "slow", Base: 1_000_000, Head: 1_030_000, Grown: []regress.Growth{{Function: "rgb.f", Base: 1000, Head: 31_000}}},
	}}
	var b bytes.Buffer
	if err := r.Print(&b); err != nil {
		t.Fatal(err)
	}
	const want = `instructions in millions, by valgrind, without the start and the scheduler
work                               0123456789ab   fedcba987654    change
even                                      2.000          2.038    +1.90%
faster                                    2.000          1.000   -50.00%
new                                                      1.000       new
slow                                      1.000          1.030    +3.00%  SLOWER
  rgb.f                                   0.001          0.031
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if err := r.Err(); err == nil || err.Error() != "1 of 4 works take over 2 % more instructions than at 0123456789ab: slow 3.0 % more" {
		t.Errorf("error %v", err)
	}
}
