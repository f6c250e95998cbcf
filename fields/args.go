package fields

import (
	"bytes"
	"fmt"
)

// PackArgs returns m as a descriptor's arguments: its JSON text (AppendJSON),
// zero-filled to 1,024 bytes. It is an error when the text is longer.
func PackArgs(m map[string]any) (Args, error) {
	if m == nil {
		m = map[string]any{}
	}
	text, err := AppendJSON(nil, m)
	if err != nil {
		return Args{}, fmt.Errorf("field arguments: %w", err)
	}
	if len(text) > ArgsSize {
		return Args{}, fmt.Errorf("field arguments: %d bytes of JSON, at most %d fit", len(text), ArgsSize)
	}
	var a Args
	copy(a[:], text)
	return a, nil
}

// UnpackArgs returns what PackArgs packed; numbers come as JSONText.Value
// gives them. Arguments of zeros only are an empty map. What isn't a JSON
// object with zeros behind it is an error: not every field's arguments are.
func UnpackArgs(a *Args) (map[string]any, error) {
	text := a[:]
	if end := bytes.IndexByte(text, 0); end >= 0 {
		for i, b := range text[end:] {
			if b != 0 {
				return nil, fmt.Errorf("field arguments: byte %d is 0x%02x, want zeros behind the text's end at %d", end+i, b, end)
			}
		}
		text = text[:end]
	}
	if len(text) == 0 {
		return map[string]any{}, nil
	}
	v, err := JSONText(text).Value()
	if err != nil {
		return nil, fmt.Errorf("field arguments: %w", err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("field arguments: JSON of a %T, want an object", v)
	}
	return m, nil
}
