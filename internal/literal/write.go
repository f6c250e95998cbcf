package literal

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Quote returns a string as Python's repr writes it: in single quotes unless
// it has such and no double ones, with escapes for what can't be printed.
func Quote(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	b := []byte{quote}
	for _, r := range s {
		switch {
		case r == rune(quote) || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == ' ' || unicode.IsPrint(r):
			b = append(b, string(r)...)
		case r < 0x100:
			b = append(b, `\x`...)
			b = appendHex(b, r, 2)
		case r < 0x10000:
			b = append(b, `\u`...)
			b = appendHex(b, r, 4)
		default:
			b = append(b, `\U`...)
			b = appendHex(b, r, 8)
		}
	}
	return string(append(b, quote))
}

func appendHex(b []byte, r rune, digits int) []byte {
	s := strconv.FormatInt(int64(r), 16)
	b = append(b, strings.Repeat("0", digits-len(s))...)
	return append(b, s...)
}

// Text writes a value of Parse back as Python's repr does, a dict in the order
// of its keys.
func Text(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int:
		return strconv.Itoa(v)
	case string:
		return Quote(v)
	case List:
		return "[" + joined(v) + "]"
	case Tuple:
		if len(v) == 1 {
			return "(" + joined(v) + ",)"
		}
		return "(" + joined(v) + ")"
	case map[string]any:
		items := make([]string, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			items = append(items, Quote(key)+": "+Text(v[key]))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return fmt.Sprint(v)
}

// Describe names a value in an error: its Text unless that is long.
func Describe(v any) string {
	if s := Text(v); len(s) <= 60 {
		return s
	}
	switch v.(type) {
	case map[string]any:
		return "a dict"
	case List:
		return "a list"
	case Tuple:
		return "a tuple"
	}
	return "a long string"
}

func joined(vs []any) string {
	var b strings.Builder
	for i, v := range vs {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(Text(v))
	}
	return b.String()
}
