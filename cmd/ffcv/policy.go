package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/loader"
)

// policyFlags say what becomes of samples that can't be loaded.
type policyFlags struct {
	OnError    string `default:"fail" enum:"fail,skip" placeholder:"fail|skip" help:"What to do with a sample that cannot be loaded: fail (the default), or skip it: a good one of its batch comes twice."`
	Quarantine string `placeholder:"FILE" help:"A list of samples to leave alone, a number a line: they are skipped in any case."`
}

// set puts them into a loader's options.
func (p *policyFlags) set(o *loader.Options) (err error) {
	if p.OnError == "skip" {
		o.OnError = loader.Skip
	}
	if p.Quarantine != "" {
		o.Quarantine, err = loader.QuarantineFile(p.Quarantine)
	}
	return err
}

// skipResult is a loader.Report for JSON.
type skipResult struct {
	Failed      int            `json:"failed"`
	Quarantined int            `json:"quarantined"`
	Kinds       map[string]int `json:"kinds"`
	First       []skipSample   `json:"first"`
}

type skipSample struct {
	Batch  int    `json:"batch"`
	Row    int    `json:"row"`
	Sample int    `json:"sample"`
	By     int    `json:"by"`
	Kind   string `json:"kind"`
	Error  string `json:"error,omitempty"`
}

// skipped is what an epoch has had to do without, nil for nothing.
func skipped(l *loader.Loader, epoch int) *skipResult {
	r, _ := l.Report(epoch)
	if r.Skipped() == 0 {
		return nil
	}
	s := &skipResult{Failed: r.Failed, Quarantined: r.Quarantined, Kinds: r.Kinds}
	for i := range r.List {
		k := &r.List[i]
		one := skipSample{Batch: k.Batch, Row: k.Row, Sample: k.Sample, By: k.By, Kind: k.Kind()}
		if k.Err != nil {
			one.Error = k.Err.Error()
		}
		s.First = append(s.First, one)
	}
	return s
}

// print writes a line for the epoch, and one for each of the first three that
// failed.
func (s *skipResult) print(w io.Writer, epoch int) {
	var kinds []string
	for _, k := range slices.Sorted(maps.Keys(s.Kinds)) {
		kinds = append(kinds, fmt.Sprintf("%s %s", term.FormatCount(int64(s.Kinds[k])), k))
	}
	fmt.Fprintf(w, "skipped\t%s samples of epoch %d: %s\n", term.FormatCount(int64(s.Failed+s.Quarantined)), epoch, strings.Join(kinds, ", "))
	shown := 0
	for _, k := range s.First {
		if k.Error != "" && shown < 3 {
			shown++
			fmt.Fprintf(w, "\t%s\n", k.Error)
		}
	}
}
