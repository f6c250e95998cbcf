package arrow

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
)

// Stored returns how many bytes an element takes where it is stored; 0 for
// truth values, which take a bit, and for text.
func (l *Leaf) Stored() int {
	switch f := l.Type; f.Type {
	case Int, Float, Time, Date:
		return f.Bits / 8
	case Timestamp, Duration:
		return 8
	case FixedSizeBinary:
		return f.Size
	}
	return 0
}

// Same tells whether the elements are stored as they are in the array.
func (l *Leaf) Same() bool {
	return l.Stored() == l.DType.ItemSize() && l.DType.Order() != '>' && l.Type.Type != Bool
}

// Unpack makes elements of stored ones, all that dst has room for. They are
// neither text nor bits.
func (l *Leaf) Unpack(dst, src []byte) {
	size, stored := l.DType.ItemSize(), l.Stored()
	if size == 0 {
		return
	}
	if size == stored {
		copy(dst, src[:len(dst)])
	} else { // times of 4 bytes, which have 8 in the array
		for i := range len(dst) / size {
			binary.LittleEndian.PutUint64(dst[8*i:], uint64(int64(int32(binary.LittleEndian.Uint32(src[4*i:])))))
		}
	}
	if l.DType.Order() == '>' {
		swap(dst, l.unit())
	}
}

// Pack is the way back of Unpack. It changes src. The error tells a date that
// doesn't fit.
func (l *Leaf) Pack(dst, src []byte) error {
	size, stored := l.DType.ItemSize(), l.Stored()
	if size == 0 {
		return nil
	}
	if l.DType.Order() == '>' {
		swap(src, l.unit())
	}
	if size == stored {
		copy(dst, src)
		return nil
	}
	for i := range len(src) / size {
		v := int64(binary.LittleEndian.Uint64(src[8*i:]))
		if v != int64(int32(v)) && v != math.MinInt64 {
			return fmt.Errorf("element %d is %d days from 1970, which Arrow's dates don't reach", i, v)
		}
		binary.LittleEndian.PutUint32(dst[4*i:], uint32(v))
	}
	return nil
}

// unit is how many bytes of an element have one order.
func (l *Leaf) unit() int {
	if l.DType.Kind() == 'U' {
		return 4
	}
	if l.DType.Kind() == 'c' {
		return l.DType.ItemSize() / 2
	}
	return l.DType.ItemSize()
}

// swap turns the bytes of every element of n bytes around.
func swap(b []byte, n int) {
	switch n {
	case 2:
		for ; len(b) >= 2; b = b[2:] {
			b[0], b[1] = b[1], b[0]
		}
	case 4:
		for ; len(b) >= 4; b = b[4:] {
			binary.BigEndian.PutUint32(b, binary.LittleEndian.Uint32(b))
		}
	case 8:
		for ; len(b) >= 8; b = b[8:] {
			binary.BigEndian.PutUint64(b, binary.LittleEndian.Uint64(b))
		}
	default:
		for ; len(b) >= n && n > 1; b = b[n:] {
			for i, j := 0, n-1; i < j; i, j = i+1, j-1 {
				b[i], b[j] = b[j], b[i]
			}
		}
	}
}

// UnpackBits makes truth values of n bits from bit number first on.
func UnpackBits(dst, bits []byte, first int) {
	for i := range dst {
		k := first + i
		dst[i] = bits[k>>3] >> (k & 7) & 1
	}
}

// Scatter puts elements, which lie one after another, to their places in rows
// of row bytes; Gather is the way back.
func (l *Leaf) Scatter(rows []byte, row int, elements []byte) {
	l.each(rows, row, elements, func(place, element []byte) { copy(place, element) })
}

// Gather takes the elements out of rows.
func (l *Leaf) Gather(elements, rows []byte, row int) {
	l.each(rows, row, elements, func(place, element []byte) { copy(element, place) })
}

// each calls move for each run of elements that lie together in both.
func (l *Leaf) each(rows []byte, row int, elements []byte, move func(place, element []byte)) {
	size := l.DType.ItemSize()
	if row == 0 || size*l.Count == 0 {
		return
	}
	if l.Fills(row) {
		move(rows, elements)
		return
	}
	run, dims := size, l.Dims
	for len(dims) > 0 && dims[len(dims)-1].Stride == run {
		run *= dims[len(dims)-1].N
		dims = dims[:len(dims)-1]
	}
	at := make([]int, len(dims))
	for ; len(rows) >= row; rows = rows[row:] {
		place := l.Offset
		for more := true; more; {
			move(rows[place:place+run], elements[:run])
			elements = elements[run:]
			more = false
			for i := len(dims) - 1; i >= 0; i-- {
				at[i]++
				place += dims[i].Stride
				if at[i] < dims[i].N {
					more = true
					break
				}
				place -= dims[i].N * dims[i].Stride
				at[i] = 0
			}
		}
	}
}

