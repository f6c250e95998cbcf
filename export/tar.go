package export

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/betongo/betongo/record/webdataset"
)

// shards are files that samples fill one after another.
type shards struct {
	e     *exporter
	name  func(n int) string
	limit int64
	count int  // shards that were begun
	any   bool // the open one has a sample
	out   file // nil: none is open
}

// full says whether a shard of size bytes has no room for more bytes.
func (s *shards) full(size, more int64) bool { return s.out != nil && s.any && size+more > s.limit }

// begin opens the next shard.
func (s *shards) begin(ctx context.Context) (err error) {
	s.any = false
	if s.out, err = s.e.to.create(ctx, s.name(s.count)); err == nil {
		s.count++
		s.e.stats.Shards++
	}
	return err
}

// end completes the open shard.
func (s *shards) end(err error) error {
	if err != nil {
		return err
	}
	out := s.out
	s.out = nil
	return out.close()
}

// drop lets go of the open shard.
func (s *shards) drop() error {
	if s.out == nil {
		return nil
	}
	return s.out.drop()
}

// tar writes WebDataset's shards.
type tar struct {
	e       *exporter
	plan    *plan
	exts    []string // by column; of pictures and sounds without the value's own
	names   names
	shards  shards
	w       *webdataset.Writer
	members []webdataset.Member
	texts   memory
}

func newTar(e *exporter) (*tar, error) {
	t := &tar{e: e, plan: e.plan, names: names{plan: e.plan}}
	t.shards = shards{e: e, limit: e.opts.ShardSize, name: func(n int) string { return fmt.Sprintf("%s-%06d.tar", e.opts.Prefix, n) }}
	known := map[string]string{}
	for k := range t.plan.columns {
		ext := t.ext(k)
		if other, twice := known[ext]; twice {
			return nil, fmt.Errorf("%s: fields %q and %q: both would have the extension %q, in which case does not count", e.plan.ds.Name(), other, t.plan.columns[k].name, ext)
		}
		known[ext] = t.plan.columns[k].name
		t.exts = append(t.exts, ext)
	}
	return t, nil
}

// ext is the extension of a field's members: that which WebDataset decodes its
// kind of values by, behind the field's name, but for the two that every recipe
// knows, jpg and cls. What pictures and sounds end in depends on the value.
func (t *tar) ext(k int) string {
	c := &t.plan.columns[k]
	name := strings.ToLower(strings.ReplaceAll(component(c.name), ".", "%2e"))
	if strings.HasPrefix(name, "__") {
		name = "%5f" + name[1:] // WebDataset's own begin so
	}
	end := ""
	switch c.kind {
	case kindPicture, kindRaster, kindSound:
		if k == t.plan.picture {
			return ""
		}
		return name + "."
	case kindArray:
		end = "npy"
	case kindBytes, kindCustom:
		end = c.ext
	case kindJSON:
		end = "json"
	case kindFloat:
		end = "txt"
	case kindInt:
		if k == t.plan.label {
			return "cls"
		}
		end = "cls"
	}
	if name == end {
		return end
	}
	return name + "." + end
}

// add writes a sample.
func (t *tar) add(ctx context.Context, r *record) error {
	key := dotless(r.stem)
	if first, _, _ := strings.Cut(key, "/"); strings.HasPrefix(first, "__") {
		key = "%5F" + key[1:] // WebDataset's own begin so
	}
	if err := t.names.add(r, key); err != nil {
		return err
	}
	t.members = t.members[:0]
	t.texts.reset()
	const block = 512
	size := int64(0)
	for k := range r.values {
		c, v := &t.plan.columns[k], &r.values[k]
		m := webdataset.Member{Ext: t.exts[k], Data: v.data}
		switch c.kind {
		case kindPicture, kindRaster, kindSound:
			m.Ext += v.ext
		case kindInt:
			m.Data = t.texts.keep(strconv.AppendInt(nil, v.n, 10))
		case kindFloat:
			m.Data = t.texts.keep(appendFloat(nil, v.x))
		}
		t.members = append(t.members, m)
		size += block + (int64(len(m.Data))+block-1)/block*block
	}
	if t.shards.out != nil && t.shards.full(t.w.Size(), size+2*block) {
		if err := t.shards.end(t.w.Close()); err != nil {
			return err
		}
	}
	if t.shards.out == nil {
		if err := t.shards.begin(ctx); err != nil {
			return err
		}
		t.w = webdataset.NewWriter(t.shards.out)
	}
	t.shards.any = true
	if err := t.w.Write(key, t.members); err != nil {
		return fmt.Errorf("%s: sample %d as %q: %w", t.plan.ds.Name(), r.sample, key, err)
	}
	return nil
}

func (t *tar) drop() error { return t.shards.drop() }

// write has nothing left to do.
func (t *tar) write(context.Context, *batch) error { return nil }

// close completes the last shard, and writes the classes.
func (t *tar) close(ctx context.Context) error {
	if t.shards.out == nil && t.shards.count == 0 { // no samples: a shard that says so
		if err := t.shards.begin(ctx); err != nil {
			return err
		}
		t.w = webdataset.NewWriter(t.shards.out)
	}
	if t.shards.out != nil {
		if err := t.shards.end(t.w.Close()); err != nil {
			return err
		}
	}
	return t.e.putClasses(ctx, t.plan.classes)
}
