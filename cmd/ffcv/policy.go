package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/loader"
)

// policyFlags say what becomes of samples that can't be loaded.
type policyFlags struct {
	OnError    string `default:"fail" complete:"policy" placeholder:"fail|skip|zeros|N" help:"What to do with a sample that cannot be read. fail (the default), skip it (a good one of its batch comes twice), or put zeros or sample N there."`
	Quarantine string `complete:"file" placeholder:"FILE" help:"A list of samples that loaders leave alone, a number a line: they are skipped in any case."`
	Verify     bool   `help:"Compare each value with its checksum before it is used for the first time. What differs is a sample that cannot be loaded, where it might come as pixels that nobody stored."`

	onError loader.Policy
}

// check reads the policy.
func (p *policyFlags) check() error {
	switch p.OnError {
	case "fail":
		p.onError = loader.Fail
	case "skip":
		p.onError = loader.Skip
	case "zeros":
		p.onError = loader.SubstituteValue(nil)
	default:
		n, err := strconv.Atoi(p.OnError)
		if err != nil {
			return fmt.Errorf("--on-error: %q; expected fail, skip, zeros or the number of a sample", p.OnError)
		}
		p.onError = loader.SubstituteSample(n)
	}
	return nil
}

// set puts them into a loader's options.
func (p *policyFlags) set(o *loader.Options) (err error) {
	o.OnError = p.onError
	if p.Verify {
		o.Verify = loader.VerifyOnFirstRead
	}
	if p.Quarantine != "" {
		o.Quarantine, err = loader.QuarantineFile(p.Quarantine)
	}
	return err
}

// suggest says how an epoch that ended with an error goes on without its sample.
func (p *policyFlags) suggest(err error) error {
	var sample *loader.SampleError
	if err = suggestVerifyIts(err); p.OnError != "fail" || !errors.As(err, &sample) {
		return err
	}
	hint := "--on-error skip goes on without such samples"
	if first := term.Hint(err); first != "" {
		hint = first + "; " + hint
	}
	return term.WithHint(err, hint)
}

// skipResult is a loader.Report for JSON.
type skipResult struct {
	Failed      int            `json:"failed"`
	Quarantined int            `json:"quarantined"`
	Kinds       map[string]int `json:"kinds"`
	First       []skipSample   `json:"first"` // 100 at most

	epoch int
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
	s := &skipResult{Failed: r.Failed, Quarantined: r.Quarantined, Kinds: r.Kinds, epoch: epoch}
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

// skippedShown is how many errors are shown of those that failed.
const skippedShown = 3

// String counts them by kind.
func (s *skipResult) String() string {
	var kinds []string
	for _, k := range slices.Sorted(maps.Keys(s.Kinds)) {
		kinds = append(kinds, fmt.Sprintf("%s %s", term.FormatCount(int64(s.Kinds[k])), k))
	}
	return fmt.Sprintf("%s of epoch %d: %s", counted(s.Failed+s.Quarantined, "sample"), s.epoch, strings.Join(kinds, ", "))
}

// errors are those of the first that failed, and how many more did.
func (s *skipResult) errors() (list []string) {
	for _, k := range s.First {
		if k.Error != "" && len(list) < skippedShown {
			list = append(list, k.Error)
		}
	}
	if more := s.Failed - len(list); more > 0 && len(list) > 0 {
		list = append(list, fmt.Sprintf("and %s more that failed", term.FormatCount(int64(more))))
	}
	return list
}

// print writes a line for the epoch, and one for each of the first that failed.
func (s *skipResult) print(w io.Writer) {
	fmt.Fprintf(w, "skipped\t%v\n", s)
	for _, text := range s.errors() {
		fmt.Fprintf(w, "\t%s\n", text)
	}
}
