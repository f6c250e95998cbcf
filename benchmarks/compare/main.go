// Command compare loads datasets with FFCV and with this module's ffcv bench,
// in turns, and prints what each took as tables for docs/benchmarks.md:
//
//	go run ./benchmarks/compare --python ~/ffcv-venv/bin/python
//	go run ./benchmarks/compare --python ~/ffcv-venv/bin/python --photos ~/train --rows 0 --bytes 0
//	go run ./benchmarks/compare --python ~/ffcv-venv/bin/python --photos ~/train --rows 0 --bytes 0 --small 0 --memory 350MiB
//
// It needs a Python interpreter with FFCV. Both sides run one after another,
// pair by pair, so that what disturbs the machine disturbs both; figures are
// medians, and the ratio is the median of the pairs' ratios.
//
// Of photographs FFCV writes its own files, and this module its own with the
// same settings, so that both sides decode JPEGs of the same sizes and quality.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/internal/usage"
)

const prog = "compare"

const description = "Load the same data with FFCV and with ffcv bench, in turns, and print tables."

type grammar struct {
	Python  string    `required:"" placeholder:"FILE" help:"A Python interpreter that can import ffcv."`
	Rows    int       `default:"1000000" help:"Rows of 32 float32 and a label in the first file (default 1,000,000); 0 leaves it out."`
	Bytes   int       `default:"20000" help:"Values of 1 to 64 KiB of bytes and a label in the second file (default 20,000); 0 leaves it out."`
	Small   int       `default:"50000" help:"Raw images of 32x32 pixels and a label in the third file (default 50,000); 0 leaves it out."`
	Photos  string    `placeholder:"DIR" help:"A folder of class folders with photographs (JPEG): loaded with crops too."`
	Memory  term.Size `placeholder:"SIZE" help:"Load only the raw file of the photographs, as one larger than memory: through a cache of this size, and by FFCV with os_cache=False."`
	Rounds  int       `default:"5" help:"Pairs of runs for each line of the table (default 5)."`
	Epochs  int       `default:"6" help:"Epochs of a run over rows (default 6); over photographs half as many. The first does not count."`
	Batch   int       `default:"64" help:"Photographs in a batch (default 64); rows come in batches of 2,048, small images of 512, bytes of 256."`
	Workers int       `default:"2" help:"Workers of both sides (default 2)."`
	Dir     string    `placeholder:"DIR" help:"Where the files to load are written; they stay there when it is given, and are used again; by default a folder for temporary files, removed at the end."`
}

