package main

import (
	"encoding/json"
	"math"
	"runtime"
	"testing"
)

func TestSummarise(t *testing.T) {
	epoch := func(wall, cpu float64) benchEpoch {
		return benchEpoch{Wall: wall, CPU: cpu, Samples: 100, Batches: 1}
	}
	for _, c := range []struct {
		name   string
		epochs []benchEpoch
		perSec float64
		cpu    float64
	}{
		{"the only epoch", []benchEpoch{epoch(2, 4)}, 50, 40},
		{"the first does not count", []benchEpoch{epoch(9, 9), epoch(2, 4)}, 50, 40},
		{"odd", []benchEpoch{epoch(9, 9), epoch(1, 3), epoch(4, 1), epoch(2, 2)}, 50, 20},
		{"even", []benchEpoch{epoch(9, 9), epoch(1, 1), epoch(4, 3)}, 40, 20},
		{"no samples", []benchEpoch{{Wall: 1, CPU: 1}}, 0, 0},
	} {
		r := benchResult{Epochs: c.epochs}
		r.summarise()
		if math.Abs(r.SamplesPerSec-c.perSec) > 1e-9 || math.Abs(r.CPUPerSample-c.cpu) > 1e-9 {
			t.Errorf("%s: %g samples/s, %g ms, want %g and %g", c.name, r.SamplesPerSec, r.CPUPerSample, c.perSec, c.cpu)
		}
	}
}

// TestBenchFigures holds the figures to what is known of the process.
func TestBenchFigures(t *testing.T) {
	path, err := unpack(t.TempDir(), "cifar_like")
	if err != nil {
		t.Fatal(err)
	}
	code, out, errs := call(t, "bench", path, "--json", "--pipeline", "cifar", "--epochs", "4")
	var r benchResult
	if err := json.Unmarshal([]byte(out), &r); code != 0 || err != nil {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, errs)
	}
	if len(r.Epochs) != 4 || r.Open <= 0 || r.FirstBatch == nil || *r.FirstBatch < r.Epochs[0].FirstBatch || *r.FirstBatch > 600 {
		t.Errorf("%s", out)
	}
	for _, e := range r.Epochs {
		if e.Samples != 2000 || e.Batches != 8 || e.FirstBatch <= 0 || e.FirstBatch > e.Wall || e.CPU < 0 {
			t.Errorf("%+v", e)
		}
	}
	if runtime.GOOS == "linux" && (r.PeakAnon == nil || *r.PeakAnon < 1 || r.PeakRSS == nil || *r.PeakRSS < *r.PeakAnon) {
		t.Errorf("memory: %s", out)
	}
}
