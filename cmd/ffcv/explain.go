package main

import (
	"fmt"
	"io"
	"time"

	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/loader"
)

// benchStats is what --explain says of the last epoch; as JSON durations are in
// nanoseconds.
type benchStats struct {
	Verdict string       `json:"verdict"`
	Bound   loader.Bound `json:"bound"`
	loader.Stats
}

func newBenchStats(s loader.Stats) *benchStats {
	return &benchStats{Verdict: s.Verdict(), Bound: s.Bound(), Stats: s}
}

// print writes lines of two columns.
func (s *benchStats) print(w io.Writer) {
	fmt.Fprintf(w, "verdict\t%s\n", s.Verdict)
	fmt.Fprintf(w, "work\tof %d workers in epoch %d, %.3f s together:\n", s.Workers, s.Epoch, s.Work.Seconds())
	rest := s.Work
	for _, t := range s.Stages {
		rest -= t.Time
		name := string(t.Kind)
		if t.Output != "" {
			name = t.Output + ": " + t.What
		}
		each := t.Time / time.Duration(max(1, t.Values))
		fmt.Fprintf(w, "\t%5.1f %%  %s, %v each\n", s.percent(t.Time), name, each)
	}
	fmt.Fprintf(w, "\t%5.1f %%  the rest\n", s.percent(rest))
	fmt.Fprintf(w, "queue\t%.1f of %d batches lay ready on average; %s of %s were waited for\n",
		s.Ready, s.Ahead, term.FormatCount(s.Waits), term.FormatCount(s.Batches))
}

func (s *benchStats) percent(d time.Duration) float64 {
	return 100 * d.Seconds() / max(s.Work.Seconds(), 1e-9)
}
