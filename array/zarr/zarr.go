// Package zarr reads and writes Zarr, version 2 and 3: arrays cut into chunks,
// each compressed for itself, in a tree of groups that is a folder or a ZIP
// file.
//
// Open reads the metadata of all arrays and no data. Array reads one whole,
// Stream its rows, one row of chunks at a time. A Writer takes rows and writes
// each row of chunks as soon as it is full.
//
// Codecs: gzip, zlib, zstd, lz4, blosc (blosclz, lz4, lz4hc, zlib, zstd; both
// shuffles), crc32c, shuffle; of version 3 bytes, transpose and
// sharding_indexed. Only read are bz2, the checksums crc32, adler32 and
// fletcher32, and of version 2 the filters delta, fixedscaleoffset, quantize,
// bitround, astype and packbits. What else there may be (Python objects, strings of any
// length, other filters, shards within shards, storage transformers) is
// refused by its name, and stands in nobody's way: the other arrays are served.
//
// Memory is bounded by what an array declares, and that by OpenOptions: a
// chunk that unpacks to anything but its declared size is an error.
package zarr

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
)

// FormatError says that a store is no Zarr, or a broken one.
//
// Part is the chunk's or the metadata's key in the store.
type FormatError = array.FormatError

// UnsupportedError says that a store uses what Zarr allows, or an extension of
// it, and this package doesn't serve.
type UnsupportedError struct {
	File, Array string
	What        string // the name of it as the store tells it
}

func (e *UnsupportedError) Error() string {
	return array.Place(e.File, e.Array, "", -1) + "not supported: " + e.What
}

// OpenOptions say how Open reads; nil and the zero value are the defaults. Each
// default is wrong where more is needed and the store comes from somebody
// trusted.
type OpenOptions struct {
	// MaxMetadata is how many bytes the metadata of one array or group may
	// have; 0 is 16 MiB. For the consolidated ones of a whole store it is four
	// times that.
	MaxMetadata int64
	// MaxArray is how many bytes an array may have that Array reads, and a row
	// of chunks that Stream reads; 0 is 4 GiB.
	MaxArray int64
	// MaxChunk is how many bytes a chunk may have before compression; 0 is
	// 2 GiB.
	MaxChunk int64
}

const (
	defaultMaxMetadata = 16 << 20
	defaultMaxArray    = 4 << 30
	defaultMaxChunk    = 2 << 30
	// maxDepth is how many groups may lie in one another.
	maxDepth = 100
)

// Group is a group of arrays and other groups.
type Group struct {
	Name  string // from the root on, with slashes; "" is the root
	Attrs map[string]any
}

// Info is how an array is stored.
type Info struct {
	Version int
	Chunks  []int    // the shape of a chunk; of one within a shard where there are shards
	Shards  []int    // the shape of a shard; nil without
	Codecs  []string // names of what chunks pass when written, in order
	Fill    []byte   // the element that missing chunks consist of; nil where all its bytes are 0
}

// File is an open store. Its methods are safe for concurrent use, except for
// Close; a stream is for one goroutine.
type File struct {
	path    string
	store   store
	opts    OpenOptions
	arrays  []node
	groups  []Group
	refused []error
}

// node is one array.
type node struct {
	array.Member
	meta *meta
	err  error // why it isn't served
}

// Open opens a folder, or a ZIP file, and reads the metadata of what is in it.
// The root may be a group, whose arrays are called with slashes as "a/b", or an
// array, which has the name "". An array that is broken or not supported isn't
// among the Members: Array gives the reason, and Refused.
//
// A node of version 3 goes before one of version 2 at the same place.
// Consolidated metadata of version 2 are used for what has no metadata of its
// own.
func Open(path string, opts *OpenOptions) (*File, error) {
	if opts == nil {
		opts = &OpenOptions{}
	}
	f := &File{path: path, opts: *opts}
	for _, limit := range []struct {
		at  *int64
		def int64
	}{{&f.opts.MaxMetadata, defaultMaxMetadata}, {&f.opts.MaxArray, defaultMaxArray}, {&f.opts.MaxChunk, defaultMaxChunk}} {
		if *limit.at <= 0 {
			*limit.at = limit.def
		}
	}
	var err error
	if f.store, err = openStore(path); err != nil {
		return nil, err
	}
	if err := f.read(); err != nil {
		return nil, errors.Join(err, f.store.Close())
	}
	return f, nil
}

// Name returns the path as Open got it.
func (f *File) Name() string { return f.path }

