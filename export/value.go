package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
)

// value is a sample's value of a column. Its bytes are borrowed from the dataset,
// or lie in a batch's memory.
type value struct {
	ext   string  // of a file with the bytes, without dot
	data  []byte  // the file; of arrays the elements, of JSON the text
	n     int64   // of an int field
	x     float64 // of a float field
	width int     // of pictures
	high  int
}

// record is a sample on its way.
type record struct {
	sample int
	key    string // what it is called, as it was found; "" by its number
	stem   string // its name in the export, slash-separated, without extension
	ext    string // of its key, with dot; "" none
	label  int64
	values []value // by column
	bytes  int64   // of all values
	paths  []string
	err    *SampleError
}

// memory is where a batch's bytes lie that are not borrowed: pieces that stay in
// their place while there come more, and are used again by the next batch.
type memory struct {
	pieces [][]byte
	at     int
}

const pieceSize = 512 << 10

// take returns n bytes.
func (m *memory) take(n int) []byte {
	for ; m.at < len(m.pieces); m.at++ {
		p := m.pieces[m.at]
		if cap(p)-len(p) >= n {
			m.pieces[m.at] = p[:len(p)+n]
			return p[len(p) : len(p)+n : len(p)+n]
		}
	}
	m.pieces = append(m.pieces, make([]byte, n, max(n, pieceSize)))
	m.at = len(m.pieces) - 1
	return m.pieces[m.at][:n:n]
}

// maxSpare is how much memory is had for a size that nobody has checked.
const maxSpare = 16 << 20

// spare returns memory that whoever needs some may fill from its start, and tell
// use of what became of it: n bytes or more, if n is no more than maxSpare.
func (m *memory) spare(n int64) []byte {
	for ; m.at < len(m.pieces); m.at++ {
		if p := m.pieces[m.at]; int64(cap(p)-len(p)) >= min(n, maxSpare) {
			return p[len(p):len(p):cap(p)]
		}
	}
	m.pieces = append(m.pieces, make([]byte, 0, max(min(n, maxSpare), pieceSize)))
	return m.pieces[m.at]
}

// use takes b out of what is free, if it lies in what spare returned.
func (m *memory) use(b []byte) {
	p := m.pieces[m.at]
	if n := len(b); n > 0 && n <= cap(p)-len(p) && &b[0] == &p[:len(p)+1][len(p)] {
		m.pieces[m.at] = p[:len(p)+n]
	}
}

// keep copies b.
func (m *memory) keep(b []byte) []byte {
	to := m.take(len(b))
	copy(to, b)
	return to
}

// reset makes all bytes free. Pieces of single large values go.
func (m *memory) reset() {
	kept := m.pieces[:0]
	for _, p := range m.pieces {
		if cap(p) <= 4*pieceSize {
			kept = append(kept, p[:0])
		}
	}
	clear(m.pieces[len(kept):])
	m.pieces, m.at = kept, 0
}

// reader reads the values of samples. It is for one goroutine.
type reader struct {
	plan    *plan
	mem     *memory
	regions []fields.Region
	data    [][]byte
	check   []byte // for checksums
	png     pngEncoder
}

// sample fills in a record from its metadata row.
func (r *reader) sample(rec *record, row []byte) {
	rec.err, rec.bytes, rec.label = nil, 0, 0
	rec.values = rec.values[:0]
	fail := func(field string, err error) {
		file := r.plan.ds.Name()
		if l, ok := r.plan.ds.(loader.Locator); ok {
			file, _ = l.Locate(rec.sample, 0)
		}
		var flaw *ffcv.FormatError
		if errors.As(err, &flaw) && flaw == err {
			short := *flaw // its place is said already
			short.File, short.Field, short.Sample = "", "", -1
			err = &short
		}
		rec.err = &SampleError{File: file, Sample: rec.sample, Key: rec.key, Field: field, Err: err}
	}
	var err error
	if rec.key, err = r.plan.ds.Key(rec.sample); err != nil {
		fail("", err)
		return
	}
	for k := range r.plan.columns {
		c := &r.plan.columns[k]
		v, err := r.value(rec.sample, c, row)
		if err != nil {
			fail(c.name, err)
			return
		}
		rec.values = append(rec.values, v)
		rec.bytes += int64(len(v.data))
	}
	if k := r.plan.label; k >= 0 {
		rec.label = rec.values[k].n
	}
	if err := r.plan.nameRecord(rec); err != nil {
		fail("", err)
	}
}

// value reads a value and makes of it what is written.
func (r *reader) value(sample int, c *column, row []byte) (value, error) {
	if c.offset+c.size > len(row) {
		return value{}, fmt.Errorf("a metadata row of %d bytes, the field's member ends at %d", len(row), c.offset+c.size)
	}
	if r.plan.verifier != nil {
		var err error
		if r.check, err = r.plan.verifier.VerifyValue(sample, c.field, r.check); err != nil {
			return value{}, err
		}
	}
	meta := row[c.offset : c.offset+c.size]
	var err error
	if r.regions, err = c.regions(r.plan.ds, r.regions[:0], sample, meta); err != nil {
		return value{}, err
	}
	r.data = r.data[:0]
	for _, region := range r.regions {
		// The size is a number of the file: memory is had only for one that Bytes
		// has found to lie in it.
		b, err := r.plan.ds.Bytes(sample, region.Ptr, region.Size, r.mem.spare(region.Size))
		if err != nil {
			return value{}, err
		}
		r.mem.use(b)
		r.data = append(r.data, b)
	}
	v, err := decode(c, meta, r.data)
	if err != nil {
		return value{}, err
	}
	return r.convert(c, v)
}

