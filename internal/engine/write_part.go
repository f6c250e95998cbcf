package engine

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

// The forms of values in a part.
const (
	formBytes  = 0
	formPixels = 1
	formFile   = 2
	formPath   = 3
	formSound  = 4
	formCustom = 5
)

const (
	numberSize = 8  // of a column's element
	entrySize  = 32 // of a column's element that is no number
)

// part is a run of rows as a client sent them.
type part struct {
	first, n int
	fields   []fields.Field // of the client's values, in the file's order
	columns  [][]byte
	values   []byte   // where the entries' offsets count
	ready    []any    // instead of columns and values: the values, row by row
	held     []held   // one a row: the values of the last field
	names    []string // of the samples; nil: they have none

	left    atomic.Int64 // rows that are not encoded yet
	release func()       // when none is left; nil nothing
}

// held is a row's value of the last field: once it is encoded the row is done
// with.
type held struct {
	value any
	part  *part
}

// numeric tells whether a field's column is one of numbers.
func numeric(f fields.Field) bool {
	switch f.(type) {
	case fields.Float, fields.Int:
		return true
	}
	return false
}

// newPart reads a payload of n rows; segment is where the values lie, nil
// behind the columns.
func newPart(fs []fields.Field, first, n int, payload, segment []byte) (*part, error) {
	p := &part{first: first, n: n, fields: fs, columns: make([][]byte, len(fs)), values: segment}
	for i, f := range fs {
		size := n * entrySize
		if numeric(f) {
			size = n * numberSize
		}
		if size > len(payload) {
			return nil, &protocolError{fmt.Sprintf("a part of %d rows: %d bytes are left for column %d of %d", n, len(payload), i, size)}
		}
		p.columns[i], payload = payload[:size:size], payload[size:]
	}
	if segment == nil {
		p.values = payload
	} else if len(payload) > 0 {
		return nil, &protocolError{fmt.Sprintf("a part of %d rows with a segment and %d bytes behind its columns", n, len(payload))}
	}
	p.held = make([]held, n)
	p.left.Store(int64(n))
	return p, nil
}

// splitNames cuts the names of n rows, size bytes of them, off a payload. They
// are nil where there are none.
func splitNames(payload []byte, n, size int) (rest []byte, names []string, err error) {
	if size == 0 {
		return payload, nil, nil
	}
	if size < 4*n || size > len(payload) {
		return nil, nil, &protocolError{fmt.Sprintf("names of %d rows in %d bytes of a payload of %d", n, size, len(payload))}
	}
	rest, lengths := payload[:len(payload)-size:len(payload)-size], payload[len(payload)-size:]
	text := string(lengths[4*n:])
	names = make([]string, n)
	for i := range names {
		k := binary.LittleEndian.Uint32(lengths[4*i:])
		if uint64(k) > uint64(len(text)) {
			return nil, nil, &protocolError{fmt.Sprintf("name %d of %d has %d bytes, %d are left", i, n, k, len(text))}
		}
		names[i], text = text[:k], text[k:]
	}
	if len(text) > 0 {
		return nil, nil, &protocolError{fmt.Sprintf("%d bytes behind the names of %d rows", len(text), n)}
	}
	return rest, names, nil
}

// name is the name of row i of the file, "" for none.
func (p *part) name(i int) string {
	if p.names == nil {
		return ""
	}
	return p.names[i-p.first]
}

// row returns the values of row i of the file. They borrow the part's memory.
func (p *part) row(i int) ([]any, error) {
	i -= p.first
	values := make([]any, len(p.fields))
	if p.ready != nil {
		copy(values, p.ready[i*len(values):])
		return values, nil
	}
	for k := range p.fields {
		v, err := p.value(i, k)
		if err != nil {
			return nil, err
		}
		values[k] = v
	}
	last := len(values) - 1
	p.held[i] = held{values[last], p}
	values[last] = &p.held[i]
	return values, nil
}

// known is value, also of a part that has memory of its own.
func (p *part) known(i, k int) (any, error) {
	if p.ready != nil {
		return p.ready[i*len(p.fields)+k], nil
	}
	return p.value(i, k)
}