// Close closes the store. Streams of it give errors afterwards. A second Close
// does nothing.
func (f *File) Close() error { return f.store.Close() }

// Members returns the arrays, sorted by name. The shapes are the caller's; the
// attributes are the File's, not to be changed.
func (f *File) Members() []array.Member {
	var list []array.Member
	for _, n := range f.arrays {
		if n.err == nil {
			m := n.Member
			m.Spec.Shape = slices.Clone(m.Spec.Shape)
			list = append(list, m)
		}
	}
	return list
}

// Groups returns the groups, sorted by name, the root first.
func (f *File) Groups() []Group { return slices.Clone(f.groups) }

// Attrs returns the attributes of the root group; nil where the root is an
// array, whose attributes are the member's. Numbers are int64 where they are
// written as such and fit, else float64.
func (f *File) Attrs() map[string]any {
	if len(f.groups) > 0 && f.groups[0].Name == "" {
		return f.groups[0].Attrs
	}
	return nil
}

// Refused returns why arrays of the store aren't among its Members, joined; nil
// where all are.
func (f *File) Refused() error { return errors.Join(f.refused...) }

// Info tells how an array is stored.
func (f *File) Info(name string) (Info, error) {
	n, err := f.find(name)
	if err != nil {
		return Info{}, err
	}
	m := n.meta
	return Info{Version: m.version, Chunks: slices.Clone(m.chunks), Shards: slices.Clone(m.shards), Codecs: slices.Clone(m.names), Fill: slices.Clone(m.fill)}, nil
}

// find returns an array; "" is also the only one there is.
func (f *File) find(name string) (*node, error) {
	for i := range f.arrays {
		if n := &f.arrays[i]; n.Name == name || name == "" && len(f.arrays) == 1 {
			return n, n.err
		}
	}
	return nil, fmt.Errorf("%s: no array %q: %w", f.path, name, fs.ErrNotExist)
}

