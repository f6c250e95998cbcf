package peer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// every is how often memory is looked at.
const every = 250 * time.Millisecond

// outcome is what a process told and took.
type outcome struct {
	samples  int
	cpu      float64 // seconds between begin and end, of the process and its children
	wall     float64
	first    float64 // seconds from the start to the first batch
	memory   int64
	p50, p99 float64
	versions string
}

// mark is a line that a script says.
type mark struct {
	Mark    string  `json:"mark"`
	CPU     float64 `json:"cpu"` // its own reckoning, for systems where this program can't look
	Samples int     `json:"samples"`
	Text    string  `json:"text"`
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
}

// watch runs a process and returns what it took: between the marks that it says, or if it says none
// (marks is false) all of it. All that it leaves running is ended.
func watch(ctx context.Context, cmd *exec.Cmd, marks bool) (o outcome, err error) {
	errs := &ending{}
	cmd.Stderr = errs
	cmd.WaitDelay = 2 * time.Second // for what it leaves running, which has its standard error
	group(cmd)
	cmd.Cancel = func() error { return kill(cmd) }
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return o, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return o, err
	}
	others := adopt()
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return o, err
	}
	peak := watchMemory()
	said := o.listen(stdout, stdin, marks, begun, peak)
	if said != nil {
		kill(cmd) // it may wait for an answer
	}
	if err = cmd.Wait(); errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	left := reap(cmd, others)
	o.memory = peak.stop()
	if !marks {
		o.wall, o.cpu = time.Since(begun).Seconds(), used(cmd.ProcessState)+left
	}
	switch {
	case ctx.Err() != nil:
		return o, fmt.Errorf("%w; it had said: %s", context.Cause(ctx), errs)
	case said != nil:
		return o, fmt.Errorf("%w: %s", said, errs)
	case err != nil:
		return o, fmt.Errorf("%w: %s", err, errs)
	}
	return o, nil
}

// listen reads what a process says until it ends.
func (o *outcome) listen(stdout io.Reader, answer io.Writer, marks bool, begun time.Time, peak *memory) error {
	if !marks {
		_, err := io.Copy(io.Discard, stdout)
		return err
	}
	var start time.Time
	var before, own float64
	ended := false
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		var m mark
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return fmt.Errorf("%q is no mark: %w", lines.Text(), err)
		}
		switch m.Mark {
		case "versions":
			o.versions = m.Text
		case "first":
			o.first = time.Since(begun).Seconds()
		case "begin":
			before, own = treeCPU(), m.CPU
			start = time.Now()
			io.WriteString(answer, "\n")
		case "end":
			o.wall = time.Since(start).Seconds()
			if o.cpu = treeCPU() - before; before < 0 {
				o.cpu = m.CPU - own
			}
			o.samples, ended = m.Samples, true
			peak.look()
			io.WriteString(answer, "\n")
		case "latency":
			o.p50, o.p99 = m.P50, m.P99
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if !ended || start.IsZero() {
		return errors.New("it ended without having said what it did")
	}
	return nil
}

// memory samples how much of it the processes that this one started have.
type memory struct {
	quit chan struct{}
	done sync.WaitGroup

	mu   sync.Mutex
	most int64
}

func watchMemory() *memory {
	m := &memory{quit: make(chan struct{})}
	m.done.Add(1)
	go func() {
		defer m.done.Done()
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			m.look()
			select {
			case <-m.quit:
				return
			case <-tick.C:
			}
		}
	}()
	return m
}

func (m *memory) look() {
	n := treeMemory()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.most = max(m.most, n)
}

// stop ends the sampling and returns the most.
func (m *memory) stop() int64 {
	close(m.quit)
	m.done.Wait()
	return m.most
}

// ending keeps the end of what a process prints.
type ending struct{ text []byte }

// most of the bytes of an ending.
const most = 4 << 10

func (e *ending) Write(p []byte) (int, error) {
	e.text = append(e.text, p...)
	if n := len(e.text) - most; n > 0 {
		e.text = append(e.text[:0], e.text[n:]...)
	}
	return len(p), nil
}

func (e *ending) String() string { return strings.ToValidUTF8(tail(e.text), "?") }