// value returns the value of field k in the part's row i.
func (p *part) value(i, k int) (any, error) {
	le := binary.LittleEndian
	switch p.fields[k].(type) {
	case fields.Int:
		return int64(le.Uint64(p.columns[k][i*numberSize:])), nil
	case fields.Float:
		return math.Float64frombits(le.Uint64(p.columns[k][i*numberSize:])), nil
	}
	e := p.columns[k][i*entrySize:][:entrySize]
	off, size := le.Uint64(e[16:]), le.Uint64(e[24:])
	if off > uint64(len(p.values)) || size > uint64(len(p.values))-off {
		return nil, &protocolError{fmt.Sprintf("a value of %d bytes at %d; there are %d", size, off, len(p.values))}
	}
	b := p.values[off : off+size : off+size]
	v := entry{form: le.Uint32(e), a: le.Uint32(e[4:]), b: le.Uint32(e[8:]), c: le.Uint32(e[12:]), data: b}
	out, err := v.value(p.fields[k])
	if err != nil {
		return nil, err
	}
	return out, nil
}

// entry is a value as it lies in a part.
type entry struct {
	form, a, b, c uint32
	data          []byte
}

// value is what the field takes.
func (e *entry) value(f fields.Field) (any, error) {
	if e.form == formPath {
		return fields.Path(e.data), nil
	}
	if p, ok := f.(fields.Packed); ok {
		f = p.Plain()
	}
	switch f := f.(type) {
	case fields.Bytes:
		if e.form == formBytes {
			return e.data, nil
		}
	case fields.JSON:
		if e.form == formBytes {
			return fields.JSONText(e.data), nil
		}
	case fields.NDArray:
		if e.form == formBytes {
			return array.Array{Spec: array.Spec{DType: f.DType, Shape: f.Shape}, Data: e.data}, nil
		}
	case fields.TorchTensor:
		if e.form == formBytes {
			return array.Array{Spec: array.Spec{DType: f.DType, Shape: f.Shape}, Data: e.data}, nil
		}
	case fields.RGBImage, *leastImage:
		switch e.form {
		case formPixels:
			return rgb.Image{Width: int(e.b), Height: int(e.a), Pix: e.data}, nil
		case formFile:
			return e.data, nil
		}
	case fields.Image:
		switch e.form {
		case formPixels:
			shape := []int{int(e.a), int(e.b), int(e.c)}
			if e.c == 0 {
				shape = shape[:2]
			}
			return array.Array{Spec: array.Spec{DType: f.DType, Shape: shape}, Data: e.data}, nil
		case formFile:
			return e.data, nil
		}
	case fields.Audio:
		if e.form == formSound {
			return fields.AudioClip{
				SampleRate: e.a, DurationMS: e.b, Channels: uint8(e.c), Encoding: fields.AudioEncoding(e.c >> 8), Data: e.data,
			}, nil
		}
	case *customField:
		if e.form == formCustom {
			return f.value(e.data, e.a)
		}
	}
	return nil, &protocolError{fmt.Sprintf("a value of form %d for a %T", e.form, f)}
}

// done says that a row is encoded.
func (p *part) done() {
	if p.left.Add(-1) == 0 && p.release != nil {
		p.release()
	}
}

// lastField is a file's last field: it says of each row that it is encoded. As
// an encoder goes through a row's fields in their order, nothing of the row is
// read afterwards.
type lastField struct{ fields.Field }

func (f lastField) Encode(meta []byte, value any, at fields.At) error {
	h, ok := value.(*held)
	if !ok {
		return f.Field.Encode(meta, value, at)
	}
	err := f.Field.Encode(meta, h.value, at)
	h.value = nil
	h.part.done()
	return err
}

// lastMarker is a lastField whose field makes marks.
type lastMarker struct {
	lastField
	fields.Marker
}

// last returns a field with lastField's ability.
func last(f fields.Field) fields.Field {
	if m, ok := f.(fields.Marker); ok {
		return lastMarker{lastField{f}, m}
	}
	return lastField{f}
}