func main() { os.Exit(run(term.Context(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var g grammar
	k, code := term.Parse(prog, description, &g, args, stdout, stderr)
	if k == nil {
		return code
	}
	return term.Fail(stderr, prog, compare(ctx, &g, args, stdout, stderr))
}

// work is what one side does in a run.
type work struct {
	what     string // its line in the table
	file     string
	pipeline string   // ffcv_load.py's name; ours is the same but raw for rows and bytes
	alone    bool     // of other bytes than FFCV's, or in another order: no ratio
	flags    []string // of ours, besides
	order    string   // ours, if it is not the duel's
}

// duel is what is loaded in turns: by FFCV once, by us in one or more ways.
type duel struct {
	ffcv   work
	ours   []work
	order  string // ours
	batch  int
	epochs int

	limited bool // FFCV with os_cache=False
	cold    bool // the system's cache is emptied of the file before each epoch
}

// ffcvOrder is FFCV's name of an order.
var ffcvOrder = map[string]string{"sequential": "SEQUENTIAL", "random": "RANDOM", "quasi": "QUASI_RANDOM"}

func compare(ctx context.Context, g *grammar, args []string, stdout, stderr io.Writer) (err error) {
	dir := g.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "compare-"); err != nil {
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
	duels, err := prepare(ctx, g, r)
	if err != nil {
		return err
	}
	t := newTable(stdout, usage.Machine(), usage.Commit(ctx), "go run ./benchmarks/compare "+strings.Join(args, " "))
	for _, d := range duels {
		pairs := make([][]pair, len(d.ours))
		for n := range g.Rounds {
			fmt.Fprintf(stderr, "%s: %s, round %d of %d\n", prog, d.ours[0].what, n+1, g.Rounds)
			round, err := r.round(ctx, d, n)
			if err != nil {
				return fmt.Errorf("%s: %w", d.ours[0].what, err)
			}
			for i, p := range round {
				pairs[i] = append(pairs[i], p)
			}
		}
		for i, w := range d.ours {
			t.add(w, pairs[i])
			if d.limited {
				t.addFaults(w, pairs[i])
			}
		}
	}
	return t.print()
}

// prepare writes the files and says what is done with them.
func prepare(ctx context.Context, g *grammar, r *runner) (duels []duel, err error) {
	if g.Rows > 0 {
		file := filepath.Join(r.dir, "rows.beton")
		if err := writeRows(ctx, file, g.Rows); err != nil {
			return nil, err
		}
		for _, order := range []string{"sequential", "random"} {
			what := fmt.Sprintf("%s rows f4[32] + label, %s", term.FormatCount(int64(g.Rows)), order)
			w := work{what: what, file: file, pipeline: "rows"}
			duels = append(duels, duel{ffcv: w, ours: []work{w}, order: order, batch: 2048, epochs: g.Epochs})
		}
	}
	if g.Bytes > 0 {
		file := filepath.Join(r.dir, "bytes.beton")
		if err := writeBytes(ctx, file, g.Bytes); err != nil {
			return nil, err
		}
		for _, order := range []string{"sequential", "random"} {
			what := fmt.Sprintf("%s values of 1 to 64 KiB + label, %s", term.FormatCount(int64(g.Bytes)), order)
			w := work{what: what, file: file, pipeline: "bytes"}
			ragged := w
			ragged.what, ragged.flags = what+", ragged", []string{"--ragged"}
			duels = append(duels, duel{ffcv: w, ours: []work{w, ragged}, order: order, batch: 256, epochs: g.Epochs})
		}
	}
	if g.Small > 0 {
		file := filepath.Join(r.dir, "small.beton")
		if err := writeSmall(ctx, file, g.Small); err != nil {
			return nil, err
		}
		for _, pipeline := range []string{"cifar", "cifarf32"} {
			what := fmt.Sprintf("%s raw images of 32x32, %s", term.FormatCount(int64(g.Small)), pipeline)
			w := work{what: what, file: file, pipeline: pipeline}
			duels = append(duels, duel{ffcv: w, ours: []work{w}, order: "random", batch: 512, epochs: g.Epochs})
		}
	}
	if g.Photos != "" {
		photos, err := r.preparePhotos(ctx, g)
		if err != nil {
			return nil, err
		}
		duels = append(duels, photos...)
	}
	return duels, nil
}

// build compiles this module's programs and finds FFCV's side of the
// comparison.
func build(ctx context.Context, g *grammar, dir string, stderr io.Writer) (*runner, error) {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	root := filepath.Dir(strings.TrimSpace(string(mod)))
	if err != nil || root == "." || strings.TrimSpace(string(mod)) == os.DevNull {
		return nil, fmt.Errorf("find the module: go env GOMOD says %q (%v); run this inside it", mod, err)
	}
	suffix := ""
	if runtime.GOOS == "windows" {
		suffix = ".exe"
	}
	r := &runner{
		python: g.Python, workers: g.Workers, dir: dir, stderr: stderr,
		scripts: filepath.Join(root, "benchmarks", "compare"),
		ours:    filepath.Join(dir, "ffcv"+suffix),
		writer:  filepath.Join(dir, "ffcvwrite"+suffix),
	}
	for name, to := range map[string]string{"ffcv": r.ours, "ffcvwrite": r.writer} {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", to, "./cmd/"+name)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return r, nil
}
