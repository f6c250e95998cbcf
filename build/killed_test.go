package build_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/internal/s3test"
)

// TestMain is a worker when a test starts it as one: it builds a shard.
func TestMain(m *testing.M) {
	if place := os.Getenv("BETONGO_TEST_PLAN"); place != "" {
		os.Exit(work(place))
	}
	os.Exit(m.Run())
}

func work(place string) int {
	err := func() error {
		i, err := strconv.Atoi(os.Getenv("BETONGO_TEST_SHARD"))
		if err != nil {
			return err
		}
		p, err := build.ReadPlan(context.Background(), place, nil)
		if err != nil {
			return err
		}
		_, err = build.BuildShard(context.Background(), p, i, &build.ShardOptions{WriteOptions: build.WriteOptions{Staging: os.Getenv("BETONGO_TEST_STAGING")}})
		return err
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// crew builds a plan's shards by worker processes, a process for each attempt, some
// of which it kills.
type crew struct {
	t       testing.TB
	plan    string
	shards  int
	workers int
	share   float64       // of the attempts that are killed
	took    time.Duration // about, by an attempt

	mu       sync.Mutex
	rng      *rand.Rand
	left     []int
	attempts int
	killed   int
}

func (c *crew) run() {
	c.rng = rand.New(rand.NewPCG(1, uint64(c.shards)))
	c.left = c.rng.Perm(c.shards)
	var wait sync.WaitGroup
	for k := range c.workers {
		wait.Add(1)
		staging := c.t.TempDir() // a worker's disk outlives its attempts
		go func() {              // ends when no shard is left
			defer wait.Done()
			for {
				i, after, ok := c.next()
				if !ok {
					return
				}
				if err := c.attempt(i, after, staging); err != nil {
					c.t.Errorf("worker %d, shard %d: %v", k, i, err)
					return
				}
			}
		}()
	}
	wait.Wait()
}

// next returns a shard to build and after what time the attempt is killed, 0 never.
func (c *crew) next() (i int, after time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.left) == 0 {
		return 0, 0, false
	}
	i, c.left = c.left[0], c.left[1:]
	c.attempts++
	if c.rng.Float64() < c.share {
		after = time.Duration(c.rng.Float64()*float64(c.took)) + time.Microsecond
	}
	return i, after, true
}

// attempt runs a worker process. One that is killed leaves its shard to another.
func (c *crew) attempt(i int, after time.Duration, staging string) error {
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	if after > 0 {
		defer time.AfterFunc(after, cancel).Stop()
	}
	cmd := exec.CommandContext(ctx, os.Args[0]) // killed when ctx is done: SIGKILL
	cmd.Env = append(os.Environ(), "BETONGO_TEST_PLAN="+c.plan, "BETONGO_TEST_SHARD="+strconv.Itoa(i), "BETONGO_TEST_STAGING="+staging)
	out, err := cmd.CombinedOutput()
	if err != nil && ctx.Err() != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.killed++
		c.left = append(c.left, i)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// A dataset that worker processes build, a part of which are killed in the midst of
// it, is the one that a single process builds. BETONGO_PHOTOS names a folder of
// photographs for it in full size.
func TestKilled(t *testing.T) {
	r := folder(t, nil)
	if dir := os.Getenv("BETONGO_PHOTOS"); dir != "" {
		r.Folder.Dir, r.Writer.PageSize = dir, 0
	}
	start := time.Now()
	alone := plan(t, r, 16)
	for i := range alone.Len() {
		if _, err := build.BuildShard(t.Context(), alone, i, nil); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(start)
	a := merge(t, alone)
	want := sum(t, a)
	t.Logf("one process: %v for %d samples, %s", took.Round(time.Millisecond), alone.Samples, want)
	remove(t, alone)
	if err := os.Remove(a); err != nil {
		t.Fatal(err)
	}

	p := plan(t, r, 16)
	start = time.Now()
	c := crew{t: t, plan: p.Place(), shards: p.Len(), workers: 4, share: 0.2, took: took / 16 * 4}
	c.run()
	t.Logf("4 workers: %v, %d attempts, %d killed", time.Since(start).Round(time.Millisecond), c.attempts, c.killed)
	if c.killed == 0 {
		t.Error("no attempt was killed")
	}
	start = time.Now()
	b := merge(t, p)
	t.Logf("merged in %v", time.Since(start).Round(time.Millisecond))
	if got := sum(t, b); got != want {
		t.Errorf("%s, one process's is %s", got, want)
	}
	remove(t, p)
	same(t, b, direct(t, r))
}

// remove takes a plan's shards away: of many photographs they are large. What
// killed workers left must not be there by now.
func remove(t testing.TB, p *build.Plan) {
	t.Helper()
	path, err := p.ShardPath(0)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2*p.Len() {
		t.Errorf("%d files for %d shards: %v", len(entries), p.Len(), entries)
	}
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
}

// The same in an object store.
func TestS3Killed(t *testing.T) {
	s := s3test.Start(t)
	base := "s3://" + s.Bucket + "/"
	upload(t, photos, base+"photos/")
	r := build.Recipe{Folder: &build.Folder{Dir: base + "photos"}, Writer: build.Writer{PageSize: 2 << 20}}
	p, err := build.NewPlan(t.Context(), r, 8, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(t.Context(), base+"p.json", false, nil); err != nil {
		t.Fatal(err)
	}
	c := crew{t: t, plan: p.Place(), shards: p.Len(), workers: 4, share: 0.5, took: 300 * time.Millisecond}
	c.run()
	t.Logf("%d attempts, %d killed", c.attempts, c.killed)
	out := filepath.Join(t.TempDir(), "merged.beton")
	if _, err := build.Merge(t.Context(), p, out, nil); err != nil {
		t.Fatal(err)
	}
	alone := plan(t, folder(t, nil), 8)
	buildAll(t, alone, []int{7, 6, 5, 4, 3, 2, 1, 0})
	if sum(t, out) != sum(t, merge(t, alone)) {
		t.Error("another file than one process's")
	}
	if _, err := os.Stat(out + ".partial"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("something is left behind")
	}
}