// decode has a field decode a value. What a custom field's panic says is an error.
func decode(c *column, meta []byte, data [][]byte) (v any, err error) {
	defer func() {
		if p := recover(); p != nil {
			if mmap.IsFault(p) {
				panic(p) // not the field's doing
			}
			v, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	return c.stored.Decode(meta, data)
}

// regions returns where a value's bytes are, with their sizes.
func (c *column) regions(ds Dataset, dst []fields.Region, sample int, meta []byte) ([]fields.Region, error) {
	dst, err := c.stored.Regions(dst, meta)
	if err != nil {
		return nil, err
	}
	for k := range dst {
		if dst[k].Size < 0 {
			if dst[k].Size, err = ds.RegionSize(sample, c.field, dst[k].Ptr); err != nil {
				return nil, err
			}
		}
	}
	return dst, nil
}

// convert makes of a decoded value what is written.
func (r *reader) convert(c *column, v any) (value, error) {
	switch v := v.(type) {
	case int64:
		return value{n: v}, nil
	case float64:
		return value{x: v}, nil
	case json.RawMessage:
		if err := fields.JSONText(v).Check(); err != nil {
			return value{}, err
		}
		return value{ext: "json", data: v}, nil
	case []byte:
		return value{ext: c.ext, data: v}, nil
	case array.Array:
		if c.raw {
			return value{data: v.Data}, nil
		}
		b := r.mem.take(len(c.header) + len(v.Data))
		copy(b[copy(b, c.header):], v.Data)
		return value{ext: "npy", data: b}, nil
	case fields.AudioClip:
		return r.sound(v)
	case rgb.Encoded:
		if v.JPEG {
			return value{ext: "jpg", data: v.Data, width: v.Width, high: v.Height}, checkJPEG(v)
		}
		return r.picture(rgb.Raster{Width: v.Width, Height: v.Height, Channels: 3, Depth: 1, Pix: v.Data})
	case rgb.Raster:
		return r.picture(v)
	}
	return value{}, fmt.Errorf("a value of %T, which nothing here is for", v)
}

// checkJPEG refuses what no reader would take for the picture that it should be.
func checkJPEG(v rgb.Encoded) error {
	info, err := rgb.ScanJPEG(v.Data)
	if err != nil {
		return err
	}
	if info.Width != v.Width || info.Height != v.Height {
		return fmt.Errorf("a JPEG of %dx%d; the metadata says %dx%d", info.Width, info.Height, v.Width, v.Height)
	}
	return nil
}

// picture makes a PNG of pixels.
func (r *reader) picture(p rgb.Raster) (value, error) {
	b, err := r.png.encode(p)
	if err != nil {
		return value{}, err
	}
	return value{ext: "png", data: r.mem.keep(b), width: p.Width, high: p.Height}, nil
}

// nameRecord finds out what a sample is called.
func (p *plan) nameRecord(rec *record) error {
	from := ""
	switch {
	case p.keyField >= 0:
		c, v := &p.columns[p.keyField], &rec.values[p.keyField]
		var err error
		if from, err = text(c.kind, v); err != nil {
			return fmt.Errorf("its name, from field %q: %w", c.name, err)
		}
		rec.key, rec.ext = from, ""
	case p.keyFrom == KeyIndex:
		rec.key = ""
	case p.keyFrom == KeyPath && rec.key == "":
		return errors.New("no key, which it should be called by; with KeyIndex samples are called by their numbers")
	default:
		from, rec.ext = split(rec.key)
	}
	if from == "" && (p.keyField >= 0 || rec.key != "") {
		return fmt.Errorf("its name %q is empty", rec.key)
	}
	if from == "" {
		rec.ext, rec.stem = "", fmt.Sprintf("%0*d", digits(p.ds.Len()), rec.sample)
		return nil
	}
	if rec.stem = name(from); rec.stem == "" {
		return fmt.Errorf("its name %q has nothing to call a file", rec.key)
	}
	if len(rec.stem) > maxName {
		return fmt.Errorf("its name has %d bytes; expected at most %d", len(rec.stem), maxName)
	}
	return nil
}

// digits is how many digits all numbers below n are written with, so that they
// sort as they are.
func digits(n int) int { return max(8, len(strconv.Itoa(max(n-1, 0)))) }

// text is a value as a name.
func text(k kind, v *value) (string, error) {
	switch k {
	case kindInt:
		return strconv.FormatInt(v.n, 10), nil
	case kindBytes:
		if !utf8.Valid(v.data) {
			return "", errors.New("bytes that are no UTF-8 text")
		}
		return string(v.data), nil
	}
	x, err := fields.JSONText(v.data).Value()
	if err != nil {
		return "", err
	}
	s, ok := x.(string)
	if !ok {
		return "", fmt.Errorf("JSON of another kind than a string: %.40s", v.data)
	}
	return s, nil
}
