package loader

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/rgb"
)

// Skipped is a sample that was to be in a batch and is not: it could not be
// loaded, or it is in quarantine.
type Skipped struct {
	Batch       int   // index of the batch in its epoch
	Row         int   // the sample's place there, as the order had it
	Sample      int   // its number in the dataset
	By          int   // the sample whose row is there instead; -1 when none is
	Quarantined bool  // it was not tried
	Err         error // why it could not be loaded, a *SampleError; nil in quarantine
}

// Kind says in a word why a sample was skipped, by the type of its error:
// "quarantine"; "format" (*ffcv.FormatError: the file's own structure),
// "picture" (*rgb.InvalidError), "unsupported" (a picture of a kind that is not
// read), "panic", or "other": what a decoder or an operation returned.
func (s *Skipped) Kind() string {
	var (
		format      *ffcv.FormatError
		picture     *rgb.InvalidError
		unsupported *rgb.UnsupportedError
		fell        *PanicError
	)
	switch {
	case s.Quarantined:
		return "quarantine"
	case errors.As(s.Err, &fell):
		return "panic"
	case errors.As(s.Err, &picture):
		return "picture"
	case errors.As(s.Err, &unsupported):
		return "unsupported"
	case errors.As(s.Err, &format):
		return "format"
	}
	return "other"
}

// reportList is how many samples a report lists.
const reportList = 100

// Report is what an epoch has had to do without.
type Report struct {
	Epoch       int
	Batches     int            // handed out
	Samples     int            // rows in them
	Failed      int            // samples that could not be loaded
	Quarantined int            // samples in quarantine that were due
	Kinds       map[string]int // of both, how many there were of each Skipped.Kind
	List        []Skipped      // the first 100 of both
	// Damaged counts the values of pictures that were damaged and came
	// nonetheless, see OnDamage of rgb.Target. They are not in the other numbers.
	Damaged int
}

// Skipped is how many samples did not come: Failed and Quarantined.
func (r *Report) Skipped() int { return r.Failed + r.Quarantined }

// Report returns what an epoch has had to do without in the batches handed out
// so far, or did in all, and in the one that ended it with too many failures.
// That of the last run counts when there were several. A loader knows the
// last eight epochs that were begun; of others ok is false. Safe for concurrent
// use.
func (l *Loader) Report(epoch int) (r Report, ok bool) { return l.reports.of(epoch) }

// Skipped returns the samples that were to be in the batch and are not, by
// their rows. The slice is the batch's, until Release; the errors in it may be
// kept.
func (b *Batch) Skipped() []Skipped {
	b.check()
	return b.skipped
}

// TooManyError ends an epoch in which as many samples as Options.MaxFailures
// could not be loaded, one after another.
type TooManyError struct {
	Report Report // up to the last of them
	Count  int    // how many
	// First and Last of them. Where a batch had no good sample they may be
	// others, that were tried in its samples' place; their Row is -1.
	First, Last Skipped

	name string // of the dataset
}

func (e *TooManyError) Error() string {
	return fmt.Sprintf("%s: epoch %d: %d samples one after another could not be loaded, from sample %d (batch %d) to sample %d (batch %d), %d of the epoch so far; the first: %v",
		e.name, e.Report.Epoch, e.Count, e.First.Sample, e.First.Batch, e.Last.Sample, e.Last.Batch, e.Report.Failed, e.First.Err)
}

// Unwrap returns the first error and the last.
func (e *TooManyError) Unwrap() []error { return []error{e.First.Err, e.Last.Err} }

// keptReports is how many epochs' reports a loader keeps.
const keptReports = 8

// reports are those of the last epochs.
type reports struct {
	mu   sync.Mutex
	list []*report
}

// report is a Report under way.
type report struct {
	given *given

	mu    sync.Mutex
	r     Report  // without Batches and Samples
	first Skipped // of those that failed one after another, up to the last batch
}

// begin makes the report of an epoch.
func (l *reports) begin(epoch int, g *given) *report {
	r := &report{given: g, r: Report{Epoch: epoch}}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(o *report) bool { return o.r.Epoch == epoch })
	if len(l.list) == keptReports {
		l.list = slices.Delete(l.list, 0, 1)
	}
	l.list = append(l.list, r)
	return r
}

func (l *reports) of(epoch int) (Report, bool) {
	l.mu.Lock()
	i := slices.IndexFunc(l.list, func(o *report) bool { return o.r.Epoch == epoch })
	if i < 0 {
		l.mu.Unlock()
		return Report{}, false
	}
	r := l.list[i]
	l.mu.Unlock()
	return r.copy(), true
}

func (r *report) copy() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clone()
}

// clone copies it, as far as it is known. The caller holds the lock.
func (r *report) clone() Report {
	c := r.r
	c.List, c.Kinds = slices.Clone(c.List), maps.Clone(c.Kinds)
	c.Batches, c.Samples = r.given.handed()
	return c
}

func (r *report) add(s *Skipped) {
	if s.Quarantined {
		r.r.Quarantined++
	} else {
		r.r.Failed++
	}
	if r.r.Kinds == nil {
		r.r.Kinds = map[string]int{}
	}
	r.r.Kinds[s.Kind()]++
	if len(r.r.List) < reportList {
		r.r.List = append(r.r.List, *s)
	}
}

// count enters a batch in the report, when it is handed out: so what comes of
// it doesn't depend on how far ahead batches are made. It returns the batch's
// error, or that of too many failures one after another.
func (e *epoch) count(f *flight) error {
	r, b := e.report, f.batch
	many, _ := f.err.(*TooManyError)
	if r == nil || f.err != nil && many == nil {
		return f.err
	}
	damaged := int(f.damaged.Load())
	if many == nil && damaged == 0 && len(b.skipped) == 0 { // as nearly all are
		if f.due > 0 {
			e.streak = 0
		}
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.r.Damaged += damaged
	if s := e.tooMany(f); s != nil {
		many = &TooManyError{Count: e.streak, First: r.first, Last: *s, name: e.plan.name}
	}
	if many != nil {
		many.Report = r.clone()
		return many
	}
	return nil
}

// tooMany enters a batch's skipped samples in the report, up to the one that is
// too many; nil when none is. Samples in quarantine neither count nor end a row
// of failures.
func (e *epoch) tooMany(f *flight) *Skipped {
	r, next := e.report, 0
	if f.hopeless.Load() { // mend has not been at it
		slices.SortFunc(f.batch.skipped, func(x, y Skipped) int { return x.Row - y.Row })
	}
	for i := range f.batch.skipped {
		s := &f.batch.skipped[i]
		if s.Row > next {
			e.streak = 0
		}
		next = s.Row + 1
		r.add(s)
		if s.Quarantined {
			continue
		}
		if e.streak == 0 {
			r.first = *s
		}
		if e.streak++; e.streak == e.plan.maxFailures {
			return s
		}
	}
	if next < f.due {
		e.streak = 0
	}
	return nil
}
