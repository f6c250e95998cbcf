package main

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	betonbeam "github.com/betongo/betongo/beam"
	"github.com/betongo/betongo/build"
)

func TestMain(m *testing.M) {
	betonbeam.Child() // of a command that is this program too
	testscript.Main(m, map[string]func(){"ffcvbeam": main})
}

func TestScripts(t *testing.T) {
	photos, err := filepath.Abs("../../../testdata/photos")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// plan FILE SHARDS writes a plan for the photographs in testdata.
			"plan": func(ts *testscript.TestScript, neg bool, args []string) {
				n, err := strconv.Atoi(args[1])
				ts.Check(err)
				r := build.Recipe{Folder: &build.Folder{Dir: photos}, Writer: build.Writer{PageSize: 2 << 20}}
				p, err := build.NewPlan(t.Context(), r, n, nil)
				ts.Check(err)
				ts.Check(p.Write(t.Context(), ts.MkAbs(args[0]), false, nil))
			},
			// merge PLAN FILE merges the shards of a plan without Beam.
			"merge": func(ts *testscript.TestScript, neg bool, args []string) {
				p, err := build.ReadPlan(t.Context(), ts.MkAbs(args[0]), nil)
				ts.Check(err)
				_, err = build.Merge(t.Context(), p, ts.MkAbs(args[1]), nil)
				ts.Check(err)
			},
		},
	})
}
