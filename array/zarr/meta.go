package zarr

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/betongo/betongo/array"
)

// maxRank is how many dimensions an array may have, as in NumPy.
const maxRank = 64

// meta is what the metadata of an array tell.
type meta struct {
	version int
	spec    array.Spec
	chunks  []int   // the shape of a chunk, of one within a shard where there are shards
	shards  []int   // the shape of a shard; nil without
	axes    []int   // axis i of a chunk's bytes is axis axes[i] of the array; nil is C order
	codecs  []codec // from bytes to bytes, in the order of writing
	names   []string
	index   shardIndex
	fill    []byte // one element
	prefix  string // of the chunks' keys
	sep     string // between numbers in them
	size    int    // bytes of a chunk before compression; set by check
}

// check looks at what parse2 and parse3 have read for itself, and computes
// what follows from it.
func (m *meta) check(maxChunk int64) error {
	if _, err := m.spec.Bytes(); err != nil {
		return fmt.Errorf("shape: %w", err)
	}
	for i, c := range m.chunks {
		if c < 1 {
			return fmt.Errorf("chunk shape %s has %d on axis %d, want at least 1", array.ShapeString(m.chunks), c, i)
		}
		if m.shards != nil && (m.shards[i] < 1 || m.shards[i]%c != 0) {
			return fmt.Errorf("shard shape %s is no multiple of the chunk shape %s", array.ShapeString(m.shards), array.ShapeString(m.chunks))
		}
	}
	size, err := array.Spec{DType: m.spec.DType, Shape: m.chunks}.Bytes()
	if err != nil || int64(size) > maxChunk {
		return fmt.Errorf("a chunk %s of %v has more than %d bytes", array.ShapeString(m.chunks), m.spec.DType, maxChunk)
	}
	if m.size = size; m.shards != nil {
		_, err = m.perShard()
	}
	return err
}

// perShard is how many chunks a shard has.
func (m *meta) perShard() (int, error) {
	n := 1
	for i, c := range m.chunks {
		hi, lo := bits.Mul64(uint64(n), uint64(m.shards[i]/c))
		if hi != 0 || lo > math.MaxInt32 {
			return 0, fmt.Errorf("shards %s have more than %d chunks %s", array.ShapeString(m.shards), math.MaxInt32, array.ShapeString(m.chunks))
		}
		n = int(lo)
	}
	return n, nil
}

// fortran tells whether chunks lie in Fortran order.
func (m *meta) fortran() bool {
	for i, a := range m.axes {
		if a != len(m.axes)-1-i {
			return false
		}
	}
	return len(m.axes) > 1
}

