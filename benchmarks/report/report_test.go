package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/benchmarks/report"
	"github.com/betongo/betongo/benchmarks/result"
)

const root = "../.."

var update = flag.Bool("update", false, "make what is kept anew, after a change of this package")

// measured returns results as a run gives them, with invented figures.
func measured(rounds int) *result.File {
	f := &result.File{
		Schema:   result.Schema,
		Started:  time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Machine:  result.Machine{System: "linux/amd64", Processor: "Some Processor @ 2.10GHz", Processors: 2, Memory: 8 << 30, Go: "go1.24.0"},
		Commit:   "0123456789abcdef",
		Command:  []string{"go", "run", "./benchmarks", "--rounds", "3", "--dir", "/tmp/x"},
		Photos:   result.Photos{Count: 10_000, Bytes: 1 << 30, Made: "by a generator, seed 1"},
		Versions: map[string]string{"ffcv": "1.0.2, Python 3.11", "betongo": "go1.24.0"},
		Skipped:  []result.Skip{{System: "dali", Reason: "no wheel for <this> system | Python 3.14"}, {System: "mds", Work: "build", Reason: "can't"}},
	}
	for round := range rounds {
		wave := 1 + 0.05*float64(round%3)
		run := func(r result.Run) {
			r.Round, r.Load = round+1, 0.5*wave
			f.Runs = append(f.Runs, r)
		}
		for i, system := range []string{"betongo", "betongo (Python)", "ffcv", "tf.data", "torch+Pillow"} {
			n := float64(i + 1)
			run(result.Run{Work: "epoch-rrc224-u8", System: system, Samples: 10_000, CPU: 2.6 * n * wave, Wall: 1.3 * n, FirstBatch: 0.04 * n * n * n,
				PeakMemory: int64(44*n) << 20, Note: "exact DCT, area; uint8 HWC"})
			run(result.Run{Work: "build", System: system, Samples: 10_000, CPU: 4 * n / wave, Wall: 3 * n, FileSize: int64(n) << 29})
		}
		for i, system := range []string{"betongo", "ffcv"} {
			n := float64(4*i + 1)
			run(result.Run{Work: "epoch-rows", System: system, Samples: 1_000_000, CPU: 0.09 * n * wave, Wall: 0.05 * n, FirstBatch: 0.03 * n, PeakMemory: 1 << 26})
			run(result.Run{Work: "random-access", System: system, Samples: 1000, CPU: 0.3 * n, P50: 0.0002 * n * wave, P99: 0.0009 * n})
		}
		run(result.Run{Work: "new-work", System: "betongo", Samples: 5, Wall: 2})
		run(result.Run{Work: "epoch-rrc224-u8", System: "spdl", Error: "exit status 1: /home/anna/x.py: No module named 'spdl'"})
	}
	return f
}

