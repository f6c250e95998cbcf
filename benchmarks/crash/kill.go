package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// harness runs the builds.
type harness struct {
	dir         string
	write, ffcv string // the programs
	rand        *rand.Rand
	log         io.Writer
	killed      int
}

func (h *harness) kills() int { return h.killed }

func (h *harness) target(c *testCase) string { return filepath.Join(h.dir, "out.beton") }

// whole makes a case's file without interruption.
func (h *harness) whole(ctx context.Context, c *testCase) (err error) {
	path := h.target(c)
	// Twice: what the second one takes is what a start with a warm cache takes.
	for range 2 {
		start := time.Now()
		out, err := exec.CommandContext(ctx, h.write, append(c.args, "-o", path, "--force")...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", c.name, err, out)
		}
		c.took = time.Since(start)
	}
	if c.sum, err = sumFile(path); err != nil {
		return err
	}
	return os.Remove(path)
}

func sumFile(path string) (sum [32]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	s := sha256.New()
	if _, err := io.Copy(s, f); err != nil {
		return sum, err
	}
	return [32]byte(s.Sum(nil)), nil
}

var old = []byte("what was there before")

// mostKills is how often a build is killed at most.
const mostKills = 12

// build makes a case's file through kills. With late, they come about when it is
// nearly done.
func (h *harness) build(ctx context.Context, c *testCase, late bool) error {
	path := h.target(c)
	args := append(append([]string(nil), c.args...), "-o", path, "--resume", "--json")
	if c.old {
		args = append(args, "--force")
		if err := os.WriteFile(path, old, 0o666); err != nil {
			return err
		}
	}
	left := c.took // about what remains to be done
	for start := 0; ; start++ {
		wait := time.Duration(h.rand.Int64N(int64(left + left/4)))
		if late {
			wait = left*3/4 + wait/2
		}
		if start == mostKills {
			wait = time.Hour
		}
		out, killed, err := h.run(ctx, args, wait)
		if err != nil {
			return fmt.Errorf("%s, start %d: %w", c.name, start, err)
		}
		if !killed {
			if err := h.tellStart(c, out, start); err != nil {
				return err
			}
			break
		}
		h.killed++
		c.kills++
		left = max(left-wait/2, c.took*2/3) // a start takes its time too
		isWhole, err := h.inspect(ctx, c, path)
		if err != nil {
			return fmt.Errorf("%s, killed after %v: %w", c.name, wait, err)
		}
		if rest, _ := filepath.Glob(path + ".partial*"); isWhole && len(rest) == 0 {
			_ = os.Remove(path + ".lock") // a dead process's, which the next writer takes over
			break
		}
	}
	sum, err := sumFile(path)
	if err != nil {
		return err
	}
	if c.files++; sum != c.sum {
		return fmt.Errorf("%s: the file is not the one that nothing interrupted", c.name)
	}
	c.same++
	if rest, _ := filepath.Glob(path + ".*"); len(rest) > 0 {
		return fmt.Errorf("%s: left behind: %v", c.name, rest)
	}
	return os.Remove(path)
}

// run starts ffcvwrite and kills it after that time, if it hasn't ended.
func (h *harness) run(ctx context.Context, args []string, wait time.Duration) (out []byte, killed bool, err error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, h.write, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		return nil, false, err
	}
	timer := time.AfterFunc(wait, func() { _ = cmd.Process.Kill() }) // it may have ended
	err = cmd.Wait()
	timer.Stop()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, false, ctx.Err()
	case err == nil:
		return stdout.Bytes(), false, nil
	case errors.As(err, &exit) && exit.ExitCode() < 0:
		return nil, true, nil
	}
	return nil, false, fmt.Errorf("%w\n%s", err, stderr.Bytes())
}

// tellStart counts how the last start of a build began.
func (h *harness) tellStart(c *testCase, out []byte, start int) error {
	var r struct{ Samples, Resumed int }
	if err := json.Unmarshal(out, &r); err != nil {
		return fmt.Errorf("%q: %w", out, err)
	}
	switch {
	case start > 0 && r.Resumed > 0:
		c.resumed++
	case start > 0:
		c.anew++ // also where the target was whole, with something left beside
	}
	return nil
}

// inspect looks at what a kill left: the target is what it was or the whole file,
// and what lies beside does not pass for a file unless it is whole. isWhole says that the
// target is the whole file.
func (h *harness) inspect(ctx context.Context, c *testCase, path string) (isWhole bool, err error) {
	now := time.Now()
	if info, err := os.Stat(path + ".partial.journal"); err == nil && info.Size() > 0 {
		// The time of its last note, or of its beginning.
		since := now.Sub(info.ModTime())
		c.noted++
		c.repeated += since
		c.most = max(c.most, since)
	}
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if c.old {
			return false, errors.New("the old file is gone")
		}
	case err != nil:
		return false, err
	case c.old && bytes.Equal(b, old):
	case sha256.Sum256(b) != c.sum:
		return false, fmt.Errorf("a file of %d bytes that is neither the old nor the new one", len(b))
	default:
		c.late++
		isWhole = true
	}
	part := path + ".partial"
	if _, err := os.Stat(part); err != nil {
		return isWhole, nil
	}
	if exec.CommandContext(ctx, h.ffcv, "verify", part).Run() == nil {
		if sum, err := sumFile(part); err != nil || sum != c.sum {
			return false, fmt.Errorf("ffcv verify accepts a half file: %w", err)
		}
	}
	return isWhole, nil
}
