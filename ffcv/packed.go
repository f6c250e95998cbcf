package ffcv

import "github.com/betongo/betongo/fields"

// Plain returns the type and the field of the values: where the field keeps those
// of another in fewer bytes (fields.Packed) that one's, else its own.
func (d *Field) Plain() (fields.TypeID, fields.Field) {
	if p, ok := d.Field.(fields.Packed); ok {
		of := p.Plain()
		return of.TypeID(), of
	}
	return d.Type, d.Field
}
