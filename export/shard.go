package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// shardFormat is a format of files that each hold many samples. It has one open at
// a time.
type shardFormat interface {
	// name is that of the n-th file.
	name(n int) string
	// prepare makes of a sample what write writes, and tells how many bytes that
	// is. An error is the sample's.
	prepare(r *record) (int64, error)
	// begin begins a file.
	begin(w io.Writer) error
	// size is how many bytes it would have now.
	size() int64
	// write adds the sample of the last prepare.
	write() error
	// end completes the file, which has that name.
	end(name string) error
	// finish comes when all files are complete.
	finish(ctx context.Context) error
}

// shards is the sink of such a format.
type shards struct {
	e      *exporter
	format shardFormat
	count  int  // shards that were begun
	any    bool // the open one has a sample
	out    file // nil: none is open
}

func newShards(e *exporter, f shardFormat, err error) (sink, error) {
	return &shards{e: e, format: f}, err
}

// add writes a sample, to a new shard if it has no more room in the open one.
func (s *shards) add(ctx context.Context, r *record) error {
	n, err := s.format.prepare(r)
	if err != nil {
		return err
	}
	if s.out != nil && s.any && s.format.size()+n > s.e.opts.ShardSize {
		if err := s.end(); err != nil {
			return err
		}
	}
	if s.out == nil {
		if err := s.begin(ctx); err != nil {
			return err
		}
	}
	s.any = true
	if err := s.format.write(); err != nil {
		return fmt.Errorf("%s: sample %d (%s): %w", s.e.plan.ds.Name(), r.sample, r.stem, err)
	}
	return nil
}

// begin begins the next shard.
func (s *shards) begin(ctx context.Context) (err error) {
	s.any = false
	if s.out, err = s.e.to.create(ctx, s.format.name(s.count)); err != nil {
		s.out = nil
		return err
	}
	s.count++
	s.e.stats.Shards++
	return s.format.begin(s.out)
}

// end completes the open shard.
func (s *shards) end() error {
	if err := s.format.end(s.format.name(s.count - 1)); err != nil {
		return err
	}
	out := s.out
	s.out = nil
	return out.close()
}

// write has nothing left to do.
func (s *shards) write(context.Context, *batch) error { return nil }

// close completes the last shard. Of no samples there is an empty one, which says
// what columns there would be.
func (s *shards) close(ctx context.Context) error {
	if s.count == 0 {
		if err := s.begin(ctx); err != nil {
			return err
		}
	}
	if s.out != nil {
		if err := s.end(); err != nil {
			return err
		}
	}
	if err := s.e.putClasses(ctx, s.e.plan.classes); err != nil {
		return err
	}
	return s.format.finish(ctx)
}

func (s *shards) drop() error {
	if s.out == nil {
		return nil
	}
	return s.out.drop()
}

// hasKeys says whether any sample is called by more than its number: whether a
// format needs a column for it. Of several files it need not be the first one's.
func (p *plan) hasKeys() bool {
	if p.keyFrom != "" {
		return true
	}
	for i := range p.ds.Len() {
		// One that can't be read is told of with its sample.
		if key, err := p.ds.Key(i); key != "" || err != nil {
			return true
		}
	}
	return false
}

// keyText is what a sample is called in a column: its key as it is, which need not
// serve as a file's name.
func (p *plan) keyText(r *record) (string, error) {
	if p.keyFrom == KeyIndex {
		return r.stem, nil
	}
	if !utf8.ValidString(r.key) {
		return "", p.bad(r, "", errors.New("its key is no UTF-8 text"))
	}
	return r.key, nil
}

// free is the first of some names that no field has.
func (p *plan) free(names ...string) (string, error) {
	for _, name := range names {
		taken := false
		for k := range p.columns {
			taken = taken || p.columns[k].name == name
		}
		if !taken {
			return name, nil
		}
	}
	return "", fmt.Errorf("%s: fields have all of the names %q, one of which samples' keys need", p.ds.Name(), names)
}
