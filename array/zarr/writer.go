package zarr

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
)

// CreateOptions say how Create writes; nil and the zero value are the defaults.
type CreateOptions struct {
	// Overwrite lets a store that is there already be replaced. A folder that is
	// none, and not empty, is never replaced.
	Overwrite bool
	// Version is 2 or 3; 0 is 3.
	Version int
	// Zip makes a ZIP file instead of a folder, as a path does that ends in
	// ".zip".
	Zip bool
	// Compression is what chunks are packed with.
	Compression Compression
	// Chunk is about how many bytes a chunk has before compression; 0 is 4 MiB.
	// Chunks are whole rows, unless one row is larger.
	Chunk int
	// Chunks, where it isn't nil, gives the shape of an array's chunks. Where
	// it returns nil the shape follows from Chunk.
	Chunks func(array.Member) []int
	// ShardRows is how many rows of chunks a shard holds, which is as wide as
	// the array; 0 is no shards. Version 3 has them.
	ShardRows int
	// Separator stands between the numbers of a chunk's name, "." or "/"; "" is
	// "." in version 2 and "/" in version 3.
	Separator string
	// Consolidate writes the metadata of all nodes together, besides, as
	// readers over a network like it. Only of version 2.
	Consolidate bool
	// OmitEmpty leaves out chunks whose bytes are all zero, which is what
	// readers put for a chunk that is missing.
	OmitEmpty bool
}

const defaultChunkBytes = 4 << 20

// Compression is what chunks are packed with.
type Compression struct {
	// Codec is "zstd", "gzip", "blosc" or "none", in version 2 also "zlib" and
	// "lz4". "" is zstd in version 3, blosc in version 2.
	Codec string
	// Level is the codec's own; 0 is 1 of zstd, 5 of gzip, zlib and blosc.
	Level int
	// Packer is what blosc packs with: "lz4", "zlib" or "zstd"; "" is lz4.
	Packer string
	// Shuffle is how blosc orders bytes before: "shuffle", "bitshuffle" or
	// "noshuffle"; "" is shuffle.
	Shuffle string
}

// Writer writes a store beside its place, where Close puts it. It is not safe
// for concurrent use. After an error it only gives that error, and Close leaves
// nothing.
type Writer struct {
	out    target
	path   string
	opts   CreateOptions
	arrays map[string]bool
	groups map[string]map[string]any // attributes, by name
	all    map[string]any            // consolidated metadata
	state  *array.Writing
}

// Create begins a store.
func Create(path string, opts *CreateOptions) (*Writer, error) {
	if opts == nil {
		opts = &CreateOptions{}
	}
	w := &Writer{path: path, opts: *opts, arrays: map[string]bool{}, groups: map[string]map[string]any{}, state: array.NewWriting(path)}
	if err := w.opts.check(path); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var err error
	if w.opts.Zip {
		w.out, err = createZip(path, opts.Overwrite)
	} else {
		w.out, err = createDir(path, opts.Overwrite)
	}
	if err != nil {
		return nil, err
	}
	if w.opts.Consolidate {
		w.all = map[string]any{}
	}
	return w, nil
}

// check fills in the defaults and refuses what doesn't fit.
func (o *CreateOptions) check(path string) error {
	if o.Version == 0 {
		o.Version = 3
	}
	o.Zip = o.Zip || strings.EqualFold(filepath.Ext(path), ".zip")
	if o.Chunk == 0 {
		o.Chunk = defaultChunkBytes
	}
	c := &o.Compression
	if c.Codec == "" {
		if c.Codec = "zstd"; o.Version == 2 {
			c.Codec = "blosc"
		}
	}
	if o.Separator == "" {
		if o.Separator = "/"; o.Version == 2 {
			o.Separator = "."
		}
	}
	switch {
	case o.Version != 2 && o.Version != 3:
		return fmt.Errorf("zarr: version is %d, want 2 or 3", o.Version)
	case o.Chunk < 0:
		return fmt.Errorf("zarr: chunks of %d bytes", o.Chunk)
	case o.ShardRows < 0 || o.ShardRows > 0 && o.Version == 2:
		return fmt.Errorf("zarr: %d rows of chunks in a shard of version %d, want 0 or more in version 3", o.ShardRows, o.Version)
	case o.Consolidate && o.Version == 3:
		return errors.New("zarr: version 3 has no consolidated metadata")
	case o.Separator != "." && o.Separator != "/":
		return fmt.Errorf(`zarr: separator is %q, want "." or "/"`, o.Separator)
	}
	if _, _, err := c.codec(o.Version, 1); err != nil {
		return err
	}
	return nil
}

