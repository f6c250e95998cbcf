package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/betongo/betongo/array/hdf5"
	"github.com/betongo/betongo/convert"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/internal/scripttest"
	"github.com/betongo/betongo/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ffcvconvert": main})
}

func TestScripts(t *testing.T) { scripts(t, "script", nil) }

// TestS3Scripts runs the scripts that need an object store: a real server, whose
// bucket is s3://data, as files below $BUCKET.
func TestS3Scripts(t *testing.T) {
	s := s3test.Start(t)
	scripts(t, "s3", append(s.Env, "BUCKET="+s.Folder))
}

func scripts(t *testing.T, dir string, vars []string) {
	goldens, err := filepath.Abs(filepath.Join("..", "..", "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", dir),
		Setup: func(env *testscript.Env) error {
			env.Setenv("GOLDENS", filepath.Join(goldens, "formats"))
			env.Setenv("FFCV", filepath.Join(goldens, "ffcv"))
			env.Setenv(hdf5.Variable, os.Getenv(hdf5.Variable))
			env.Vars = slices.Concat(env.Vars, scripttest.Inherited(), vars)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "hdf5" {
				_, _, err := hdf5.Version()
				return err == nil, nil
			}
			return scripttest.Condition(cond)
		},
		Cmds: scripttest.Commands(map[string]scripttest.Command{"fields": fields, "put": put}),
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

// put FILE URL uploads a file as it is.
func put(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(store.WriteFile(context.Background(), args[1], []byte(ts.ReadFile(args[0])), false, nil))
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
