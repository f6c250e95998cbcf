package export

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/betongo/betongo/record/webdataset"
)

// tar writes WebDataset's shards.
type tar struct {
	e       *exporter
	plan    *plan
	exts    []string // by column; of pictures and sounds without the value's own
	names   names
	w       *webdataset.Writer
	key     string
	members []webdataset.Member
	texts   memory
}

func newTar(e *exporter) (*tar, error) {
	t := &tar{e: e, plan: e.plan, names: names{plan: e.plan}}
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

func (t *tar) name(n int) string { return fmt.Sprintf("%s-%06d.tar", t.e.opts.Prefix, n) }

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

// prepare finds a sample's key and members.
func (t *tar) prepare(r *record) (int64, error) {
	t.key = dotless(r.stem)
	if first, _, _ := strings.Cut(t.key, "/"); strings.HasPrefix(first, "__") {
		t.key = "%5F" + t.key[1:] // WebDataset's own begin so
	}
	if err := t.names.add(r, t.key); err != nil {
		return 0, err
	}
	t.members = t.members[:0]
	t.texts.reset()
	const block = 512
	size := int64(2 * block) // the archive's end
	for k := range r.values {
		c, v := &t.plan.columns[k], &r.values[k]
		m := webdataset.Member{Ext: t.exts[k], Data: v.data}
		switch c.kind {
		case kindPicture, kindRaster, kindSound:
			m.Ext += v.ext
		case kindInt:
			m.Data = strconv.AppendInt(t.texts.spare(64), v.n, 10)
			t.texts.use(m.Data)
		case kindFloat:
			m.Data = appendFloat(t.texts.spare(64), v.x)
			t.texts.use(m.Data)
		}
		t.members = append(t.members, m)
		size += block + (int64(len(m.Data))+block-1)/block*block
	}
	return size, nil
}

func (t *tar) begin(w io.Writer) error {
	t.w = webdataset.NewWriter(w)
	return nil
}

func (t *tar) size() int64                  { return t.w.Size() }
func (t *tar) write() error                 { return t.w.Write(t.key, t.members) }
func (t *tar) end(string) error             { return t.w.Close() }
func (t *tar) finish(context.Context) error { return nil }