// PutText makes an element of text or bytes: of code points, or as they are, with
// zeros behind. The errors say what an array can't keep.
func (l *Leaf) PutText(dst, text []byte) error {
	if n := len(text); n > 0 && text[n-1] == 0 {
		return fmt.Errorf("a value of %d bytes ends in a zero, which NumPy's %v doesn't keep", n, l.DType)
	}
	if l.DType.Kind() == 'S' {
		if len(text) > len(dst) {
			return fmt.Errorf("a value of %d bytes, its dtype is %v", len(text), l.DType)
		}
		clear(dst[copy(dst, text):])
		return nil
	}
	n := 0
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size <= 1 {
			return fmt.Errorf("a value isn't UTF-8")
		}
		if n+4 > len(dst) {
			return fmt.Errorf("a value of more than %d characters, its dtype is %v", len(dst)/4, l.DType)
		}
		if l.DType.Order() == '>' {
			binary.BigEndian.PutUint32(dst[n:], uint32(r))
		} else {
			binary.LittleEndian.PutUint32(dst[n:], uint32(r))
		}
		n += 4
		text = text[size:]
	}
	clear(dst[n:])
	return nil
}

// measure returns how wide PutText's element of a text must be: in characters
// or bytes.
func (l *Leaf) measure(text []byte) int {
	if l.Type.Type.utf8() {
		return utf8.RuneCount(text)
	}
	return len(text)
}

// Longer takes the length of a text into longest, if it is longer, which may be
// up to most.
func (l *Leaf) Longer(text []byte, longest *int, most int) error {
	n := l.measure(text)
	if n <= *longest {
		return nil
	}
	if n > most {
		return &array.UnsupportedError{DType: l.Type.Type.String(),
			Why: fmt.Sprintf("a text of %d characters or bytes makes all as wide; OpenOptions.MaxText allows %d", n, most)}
	}
	*longest = n
	return nil
}

// AppendText is the way back of PutText.
func (l *Leaf) AppendText(text, element []byte) ([]byte, error) {
	if l.DType.Kind() == 'S' {
		n := len(element)
		for n > 0 && element[n-1] == 0 {
			n--
		}
		return append(text, element[:n]...), nil
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if l.DType.Order() == '>' {
		order = binary.BigEndian
	}
	for n := len(element); n > 0 && order.Uint32(element[n-4:]) == 0; n = len(element) {
		element = element[:n-4]
	}
	for ; len(element) >= 4; element = element[4:] {
		r := order.Uint32(element)
		if r > utf8.MaxRune || !utf8.ValidRune(rune(r)) {
			return text, fmt.Errorf("text with %#x, which is no character", r)
		}
		text = utf8.AppendRune(text, rune(r))
	}
	return text, nil
}

// CheckFill tells of a value that can't stand for missing ones.
func CheckFill(fill any) error {
	switch fill.(type) {
	case nil, bool, int, int64, float64, string:
		return nil
	}
	return fmt.Errorf("fill with %v of %T; want bool, int, float64 or string", fill, fill)
}

// FillNulls writes over the elements that are missing: NaN, or NaT, or else fill
// as far as the type can hold it. It tells which it couldn't.
func (l *Leaf) FillNulls(elements []byte, missing []bool, fill any) (ok bool, at int) {
	var value []byte
	size := l.DType.ItemSize()
	for i, m := range missing {
		if !m {
			continue
		}
		if value == nil {
			if value = l.null(fill); value == nil {
				return false, i
			}
		}
		copy(elements[i*size:(i+1)*size], value)
	}
	return true, 0
}

// null returns the element that stands for a missing one; nil for none.
func (l *Leaf) null(fill any) []byte {
	var b []byte
	t := l.DType.WithOrder('<')
	switch kind := t.Kind(); {
	case kind == 'f' && t.ItemSize() == 2:
		b = binary.LittleEndian.AppendUint16(nil, 0x7e00)
	case t == array.BFloat16:
		b = binary.LittleEndian.AppendUint16(nil, 0x7fc0)
	case kind == 'f' && t.ItemSize() == 4:
		b = binary.LittleEndian.AppendUint32(nil, 0x7fc00000)
	case kind == 'f' && t.ItemSize() == 8:
		b = binary.LittleEndian.AppendUint64(nil, 0x7ff8000000000000)
	case kind == 'M' || kind == 'm':
		nat := int64(math.MinInt64) // NumPy's NaT
		b = binary.LittleEndian.AppendUint64(nil, uint64(nat))
	case fill != nil:
		return l.fill(fill)
	}
	if l.DType.Order() == '>' && b != nil {
		swap(b, len(b))
	}
	return b
}

// fill makes an element of a Go value; nil where the type can't hold it.
func (l *Leaf) fill(v any) []byte {
	b := make([]byte, l.DType.ItemSize())
	switch v := v.(type) {
	case string:
		if k := l.DType.Kind(); (k == 'U' || k == 'S') && l.PutText(b, []byte(v)) == nil {
			return b
		}
		return nil
	case bool:
		if l.DType.Kind() != 'b' {
			return nil
		}
		if v {
			b[0] = 1
		}
		return b
	}
	a, ok := number(v)
	if k := l.DType.Kind(); !ok || k != 'i' && k != 'u' || k == 'u' && int64(binary.LittleEndian.Uint64(a.Data)) < 0 {
		return nil
	}
	to, err := array.Cast(a, l.DType)
	if err != nil {
		return nil
	}
	back, err := array.Cast(to, a.DType) // a number that doesn't fit comes back as another
	if err != nil || string(back.Data) != string(a.Data) {
		return nil
	}
	return to.Data
}

// number returns a Go number as an array of one element.
func number(v any) (array.Array, bool) {
	var n int64
	switch v := v.(type) {
	case int:
		n = int64(v)
	case int64:
		n = v
	case float64:
		if n = int64(v); float64(n) != v {
			return array.Array{}, false
		}
	default:
		return array.Array{}, false
	}
	a, err := array.Of([]int64{n})
	return a, err == nil
}
