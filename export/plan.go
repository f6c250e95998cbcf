package export

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
)

// kind is what a field's values are, in an export.
type kind uint8

const (
	kindPicture kind = iota // RGBImage: a JPEG, or pixels
	kindRaster              // Image: pixels that nothing may change
	kindSound
	kindArray
	kindBytes
	kindJSON
	kindInt
	kindFloat
	kindCustom // its metadata
)

// column is a field that is exported.
type column struct {
	field  int // in the dataset
	name   string
	kind   kind
	offset int // of the member in a row
	size   int
	stored fields.Field
	spec   array.Spec // arrays
	header []byte     // of their .npy files
	raw    bool       // elements alone are wanted
	ext    string     // bytes: of their files
}

// files says whether the values have files of their own in a folder.
func (c *column) files() bool { return c.kind <= kindBytes || c.kind == kindCustom }

// plan is what a dataset is exported to, as far as it is known before its values
// are read.
type plan struct {
	ds       Dataset
	columns  []column
	label    int // in columns, -1 none
	picture  int // the first one, -1 none
	keyFrom  string
	keyField int      // in columns, -1 none
	classes  []string // nil: the labels have no names
	verifier loader.Verifier
}

// newPlan finds out what the fields are.
func newPlan(ds Dataset, opts *Options) (*plan, error) {
	whole := ds
	ds, err := pick(ds, opts.Fields)
	if err != nil {
		return nil, err
	}
	p := &plan{ds: ds, label: -1, picture: -1, keyField: -1, keyFrom: opts.KeyFrom, classes: ds.Classes()}
	for i, f := range ds.Fields() {
		c, err := newColumn(ds.Name(), i, &f)
		if err != nil {
			return nil, err
		}
		c.ext = "bin"
		if ext, ok := opts.Ext[c.name]; ok {
			c.ext = ext
		}
		if p.picture < 0 && c.kind == kindPicture {
			p.picture = len(p.columns)
		}
		p.columns = append(p.columns, c)
	}
	if p.picture < 0 {
		p.picture = slices.IndexFunc(p.columns, func(c column) bool { return c.kind == kindRaster })
	}
	if err := p.findLabel(opts.Label); err != nil {
		return nil, err
	}
	if err := p.checkExt(opts.Ext); err != nil {
		return nil, err
	}
	if err := p.findKey(whole); err != nil {
		return nil, err
	}
	if v, ok := ds.(loader.Verifier); ok && v.Verifiable() == nil {
		p.verifier = v
	}
	return p, nil
}

// newColumn says what a field is exported as.
func newColumn(file string, i int, f *ffcv.Field) (column, error) {
	c := column{field: i, name: f.Name, offset: f.Offset, size: f.Size, stored: f.Field}
	fail := func(what string) (column, error) {
		return column{}, fmt.Errorf("%s: field %q is %s; %s", file, f.Name, ffcv.Kind(f.Type, f.Field), what)
	}
	for i := range len(f.Name) {
		if f.Name[i] < ' ' || f.Name[i] > '~' {
			return fail("its name is no ASCII text, which other formats' columns need")
		}
	}
	if f.Field == nil || f.Offset < 0 || f.Size < 0 {
		return fail("its values can't be read without its type")
	}
	_, plain := f.Plain()
	switch v := plain.(type) {
	case fields.RGBImage:
		c.kind = kindPicture
	case fields.Image:
		c.kind = kindRaster
	case fields.Audio:
		c.kind = kindSound
	case fields.Bytes:
		c.kind = kindBytes
	case fields.JSON:
		c.kind = kindJSON
	case fields.Int:
		c.kind = kindInt
	case fields.Float:
		c.kind = kindFloat
	case fields.NDArray:
		c.kind, c.spec = kindArray, array.Spec{DType: v.DType, Shape: v.Shape}
	case fields.TorchTensor:
		c.kind, c.spec = kindArray, array.Spec{DType: v.DType, Shape: v.Shape}
	case fields.Opaque:
		c.kind = kindCustom
	default:
		return fail("no format here has such values; choose others by their names (Fields)")
	}
	if c.kind == kindArray {
		var err error
		if c.header, err = npyHeader(c.spec); err != nil {
			return fail(err.Error())
		}
	}
	return c, nil
}

// npyHeader is what stands before an array's elements in a .npy file.
func npyHeader(spec array.Spec) ([]byte, error) {
	n, err := spec.Bytes()
	if err != nil {
		return nil, err
	}
	a, err := array.New(spec, make([]byte, n))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := npy.Write(&b, a); err != nil {
		return nil, err
	}
	return slices.Clone(b.Bytes()[:b.Len()-n]), nil
}

