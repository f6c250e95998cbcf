package view

import (
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// labelOf returns the field whose numbers are the samples' classes: the int field
// of that name, or the only one; -1 where there is none.
func labelOf(list []ffcv.Field) int {
	only, n := -1, 0
	for k, d := range list {
		if d.Type != fields.TypeInt {
			continue
		}
		if d.Name == "label" {
			return k
		}
		only, n = k, n+1
	}
	if n != 1 {
		return -1
	}
	return only
}
