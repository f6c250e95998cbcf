package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// values N SIZE DIR writes N files of SIZE bytes, named 0 to N-1, and a table
// t.csv of their names in a column b.
func values(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: values N SIZE DIR")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(writeValues(ts.MkAbs(args[2]), n, size))
}

// flip FILE changes a byte in the middle of it.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: flip FILE")
	}
	b := []byte(ts.ReadFile(args[0]))
	b[len(b)/2] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o666))
}

func writeValues(dir string, n, size int) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	table := []byte("b\n")
	for i := range n {
		name := strconv.Itoa(i)
		table = append(table, name+"\n"...)
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte(name+" "), size/(len(name)+1)), 0o666); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "t.csv"), table, 0o666)
}

// A run that is interrupted, and interrupted again, goes on.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	if err := writeValues(dir, 400, 200_000); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out.beton")
	args := []string{"table", filepath.Join(dir, "t.csv"), "--field=b=bytes", "--page-size=2MiB", "--workers=1", "-o"}
	interrupted := 0
	for round := 0; ; round++ {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { // ends with the run
			for size := int64(10+20*round) << 20; ; {
				if info, err := os.Stat(out + ".partial"); err == nil && info.Size() > size {
					cancel()
				}
				select {
				case <-ended:
					return
				case <-time.After(time.Millisecond):
				}
			}
		}()
		var stdout, stderr bytes.Buffer
		code := run(ctx, append(args, out, "--resume"), &stdout, &stderr)
		close(ended)
		cancel()
		if code == 0 {
			if interrupted > 0 && !strings.Contains(stdout.String(), " of them before an interruption") {
				t.Errorf("stdout %q", stdout.String())
			}
			break
		}
		interrupted++
		if text := stderr.String(); !strings.Contains(text, "ffcvwrite: error: interrupted\n") || !strings.Contains(text, "ffcvwrite … --resume goes on from sample ") {
			t.Fatalf("round %d: stderr %q", round, text)
		}
		if _, err := os.Stat(out); err == nil {
			t.Fatal("a file is there")
		}
	}
	if interrupted == 0 {
		t.Error("no run was interrupted")
	}
	whole := filepath.Join(dir, "whole.beton")
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), append(args, whole), &stdout, &stderr); code != 0 {
		t.Fatal(stderr.String())
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("after %d interruptions not the file that nothing interrupted", interrupted)
	}
	if rest, _ := filepath.Glob(out + ".*"); len(rest) > 0 {
		t.Errorf("left behind: %v", rest)
	}
}
