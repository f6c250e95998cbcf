package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// staticcheck is pinned, so that a new release changes nothing unasked. This
// one reads what Go 1.24 to 1.26 compile and is itself built by 1.25 or later.
const staticcheck = "honnef.co/go/tools/cmd/staticcheck@v0.7.0"

// targets are the systems that the module must build for.
var targets = []string{"linux/amd64", "linux/arm64", "darwin/arm64", "windows/amd64"}

// moreTargets are those that it must build for too, of which each system and each
// architecture is among the others: for -full.
var moreTargets = []string{"darwin/amd64", "windows/arm64"}

// manyNeeds is how many modules one inside may need that is checked as the others
// are; of one that needs more, what is slow is left for -full.
const manyNeeds = 50

// plan returns the steps for a module and those inside, cheap and telling ones
// first.
func plan(m *moduleInfo, inside []*moduleInfo, fuzzTime time.Duration, quick bool) []step {
	steps := []step{
		{"modules", m.command(nil, "go", "mod", "download")},
		{"gofmt", m.gofmt},
		{"build", m.command(nil, "go", "build", "./...")},
		{"vet", m.command(nil, "go", "vet", "./...")},
		{"test", m.command(nil, "go", "test", "-timeout", "20m", withoutApart, "./...")},
	}
	plain := append([]string{"test", "-timeout", "20m", "-vet=off", "-tags", "purego", withoutApart}, m.assembly...)
	long := []step{{"test -tags purego", m.command(nil, "go", plain...)}}
	long = append(long, step{"staticcheck", m.staticcheck}, step{"advisories", m.advisories}, step{"go.mod tidy", m.command(nil, "go", "mod", "tidy", "-diff")})
	list := targets
	if m.whole {
		list = slices.Concat(targets, moreTargets)
	}
	for _, t := range list {
		long = append(long, step{"build " + t, m.cross(t)})
	}
	long = append(long,
		step{"race", func(ctx context.Context) error { return m.race(ctx) }},
		step{"benchmarks once", m.command(nil, "go", "test", "-timeout", "20m", "-vet=off", "-run", "^$", "-bench", ".", "-benchtime", "1x", "./...")},
		step{"instructions", m.instructions},
		step{"go " + m.goVersion, m.lowest})
	var fuzz []step
	for _, t := range m.fuzz {
		fuzz = append(fuzz, step{"fuzz " + strings.TrimPrefix(t.pkg, "./") + "." + t.name, m.fuzzing(t, fuzzTime)})
	}
	long = append(long, pairs(fuzz)...)
	long = append(long, step{"object stores", func(ctx context.Context) error { return m.objectStores(ctx, inside) }})
	long = append(long, step{"viewer in a browser", func(ctx context.Context) error { return inBrowser(ctx, inside) }})
	long = append(long, arraysPlan(m)...)
	if m.whole {
		long = append(long, longPlan(m)...)
	}
	long = append(long, pythonPlan(m)...)
	for _, n := range inside {
		soon, late := nestedPlan(n, fuzzTime)
		steps, long = append(steps, soon...), append(long, late...)
	}
	for _, s := range long {
		if quick {
			s = skip(s.name, "-quick")
		}
		steps = append(steps, s)
	}
	return steps
}

