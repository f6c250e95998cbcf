// Command benchmarks compares this module with other systems that load
// training data. One command sets the others up, makes photographs, does the
// same work with all of them in turns, and writes a report:
//
//	go run ./benchmarks
//	go run ./benchmarks --quick
//	go run ./benchmarks --only 'rrc224.*(betongo|ffcv|torch)' --rounds 5
//	go run ./benchmarks setup
//	go run ./benchmarks run --photos ~/train
//	go run ./benchmarks report --keep
//	go run ./benchmarks regress
//
// The others are Python's, each in a virtual environment of its own in --dir; what
// can't be set up is left out, and the report says why. With --quick nothing is
// installed or fetched: some 300 small photographs, one round, and of the others
// those that are there already.
//
// A run is a process. What counts of its time begins when it has started and
// imported what it needs, and CPU time is that of all its processes. Round 1 of all
// systems is done before round 2, in which the order is turned, and so on.
//
// All that is measured on Linux. On macOS there is no memory, and processes that
// are still running are left out of the CPU time; on Windows there are only this
// module's own programs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/betongo/betongo/benchmarks/peer"
	"github.com/betongo/betongo/benchmarks/regress"
	"github.com/betongo/betongo/internal/term"
)

const prog = "benchmarks"

const description = "Compare this module with other systems that load training data, and write a report."

type grammar struct {
	All     allCommand     `cmd:"" default:"withargs" help:"Set up, make photographs, run and report; what is done without a command."`
	Setup   setupCommand   `cmd:"" help:"Install the other systems, and make the photographs."`
	Run     runCommand     `cmd:"" help:"Run the systems that are set up."`
	Report  reportCommand  `cmd:"" help:"Write the report on the last run."`
	Regress regressCommand `cmd:"" help:"Compare the instructions that small works take with those of an earlier commit."`
}

// flags are those of all commands that set up or run something.
type flags struct {
	Dir     string            `placeholder:"DIR" help:"Where environments, photographs, datasets and results are put (default: betongo-benchmarks in the user's cache). Some 12 GB."`
	Quick   bool              `help:"300 photographs, one round, and only what is there: nothing is installed or fetched. Shows that it works, not how fast anything is."`
	Count   int               `default:"10000" placeholder:"N" help:"Photographs to make (default 10,000)."`
	Photos  string            `placeholder:"DIR" help:"A folder of class folders with JPEGs to use instead."`
	Rows    int               `default:"1000000" placeholder:"N" help:"Rows of numbers (default 1,000,000)."`
	Rounds  int               `default:"3" placeholder:"N" help:"Rounds (default 3)."`
	Only    string            `placeholder:"REGEXP" help:"Only the runs whose 'work system' this matches, such as 'epoch-rows' or 'betongo|ffcv'."`
	Skip    string            `placeholder:"REGEXP" help:"Leave out the runs whose 'work system' this matches."`
	Python  string            `placeholder:"FILE" help:"The Python that environments are made with (default /usr/bin/python3, else the first in the path)."`
	FFCV    string            `name:"ffcv" placeholder:"FILE" help:"A Python that has FFCV: then it is not installed."`
	Venv    map[string]string `placeholder:"NAME=DIR" help:"An environment that is there already, such as tf=/opt/tf; the flag repeats."`
	Offline bool              `help:"Install and fetch nothing."`
	Apt     bool              `help:"Let apt-get install what the other systems need of a Debian system (as root or with sudo)."`
	Workers int               `placeholder:"N" help:"Threads or processes that each system loads with (default: as many as the machine has processors)."`
	Batch   int               `default:"256" placeholder:"N" help:"Photographs in a batch (default 256); rows come in batches of 2,048."`
	Seconds float64           `default:"2" placeholder:"S" help:"Epochs are repeated until so many seconds are over (default 2)."`
}

