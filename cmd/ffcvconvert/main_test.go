package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/hdf5"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/convert"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ffcvconvert": main})
}

func TestScripts(t *testing.T) {
	goldens, err := filepath.Abs(filepath.Join("..", "..", "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("GOLDENS", filepath.Join(goldens, "formats"))
			env.Setenv("FFCV", filepath.Join(goldens, "ffcv"))
			env.Setenv(hdf5.Variable, os.Getenv(hdf5.Variable))
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Getuid() == 0, nil
			case "hdf5":
				_, _, err := hdf5.Version()
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":   code,
			"array":  saveArray,
			"rows":   rows,
			"await":  await,
			"fields": fields,
		},
	})
}

func TestRunCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "t.csv"), []byte("i\n1\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	got := run(ctx, []string{filepath.Join(dir, "t.csv"), filepath.Join(dir, "t.npy")}, &stdout, &stderr)
	if want := "ffcvconvert: error: interrupted; nothing was written\n"; got != 1 || stderr.String() != want || stdout.Len() > 0 {
		t.Errorf("got code %d, stdout %q, stderr %q; want 1, nothing, %q", got, stdout.String(), stderr.String(), want)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("files left: %v, %v", names, err)
	}
}

// code N PROGRAM ARG… runs the program, which must end with that exit code.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N PROGRAM ARG…")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("got exit code %d, want %s", got, args[0])
	}
}

// array DTYPE SHAPE FILE writes a .npy whose bytes count from 0; the shape is
// like 3x4, or 0d.
func saveArray(ts *testscript.TestScript, neg bool, args []string) {
	d, err := array.ParseDType(args[0])
	ts.Check(err)
	spec := array.Spec{DType: d}
	if args[1] != "0d" {
		for _, s := range strings.Split(args[1], "x") {
			n, err := strconv.Atoi(s)
			ts.Check(err)
			spec.Shape = append(spec.Shape, n)
		}
	}
	size, err := spec.Bytes()
	ts.Check(err)
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i)
	}
	a, err := array.New(spec, data)
	ts.Check(err)
	ts.Check(npy.Save(ts.MkAbs(args[2]), a.Strided(), nil))
}

// rows N FILE writes a csv of one column i.
func rows(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	b := []byte("i\n")
	for i := range n {
		b = append(strconv.AppendInt(b, int64(i), 10), '\n')
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o666))
}

// await PATTERN waits until a file matches; ! await checks that none does.
func await(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		names, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		switch {
		case neg && len(names) > 0:
			ts.Fatalf("found %v", names)
		case neg || len(names) > 0:
			return
		case time.Now().After(end):
			ts.Fatalf("no file matches %s", args[0])
		}
	}
}

// fields KEY… checks that each line of stdout is an object of JSON, and the
// first one has just these keys.
func fields(ts *testscript.TestScript, neg bool, args []string) {
	for i, text := range strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n") {
		var m map[string]any
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			ts.Fatalf("line %d: %v", i+1, err)
		}
		if i > 0 {
			continue
		}
		for _, key := range args {
			if _, ok := m[key]; !ok {
				ts.Fatalf("no key %q in %s", key, text)
			}
		}
		if len(m) != len(args) {
			ts.Fatalf("keys beside %q in %s", args, text)
		}
	}
}

// TestFormats: the text of --formats and the table are one.
func TestFormats(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"--formats"}, &stdout, &stderr); code != 0 {
		t.Fatalf("code %d, %s", code, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	if got, want := len(lines)-1, len(convert.Formats()); got != want || want < 15 {
		t.Errorf("%d lines, %d formats", got, want)
	}
	for i, f := range convert.Formats() {
		if !strings.HasPrefix(lines[i+1], f.Name+" ") {
			t.Errorf("line %q, want format %s", lines[i+1], f.Name)
		}
	}
}