// nestedPlan returns the steps of a module inside, the quick ones and the
// others. It brings other modules along, of which a race is none of ours:
// examples, which run them, are left out there. For the other systems it is
// enough that it type-checks. Of one with very many others, which are compiled
// anew for each of these, the quick steps are enough but for -full; so they are of
// one that holds nothing but tests with a browser, which have a step of their own.
func nestedPlan(m *moduleInfo, fuzzTime time.Duration) (soon, late []step) {
	name := m.name + ": "
	soon = []step{
		{name + "modules", m.command(nil, "go", "mod", "download")},
		{name + "gofmt", m.gofmt},
		{name + "build", m.command(nil, "go", "build", "./...")},
		{name + "vet", m.command(nil, "go", "vet", "./...")},
		{name + "test", m.command(nil, "go", "test", "-timeout", "20m", withoutApart, "./...")},
	}
	if (m.needs > manyNeeds || len(m.browser) > 0) && !m.whole {
		return soon, nil
	}
	late = []step{
		{name + "staticcheck", m.staticcheck},
		{name + "advisories", m.advisories},
		{name + "go.mod tidy", m.command(nil, "go", "mod", "tidy", "-diff")},
	}
	for _, t := range []string{"linux/arm64", "darwin/arm64", "windows/amd64"} {
		late = append(late, step{name + "vet " + t, m.crossVet(t)})
	}
	if len(m.concurrent) > 0 {
		late = append(late, step{name + "race", func(ctx context.Context) error { return m.race(ctx, "-run", "^Test") }})
	}
	late = append(late, step{name + "go " + m.goVersion, m.lowest})
	for _, t := range m.fuzz {
		late = append(late, step{name + "fuzz " + strings.TrimPrefix(t.pkg, "./") + "." + t.name, m.fuzzing(t, fuzzTime)})
	}
	return soon, late
}

// gofmt fails when gofmt would change a file.
func (m *moduleInfo) gofmt(context.Context) error {
	bad, err := m.unformatted()
	if err == nil && len(bad) > 0 {
		err = fmt.Errorf("gofmt would change:\n%s", strings.Join(bad, "\n"))
	}
	return err
}

// command returns a step's function that runs a program in the module's root
// and fails with its output.
func (m *moduleInfo) command(env []string, name string, args ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := m.output(ctx, env, name, args...)
		return err
	}
}