// findLabel finds the field of labels.
func (p *plan) findLabel(name string) error {
	only, ints := -1, 0
	for k := range p.columns {
		c := &p.columns[k]
		if name != "" && c.name == name && c.kind != kindInt {
			return fmt.Errorf("%s: field %q is not an int field, which labels are", p.ds.Name(), name)
		}
		if c.kind != kindInt {
			continue
		}
		if name != "" && c.name == name || name == "" && c.name == "label" {
			p.label = k
			return nil
		}
		only = k
		ints++
	}
	if name != "" {
		return fmt.Errorf("%s: no field %q, which should have the labels; it has %s", p.ds.Name(), name, p.names())
	}
	if ints == 1 {
		p.label = only
	}
	return nil
}

// names lists the fields.
func (p *plan) names() string {
	var list []string
	for _, c := range p.columns {
		list = append(list, fmt.Sprintf("%q", c.name))
	}
	return strings.Join(list, ", ")
}

// checkExt checks extensions that were asked for.
func (p *plan) checkExt(ext map[string]string) error {
	for field, e := range ext {
		k := slices.IndexFunc(p.columns, func(c column) bool { return c.name == field })
		switch {
		case k < 0:
			return fmt.Errorf("%s: no field %q to give the extension %q; it has %s", p.ds.Name(), field, e, p.names())
		case p.columns[k].kind != kindBytes && p.columns[k].kind != kindCustom:
			return fmt.Errorf("%s: extension %q of field %q: only those of bytes fields can be chosen", p.ds.Name(), e, field)
		case e == "" || e != component(e) || strings.ToLower(e) != e || strings.ContainsAny(e, ". "):
			return fmt.Errorf("%s: extension %q of field %q; expected letters and digits such as \"txt\"", p.ds.Name(), e, field)
		}
	}
	return nil
}

// findKey finds where names of samples come from.
func (p *plan) findKey(whole Dataset) error {
	switch p.keyFrom {
	case "", KeyPath, KeyIndex:
		return nil
	}
	find := func(list []column) int {
		return slices.IndexFunc(list, func(c column) bool { return c.name == p.keyFrom })
	}
	if p.keyField = find(p.columns); p.keyField < 0 {
		for _, f := range whole.Fields() {
			if f.Name == p.keyFrom {
				return fmt.Errorf("%s: names from the field %q, which is not among those to export (%s)", p.ds.Name(), p.keyFrom, p.names())
			}
		}
		return fmt.Errorf("%s: names from %q; expected %q, %q, or one of the fields %s", p.ds.Name(), p.keyFrom, KeyPath, KeyIndex, p.names())
	}
	switch c := &p.columns[p.keyField]; c.kind {
	case kindInt, kindBytes, kindJSON:
		return nil
	default:
		return fmt.Errorf("%s: names from the field %q; expected one of ints, bytes or JSON strings", p.ds.Name(), c.name)
	}
}

// labelIn reads the label of a row.
func (p *plan) labelIn(row []byte) (int64, error) {
	c := &p.columns[p.label]
	if c.offset+c.size > len(row) {
		return 0, fmt.Errorf("%s: metadata rows of %d bytes; field %q ends at %d", p.ds.Name(), len(row), c.name, c.offset+c.size)
	}
	v, err := c.stored.Decode(row[c.offset:c.offset+c.size], nil)
	if err != nil {
		return 0, err
	}
	return v.(int64), nil
}

// labelOf reads the label of a sample.
func (p *plan) labelOf(i int) (int64, error) {
	row, err := p.ds.Rows(i, 1, nil)
	if err != nil {
		return 0, err
	}
	return p.labelIn(row)
}

// labelRange reads all labels, for the least and the largest one. There must be
// samples.
func (p *plan) labelRange() (lo, hi int64, err error) {
	const run = 4096
	var buf []byte
	for first, n := 0, p.ds.Len(); first < n; first += run {
		count := min(run, n-first)
		rows, err := p.ds.Rows(first, count, buf)
		if err != nil {
			return 0, 0, err
		}
		size := len(rows) / count
		if buf == nil {
			buf = make([]byte, 0, run*size) // not the rows, which may be the dataset's own
		}
		for i := range count {
			label, err := p.labelIn(rows[i*size : (i+1)*size])
			if err != nil {
				return 0, 0, err
			}
			if first+i == 0 {
				lo, hi = label, label
			}
			lo, hi = min(lo, label), max(hi, label)
		}
	}
	return lo, hi, nil
}
