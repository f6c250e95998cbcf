package source

import (
	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
)

// plainField returns the field whose values a packed one takes, or f itself.
func plainField(f fields.Field) fields.Field {
	if p, ok := f.(fields.Packed); ok {
		return p.Plain()
	}
	return f
}

// choose settles the field for rows of that spec, or says why they don't fit.
func (c *arrayColumn) choose(row array.Spec) error {
	packed, ok := c.Field.Field.(fields.LZ4)
	if !ok {
		return c.choosePlain(row)
	}
	c.Field.Field = packed.Of
	err := c.choosePlain(row)
	packed.Of = c.Field.Field
	c.Field.Field = packed
	return err
}