// codec makes the codec, nil for none, and tells it as the metadata do.
func (c Compression) codec(version, item int) (codec, map[string]any, error) {
	level := c.Level
	named := func(c codec, config map[string]any) (codec, map[string]any, error) {
		return c, config, nil
	}
	if c.Codec != "blosc" && (c.Packer != "" || c.Shuffle != "") {
		return nil, nil, fmt.Errorf("zarr: packer and shuffle are of blosc, not of %q", c.Codec)
	}
	bad := func(lo, hi int) (codec, map[string]any, error) {
		return nil, nil, fmt.Errorf("zarr: level of %s is %d, want %d to %d", c.Codec, c.Level, lo, hi)
	}
	switch c.Codec {
	case "none":
		return nil, nil, nil
	case "zstd":
		if level == 0 {
			level = 1
		}
		if level < -1<<10 || level > 22 {
			return bad(-1<<10, 22)
		}
		if version == 2 {
			return named(zstdCodec{level: level}, map[string]any{"id": "zstd", "level": level})
		}
		return named(zstdCodec{level: level}, map[string]any{"level": level, "checksum": false})
	case "gzip", "zlib":
		if level == 0 {
			level = 5
		}
		if level < 1 || level > 9 {
			return bad(1, 9)
		}
		switch {
		case c.Codec == "gzip" && version == 3:
			return named(gzipCodec{level: level}, map[string]any{"level": level})
		case c.Codec == "gzip":
			return named(gzipCodec{level: level}, map[string]any{"id": "gzip", "level": level})
		case version == 2:
			return named(zlibCodec{level: level}, map[string]any{"id": "zlib", "level": level})
		}
	case "lz4":
		if level != 0 {
			return bad(0, 0)
		}
		if version == 2 {
			return named(lz4Codec{}, map[string]any{"id": "lz4", "acceleration": 1})
		}
	case "blosc":
		return c.blosc(version, item)
	}
	return nil, nil, fmt.Errorf("zarr: version %d has no codec %q to write", version, c.Codec)
}

func (c Compression) blosc(version, item int) (codec, map[string]any, error) {
	b := bloscCodec{level: c.Level, size: min(max(item, 1), 255)}
	if item > 255 {
		b.size = 1 // as c-blosc takes them
	}
	if b.level == 0 {
		b.level = 5
	}
	if b.level < 1 || b.level > 9 {
		return nil, nil, fmt.Errorf("zarr: level of blosc is %d, want 1 to 9", c.Level)
	}
	packer, order := c.Packer, c.Shuffle
	switch packer {
	case "", "lz4":
		packer, b.packer = "lz4", bloscLZ4
	case "zlib":
		b.packer = bloscZlib
	case "zstd":
		b.packer = bloscZstd
	default:
		return nil, nil, fmt.Errorf("zarr: blosc has no packer %q to write, want lz4, zlib or zstd", packer)
	}
	number := 0
	switch order {
	case "", "shuffle":
		order, number, b.shuffling = "shuffle", 1, bloscShuffled
	case "bitshuffle":
		number, b.shuffling = 2, bloscBitshuffled
	case "noshuffle":
	default:
		return nil, nil, fmt.Errorf("zarr: shuffle is %q, want shuffle, bitshuffle or noshuffle", order)
	}
	config := map[string]any{"cname": packer, "clevel": b.level, "blocksize": 0}
	if version == 2 {
		config["id"], config["shuffle"] = "blosc", number
	} else {
		config["typesize"], config["shuffle"] = b.size, order
	}
	return b, config, nil
}

// Add begins an array, in groups where its name has slashes; those that aren't
// there yet are made. The name "" makes the array the root, and the only one.
// Shape[0] may be -1. Fortran order is that of each chunk's bytes. The sink's
// memory is one row of chunks.
func (w *Writer) Add(m array.Member) (array.Sink, error) {
	if err := w.state.Ready(); err != nil {
		return nil, err
	}
	if err := w.vacant(m.Name, true); err != nil {
		return nil, w.state.Named(err)
	}
	d, err := w.newDraft(m)
	if err != nil {
		return nil, w.state.Named(fmt.Errorf("array %q: %w", m.Name, err))
	}
	s, err := w.state.Begin(m, array.Taker{Rows: d.write, End: d.end})
	if err != nil {
		return nil, err
	}
	w.arrays[m.Name] = true
	return s, nil
}

// vacant tells whether a node can get a name.
func (w *Writer) vacant(name string, isArray bool) error {
	if name == "" {
		if isArray && len(w.arrays)+len(w.groups) > 0 || w.arrays[""] {
			return errors.New("zarr: an array at the root is the only node")
		}
		return nil
	}
	if !validName(name) || !filepath.IsLocal(filepath.FromSlash(name)) {
		return fmt.Errorf("zarr: name %q is no path from the root downwards", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == ".zarray", part == ".zgroup", part == ".zattrs", part == ".zmetadata", part == "zarr.json",
			w.opts.Version == 3 && strings.HasPrefix(part, "__"):
			return fmt.Errorf("zarr: name %q: %q is the format's own", name, part)
		}
	}
	if w.arrays[""] || w.arrays[name] {
		return fmt.Errorf("zarr: %q: there is an array already", name)
	}
	for i, c := range name {
		if c == '/' && w.arrays[name[:i]] {
			return fmt.Errorf("zarr: %q: %q is an array", name, name[:i])
		}
	}
	if !isArray {
		return nil
	}
	if _, ok := w.groups[name]; ok {
		return fmt.Errorf("zarr: %q: there is a group already", name)
	}
	for other := range w.arrays {
		if strings.HasPrefix(other, name+"/") {
			return fmt.Errorf("zarr: %q: there is a group already", name)
		}
	}
	for other := range w.groups {
		if strings.HasPrefix(other, name+"/") {
			return fmt.Errorf("zarr: %q: there is a group already", name)
		}
	}
	return nil
}

