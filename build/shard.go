package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/aside"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/store"
)

// Receipt says of a shard that it is there and whole. It lies beside the shard.
// Whoever builds the shard writes the same receipt.
type Receipt struct {
	Shard   int
	Path    string // of the file, beside the receipt
	Size    int64
	Samples int64
	SHA256  string        // of the file, in hexadecimal
	Skipped []source.Skip // samples that failed, in the shard's order
	Plan    string        // its hash
}

// ReceiptVersion is the version of the receipts that this package writes and reads.
const ReceiptVersion = 1

type receiptJSON struct {
	Version int        `json:"betongo_receipt"`
	Plan    string     `json:"plan"`
	Shard   int        `json:"shard"`
	Path    string     `json:"path"`
	Size    int64      `json:"size"`
	Samples int64      `json:"samples"`
	SHA256  string     `json:"sha256"`
	Skipped []skipJSON `json:"skipped,omitempty"`
}

type skipJSON struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// ShardOptions are the choices of BuildShard. Nil and the zero value of every
// member are the defaults.
type ShardOptions struct {
	// WriteOptions are those of Write, but for Overwrite, Resume and Restart: a
	// shard goes on from what an earlier try left where that fits, and replaces
	// what has no right receipt.
	WriteOptions

	// Source is the plan's source, opened by Plan.Open, for those who build several
	// shards; nil opens it.
	Source *Source

	// Rebuild builds a shard that is there, too.
	Rebuild bool

	// Waiting is told once that another process on this machine, or on the same
	// file system, is building the shard, which is waited for; nil tells nobody.
	Waiting func(err error)
}

// SourceError says that a source is another one than the one that a plan was made
// of.
type SourceError struct {
	Plan    string        // its place, as messages show it
	Changes []ffcv.Change // Old is the plan's
}

