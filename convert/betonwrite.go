package convert

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// column is an array that becomes fields: a value for each row.
type column struct {
	it     *item
	parts  []part
	ints   []bool // of the parts: an Int
	floats []bool
	specs  []array.Spec // of the parts' values
	rows   rowsOf
	row    int // bytes

	values *column // of values of any length: this column has the offsets
	last   int64   // offset behind the last value
}

// toBeton writes a .beton: all arrays side by side, a sample for each row.
func (j *job) toBeton() (err error) {
	if strings.Contains(j.out, pattern) {
		return errors.New("output: a .beton holds all arrays; there is no {name}")
	}
	columns, err := j.columns()
	if err != nil {
		return err
	}
	rows, err := j.rows(columns)
	if err != nil {
		return err
	}
	specs, rec, err := j.specs(columns)
	if err != nil {
		return err
	}
	opts := &ffcv.Options{Overwrite: j.opts.Overwrite, PageSize: pageSize(columns)}
	if err := j.extend(opts, rec); err != nil {
		return err
	}
	for _, c := range columns {
		for ; c != nil; c = c.values {
			s, err := j.stream(c.it)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			c.rows = rowsOf{s: s, row: c.row}
		}
	}
	w, err := ffcv.Create(j.out, specs, opts)
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	defer w.Close()
	reserve := &ffcv.StreamOptions{Reserve: int64(max(rows, 0))}
	var failed error // a broken input is no broken sample
	samples := func(yield func(ffcv.Sample, error) bool) {
		failed = j.samples(columns, rows, len(specs), func(v []any) bool { return yield(ffcv.Sample{Values: v}, nil) })
		if failed != nil {
			yield(ffcv.Sample{}, failed)
		}
	}
	if err := w.WriteStream(j.ctx, samples, reserve); err != nil {
		if failed != nil && j.ctx.Err() == nil {
			return failed
		}
		return err
	}
	for i := range j.list {
		it := &j.list[i]
		j.report.Arrays = append(j.report.Arrays, Converted{Member: it.dst, Source: it.src.Name, Path: j.out})
	}
	j.report.Bytes = j.done
	return nil
}

