package array

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// castText casts from or to bytes and text.
func castText(dst, src []byte, n int, to, from DType) error {
	in, out := int(from.size), int(to.size)
	for i := range n {
		s, d := src[i*in:(i+1)*in], dst[i*out:(i+1)*out]
		var err error
		switch {
		case from.kind == 'S' && to.kind == 'S':
			copy(d, s)
		case text(from) && text(to):
			err = putText(d, to, getText(s, from))
		case text(from) && numeric(to):
			err = parseElement(d, getText(s, from), to)
		case text(to) && numeric(from):
			err = putText(d, to, FormatElement(s, from))
		default:
			return castUnsupported(to, from)
		}
		if err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

// getText returns an S or U element without the zeros at its end; the bytes of
// an S element as they are.
func getText(b []byte, t DType) string {
	if t.kind == 'S' {
		return string(bytes.TrimRight(b, "\x00"))
	}
	var out []byte
	for ; len(b) >= 4; b = b[4:] {
		out = utf8.AppendRune(out, rune(order(t).Uint32(b)))
	}
	return string(bytes.TrimRight(out, "\x00"))
}

// order returns the byte order of a type.
func order(t DType) binary.ByteOrder {
	if t.order == '>' {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// putText writes an element, cut or padded with zeros. NumPy's S holds ASCII
// where it comes from text.
func putText(dst []byte, t DType, s string) error {
	if t.kind == 'S' {
		for i := range len(s) {
			if s[i] >= utf8.RuneSelf {
				return fmt.Errorf("%q has letters outside of ASCII", s)
			}
		}
		copy(dst, s)
		return nil
	}
	for _, r := range s {
		if len(dst) < 4 {
			break
		}
		order(t).PutUint32(dst, uint32(r))
		dst = dst[4:]
	}
	return nil
}

// FormatElement writes one number, bool, S or U element as NumPy's str does:
// "1", "True", "0.1", "1e+16", "nan", "(1+2j)". Other kinds give "".
func FormatElement(b []byte, t DType) string {
	switch {
	case t.kind == 'b':
		if b[0] != 0 {
			return "True"
		}
		return "False"
	case t.kind == 'i':
		v, _ := intValue(b, t)
		return strconv.FormatInt(v, 10)
	case t.kind == 'u':
		v, _ := intValue(b, t)
		return strconv.FormatUint(uint64(v), 10)
	case t.kind == 'f' && t.size <= 8, bfloat(t):
		return formatFloat(floatValue(b, t), t, true)
	case t.kind == 'c' && t.size <= 16:
		half := DType{kind: 'f', order: t.order, size: t.size / 2}
		re, im := floatValue(b, half), floatValue(b[half.size:], half)
		s := formatFloat(im, half, false) + "j"
		if re == 0 && !math.Signbit(re) {
			return s
		}
		if s[0] != '-' {
			s = "+" + s
		}
		return "(" + formatFloat(re, half, false) + s + ")"
	case text(t):
		return getText(b, t)
	}
	return ""
}

// intValue returns an integer's bits as an int64.
func intValue(b []byte, t DType) (int64, bool) {
	signed := t.kind == 'i'
	switch o := order(t); {
	case t.size == 1 && signed:
		return int64(int8(b[0])), true
	case t.size == 1:
		return int64(b[0]), true
	case t.size == 2 && signed:
		return int64(int16(o.Uint16(b))), true
	case t.size == 2:
		return int64(o.Uint16(b)), true
	case t.size == 4 && signed:
		return int64(int32(o.Uint32(b))), true
	case t.size == 4:
		return int64(o.Uint32(b)), true
	default:
		return int64(o.Uint64(b)), true
	}
}

// floatValue returns a float of up to 8 bytes.
func floatValue(b []byte, t DType) float64 {
	switch o := order(t); {
	case bfloat(t):
		return float64(BFloat16Value(o.Uint16(b)))
	case t.size == 2:
		return float64(Float16Value(o.Uint16(b)))
	case t.size == 4:
		return float64(math.Float32frombits(o.Uint32(b)))
	default:
		return math.Float64frombits(o.Uint64(b))
	}
}

// formatFloat writes the shortest text that reads back as v in its own width;
// point adds ".0" to whole numbers.
func formatFloat(v float64, t DType, point bool) string {
	switch {
	case math.IsNaN(v):
		return "nan"
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	}
	bits := int(t.size) * 8
	digits := -1
	if bits == 16 {
		digits, bits = shortest16(v, t), 64
	}
	format, most := byte('f'), 1e16
	switch { // of which NumPy writes the exponent
	case bits == 32:
		most = 1e6
	case bits == 64 && t.size == 2 && t.kind == 'f':
		most = 1e3
	}
	if a := math.Abs(v); a != 0 && (a < 1e-4 || a >= most) {
		format = 'e'
	} else if digits >= 0 {
		// The digits behind the point, of as many in all.
		exp := 0
		if e := strconv.FormatFloat(v, 'e', digits, 64); v != 0 {
			exp, _ = strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
		}
		if digits < exp {
			v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'e', digits, 64), 64)
		}
		digits = max(digits-exp, 0)
	}
	s := strconv.FormatFloat(v, format, digits, bits)
	if format == 'f' && point && !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// shortest16 returns how many digits behind the first a 16-bit float needs.
func shortest16(v float64, t DType) int {
	same := func(w float64) bool { return float16From64(w) == float16From64(v) }
	if bfloat(t) {
		same = func(w float64) bool { return BFloat16Bits(float32(w)) == BFloat16Bits(float32(v)) }
	}
	for digits := 0; ; digits++ {
		w, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'e', digits, 64), 64)
		if same(w) || digits == 9 {
			return digits
		}
	}
}

// ParseElement reads one number, bool, S or U element from text, as Python's
// int, float and complex do, and writes it to dst, whose size is the type's.
// White space around a number is nothing; a number that the type doesn't hold
// is an error. Text is cut or padded with zeros.
func ParseElement(dst []byte, s string, t DType) error {
	clear(dst)
	switch {
	case t.kind == 'b':
		switch strings.TrimSpace(s) {
		case "True", "true", "1":
			dst[0] = 1
		case "False", "false", "0":
		default:
			return fmt.Errorf("%q is no bool", s)
		}
		return nil
	case t.kind == 'S':
		copy(dst, s)
		return nil
	case t.kind == 'U':
		return putText(dst, t, s)
	case numeric(t):
		return parseElement(dst, s, t)
	}
	return &UnsupportedError{DType: t.String(), Why: "it isn't read from text"}
}

func parseElement(dst []byte, s string, t DType) error {
	word := strings.TrimSpace(s)
	switch {
	case t.kind == 'b':
		return castUnsupported(t, DType{kind: 'S', order: '|', size: int32(len(s))})
	case t.kind == 'i':
		v, err := strconv.ParseInt(underscores(word), 10, int(t.size)*8)
		if err != nil {
			return fmt.Errorf("%q is no integer of %d bits", s, t.size*8)
		}
		putInt(dst, uint64(v), t)
	case t.kind == 'u':
		v, err := strconv.ParseUint(underscores(strings.TrimPrefix(word, "+")), 10, int(t.size)*8)
		if err != nil {
			return fmt.Errorf("%q is no integer of %d bits without sign", s, t.size*8)
		}
		putInt(dst, v, t)
	case t.kind == 'c':
		v, err := parseComplex(word)
		if err != nil {
			return fmt.Errorf("%q is no complex number", s)
		}
		half := DType{kind: 'f', order: t.order, size: t.size / 2}
		putFloat(dst, real(v), half)
		putFloat(dst[half.size:], imag(v), half)
	default:
		v, ok := parseFloat(word)
		if !ok {
			return fmt.Errorf("%q is no number", s)
		}
		putFloat(dst, v, t)
	}
	return nil
}

// underscores takes out those that Python allows between digits.
func underscores(s string) string {
	if !strings.Contains(s, "_") || strings.Contains(s, "__") || strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") ||
		strings.Contains(s, "+_") || strings.Contains(s, "-_") {
		return s
	}
	return strings.ReplaceAll(s, "_", "")
}

// parseFloat reads what Python's float does: no hexadecimal numbers, and what
// is too large is infinite.
func parseFloat(s string) (float64, bool) {
	v, err := strconv.ParseFloat(s, 64)
	if hexadecimal(s) {
		return 0, false
	}
	if err != nil {
		if strings.Contains(s, "_") {
			v, err = strconv.ParseFloat(underscores(s), 64)
		}
		if e, ok := err.(*strconv.NumError); ok && e.Err == strconv.ErrRange {
			err = nil
		}
	}
	return quiet(v), err == nil
}

// hexadecimal tells whether a number begins with 0x, perhaps behind a sign.
func hexadecimal(s string) bool {
	if s != "" && (s[0] == '+' || s[0] == '-') {
		s = s[1:]
	}
	return len(s) > 1 && s[0] == '0' && s[1]|0x20 == 'x'
}

// quiet gives a NaN the bits that C's does.
func quiet(v float64) float64 {
	if v != v {
		return math.Float64frombits(0x7ff8 << 48)
	}
	return v
}

// parseComplex reads "1+2j", "2j", "(1-2j)", "1".
func parseComplex(s string) (complex128, error) {
	if strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")") {
		s = strings.TrimSpace(s[1 : len(s)-1])
	}
	if body, ok := strings.CutSuffix(strings.ToLower(s), "j"); ok {
		s = body + "i"
		if c := strings.TrimSuffix(s, "i"); c == "" || c[len(c)-1] == '+' || c[len(c)-1] == '-' {
			s = c + "1i"
		}
	}
	if s = underscores(s); strings.ContainsAny(s, "xXpP_") {
		return 0, strconv.ErrSyntax
	}
	v, err := strconv.ParseComplex(s, 128)
	if e, ok := err.(*strconv.NumError); ok && e.Err == strconv.ErrRange {
		err = nil
	}
	return complex(quiet(real(v)), quiet(imag(v))), err
}

func putInt(dst []byte, v uint64, t DType) {
	switch o := order(t); t.size {
	case 1:
		dst[0] = byte(v)
	case 2:
		o.PutUint16(dst, uint16(v))
	case 4:
		o.PutUint32(dst, uint32(v))
	default:
		o.PutUint64(dst, v)
	}
}

func putFloat(dst []byte, v float64, t DType) {
	switch o := order(t); {
	case bfloat(t):
		o.PutUint16(dst, BFloat16Bits(float32(v)))
	case t.size == 2:
		o.PutUint16(dst, float16From64(v))
	case t.size == 4:
		o.PutUint32(dst, math.Float32bits(float32(v)))
	default:
		o.PutUint64(dst, math.Float64bits(v))
	}
}