func main() { os.Exit(run(term.Context(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var g grammar
	k, code := term.Parse(prog, description, &g, args, stdout, stderr, kong.Vars{"bound": strconv.Itoa(regress.DefaultBound)})
	if k == nil {
		return code
	}
	return term.Fail(stderr, prog, k.Run(&env{ctx: ctx, args: args, stdout: stdout, stderr: stderr}))
}

// env is what commands get.
type env struct {
	ctx            context.Context
	args           []string
	stdout, stderr io.Writer
}

// say tells the user how far it is.
func (e *env) say(format string, args ...any) { fmt.Fprintf(e.stderr, prog+": "+format+"\n", args...) }

// Validate is kong's hook.
func (f *flags) Validate() error {
	if f.Count < 1 || f.Rows < 1 || f.Rounds < 1 || f.Workers < 0 || f.Batch < 1 || f.Seconds < 0 {
		return errors.New("--count, --rows, --rounds and --batch: expected 1 or more, and of --workers and --seconds 0 or more")
	}
	_, err := f.plan()
	return err
}

// set fills in what depends on the machine, and what --quick stands for.
func (f *flags) set() (err error) {
	if f.Quick {
		f.Count, f.Rows, f.Rounds, f.Seconds, f.Offline = min(f.Count, 300), min(f.Rows, 50_000), 1, min(f.Seconds, 0.2), true
	}
	if f.Workers == 0 {
		f.Workers = runtime.NumCPU()
	}
	if f.Dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("--dir is needed: %w", err)
		}
		f.Dir = filepath.Join(cache, "betongo-benchmarks")
	}
	if f.Dir, err = filepath.Abs(f.Dir); err != nil {
		return err
	}
	return os.MkdirAll(f.Dir, 0o777)
}

// step is a run to do, once a round.
type step struct {
	system *peer.System
	work   string
}

// plan returns the steps of a round, by work.
func (f *flags) plan() ([]step, error) {
	only, err := regexp.Compile(f.Only)
	if err != nil {
		return nil, fmt.Errorf("--only: %w", err)
	}
	skip, err := regexp.Compile(f.Skip)
	if err != nil {
		return nil, fmt.Errorf("--skip: %w", err)
	}
	var steps []step
	for _, work := range peer.Works {
		for i := range peer.Systems {
			s := &peer.Systems[i]
			name := work + " " + s.Name
			if s.Does(work) && only.MatchString(name) && (f.Skip == "" || !skip.MatchString(name)) {
				steps = append(steps, step{s, work})
			}
		}
	}
	if len(steps) == 0 {
		return nil, errors.New("--only and --skip leave nothing to do")
	}
	return steps, nil
}

// root returns the folder of the module that the program is run in.
func root(ctx context.Context) (string, error) {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	dir := filepath.Dir(strings.TrimSpace(string(mod)))
	if err != nil || dir == "." || strings.TrimSpace(string(mod)) == os.DevNull {
		return "", fmt.Errorf("find the module: go env GOMOD says %q (%v); run this inside it", mod, err)
	}
	return dir, nil
}

type allCommand struct {
	flags
	Keep bool `help:"Keep the report in the repository (benchmarks/results), and put its tables into README.md and docs/benchmarks.md."`
}

// Run is kong's hook.
func (c *allCommand) Run(e *env) error {
	if err := c.set(); err != nil {
		return err
	}
	if err := c.measure(e, true); err != nil {
		return err
	}
	return write(e, c.Dir, c.Keep)
}

type setupCommand struct{ flags }

// Run is kong's hook.
func (c *setupCommand) Run(e *env) error {
	if err := c.set(); err != nil {
		return err
	}
	steps, err := c.plan()
	if err != nil {
		return err
	}
	_, failed, err := c.setUp(e, steps, true)
	if err != nil {
		return err
	}
	for name, why := range failed {
		e.say("%s: not set up: %v", name, why)
	}
	module, err := root(e.ctx)
	if err != nil {
		return err
	}
	_, _, err = c.photographs(e, module)
	return err
}

type runCommand struct{ flags }

// Run is kong's hook.
func (c *runCommand) Run(e *env) error {
	if err := c.set(); err != nil {
		return err
	}
	return c.measure(e, false)
}