// columns fits the arrays, and joins values with their offsets.
func (j *job) columns() ([]*column, error) {
	var list []*column
	for i := range j.list {
		it := &j.list[i]
		if len(it.src.Spec.Shape) == 0 {
			return nil, &ScalarError{Array: it.src.Name, Format: j.to.Title}
		}
		if err := j.fitArray(it); err != nil {
			return nil, err
		}
		if len(it.dst.Spec.Shape) > 0 && j.valuesOf(it) != nil {
			continue // with its offsets
		}
		c, err := j.column(it)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// pair finds the array that is called as another but for the suffix.
func (j *job) pair(name, suffix, other string) *item {
	base, ok := strings.CutSuffix(name, suffix)
	if !ok || base == "" {
		return nil
	}
	i := slices.IndexFunc(j.list, func(it item) bool { return it.name == base+other })
	if i < 0 {
		return nil
	}
	return &j.list[i]
}

// offsetsType and valuesType tell whether arrays may be those of a field of
// values of any length.
func offsetsType(it *item) bool {
	s := it.src.Spec
	return s.DType == array.Int64 && len(s.Shape) == 1 && s.Shape[0] > 0
}

func valuesType(it *item) bool {
	s := it.src.Spec
	return s.DType == array.Uint8 && len(s.Shape) == 1 && s.Shape[0] >= 0
}

// valuesOf finds the offsets of values; nil where it isn't such an array.
func (j *job) valuesOf(values *item) *item {
	offsets := j.pair(values.name, valuesSuffix, offsetsSuffix)
	if offsets == nil || !offsetsType(offsets) || !valuesType(values) || j.opts.DType.Valid() {
		return nil
	}
	return offsets
}

func (j *job) column(it *item) (*column, error) {
	t, row := it.dst.Spec.DType, it.dst.Spec.Shape[1:]
	c := &column{it: it, row: int(rowBytes(it.dst.Spec))}
	if values := j.pair(it.name, offsetsSuffix, valuesSuffix); values != nil && j.valuesOf(values) == it {
		c.values = &column{it: values, row: 1}
		values.dst = values.src
		values.dst.Name = values.name
		return c, nil
	}
	var err error
	if c.parts, err = parts(t.WithOrder('<')); err != nil {
		return nil, j.refuse(it, err)
	}
	for _, p := range c.parts {
		f, _ := p.field(row)
		if _, err := f.Args(); err != nil {
			return nil, j.refuse(it, err)
		}
		spec := array.Spec{DType: p.dtype, Shape: slices.Concat(row, p.shape)}
		if a, ok := f.(fields.NDArray); ok {
			spec.Shape = a.Shape
		}
		c.ints = append(c.ints, f.TypeID() == fields.TypeInt)
		c.floats = append(c.floats, f.TypeID() == fields.TypeFloat)
		c.specs = append(c.specs, spec)
	}
	it.dst.Spec.DType = t.WithOrder('<')
	return c, nil
}

// loaded are the types that FFCV's own loader makes tensors of.
var loaded = []array.DType{array.Bool, array.Uint8, array.Int8, array.Int16, array.Int32, array.Int64, array.Float32, array.Float64, array.Complex64, array.Complex128}

// remarkBeton tells of values that a .beton has and FFCV's loader doesn't give.
func remarkBeton(m array.Member) string {
	list, err := parts(m.Spec.DType.WithOrder('<'))
	if err != nil {
		return ""
	}
	for _, p := range list {
		if !slices.Contains(loaded, p.dtype) {
			return fmt.Sprintf("FFCV's own loader has no tensors of %s", p.dtype)
		}
	}
	return ""
}

// takesBeton is the table's word for what a column takes.
func takesBeton(m array.Member) error {
	list, err := parts(m.Spec.DType.WithOrder('<'))
	if err != nil {
		return err
	}
	row := m.Spec.Shape
	if len(row) > 0 {
		row = row[1:]
	}
	for _, p := range list {
		f, _ := p.field(row)
		if _, err := f.Args(); err != nil {
			return err
		}
	}
	return nil
}

// rows is the number of samples, -1 where the input doesn't tell.
func (j *job) rows(columns []*column) (int, error) {
	rows, same := -1, true
	var list []string
	for _, c := range columns {
		n := c.it.src.Spec.Shape[0]
		if c.values != nil {
			n--
		}
		if n < 0 {
			continue
		}
		list = append(list, fmt.Sprintf("%q: %d", c.it.src.Name, n))
		same = same && (rows < 0 || rows == n)
		rows = n
	}
	if !same {
		if len(list) > maxNames {
			list = append(list[:maxNames], fmt.Sprintf("%d more", len(list)-maxNames))
		}
		return 0, fmt.Errorf("arrays of different numbers of rows are no samples: %s", strings.Join(list, ", "))
	}
	return rows, nil
}

// specs are the fields, and what the extension block must tell.
func (j *job) specs(columns []*column) ([]ffcv.FieldSpec, *record, error) {
	var specs []ffcv.FieldSpec
	from := map[string]string{} // arrays by their fields
	rec := &record{Version: 1}
	add := func(name, source string, f fields.Field) error {
		if other, ok := from[name]; ok {
			return fmt.Errorf("arrays %q and %q both have a field %q; rename one", other, source, name)
		}
		if err := ffcv.CheckNames([]string{name}); err != nil {
			return fmt.Errorf("array %q: %w; rename it", source, err)
		}
		from[name] = source
		specs = append(specs, ffcv.FieldSpec{Name: name, Field: f})
		return nil
	}
	for _, c := range columns {
		source := c.it.src.Name
		if c.values != nil {
			if err := add(strings.TrimSuffix(c.it.name, offsetsSuffix), source, fields.Bytes{}); err != nil {
				return nil, nil, err
			}
			continue
		}
		row := c.it.dst.Spec.Shape[1:]
		r := recorded{Name: c.it.name, DType: c.it.dst.Spec.DType.String(), Shape: append([]int{}, row...), Attrs: c.it.dst.Attrs}
		tells := true
		for _, p := range c.parts {
			name := c.it.name
			if p.path != "" {
				name, tells = p.path, false
				if to, ok := j.opts.Rename[source+"."+p.path]; ok {
					name = to
				}
			}
			f, plain := p.field(row)
			tells = tells && plain
			if err := add(name, source, f); err != nil {
				return nil, nil, err
			}
			r.Fields = append(r.Fields, name)
		}
		if !tells || len(r.Attrs) > 0 {
			rec.Arrays = append(rec.Arrays, r)
		}
	}
	return specs, rec, nil
}

// extend says what the extension block holds.
func (j *job) extend(opts *ffcv.Options, rec *record) error {
	a := j.carry("", j.r.Attrs(), j.to.file)
	j.report.Attrs = a
	if err := j.carryGroups(nil); err != nil {
		return err
	}
	if list, ok := texts(a["classes"]); ok {
		opts.Classes = list
		rest := map[string]any{}
		for key, v := range a {
			if key != "classes" {
				rest[key] = v
			}
		}
		a = rest
	}
	if rec.Attrs = a; len(a) == 0 && len(rec.Arrays) == 0 {
		return nil
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(rec); err != nil {
		return fmt.Errorf("attributes: %w", err)
	}
	b := bytes.TrimRight(text.Bytes(), "\n")
	if len(b) > maxArrays {
		return fmt.Errorf("attributes of %d bytes, at most %d are kept", len(b), maxArrays)
	}
	opts.Sections = []ffcv.NewSection{{Tag: tagArrays, Data: b}}
	return nil
}

// texts is a list of strings.
func texts(v any) ([]string, bool) {
	switch v := v.(type) {
	case []string:
		return v, len(v) > 0
	case []any:
		var list []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, false
			}
			list = append(list, s)
		}
		return list, len(list) > 0
	}
	return nil, false
}

// pageSize is one in which a sample has room.
func pageSize(columns []*column) int64 {
	var sample int64
	for _, c := range columns {
		if c.values == nil {
			sample += int64(c.row)
		}
	}
	size := int64(ffcv.DefaultPageSize)
	for size < sample && size < ffcv.MaxPageSize {
		size *= 2
	}
	return size
}

// samples gives the values of all samples to yield, which takes what they are
// over: each block of rows has memory of its own.
func (j *job) samples(columns []*column, rows, width int, yield func([]any) bool) error {
	size := 1
	for _, c := range columns {
		size += c.row
	}
	chunk := j.opts.Chunk
	if chunk <= 0 {
		chunk = array.DefaultChunk
	}
	block := max(1, min(chunk/size, 1<<16))
	for lo := 0; rows < 0 || lo < rows; {
		n := block
		if rows >= 0 {
			n = min(n, rows-lo)
		}
		values := make([]any, n*width)
		got := -1
		at := 0
		for _, c := range columns {
			k, err := j.block(c, values[at:], n, width, lo == 0)
			if err != nil {
				return err
			}
			if got >= 0 && k != got || k < n && rows >= 0 {
				return fmt.Errorf("array %q has %d rows, others have more or fewer", c.it.src.Name, lo+k)
			}
			got = k
			at += max(1, len(c.parts))
		}
		for i := range got {
			if !yield(values[i*width : (i+1)*width : (i+1)*width]) {
				return nil
			}
		}
		if lo += got; got < n {
			break
		}
	}
	for _, c := range columns {
		if c.values != nil && c.last != int64(c.values.it.src.Spec.Shape[0]) {
			return fmt.Errorf("array %q has values behind the last offset, %d", c.values.it.src.Name, c.last)
		}
	}
	return nil
}

// block reads n rows of a column, or fewer at the end, and puts their values
// at every width-th place.
func (j *job) block(c *column, values []any, n, width int, first bool) (int, error) {
	if c.values != nil {
		return j.lengths(c, values, n, width, first)
	}
	buf := make([]byte, n*c.row)
	n, err := c.rows.take(buf, n)
	if err != nil {
		return 0, err
	}
	a := array.Array{Spec: c.it.dst.Spec, Data: buf[:n*c.row]}
	a.Shape = append([]int{n}, a.Shape[1:]...)
	for k := range c.parts {
		data, err := c.part(a, k)
		if err != nil {
			return 0, err
		}
		size := 0
		if n > 0 {
			size = len(data) / n
		}
		for i := range n {
			b := data[i*size : (i+1)*size : (i+1)*size]
			switch {
			case c.ints[k]:
				values[i*width+k] = int64(binary.LittleEndian.Uint64(b))
			case c.floats[k]:
				values[i*width+k] = float(b)
			default:
				values[i*width+k] = array.Array{Spec: c.specs[k], Data: b}
			}
		}
	}
	return n, j.step(c.it.src.Name, int64(n)*rowBytes(c.it.src.Spec))
}

// part is a part of all elements of some rows, one behind the other.
func (c *column) part(a array.Array, k int) ([]byte, error) {
	p := c.parts[k]
	if p.path == "" {
		return a.Data, nil
	}
	item, size := a.DType.ItemSize(), p.size()
	n := len(a.Data) / item
	data := make([]byte, n*size)
	for i := range n {
		copy(data[i*size:(i+1)*size], a.Data[i*item+p.offset:])
	}
	return data, nil
}

// float is the float64 of 8 bytes.
func float(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }
