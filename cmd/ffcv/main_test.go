package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/internal/scripttest"
	"github.com/betongo/betongo/store"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ffcv": main})
}

// call runs the program in the test's process.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// unpack puts a golden file into a folder and returns its path.
func unpack(dir, name string) (string, error) {
	path := filepath.Join(dir, name+".beton")
	return path, os.WriteFile(path, golden.Bytes(name), 0o666)
}

func TestScripts(t *testing.T) { scripts(t, "testdata/script", nil) }

// TestS3Scripts runs the scripts that need an object store: a real server, whose
// bucket is s3://data, as files below $BUCKET.
func TestS3Scripts(t *testing.T) {
	s := s3test.Start(t)
	scripts(t, "testdata/s3", append(s.Env, "BUCKET="+s.Folder))
}

func scripts(t *testing.T, dir string, vars []string) {
	testscript.Run(t, testscript.Params{
		Dir:       dir,
		Condition: scripttest.Condition,
		Setup: func(e *testscript.Env) error {
			photos, err := filepath.Abs("../../testdata/photos")
			e.Setenv("PHOTOS", photos)
			e.Vars = slices.Concat(e.Vars, scripttest.Inherited(), vars)
			return err
		},
		Cmds: scripttest.Commands(map[string]scripttest.Command{
			// golden NAME… puts golden files into the script's folder.
			"golden": func(ts *testscript.TestScript, _ bool, args []string) {
				for _, name := range args {
					_, err := unpack(ts.MkAbs("."), name)
					ts.Check(err)
				}
			},
			// put FILE URL uploads a file as it is.
			"put": func(ts *testscript.TestScript, _ bool, args []string) {
				target, err := store.Create(context.Background(), args[1], false, nil)
				ts.Check(err)
				defer target.Close()
				ts.Check(os.WriteFile(target.Path, []byte(ts.ReadFile(args[0])), 0o666))
				ts.Check(target.Commit(context.Background()))
			},
			// joined FILE… writes the files one after another into one of that name.
			"joined": func(ts *testscript.TestScript, _ bool, args []string) {
				var all []byte
				for _, name := range args {
					all = append(all, ts.ReadFile(name)...)
				}
				ts.Check(os.WriteFile(ts.MkAbs("joined"), all, 0o666))
			},
			// cut FILE SIZE shortens a file.
			"cut": func(ts *testscript.TestScript, _ bool, args []string) {
				size, err := strconv.ParseInt(args[1], 10, 64)
				ts.Check(err)
				ts.Check(os.Truncate(ts.MkAbs(args[0]), size))
			},
			// shorten FILE BYTES takes bytes off a file's end.
			"shorten": func(ts *testscript.TestScript, _ bool, args []string) {
				n, err := strconv.ParseInt(args[1], 10, 64)
				ts.Check(err)
				info, err := os.Stat(ts.MkAbs(args[0]))
				ts.Check(err)
				ts.Check(os.Truncate(ts.MkAbs(args[0]), info.Size()-n))
			},
			// pointer FROM TO has the header of a file lead to where that of another does.
			"pointer": func(ts *testscript.TestScript, _ bool, args []string) {
				b := []byte(ts.ReadFile(args[1]))
				copy(b[16:24], ts.ReadFile(args[0])[16:])
				ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o666))
			},
			// poke FILE OFFSET HEX overwrites bytes of a file.
			"poke": func(ts *testscript.TestScript, _ bool, args []string) {
				off, err := strconv.ParseInt(args[1], 10, 64)
				ts.Check(err)
				b, err := hex.DecodeString(args[2])
				ts.Check(err)
				f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY, 0)
				ts.Check(err)
				_, err = f.WriteAt(b, off)
				ts.Check(err)
				ts.Check(f.Close())
			},
		}),
	})
}
