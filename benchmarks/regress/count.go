package regress

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// profile is the instructions of a run, and of each function where they are told
// apart.
type profile struct {
	total     int64
	functions map[string]int64
}

// less takes the start away, which other has alone.
func (p profile) less(other profile) profile {
	d := profile{total: p.total - other.total, functions: map[string]int64{}}
	for name, n := range p.functions {
		if n -= other.functions[name]; n != 0 {
			d.functions[name] = n
		}
	}
	return d
}

// counter counts the instructions of a program that it runs. out is a file that
// it may write, no other run's.
type counter interface {
	name() string
	run(ctx context.Context, out string, program string, args ...string) (profile, error)
}

// findCounter returns what counts here.
func findCounter(ctx context.Context) (counter, error) {
	if path, err := exec.LookPath("perf"); err == nil {
		if _, err := (perf{path}).run(ctx, "", "git", "--version"); err == nil {
			return perf{path}, nil
		}
	}
	if path, err := exec.LookPath("valgrind"); err == nil {
		return valgrind{path}, nil
	}
	return nil, ErrNoCounter
}

// calm are the settings of Go's under which a run takes the same instructions
// each time: no goroutine is stopped by a clock.
var calm = []string{"GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1"}

// count returns what a work takes beyond its start.
func (r *run) count(ctx context.Context, s *side, work string, times int) (profile, error) {
	dir, err := os.MkdirTemp(r.dir, "count-")
	if err != nil {
		return profile{}, err
	}
	defer os.RemoveAll(dir) // with the comparison's folder, if not now
	var of [2]profile
	for i, n := range []int{0, times} {
		// What is written by a work goes to a folder of its own; what it reads is linked.
		if err := links(s.files, dir); err != nil {
			return profile{}, err
		}
		of[i], err = r.counter.run(ctx, filepath.Join(dir, "counts"), s.program, "-work", work, "-times", strconv.Itoa(n), "-dir", dir, "-photos", r.photos)
		if err != nil {
			return profile{}, err
		}
	}
	return of[1].less(of[0]), nil
}

// links makes the files of one folder be in another too.
func links(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Link(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// perf counts by the processor, where it is allowed and there are counters: in
// virtual machines often none.
type perf struct{ path string }

func (perf) name() string { return "perf" }

func (p perf) run(ctx context.Context, _ string, program string, args ...string) (profile, error) {
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, p.path, append([]string{"stat", "-x", ";", "-e", perfEvent, "--", program}, args...)...)
	cmd.Env = append(os.Environ(), append(calm, "LC_ALL=C")...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return profile{}, fmt.Errorf("perf stat: %w\n%s", err, complaint.Bytes())
	}
	n, err := perfCount(complaint.String())
	return profile{total: n}, err
}

const perfEvent = "instructions:u"

// perfCount reads what perf stat -x ";" writes: a line for each event, of the count,
// its unit, the event and more.
func perfCount(text string) (int64, error) {
	for line := range strings.Lines(text) {
		words := strings.Split(strings.TrimSpace(line), ";")
		if len(words) < 3 || words[2] != perfEvent {
			continue
		}
		n, err := strconv.ParseInt(words[0], 10, 64)
		if err != nil || n <= 0 {
			return 0, fmt.Errorf("perf stat: %s: %q", perfEvent, words[0])
		}
		return n, nil
	}
	return 0, fmt.Errorf("perf stat: no %s in %q", perfEvent, text)
}

// valgrind counts by running the program on a processor of its own making, of
// which cachegrind tells the instructions of each function.
type valgrind struct{ path string }

func (valgrind) name() string { return "valgrind" }

func (v valgrind) run(ctx context.Context, out string, program string, args ...string) (profile, error) {
	_, err := output(ctx, "", calm, v.path, append([]string{"--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=" + out, program}, args...)...)
	if err != nil {
		return profile{}, err
	}
	b, err := os.ReadFile(out)
	if err != nil {
		return profile{}, err
	}
	return cachegrind(b)
}

// cachegrind reads the tool's file: "fn=" and a function's name, then lines of a
// line's number and its instructions. The scheduler's do not count.
func cachegrind(b []byte) (profile, error) {
	p := profile{functions: map[string]int64{}}
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	function, known := "", false
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == "events: Ir":
			known = true
		case strings.HasPrefix(line, "fn="):
			function = line[3:]
		case line != "" && line[0] >= '0' && line[0] <= '9':
			_, count, _ := strings.Cut(line, " ")
			n, err := strconv.ParseInt(count, 10, 64)
			if err != nil {
				return profile{}, fmt.Errorf("cachegrind's file: line %q", line)
			}
			if counts(function) {
				p.functions[function] += n
				p.total += n
			}
		}
	}
	if err := lines.Err(); err != nil {
		return profile{}, fmt.Errorf("cachegrind's file: %w", err)
	}
	if !known || p.total == 0 {
		return profile{}, errors.New("cachegrind's file: no instructions in it")
	}
	return p, nil
}

// labour are the beginnings of the names of functions of package runtime that do
// what a program asks for. The others see to goroutines, threads and pages of the
// heap: what they take depends on when the system wakes a thread, and where it
// puts memory.
var labour = []string{"mem", "mallocgc", "newobject", "new", "make", "grow", "slice", "string", "concat", "intstring", "rune", "map",
	"conv", "typed", "bulk", "assert", "iface", "eface", "aeshash", "str", "nilinter", "inter", "chan", "cmpstring", "duff", "race", "defer", "panic"}

// counts says whether a function's instructions do.
func counts(function string) bool {
	name, ok := strings.CutPrefix(function, "runtime.")
	if !ok {
		return true
	}
	for _, l := range labour {
		if strings.HasPrefix(name, l) {
			return true
		}
	}
	return false
}
