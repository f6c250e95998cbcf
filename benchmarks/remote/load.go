package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/usage"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/store"
	"github.com/betongo/betongo/transform"
)

// orders are ours, by name.
var orders = map[string]loader.Order{
	"sequential": loader.Sequential,
	"random":     loader.Random,
	"quasi":      loader.QuasiRandom,
	"keyed":      loader.Keyed,
	"pages":      loader.PageShuffle{},
}

// epoch is what a process of its own loads.
type epoch struct {
	Path    string // or URL
	Memory  int64  // of a URL
	Order   string
	Batch   int
	Ahead   int
	Workers int
	Profile string
	Drain   int64 // bytes a request: they are thrown away, see drain
	Samples int   // that those are
	Pace    int   // samples a second that the consumer takes at most; 0 any number
}

// loaded is what it measured: seconds.
type loaded struct {
	Samples int     `json:"samples"`
	First   float64 `json:"first"` // from the epoch's begin to its first batch
	Wall    float64 `json:"wall"`  // of the epoch
	After   int     `json:"after"` // samples after the first batch
	CPU     float64 `json:"cpu"`   // of the process and its children, from the epoch's begin on
	Read    float64 `json:"read"`  // seconds that workers took for getting bytes, waiting among it
	Worked  float64 `json:"worked"`
	Verdict string  `json:"verdict,omitempty"`
	Cache   string  `json:"cache,omitempty"`
}

// rate is the samples a second once the first batch is there.
func (l *loaded) rate() float64 { return float64(l.After) / (l.Wall - l.First) }

func answer(ctx context.Context, text string, out io.Writer) error {
	var e epoch
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return err
	}
	r, err := e.load(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r)
}

func (e *epoch) load(ctx context.Context) (r loaded, err error) {
	if e.Drain > 0 {
		return e.drain(ctx)
	}
	order, ok := orders[e.Order]
	if !ok {
		return r, fmt.Errorf("no order %q", e.Order)
	}
	opts := &store.Options{}
	if store.IsURL(e.Path) {
		opts.File = &ffcv.OpenOptions{Memory: e.Memory}
	}
	if e.Profile != "" {
		stop, err := profile(e.Profile + "." + strings.ReplaceAll(filepath.Base(e.Path)+"."+e.Order, "photos", map[bool]string{true: "server", false: "local"}[store.IsURL(e.Path)]))
		if err != nil {
			return r, err
		}
		defer stop()
	}
	ds, err := store.Open(ctx, []string{e.Path}, opts)
	if err != nil {
		return r, err
	}
	defer ds.Close()
	l, err := loader.New(ds, &loader.Options{BatchSize: e.Batch, BatchesAhead: e.Ahead, Workers: e.Workers, Order: order, Seed: 1,
		Outputs: []loader.Output{{Name: "image", Decoder: transform.RandomResizedCrop{Width: 224, Height: 224}, Ops: []any{transform.HorizontalFlip{}}}}})
	if err != nil {
		return r, err
	}
	defer l.Close()
	if err := back(e.Memory); err != nil {
		return r, err
	}
	begin := time.Now()
	cpu, _ := usage.CPU()
	for b, err := range l.Epoch(ctx, 0) {
		if err != nil {
			return r, err
		}
		if r.Samples += b.Len(); r.First == 0 {
			r.First = time.Since(begin).Seconds()
		} else {
			r.After += b.Len()
		}
		n := b.Len()
		b.Release()
		if e.Pace > 0 {
			time.Sleep(time.Duration(n) * time.Second / time.Duration(e.Pace))
		}
	}
	r.Wall = time.Since(begin).Seconds()
	end, _ := usage.CPU()
	r.CPU = (end - cpu).Seconds()
	stats := l.Stats()
	r.Verdict, r.Worked = stats.Verdict(), stats.Work.Seconds()
	for _, s := range stats.Stages {
		if s.Kind == loader.StageRead || s.Kind == loader.StageLookUp {
			r.Read += s.Time.Seconds()
		}
	}
	if s, ok := ds.CacheStats(); ok {
		r.Cache = fmt.Sprintf("%+v", s)
	}
	return r, nil
}

// back has the system hold as much free memory as a cache takes that is really
// there. A virtual machine's host may have taken it: 600 MiB of it that nobody had
// touched for a while then cost 1.4 s of the processor's time instead of 0.09,
// which says nothing about loaders.
func back(size int64) error {
	b, err := mmap.Anon(int(size))
	if err != nil {
		return err
	}
	mmap.Huge(b) // as the cache asks for it
	for i := 0; i < len(b); i += 4 << 10 {
		b[i] = 1
	}
	return mmap.Free(b)
}

// profile writes a profile of the processor's time from here on to a file.
func profile(path string) (stop func(), err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}

// command is a process on the loaders' processors.
func (m *measurer) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	if m.On != "" {
		args = append([]string{"-c", m.On, name}, args...)
		name = "taskset"
	}
	return exec.CommandContext(ctx, name, args...)
}

// load loads an epoch in a process of its own.
func (m *measurer) load(ctx context.Context, env []string, e epoch) (r loaded, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	e.Memory, e.Batch, e.Ahead, e.Workers, e.Profile = int64(m.Memory), m.Batch, m.Ahead, m.Workers, m.Profile
	text, err := json.Marshal(e)
	if err != nil {
		return r, err
	}
	return r, output(m.command(ctx, self, "--load", string(text)), env, &r)
}

// python runs the script of the Python loaders.
func (m *measurer) python(ctx context.Context, env []string, args ...string) (r loaded, err error) {
	script, err := os.CreateTemp(m.Dir, "peers-*.py") // it starts processes that import it
	if err != nil {
		return r, err
	}
	defer os.Remove(script.Name())
	_, err = script.WriteString(peers)
	if e := script.Close(); err == nil {
		err = e
	}
	if err != nil {
		return r, err
	}
	cmd := m.command(ctx, m.Python, append([]string{script.Name()}, args...)...)
	cmd.Dir = m.Dir
	return r, output(cmd, env, &r)
}

// output runs a command, which prints JSON as its last line.
func output(cmd *exec.Cmd, env []string, r any) error {
	var errs bytes.Buffer
	cmd.Env, cmd.Stderr = env, &errs
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd.Args, err, errs.Bytes())
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], r); err != nil {
		return fmt.Errorf("%s: %w\n%s%s", cmd.Args, err, out, errs.Bytes())
	}
	return nil
}
