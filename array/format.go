package array

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/betongo/betongo/internal/literal"
)

// Format writes an element by one of Python's % formats.
type Format struct {
	before, after string
	flags         string // of Python and Go alike
	verb          byte   // 0: repr
	width, prec   int    // -1 where not given
}

// ParseFormat reads a Python format with one conversion of d, i, u, x, X, o, e,
// E, f, F, g, G, s or r: "%.3f", "%5d", "x=%s;". "" is "%r".
func ParseFormat(s string) (Format, error) {
	f := Format{width: -1, prec: -1}
	bad := func() (Format, error) {
		return Format{}, fmt.Errorf("format %q: want one of Python's conversions, like %%.3f", s)
	}
	if s == "" {
		return f, nil
	}
	for rest := s; rest != ""; {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			i = len(rest)
		}
		f.after += rest[:i]
		if rest = rest[i:]; rest == "" {
			break
		}
		if strings.HasPrefix(rest, "%%") {
			f.after += "%"
			rest = rest[2:]
			continue
		}
		if f.verb != 0 {
			return bad()
		}
		f.before, f.after = f.after, ""
		rest = rest[1:]
		body := strings.TrimLeft(rest, "-+ #0")
		f.flags = rest[:len(rest)-len(body)]
		var ok1, ok2 bool
		f.width, body, ok1 = cutNumber(body)
		if strings.HasPrefix(body, ".") {
			f.prec, body, ok2 = cutNumber(body[1:])
			f.prec = max(f.prec, 0)
		} else {
			ok2 = true
		}
		if !ok1 || !ok2 || body == "" || !strings.Contains("diuxXoeEfFgGsr", body[:1]) {
			return bad()
		}
		f.verb, rest = body[0], body[1:]
	}
	if f.verb == 0 {
		return bad()
	}
	return f, nil
}

// cutNumber reads digits, at most three, from the front.
func cutNumber(s string) (int, string, bool) {
	rest := strings.TrimLeft(s, "0123456789")
	if rest == s {
		return -1, s, true
	}
	n, err := strconv.Atoi(s[:len(s)-len(rest)])
	return n, rest, err == nil && n < 1000
}

// Append writes one element behind dst.
func (f Format) Append(dst, b []byte, t DType) ([]byte, error) {
	dst = append(dst, f.before...)
	s, err := f.text(b, t)
	if err != nil {
		return nil, err
	}
	return append(append(dst, s...), f.after...), nil
}

func (f Format) text(b []byte, t DType) (string, error) {
	if f.verb == 0 || f.verb == 'r' || f.verb == 's' {
		s := python(b, t, f.verb != 's')
		if s == "" && t.kind != 'S' && t.kind != 'U' {
			return "", &UnsupportedError{DType: t.String(), Why: "it isn't written as text"}
		}
		if f.verb == 0 {
			return s, nil
		}
		return f.print('s', s), nil
	}
	var v float64
	whole := t.kind == 'i' || t.kind == 'u' || t.kind == 'b'
	switch {
	case whole:
		n, _ := intValue(b, t)
		if strings.IndexByte("diuxXo", f.verb) >= 0 {
			if t.kind == 'u' {
				return f.print(f.verb, uint64(n)), nil
			}
			return f.print(f.verb, n), nil
		}
		if v = float64(n); t.kind == 'u' {
			v = float64(uint64(n))
		}
	case t.kind == 'f' && t.size <= 8, bfloat(t):
		v = floatValue(b, t)
	default:
		return "", fmt.Errorf("the format %%%c takes no %v", f.verb, t)
	}
	if strings.IndexByte("eEfFgG", f.verb) >= 0 {
		return f.print(f.verb, v), nil
	}
	if strings.IndexByte("diu", f.verb) < 0 || !(math.Abs(v) < 1<<63) {
		return "", fmt.Errorf("the format %%%c takes no %v, here %v", f.verb, t, v)
	}
	return f.print('d', int64(v)), nil
}

// print is Go's Sprintf where it does as Python, and what differs.
func (f Format) print(verb byte, v any) string {
	flags := f.flags
	switch verb {
	case 'i', 'u':
		verb = 'd'
	case 'F':
		verb = 'f'
	}
	prec := f.prec
	if x, ok := v.(float64); ok {
		if prec < 0 {
			prec = 6
		}
		if math.IsNaN(x) || math.IsInf(x, 0) {
			s := strings.ToLower(strings.TrimPrefix(fmt.Sprint(x), "+"))
			if x == x && x > 0 || x != x {
				switch {
				case strings.Contains(flags, "+"):
					s = "+" + s
				case strings.Contains(flags, " "):
					s = " " + s
				}
			}
			if verb == 'E' || verb == 'G' || f.verb == 'F' {
				s = strings.ToUpper(s)
			}
			v, verb, prec = s, 's', -1
			flags = strings.Map(func(r rune) rune {
				if r == '-' {
					return r
				}
				return -1
			}, flags)
		}
	}
	spec := "%" + flags
	if verb == 's' {
		spec = "%" + strings.Map(func(r rune) rune {
			if r == '-' {
				return r
			}
			return -1
		}, flags)
	}
	if f.width >= 0 {
		spec += strconv.Itoa(f.width)
	}
	if prec >= 0 {
		spec += "." + strconv.Itoa(prec)
	}
	return fmt.Sprintf(spec+string(verb), v)
}

// python writes the Python object that an element is: numbers in their widest
// type, with quotes around text for repr.
func python(b []byte, t DType, repr bool) string {
	switch {
	case t.kind == 'f' && t.size <= 8, bfloat(t):
		return formatFloat(floatValue(b, t), Float64, true)
	case t.kind == 'c' && t.size == 8:
		var wide [16]byte
		half := DType{kind: 'f', order: t.order, size: 4}
		putFloat(wide[:], floatValue(b, half), Float64)
		putFloat(wide[8:], floatValue(b[4:], half), Float64)
		return FormatElement(wide[:], Complex128)
	case t.kind == 'S':
		return "b" + quoteBytes(getText(b, t))
	case t.kind == 'U' && repr:
		return literal.Quote(getText(b, t))
	}
	return FormatElement(b, t)
}

// quoteBytes is Python's repr of bytes without the b.
func quoteBytes(s string) string {
	var runes strings.Builder
	for i := range len(s) {
		runes.WriteRune(rune(s[i]))
	}
	q := literal.Quote(runes.String())
	var out strings.Builder
	for _, r := range q {
		if r < 0x80 {
			out.WriteRune(r)
		} else {
			fmt.Fprintf(&out, `\x%02x`, r)
		}
	}
	return out.String()
}
