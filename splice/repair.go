package splice

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/betongo/betongo/ffcv"
)

// RepairOptions say how Repair works. Nil and the zero value of every member
// are the defaults.
type RepairOptions struct {
	// Options say how the clean copy is written; Open how the file is opened.
	Options
	Open *ffcv.OpenOptions

	// Output is where a clean copy goes: a file of the samples that are whole.
	// "" writes none. It is never the file itself.
	Output string

	// KeepUnfinished leaves the file alone where sealing it in place was not
	// finished; it is then only read.
	KeepUnfinished bool

	// Flaw is told every flaw; nil nobody.
	Flaw func(*ffcv.FormatError)
}

// RepairReport is what Repair found and did.
type RepairReport struct {
	// Seal is what became of sealing in place that was not finished.
	Seal ffcv.SealOutcome
	ffcv.Survey
	Samples int        // in the file
	Written ffcv.Stats // of the clean copy
}

// Repair puts right what was left of sealing the file at path in place, by
// finishing it or taking it back, which is all that it ever does to the file
// itself. Then it reads all of it, and says which samples are damaged; with
// Output it writes the others into a new file, aside and with new checksums, in
// which the numbers of samples behind a damaged one are lower. What can be made
// from other data of the file is right there (ffcv.Examine), names and classes
// come along, checkpoints too unless they are damaged.
//
// The File of the report is closed. Without Output a file with flaws is no
// error: the report tells of them.
func Repair(ctx context.Context, path string, opts *RepairOptions) (*RepairReport, error) {
	var o RepairOptions
	if opts != nil {
		o = *opts
	}
	r := &RepairReport{}
	if !o.KeepUnfinished {
		var err error
		var flaw *ffcv.FormatError
		r.Seal, err = ffcv.FinishSeal(ctx, path, o.Open)
		// A header that is damaged Examine looks into.
		if err != nil && !errors.As(err, &flaw) && !errors.Is(err, ffcv.ErrUnsupported) {
			return nil, fmt.Errorf("repair: %w", err)
		}
	}
	s, err := ffcv.Examine(ctx, path, o.Open, o.Flaw)
	if err != nil {
		return nil, fmt.Errorf("repair: %w", err)
	}
	defer s.File.Close()
	r.Survey, r.Samples = *s, s.File.Len()
	if o.Output == "" {
		return r, nil
	}
	if r.Written, err = o.write(ctx, s); err != nil {
		return nil, fmt.Errorf("repair: %w", err)
	}
	return r, nil
}

// write writes the samples that are whole.
func (o *RepairOptions) write(ctx context.Context, s *ffcv.Survey) (ffcv.Stats, error) {
	if s.BlockDamaged && o.Warn != nil {
		o.Warn("the extension block is damaged: names and classes are copied as far as they can be read, checkpoints are left out")
	}
	n := s.File.Len() - len(s.Damaged)
	// Before whole sample i lie as many damaged ones as have at most i whole ones
	// before them.
	at := func(i int) int {
		return i + sort.Search(len(s.Damaged), func(k int) bool { return s.Damaged[k].Sample-k > i })
	}
	return subset(ctx, o.Output, s.File, &order{f: s.File, n: n, at: at}, o.Options)
}
