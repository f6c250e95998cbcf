package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/betongo/betongo/benchmarks/result"
)

// Bench runs systems, one at a time. It is for one goroutine.
type Bench struct {
	Root    string // the module's folder
	Dir     string // programs are put into its folder bin
	Data    string // datasets are put there, of these photographs and rows
	Photos  string // a folder of class folders with JPEGs
	Count   int    // photographs
	Rows    int    // of the arrays
	Draws   int    // of access at random
	Workers int
	Batch   int           // photographs in a batch; rows come in batches of 2,048
	Seconds float64       // the least that is measured of an epoch: it is repeated until then
	Limit   time.Duration // a run that takes longer is an error; 0 means 15 minutes

	Pythons map[string]string // interpreters, by environment

	versions map[string]string
	warm     map[string]bool // what is in the system's cache
}

// rowBatch is how many rows are in a batch.
const rowBatch = 2048

// job is what a script is told; the names are those of common.py.
type job struct {
	Work    string  `json:"work"`
	Mode    string  `json:"mode"`
	Photos  string  `json:"photos"`
	Data    string  `json:"data"`
	Rows    string  `json:"rows"`
	Count   int     `json:"count"`
	Draws   int     `json:"draws"`
	Workers int     `json:"workers"`
	Batch   int     `json:"batch"`
	Seconds float64 `json:"seconds"`
}

// program returns the path of one of this module's programs.
func (b *Bench) program(name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(b.Dir, "bin", name)
}

// Compile builds this module's programs.
func (b *Bench) Compile(ctx context.Context) error {
	for name, from := range map[string]string{
		"ffcvwrite": "./cmd/ffcvwrite", "betongo-engine": "./cmd/betongo-engine", "load": "./benchmarks/peer/load",
	} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.program(name), from)
		cmd.Dir = b.Root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", from, err, out)
		}
	}
	return nil
}

// Forget removes this module's own datasets, which may be of another commit: they are made anew.
func (b *Bench) Forget() error {
	var errs []error
	for _, s := range Systems {
		if s.write != nil {
			errs = append(errs, os.RemoveAll(b.path(s.store)))
		}
	}
	return errors.Join(append(errs, os.RemoveAll(b.path("raw.beton")), os.RemoveAll(b.path("rows.beton")))...)
}

// Versions returns what each system that has run stands on.
func (b *Bench) Versions() map[string]string { return b.versions }

// Run does a work once, in a process of its own. What fails is in the run's error.
func (b *Bench) Run(ctx context.Context, s *System, work string, round int) result.Run {
	r := result.Run{Work: work, System: s.Name, Round: round, Note: s.note(work)}
	if err := b.prepare(ctx, s, work); err != nil {
		r.Error = err.Error()
		return r
	}
	r.Load = Load()
	var o outcome
	var err error
	if work == Build {
		o, r.FileSize, err = b.build(ctx, s, round)
	} else {
		count := b.Count
		if work == Rows {
			count = b.rowsOf(s)
		}
		o, err = b.do(ctx, s, work, b.path(s.reads(work)), count)
		if work == Access || work == Decoded {
			count = b.Draws
		}
		if err == nil && (o.samples == 0 || o.samples%count != 0) {
			err = fmt.Errorf("it gave %d samples; want %d, or several times as many", o.samples, count)
		}
	}
	if err != nil {
		r.Error = err.Error()
		return r
	}
	r.Samples, r.CPU, r.Wall, r.PeakMemory, r.P50, r.P99 = o.samples, o.cpu, o.wall, o.memory, o.p50, o.p99
	if work != Build && work != Access && work != Decoded {
		r.FirstBatch = o.first
	}
	return r
}

// rowsOf returns how many rows a system gets.
func (b *Bench) rowsOf(s *System) int {
	if s.few {
		return max(1, b.Rows/10)
	}
	return b.Rows
}

// path returns where a store lies: "" of "".
func (b *Bench) path(store string) string {
	if store == "" {
		return ""
	}
	return filepath.Join(b.Data, store)
}

// prepare makes what a work reads, where it is not there, and brings it into the system's cache.
func (b *Bench) prepare(ctx context.Context, s *System, work string) error {
	if err := os.MkdirAll(b.Data, 0o777); err != nil {
		return err
	}
	read, store := b.Photos, s.reads(work)
	if work == Rows {
		if err := b.writeArrays(); err != nil {
			return err
		}
		read = b.path("arrays")
	}
	if work != Build && store != "" {
		read = b.path(store)
		if _, err := os.Stat(read); errors.Is(err, fs.ErrNotExist) {
			if err = nil; work == Rows || work == Raw {
				err = b.write(ctx, s, work)
			} else {
				_, _, err = b.build(ctx, s.builder(), 0)
			}
			if err != nil {
				return fmt.Errorf("make the dataset: %w", err)
			}
		}
	}
	if b.warm == nil {
		b.warm = map[string]bool{}
	}
	if b.warm[read] {
		return nil
	}
	b.warm[read] = true
	return touch(read)
}

