// Command roundtrip takes photographs around: into a .beton, out of it as each of
// ffcv export's formats, through the library that the format is for, and into a
// .beton again. It compares everything on the way: each sample's label and the
// SHA-256 of its JPEG, and at the end what 'ffcv dump' tells of both files. Beside
// that it prints how fast each step went.
//
//	go run ./benchmarks/roundtrip --photos PHOTOS --python venv/bin/python --ffcv ffcv-venv/bin/python
//
// The first Python has torchvision, webdataset, datasets and mosaicml-streaming
// (requirements.txt beside names versions), the second FFCV; without one its checks
// are left out. It ends with 1 if anything differs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/betongo/betongo/export"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/internal/usage"
)

const prog = "roundtrip"

type grammar struct {
	Photos string `required:"" placeholder:"DIR" help:"Class folders with JPEGs."`
	N      int    `short:"n" default:"1000" help:"How many of them, evenly out of all; 0 is all."`
	Python string `placeholder:"PROGRAM" help:"A Python with the peers' libraries."`
	FFCV   string `name:"ffcv" placeholder:"PROGRAM" help:"A Python with FFCV."`
	Dir    string `placeholder:"DIR" help:"Where files go, five times the photographs' size; a temporary folder unless given."`
	Rounds int    `default:"1" help:"How often each export and import is timed."`
}

func main() { os.Exit(run(term.Context(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var g grammar
	k, code := term.Parse(prog, "Photographs through every export and back.", &g, args, stdout, stderr)
	if k == nil {
		return code
	}
	return term.Fail(stderr, prog, g.run(ctx, stdout, stderr))
}

func (g *grammar) run(ctx context.Context, out, log io.Writer) (err error) {
	dir, err := os.MkdirTemp(g.Dir, "roundtrip-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	t := &trip{dir: dir, log: log, python: g.Python, ffcv: g.FFCV, rounds: max(1, g.Rounds)}
	t.dump = func(ctx context.Context, file string) (string, error) {
		return output(ctx, filepath.Join(dir, "ffcv"+exe()), "dump", "--json", file)
	}
	if _, err := output(ctx, "go", "build", "-o", filepath.Join(dir, "ffcv"+exe()), "./cmd/ffcv"); err != nil {
		return err
	}
	if err := t.begin(ctx, g.Photos, g.N); err != nil {
		return err
	}
	for _, f := range export.Formats() {
		if err := t.around(ctx, f); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
	}
	fmt.Fprintf(out, "%s\ncommit %s\n%d photographs, %s\n\n", usage.Machine(), usage.Commit(ctx), len(t.truth), term.FormatSize(t.bytes))
	t.print(out)
	return nil
}

func exe() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

// output runs a program and returns what it prints. Its errors are its own text.
func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = 10 * time.Second
	b, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s %v: %w\n%s", name, args, err, exit.Stderr)
	}
	return string(b), err
}

// step is what was timed.
type step struct {
	format    export.Format
	what      string
	wall, cpu time.Duration // the median round's
}

// print prints the table.
func (t *trip) print(out io.Writer) {
	fmt.Fprintf(out, "%-8s  %-34s  %8s  %8s  %12s\n", "format", "step", "photos/s", "MB/s", "CPU ms/photo")
	for _, s := range t.steps {
		n, wall := float64(len(t.truth)), s.wall.Seconds()
		fmt.Fprintf(out, "%-8s  %-34s  %8.0f  %8.1f  %12.3f\n", s.format, s.what, n/wall, float64(t.bytes)/1e6/wall, 1e3*s.cpu.Seconds()/n)
	}
}