// key is the name of a chunk or, where there are shards, of a shard, below the
// array's.
func (m *meta) key(b []byte, at []int) []byte {
	b = append(b, m.prefix...)
	if len(at) == 0 && m.prefix == "" {
		return append(b, '0')
	}
	for i, n := range at {
		if i > 0 || m.prefix != "" {
			b = append(b, m.sep...)
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return b
}

// grid is what files hold: shards, or chunks where there are none.
func (m *meta) grid() []int {
	if m.shards != nil {
		return m.shards
	}
	return m.chunks
}

// parse2 reads a .zarray.
func parse2(d map[string]any) (*meta, error) {
	m := &meta{version: 2, sep: "."}
	if v, ok := d["zarr_format"].(int64); !ok || v != 2 {
		return nil, unsupportedFormat(d["zarr_format"])
	}
	var err error
	if m.spec.DType, err = dtype2(d["dtype"], 0); err != nil {
		return nil, err
	}
	if m.spec.Shape, err = ints(d, "shape"); err != nil {
		return nil, err
	}
	if m.chunks, err = ints(d, "chunks"); err != nil {
		return nil, err
	}
	if len(m.chunks) != len(m.spec.Shape) {
		return nil, fmt.Errorf("chunks %v of an array of shape %v", m.chunks, m.spec.Shape)
	}
	for i, c := range m.chunks {
		if c == 0 && m.spec.Shape[i] == 0 {
			m.chunks[i] = 1
		}
	}
	switch d["order"] {
	case "C":
	case "F":
		for i := range m.chunks {
			m.axes = append(m.axes, len(m.chunks)-1-i)
		}
	default:
		return nil, fmt.Errorf("order is %v, want C or F", d["order"])
	}
	switch sep := d["dimension_separator"]; sep {
	case nil, ".":
	case "/":
		m.sep = "/"
	default:
		return nil, fmt.Errorf("dimension_separator is %v, want . or /", sep)
	}
	if m.fill, err = fill2(d["fill_value"], m.spec.DType); err != nil {
		return nil, fmt.Errorf("fill_value: %w", err)
	}
	return m, m.codecs2(d)
}

// codecs2 reads filters and compressor of version 2.
func (m *meta) codecs2(d map[string]any) error {
	var list []any
	switch v := d["filters"].(type) {
	case nil:
	case []any:
		list = v
	default:
		return errors.New("filters are no list")
	}
	if c := d["compressor"]; c != nil {
		list = append(slices.Clip(list), c)
	}
	for _, v := range list {
		config, ok := v.(map[string]any)
		id, named := config["id"].(string)
		if !ok || !named {
			return errors.New("a filter or compressor without id")
		}
		c, err := codec2(id, config)
		if err != nil {
			return err
		}
		m.codecs, m.names = append(m.codecs, c), append(m.names, id)
	}
	return nil
}

// parse3 reads the zarr.json of an array.
func parse3(d map[string]any) (*meta, error) {
	m := &meta{version: 3}
	if v, ok := d["zarr_format"].(int64); !ok || v != 3 {
		return nil, unsupportedFormat(d["zarr_format"])
	}
	if err := known3(d); err != nil {
		return nil, err
	}
	t, err := dtype3(d["data_type"], 0)
	if err != nil {
		return nil, err
	}
	if m.spec.Shape, err = ints(d, "shape"); err != nil {
		return nil, err
	}
	name, config, err := named(d["chunk_grid"])
	if err != nil {
		return nil, fmt.Errorf("chunk_grid: %w", err)
	}
	if name != "regular" {
		return nil, unsupported("chunk grid " + strconv.Quote(name))
	}
	if m.chunks, err = ints(config, "chunk_shape"); err != nil {
		return nil, fmt.Errorf("chunk_grid: %w", err)
	}
	if len(m.chunks) != len(m.spec.Shape) {
		return nil, fmt.Errorf("chunk shape %v of an array of shape %v", m.chunks, m.spec.Shape)
	}
	if err := m.keys3(d["chunk_key_encoding"]); err != nil {
		return nil, err
	}
	if err := m.codecs3(d["codecs"], t); err != nil {
		return nil, err
	}
	v, ok := d["fill_value"]
	if !ok {
		return nil, errors.New("fill_value is missing")
	}
	if m.fill, err = fill3(v, m.spec.DType); err != nil {
		return nil, fmt.Errorf("fill_value: %w", err)
	}
	return m, nil
}

// known3 refuses what must be understood and isn't.
func known3(d map[string]any) error {
	for key, v := range d {
		switch key {
		case "zarr_format", "node_type", "shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs",
			"attributes", "dimension_names", "consolidated_metadata":
			continue
		case "storage_transformers":
			if list, ok := v.([]any); v == nil || ok && len(list) == 0 {
				continue
			}
			return unsupported("storage transformers")
		}
		if m, ok := v.(map[string]any); ok && m["must_understand"] == false {
			continue
		}
		return unsupported("metadata key " + strconv.Quote(key))
	}
	return nil
}

// keys3 reads how chunks are called.
func (m *meta) keys3(v any) error {
	name, config, err := named(v)
	if err != nil {
		return fmt.Errorf("chunk_key_encoding: %w", err)
	}
	switch name {
	case "default":
		m.prefix, m.sep = "c", "/"
	case "v2":
		m.sep = "."
	default:
		return unsupported("chunk key encoding " + strconv.Quote(name))
	}
	switch sep := config["separator"]; sep {
	case nil:
	case ".", "/":
		m.sep = sep.(string)
	default:
		return fmt.Errorf("chunk_key_encoding: separator is %v, want . or /", sep)
	}
	return nil
}

// unsupportedFormat refuses another version of the format than the file's name tells.
func unsupportedFormat(v any) error {
	if n, ok := v.(int64); ok {
		return unsupported(fmt.Sprintf("zarr_format %d", n))
	}
	return fmt.Errorf("zarr_format is %v, want 2 or 3", v)
}

// ints reads a list of numbers from 0 on, as shapes are.
func ints(d map[string]any, key string) ([]int, error) {
	list, ok := d[key].([]any)
	if !ok {
		return nil, fmt.Errorf("%s is no list", key)
	}
	if len(list) > maxRank {
		return nil, fmt.Errorf("%s has %d dimensions, want at most %d", key, len(list), maxRank)
	}
	out := make([]int, len(list))
	for i, v := range list {
		n, ok := v.(int64)
		if !ok || n < 0 {
			return nil, fmt.Errorf("%s has %v on axis %d, want a number from 0 on", key, v, i)
		}
		out[i] = int(n)
	}
	return out, nil
}

// named reads a name with its configuration: an object, or the name alone.
func named(v any) (string, map[string]any, error) {
	switch v := v.(type) {
	case string:
		return v, nil, nil
	case map[string]any:
		name, ok := v["name"].(string)
		if !ok {
			return "", nil, errors.New("an object without name")
		}
		switch config := v["configuration"].(type) {
		case nil:
			return name, nil, nil
		case map[string]any:
			return name, config, nil
		}
		return "", nil, fmt.Errorf("configuration of %q is no object", name)
	}
	return "", nil, fmt.Errorf("%s, want a name", brief(v))
}

// brief tells of a value without ever being long.
func brief(v any) string {
	s := strings.ToValidUTF8(fmt.Sprint(v), "?")
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}
