package build

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/splice"
	"github.com/betongo/betongo/store"
)

// MergeOptions are the choices of Merge. Nil and the zero value of every member
// are the defaults.
type MergeOptions struct {
	// IndexOnly writes an index of the shards (dataset.Index), which opens as one
	// dataset, and copies nothing. The shards stay where they are.
	IndexOnly bool

	// NoSums compares the shards' sizes with the receipts', and not their SHA-256,
	// for which every byte is read. The default is wrong for shards in an object
	// store that nobody else writes to.
	NoSums bool

	Overwrite bool           // allows to replace what is at the target, at the very end
	Store     *store.Options // how object stores are reached
	Staging   string         // as in WriteOptions

	// Checking is told how many bytes of how many were checked; calls come from any
	// goroutine, one after another.
	Checking func(done, total int64)

	// Progress and Warn are as in ffcv.Options.
	Progress func(ffcv.Progress)
	Warn     func(msg string)
}

// MissingError says which shards of a plan are not built yet.
type MissingError struct {
	Plan   string // its place
	Shards []int  // by number
	Of     int
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("plan %s: %d of %d shards are not built: %s", e.Plan, len(e.Shards), e.Of, Ranges(e.Shards))
}

// Ranges writes ascending numbers as people do, such as "0-3, 7".
func Ranges(list []int) string {
	var b strings.Builder
	for i := 0; i < len(list); {
		k := i
		for k+1 < len(list) && list[k+1] == list[k]+1 {
			k++
		}
		if i > 0 {
			b.WriteString(", ")
		}
		if fmt.Fprint(&b, list[i]); k > i {
			fmt.Fprintf(&b, "-%d", list[k])
		}
		i = k + 1
	}
	return b.String()
}

// ShardError says that a shard is not what its receipt says.
type ShardError struct {
	Shard int
	Path  string
	Err   error
}

func (e *ShardError) Error() string { return fmt.Sprintf("shard %d, %s: %v", e.Shard, e.Path, e.Err) }

// Unwrap returns the cause.
func (e *ShardError) Unwrap() error { return e.Err }

// Merge checks that all shards of a plan are there and what their receipts say,
// and makes one file of them at out, a path or URL, or an index. Missing ones are a
// *MissingError. The file appears whole, or not at all; its bytes depend on the
// plan and the source alone.
func Merge(ctx context.Context, p *Plan, out string, opts *MergeOptions) (stats ffcv.Stats, err error) {
	if opts == nil {
		opts = &MergeOptions{}
	}
	m := &merger{plan: p, out: out, opts: opts}
	if err := CheckTarget(ctx, out, opts.Overwrite, false, opts.Store); err != nil {
		return ffcv.Stats{}, err
	}
	if m.receipts, err = p.Receipts(ctx, opts.Store); err != nil {
		return ffcv.Stats{}, err
	}
	var missing []int
	for i, r := range m.receipts {
		if r == nil {
			missing = append(missing, i)
			continue
		}
		path, err := p.ShardPath(i)
		if err != nil {
			return ffcv.Stats{}, err
		}
		m.paths = append(m.paths, path)
	}
	if len(missing) > 0 {
		return ffcv.Stats{}, &MissingError{p.place, missing, p.Len()}
	}
	err = mmap.Guard(func() error {
		if err := m.check(ctx); err != nil {
			return err
		}
		if opts.IndexOnly {
			stats, err = m.index(ctx)
		} else {
			stats, err = m.file(ctx)
		}
		return err
	})
	return stats, err
}

// merger is one Merge.
type merger struct {
	plan     *Plan
	out      string
	opts     *MergeOptions
	receipts []*Receipt
	paths    []string // of the shards
}

// checkers is how many shards are read at a time for their sums.
const checkers = 4

// check reads all shards and compares them with their receipts, whose sizes were
// compared when they were read.
func (m *merger) check(ctx context.Context) error {
	if m.opts.NoSums {
		return nil
	}
	var total int64
	for _, r := range m.receipts {
		total += r.Size
	}
	done := make(chan int64)
	told := make(chan struct{})
	go func() { // ends when done is closed, below
		defer close(told)
		sum := int64(0)
		for n := range done {
			if sum += n; m.opts.Checking != nil {
				m.opts.Checking(sum, total)
			}
		}
	}()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(checkers)
	for i, r := range m.receipts {
		g.Go(func() error { // ends with its shard, or with ctx
			size, sum, err := sumOf(ctx, m.paths[i], m.opts.Store)
			switch {
			case err != nil:
			case size != r.Size:
				err = fmt.Errorf("%d bytes; its receipt says %d", size, r.Size)
			case sum != r.SHA256:
				err = fmt.Errorf("SHA-256 %s; its receipt says %s (to build it again: --rebuild)", sum, r.SHA256)
			}
			if err != nil {
				return &ShardError{i, m.paths[i], err}
			}
			done <- size
			return nil
		})
	}
	err := g.Wait()
	close(done)
	<-told
	return err
}

// open opens all shards.
func (m *merger) open(ctx context.Context) (files []*ffcv.File, done func() error, err error) {
	for i, path := range m.paths {
		f, err := store.OpenFile(ctx, path, m.opts.Store)
		if err == nil {
			files = append(files, f)
			if n := int64(f.Len()); n != m.receipts[i].Samples {
				err = fmt.Errorf("%d samples; its receipt says %d", n, m.receipts[i].Samples)
			}
		}
		if err != nil {
			closeAll(files)
			return nil, nil, &ShardError{i, path, err}
		}
	}
	return files, func() error { return closeAll(files) }, nil
}

func closeAll(files []*ffcv.File) (err error) {
	for _, f := range files {
		if e := f.Close(); e != nil && err == nil {
			err = e
		}
	}
	return err
}

// file makes one file of the shards.
func (m *merger) file(ctx context.Context) (ffcv.Stats, error) {
	files, done, err := m.open(ctx)
	if err != nil {
		return ffcv.Stats{}, err
	}
	defer done()
	return splice.Merge(ctx, store.Join(".", m.out), files, m.splice())
}

// splice is how the files are put together.
func (m *merger) splice() *splice.Options {
	w := &m.plan.Recipe.Writer
	return &splice.Options{
		Overwrite: m.opts.Overwrite, Plain: w.Plain, LargeSamples: w.LargeSamples,
		Progress: m.opts.Progress, Warn: m.opts.Warn,
	}
}

// index writes an index of the shards.
func (m *merger) index(ctx context.Context) (ffcv.Stats, error) {
	return ffcv.Stats{}, fmt.Errorf("no indexes yet")
}
