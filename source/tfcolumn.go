package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/record/tfrecord"
)

// tfColumn is a field whose values are a feature's.
type tfColumn struct {
	Spec
	spec   array.Spec // of an array's field
	text   bool       // of JSON: the one value of bytes is the text
	labels labels     // of the field of labels
	read   func(c *tfColumn, f *tfrecord.Feature) (any, error)
}

// firstRecords is how many records are looked at to find out what the features are.
const firstRecords = 16

// errEnough ends a scan.
var errEnough = errors.New("enough")

// firsts reads the first records of the first file that has some, of which all
// features are kept as copies.
func (t *TFRecord) firsts(ctx context.Context, st Store) (list []*tfrecord.Example, err error) {
	for i := range t.shards {
		s := &t.shards[i]
		if err := s.open(ctx, st); err != nil {
			return nil, fmt.Errorf("%s: %w", shown(s.name), err)
		}
		err := s.scan(ctx, func(r io.ReaderAt, off, n int64) error {
			bad := func(err error) error {
				return fmt.Errorf("record %d at byte %d: %w", len(list), off, err)
			}
			b, err := readGrowing(r, off+tfrecord.HeaderSize, n+tfrecord.FooterSize)
			if err != nil {
				return bad(err)
			}
			if err := tfrecord.Check(b); err != nil {
				return bad(err)
			}
			e, err := tfrecord.Parse(b[:n], nil)
			if err != nil {
				return bad(err)
			}
			if list = append(list, e); len(list) == firstRecords {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return nil, fmt.Errorf("%s: %w", shown(s.name), err)
		}
		if len(list) > 0 {
			return list, nil
		}
	}
	return nil, nil
}

// readGrowing reads n bytes by parts, since a stream may have fewer than it tells.
func readGrowing(r io.ReaderAt, off, n int64) ([]byte, error) {
	var b []byte
	for have := int64(0); have < n; have = int64(len(b)) {
		b = slices.Grow(b, int(min(n-have, max(have, 1<<20))))
		part := b[have:min(n, int64(cap(b)))]
		if k, err := r.ReadAt(part, off+have); k < len(part) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		b = b[:have+int64(len(part))]
	}
	return b, nil
}

// choose finds what the fields are, and how a feature's values become theirs.
func (t *TFRecord) choose(ctx context.Context, specs []Spec, st Store) error {
	first, err := t.firsts(ctx, st)
	if err != nil {
		return err
	}
	for _, name := range []string{"image/filename", "filename", "__key__", "key"} {
		if len(first) > 0 && t.key == "" {
			if f := first[0].Feature(name); f != nil && f.Kind == tfrecord.Bytes && len(f.Bytes) == 1 {
				t.key = name
			}
		}
	}
	if len(specs) == 0 {
		if specs, err = t.chosen(first); err != nil {
			return err
		}
	}
	t.want = map[string]bool{t.key: true}
	for _, s := range specs {
		c := tfColumn{Spec: s}
		if c.Column == "" {
			c.Column = c.Name
		}
		if err := c.choose(first); err != nil {
			return &SpecError{fmt.Errorf("field %q of TFRecord: %w", c.Name, err)}
		}
		t.columns = append(t.columns, c)
		t.want[c.Column] = true
	}
	return nil
}

// chosen makes fields of the features of the first records.
func (t *TFRecord) chosen(first []*tfrecord.Example) (specs []Spec, err error) {
	if len(first) == 0 {
		return nil, errors.New("no records, which would tell the fields; choose fields (--field)")
	}
	t.known = map[string]bool{}
	lists := map[string]bool{}
	for _, e := range first {
		for _, n := range e.Features {
			t.known[n.Name] = true
		}
		for _, n := range e.Lists {
			t.known[n.Name], lists[n.Name] = true, true
		}
	}
	names := map[string]string{}
	for _, feature := range slices.Sorted(maps.Keys(t.known)) {
		if feature == t.key {
			continue
		}
		s := Spec{Field: Field{Name: tfName(feature)}, Column: feature}
		if other, ok := names[s.Name]; ok {
			return nil, fmt.Errorf("features %q and %q would both be field %q: choose fields (--field)", other, feature, s.Name)
		}
		names[s.Name] = feature
		if lists[feature] {
			s.Field.Field = fields.JSON{}
		} else if s.Field.Field, err = tfField(feature, first); err != nil {
			return nil, err
		}
		at := len(specs)
		switch s.Name { // images and labels first, as people expect them
		case "image":
			at = 0
		case "label":
			at = min(at, slices.IndexFunc(specs, func(s Spec) bool { return s.Name == "image" })+1)
		}
		specs = slices.Insert(specs, at, s)
	}
	return specs, nil
}

// maxFieldName is how many bytes a field's name has at most.
const maxFieldName = 16

// tfName is the name of a feature's field.
func tfName(feature string) string {
	switch {
	case feature == "image/encoded":
		return "image"
	case feature == "image/class/label":
		return "label"
	case len(feature) > maxFieldName:
		return feature[strings.LastIndexByte(feature, '/')+1:]
	}
	return feature
}

// tfField returns the field of a feature, by its values in the first records.
func tfField(feature string, first []*tfrecord.Example) (fields.Field, error) {
	kind, length, same, image := tfrecord.None, -1, true, true
	for _, e := range first {
		f := e.Feature(feature)
		if f == nil {
			f = &tfrecord.Feature{}
		}
		if f.Kind != tfrecord.None && kind != tfrecord.None && f.Kind != kind {
			return nil, fmt.Errorf("feature %q is a list of %v in one record and of %v in another: choose fields (--field)", feature, kind, f.Kind)
		}
		kind = max(kind, f.Kind)
		same = same && (length < 0 || f.Len() == length)
		length = f.Len()
		image = image && len(f.Bytes) == 1 && pictured(f.Bytes[0])
	}
	switch {
	case !same || length == 0 || length > 1 && kind == tfrecord.Bytes:
		return fields.JSON{}, nil
	case kind == tfrecord.Bytes && image:
		return fields.RGBImage{Mode: fields.ModeJPEG}, nil
	case kind == tfrecord.Bytes:
		return fields.Bytes{}, nil
	case length > 1:
		return fields.NDArray{}, nil
	case kind == tfrecord.Ints:
		return fields.Int{}, nil
	}
	return fields.Float{}, nil
}

// pictured says whether bytes begin as a JPEG or PNG does.
func pictured(b []byte) bool {
	return bytes.HasPrefix(b, []byte("\xff\xd8\xff")) || bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n"))
}

// choose finds how the feature's values become the field's.
func (c *tfColumn) choose(first []*tfrecord.Example) error {
	switch {
	case c.File != "":
		return errors.New("file= is for arrays; here there is column=, with the feature's name")
	case c.Inline != InlineDefault:
		return errors.New("inline= is for tables")
	}
	switch f := plainField(c.Field.Field).(type) {
	case nil:
		return errors.New("no type")
	case fields.RGBImage, fields.Image, fields.Bytes:
		c.read = (*tfColumn).bytes
	case fields.Int:
		c.read = (*tfColumn).whole
	case fields.Float:
		c.read = (*tfColumn).float
	case fields.JSON:
		c.text = len(first) > 0
		for _, e := range first {
			f := e.Feature(c.Column)
			c.text = c.text && f != nil && len(f.Bytes) == 1 && json.Valid(f.Bytes[0])
		}
		c.read = (*tfColumn).document
	case fields.NDArray:
		return c.array(array.Spec{DType: f.DType, Shape: f.Shape}, first, func(s array.Spec) fields.Field { return fields.NDArray{DType: s.DType, Shape: s.Shape} })
	case fields.TorchTensor:
		return c.array(array.Spec{DType: f.DType, Shape: f.Shape}, first, func(s array.Spec) fields.Field { return fields.TorchTensor{DType: s.DType, Shape: s.Shape} })
	default:
		return fmt.Errorf("values of %T cannot be read from TFRecord", f)
	}
	return nil
}

// array chooses an array field, of which the first record tells what the spec leaves
// open.
func (c *tfColumn) array(want array.Spec, first []*tfrecord.Example, field func(array.Spec) fields.Field) error {
	if !want.DType.Valid() || want.Shape == nil {
		var f *tfrecord.Feature
		if len(first) > 0 {
			f = first[0].Feature(c.Column)
		}
		if f == nil {
			return fmt.Errorf("no dtype or no shape, and no feature %q in the first record to take them from", c.Column)
		}
		if !want.DType.Valid() {
			switch f.Kind {
			case tfrecord.Ints:
				want.DType = array.Int64
			case tfrecord.Floats:
				want.DType = array.Float32
			default:
				return fmt.Errorf("no dtype, and feature %q is a list of %v", c.Column, f.Kind)
			}
		}
		if want.Shape == nil {
			want.Shape = []int{f.Len()}
		}
	}
	if _, err := want.Bytes(); err != nil {
		return err
	}
	c.spec, c.read = want, (*tfColumn).numbers
	plain := field(want)
	if packed, ok := c.Field.Field.(fields.LZ4); ok {
		packed.Of = plain
		plain = packed
	}
	c.Field.Field = plain
	return nil
}

// value returns the field's value in a record.
func (c *tfColumn) value(e *tfrecord.Example) (any, error) {
	f := e.Feature(c.Column)
	if f == nil {
		if l := e.List(c.Column); l != nil {
			return c.documents(l)
		}
		if _, ok := plainField(c.Field.Field).(fields.JSON); ok && !c.text {
			return json.RawMessage("[]"), nil // lists without elements are often left out
		}
		return nil, errors.New("the record does not have it")
	}
	return c.read(c, f)
}

// one checks that a feature is a list of one value of a kind.
func one(f *tfrecord.Feature, kind tfrecord.Kind) error {
	switch {
	case f.Len() == 0:
		return errors.New("a list without values, expected one")
	case f.Kind != kind:
		return fmt.Errorf("a list of %v, expected of %v", f.Kind, kind)
	case f.Len() != 1:
		return fmt.Errorf("a list of %d values, expected one", f.Len())
	}
	return nil
}

func (c *tfColumn) bytes(f *tfrecord.Feature) (any, error) {
	if err := one(f, tfrecord.Bytes); err != nil {
		return nil, err
	}
	return f.Bytes[0], nil
}

func (c *tfColumn) whole(f *tfrecord.Feature) (any, error) {
	if f.Kind == tfrecord.Bytes && c.labels != nil {
		if err := one(f, tfrecord.Bytes); err != nil {
			return nil, err
		}
		return c.labels.named(string(f.Bytes[0]))
	}
	if err := one(f, tfrecord.Ints); err != nil {
		return nil, err
	}
	return f.Ints[0], c.labels.check(f.Ints[0])
}

func (c *tfColumn) float(f *tfrecord.Feature) (any, error) {
	if f.Kind == tfrecord.Ints && len(f.Ints) == 1 {
		return wholeAsFloat(f.Ints[0])
	}
	if err := one(f, tfrecord.Floats); err != nil {
		return nil, err
	}
	return float64(f.Floats[0]), nil
}

// wholeAsFloat returns the float that is just that number.
func wholeAsFloat(n int64) (any, error) {
	f := float64(n)
	if f >= 1<<63 || int64(f) != n {
		return nil, fmt.Errorf("the number %d, which a float doesn't hold", n)
	}
	return f, nil
}

// numbers returns an array: of numbers or, as tf.io.decode_raw reads them, of their
// bytes.
func (c *tfColumn) numbers(f *tfrecord.Feature) (any, error) {
	size, err := c.spec.Bytes()
	if err != nil {
		return nil, err
	}
	if f.Kind == tfrecord.Bytes {
		if err := one(f, tfrecord.Bytes); err != nil {
			return nil, err
		}
		if len(f.Bytes[0]) != size {
			return nil, fmt.Errorf("%d bytes, an array %v has %d", len(f.Bytes[0]), c.spec, size)
		}
		return array.Array{Spec: c.spec, Data: f.Bytes[0]}, nil
	}
	item := c.spec.DType.ItemSize()
	if n := f.Len(); item == 0 || n != size/item {
		return nil, fmt.Errorf("a list of %d values, the field holds arrays %v", n, c.spec)
	}
	data := make([]byte, size)
	for i, v := range f.Ints {
		if err := putWhole(c.spec.DType, data[i*item:(i+1)*item], v); err != nil {
			return nil, err
		}
	}
	for i, v := range f.Floats {
		switch at := data[i*item:]; {
		case c.spec.DType.Kind() == 'f' && item == 4:
			putBits(c.spec.DType, at[:4], uint64(math.Float32bits(v)))
		case c.spec.DType.Kind() == 'f' && item == 8:
			putBits(c.spec.DType, at[:8], math.Float64bits(float64(v)))
		default:
			return nil, fmt.Errorf("floats, the field holds %v", c.spec.DType)
		}
	}
	return array.Array{Spec: c.spec, Data: data}, nil
}

// putWhole stores a number as an element of a whole type that has it.
func putWhole(t array.DType, b []byte, v int64) error {
	bits := 8 * t.ItemSize()
	ok := false
	switch t.Kind() {
	case 'i':
		ok = v>>(bits-1) == 0 || v>>(bits-1) == -1
	case 'u':
		ok = v >= 0 && (bits == 64 || v>>bits == 0)
	case 'b':
		ok = v == 0 || v == 1
	default:
		return fmt.Errorf("whole numbers, the field holds %v", t)
	}
	if !ok {
		return notWhole(strconv.FormatInt(v, 10), t)
	}
	putBits(t, b, uint64(v))
	return nil
}

// document returns a feature as JSON.
func (c *tfColumn) document(f *tfrecord.Feature) (any, error) {
	if c.text {
		if err := one(f, tfrecord.Bytes); err != nil {
			return nil, err
		}
		if err := fields.JSONText(f.Bytes[0]).Check(); err != nil {
			return nil, err
		}
		return json.RawMessage(f.Bytes[0]), nil
	}
	b, err := appendFeature(nil, f)
	return json.RawMessage(b), err
}

// documents returns a feature list as JSON.
func (c *tfColumn) documents(l *tfrecord.NamedList) (any, error) {
	if _, ok := plainField(c.Field.Field).(fields.JSON); !ok {
		return nil, errors.New("it is a feature list; expected a feature, or a field of JSON")
	}
	b := []byte{'['}
	for i := range l.List {
		if i > 0 {
			b = append(b, ", "...)
		}
		var err error
		if b, err = appendFeature(b, &l.List[i]); err != nil {
			return nil, err
		}
	}
	return json.RawMessage(append(b, ']')), nil
}

// appendFeature appends the list of a feature.
func appendFeature(b []byte, f *tfrecord.Feature) ([]byte, error) {
	b = append(b, '[')
	for i := range f.Len() {
		if i > 0 {
			b = append(b, ", "...)
		}
		switch f.Kind {
		case tfrecord.Ints:
			b = strconv.AppendInt(b, f.Ints[i], 10)
		case tfrecord.Floats:
			b = appendFloat32(b, f.Floats[i])
		default:
			if !utf8.Valid(f.Bytes[i]) {
				return nil, errors.New("bytes that aren't UTF-8 make no JSON: choose another type for the field (--field)")
			}
			text, err := json.Marshal(string(f.Bytes[i]))
			if err != nil {
				return nil, err
			}
			b = append(b, text...)
		}
	}
	return append(b, ']'), nil
}

// appendFloat32 appends a number as Python's json writes it.
func appendFloat32(b []byte, v float32) []byte {
	switch f := float64(v); {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	default:
		return strconv.AppendFloat(b, f, 'g', -1, 32)
	}
}
