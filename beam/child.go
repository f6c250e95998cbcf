package beam

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/log"
)

const (
	childEnv = "BETONGO_BEAM_CHILD"
	// stderrKept is how much is kept of what a child says on standard error.
	stderrKept = 64 << 10
	// lineLimit bounds what a child says at a time.
	lineLimit = 1 << 20
	// childEnd is how long a child that was killed may take to be gone.
	childEnd = 10 * time.Second
)

// isParent says that main calls Child.
var isParent atomic.Bool

// Child builds a shard and ends the process, where the process was started for
// that by Build's pipeline; otherwise it returns at once. Programs that run such a
// pipeline call it first in main, before flags are parsed and beam.Init is called.
func Child() {
	if os.Getenv(childEnv) == "" {
		isParent.Store(true)
		return
	}
	os.Unsetenv(childEnv)
	out := os.Stdout
	os.Stdout = os.Stderr // what else is printed is none of the answer
	if err := child(context.Background(), os.Stdin, out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// order is what a child is to do: the only line that it reads.
type order struct {
	Job  job
	Task task
}

// line is what a child says. The last has an answer or an error.
type line struct {
	Samples int64   `json:",omitempty"` // done so far
	Answer  *answer `json:",omitempty"`
	Err     string  `json:",omitempty"`
	Final   bool    `json:",omitempty"` // Err would come again
}

// child follows the order that comes from in. It ends with the process that gave
// it, whose end of in is closed then.
func child(ctx context.Context, in io.Reader, out io.Writer) error {
	from := bufio.NewReader(in)
	text, err := from.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("order: %w", err)
	}
	var o order
	if err := json.Unmarshal(text, &o); err != nil {
		return fmt.Errorf("order: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() { // ends with the process
		_, err := from.ReadByte()
		cancel(fmt.Errorf("the program that started this is gone: %w", err))
		time.Sleep(childEnd)
		os.Exit(1)
	}()
	var mu sync.Mutex
	enc := json.NewEncoder(out)
	say := func(l line) error {
		mu.Lock()
		defer mu.Unlock()
		return enc.Encode(l)
	}
	var last time.Time
	a, err := o.Task.run(ctx, &o.Job, func(samples int64) {
		if now := time.Now(); now.Sub(last) > 100*time.Millisecond {
			last = now
			say(line{Samples: samples}) // a reader that is gone ends all by itself
		}
	})
	if err != nil {
		return say(line{Err: err.Error(), Final: isFinal(err)})
	}
	return say(line{Answer: a})
}

// started is told of each child. Tests kill some.
var started = func(p *os.Process, t task) (progress func(samples int64)) { return func(int64) {} }

// attempt does a task once, in a child if it may.
func (j *job) attempt(ctx context.Context, t task, progress func(samples int64)) (*answer, error) {
	if j.InProcess {
		return t.run(ctx, j, progress)
	}
	if !isParent.Load() {
		return nil, errors.New("main of the worker's program does not call Child")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(order{*j, t})
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	if _, set := os.LookupEnv("GOMAXPROCS"); !set {
		n := runtime.GOMAXPROCS(0)
		cmd.Env = append(cmd.Env, "GOMAXPROCS="+strconv.Itoa((n+j.atOnce()-1)/j.atOnce()))
	}
	cmd.WaitDelay = childEnd
	said := &tail{limit: stderrKept}
	cmd.Stderr = said
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	watch := started(cmd.Process, t)
	in.Write(append(text, '\n')) // where that fails the child is gone, and Wait says why
	end, bad := listen(out, func(samples int64) { progress(samples); watch(samples) })
	if bad != nil {
		cmd.Process.Kill()
	}
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case end != nil && end.Answer != nil && err == nil:
		return end.Answer, nil
	case end != nil && end.Err != "" && end.Final:
		return nil, finalError{errors.New(end.Err)}
	case end != nil && end.Err != "":
		return nil, errors.New(end.Err)
	}
	if text := said.String(); text != "" {
		log.Errorf(ctx, "betongo: the process that built shard %d ended: %v; it said:\n%s", t.Shard, err, text)
	}
	return nil, ended(err, bad, said.String())
}

// listen reads what a child says until it says no more, and returns the last of
// it, nil if that was no end.
func listen(out io.Reader, progress func(samples int64)) (end *line, err error) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, lineLimit)
	for lines.Scan() {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("its answer: %w", err)
		}
		if l.Answer != nil || l.Err != "" {
			end = &l
			continue
		}
		progress(l.Samples)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) { // it would wait for a reader for ever
		return nil, fmt.Errorf("its answer: %w", err)
	}
	return end, nil // a pipe that breaks is one whose child has ended
}

// ended is the error about a child that ended without a word, or with a wrong one.
func ended(err, bad error, said string) error {
	text := "without an answer"
	switch {
	case bad != nil:
		text = bad.Error()
	case err != nil:
		text = err.Error()
	}
	if said = telling(said); said != "" {
		text += ": " + said
	}
	return errors.New("the process that built it ended: " + text)
}

// telling returns the line of what a program said on standard error that tells
// most: where Go says why it ends, else the last.
func telling(said string) string {
	last := ""
	for line := range strings.Lines(said) {
		if line = strings.TrimSpace(line); line != "" {
			last = line
		}
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			break
		}
	}
	return last
}

// tail keeps the last bytes written to it.
type tail struct {
	limit int
	mu    sync.Mutex
	b     []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if n := len(t.b) - t.limit; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.ToValidUTF8(t.b, []byte("?")))
}
