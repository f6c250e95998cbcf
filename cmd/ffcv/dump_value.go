package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/rgb"
)

// value appends the JSON object of one value. Its members are a contract with
// other programs. The objects are put together by hand because a stored JSON
// text stands in them as it is, NaN and Infinity included, which
// encoding/json would refuse.
func (d *dumper) value(line []byte, i, field int) ([]byte, error) {
	id, _ := d.fields[field].Plain() // of what is compressed the value, as if it weren't
	switch id {
	case fields.TypeInt:
		v, err := d.f.Int(i, field)
		line = append(line, `{"type":"int","value":`...)
		return append(strconv.AppendInt(line, v, 10), '}'), err
	case fields.TypeFloat:
		v, err := d.f.Float(i, field)
		return appendFloat(line, v), err
	case fields.TypeBytes:
		v, err := d.f.BytesValue(i, field)
		line = fmt.Appendf(line, `{"type":"bytes","size":%d,"sha256":"`, len(v))
		return append(appendSum(line, v), `"}`...), err
	case fields.TypeJSON:
		v, err := d.text(i, field)
		line = append(line, `{"type":"json","value":`...)
		return append(append(line, v...), '}'), err
	case fields.TypeNDArray, fields.TypeTorchTensor:
		v, err := d.f.Array(i, field)
		line = fmt.Appendf(line, `{"type":"ndarray","dtype":"%s","shape":[`, v.DType)
		for j, n := range v.Shape {
			if j > 0 {
				line = append(line, ',')
			}
			line = strconv.AppendInt(line, int64(n), 10)
		}
		line = append(line, `],"sha256":"`...)
		return append(appendSum(line, v.Data), `"}`...), err
	case fields.TypeRGBImage:
		return d.picture(line, i, field)
	}
	if r, ok, err := d.raster(i, field); ok {
		line = fmt.Appendf(line, `{"type":"image","width":%d,"height":%d,"channels":%d,"dtype":"%s","sha256":"`,
			r.Width, r.Height, r.Channels, rasterType(r))
		return append(appendSum(line, r.Pix), `"}`...), err
	}
	meta, err := d.member(i, field)
	line = append(line, `{"type":"custom","type_id":255,"hex":"`...)
	return append(hex.AppendEncode(line, meta), `"}`...), err
}

// plain appends one value for people.
func (d *dumper) plain(line []byte, i, field int) ([]byte, error) {
	id, _ := d.fields[field].Plain()
	switch id {
	case fields.TypeInt:
		v, err := d.f.Int(i, field)
		return strconv.AppendInt(line, v, 10), err
	case fields.TypeFloat:
		v, err := d.f.Float(i, field)
		return strconv.AppendFloat(line, v, 'g', -1, 64), err
	case fields.TypeBytes:
		v, err := d.f.BytesValue(i, field)
		return appendSum(fmt.Appendf(line, "%d bytes, sha256 ", len(v)), v), err
	case fields.TypeJSON:
		v, err := d.text(i, field)
		return append(line, v...), err
	case fields.TypeNDArray, fields.TypeTorchTensor:
		v, err := d.f.Array(i, field)
		return appendSum(fmt.Appendf(line, "%s %v, sha256 ", v.DType, v.Shape), v.Data), err
	case fields.TypeRGBImage:
		v, err := d.f.Image(i, field)
		line = fmt.Appendf(line, "%s %dx%d, %d bytes, sha256 ", mode(v), v.Width, v.Height, len(v.Data))
		line = appendSum(line, v.Data)
		if err == nil && d.pixels {
			if err = d.decode(i, field, v); err == nil {
				line = appendSum(append(line, ", pixels sha256 "...), d.image.Pix)
			}
		}
		return line, err
	}
	if r, ok, err := d.raster(i, field); ok {
		line = fmt.Appendf(line, "image %dx%d, %d of %s a pixel, sha256 ", r.Width, r.Height, r.Channels, rasterType(r))
		return appendSum(line, r.Pix), err
	}
	meta, err := d.member(i, field)
	return fmt.Appendf(line, "custom %x", meta), err
}

