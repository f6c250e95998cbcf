package text

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"unsafe"

	"github.com/betongo/betongo/array"
)

// A table of numbers is mostly short decimal ones with one delimiter between
// them. Such a row is read in one go; what is anything else in it is left to
// those who cut lines into words and read any of them.

// number is a type that quick rows hold.
type number uint8

const (
	noNumber number = iota
	float64s
	float32s
	integers
)

// quick tells whether rows may be read in one go, and as what.
func (f *File) quick() number {
	if len(f.fields) == 0 || len(f.opts.Missing) > 0 {
		return noNumber
	}
	t := f.fields[0].DType
	for i := range f.fields {
		if f.fields[i].DType != t {
			return noNumber
		}
	}
	const inNumbers = "0123456789+-.eE"
	d := f.opts.Delimiter
	if !f.blank() && (len(d) != 1 || strings.Contains(inNumbers, d)) || strings.ContainsAny(f.opts.Comment, inNumbers+" \t"+d) {
		return noNumber
	}
	switch {
	case t == array.Float64:
		return float64s
	case t == array.Float32:
		return float32s
	case (t.Kind() == 'i' || t.Kind() == 'u') && t.Order() != '>':
		return integers
	}
	return noNumber
}

// blank tells whether white space is between columns.
func (f *File) blank() bool {
	return strings.TrimSpace(f.opts.Delimiter) == "" && f.opts.Delimiter != "\t"
}

// quickRow reads a line into a row. Where it returns false the line is more than
// numbers with delimiters between them, or has another number of columns.
func (s *stream) quickRow(row, line []byte) bool {
	f := s.f
	last := len(f.fields) - 1
	for c := range f.fields {
		line = s.skip(line)
		field := &f.fields[c]
		dst := row[field.Offset:]
		d, n := readDecimal(line)
		if n == 0 || !s.store(dst, d, line[:n]) && f.element(dst[:field.DType.ItemSize()], line[:n], field.DType) != nil {
			return false // what is wrong with a word is told by who has its place
		}
		end := line[n:]
		line = s.skip(end)
		switch {
		case c == last:
			return len(line) == 0
		case s.s.blank:
			if len(line) == len(end) {
				return false
			}
		case len(line) == 0 || line[0] != f.opts.Delimiter[0]:
			return false
		default:
			line = line[1:]
		}
	}
	return false
}

// skip passes over blanks, and over tabs that aren't delimiters.
func (s *stream) skip(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' && s.f.opts.Delimiter != "\t") {
		b = b[1:]
	}
	return b
}

// store writes a number as an element. False says that another must read it: it
// isn't in the type's range.
func (s *stream) store(dst []byte, d decimal, word []byte) bool {
	if s.quick == integers {
		return d.integer(dst, s.f.fields[0].DType)
	}
	v, ok := d.float()
	if !ok {
		var err error
		if v, err = strconv.ParseFloat(unsafe.String(unsafe.SliceData(word), len(word)), 64); err != nil {
			return false
		}
	}
	if s.quick == float64s {
		binary.LittleEndian.PutUint64(dst, math.Float64bits(v))
	} else {
		binary.LittleEndian.PutUint32(dst, math.Float32bits(float32(v)))
	}
	return true
}

// decimal is a number as it stands in text: mantissa times 10 to the exponent.
type decimal struct {
	mantissa uint64
	exponent int
	minus    bool
	whole    bool // no point, no exponent
	exact    bool // the mantissa has all digits
}

// maxDigits is how many digits always fit into 64 bits.
const maxDigits = 19

// readDecimal reads a number at the beginning of b and returns how many bytes it
// has; 0 where none begins there.
func readDecimal(b []byte) (d decimal, size int) {
	i := 0
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		d.minus = b[0] == '-'
		i = 1
	}
	i0 := i
	d.mantissa, i = readDigits(0, b, i)
	digits := i - i0
	d.whole = true
	if i < len(b) && b[i] == '.' {
		d.whole = false
		first := i + 1
		d.mantissa, i = readDigits(d.mantissa, b, first)
		d.exponent = first - i
		digits += i - first
	}
	if digits == 0 {
		return d, 0
	}
	d.exact = digits <= maxDigits
	if i < len(b) && b[i]|0x20 == 'e' {
		d.whole = false
		j, minus := i+1, false
		if j < len(b) && (b[j] == '-' || b[j] == '+') {
			minus = b[j] == '-'
			j++
		}
		e, end := readDigits(0, b, j)
		if end == j || end-j > 4 {
			return d, 0
		}
		if minus {
			e = -e
		}
		d.exponent += int(e)
		i = end
	}
	return d, i
}

// readDigits goes on with a number by the digits from b[i] on, eight at a time,
// and returns where they end. What doesn't fit is lost.
func readDigits(v uint64, b []byte, i int) (uint64, int) {
	for cap(b)-i >= 8 { // what lies behind b is not looked at, but read
		w := binary.LittleEndian.Uint64(b[i : i+8 : cap(b)])
		w ^= 0x3030303030303030
		other := ((w&0x7f7f7f7f7f7f7f7f + 0x7676767676767676) | w) & 0x8080808080808080
		n := min(bits.TrailingZeros64(other)/8, len(b)-i)
		w <<= 64 - 8*n // as if zeros stood before
		w = w * (1 + 10<<8) >> 8 & 0x00ff00ff00ff00ff
		w = w * (1 + 100<<16) >> 16 & 0x0000ffff0000ffff
		w = w * (1 + 10000<<32) >> 32
		v = v*powers[n] + w
		i += n
		if n < 8 {
			return v, i
		}
	}
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		v = v*10 + uint64(b[i]-'0')
	}
	return v, i
}

// powers of ten, as integers.
var powers = [9]uint64{1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}

// floatPowers are those that are exact as float64.
var floatPowers = [23]float64{1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// float returns the number where that takes one operation of exact numbers,
// which rounds as reading the text does.
func (d *decimal) float() (float64, bool) {
	if !d.exact || d.mantissa > 1<<53 {
		return 0, false
	}
	v := float64(d.mantissa)
	switch {
	case d.exponent == 0:
	case d.exponent < 0 && d.exponent >= -22:
		v /= floatPowers[-d.exponent]
	case d.exponent > 0 && d.exponent <= 22:
		v *= floatPowers[d.exponent]
	default:
		return 0, false
	}
	if d.minus {
		v = -v
	}
	return v, true
}

// integer writes the number as an element of a type of integers.
func (d *decimal) integer(dst []byte, t array.DType) bool {
	size := t.ItemSize()
	if !d.whole || !d.exact {
		return false
	}
	most := uint64(math.MaxUint64) >> (64 - 8*size)
	if t.Kind() == 'i' {
		if most >>= 1; d.minus {
			most++
		}
	} else if d.minus {
		return false
	}
	if d.mantissa > most {
		return false
	}
	v := d.mantissa
	if d.minus {
		v = -v
	}
	switch size {
	case 1:
		dst[0] = byte(v)
	case 2:
		binary.LittleEndian.PutUint16(dst, uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(dst, uint32(v))
	default:
		binary.LittleEndian.PutUint64(dst, v)
	}
	return true
}
