// Package regress compares two commits by the instructions that small fixed
// pieces of work take, so that a slow-down shows whatever else the machine does:
// the same program counted twice differs by some hundredths of a percent.
//
// The works are in the package works. They are built with the packages of either
// commit, from the newer one's sources; one that does not go with the older
// one's packages is told of as new. Every work is done by one goroutine's worth
// of Go, without garbage collection, with fixed seeds, once not at all and once
// some times over: the difference is what is counted. Counts are made by perf
// where the processor's counters can be had, else by valgrind.
//
// Instructions are not time: what waits for memory or the disk is not seen, nor
// what many goroutines do to each other. They say whether code became longer.
package regress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// DefaultBound is the growth in percent above which a work has become slower.
const DefaultBound = 2

// Options say what is compared. Nil and the zero value of every member are the
// defaults.
type Options struct {
	// Root is a folder of the repository; "" is the current one.
	Root string
	// Base and Head are the commits, as git names them: HEAD^ and HEAD when "".
	Base, Head string
	// Bound is how many percent more instructions are allowed; 0: DefaultBound.
	Bound float64
	// Only are the works to count; nil: all.
	Only *regexp.Regexp
	// Work is where sources and programs of the comparison lie, which are removed in the
	// end; "" is the system's folder for temporary files.
	Work string
	// Log is told what is being done; nil: nobody.
	Log io.Writer
}

// ErrNoCounter says that nothing here counts instructions.
var ErrNoCounter = errors.New("no instruction counter: perf finds none of the processor's, and there is no valgrind")

// Row is one work. A work that only one commit has is of no weight.
type Row struct {
	Work       string
	Base, Head int64 // instructions
	New        bool  // the base's packages don't have what it needs
	Grown      []Growth
}

// Growth is a function that has more instructions than before, where the counter
// tells them apart.
type Growth struct {
	Function   string
	Base, Head int64
}

// Change is by how many percent a work has grown.
func (r *Row) Change() float64 {
	if r.New || r.Base == 0 {
		return 0
	}
	return 100 * (float64(r.Head)/float64(r.Base) - 1)
}

// Report is what Run found.
type Report struct {
	Base, Head string // commits
	Counter    string // perf or valgrind
	Bound      float64
	Same       bool // both commits give the same program: nothing was counted
	Rows       []Row
}

// Slower returns the works that grew beyond the bound.
func (r *Report) Slower() []Row {
	var list []Row
	for _, row := range r.Rows {
		if row.Change() > r.Bound {
			list = append(list, row)
		}
	}
	return list
}

// Err says which works grew beyond the bound; nil: none.
func (r *Report) Err() error {
	slower := r.Slower()
	if len(slower) == 0 {
		return nil
	}
	worst := slices.MaxFunc(slower, func(a, b Row) int { return cmp.Compare(a.Change(), b.Change()) })
	return fmt.Errorf("%d of %d works take over %g %% more instructions than at %.12s: %s %.1f %% more", len(slower), len(r.Rows), r.Bound, r.Base, worst.Work, worst.Change())
}

// run is one comparison on its way.
type run struct {
	Options
	counter counter
	dir     string
	photos  string
}

// side is one commit's program.
type side struct {
	commit, tree, program, files string
	works                        map[string]int // how often each is done
}

