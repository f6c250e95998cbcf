package export

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/record/mds"
)

// mdsFormat writes MosaicML's shards.
type mdsFormat struct {
	e       *exporter
	plan    *plan
	columns []mds.Column // of the fields, and the key's behind them
	key     bool         // there is one
	w       *mds.Writer
	values  [][]byte
	mem     memory
	done    []mds.ShardInfo
}

func newMDS(e *exporter) (*mdsFormat, error) {
	m := &mdsFormat{e: e, plan: e.plan}
	for k := range m.plan.columns {
		c := &m.plan.columns[k]
		enc := mds.Column{Name: c.name, Encoding: "bytes"}
		switch c.kind {
		case kindPicture:
			enc.Encoding = "" // by the first sample
		case kindRaster:
			enc.Encoding = "png"
		case kindJSON:
			enc.Encoding = "json"
		case kindInt:
			enc.Encoding = "int"
		case kindFloat:
			enc.Encoding = "float64"
		case kindArray:
			if text := arrayEncoding(c.spec); text != "" {
				enc.Encoding, c.raw = text, true
			}
		}
		m.columns = append(m.columns, enc)
	}
	if m.key = m.plan.hasKeys(); !m.key {
		return m, nil
	}
	name, err := m.plan.free("key", "__key__", "filename")
	m.columns = append(m.columns, mds.Column{Name: name, Encoding: "str"})
	return m, err
}

// arrayEncoding is the encoding of arrays of one type and shape, "" where there is
// none: those are .npy files then.
func arrayEncoding(s array.Spec) string {
	kind := map[byte]string{'i': "int", 'u': "uint", 'f': "float"}[s.DType.Kind()]
	if kind == "" {
		return ""
	}
	shape := strings.ReplaceAll(strings.Trim(fmt.Sprint(s.Shape), "[]"), " ", ",")
	text := fmt.Sprintf("ndarray:%s%d:%s", kind, 8*s.DType.ItemSize(), shape)
	enc, err := mds.ParseEncoding(text)
	if err != nil || enc.DType.WithOrder('<') != s.DType.WithOrder('<') {
		return ""
	}
	return text
}

func (m *mdsFormat) name(n int) string { return fmt.Sprintf("shard.%05d.mds", n) }

// prepare encodes a sample.
func (m *mdsFormat) prepare(r *record) (int64, error) {
	m.settle(r)
	m.mem.reset()
	m.values = m.values[:0]
	size := int64(4 * (1 + len(m.columns)))
	for k := range m.columns {
		b, err := m.value(r, k)
		if err != nil {
			if k == len(r.values) {
				return 0, err
			}
			return 0, m.plan.bad(r, m.columns[k].Name, err)
		}
		m.values = append(m.values, b)
		size += int64(len(b))
	}
	return size, nil
}

// settle names pictures by the first sample: its readers take JPEG and PNG for one
// another.
func (m *mdsFormat) settle(r *record) {
	for k := range m.columns {
		if m.columns[k].Encoding == "" {
			m.columns[k].Encoding = "jpeg"
			if r != nil && r.values[k].ext == "png" {
				m.columns[k].Encoding = "png"
			}
		}
	}
}

// value encodes a value; what is there as it should be stays where it is.
func (m *mdsFormat) value(r *record, k int) ([]byte, error) {
	if k == len(r.values) {
		key, err := m.plan.keyText(r)
		return []byte(key), err
	}
	c, v := &m.plan.columns[k], &r.values[k]
	var value any
	switch {
	case c.kind == kindInt:
		value = v.n
	case c.kind == kindFloat:
		value = v.x
	case c.raw:
		a, err := array.New(c.spec, v.data)
		if err != nil {
			return nil, err
		}
		if value = a; a.DType.Order() == '>' {
			value = array.SwapBytes(a)
		}
	default:
		return v.data, nil
	}
	b, err := mds.AppendValue(m.mem.spare(int64(len(v.data))), m.columns[k].Encoding, value)
	if err == nil {
		m.mem.use(b)
	}
	return b, err
}

func (m *mdsFormat) begin(w io.Writer) (err error) {
	if m.w != nil {
		m.w.Reset(w)
		return nil
	}
	m.settle(nil)
	m.w, err = mds.NewWriter(w, m.columns)
	return err
}

func (m *mdsFormat) size() int64  { return m.w.Size() }
func (m *mdsFormat) write() error { return m.w.Write(m.values) }

func (m *mdsFormat) end(name string) error {
	info, err := m.w.Close()
	info.Name = name
	m.done = append(m.done, info)
	return err
}

// finish writes the index, without which there is no dataset.
func (m *mdsFormat) finish(ctx context.Context) error {
	b, err := mds.Index(m.done)
	if err != nil {
		return err
	}
	return m.e.to.put(ctx, "index.json", b)
}
