package view

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/loader"
)

const (
	mostUnpacked = 256 << 20 // bytes of a value that has to be unpacked, or read, to be shown
	mostSummed   = 8 << 20   // of a value that is read for its checksum alone
)

// value is one value of the dataset: where it lies, and what the metadata say of
// it.
type value struct {
	f       *file
	sample  int // its number in the file
	k       int // the field
	d       *ffcv.Field
	meta    []byte          // borrowed
	regions []fields.Region // of known size
}

// find looks a value up. Without an error its regions are known, though not that
// the bytes there can be had.
func (s *Server) find(i, k int) (*value, error) {
	f := s.fileOf(i)
	v := &value{f: f, sample: i - f.first, k: k, d: &s.fields[k]}
	return v, v.look(nil)
}

// look finds a value's metadata, in its row if that is known, and its regions.
func (v *value) look(row []byte) (err error) {
	if row == nil {
		if row, err = v.f.ds.Rows(v.sample, 1, nil); err != nil {
			return v.flaw(err)
		}
	}
	// A member of a composite may keep its rows in another order.
	own := v.f.field(v.k)
	if own.Offset < 0 || own.Size < 0 || own.Offset > len(row) || own.Size > len(row)-own.Offset {
		return v.flaw(fmt.Errorf("a row of %d bytes, the field is to have %d at %d", len(row), own.Size, own.Offset))
	}
	v.meta = row[own.Offset:][:own.Size]
	if v.regions, err = v.d.Field.Regions(v.regions[:0], v.meta); err != nil {
		return v.flaw(err)
	}
	for r := range v.regions {
		g := &v.regions[r]
		if g.Size < 0 {
			if g.Size, err = v.f.ds.RegionSize(v.sample, v.k, g.Ptr); err != nil {
				return v.flaw(err)
			}
		}
	}
	return nil
}

// flaw says which value an error is of, and where it lies.
func (v *value) flaw(err error) error {
	if err == nil {
		return nil
	}
	var flaw *ffcv.FormatError
	var own *statusError
	switch {
	case errors.As(err, &own):
		return err
	case errors.As(err, &flaw):
		if flaw.Field != "" && flaw.Sample >= 0 {
			return err
		}
		whole := *flaw // somebody else may have it too
		whole.Field, whole.Sample = v.d.Name, v.sample
		return &whole
	}
	var fault *mmap.FaultError
	if errors.As(err, &fault) {
		return err
	}
	return &ffcv.FormatError{File: v.f.name, Field: v.d.Name, Sample: v.sample, Offset: v.offset(), Err: err}
}

// offset is where in the file the value's first bytes lie, -1 for a value that
// has none.
func (v *value) offset() int64 {
	if len(v.regions) == 0 || v.regions[0].Ptr > math.MaxInt64 {
		return -1
	}
	if l, ok := v.f.ds.(interface {
		LocatePointer(sample, field int, ptr uint64) int64
	}); ok {
		return l.LocatePointer(v.sample, v.k, v.regions[0].Ptr)
	}
	return int64(v.regions[0].Ptr)
}

// size is how many bytes the value has outside the metadata.
func (v *value) size() (n int64) {
	for _, g := range v.regions {
		n += g.Size
	}
	return n
}

// bytes returns a part of the value's first region, as it is stored: borrowed or
// fresh.
func (v *value) bytes(off, n int64) ([]byte, error) {
	if len(v.regions) == 0 || n <= 0 {
		return nil, nil
	}
	g := v.regions[0]
	if off < 0 || off > g.Size || n > g.Size-off || g.Ptr > math.MaxInt64-uint64(off) {
		return nil, v.flaw(fmt.Errorf("bytes %d to %d of %d", off, off+n, g.Size))
	}
	if err := v.fits(n); err != nil {
		return nil, err
	}
	b, err := v.f.ds.Bytes(v.sample, g.Ptr+uint64(off), n, nil)
	return b, v.flaw(err)
}

// fits says why n of the value's bytes are too many to be had in memory, where they
// aren't there already.
func (v *value) fits(n int64) error {
	if n <= mostUnpacked || v.f.lends() {
		return nil
	}
	return tooLarge("field %q of sample %d: %d bytes would have to be read; %d are the most that is", v.d.Name, v.sample, n, mostUnpacked)
}

// packed returns the field's ability to unpack its values, if they are compressed.
func (v *value) packed() (fields.Packed, bool) {
	p, ok := v.d.Field.(fields.Packed)
	return p, ok
}

// plainSize is how many bytes the value has as content gives them.
func (v *value) plainSize() (int64, error) {
	if p, ok := v.packed(); ok {
		n, err := p.PlainSize(v.meta)
		return n, v.flaw(err)
	}
	if len(v.regions) == 0 {
		return int64(len(v.meta)), nil
	}
	return v.regions[0].Size, nil
}

// content returns the value's bytes: those of its first region, unpacked where
// they are compressed, or those in the metadata where it has no others. They are
// borrowed or fresh.
func (v *value) content() ([]byte, error) {
	n, err := v.plainSize()
	if err != nil {
		return nil, err
	}
	p, ok := v.packed()
	switch {
	case !ok && len(v.regions) == 0:
		return v.meta, nil
	case !ok:
		return v.bytes(0, n)
	case n > mostUnpacked:
		return nil, errorf(http.StatusUnprocessableEntity, "field %q of sample %d has %d bytes unpacked; %d are the most that is shown", v.d.Name, v.sample, n, mostUnpacked)
	}
	stored, err := v.bytes(0, v.regions[0].Size)
	if err != nil {
		return nil, err
	}
	dst := make([]byte, n)
	return dst, v.flaw(p.Unpack(dst, v.meta, [][]byte{stored}))
}

