// Command crash kills real builds and counts what is lost. It prints a table for
// docs/benchmarks.md:
//
//	go run ./benchmarks/crash --kills 200 --photos DIR --dir DIR
//
// A case is one command line of ffcvwrite: photographs kept as they are and
// encoded again, values in files, arrays. Its file is made once without
// interruption, for its SHA-256. Then the command is started with --resume and
// killed with SIGKILL after a random time, again and again, until it ends before
// that; each start after a kill goes on from what the one before left. Behind
// each kill the target must be what was there before, or the whole new file, and
// `ffcv verify` must find nothing whole that isn't; the file in the end must have
// that SHA-256, and nothing may lie beside it.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/betongo/betongo/internal/term"
)

const prog = "crash"

const description = "Kill builds at random moments, go on, and compare with builds that nothing interrupted."

type grammar struct {
	Kills  int    `default:"200" help:"Kills (default 200)."`
	Photos string `placeholder:"DIR" help:"Folder of class folders with photographs; without it some are made."`
	Number int    `default:"300" help:"Photographs a case has (default 300)."`
	Dir    string `placeholder:"DIR" help:"Folder for all that is written, a few times the photographs' size (default: a temporary one)."`
	Seed   uint64 `default:"1" help:"Seed of the moments (default 1)."`
}

func main() { os.Exit(run(term.Context(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var g grammar
	if k, code := term.Parse(prog, description, &g, args, stdout, stderr); k == nil {
		return code
	}
	return term.Fail(stderr, prog, g.run(ctx, stdout, stderr))
}

func (g *grammar) run(ctx context.Context, stdout, stderr io.Writer) error {
	if g.Dir == "" {
		dir, err := os.MkdirTemp("", "crash")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		g.Dir = dir
	}
	h := &harness{dir: g.Dir, rand: rand.New(rand.NewPCG(g.Seed, 0)), log: stderr}
	if err := h.programs(ctx); err != nil {
		return err
	}
	list, err := cases(g.Dir, g.Photos, g.Number)
	if err != nil {
		return err
	}
	for i := range list {
		if err := h.whole(ctx, &list[i]); err != nil {
			return err
		}
	}
	for i := 0; h.kills() < g.Kills; i++ {
		if err := h.build(ctx, &list[i%len(list)], i%3 == 0); err != nil {
			return err
		}
	}
	return print(stdout, list)
}

// programs builds the programs that are run.
func (h *harness) programs(ctx context.Context) error {
	for _, p := range []struct {
		name string
		path *string
	}{{"ffcvwrite", &h.write}, {"ffcv", &h.ffcv}} {
		*p.path = filepath.Join(h.dir, p.name+".exe")
		cmd := exec.CommandContext(ctx, "go", "build", "-o", *p.path, "github.com/betongo/betongo/cmd/"+p.name)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", p.name, err, out)
		}
	}
	return nil
}

func print(w io.Writer, list []testCase) error {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.AlignRight|tabwriter.Debug)
	row := func(cells ...any) {
		for _, c := range cells {
			fmt.Fprintf(t, "\t %v", c)
		}
		fmt.Fprintln(t, "\t")
	}
	row("build", "alone", "kills", "ended by going on", "ended by a new start", "killed when done", "files", "identical", "work repeated, mean", "most")
	row("---", "---", "---", "---", "---", "---", "---", "---", "---", "---")
	var all counts
	for i := range list {
		c := &list[i]
		c.row(row, c.name, c.took.Round(time.Millisecond))
		all.add(&c.counts)
	}
	all.row(row, "all", "")
	return t.Flush()
}

func (c *counts) row(row func(...any), name string, took any) {
	mean := time.Duration(0)
	if c.noted > 0 {
		mean = c.repeated / time.Duration(c.noted)
	}
	row(name, took, c.kills, c.resumed, c.anew, c.late, c.files, c.same, mean.Round(time.Millisecond), c.most.Round(time.Millisecond))
}
