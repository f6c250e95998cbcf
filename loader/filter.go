package loader

// Sample is one sample as stored, for Options.Filter. It is valid during the
// call only.
type Sample struct{}

// Index returns the sample's number in the dataset.
func (s *Sample) Index() int { return 0 }

// Value returns the value of a field as the field decodes it: int64, float64,
// []byte, json.RawMessage, array.Array, rgb.Encoded, or a custom field's own.
// It borrows the dataset's bytes.
func (s *Sample) Value(field string) (any, error) { return nil, nil }

// Int returns the value of an Int field.
func (s *Sample) Int(field string) (int64, error) { return 0, nil }

// Float returns the value of a Float field.
func (s *Sample) Float(field string) (float64, error) { return 0, nil }