// build makes a system's store of the photographs. The first one is kept.
func (b *Bench) build(ctx context.Context, s *System, round int) (o outcome, size int64, err error) {
	target := b.path(s.store)
	part := target + ".new" + filepath.Ext(target)
	if err := wipe(part); err != nil {
		return o, 0, err
	}
	defer wipe(part)
	if s.write != nil {
		args := append([]string{"folder", b.Photos, "-o", part, "--force", "--json"}, s.write...)
		o, err = b.watch(ctx, exec.Command(b.program("ffcvwrite"), args...), false)
		o.samples = b.Count
	} else {
		o, err = b.do(ctx, s, Build, part, b.Count)
	}
	if err != nil {
		return o, 0, err
	}
	settle()
	if size, err = sizeOf(part); err != nil || size == 0 {
		return o, 0, fmt.Errorf("%s: %d bytes were written, %w", filepath.Base(target), size, err)
	}
	if _, err := os.Stat(target); err == nil {
		return o, size, nil
	}
	return o, size, os.Rename(part, target)
}

// write makes a system's store of rows or raw pixels.
func (b *Bench) write(ctx context.Context, s *System, work string) error {
	target := b.path(s.reads(work))
	part := target + ".new" + filepath.Ext(target)
	if err := wipe(part); err != nil {
		return err
	}
	to := []string{"-o", part, "--force", "--json"}
	var err error
	switch name := filepath.Base(target); {
	case name == "rows.beton":
		x, y := filepath.Join(b.path("arrays"), "x.npy"), filepath.Join(b.path("arrays"), "y.npy")
		_, err = b.watch(ctx, exec.Command(b.program("ffcvwrite"), append([]string{"arrays", "x=" + x, "label=" + y}, to...)...), false)
	case name == "raw.beton":
		args := append([]string{"folder", b.Photos, "--mode", "raw", "--max-resolution", "256"}, to...)
		_, err = b.watch(ctx, exec.Command(b.program("ffcvwrite"), args...), false)
	case work == Raw:
		_, err = b.do(ctx, s, "build-raw", part, b.Count)
	default:
		_, err = b.do(ctx, s, "build-rows", part, b.rowsOf(s))
	}
	if err != nil {
		return errors.Join(err, wipe(part))
	}
	settle()
	return os.Rename(part, target)
}

// do starts a system's script, or this module's program, with a job.
func (b *Bench) do(ctx context.Context, s *System, work, data string, count int) (outcome, error) {
	j := job{Work: work, Mode: s.mode, Photos: b.Photos, Data: data, Rows: b.path("arrays"), Count: count, Draws: b.Draws,
		Workers: b.Workers, Batch: b.Batch, Seconds: b.Seconds}
	if work == Rows {
		j.Batch = rowBatch
	}
	text, err := json.Marshal(j)
	if err != nil {
		return outcome{}, err
	}
	cmd := exec.Command(b.program("load"), string(text))
	if s.env != "" {
		python := b.Pythons[s.env]
		if python == "" {
			return outcome{}, fmt.Errorf("the environment %s is not set up", s.env)
		}
		cmd = exec.Command(python, filepath.Join(b.Root, "benchmarks", "peer", s.script), string(text))
	}
	o, err := b.watch(ctx, cmd, true)
	if o.versions != "" {
		if b.versions == nil {
			b.versions = map[string]string{}
		}
		b.versions[s.Name] = o.versions
	}
	return o, err
}

// watch runs a command with the environment that all have.
func (b *Bench) watch(ctx context.Context, cmd *exec.Cmd, marks bool) (outcome, error) {
	limit := b.Limit
	if limit == 0 {
		limit = 15 * time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took more than %v", limit))
	defer cancel()
	with := exec.CommandContext(ctx, cmd.Path, cmd.Args[1:]...)
	with.Dir = b.Dir // away from folders that would hide Python's packages
	with.Env = append(os.Environ(),
		"PYTHONPATH="+filepath.Join(b.Root, "python", "src"),
		"BETONGO_ENGINE="+b.program("betongo-engine"),
		"PYTHONDONTWRITEBYTECODE=1", "HF_HUB_OFFLINE=1", "PYTHONUNBUFFERED=1")
	return watch(ctx, with, marks)
}

// wipe removes what an earlier run left of a store, and the cache that goes with it.
func wipe(part string) error { return errors.Join(os.RemoveAll(part), os.RemoveAll(part+"-cache")) }

// sizeOf returns the bytes of a file, or of all files in a folder.
func sizeOf(path string) (n int64, err error) {
	err = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}

// touch reads a file, or all files in a folder, so that the system has them in memory.
func touch(path string) error {
	buf := make([]byte, 1<<20)
	return filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		for {
			if n, err := f.Read(buf); n == 0 || err != nil {
				return nil // what can't be read is the system's to tell
			}
		}
	})
}
