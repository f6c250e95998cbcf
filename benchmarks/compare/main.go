// Command compare loads the same files with FFCV and with this module's ffcv
// bench, in turns, and prints what each took as a table for
// docs/benchmarks.md:
//
//	go run ./benchmarks/compare --python ~/ffcv-venv/bin/python
//	go run ./benchmarks/compare --python ~/ffcv-venv/bin/python --photos ~/train --rows 0
//
// It needs a Python interpreter with FFCV. Both sides run one after another,
// pair by pair, so that what disturbs the machine disturbs both; figures are
// medians, and the ratio is the median of the pairs' ratios.
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
)

const prog = "compare"

const description = "Load the same files with FFCV and with ffcv bench, in turns, and print a table."

type grammar struct {
	Python  string `required:"" placeholder:"FILE" help:"A Python interpreter that can import ffcv."`
	Rows    int    `default:"1000000" help:"Rows of 32 float32 and a label in the first file (default 1,000,000); 0 leaves it out."`
	Photos  string `placeholder:"DIR" help:"A folder of class folders with photographs: loaded with crops too."`
	Rounds  int    `default:"5" help:"Pairs of runs for each line of the table (default 5)."`
	Epochs  int    `default:"6" help:"Epochs of a run over rows (default 6); over photographs half as many. The first does not count."`
	Workers int    `default:"2" help:"Workers of both sides (default 2)."`
	Dir     string `placeholder:"DIR" help:"Where the files to load are written; they stay there when it is given; by default a folder for temporary files, removed at the end."`
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

// duel is one line of the table.
type duel struct {
	what     string
	file     string
	pipeline string // ffcv_load.py's name; ours is the same but raw for rows
	order    string // ours
	batch    int
	epochs   int
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
	r := runner{python: g.Python, workers: g.Workers, ours: filepath.Join(dir, "ffcv")}
	if runtime.GOOS == "windows" {
		r.ours += ".exe"
	}
	if r.script, err = build(ctx, r.ours); err != nil {
		return err
	}
	duels, err := prepare(ctx, g, dir)
	if err != nil {
		return err
	}
	t := newTable(stdout, machine(), commit(ctx), "go run ./benchmarks/compare "+strings.Join(args, " "))
	for _, d := range duels {
		var pairs []pair
		for n := range g.Rounds {
			fmt.Fprintf(stderr, "%s: %s, round %d of %d\n", prog, d.what, n+1, g.Rounds)
			p, err := r.round(ctx, d, n)
			if err != nil {
				return fmt.Errorf("%s: %w", d.what, err)
			}
			pairs = append(pairs, p)
		}
		t.add(d.what, pairs)
	}
	return t.print()
}

// prepare writes the files and says what is done with them.
func prepare(ctx context.Context, g *grammar, dir string) (duels []duel, err error) {
	if g.Rows > 0 {
		file := filepath.Join(dir, "rows.beton")
		if err := writeRows(ctx, file, g.Rows); err != nil {
			return nil, err
		}
		for _, order := range []string{"sequential", "random"} {
			duels = append(duels, duel{fmt.Sprintf("%s rows f4[32] + label, %s", term.FormatCount(int64(g.Rows)), order),
				file, "rows", order, 2048, g.Epochs})
		}
	}
	if g.Photos != "" {
		file := filepath.Join(dir, "photos.beton")
		n, err := writePhotos(ctx, file, g.Photos)
		if err != nil {
			return nil, err
		}
		for _, pipeline := range []string{"cc224", "rrc224", "rrc224f32"} {
			duels = append(duels, duel{fmt.Sprintf("%s photos, %s, random", term.FormatCount(int64(n)), pipeline),
				file, pipeline, "random", 256, max(2, g.Epochs/2)})
		}
	}
	return duels, nil
}

// build compiles ffcv to a path, and returns where FFCV's side of the
// comparison lies.
func build(ctx context.Context, to string) (script string, err error) {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	root := filepath.Dir(strings.TrimSpace(string(mod)))
	if err != nil || root == "." || strings.TrimSpace(string(mod)) == os.DevNull {
		return "", fmt.Errorf("find the module: go env GOMOD says %q (%v); run this inside it", mod, err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", to, "./cmd/ffcv")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build ffcv: %w\n%s", err, out)
	}
	return filepath.Join(root, "benchmarks", "compare", "ffcv_load.py"), nil
}