// Run compares. A work that grew beyond the bound is an error of Report.Err, not
// of Run's. What it writes it removes.
func Run(ctx context.Context, opts *Options) (report *Report, err error) {
	r := &run{}
	if opts != nil {
		r.Options = *opts
	}
	r.Root, r.Base, r.Head = cmp.Or(r.Root, "."), cmp.Or(r.Base, "HEAD^"), cmp.Or(r.Head, "HEAD")
	r.Bound = cmp.Or(r.Bound, DefaultBound)
	if r.Bound < 0 {
		return nil, fmt.Errorf("a bound of %g %%; want more than 0", r.Bound)
	}
	if r.Log == nil {
		r.Log = io.Discard
	}
	if r.counter, err = findCounter(ctx); err != nil {
		return nil, err
	}
	if r.dir, err = os.MkdirTemp(r.Work, "regress-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	base, head, err := r.prepare(ctx)
	if err != nil {
		return nil, err
	}
	report = &Report{Base: base.commit, Head: head.commit, Counter: r.counter.name(), Bound: r.Bound}
	if report.Same, err = sameFile(base.program, head.program); err != nil || report.Same {
		return report, err
	}
	report.Rows, err = r.rows(ctx, base, head)
	return report, err
}

// prepare has both commits' programs built and their files written.
func (r *run) prepare(ctx context.Context) (base, head *side, err error) {
	base, head = &side{}, &side{}
	for s, name := range map[*side]string{base: r.Base, head: r.Head} {
		if s.commit, err = commit(ctx, r.Root, name); err != nil {
			return nil, nil, err
		}
	}
	for s, name := range map[*side]string{base: "base", head: "head"} {
		s.tree, s.program, s.files = filepath.Join(r.dir, name), filepath.Join(r.dir, name+".program"), filepath.Join(r.dir, name+".files")
		fmt.Fprintf(r.Log, "sources of %.12s\n", s.commit)
		if err := export(ctx, r.Root, s.commit, s.tree); err != nil {
			return nil, nil, err
		}
		if err := os.Mkdir(s.files, 0o777); err != nil {
			return nil, nil, err
		}
	}
	if err := overlay(base.tree, head.tree); err != nil {
		return nil, nil, err
	}
	r.photos = filepath.Join(head.tree, "testdata", "photos")
	for s, mayLack := range map[*side]bool{base: true, head: false} {
		fmt.Fprintf(r.Log, "program of %.12s\n", s.commit)
		if err := s.build(ctx, mayLack); err != nil {
			return nil, nil, fmt.Errorf("build the works at %.12s: %w", s.commit, err)
		}
		if s.works, err = s.list(ctx); err != nil {
			return nil, nil, err
		}
		if err := s.writeFiles(ctx, r.photos); err != nil {
			return nil, nil, err
		}
	}
	return base, head, nil
}

// rows counts all works, as many at once as there are processors: counts don't
// mind.
func (r *run) rows(ctx context.Context, base, head *side) ([]Row, error) {
	var rows []Row
	for work := range head.works {
		if r.Only == nil || r.Only.MatchString(work) {
			_, known := base.works[work]
			rows = append(rows, Row{Work: work, New: !known})
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("no work matches %s", r.Only)
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.Work, b.Work) })
	fmt.Fprintf(r.Log, "%d works by %s\n", len(rows), r.counter.name())
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for i := range rows {
		g.Go(func() error {
			if err := r.row(ctx, &rows[i], base, head); err != nil {
				return fmt.Errorf("%s: %w", rows[i].Work, err)
			}
			return nil
		})
	}
	return rows, g.Wait()
}

// row counts one work at both commits. What disturbs a count only adds to it: one
// that seems to have grown beyond the bound is counted up to twice more, and the least
// is believed.
func (r *run) row(ctx context.Context, row *Row, base, head *side) error {
	const tries = 3
	var before, after profile
	for try := range tries {
		now, err := r.count(ctx, head, row.Work, head.works[row.Work])
		if err != nil {
			return fmt.Errorf("at %.12s: %w", head.commit, err)
		}
		after = least(after, now)
		row.Head = after.total
		if row.New {
			return nil
		}
		// As often as at head: the number is the work's size.
		if now, err = r.count(ctx, base, row.Work, head.works[row.Work]); err != nil {
			return fmt.Errorf("at %.12s: %w", base.commit, err)
		}
		before = least(before, now)
		row.Base = before.total
		if row.Base <= 0 || row.Head <= 0 {
			return fmt.Errorf("%d and %d instructions: nothing is left without the start", row.Base, row.Head)
		}
		if row.Change() <= r.Bound || try == tries-1 {
			break
		}
	}
	if row.Change() > r.Bound {
		row.Grown = growth(before, after)
	}
	return nil
}

// least returns the profile with the smaller total; a zero one is none.
func least(a, b profile) profile {
	if a.total == 0 || b.total < a.total {
		return b
	}
	return a
}

// growth returns the functions that grew most, at most three of them, and none
// that is a small part of all growth.
func growth(before, after profile) []Growth {
	var list []Growth
	small := (after.total - before.total) / 20
	for name, n := range after.functions {
		if n-before.functions[name] > max(0, small) {
			list = append(list, Growth{name, before.functions[name], n})
		}
	}
	slices.SortFunc(list, func(a, b Growth) int {
		return cmp.Or(cmp.Compare(b.Head-b.Base, a.Head-a.Base), cmp.Compare(a.Function, b.Function))
	})
	return list[:min(3, len(list))]
}