func (m *moduleInfo) output(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = m.root
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = 10 * time.Second // for what the program started and an interrupt left behind
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		line := strings.Join(append(append(append([]string{}, env...), name), args...), " ")
		return out.String(), fmt.Errorf("%s: %w\n%s", line, err, strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}

// cross builds for one system and type-checks its tests.
func (m *moduleInfo) cross(target string) func(context.Context) error {
	goos, goarch, _ := strings.Cut(target, "/")
	env := []string{"CGO_ENABLED=0", "GOOS=" + goos, "GOARCH=" + goarch}
	return func(ctx context.Context) error {
		if err := m.command(env, "go", "build", "./...")(ctx); err != nil {
			return err
		}
		return m.crossVet(target)(ctx)
	}
}

// crossVet type-checks for one system.
func (m *moduleInfo) crossVet(target string) func(context.Context) error {
	goos, goarch, _ := strings.Cut(target, "/")
	return m.command([]string{"CGO_ENABLED=0", "GOOS=" + goos, "GOARCH=" + goarch}, "go", "vet", "./...")
}

func (m *moduleInfo) staticcheck(ctx context.Context) error {
	if out, err := m.output(ctx, nil, "go", "run", staticcheck, "-version"); err != nil {
		return skipped("it can't be fetched and built here: " + lastLine(out))
	}
	return m.command(nil, "go", "run", staticcheck, "./...")(ctx)
}

// race runs the tests of the concurrent packages under the race detector, with
// more flags.
func (m *moduleInfo) race(ctx context.Context, more ...string) error {
	switch runtime.GOOS + "/" + runtime.GOARCH {
	case "linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64":
	default:
		return skipped("Go has no race detector for " + runtime.GOOS + "/" + runtime.GOARCH)
	}
	if runtime.GOOS != "darwin" { // where it needs no C compiler
		cc, err := m.output(ctx, nil, "go", "env", "CC")
		if err != nil {
			return err
		}
		if words := strings.Fields(cc); len(words) > 0 {
			if _, err := exec.LookPath(words[0]); err != nil {
				return skipped("the race detector needs a C compiler, and there is no " + words[0])
			}
		}
	}
	if len(m.concurrent) == 0 {
		return fmt.Errorf("no package with goroutines was found")
	}
	if !m.whole { // it takes ten times as long
		more = append(more, "-short", withoutApart)
	}
	env := []string{"CGO_ENABLED=1", "GORACE=atexit_sleep_ms=20"}
	if !m.whole {
		// With the lowest Go, whose own step then needs to run these tests but in part.
		if lowest, err := m.toolchain(ctx); err == nil {
			env = append(env, lowest)
		}
	}
	args := slices.Concat([]string{"test", "-race", "-vet=off", "-timeout", "30m"}, more, m.concurrent)
	// By default a program waits for a second before it ends, so that goroutines which
	// still run may be found racing; the tests' programs run hundreds of times.
	return m.command(env, "go", args...)(ctx)
}

// toolchain returns the setting that runs the Go version of go.mod, fetched if need
// be.
func (m *moduleInfo) toolchain(ctx context.Context) (string, error) {
	version := "go" + m.goVersion
	setting := "GOTOOLCHAIN=" + version
	out, err := m.output(ctx, []string{setting}, "go", "version")
	if err != nil || !strings.Contains(out, version+" ") {
		return "", skipped(version + " can't be fetched here: " + lastLine(out))
	}
	return setting, nil
}

// lowest builds and tests with the Go version of go.mod: what an older compiler or
// library could do otherwise shows in the tests' small size too. Of the packages
// that the race detector ran with that version only those tests are left that
// count allocations, which they can't under it.
func (m *moduleInfo) lowest(ctx context.Context) error {
	setting, err := m.toolchain(ctx)
	if err != nil {
		return err
	}
	env := []string{setting}
	if err := m.command(env, "go", "build", "./...")(ctx); err != nil {
		return err
	}
	args := []string{"test", "-vet=off", "-timeout", "20m"}
	if m.whole {
		return m.command(env, "go", append(args, "./...")...)(ctx)
	}
	list, err := m.output(ctx, env, "go", "list", "-f", ".{{slice .Dir (len .Module.Dir)}}", "./...")
	if err != nil {
		return err
	}
	var rest []string
	for _, p := range strings.Split(strings.TrimSpace(filepath.ToSlash(list)), "\n") {
		if p = strings.TrimSpace(p); !slices.Contains(m.concurrent, p) {
			rest = append(rest, p)
		}
	}
	args = append(args, "-short")
	if len(rest) > 0 {
		if err := m.command(env, "go", slices.Concat(args, []string{withoutApart}, rest)...)(ctx); err != nil {
			return err
		}
	}
	if len(m.concurrent) == 0 {
		return nil
	}
	return m.command(env, "go", slices.Concat(args, []string{"-run", "Alloc|Nothing"}, m.concurrent)...)(ctx)
}

// fuzzing runs one target. By default an input that is new to it is made as small
// as it gets, for up to a minute: of some kilobytes that took all of the time, and
// 9 inputs were tried where it now is 100,000. What is found to be new stays in
// Go's build cache, where a later run begins; what fails, in the target's
// testdata/fuzz, of which go test runs all.
//
// Go's fuzzing engine may report the end of its time
// as a failure of the target; that one, without an input to blame, is tried
// again.
func (m *moduleInfo) fuzzing(t target, d time.Duration) func(context.Context) error {
	workers := strconv.Itoa(max(1, runtime.GOMAXPROCS(0)/2)) // two targets run at a time
	args := []string{"test", "-vet=off", "-run", "^" + t.name + "$", "-fuzz", "^" + t.name + "$", "-fuzztime", d.String(), "-fuzzminimizetime", "10x", "-parallel", workers, t.pkg}
	return func(ctx context.Context) error {
		out, err := m.output(ctx, nil, "go", args...)
		if err != nil && ctx.Err() == nil && strings.Contains(out, "context deadline exceeded") && !strings.Contains(out, "Failing input") {
			_, err = m.output(ctx, nil, "go", args...)
		}
		return err
	}
}

// lastLine returns a program's last word.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
