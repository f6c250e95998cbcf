package beam_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	betonbeam "github.com/betongo/betongo/beam"
	"github.com/betongo/betongo/build"
)

// TestPhotos builds the folder of photographs that BETONGO_PHOTOS names in 16
// shards by 4 processes at a time, and kills a fifth of all attempts at some
// moment: the file is the one that a single process builds.
func TestPhotos(t *testing.T) {
	photos := os.Getenv("BETONGO_PHOTOS")
	if photos == "" {
		t.Skip("BETONGO_PHOTOS names no folder of photographs")
	}
	const shards, workers, share = 16, 4, 0.2
	dir := t.TempDir()
	p, err := build.NewPlan(t.Context(), build.Recipe{Folder: &build.Folder{Dir: photos}}, shards, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "plan.json")
	if err := p.Write(t.Context(), path, false, nil); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	attempts, doomed, each := 0, 0, int64(p.Samples/shards)
	defer betonbeam.OnChild(func(p *os.Process, shard, attempt int) func(int64) {
		rng := rand.New(rand.NewPCG(uint64(shard+1), uint64(attempt)))
		kill := rng.Float64() < share
		at := rng.Int64N(each + 1)
		mu.Lock()
		defer mu.Unlock()
		attempts++
		if kill {
			doomed++
		}
		return func(samples int64) {
			if kill && samples >= at {
				p.Kill()
			}
		}
	})()
	out := filepath.Join(dir, "out.beton")
	start := time.Now()
	result, err := run(t, path, &betonbeam.Options{Out: out, Workers: workers, Backoff: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d samples in %.1f s; %d processes, %d to be killed; counters %v", p.Samples, time.Since(start).Seconds(), attempts, doomed, counters(result))
	got := sum(t, out)
	if err := os.Remove(out); err != nil {
		t.Fatal(err)
	}
	start = time.Now()
	for i := range p.Len() { // over the others: disks are small
		if _, err := build.BuildShard(t.Context(), p, i, &build.ShardOptions{Rebuild: true}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := build.Merge(t.Context(), p, out, nil); err != nil {
		t.Fatal(err)
	}
	want := sum(t, out)
	t.Logf("by one process in %.1f s; sha256 %s", time.Since(start).Seconds(), want)
	if got != want {
		t.Errorf("sha256 %s, want %s", got, want)
	}
}

func sum(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}
