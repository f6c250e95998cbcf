package beam_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/metrics"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/log"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"

	betonbeam "github.com/betongo/betongo/beam"
	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
)

const photos = "../testdata/photos"

func TestMain(m *testing.M) {
	betonbeam.Child()
	flag.Parse()
	log.LogLevel = "error"
	beam.Init()
	os.Exit(m.Run())
}

// plan writes a plan for the photographs in testdata into a folder, and returns
// where.
func plan(t testing.TB, dir string, shards int) string {
	t.Helper()
	r := build.Recipe{Folder: &build.Folder{Dir: photos}, Writer: build.Writer{PageSize: 2 << 20, Shuffle: true, Seed: 1}}
	p, err := build.NewPlan(t.Context(), r, shards, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "plan.json")
	if err := p.Write(t.Context(), path, false, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

// alone builds a plan in this process, without Beam, and returns the merged file.
func alone(t testing.TB, shards int) []byte {
	t.Helper()
	p, err := build.ReadPlan(t.Context(), plan(t, t.TempDir(), shards), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Len() {
		if _, err := build.BuildShard(t.Context(), p, i, nil); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(t.TempDir(), "alone.beton")
	if _, err := build.Merge(t.Context(), p, out, nil); err != nil {
		t.Fatal(err)
	}
	return read(t, out)
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func verify(t testing.TB, path string) {
	t.Helper()
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// run builds a plan as a pipeline on Prism.
func run(t testing.TB, plan string, opts *betonbeam.Options) (beam.PipelineResult, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	p, s := beam.NewPipelineWithRoot()
	if _, _, err := betonbeam.Build(ctx, s, plan, opts); err != nil {
		return nil, err
	}
	return beam.Run(ctx, "prism", p)
}

// counters sums the counters by their names.
func counters(r beam.PipelineResult) map[string]int64 {
	n := make(map[string]int64)
	for _, c := range r.Metrics().Query(func(r metrics.SingleResult) bool { return r.Namespace() == "betongo" }).Counters() {
		n[c.Name()] += c.Result()
	}
	return n
}

func TestBuild(t *testing.T) {
	for _, c := range []struct {
		name string
		opts betonbeam.Options
	}{
		{"children", betonbeam.Options{Workers: 3}},
		{"in process", betonbeam.Options{InProcess: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			const shards = 5
			dir := t.TempDir()
			var at atomic.Int32
			if !c.opts.InProcess {
				defer betonbeam.OnChild(func(p *os.Process, shard, attempt int) func(int64) {
					at.Add(1)
					return func(int64) {}
				})()
			}
			var last betonbeam.Progress
			c.opts.Out, c.opts.Progress = filepath.Join(dir, "out.beton"), func(p betonbeam.Progress) { last = p }
			result, err := run(t, plan(t, dir, shards), &c.opts)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(read(t, c.opts.Out), alone(t, shards)) {
				t.Error("the file is another one than that of one process")
			}
			verify(t, c.opts.Out)
			n := counters(result)
			if n["shards"] != shards || n["attempts"] != shards || n["failed_attempts"] != 0 || n["samples"] != last.OfSamples || n["bytes"] == 0 {
				t.Errorf("counters %v", n)
			}
			if last.Shards != shards || last.Samples != last.OfSamples || !last.Merging {
				t.Errorf("progress %+v", last)
			}
			if want := int32(shards + 1); !c.opts.InProcess && at.Load() != want {
				t.Errorf("%d children, want %d", at.Load(), want)
			}
		})
	}
}

func TestIndex(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "all.json")
	path := plan(t, dir, 3)
	if _, err := run(t, path, &betonbeam.Options{Out: out, IndexOnly: true}); err != nil {
		t.Fatal(err)
	}
	d, err := dataset.Open([]string{out}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	p, err := build.ReadPlan(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d.Len() != p.Samples {
		t.Errorf("%d samples, want %d", d.Len(), p.Samples)
	}
}

// TestKilled kills children at the first attempt of each shard and of the merge,
// before and after they have done something.
func TestKilled(t *testing.T) {
	const shards = 6
	dir := t.TempDir()
	var mu sync.Mutex
	killed := 0
	defer betonbeam.OnChild(func(p *os.Process, shard, attempt int) func(int64) {
		kill := func() {
			mu.Lock()
			defer mu.Unlock()
			if p.Kill() == nil {
				killed++
			}
		}
		if attempt > 1 {
			return func(int64) {}
		}
		if shard%2 == 0 {
			return func(int64) { kill() }
		}
		kill()
		return func(int64) {}
	})()
	out := filepath.Join(dir, "out.beton")
	result, err := run(t, plan(t, dir, shards), &betonbeam.Options{Out: out, Workers: 2, Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, out), alone(t, shards)) {
		t.Error("the file is another one than that of one process")
	}
	n := counters(result)
	if killed < shards/2+1 || n["shards"] != shards || n["failed_attempts"] < shards/2 || n["attempts"] != shards+n["failed_attempts"] {
		t.Errorf("%d killed; counters %v", killed, n)
	}
}

// TestFailure has one shard fail at every attempt: the error names it, and why,
// the others are built, and the next run builds no more than what is missing.
func TestFailure(t *testing.T) {
	const shards, bad = 4, 2
	dir := t.TempDir()
	path := plan(t, dir, shards)
	opts := betonbeam.Options{Out: filepath.Join(dir, "out.beton"), Workers: 2, Attempts: 2, Backoff: time.Millisecond}
	restore := betonbeam.OnChild(func(p *os.Process, shard, attempt int) func(int64) {
		if shard == bad {
			p.Kill()
		}
		return func(int64) {}
	})
	_, err := run(t, path, &opts)
	restore()
	if err == nil {
		t.Fatal("no error")
	}
	want := fmt.Sprintf("betongo build of %s: 1 of 4 shards are not built: shard 2: attempt 2 of 2: the process that built it ended: signal: killed", path)
	if got := betonbeam.Cause(err).Error(); got != want {
		t.Errorf("got  %s\nwant %s\nof %v", got, want, err)
	}
	p, err := build.ReadPlan(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	list, err := p.Receipts(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range list {
		if (r == nil) != (i == bad) {
			t.Errorf("shard %d: receipt %v", i, r)
		}
	}
	if _, err := os.Stat(opts.Out); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the target of a build that failed: %v", err)
	}
	if _, err := run(t, path, &opts); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, opts.Out), alone(t, shards)) {
		t.Error("the file is another one than that of one process")
	}
}

// TestFinal has errors that no other attempt would mend: there is one.
func TestFinal(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "photos"), os.DirFS(photos)); err != nil {
		t.Fatal(err)
	}
	r := build.Recipe{Folder: &build.Folder{Dir: filepath.Join(dir, "photos")}}
	p, err := build.NewPlan(t.Context(), r, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "plan.json")
	if err := p.Write(t.Context(), path, false, nil); err != nil {
		t.Fatal(err)
	}
	list, err := filepath.Glob(filepath.Join(dir, "photos", "tower", "*.jpg"))
	if err != nil || len(list) < 2 {
		t.Fatal(list, err)
	}
	if err := os.WriteFile(list[0], read(t, list[1]), 0o666); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_, err = run(t, path, &betonbeam.Options{Backoff: time.Hour})
	if err == nil || !strings.Contains(err.Error(), "the source is another one") {
		t.Errorf("got %v", err)
	}
	if d := time.Since(start); d > time.Minute {
		t.Errorf("it took %v", d)
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	path := plan(t, dir, 2)
	there := filepath.Join(dir, "there.beton")
	if err := os.WriteFile(there, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, plan string
		opts       betonbeam.Options
		want       string
	}{
		{"target there", path, betonbeam.Options{Out: there}, "there.beton"},
		{"no plan", filepath.Join(dir, "none.json"), betonbeam.Options{}, "none.json"},
		{"no plan but a file", there, betonbeam.Options{}, "there.beton"},
		{"workers below 0", path, betonbeam.Options{Workers: -1}, "-1 workers"},
		{"attempts below 0", path, betonbeam.Options{Attempts: -1}, "-1 attempts"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, s := beam.NewPipelineWithRoot()
			if _, _, err := betonbeam.Build(t.Context(), s, c.plan, &c.opts); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	dir := t.TempDir()
	_, err := run(t, plan(t, dir, 2), &betonbeam.Options{Timeout: time.Millisecond, Attempts: 2, Backoff: time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "2 of 2 shards are not built") || !strings.Contains(err.Error(), "no end after 1ms") {
		t.Errorf("got %v", err)
	}
}

func TestWait(t *testing.T) {
	for _, c := range []struct {
		attempts int
		backoff  time.Duration
		from, to time.Duration
	}{
		{1, time.Second, 500 * time.Millisecond, time.Second},
		{2, time.Second, time.Second, 2 * time.Second},
		{6, time.Second, 16 * time.Second, 32 * time.Second},
		{7, time.Second, 30 * time.Second, time.Minute},
		{1000, time.Second, 30 * time.Second, time.Minute},
		{40, time.Hour, 30 * time.Second, time.Minute},
	} {
		for range 100 {
			if d := time.Duration(betonbeam.Wait(&betonbeam.Options{Backoff: c.backoff}, c.attempts)); d < c.from || d > c.to {
				t.Fatalf("after %d attempts: %v, want %v to %v", c.attempts, d, c.from, c.to)
			}
		}
	}
}