// lends says whether the file's bytes are in memory, so that none are copied.
func (f *file) lends() bool {
	l, ok := f.ds.(loader.Lender)
	if !ok {
		return false
	}
	_, ok = l.Borrow(0, 1)
	return ok
}

// room waits until there is memory for a value's content, where that has to be
// unpacked or read; the function returned says that it is needed no more.
func (s *Server) room(ctx context.Context, v *value) (done func(), err error) {
	if _, packed := v.packed(); !packed && v.f.lends() {
		return func() {}, nil
	}
	n, err := v.plainSize()
	if err != nil {
		return nil, err
	}
	n = min(n+v.size(), mostDrawing) // what is larger has all room for itself
	if err := s.drawing.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { s.drawing.Release(n) }, nil
}

// head returns up to n of the content's first bytes.
func (v *value) head(n int64) ([]byte, error) {
	all, err := v.plainSize()
	if err != nil {
		return nil, err
	}
	if _, ok := v.packed(); ok || len(v.regions) == 0 {
		if all > 1<<20 {
			return nil, nil // not for a glance
		}
		b, err := v.content()
		return b[:min(n, int64(len(b)))], err
	}
	return v.bytes(0, min(n, all))
}

// parts returns the bytes of all of the value's regions, as they are stored:
// what its field decodes.
func (v *value) parts() ([][]byte, error) {
	if err := v.fits(v.size()); err != nil {
		return nil, err
	}
	data := make([][]byte, len(v.regions))
	for r, g := range v.regions {
		b, err := v.f.ds.Bytes(v.sample, g.Ptr, g.Size, nil)
		if err != nil {
			return nil, v.flaw(err)
		}
		data[r] = b
	}
	return data, nil
}

// decode returns the value as its field decodes it.
func (v *value) decode() (any, error) {
	data, err := v.parts()
	if err != nil {
		return nil, err
	}
	got, err := v.d.Field.Decode(v.meta, data)
	return got, v.flaw(err)
}

// field is a field as the file has it.
func (f *file) field(k int) *ffcv.Field { return &f.fields[k] }

// integer is the number of an Int field.
func integer(meta []byte) int64 { return int64(binary.LittleEndian.Uint64(meta)) }

// float is the number of a Float field.
func float(meta []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(meta)) }

// wholeNumber is an integer in JSON: as text where a browser's numbers would not
// keep it.
func wholeNumber(n int64) any {
	if n > 1<<53 || n < -1<<53 {
		return strconv.FormatInt(n, 10)
	}
	return n
}

// realNumber is a number in JSON, which has no NaN and no infinities.
func realNumber(x float64) any {
	switch {
	case math.IsNaN(x):
		return "nan"
	case math.IsInf(x, 1):
		return "inf"
	case math.IsInf(x, -1):
		return "-inf"
	}
	return x
}

// plainField is a field without what compresses its values.
func plainField(d *ffcv.Field) fields.Field {
	if p, ok := d.Field.(fields.Packed); ok {
		return p.Plain()
	}
	return d.Field
}

// arraySpec returns the type and shape of a field of arrays.
func arraySpec(d *ffcv.Field) (array.Spec, bool) {
	switch f := plainField(d).(type) {
	case fields.NDArray:
		return array.Spec{DType: f.DType, Shape: f.Shape}, true
	case fields.TorchTensor:
		return array.Spec{DType: f.DType, Shape: f.Shape}, true
	}
	return array.Spec{}, false
}

// The kinds of fields, by what a page makes of their values.
const (
	kindImage  = "image"
	kindLabel  = "label"
	kindNumber = "number"
	kindArray  = "array"
	kindBytes  = "bytes"
	kindJSON   = "json"
	kindAudio  = "audio"
	kindCustom = "custom" // of which only the metadata are known
)

// allKinds are the kinds of fields, those that a page shows first of all in front.
var allKinds = []string{kindImage, kindAudio, kindJSON, kindArray, kindBytes, kindLabel, kindNumber, kindCustom}

// kindOf tells a field's kind by its type. What lies in bytes only they tell.
func (s *Server) kindOf(k int) string {
	d := &s.fields[k]
	switch plainField(d).(type) {
	case fields.RGBImage, fields.Image:
		return kindImage
	case fields.NDArray, fields.TorchTensor:
		return kindArray
	case fields.JSON:
		return kindJSON
	case fields.Bytes:
		return kindBytes
	case fields.Audio:
		return kindAudio
	}
	switch {
	case k == s.label:
		return kindLabel
	case d.Type == fields.TypeInt, d.Type == fields.TypeFloat:
		return kindNumber
	}
	return kindCustom
}

// kind is the value's kind: of bytes by what they begin with.
func (s *Server) kind(v *value) string {
	kind := s.kindOf(v.k)
	if kind != kindBytes {
		return kind
	}
	head, err := v.head(sniffed)
	switch {
	case err != nil:
	case pictureType(head) != "":
		return kindImage
	case soundType(head) != "":
		return kindAudio
	}
	return kindBytes
}
