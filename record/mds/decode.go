package mds

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/wire"
)

// ErrPickled is the error for a pickled value: reading one would run whatever
// Python's code it holds.
var ErrPickled = errors.New("pickled values are not read, since reading one runs whatever it holds")

// Picture is the pixels of one picture, by rows, as PIL has them in memory.
type Picture struct {
	Mode          string // PIL's: L, RGB, RGBA …
	Width, Height int
	Pixels        []byte
}

// Decode returns the value of b, which it borrows:
//
//	KindBytes, KindImage  []byte
//	KindText              string
//	KindNumber            int64, of uint64 above that a uint64; float64
//	KindDigits            int64; float64; of str_decimal the text, a string
//	KindJSON              json.RawMessage, unparsed
//	KindArray             array.Array
//	KindImages            [][]byte, of list[pil] []Picture
//	KindPixels            Picture
func (e Encoding) Decode(b []byte) (any, error) {
	v, err := e.decode(b)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", e.name, err)
	}
	return v, nil
}

func (e Encoding) decode(b []byte) (any, error) {
	if size := e.Size(); size > 0 && int64(len(b)) != size {
		return nil, fmt.Errorf("%d bytes; expected %d", len(b), size)
	}
	switch e.Kind {
	case KindBytes, KindImage:
		return b, nil
	case KindText:
		if !utf8.Valid(b) {
			return nil, errors.New("text that is not UTF-8")
		}
		return string(b), nil
	case KindJSON:
		return json.RawMessage(b), nil
	case KindNumber:
		return e.number(b), nil
	case KindDigits:
		return e.digits(string(b))
	case KindArray:
		return e.array(b)
	case KindPixels:
		return picture(b)
	case KindImages:
		return e.images(b)
	}
	return nil, ErrPickled
}

func (e Encoding) number(b []byte) any {
	var wide [8]byte
	copy(wide[:], b)
	u := binary.LittleEndian.Uint64(wide[:])
	bits := 8 * e.DType.ItemSize()
	switch e.DType.Kind() {
	case 'i':
		return int64(u<<(64-bits)) >> (64 - bits)
	case 'u':
		if u > math.MaxInt64 {
			return u
		}
		return int64(u)
	}
	switch bits {
	case 16:
		return float64(array.Float16Value(uint16(u)))
	case 32:
		return float64(math.Float32frombits(uint32(u)))
	}
	return math.Float64frombits(u)
}

// maxDigits bounds a number that is text.
const maxDigits = 4096

func (e Encoding) digits(text string) (any, error) {
	if len(text) > maxDigits {
		return nil, fmt.Errorf("a number of %d characters", len(text))
	}
	text = strings.TrimSpace(text)
	switch e.name {
	case "str_int":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q; expected a whole number of 64 bits", text)
		}
		return n, nil
	case "str_float":
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("%q; expected a number of the range of float64", text)
		}
		return f, nil
	}
	if _, _, err := big.ParseFloat(text, 10, 64, big.ToNearestEven); err != nil && !strings.EqualFold(text, "nan") {
		return nil, fmt.Errorf("%q; expected a number", text)
	}
	return text, nil
}

func (e Encoding) array(b []byte) (any, error) {
	c := wire.NewCursor(b)
	spec := e.spec()
	if !spec.DType.Valid() {
		code := c.U8()
		for _, x := range elements {
			if x.code == code {
				spec.DType = x.t
			}
		}
		if c.Err() == nil && !spec.DType.Valid() {
			return nil, fmt.Errorf("dtype %d is none that MDS has", code)
		}
	}
	if spec.Shape == nil {
		head := c.U8()
		for range head >> 2 {
			n, err := size(c, head&3)
			if err != nil {
				return nil, err
			}
			spec.Shape = append(spec.Shape, n)
		}
	}
	if c.Err() != nil {
		return nil, c.Err()
	}
	return array.New(spec, c.Bytes(c.Left()))
}

// size reads a size of a shape, of 1, 2, 4 or 8 bytes.
func size(c *wire.Cursor, width byte) (int, error) {
	var n uint64
	switch width {
	case 0:
		n = uint64(c.U8())
	case 1:
		n = uint64(c.U16())
	case 2:
		n = uint64(c.U32())
	default:
		n = c.U64()
	}
	if n > math.MaxUint32 {
		return 0, fmt.Errorf("a dimension of %d; no shard is that large", n)
	}
	return int(n), c.Err()
}

// pixelBytes are the bytes that PIL has for a pixel, by mode.
var pixelBytes = map[string]int{"L": 1, "P": 1, "LA": 2, "PA": 2, "La": 2, "RGB": 3, "YCbCr": 3, "LAB": 3, "HSV": 3, "RGBA": 4, "RGBX": 4, "RGBa": 4, "CMYK": 4, "I": 4, "F": 4, "I;16": 2}

func picture(b []byte) (Picture, error) {
	c := wire.NewCursor(b)
	w, h, n := c.U32(), c.U32(), c.U32()
	if n > 16 {
		return Picture{}, fmt.Errorf("a mode of %d characters", n)
	}
	p := Picture{Mode: string(c.Bytes(int(n))), Width: int(w), Height: int(h)}
	if c.Err() != nil {
		return Picture{}, c.Err()
	}
	p.Pixels = c.Bytes(c.Left())
	item, known := pixelBytes[p.Mode]
	switch {
	case w > 1<<24 || h > 1<<24:
		return Picture{}, fmt.Errorf("a picture of %d x %d pixels", w, h)
	case p.Mode == "1": // a bit a pixel, rows begin with a byte
		if want := (p.Width + 7) / 8 * p.Height; want != len(p.Pixels) {
			return Picture{}, fmt.Errorf("a picture of %d x %d pixels of mode 1 has %d bytes; found %d", w, h, want, len(p.Pixels))
		}
	case !known:
		return Picture{}, fmt.Errorf("a picture of mode %q, which is none of PIL's", p.Mode)
	case p.Width*p.Height*item != len(p.Pixels):
		return Picture{}, fmt.Errorf("a picture of %d x %d pixels of mode %s has %d bytes; found %d", w, h, p.Mode, p.Width*p.Height*item, len(p.Pixels))
	}
	return p, nil
}

// images reads how many there are, their sizes, and the images.
func (e Encoding) images(b []byte) (any, error) {
	c := wire.NewCursor(b)
	if strings.HasPrefix(e.name, "list[") {
		c.U32() // for what may come
	}
	n := c.U32()
	if c.Err() == nil && int64(n)*4 > int64(c.Left()) {
		return nil, fmt.Errorf("%d images in %d bytes: %w", n, len(b), io.ErrUnexpectedEOF)
	}
	sizes := c.Bytes(4 * int(n))
	list := make([][]byte, 0, len(sizes)/4)
	for range len(sizes) / 4 {
		list = append(list, c.Bytes(int(binary.LittleEndian.Uint32(sizes))))
		sizes = sizes[4:]
	}
	if c.Err() != nil {
		return nil, c.Err()
	}
	if c.Left() > 0 {
		return nil, fmt.Errorf("%d bytes behind the last of %d images", c.Left(), n)
	}
	if e.name != "list[pil]" {
		return list, nil
	}
	pictures := make([]Picture, len(list))
	for i, b := range list {
		var err error
		if pictures[i], err = picture(b); err != nil {
			return nil, fmt.Errorf("image %d: %w", i, err)
		}
	}
	return pictures, nil
}
