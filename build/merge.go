package build

import (
	"context"
	"errors"
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
	Plan   string // its place, as messages show it
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
		return ffcv.Stats{}, &MissingError{store.Name(p.place), missing, p.Len()}
	}
	if opts.IndexOnly { // before all is read for its sums
		if _, err := m.names(); err != nil {
			return ffcv.Stats{}, err
		}
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
	versions []string // of those in an object store, as they were checked
}

// checkers is how many shards are read at a time for their sums.
const checkers = 4

// check reads all shards and compares them with their receipts, whose sizes were
// compared when they were read.
func (m *merger) check(ctx context.Context) error {
	m.versions = make([]string, len(m.paths))
	if m.opts.NoSums {
		return m.pin(ctx)
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
			size, sum, version, err := sumOf(ctx, m.paths[i], m.opts.Store)
			m.versions[i] = version
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

// pin learns the versions of shards in an object store.
func (m *merger) pin(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(lookers)
	for i, path := range m.paths {
		if !store.IsURL(path) {
			continue
		}
		g.Go(func() error { // ends with its answer
			obj, err := openObject(ctx, path, m.opts.Store)
			if err != nil {
				return &ShardError{i, path, err}
			}
			m.versions[i] = obj.Version()
			return obj.Close()
		})
	}
	return g.Wait()
}

// open opens all shards. Those in an object store are read through one cache.
func (m *merger) open(ctx context.Context) (files []*ffcv.File, done func() error, err error) {
	if store.IsURL(m.paths[0]) {
		var o store.Options
		if m.opts.Store != nil {
			o = *m.opts.Store
		}
		o.IgnoreClasses = true // splice compares them
		c, err := store.Open(ctx, m.paths, &o)
		if err != nil {
			return nil, nil, err
		}
		for _, ds := range c.Members() {
			f, ok := ds.(*ffcv.File)
			if !ok {
				return nil, nil, errors.Join(fmt.Errorf("internal error: a shard is a %T", ds), c.Close())
			}
			files = append(files, f)
		}
		done = c.Close
	} else {
		done = func() error { return closeAll(files) }
		for i, path := range m.paths {
			f, err := ffcv.Open(store.Join(".", path), nil)
			if err != nil {
				return nil, nil, errors.Join(&ShardError{i, path, err}, done())
			}
			files = append(files, f)
		}
	}
	for i, f := range files {
		if n := int64(f.Len()); n != m.receipts[i].Samples {
			err := fmt.Errorf("%d samples; its receipt says %d", n, m.receipts[i].Samples)
			return nil, nil, errors.Join(&ShardError{i, m.paths[i], err}, done())
		}
	}
	return files, done, nil
}

func closeAll(files []*ffcv.File) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// file makes one file of the shards.
func (m *merger) file(ctx context.Context) (ffcv.Stats, error) {
	files, done, err := m.open(ctx)
	if err != nil {
		return ffcv.Stats{}, err
	}
	defer done()
	if store.IsURL(m.out) || store.IsURL(m.paths[0]) {
		return m.elsewhere(ctx, files)
	}
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
