package main

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	var out strings.Builder
	tab := newTable(&out, "a machine", "abc", "a command")
	var pairs []pair
	for _, cpu := range []float64{40e-9, 60e-9, 50e-9} {
		pairs = append(pairs, pair{
			ffcv: result{Open: 2, FirstBatch: 5, PeakRSS: 1000, PeakAnon: 900, cpu: 100e-9, wall: 1e-6},
			ours: result{Open: 0.001, FirstBatch: 0.02, PeakRSS: 100, PeakAnon: 50, first: 2e-3, cpu: cpu, wall: 1e-3},
		})
	}
	tab.add(work{what: "rows"}, pairs)
	tab.add(work{what: "others", alone: true}, pairs)
	if err := tab.print(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Machine: a machine. Commit: abc. Command: `a command`.",
		"| rows | 100.0 ns | 2.000 ms | 50.0 ns | **0.500** (0.400 to 0.600) | 1.00 M | 1,000 |\n",
		"| others | - | 2.000 ms | 50.0 ns | - | - | 1,000 |\n",
		"| rows | 2000 ms | 1.00 ms | 5.0 s | 0.020 s | 1000 MiB | 100 MiB | 900 MiB | 50 MiB |\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
