package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/record/parquet"
)

// parquetFormat writes Parquet files as Hugging Face's datasets are.
type parquetFormat struct {
	e       *exporter
	plan    *plan
	columns []parquet.Column // of the fields, and the key's behind them
	key     bool             // there is one: no picture has it as its path
	w       *parquet.Writer
	row     []any
}

func newParquet(e *exporter) (*parquetFormat, error) {
	p := &parquetFormat{e: e, plan: e.plan}
	for k := range p.plan.columns {
		c := &p.plan.columns[k]
		col := parquet.Column{Name: c.name, Kind: parquet.Binary}
		switch c.kind {
		case kindPicture, kindRaster:
			col.Kind = parquet.Image
		case kindJSON:
			col.Kind = parquet.JSON
		case kindFloat:
			col.Kind = parquet.Float64
		case kindInt:
			col.Kind = parquet.Int64
			if k == p.plan.label {
				if err := p.label(&col); err != nil {
					return nil, err
				}
			}
		case kindArray:
			if listable(c.spec.DType) {
				col.Kind, col.DType, col.Shape = parquet.List, c.spec.DType.WithOrder('<'), c.spec.Shape
				c.raw = true
			}
		}
		p.columns = append(p.columns, col)
	}
	if p.key = p.plan.picture < 0 && p.plan.hasKeys(); !p.key {
		return p, nil
	}
	name, err := p.plan.free("key", "__key__", "filename")
	p.columns = append(p.columns, parquet.Column{Name: name, Kind: parquet.String})
	return p, err
}

// listable says whether a list has elements of a type; others are .npy files.
func listable(t array.DType) bool {
	switch t.Kind() {
	case 'b', 'i', 'u':
		return true
	case 'f':
		return t.ItemSize() <= 8
	}
	return false
}

// label makes the column of labels one with the classes' names, where they are
// names of all labels.
func (p *parquetFormat) label(col *parquet.Column) error {
	classes := p.plan.classes
	if len(classes) == 0 {
		return nil
	}
	for i, class := range classes {
		if class == "" || !utf8.ValidString(class) || slices.Contains(classes[:i], class) && len(classes) < 1<<12 {
			p.e.opts.Warn(fmt.Sprintf("labels are written as numbers: the name of class %d, %q, is no name of its own", i, class))
			return nil
		}
	}
	lo, hi := int64(0), int64(0) // of no samples
	if p.plan.ds.Len() > 0 {
		var err error
		if lo, hi, err = p.plan.labelRange(); err != nil {
			return err
		}
	}
	if lo < -1 || hi >= int64(len(classes)) {
		p.e.opts.Warn(fmt.Sprintf("labels are written as numbers: they are %d to %d, and there are names of %d classes", lo, hi, len(classes)))
		return nil
	}
	col.Kind, col.Names = parquet.ClassLabel, classes
	return nil
}

func (p *parquetFormat) name(n int) string { return fmt.Sprintf("%s-%05d.parquet", p.e.opts.Prefix, n) }

// prepare makes a row.
func (p *parquetFormat) prepare(r *record) (int64, error) {
	p.row = p.row[:0]
	key, err := p.plan.keyText(r)
	if err != nil {
		return 0, err
	}
	for k := range r.values {
		c, v := &p.plan.columns[k], &r.values[k]
		switch {
		case c.kind == kindInt:
			p.row = append(p.row, v.n)
		case c.kind == kindFloat:
			p.row = append(p.row, v.x)
		case p.columns[k].Kind == parquet.Image:
			f := parquet.File{Bytes: v.data}
			if k == p.plan.picture {
				f.Path = key
			}
			p.row = append(p.row, f)
		case c.raw:
			a, err := array.New(c.spec, v.data)
			if err != nil {
				return 0, p.plan.bad(r, c.name, err)
			}
			if a.DType.Order() == '>' {
				a = array.SwapBytes(a)
			}
			p.row = append(p.row, a)
		default:
			if c.kind == kindJSON && !json.Valid(v.data) {
				return 0, p.plan.bad(r, c.name, errors.New("JSON with NaN or Infinity, which Python reads and Parquet's JSON does not have"))
			}
			p.row = append(p.row, v.data)
		}
	}
	if p.key {
		p.row = append(p.row, key)
	}
	return r.bytes + int64(8*len(p.row)+len(key)), nil
}

func (p *parquetFormat) begin(w io.Writer) (err error) {
	if p.w != nil {
		return p.w.Reset(w)
	}
	p.w, err = parquet.NewWriter(w, p.columns, nil)
	return err
}

func (p *parquetFormat) size() int64                  { return p.w.Size() }
func (p *parquetFormat) write() error                 { return p.w.Write(p.row) }
func (p *parquetFormat) end(string) error             { return p.w.Close() }
func (p *parquetFormat) finish(context.Context) error { return nil }