// SetAttrs gives the root group its attributes, in place of those that it had.
func (w *Writer) SetAttrs(attrs map[string]any) error {
	if len(attrs) == 0 && w.arrays[""] {
		return nil
	}
	return w.AddGroup("", attrs)
}

// AddGroup makes a group, or gives one other attributes. Groups that arrays lie
// in need none.
func (w *Writer) AddGroup(name string, attrs map[string]any) error {
	if err := w.state.Usable(); err != nil {
		return err
	}
	if err := w.vacant(name, false); err != nil {
		return fmt.Errorf("%s: %w", w.path, err)
	}
	if _, err := formatJSON(map[string]any(attrs)); err != nil {
		return fmt.Errorf("%s: attributes of %q: %w", w.path, name, err)
	}
	w.groups[name] = maps.Clone(attrs)
	return nil
}

// Close completes the store and puts it at its path. An open sink is an error
// that leaves nothing.
func (w *Writer) Close() error { return w.state.Close(w.complete, w.out.commit, w.out.abort) }

func (w *Writer) complete() error {
	if !w.arrays[""] {
		if err := w.writeGroups(); err != nil {
			return err
		}
	}
	if w.all == nil {
		return nil
	}
	return w.put(".zmetadata", map[string]any{"zarr_consolidated_format": 1, "metadata": w.all})
}

// Abort leaves nothing of the store. Behind Close it does nothing.
func (w *Writer) Abort() error { return w.state.Abort(w.out.abort) }

// writeGroups writes the metadata of the root and of all groups.
func (w *Writer) writeGroups() error {
	for name := range w.arrays {
		w.above(name)
	}
	for _, name := range slices.Collect(maps.Keys(w.groups)) {
		w.above(name)
	}
	for _, name := range slices.Sorted(maps.Keys(w.groups)) {
		attrs := w.groups[name]
		if attrs == nil {
			attrs = map[string]any{}
		}
		if w.opts.Version == 3 {
			if err := w.put(join(name, "zarr.json"), map[string]any{"zarr_format": 3, "node_type": "group", "attributes": attrs}); err != nil {
				return err
			}
			continue
		}
		if err := w.put(join(name, ".zgroup"), map[string]any{"zarr_format": 2}); err != nil {
			return err
		}
		if err := w.putAttrs(name, attrs); err != nil {
			return err
		}
	}
	return nil
}

// above makes the groups that a node lies in.
func (w *Writer) above(name string) {
	for name != "" {
		name = name[:max(strings.LastIndexByte(name, '/'), 0)]
		if _, ok := w.groups[name]; !ok {
			w.groups[name] = nil
		}
	}
	if _, ok := w.groups[""]; !ok {
		w.groups[""] = nil
	}
}

// put writes metadata, and notes them for the consolidated ones.
func (w *Writer) put(key string, v map[string]any) error {
	b, err := formatJSON(v)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if w.all != nil && key != ".zmetadata" {
		w.all[key] = v
	}
	return w.out.put(key, b)
}

// putAttrs writes a node's attributes of version 2, where there are any.
func (w *Writer) putAttrs(name string, attrs map[string]any) error {
	if len(attrs) == 0 {
		return nil
	}
	return w.put(join(name, ".zattrs"), attrs)
}

// layout chooses the shape of an array's chunks.
func (w *Writer) layout(m array.Member) ([]int, error) {
	shape := m.Spec.Shape
	if w.opts.Chunks != nil {
		if chunks := w.opts.Chunks(m); chunks != nil {
			if len(chunks) != len(shape) || len(chunks) > 0 && slices.Min(chunks) < 1 {
				return nil, fmt.Errorf("zarr: chunks %v for an array %v", chunks, m.Spec)
			}
			return slices.Clone(chunks), nil
		}
	}
	chunks := make([]int, len(shape))
	for i, n := range shape {
		chunks[i] = max(n, 1)
	}
	if len(shape) == 0 {
		return chunks, nil
	}
	chunks[0] = 1
	row := m.Spec.DType.ItemSize()
	for i := len(chunks) - 1; i > 0; i-- {
		// From the last axis on, as much as a chunk may have.
		chunks[i] = min(chunks[i], max(1, w.opts.Chunk/row))
		row *= chunks[i]
	}
	if chunks[0] = max(1, w.opts.Chunk/row); shape[0] >= 0 {
		chunks[0] = min(chunks[0], max(shape[0], 1))
	}
	return chunks, nil
}

// checkChunk says whether a chunk can be packed.
func checkChunk(t array.DType, chunks []int) (int, error) {
	size, err := array.Spec{DType: t, Shape: chunks}.Bytes()
	if err != nil || size > math.MaxInt32-bloscHeader {
		return 0, fmt.Errorf("zarr: chunk %v of %v has more than %d bytes", chunks, t, math.MaxInt32-bloscHeader)
	}
	return size, nil
}
