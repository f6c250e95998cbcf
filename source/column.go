package source

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/regular"
)

// column is a column of a table with the way in which its cells are read.
type column struct {
	Spec
	at   int // its place in a csv record
	cell cell
	spec array.Spec // of lists and .npy files
}

// cell is a way to write a value in a cell.
type cell uint8

const (
	cellInt cell = iota
	cellFloat
	cellJSON
	cellPath   // the name of a file with the value
	cellText   // the value's bytes
	cellBase64 // the value's bytes
	cellList   // nested lists
	cellNPY    // the name of a .npy file
)

func newColumn(s Spec) (column, error) {
	c := column{Spec: s}
	if c.Column == "" {
		c.Column = s.Name
	}
	fail := func(what string) (column, error) {
		return column{}, &SpecError{fmt.Errorf("field %q of a table: %s", s.Name, what)}
	}
	if s.File != "" {
		return fail("file= is for arrays; a table's field has column=")
	}
	switch f := plainField(s.Field.Field).(type) {
	case nil:
		return fail("no type")
	case fields.Int:
		c.cell = cellInt
	case fields.Float:
		c.cell = cellFloat
	case fields.JSON:
		c.cell = cellJSON
	case fields.NDArray:
		c.cell, c.spec = cellList, array.Spec{DType: f.DType, Shape: f.Shape}
	case fields.TorchTensor:
		c.cell, c.spec = cellList, array.Spec{DType: f.DType, Shape: f.Shape}
	case fields.RGBImage, fields.Image, fields.Bytes:
		c.cell = cellPath
	default:
		return fail(fmt.Sprintf("values of %T cannot be read from a table", f))
	}
	switch {
	case s.Inline == InlineDefault:
	case c.cell == cellList && s.Inline == InlineYes, c.cell == cellPath && s.Inline == InlineNo:
	case c.cell == cellList && s.Inline == InlineNo:
		c.cell = cellNPY
	case c.cell == cellPath && s.Inline == InlineBase64:
		c.cell = cellBase64
	case c.cell == cellPath && s.Inline == InlineYes && plainField(s.Field.Field).TypeID() == fields.TypeBytes:
		c.cell = cellText
	case c.cell == cellPath:
		return fail("inline=true: an image is no text; expected base64 or false")
	default:
		return fail(fmt.Sprintf("inline=%s: its cells are read in one way only", s.Inline))
	}
	if c.cell == cellList || c.cell == cellNPY {
		if !c.spec.DType.Valid() || len(c.spec.Shape) == 0 {
			return fail("no dtype or no shape; expected both, as in x=ndarray:dtype=<f4,shape=32x4")
		}
	}
	return c, nil
}

// text reads the cell of a csv record.
func (c *column) text(t *Table, text string) (any, error) {
	switch c.cell {
	case cellInt:
		return parseInt(strings.TrimSpace(text))
	case cellFloat:
		return parseFloat(strings.TrimSpace(text))
	case cellJSON, cellList:
		if err := fields.JSONText(text).Check(); err != nil {
			return nil, err
		}
		if c.cell == cellJSON {
			return json.RawMessage(text), nil
		}
		return list([]byte(text), c.spec)
	}
	return c.name(t, text)
}

// json reads the member of a JSON record.
func (c *column) json(t *Table, value []byte) (any, error) {
	switch c.cell {
	case cellInt:
		switch string(value) {
		case "true":
			return int64(1), nil
		case "false":
			return int64(0), nil
		}
		return parseInt(string(value))
	case cellFloat:
		if strings.IndexByte("-0123456789NI", value[0]) < 0 {
			return nil, notNumber(string(value))
		}
		return parseFloat(string(value))
	case cellJSON:
		return json.RawMessage(value), nil
	case cellList:
		return list(value, c.spec)
	}
	text, err := unquote(value)
	if err != nil {
		return nil, err
	}
	return c.name(t, text)
}

// name reads a cell that is text: the name of a file, or bytes.
func (c *column) name(t *Table, text string) (any, error) {
	switch c.cell {
	case cellText:
		return []byte(text), nil
	case cellBase64:
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("base64 text of %d bytes: %w", len(text), err)
		}
		return b, nil
	}
	if text == "" {
		return nil, errors.New("empty; expected the name of a file")
	}
	if far(text) || far(t.dir) {
		return t.object(text)
	}
	file := filepath.FromSlash(text)
	if !filepath.IsAbs(file) {
		file = filepath.Join(t.dir, file)
	}
	if err := t.root.check(text, file); err != nil {
		return nil, err
	}
	if c.cell == cellPath {
		return fields.Path(file), nil
	}
	return readNPY(file, c.spec)
}

// object returns what a cell names in a store: by a URL, or relative to the table
// that lies there too. It may not lie outside of the table's folder unless that is
// allowed, and a path of this machine means nothing in a table from elsewhere.
func (t *Table) object(text string) (any, error) {
	name := text
	if !far(text) {
		if strings.HasPrefix(text, "/") {
			return nil, fmt.Errorf("file %q: a path of one machine, in %s, which lies elsewhere", text, t.path)
		}
		scheme, rest, _ := strings.Cut(t.dir, "://")
		name = scheme + "://" + path.Join(rest, text)
	}
	if t.store == nil {
		return nil, fmt.Errorf("file %q: a URL, and no store to read it from", shown(text))
	}
	if !t.root.free && (!far(t.dir) || !strings.HasPrefix(name, t.dir+"/")) {
		return nil, fmt.Errorf("file %q %w", shown(text), ErrOutside)
	}
	return object(name), nil
}

// readNPY reads a whole .npy file that must hold one value of the spec.
func readNPY(path string, spec array.Spec) (array.Array, error) {
	f, err := regular.Open(path)
	if err != nil {
		return array.Array{}, err
	}
	defer f.Close()
	a, err := npy.Read(f)
	if err != nil {
		return array.Array{}, fmt.Errorf("%s: %w", path, err)
	}
	if !a.Spec.Equal(spec) {
		return array.Array{}, fmt.Errorf("%s: array %v; the field holds %v", path, a.Spec, spec)
	}
	return a, nil
}

func parseInt(text string) (any, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("expected a whole number of 64 bits, found %s", excerpt(text))
	}
	return n, nil
}

func parseFloat(text string) (any, error) {
	bits, err := floatBits(text, 64)
	if err != nil {
		return nil, notNumber(text)
	}
	return math.Float64frombits(bits), nil
}

func notNumber(text string) error {
	return fmt.Errorf("expected a number of the range of float64, found %s", excerpt(text))
}
