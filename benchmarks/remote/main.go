// Command remote loads photographs from an S3 server that is some milliseconds
// away, and beside it from the local disk, in turns, and prints tables for
// docs/scaling.md:
//
//	taskset -c 1 go run ./benchmarks/remote --photos ~/train --on 0
//	taskset -c 1 go run ./benchmarks/remote --photos ~/train --on 0 --python ~/venv/bin/python
//
// Both sides decode JPEGs and cut 224 by 224 pixels at random. The server is a
// real one (versitygw) behind a proxy on the loopback that delays each answer.
// Loaders run on the processors of --on (Linux), the server and the proxy on
// those of this command: what a server takes is not the loader's, where both
// would have to share two processors. With --python, MosaicML Streaming and
// WebDataset load the same photographs from the same server with the same
// transform, by Pillow; each with a fresh folder for what it keeps.
//
// Two lines more are of the same bytes thrown away: what server, proxy and
// connections give at most, which a loader that takes more a second is not measured
// by, and what receiving them takes of the processor.
//
// The server is found, or built, as package internal/s3test does.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/betongo/betongo/internal/term"
)

const prog = "remote"

const description = "Load photographs from an S3 server with added latency, and from the disk, in turns."

type grammar struct {
	Photos  string          `placeholder:"DIR" help:"A folder of class folders with photographs (JPEG)."`
	Count   int             `default:"2500" help:"Photographs to load (default 2,500)."`
	Python  string          `placeholder:"FILE" help:"A Python interpreter with streaming, webdataset, torch and PIL, which load the same."`
	On      string          `placeholder:"CPUS" help:"Processors that loaders run on, as taskset -c takes them (Linux)."`
	Latency []time.Duration `default:"20ms" help:"Added latencies of the server (default 20ms)."`
	Orders  []string        `default:"random,quasi" help:"Orders of ours: random, quasi, keyed, pages, sequential."`
	Batch   int             `default:"64" help:"Photographs in a batch (default 64)."`
	Ahead   int             `help:"Batches ahead (default: the loader's)."`
	Workers int             `default:"1" help:"Workers of every loader (default 1)."`
	Memory  term.Size       `default:"64MiB" help:"Memory that ours reads ahead through (default 64MiB)."`
	Pace    []int           `default:"0" help:"Photographs a second that the one who takes ours can use at most, as a training does: 0 any number (default 0)."`
	Rounds  int             `default:"5" help:"Runs of each kind, in turns (default 5)."`
	Dir     string          `placeholder:"DIR" help:"Where the files are written; they stay there when it is given, and are used again."`

	Profile string `placeholder:"FILE" help:"Write a profile of the processor's time of ours from the server there."`

	Load string `hidden:""` // JSON of an epoch: what a process of its own does
}

func main() { os.Exit(run(term.Context(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var g grammar
	k, code := term.Parse(prog, description, &g, args, stdout, stderr)
	if k == nil {
		return code
	}
	if g.Load != "" {
		return term.Fail(stderr, prog, answer(ctx, g.Load, stdout))
	}
	return term.Fail(stderr, prog, measure(ctx, &g, stdout, stderr))
}

func measure(ctx context.Context, g *grammar, stdout, stderr io.Writer) (err error) {
	if g.Photos == "" {
		return fmt.Errorf("no photographs: --photos names their folder")
	}
	if g.Dir == "" {
		if g.Dir, err = os.MkdirTemp("", prog+"-"); err != nil {
			return err
		}
		defer os.RemoveAll(g.Dir)
	}
	if g.Dir, err = filepath.Abs(g.Dir); err != nil {
		return err
	}
	m := &measurer{grammar: g, out: stdout, err: stderr}
	if err := m.prepare(ctx); err != nil {
		return err
	}
	far, err := startServer(ctx, m)
	if err != nil {
		return err
	}
	defer far.Close()
	return m.tables(ctx, far)
}

// measurer makes the files and the tables.
type measurer struct {
	*grammar
	out, err io.Writer
}

func (m *measurer) path(name string) string { return filepath.Join(m.Dir, name) }

// prepare links the photographs to a folder, and writes what is loaded.
func (m *measurer) prepare(ctx context.Context) error {
	if err := m.link(); err != nil {
		return err
	}
	if _, err := os.Stat(m.path("photos.beton")); err != nil {
		cmd := exec.CommandContext(ctx, "go", "run", "github.com/betongo/betongo/cmd/ffcvwrite", "folder", m.path("photos"), "-o", m.path("photos.beton"), "--json")
		cmd.Stderr = m.err
		if _, err := cmd.Output(); err != nil {
			return fmt.Errorf("write photos.beton: %w", err)
		}
	}
	if m.Python == "" {
		return nil
	}
	for _, kind := range []string{"mds", "wds"} {
		if _, err := os.Stat(m.path(kind)); err == nil {
			continue
		}
		part := m.path(kind + ".part")
		os.RemoveAll(part)
		if _, err := m.python(ctx, nil, "write", kind, m.path("photos"), part); err != nil {
			return err
		}
		if err := os.Rename(part, m.path(kind)); err != nil {
			return err
		}
	}
	return nil
}

// link makes a folder of the first photographs of all.
func (m *measurer) link() error {
	if _, err := os.Stat(m.path("photos")); err == nil {
		return nil
	}
	photos, err := filepath.Abs(m.Photos)
	if err != nil {
		return err
	}
	list, err := filepath.Glob(filepath.Join(photos, "*", "*"))
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("%s: no photographs in class folders", photos)
	}
	part := m.path("photos.part")
	os.RemoveAll(part)
	for i := range min(m.Count, len(list)) {
		from := list[i*len(list)/min(m.Count, len(list))] // of all classes
		to := filepath.Join(part, filepath.Base(filepath.Dir(from)), filepath.Base(from))
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return err
		}
		if err := os.Symlink(from, to); err != nil {
			return err
		}
	}
	return os.Rename(part, m.path("photos"))
}
