package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/benchmarks/report"
	"github.com/betongo/betongo/benchmarks/result"
	"github.com/betongo/betongo/internal/term"
)

// TestQuick runs all of this module's own systems on a few photographs, with another system that can't be set
// up, and makes the report.
func TestQuick(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	dir := t.TempDir()
	var out, errs bytes.Buffer
	args := []string{"--quick", "--dir", dir, "--count", "40", "--rows", "5000", "--batch", "16", "--seconds", "0", "--workers", "2",
		"--only", "betongo|ffcv", "--skip", `Python`, "--ffcv", filepath.Join(dir, "none")}
	if code := run(context.Background(), args, &out, &errs); code != term.ExitDone {
		t.Fatalf("exit code %d:\n%s", code, &errs)
	}
	file, err := result.Load(filepath.Join(dir, resultFile))
	if err != nil {
		t.Fatal(err)
	}
	if file.Photos.Count != 40 || !strings.Contains(file.Photos.Made, "testdata") || file.Photos.Digest == "" {
		t.Errorf("photographs: %+v; want 40 made from testdata", file.Photos)
	}
	if len(file.Skipped) != 1 || file.Skipped[0].System != "ffcv" || !strings.Contains(file.Skipped[0].Reason, "none") {
		t.Errorf("skipped: %+v; want ffcv, whose Python is none", file.Skipped)
	}
	works := map[string]int{}
	for _, r := range file.Runs {
		works[r.Work]++
		switch {
		case r.Error != "":
			t.Errorf("%s by %s: %s", r.Work, r.System, r.Error)
		case r.CPU <= 0 || r.Wall <= 0 || r.Note == "":
			t.Errorf("%+v; want CPU and wall time, and a note", r)
		case (r.Work == "build") != (r.FileSize > 0), strings.HasPrefix(r.Work, "epoch") != (r.FirstBatch > 0), strings.HasPrefix(r.Work, "random") != (r.P99 > 0):
			t.Errorf("%+v; want what belongs to the work, and nothing else", r)
		}
	}
	want := map[string]int{"build": 3, "epoch-rrc224-u8": 6, "epoch-rrc224-f32": 3, "epoch-cc224-u8": 2, "epoch-raw": 1, "epoch-rows": 1,
		"random-access": 1, "random-access-decoded": 1}
	for work, n := range want {
		if works[work] != n {
			t.Errorf("%s: %d runs, want %d", work, works[work], n)
		}
	}
	page := filepath.Join(dir, "report", report.Page)
	if text, err := os.ReadFile(page); err != nil || !bytes.Contains(text, []byte("betongo (exact)")) || !strings.Contains(out.String(), page) {
		t.Errorf("report: %v, %q told; want one with all systems", err, &out)
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"run --only [", "--only"},
		{"run --only nobody", "nothing to do"},
		{"run --rounds 0", "expected 1 or more"},
		{"run --venv cobol=/opt --quick --only betongo --dir " + t.TempDir(), "no environment has that name"},
		{"report --dir " + filepath.Join(t.TempDir(), "none"), "result.json"},
		{"regress --only [", "--only"},
	} {
		var out, errs bytes.Buffer
		code := run(context.Background(), strings.Fields(c.args), &out, &errs)
		if code == term.ExitDone || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%s: exit code %d, %q; want %q", c.args, code, &errs, c.want)
		}
	}
}
