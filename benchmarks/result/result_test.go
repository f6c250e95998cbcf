package result_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/benchmarks/result"
)

// sound returns a file without flaws.
func sound() *result.File {
	return &result.File{
		Schema:   result.Schema,
		Started:  time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Machine:  result.Machine{System: "linux/amd64", Processor: "Some Processor", Processors: 2, Memory: 8 << 30, Go: "go1.24.0"},
		Commit:   "0123456789ab",
		Command:  []string{"go", "run", "./benchmarks", "--rounds", "3"},
		Photos:   result.Photos{Count: 100, Bytes: 1 << 20, Made: "by a generator, seed 1"},
		Versions: map[string]string{"ffcv": "1.0.2, Python 3.11"},
		Skipped:  []result.Skip{{System: "dali", Reason: "no wheel for this system"}},
		Runs: []result.Run{
			{Work: "epoch-rows", System: "betongo", Round: 1, Samples: 100, CPU: 1, Wall: 0.5, PeakMemory: 1 << 20, Load: 0.3},
			{Work: "epoch-rows", System: "ffcv", Round: 1, Samples: 100, CPU: 4, Wall: 2, PeakMemory: 4 << 20, Load: 0.4},
		},
	}
}

func TestSaveAndLoad(t *testing.T) {
	name := filepath.Join(t.TempDir(), "result.json")
	want := sound()
	want.Schema = 0 // Save sets it
	for range 2 {   // over what is there too
		if err := result.Save(name, want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := result.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	if want.Schema != 0 {
		t.Error("Save changed what it was given")
	}
	if !reflect.DeepEqual(got, sound()) {
		t.Errorf("got %+v, want %+v", got, sound())
	}
	first, err := got.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(first, kept) {
		t.Errorf("what was loaded is saved as other bytes (%v)", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(name), "*")); len(left) != 1 {
		t.Errorf("beside the file: %q", left)
	}
}

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*result.File)
		want  string
	}{
		"time":           {func(f *result.File) { f.Started = time.Time{} }, "no time"},
		"commit":         {func(f *result.File) { f.Commit = "main" }, `commit "main"`},
		"machine":        {func(f *result.File) { f.Machine.Processors = 0 }, "no processors"},
		"photographs":    {func(f *result.File) { f.Photos.Count = -1 }, "-1 photographs"},
		"no reason":      {func(f *result.File) { f.Skipped[0].Reason = "" }, "want a system and a reason"},
		"work":           {func(f *result.File) { f.Runs[0].Work = "Epoch rows" }, `work "Epoch rows"`},
		"no work":        {func(f *result.File) { f.Runs[0].Work = "" }, `work ""`},
		"system":         {func(f *result.File) { f.Runs[0].System = "a|b" }, `system "a|b"`},
		"round":          {func(f *result.File) { f.Runs[1].Round = 0 }, "round 0"},
		"NaN":            {func(f *result.File) { f.Runs[1].CPU = math.NaN() }, "cpu_s is NaN"},
		"infinite":       {func(f *result.File) { f.Runs[1].P50 = math.Inf(1) }, "p50_s is +Inf"},
		"negative":       {func(f *result.File) { f.Runs[1].FileSize = -1 }, "less than nothing"},
		"no samples":     {func(f *result.File) { f.Runs[1].Samples = 0 }, "over no samples"},
		"percentiles":    {func(f *result.File) { f.Runs[1].P50, f.Runs[1].P99 = 2, 1 }, "p99 of 1 s is less than p50 of 2 s"},
		"nothing at all": {func(f *result.File) { f.Runs[1] = result.Run{Work: "build", System: "x", Round: 1} }, "no figure and no error"},
		"twice":          {func(f *result.File) { f.Runs[1].System = "betongo" }, "runs 0 and 1 are both epoch-rows by betongo in round 1"},
	} {
		f := sound()
		test.spoil(f)
		_, err := f.Bytes()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got error %v, want %q", name, err, test.want)
		}
	}
	f := sound()
	f.Runs[1] = result.Run{Work: "build", System: "mds", Round: 1, Error: "killed"}
	if _, err := f.Bytes(); err != nil {
		t.Errorf("a run with an error needs no figure: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	good, err := sound().Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ text, want string }{
		"nothing":      {"", "unexpected end"},
		"no JSON":      {"| a | table |", "invalid character"},
		"no schema":    {`{"runs": []}`, `no "schema"`},
		"later schema": {`{"schema": 2}`, "schema 2; this program reads 1"},
		"empty":        {`{"schema": 1}`, "no time"},
		"unknown":      {strings.Replace(string(good), `"commit"`, `"comit"`, 1), `unknown field "comit"`},
		"cut":          {string(good[:len(good)-10]), "unexpected end"},
	} {
		if _, err := result.Parse([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got error %v, want %q", name, err, test.want)
		}
	}
	if _, err := result.Load(filepath.Join(t.TempDir(), "none.json")); !os.IsNotExist(err) {
		t.Errorf("no file: got %v", err)
	}
}

func TestScrub(t *testing.T) {
	for text, want := range map[string]string{
		"no paths and/or 12 MB/s u8/f32":                   "no paths and/or 12 MB/s u8/f32",
		"/home/anna/.venv/bin/python":                      "…/python",
		"--photos /home/anna/photos --rounds 3":            "--photos …/photos --rounds 3",
		"--dir=/tmp/x/":                                    "--dir=…/x",
		`File "/usr/lib/python3/x.py", line 3`:             `File "…/x.py", line 3`,
		`open C:\Users\anna\x.beton: no such file`:         `open …/x.beton: no such file`,
		"~/ffcv/bin/python: not found":                     "…/python: not found",
		"file:///home/anna/x.json":                         "…/x.json",
		"https://github.com/libffcv/ffcv and s3://bucket/": "https://github.com/libffcv/ffcv and s3://bucket/",
		"(/a/b) [/c/d] PATH=/x/y:/z/w":                     "(…/b) […/d] PATH=…/y:…/w",
		"./benchmarks/peer testdata/photos":                "./benchmarks/peer testdata/photos",
	} {
		if got := result.Scrub(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if host, err := os.Hostname(); err == nil && len(host) > 3 && host != "localhost" {
		if got := result.Scrub("on " + host + ", in turns"); strings.Contains(got, host) {
			t.Errorf("the host's name stays: %q", got)
		}
	}
}

// TestSaveScrubs: no text of what is kept has a path.
func TestSaveScrubs(t *testing.T) {
	const path = "/home/anna/secret/x"
	f := sound()
	f.Command, f.Photos.Made, f.Skipped[0].Reason = append(f.Command, path), path, path
	f.Versions["ffcv"], f.Runs[0].Note, f.Runs[1].Error, f.Machine.Processor = path, path, path, path
	b, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("secret")) || bytes.Count(b, []byte("…/x")) != 7 {
		t.Errorf("saved: %s", b)
	}
	if f.Runs[0].Note != path {
		t.Error("what was given is changed")
	}
}

func TestHere(t *testing.T) {
	f := sound()
	f.Machine = result.Here()
	if err := f.Check(); err != nil {
		t.Error(err)
	}
}