func (e *SourceError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plan %s: the source is another one than the plan was made of:", e.Plan)
	for i, c := range e.Changes {
		if i > 0 {
			b.WriteByte(';')
		}
		fmt.Fprintf(&b, " %s: %s; the plan has %s", c.Name, orNone(c.New), orNone(c.Old))
	}
	return b.String()
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// VersionError says that a plan was made by another version of this module, which
// may encode otherwise: shards of one file are built by one version.
type VersionError struct{ Plan, Version string }

func (e *VersionError) Error() string {
	return fmt.Sprintf("the plan was made by version %s, this is version %s: all shards of a plan are built by one version", e.Plan, e.Version)
}

// Open opens the plan's source, and says in a *SourceError if it is another one.
func (p *Plan) Open(ctx context.Context, opts *OpenOptions) (*Source, error) {
	if v := version(); v != "" && p.Program != "" && v != p.Program {
		return nil, &VersionError{p.Program, v}
	}
	r, err := p.recipe()
	if err != nil {
		return nil, err
	}
	s, err := r.Open(ctx, opts)
	if err != nil {
		return nil, err
	}
	traits, err := s.Traits(ctx)
	if err == nil {
		err = p.compare(p.Traits, traits)
	}
	if err == nil {
		err = p.fits(s)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// fits says if the plan divides another number of samples than the source has,
// whatever else it says of it.
func (p *Plan) fits(s *Source) error {
	if s.Len() == p.Samples {
		return nil
	}
	return &SourceError{store.Name(p.place), []ffcv.Change{{Name: "samples", Old: fmt.Sprint(p.Samples), New: fmt.Sprint(s.Len())}}}
}

// compare says what of a source is another than the plan's.
func (p *Plan) compare(old, now []source.Trait) error {
	e := &SourceError{Plan: store.Name(p.place)}
	was := map[string]string{}
	for _, t := range old {
		was[t.Name] = t.Value
	}
	for _, t := range now {
		if was[t.Name] != t.Value {
			e.Changes = append(e.Changes, ffcv.Change{Name: t.Name, Old: was[t.Name], New: t.Value})
		}
		delete(was, t.Name)
	}
	for _, t := range old {
		if v, ok := was[t.Name]; ok {
			e.Changes = append(e.Changes, ffcv.Change{Name: t.Name, Old: v})
		}
	}
	if len(e.Changes) > 0 {
		return e
	}
	return nil
}

// order returns the sample that a row of the whole holds.
func (p *Plan) order() func(row int) int {
	if w := p.Recipe.Writer; w.Shuffle {
		return ffcv.Shuffled(p.Samples, w.Seed)
	}
	return func(row int) int { return row }
}

// ShardPath returns where a shard lies, or will.
func (p *Plan) ShardPath(i int) (string, error) {
	dir, err := p.shardsDir()
	return store.Join(dir, p.shardName(i)+".beton"), err
}

// BuildShard builds shard i, and puts it and then its receipt in their places. One
// that is there with a receipt of this plan is not built again, but its receipt
// returned. It may be called for one shard at the same time on several machines:
// what they build is the same.
func BuildShard(ctx context.Context, p *Plan, i int, opts *ShardOptions) (r *Receipt, err error) {
	if opts == nil {
		opts = &ShardOptions{}
	}
	if i < 0 || i >= p.Len() {
		return nil, optionError("index", "%d; expected 0 to %d, the plan has %d shards", i, p.Len()-1, p.Len())
	}
	if !opts.Rebuild {
		if r, err := p.receipt(ctx, i, opts.Store); r != nil || err != nil {
			return r, err
		}
	}
	err = mmap.Guard(func() error {
		s := opts.Source
		if s == nil {
			if s, err = p.Open(ctx, &OpenOptions{Store: opts.Store}); err != nil {
				return err
			}
			defer s.Close()
		}
		r, err = p.build(ctx, s, i, opts)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("shard %d: %w", i, err)
	}
	return r, nil
}

// build builds a shard, or waits for who does.
func (p *Plan) build(ctx context.Context, s *Source, i int, opts *ShardOptions) (*Receipt, error) {
	if err := p.fits(s); err != nil {
		return nil, err
	}
	sh := p.Shards[i]
	files, err := s.files(ctx, p.order(), sh.Lo, sh.Hi)
	if err != nil {
		return nil, err
	}
	if err := p.compare([]source.Trait{{Name: "files", Value: sh.Files}}, []source.Trait{{Name: "files", Value: files}}); err != nil {
		return nil, err
	}
	for told := false; ; {
		r, err := p.attempt(ctx, s, i, opts)
		if !errors.Is(err, aside.ErrHeld) && !errors.Is(err, fs.ErrExist) {
			return r, err
		}
		// Another process builds it, or has done so just now.
		if !told && opts.Waiting != nil {
			opts.Waiting(err)
		}
		told = true
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		if r, err := p.receipt(ctx, i, opts.Store); r != nil || err != nil {
			return r, err
		}
	}
}

// attempt builds a shard.
func (p *Plan) attempt(ctx context.Context, s *Source, i int, opts *ShardOptions) (*Receipt, error) {
	path, err := p.ShardPath(i)
	if err != nil {
		return nil, err
	}
	t, err := p.shardTarget(ctx, path, opts)
	if err != nil {
		return nil, err
	}
	r := &Receipt{Shard: i, Path: p.shardName(i) + ".beton", Plan: p.hash}
	o := opts.WriteOptions
	o.Resume, o.Restart = true, false
	o.Skipped = func(s source.Skip) { r.Skipped = append(r.Skipped, s) }
	w := writing{opts: &o, rows: &ffcv.Rows{Lo: p.Shards[i].Lo, Hi: p.Shards[i].Hi}}
	w.identity = []source.Trait{{Name: "plan", Value: p.hash}, {Name: "shard", Value: fmt.Sprint(i)}}
	w.ready = func(ctx context.Context) (err error) {
		r.Size, r.SHA256, err = sumFile(ctx, t.whole())
		if err != nil || t.url == "" {
			return err
		}
		return p.put(ctx, t, r, opts)
	}
	stats, err := p.Recipe.write(ctx, s, t, w)
	var partial *ffcv.PartialError
	var changed *ffcv.ChangedError
	if errors.As(err, &partial) || errors.As(err, &changed) {
		// It is of another plan, or damaged, and nobody goes on with it.
		r.Skipped, o.Resume, o.Restart = nil, false, true
		stats, err = p.Recipe.write(ctx, s, t, w)
	}
	if err != nil {
		return nil, err
	}
	r.Samples = int64(stats.Samples)
	if opts.Skipped != nil {
		for _, s := range r.Skipped {
			opts.Skipped(s)
		}
	}
	if err := t.close(); err != nil {
		return nil, err
	}
	return r, p.writeReceipt(ctx, r, opts.Store)
}

// shardTarget returns where a shard is written to. What lies there without a right
// receipt is replaced.
func (p *Plan) shardTarget(ctx context.Context, path string, opts *ShardOptions) (*target, error) {
	t, err := newTarget(path, false, opts.Staging, opts.Store)
	if err != nil || t.url != "" {
		return t, err
	}
	if err := os.MkdirAll(store.Dir(path), 0o777); err != nil {
		return nil, err
	}
	// A link's target is what is replaced, and lies beside what is written.
	if t.path, err = aside.Resolve(t.path); err != nil {
		return nil, err
	}
	t.overwrite = opts.Rebuild || fileThere(t.path)
	return t, nil
}

// put makes the object of a shard. Of two machines that do so at the same time one
// comes first, and the other one finds its own bytes.
func (p *Plan) put(ctx context.Context, t *target, r *Receipt, opts *ShardOptions) error {
	if opts.Uploading != nil {
		opts.Uploading(r.Size)
	}
	err := t.upload(ctx, opts.Rebuild)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	size, sum, _, err := sumOf(ctx, t.url, opts.Store)
	if err == nil && size == r.Size && sum == r.SHA256 {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return t.upload(ctx, true) // of another plan, or of one whose skipped samples were others
}

// receiptPath returns where a shard's receipt lies.
func (p *Plan) receiptPath(i int) (string, error) {
	dir, err := p.shardsDir()
	return store.Join(dir, p.shardName(i)+".json"), err
}

func (p *Plan) writeReceipt(ctx context.Context, r *Receipt, st *store.Options) error {
	j := receiptJSON{ReceiptVersion, r.Plan, r.Shard, r.Path, r.Size, r.Samples, r.SHA256, nil}
	for _, s := range r.Skipped {
		j.Skipped = append(j.Skipped, skipJSON(s))
	}
	b, err := json.MarshalIndent(j, "", " ")
	if err != nil {
		return err
	}
	path, err := p.receiptPath(r.Shard)
	if err != nil {
		return err
	}
	return store.WriteFile(ctx, path, append(b, '\n'), true, st)
}

// receipt returns the receipt of a shard that is there, nil where there is none of
// this plan, or no shard of that size.
func (p *Plan) receipt(ctx context.Context, i int, st *store.Options) (*Receipt, error) {
	path, err := p.receiptPath(i)
	if err != nil {
		return nil, err
	}
	b, err := store.ReadFile(ctx, path, st)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("receipt of shard %d: %w", i, err)
	}
	r := p.parseReceipt(b, i)
	if r == nil {
		return nil, nil
	}
	at, _ := p.ShardPath(i)
	size, err := sizeOf(ctx, at, st)
	if errors.Is(err, fs.ErrNotExist) || err == nil && size != r.Size {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("shard %d: %w", i, err)
	}
	return r, nil
}

// parseReceipt returns nil for whatever is not a receipt of this plan's shard: it
// is written anew then.
func (p *Plan) parseReceipt(b []byte, i int) *Receipt {
	var j receiptJSON
	if json.Unmarshal(b, &j) != nil || j.Version != ReceiptVersion || j.Plan != p.hash || j.Shard != i || j.Path != p.shardName(i)+".beton" {
		return nil
	}
	n := int64(p.Shards[i].Hi - p.Shards[i].Lo)
	if j.Size < 1 || j.Samples < 0 || j.Samples > n || j.Samples+int64(len(j.Skipped)) != n || len(j.SHA256) != 64 {
		return nil
	}
	r := &Receipt{j.Shard, j.Path, j.Size, j.Samples, j.SHA256, nil, j.Plan}
	for _, s := range j.Skipped {
		r.Skipped = append(r.Skipped, source.Skip(s))
	}
	return r
}

// lookers is how many receipts are read at a time.
const lookers = 32

// Receipts returns the receipts of all shards, by number: nil for those that are
// not built yet.
func (p *Plan) Receipts(ctx context.Context, st *store.Options) ([]*Receipt, error) {
	list := make([]*Receipt, p.Len())
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(lookers)
	for i := range list {
		g.Go(func() (err error) { // ends with its receipt; Wait below
			list[i], err = p.receipt(ctx, i, st)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return list, nil
}
