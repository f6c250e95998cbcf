//go:build unix

package beam_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	betonbeam "github.com/betongo/betongo/beam"
)

// TestStopped has the first attempts at shards stand still until their time is
// over.
func TestStopped(t *testing.T) {
	const shards = 3
	dir := t.TempDir()
	var mu sync.Mutex
	var children []*os.Process
	defer betonbeam.OnChild(func(p *os.Process, shard, attempt int) func(int64) {
		mu.Lock()
		defer mu.Unlock()
		children = slices.DeleteFunc(children, ended)
		if children = append(children, p); len(children) > 2 {
			t.Errorf("%d children at a time", len(children))
		}
		if attempt == 1 && shard > 0 {
			p.Signal(syscall.SIGSTOP)
		}
		return func(int64) {}
	})()
	out := filepath.Join(dir, "out.beton")
	result, err := run(t, plan(t, dir, shards), &betonbeam.Options{Out: out, Workers: 2, Timeout: 4 * time.Second, Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, out), alone(t, shards)) {
		t.Error("the file is another one than that of one process")
	}
	if n := counters(result); n["failed_attempts"] < shards-1 {
		t.Errorf("counters %v", n)
	}
}

// ended says that a process was waited for.
func ended(p *os.Process) bool { return errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone) }

// TestCancelled cancels a job while children stand still: they are gone soon.
func TestCancelled(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	var children []*os.Process
	defer betonbeam.OnChild(func(p *os.Process, _, _ int) func(int64) {
		p.Signal(syscall.SIGSTOP)
		mu.Lock()
		defer mu.Unlock()
		if children = append(children, p); len(children) == 2 {
			cancel()
		}
		return func(int64) {}
	})()
	p, s := beam.NewPipelineWithRoot()
	if _, _, err := betonbeam.Build(ctx, s, plan(t, dir, 4), &betonbeam.Options{Workers: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := beam.Run(ctx, "prism", p); err == nil {
		t.Error("no error of a job that was cancelled")
	}
	mu.Lock()
	defer mu.Unlock()
	for _, p := range children {
		for start := time.Now(); !ended(p); time.Sleep(10 * time.Millisecond) {
			if time.Since(start) > 20*time.Second {
				p.Kill()
				t.Fatalf("child %d is there still", p.Pid)
			}
		}
	}
}
