package zarr

import (
	"fmt"
	"strconv"

	"github.com/betongo/betongo/internal/pyjson"
)

// parseJSON reads a document. Of a key that is there twice the last counts.
// Numbers without point and exponent are int64, or uint64 where only that holds
// them; all others float64.
func parseJSON(text []byte) (any, error) {
	return pyjson.Parse(text, &pyjson.Options{Twice: true, Number: func(word string) any {
		if pyjson.IsInteger(word) {
			if n, err := strconv.ParseInt(word, 10, 64); err == nil {
				return n
			}
			if n, err := strconv.ParseUint(word, 10, 64); err == nil {
				return n
			}
		}
		f, _ := strconv.ParseFloat(word, 64) // what is too large is infinite, as in Python
		return f
	}})
}

// formatJSON writes a document as the original does.
func formatJSON(v any) ([]byte, error) {
	b, err := pyjson.Append(nil, v, 2)
	if err != nil {
		return nil, fmt.Errorf("zarr: %w", err)
	}
	return b, nil
}