// read reads the tree.
func (f *File) read() error {
	spare, err := f.consolidated()
	if err != nil {
		return err
	}
	if err := f.walk("", 0, spare); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(spare)) {
		if err := f.add(name, 2, spare[name]); err != nil {
			return err
		}
	}
	if len(f.arrays) == 0 && len(f.groups) == 0 {
		return &FormatError{File: f.path, Offset: -1, Msg: "no Zarr: neither zarr.json nor .zgroup or .zarray is there"}
	}
	slices.SortFunc(f.arrays, func(a, b node) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(f.groups, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// document is the metadata of one node.
type document struct {
	group, array, attrs map[string]any
}

// consolidated reads the metadata of all nodes that lie together in version 2.
func (f *File) consolidated() (map[string]*document, error) {
	const key = ".zmetadata"
	all, err := f.json(key, 4*f.opts.MaxMetadata)
	if all == nil || err != nil {
		return nil, err
	}
	entries, ok := all["metadata"].(map[string]any)
	if v, isInt := all["zarr_consolidated_format"].(int64); !ok || !isInt || v != 1 {
		return nil, &FormatError{File: f.path, Part: key, Offset: -1, Msg: `no consolidated metadata of format 1 with an object "metadata"`}
	}
	nodes := map[string]*document{}
	for name, v := range entries {
		dir, base := "", name
		if i := strings.LastIndexByte(name, '/'); i >= 0 {
			dir, base = name[:i], name[i+1:]
		}
		object, ok := v.(map[string]any)
		if !ok || dir != "" && !validName(dir) {
			return nil, &FormatError{File: f.path, Part: key, Offset: -1, Msg: fmt.Sprintf("entry %q is none of a node", name)}
		}
		d := nodes[dir]
		if d == nil {
			d = &document{}
			nodes[dir] = d
		}
		switch base {
		case ".zgroup":
			d.group = object
		case ".zarray":
			d.array = object
		case ".zattrs":
			d.attrs = object
		}
	}
	return nodes, nil
}

// walk reads the node of a name and what lies below. What it finds is taken out
// of spare.
func (f *File) walk(name string, depth int, spare map[string]*document) error {
	version, d, err := f.document(name)
	if err != nil {
		return err
	}
	if version != 0 {
		delete(spare, name)
		if err := f.add(name, version, d); err != nil || d.array != nil {
			return err
		}
	}
	if d.group == nil {
		return nil // a folder that is no node
	}
	if depth == maxDepth {
		return &FormatError{File: f.path, Part: name, Offset: -1, Msg: fmt.Sprintf("more than %d groups in one another", maxDepth)}
	}
	children, err := f.store.folders(name)
	if err != nil {
		return &FormatError{File: f.path, Part: name, Offset: -1, Msg: err.Error()}
	}
	for _, child := range children {
		if err := f.walk(join(name, child), depth+1, spare); err != nil {
			return err
		}
	}
	return nil
}

// document reads the metadata of a node; version 0 is none.
func (f *File) document(name string) (version int, d *document, err error) {
	d = &document{}
	if err := f.addressable(name); err != nil {
		return 0, nil, err
	}
	m, err := f.json(join(name, "zarr.json"), f.opts.MaxMetadata)
	if err != nil {
		return 0, nil, err
	}
	if m != nil {
		d.attrs, _ = m["attributes"].(map[string]any)
		switch m["node_type"] {
		case "group":
			d.group = m
		case "array":
			d.array = m
		default:
			return 0, nil, &FormatError{File: f.path, Part: join(name, "zarr.json"), Offset: -1, Msg: fmt.Sprintf("node_type is %v, want group or array", m["node_type"])}
		}
		return 3, d, nil
	}
	if d.array, err = f.json(join(name, ".zarray"), f.opts.MaxMetadata); err != nil {
		return 0, nil, err
	}
	if d.array == nil {
		if d.group, err = f.json(join(name, ".zgroup"), f.opts.MaxMetadata); err != nil || d.group == nil {
			return 0, d, err
		}
	}
	d.attrs, err = f.json(join(name, ".zattrs"), f.opts.MaxMetadata)
	return 2, d, err
}

// addressable refuses names that a store can have but no peer would open.
func (f *File) addressable(name string) error {
	if name == "" || validName(name) {
		return nil
	}
	return &FormatError{File: f.path, Part: name, Offset: -1, Msg: "not a name of a node"}
}

// json reads an object; nil where the store has none of that name.
func (f *File) json(key string, limit int64) (map[string]any, error) {
	b, err := f.store.open(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var text []byte
	if err == nil {
		if b.size > limit {
			err = fmt.Errorf("%d bytes of metadata, want at most %d", b.size, limit)
		} else {
			text, err = b.all(nil)
		}
		b.close()
	}
	var v any
	if err == nil {
		v, err = parseJSON(text)
	}
	if err != nil {
		return nil, &FormatError{File: f.path, Part: key, Offset: -1, Msg: err.Error()}
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, &FormatError{File: f.path, Part: key, Offset: -1, Msg: "no JSON object"}
	}
	return m, nil
}

// add puts a node into the lists.
func (f *File) add(name string, version int, d *document) error {
	if d.array == nil {
		if d.group == nil {
			return nil
		}
		if v, _ := d.group["zarr_format"].(int64); int(v) != version {
			return &FormatError{File: f.path, Part: name, Offset: -1, Msg: fmt.Sprintf("group of zarr_format %v, want %d", d.group["zarr_format"], version)}
		}
		f.groups = append(f.groups, Group{Name: name, Attrs: d.attrs})
		return nil
	}
	n := node{Member: array.Member{Name: name, Attrs: d.attrs}}
	if version == 3 {
		n.meta, n.err = parse3(d.array)
	} else {
		n.meta, n.err = parse2(d.array)
	}
	if n.err == nil {
		n.err = n.meta.check(f.opts.MaxChunk)
	}
	if n.err != nil {
		n.err = f.explain(n.err, name)
		f.refused = append(f.refused, n.err)
	} else {
		n.Spec, n.Fortran = n.meta.spec, n.meta.fortran()
	}
	f.arrays = append(f.arrays, n)
	return nil
}

// explain says where an error of the metadata belongs.
func (f *File) explain(err error, name string) error {
	var what unsupported
	var dtype *array.UnsupportedError
	switch {
	case errors.As(err, &what):
		return &UnsupportedError{File: f.path, Array: name, What: string(what)}
	case errors.As(err, &dtype):
		return fmt.Errorf("%s%w", array.Place(f.path, name, "", -1), err)
	}
	return &FormatError{File: f.path, Array: name, Offset: -1, Msg: err.Error()}
}

// unsupported is an UnsupportedError before its place is known.
type unsupported string

func (u unsupported) Error() string { return "not supported: " + string(u) }

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// validName tells whether a name leads from the root down to a node.
func validName(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "\\\x00") {
			return false
		}
	}
	return true
}
