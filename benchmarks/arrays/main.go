// Command arrays converts, casts and appends arrays with this module and with
// the formats' own libraries, in turns, and prints what each took as tables for
// docs/benchmarks.md:
//
//	go run ./benchmarks/arrays --python ~/formats/bin/python
//	go run ./benchmarks/arrays --python ~/formats/bin/python --only chain --bytes 1GiB
//
// It needs a Python interpreter with NumPy, NumPack, npy-append-array,
// safetensors, pyarrow, zarr, h5py, SciPy and pandas. Both sides run one after
// another, pair by pair, so that what disturbs the machine disturbs both; both
// bring their output to the disk. Figures are medians, and the ratio is the
// median of the pairs' ratios. A program of this module counts as a whole, from
// its start to its end; of Python only the work itself counts.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/internal/usage"
)

const prog = "arrays"

const description = "Convert, cast and append arrays with ffcvconvert and with the formats' own libraries, in turns, and print tables."

type grammar struct {
	Python  string    `required:"" placeholder:"FILE" help:"A Python interpreter with the formats' libraries."`
	Bytes   term.Size `default:"4GiB" placeholder:"SIZE" help:"Array that goes from .npy to .npk to SafeTensors and back (default 4GiB)."`
	Small   term.Size `default:"256MiB" placeholder:"SIZE" help:"Array for the other formats (default 256MiB); text has a thirty-second of it."`
	Appends int       `default:"1000000" help:"Rows that are appended one by one (default 1,000,000)."`
	Kills   int       `default:"20" help:"Processes that are killed while they append (default 20)."`
	Rounds  int       `default:"3" help:"Pairs of runs for each line of the tables (default 3)."`
	Only    []string  `placeholder:"PART,…" help:"Only these parts: chain, columns, chunks, text, matlab, cast, append, kill."`
	Dir     string    `placeholder:"DIR" help:"Where the files are written; by default a folder for temporary files, removed at the end."`
}

// parts of the tables, in order.
var parts = []string{"chain", "columns", "chunks", "text", "matlab", "cast", "append", "kill"}

func main() { os.Exit(run(term.Context(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == workWord {
		return term.Fail(stderr, prog, work(args[1:], stdout))
	}
	var g grammar
	k, code := term.Parse(prog, description, &g, args, stdout, stderr)
	if k == nil {
		return code
	}
	return term.Fail(stderr, prog, measure(ctx, &g, args, stdout, stderr))
}

func measure(ctx context.Context, g *grammar, args []string, stdout, stderr io.Writer) (err error) {
	dir := g.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "arrays-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	} else if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	r, err := build(ctx, g, dir, stderr)
	if err != nil {
		return err
	}
	t := &table{machine: usage.Machine(), commit: usage.Commit(ctx), command: "go run ./benchmarks/arrays " + strings.Join(args, " ")}
	var failed error
	for _, part := range parts {
		if len(g.Only) > 0 && !slices.Contains(g.Only, part) {
			continue
		}
		if part == "kill" {
			if t.kills, err = r.kills(ctx, g.Kills); err != nil {
				return err
			}
			continue
		}
		if err := r.part(ctx, part, g, t); err != nil {
			failed = errors.Join(failed, err) // what else there is to measure is not lost
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed, t.print(stdout))
}

// runner starts both sides.
type runner struct {
	python, script string
	convert, self  string // our programs
	dir            string // of the files
	source         string // of our Python package
	stderr         io.Writer
}

// build makes our programs.
func build(ctx context.Context, g *grammar, dir string, stderr io.Writer) (*runner, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w", err)
	}
	r := &runner{dir: dir, stderr: stderr, convert: filepath.Join(dir, "ffcvconvert"), script: filepath.Join(dir, "peers.py")}
	r.source = filepath.Join(strings.TrimSpace(string(root)), "python", "src")
	if r.python, err = exec.LookPath(g.Python); err != nil {
		return nil, err
	}
	if r.python, err = filepath.Abs(r.python); err != nil {
		return nil, err
	}
	if r.self, err = os.Executable(); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", r.convert, "github.com/betongo/betongo/cmd/ffcvconvert")
	cmd.Stderr = stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go build: %w", err)
	}
	return r, os.WriteFile(r.script, []byte(peersScript), 0o666)
}
