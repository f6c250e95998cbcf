package loader

import (
	"fmt"

	"github.com/betongo/betongo/fields"
)

// Sample is one sample as stored, for Options.Filter. It is valid during the
// call only.
type Sample struct {
	plan    *plan
	index   int
	regions []fields.Region
}

// Index returns the sample's number in the dataset.
func (s *Sample) Index() int { return s.index }

// Value returns the value of a field as the field decodes it: int64, float64,
// []byte, json.RawMessage, array.Array, rgb.Encoded, or a custom field's own.
// It may borrow the dataset's bytes and is read-only.
func (s *Sample) Value(field string) (any, error) {
	p := s.plan
	i := p.fieldIndex(field)
	if i < 0 {
		return nil, fmt.Errorf("no field %q, there are %s", field, p.fieldNames())
	}
	f := &p.fields[i]
	row, err := p.ds.Rows(s.index, 1, nil)
	if err != nil {
		return nil, err
	}
	meta := row[f.Offset : f.Offset+f.Size]
	s.regions, err = f.Field.Regions(s.regions[:0], meta)
	if err != nil {
		return nil, fmt.Errorf("field %q: %w", field, err)
	}
	data := make([][]byte, len(s.regions))
	for k, r := range s.regions {
		if r.Size < 0 {
			if r.Size, err = p.ds.RegionSize(s.index, i, r.Ptr); err != nil {
				return nil, err
			}
		}
		if data[k], err = p.ds.Bytes(s.index, r.Ptr, r.Size, nil); err != nil {
			return nil, err
		}
	}
	v, err := f.Field.Decode(meta, data)
	if err != nil {
		return nil, fmt.Errorf("field %q: %w", field, err)
	}
	return v, nil
}

// Int returns the value of an Int field.
func (s *Sample) Int(field string) (int64, error) { return value[int64](s, field) }

// Float returns the value of a Float field.
func (s *Sample) Float(field string) (float64, error) { return value[float64](s, field) }

func value[T any](s *Sample, field string) (T, error) {
	var zero T
	v, err := s.Value(field)
	if err != nil {
		return zero, err
	}
	t, ok := v.(T)
	if !ok {
		return zero, fmt.Errorf("field %q holds a %T, not a %T", field, v, zero)
	}
	return t, nil
}