func render(t *testing.T, f *result.File) map[string][]byte {
	t.Helper()
	files, err := report.Render(f)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestPage(t *testing.T) {
	files := render(t, measured(3))
	page := string(files[report.Page])
	for _, want := range []string{
		"# Benchmarks\n",
		"Measured on 2 January 2026: linux/amd64, Some Processor @ 2.10GHz, 2 processors, 8.00 GiB of memory, go1.24.0. 10,000 photographs of 1.00 GiB, by a generator, seed 1. Commit 0123456789ab.",
		"`go run ./benchmarks --rounds 3 --dir …/x`",
		"load in the minute before a run was 0.5 (0.5 to 0.6)",
		"## Photographs: random resized crop to 224, flip, uint8\n\nUp to 10,000 samples a run. `--only epoch-rrc224-u8`",
		"| system | CPU a photo | times betongo | photos a second | first batch | memory | rounds |\n|---|---|---|---|---|---|---|\n",
		"| **betongo** | 273 µs | 1 | 7,692 | 40.0 ms | 44.0 MiB | 3 |\n",
		"| FFCV | 819 µs | **3.00** (3.00…3.00) | 2,564 | 1.08 s | 132 MiB | 3 |\n",
		"- betongo, betongo (Python), FFCV, tf.data, torch+Pillow: exact DCT, area; uint8 HWC\n",
		"## new work\n",
		"| FFCV | 1.50 ms | **5.00** (5.00…5.00) | 1.05 ms | **5.00** (5.00…5.00) | 4.50 ms | 3 |\n",
		"- DALI: no wheel for &lt;this> system \\| Python 3.14\n- mds, build: can't\n- spdl, epoch-rrc224-u8, failed: exit status 1: …/x.py: No module named 'spdl'\n",
		"| FFCV | 1.0.2, Python 3.11 |\n",
		"![Packing photographs: CPU time a sample](build-cpu.svg)",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("not in the page: %q", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
	// What the page shows is there, and nothing else.
	var shown []string
	for _, m := range regexp.MustCompile(`\]\(([a-z0-9-]+\.svg)\)`).FindAllStringSubmatch(page, -1) {
		shown = append(shown, m[1])
	}
	var drawn []string
	for name := range files {
		if strings.HasSuffix(name, ".svg") {
			drawn = append(drawn, name)
		}
	}
	slices.Sort(shown)
	slices.Sort(drawn)
	if len(drawn) < 5 || !slices.Equal(shown, drawn) {
		t.Errorf("the page shows %q, drawn are %q", shown, drawn)
	}
	for i, line := range strings.Split(page, "\n") {
		if strings.Contains(line, "NaN") || strings.Contains(line, "Inf") || strings.Contains(line, "%!") {
			t.Errorf("line %d: %s", i+1, line)
		}
	}
	if strings.Contains(page, "other work too") {
		t.Error("a load of 0.5 is called too much")
	}
	busy := measured(2)
	for i := range busy.Runs {
		busy.Runs[i].Load = 5
	}
	if !strings.Contains(string(render(t, busy)[report.Page]), "other work too") {
		t.Error("nothing is said of a load of 5 on 2 processors")
	}
	if many := string(render(t, measured(result.Enough))[report.Page]); !strings.Contains(many, "…3.00, 95 %)") {
		t.Errorf("no interval of %d rounds:\n%s", result.Enough, many)
	}
}

// TestPlots: well-formed, of colours that have a value by day and by night, and
// the same each time.
func TestPlots(t *testing.T) {
	first, again := render(t, measured(3)), render(t, measured(3))
	for name, b := range first {
		if !bytes.Equal(b, again[name]) {
			t.Errorf("%s: not the same twice", name)
		}
		if !strings.HasSuffix(name, ".svg") {
			continue
		}
		d := xml.NewDecoder(bytes.NewReader(b))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if fixed := regexp.MustCompile(`(fill|stroke):#`).FindString(string(b)); fixed != "" {
			t.Errorf("%s: a colour for light alone, or for dark", name)
		}
		for _, want := range []string{"prefers-color-scheme:dark", "<title>", `role="img"`, "fill:var(--own)", "fill:var(--other)", "betongo"} {
			if !strings.Contains(string(b), want) {
				t.Errorf("%s: no %q", name, want)
			}
		}
	}
}

// repository makes a folder with a README and docs that have markers.
func repository(t *testing.T) (root, markers string) {
	t.Helper()
	root = t.TempDir()
	markers = "<!-- made by go run ./benchmarks --keep: change nothing from here -->\nold\n<!-- to here -->\n"
	if err := os.Mkdir(filepath.Join(root, "docs"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "docs/benchmarks.md"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte("before\n"+markers+"behind\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root, markers
}

func TestKeep(t *testing.T) {
	root, _ := repository(t)
	if err := report.Refresh(root); !errors.Is(err, report.ErrNone) {
		t.Errorf("without results: %v", err)
	}
	later := measured(3)
	later.Started, later.Commit = later.Started.AddDate(0, 0, 1), "abcdefabcdef"
	for _, f := range []*result.File{later, measured(3), measured(3)} { // an older one later, and once more
		dir, err := report.Keep(root, f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "gone-cpu.svg"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "benchmarks/results/2026-01-02-0123456789ab/result.json")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(root, "benchmarks/results/2026-01-03-abcdefabcdef/epoch-rrc224-u8-cpu.svg")); err != nil {
		t.Error(err)
	}
	readme := read(t, filepath.Join(root, "README.md"))
	for _, want := range []string{
		"before\n<!-- made", "<!-- to here -->\nbehind\n", "3 January 2026",
		"| what | FFCV | betongo | ratio (pairs) |\n",
		"| 10,000 photographs, random resized crop to 224 and flip, CPU a photo | 819 µs | 273 µs | **0.333** (0.333…0.333) |\n",
		"| its memory | 132 MiB | 44.0 MiB | **0.333** (0.333…0.333) |\n",
		"| rows of 32 float32 and a label, random order, CPU a row | 472 ns | 94.5 ns | **0.200** (0.200…0.200) |\n",
		"| random resized crop to 224 and flip | CPU a photo | times betongo | photos a second | first batch | memory | how |\n",
		"| torch+Pillow | 1.37 ms | **5.00** (5.00…5.00) | 1,538 | 5.00 s | 220 MiB | exact DCT, area; uint8 HWC |\n",
	} {
		if !strings.Contains(readme, want) {
			t.Errorf("README has no %q", want)
		}
	}
	if strings.Contains(readme, "old") {
		t.Error("what was between the markers is still there")
	}
	docs := read(t, filepath.Join(root, "docs/benchmarks.md"))
	for _, m := range regexp.MustCompile(`\]\(([^)]+\.svg)\)`).FindAllStringSubmatch(docs, -1) {
		if _, err := os.Stat(filepath.Join(root, "docs", m[1])); err != nil {
			t.Errorf("docs show %s: %v", m[1], err)
		}
	}
	if t.Failed() {
		t.Log(readme)
	}
	f := measured(3)
	dir, err := report.Keep(root, f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "gone-cpu.svg")); !os.IsNotExist(err) {
		t.Errorf("a plot of an earlier report is still there: %v", err)
	}
}

// TestRemake: what was spoilt is as it was.
func TestRemake(t *testing.T) {
	root, _ := repository(t)
	dir, err := report.Keep(root, measured(2))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{filepath.Join(dir, report.Page), filepath.Join(root, "README.md")}
	want := []string{read(t, names[0]), read(t, names[1])}
	if err := os.WriteFile(names[0], []byte("spoilt"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(names[1], []byte(strings.Replace(want[1], "FFCV", "spoilt", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := report.Remake(root); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if got := read(t, name); got != want[i] {
			t.Errorf("%s: got %q, want %q", name, got, want[i])
		}
	}
}

func TestBetween(t *testing.T) {
	_, markers := repository(t)
	for name, text := range map[string]string{"none": "text\n", "twice": markers + markers,
		"turned": strings.Join([]string{"<!-- to here -->\n", "<!-- made by go run ./benchmarks --keep: change nothing from here -->\n"}, "")} {
		if _, err := report.Between([]byte(text), "new"); err == nil || !strings.Contains(err.Error(), "marker") {
			t.Errorf("%s: got %v, want an error about the markers", name, err)
		}
	}
}

// TestKept holds what is kept to its results: each report, and what README and
// docs show between their markers.
func TestKept(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(report.Folder), "*", report.JSON))
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Skip("no results are kept")
	}
	if *update {
		if err := report.Remake(root); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		f, err := result.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Dir(name)
		files := render(t, f)
		for file, want := range files {
			if got := read(t, filepath.Join(dir, file)); got != string(want) {
				t.Errorf("%s is not what %s gives: go test ./benchmarks/report -update", filepath.Join(dir, file), name)
			}
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if files[e.Name()] == nil {
				t.Errorf("%s is of no report", filepath.Join(dir, e.Name()))
			}
		}
	}
	f, err := report.Newest(root)
	if err != nil {
		t.Fatal(err)
	}
	for file, part := range report.Parts(f) {
		text := []byte(read(t, filepath.Join(root, file)))
		if want, err := report.Between(text, part); err != nil {
			t.Errorf("%s: %v", file, err)
		} else if !bytes.Equal(text, want) {
			t.Errorf("%s: between the markers is not what the kept results give: go test ./benchmarks/report -update", file)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
