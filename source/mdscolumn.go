package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/record/mds"
)

// each1 is each where every call takes a while: one at a time to each of several.
func each1(ctx context.Context, n int, look func(i int) error) error {
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(listers, n) {
		g.Go(func() error { // ends when all are taken, or with ctx
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := look(int(i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// fetch returns what writes the raw shard of a file that is fetched whole.
func (s *mdsShard) fetch(file *mds.File) func(ctx context.Context, to io.Writer) error {
	return func(ctx context.Context, to io.Writer) error {
		name, hash := file.NewHash()
		var r io.Reader = &ctxReader{ctx, io.NewSectionReader(scanBlob(ctx, s.blob), 0, s.blob.Size())}
		if hash != nil {
			r = io.TeeReader(r, hash)
		}
		r = bufio.NewReaderSize(r, 256<<10)
		var err error
		if file == s.Zip {
			if err = s.Unpack(to, r); err == nil {
				_, err = io.Copy(io.Discard, r) // what the unpacking didn't need, for the hash
			}
		} else {
			_, err = io.Copy(to, r)
		}
		if err == nil && hash != nil {
			err = file.CheckHash(name, hash)
		}
		return err
	}
}

// mdsColumn is a field whose values are a column's.
type mdsColumn struct {
	Spec
	at       int // among the shard's columns
	encoding mds.Encoding
	spec     array.Spec // of an array's field
	labels   labels     // of the field of labels
	read     func(c *mdsColumn, v any) (any, error)
}

// choose finds the specs' columns, or makes fields of all.
func (m *MDS) choose(specs []Spec) error {
	if len(m.shards) == 0 {
		if len(specs) == 0 {
			return errors.New("no shards, which would tell the fields; choose fields (--field)")
		}
		for _, s := range specs {
			m.columns = append(m.columns, mdsColumn{Spec: s})
		}
		return nil
	}
	s := m.shards[0].Shard
	for _, name := range []string{"filename", "key", "__key__"} {
		at := slices.IndexFunc(s.Columns, func(c mds.Column) bool { return c.Name == name })
		if at >= 0 && s.Encodings[at].Kind == mds.KindText {
			m.key = at
		}
	}
	if len(specs) == 0 {
		specs = m.specs(s)
	}
	for _, spec := range specs {
		c := mdsColumn{Spec: spec}
		if c.Column == "" {
			c.Column = c.Name
		}
		fail := func(err error) error { return &SpecError{fmt.Errorf("field %q of MDS: %w", c.Name, err)} }
		switch {
		case c.Name == "":
			return fail(errors.New("no name"))
		case spec.File != "":
			return fail(errors.New("file= is for arrays; here there is column="))
		case spec.Inline != InlineDefault:
			return fail(errors.New("inline= is for tables"))
		}
		c.at = slices.IndexFunc(s.Columns, func(x mds.Column) bool { return x.Name == c.Column })
		if c.at < 0 {
			return fail(fmt.Errorf("no column %q; the dataset has %s", c.Column, columnNames(s)))
		}
		c.encoding = s.Encodings[c.at]
		if err := c.choose(); err != nil {
			return fail(err)
		}
		m.columns = append(m.columns, c)
	}
	return nil
}

func columnNames(s *mds.Shard) string {
	var list []string
	for _, c := range s.Columns {
		list = append(list, c.Name+" ("+c.Encoding+")")
	}
	return shorten(list)
}

// specs makes fields of all columns but that of keys. A PNG beside another image is
// kept to the bit (a mask), which settle does; images are first.
func (m *MDS) specs(s *mds.Shard) (list []Spec) {
	images := 0
	for at, c := range s.Columns {
		if at == m.key {
			continue
		}
		spec := Spec{Field: Field{Name: c.Name}, Column: c.Name}
		switch e := s.Encodings[at]; e.Kind {
		case mds.KindImage, mds.KindPixels:
			spec.Field.Field = fields.RGBImage{Mode: fields.ModeJPEG}
			list = slices.Insert(list, images, spec)
			images++
			continue
		case mds.KindNumber, mds.KindDigits:
			spec.Field.Field = fields.Int{}
			if e.String() == "str_float" || e.DType.Kind() == 'f' {
				spec.Field.Field = fields.Float{}
			}
			if e.String() == "str_decimal" {
				spec.Field.Field = fields.Bytes{}
			}
		case mds.KindJSON:
			spec.Field.Field = fields.JSON{}
		case mds.KindArray:
			spec.Field.Field = fields.NDArray{}
		default:
			spec.Field.Field = fields.Bytes{}
		}
		list = append(list, spec)
	}
	return list
}

// choose finds how the column's values become the field's.
func (c *mdsColumn) choose() error {
	if c.encoding.Kind == mds.KindPickled {
		return fmt.Errorf("column %q, encoding pkl: %w; --field takes the other columns", c.Column, mds.ErrPickled)
	}
	kind := c.encoding.Kind
	is := func(kinds ...mds.Kind) bool { return slices.Contains(kinds, kind) }
	ok := true
	switch f := plainField(c.Field.Field).(type) {
	case nil:
		return errors.New("no type")
	case fields.Int:
		c.read, ok = (*mdsColumn).whole, is(mds.KindNumber, mds.KindDigits, mds.KindText)
	case fields.Float:
		c.read, ok = (*mdsColumn).float, is(mds.KindNumber, mds.KindDigits)
	case fields.JSON:
		c.read, ok = (*mdsColumn).text, is(mds.KindJSON, mds.KindText)
	case fields.Bytes:
		c.read = nil // as it is stored
	case fields.RGBImage:
		c.read, ok = (*mdsColumn).image, is(mds.KindImage, mds.KindBytes, mds.KindPixels)
	case fields.Image:
		c.read, ok = (*mdsColumn).raster, is(mds.KindImage, mds.KindBytes, mds.KindPixels)
	case fields.NDArray:
		c.spec, ok = array.Spec{DType: f.DType, Shape: f.Shape}, is(mds.KindArray, mds.KindBytes)
		c.read = (*mdsColumn).array
	case fields.TorchTensor:
		c.spec, ok = array.Spec{DType: f.DType, Shape: f.Shape}, is(mds.KindArray, mds.KindBytes)
		c.read = (*mdsColumn).array
	default:
		return fmt.Errorf("values of %T cannot be read from MDS", f)
	}
	if !ok {
		return fmt.Errorf("column %q has the encoding %s, which makes no %T", c.Column, c.encoding, plainField(c.Field.Field))
	}
	return nil
}

// settle takes from the first sample what neither specs nor encodings tell.
func (m *MDS) settle(ctx context.Context) error {
	images := 0
	for _, c := range m.columns {
		if _, ok := plainField(c.Field.Field).(fields.RGBImage); ok {
			images++
		}
	}
	for k := range m.columns {
		c := &m.columns[k]
		if c.spec.DType == (array.DType{}) {
			c.spec.DType = c.encoding.DType
		}
		if c.spec.Shape == nil {
			c.spec.Shape = c.encoding.Shape
		}
		_, rgb := c.Field.Field.(fields.RGBImage)
		mask := rgb && images > 1 && c.encoding.String() == "png"
		isArray := false
		switch plainField(c.Field.Field).(type) {
		case fields.NDArray, fields.TorchTensor:
			isArray = true
		}
		if !mask && !isArray {
			continue
		}
		if mask || !c.spec.DType.Valid() || c.spec.Shape == nil {
			if err := m.ask(ctx, c); err != nil {
				return err
			}
		}
		if isArray {
			c.arrayField()
		}
	}
	return nil
}

// arrayField puts the spec into the field.
func (c *mdsColumn) arrayField() {
	var f fields.Field = fields.NDArray{DType: c.spec.DType, Shape: c.spec.Shape}
	if _, torch := plainField(c.Field.Field).(fields.TorchTensor); torch {
		f = fields.TorchTensor{DType: c.spec.DType, Shape: c.spec.Shape}
	}
	if packed, ok := c.Field.Field.(fields.LZ4); ok {
		packed.Of = f
		f = packed
	}
	c.Field.Field = f
}

// ask looks at the first sample for an array's spec, or how a PNG is kept to the bit.
func (m *MDS) ask(ctx context.Context, c *mdsColumn) error {
	if m.Len() == 0 {
		return &SpecError{fmt.Errorf("field %q: no dtype or no shape, and no sample to take them from", c.Name)}
	}
	s, n, err := m.locate(0)
	if err != nil {
		return err
	}
	b, err := m.sample(ctx, s, n)
	var cells [][]byte
	if err == nil {
		cells, err = s.Values(nil, b)
	}
	if err == nil && c.encoding.Kind == mds.KindImage {
		if raster, ok := rasterOf(cells[c.at]); ok {
			c.Field.Field, c.read = raster, (*mdsColumn).raster
		}
		return nil
	}
	var a array.Array
	if err == nil {
		a, err = c.parse(cells[c.at])
	}
	if err != nil {
		return fmt.Errorf("%s: sample %d: column %q: %w", shown(s.name), n, c.Column, err)
	}
	if !c.spec.DType.Valid() {
		c.spec.DType = a.DType
	}
	if c.spec.Shape == nil {
		c.spec.Shape = a.Shape
	}
	return nil
}

// value returns the field's value of what the column holds.
func (c *mdsColumn) value(b []byte) (any, error) {
	if c.read == nil {
		return b, nil
	}
	if c.encoding.Kind == mds.KindBytes || c.encoding.Kind == mds.KindImage || c.encoding.Kind == mds.KindArray {
		return c.read(c, b)
	}
	v, err := c.encoding.Decode(b)
	if err != nil {
		return nil, err
	}
	return c.read(c, v)
}

func (c *mdsColumn) whole(v any) (any, error) {
	switch v := v.(type) {
	case int64:
		return v, c.labels.check(v)
	case uint64:
		return nil, fmt.Errorf("%d is larger than an int field holds (%d)", v, math.MaxInt64)
	case float64:
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return nil, fmt.Errorf("%v is no whole number", v)
		}
		return int64(v), c.labels.check(int64(v))
	}
	if c.encoding.Kind == mds.KindText {
		return c.labels.named(v.(string))
	}
	return c.labels.parse(v.(string)) // digits
}

func (c *mdsColumn) float(v any) (any, error) {
	switch v := v.(type) {
	case int64:
		return float64(v), nil
	case uint64:
		return float64(v), nil
	case string:
		return parseFloat(v)
	}
	return v, nil
}

// text is JSON, of text the text itself.
func (c *mdsColumn) text(v any) (any, error) {
	if s, ok := v.(string); ok {
		return fields.JSONText(s), nil
	}
	return v, nil
}

// parse reads an array: one of MDS, or of bytes a .npy file.
func (c *mdsColumn) parse(b []byte) (array.Array, error) {
	if c.encoding.Kind == mds.KindBytes {
		return npy.Parse(b)
	}
	v, err := c.encoding.Decode(b)
	if err != nil {
		return array.Array{}, err
	}
	return v.(array.Array), nil
}

func (c *mdsColumn) array(v any) (any, error) {
	a, err := c.parse(v.([]byte))
	if err == nil && !a.Spec.Equal(c.spec) {
		err = fmt.Errorf("array %v; the field holds %v", a.Spec, c.spec)
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// image is an image file's bytes, or pixels as RGB.
func (c *mdsColumn) image(v any) (any, error) {
	p, ok := v.(mds.Picture)
	if !ok {
		return v, nil
	}
	rgb := make([]byte, 0, 3*p.Width*p.Height)
	switch p.Mode {
	case "RGB":
		rgb = p.Pixels
	case "L":
		for _, g := range p.Pixels {
			rgb = append(rgb, g, g, g)
		}
	case "LA":
		for i := 0; i < len(p.Pixels); i += 2 {
			rgb = append(rgb, p.Pixels[i], p.Pixels[i], p.Pixels[i])
		}
	case "RGBA", "RGBX":
		for i := 0; i < len(p.Pixels); i += 4 {
			rgb = append(rgb, p.Pixels[i:i+3]...)
		}
	default:
		return nil, fmt.Errorf("pixels of mode %s; expected RGB, RGBA, RGBX, L or LA", p.Mode)
	}
	return array.New(array.Spec{DType: array.Uint8, Shape: []int{p.Height, p.Width, 3}}, rgb)
}

// raster is an image file's bytes, or pixels as they are.
func (c *mdsColumn) raster(v any) (any, error) {
	p, ok := v.(mds.Picture)
	if !ok {
		return v, nil
	}
	spec := array.Spec{DType: array.Uint8, Shape: []int{p.Height, p.Width, 0}}
	switch p.Mode {
	case "L", "P":
		spec.Shape[2] = 1
	case "LA":
		spec.Shape[2] = 2
	case "RGB":
		spec.Shape[2] = 3
	case "RGBA":
		spec.Shape[2] = 4
	case "I;16":
		spec.DType, spec.Shape[2] = array.Uint16, 1
	default:
		return nil, fmt.Errorf("pixels of mode %s; expected L, LA, P, RGB, RGBA or I;16", p.Mode)
	}
	return array.New(spec, p.Pixels)
}
