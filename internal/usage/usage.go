// Package usage tells what this process takes of the machine, and which machine
// that is: for commands that time something.
package usage

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// begun is about when the process began, for systems that do not tell.
var begun = time.Now()

// Peak samples how much memory is the process's Own.
type Peak struct {
	quit chan struct{}
	done chan struct{}
	once sync.Once
	most int64 // the goroutine's until done
}

// Watch begins to look at the memory at such intervals; Stop ends it.
func Watch(every time.Duration) *Peak {
	p := &Peak{quit: make(chan struct{}), done: make(chan struct{}), most: Own()}
	go func() {
		defer close(p.done)
		if p.most < 0 {
			return
		}
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-p.quit:
				p.most = max(p.most, Own())
				return
			case <-tick.C:
				p.most = max(p.most, Own())
			}
		}
	}()
	return p
}

// Stop returns the most bytes that there were, -1 where the system does not tell.
// A second call returns the same.
func (p *Peak) Stop() int64 {
	p.once.Do(func() { close(p.quit) })
	<-p.done
	return p.most
}

// Machine names the system, the processor and how many of its there are.
func Machine() string {
	name := runtime.GOOS + "/" + runtime.GOARCH
	f, err := os.Open("/proc/cpuinfo")
	if err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
				name += ", " + strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d processors", name, runtime.NumCPU())
}

// Commit names the state of the working tree that the program runs in, "unknown"
// where there is none.
func Commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
