package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

//go:embed peers.py
var peersScript string

// side is one program's way to do a thing.
type side struct {
	name string // in the table; "" for the duel's
	args []string
	env  []string
}

// duel is what both sides do in turns, and perhaps cp.
type duel struct {
	what         string
	from, out    string // what they read, and write anew each time; "" for nothing
	ours, theirs side
	cp           bool // of from, beside them
	keep         bool // our last output is the next duel's from
	drop         bool // from isn't needed any more
}

// taken is what a run took.
type taken struct {
	wall, cpu float64 // seconds
	rss       float64 // MiB at its peak
}

// pair is one round.
type pair struct{ ours, theirs, cp taken }

// rounds runs a duel.
func (r *runner) rounds(ctx context.Context, d duel, n int) ([]pair, error) {
	pairs := make([]pair, n)
	for i := range pairs {
		fmt.Fprintf(r.stderr, "%s: %s, round %d of %d\n", prog, d.what, i+1, n)
		p := &pairs[i]
		sides := []func() error{
			func() (err error) { p.theirs, err = r.run(ctx, d, d.theirs); return err },
			func() (err error) { p.ours, err = r.run(ctx, d, d.ours); return err },
		}
		if d.cp {
			sides = append(sides, func() (err error) {
				p.cp, err = r.run(ctx, d, side{args: []string{"sh", "-c", `cp "$0" "$1" && sync "$1"`, largest(d.from), d.out}})
				return err
			})
		}
		if i%2 == 1 {
			slices.Reverse(sides)
		}
		for _, run := range sides {
			if err := run(); err != nil {
				return nil, fmt.Errorf("%s: %w", d.what, err)
			}
		}
	}
	if d.keep { // whoever was last: ours is what goes on
		if _, err := r.run(ctx, d, d.ours); err != nil {
			return nil, fmt.Errorf("%s: %w", d.what, err)
		}
	} else if err := remove(d.out); err != nil {
		return nil, err
	}
	if d.drop {
		return pairs, remove(d.from)
	}
	return pairs, nil
}

func remove(path string) error {
	if path == "" {
		return nil
	}
	return os.RemoveAll(path)
}

// largest is the file of data in a pack, or the file itself.
func largest(path string) string {
	best, most := path, int64(-1)
	filepath.WalkDir(path, func(name string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil && info.Size() > most {
				best, most = name, info.Size()
			}
		}
		return nil
	})
	return best
}

// run runs one side once. Its output is away before.
func (r *runner) run(ctx context.Context, d duel, s side) (taken, error) {
	if err := remove(d.out); err != nil {
		return taken{}, err
	}
	cmd := exec.CommandContext(ctx, s.args[0], s.args[1:]...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), s.env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return taken{}, fmt.Errorf("%s: %w\n%s%s", strings.Join(s.args, " "), err, out.Bytes(), errs.Bytes())
	}
	t := taken{wall: time.Since(start).Seconds(), rss: peak(cmd.ProcessState)}
	t.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	var own struct {
		Wall *float64 `json:"wall_s"`
		CPU  *float64 `json:"cpu_s"`
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	if json.Unmarshal(lines[len(lines)-1], &own) == nil && own.Wall != nil && own.CPU != nil {
		t.wall, t.cpu = *own.Wall, *own.CPU
	}
	return t, nil
}

// theirs is a verb of the script.
func (r *runner) theirs(name, verb string, args ...string) side {
	return side{name: name, args: append([]string{r.python, r.script, verb}, args...)}
}

// converts is our command.
func (r *runner) converts(args ...string) side {
	return side{args: append([]string{r.convert}, args...)}
}

func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	mid := len(v) / 2
	if len(v)%2 == 0 {
		return (v[mid-1] + v[mid]) / 2
	}
	return v[mid]
}
