package usage_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/internal/usage"
)

func TestStart(t *testing.T) {
	if age := time.Since(usage.Start()); age < 0 || age > time.Hour {
		t.Errorf("the process is %v old", age)
	}
}

func TestCPU(t *testing.T) {
	before, err := usage.CPU()
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if after, err := usage.CPU(); err != nil || after > before {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Errorf("%v still, after a minute's work", before)
}

// TestWatch: what a test takes in between is seen.
func TestWatch(t *testing.T) {
	p := usage.Watch(time.Millisecond)
	const size = 64 << 20
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i)
	}
	most := p.Stop()
	if again := p.Stop(); again != most {
		t.Errorf("stopped twice: %d, %d", most, again)
	}
	runtime.KeepAlive(b)
	if runtime.GOOS != "linux" {
		t.Skipf("%s doesn't tell: %d", runtime.GOOS, most)
	}
	if rss := usage.PeakRSS(); most < size || rss < most || usage.Mapped() <= 0 {
		t.Errorf("%d bytes of its own, %d in memory, %d of files", most, rss, usage.Mapped())
	}
}

func TestDropCached(t *testing.T) {
	if err := usage.DropCached(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("dropped a file that isn't there")
	}
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, make([]byte, 1<<16), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := usage.DropCached(path); err != nil && runtime.GOOS == "linux" {
		t.Error(err)
	}
}

func TestMachine(t *testing.T) {
	if got := usage.Machine(); !strings.HasPrefix(got, runtime.GOOS+"/"+runtime.GOARCH) || !strings.HasSuffix(got, " processors") {
		t.Errorf("got %q", got)
	}
	if usage.MajorFaults() < 0 {
		t.Error("fewer than no page faults")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := usage.Commit(ctx); got != "unknown" {
		t.Errorf("got %q", got)
	}
}