// raster returns the value of an image field, whose sum is that of its numbers,
// however they are coded; ok is false for any other field.
func (d *dumper) raster(i, field int) (r rgb.Raster, ok bool, err error) {
	if _, ok := d.fields[field].Field.(fields.Image); !ok {
		return r, false, nil
	}
	v, err := d.f.Value(i, field)
	if err == nil {
		r = v.(rgb.Raster)
	}
	return r, true, err
}

// rasterType is the dtype of a raster's numbers.
func rasterType(r rgb.Raster) array.DType {
	if r.Depth == 2 {
		return array.Uint16
	}
	return array.Uint8
}

// text returns a JSON text on one line: line ends, which can only stand
// between its tokens, become spaces.
func (d *dumper) text(i, field int) ([]byte, error) {
	v, err := d.f.JSON(i, field)
	if err != nil {
		return nil, err
	}
	if err := fields.JSONText(v).Check(); err != nil {
		return nil, d.flaw(i, field, err)
	}
	isEnd := func(b byte) bool { return b == '\n' || b == '\r' }
	if slices.ContainsFunc(v, isEnd) {
		v = slices.Clone(v) // the file's own bytes are not to be written
		for j, b := range v {
			if isEnd(b) {
				v[j] = ' '
			}
		}
	}
	return v, nil
}

// picture appends the object of an image.
func (d *dumper) picture(line []byte, i, field int) ([]byte, error) {
	v, err := d.f.Image(i, field)
	if err != nil {
		return nil, err
	}
	line = fmt.Appendf(line, `{"type":"rgb","mode":"%s","width":%d,"height":%d,"size":%d,"sha256":"`,
		mode(v), v.Width, v.Height, len(v.Data))
	line = appendSum(line, v.Data)
	if d.pixels {
		if err := d.decode(i, field, v); err != nil {
			return nil, err
		}
		line = appendSum(append(line, `","pixels_sha256":"`...), d.image.Pix)
	}
	return append(line, `"}`...), nil
}

// decode puts the pixels of an image in d.image.
func (d *dumper) decode(i, field int, v rgb.Encoded) error {
	if err := d.scratch.Load(&d.image, v); err != nil {
		return d.flaw(i, field, err)
	}
	return nil
}

// mode is FFCV's name of how an image is stored.
func mode(v rgb.Encoded) string {
	if v.JPEG {
		return "jpg"
	}
	return "raw"
}

// member returns the metadata of a custom field.
func (d *dumper) member(i, field int) ([]byte, error) {
	row, err := d.f.Metadata(i)
	if err != nil {
		return nil, err
	}
	f := &d.fields[field]
	if f.Offset < 0 || f.Size < 0 || f.Offset+f.Size > len(row) {
		return nil, d.flaw(i, field, errors.New("metadata of unknown layout"))
	}
	return row[f.Offset : f.Offset+f.Size], nil
}

// appendFloat appends the object of a float: its bits, and its value when
// JSON has a number for it.
func appendFloat(line []byte, v float64) []byte {
	line = fmt.Appendf(line, `{"type":"float","bits":"0x%016x"`, math.Float64bits(v))
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		line = append(line, `,"value":`...)
		at := len(line)
		line = strconv.AppendFloat(line, v, 'g', -1, 64)
		if !slices.ContainsFunc(line[at:], func(b byte) bool { return b == '.' || b == 'e' }) {
			line = append(line, ".0"...) // a float for readers that tell it from an integer, and -0.0
		}
	}
	return append(line, '}')
}

// appendSum appends the SHA-256 of data in hex.
func appendSum(line, data []byte) []byte {
	mmap.Touch(data)
	sum := sha256.Sum256(data)
	return hex.AppendEncode(line, sum[:])
}

// appendString appends a name as a JSON string. Bytes that are no UTF-8
// become lone surrogates U+DC80 to U+DCFF, as in Python's surrogateescape, so
// that different names stay different.
func appendString(line []byte, s string) []byte {
	line = append(line, '"')
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			line = fmt.Appendf(line, `\udc%02x`, s[0])
		} else {
			quoted, _ := json.Marshal(s[:n]) // of valid UTF-8: no error
			line = append(line, quoted[1:len(quoted)-1]...)
		}
		s = s[n:]
	}
	return append(line, '"')
}
