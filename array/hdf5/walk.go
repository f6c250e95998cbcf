package hdf5

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/betongo/betongo/array"
)

// node is one array.
type node struct {
	array.Member
	target string // its path in the file, where Name is a link's
	data   *dataset
	err    error // why it isn't served

	text sync.Mutex // held while the longest of strings of any length is found
	done bool       // it is found, or needn't be
}

// dataset is what the library tells of one.
type dataset struct {
	element
	dims    []int // of the dataset, without those of an array type
	most    []int // as far as each may grow; -1 without end
	layout  int32
	chunks  []int
	filters []filter
	fill    []byte // nil for zero
	offset  uint64 // of what lies in one piece
	odd     bool   // chunks at the end pass no filters
}

// filter is a step that chunks pass when they are written.
type filter struct {
	id     int32
	name   string
	values []uint32
}

// link is an entry of a group.
type link struct {
	name    string
	kind    int32
	address uint64 // of what a hard link leads to
}

const (
	maxDepth = 100     // groups in one another
	maxLinks = 1 << 20 // in the whole file
	maxName  = 1 << 16 // bytes of one
)

// noteLink is called for each entry of a group. The info's form depends on the
// release, but not where these two are: the kind first, the address at byte 24.
func noteLink(_ hid, name, info unsafe.Pointer, _ uintptr) uintptr {
	if len(noted.names) >= noted.limit {
		return 1
	}
	l := link{name: goString(name, maxName), kind: -1}
	if info != nil { // which damaged files have it be
		l.kind, l.address = *(*int32)(info), *(*uint64)(unsafe.Add(info, 24))
	}
	noted.names = append(noted.names, l)
	return 0
}

// noteAttr is called for each attribute of an object.
func noteAttr(_ hid, name, _ unsafe.Pointer, _ uintptr) uintptr {
	if len(noted.names) >= noted.limit {
		return 1
	}
	noted.names = append(noted.names, link{name: goString(name, maxName)})
	return 0
}

// names lists the entries of a group, or the attributes of any object.
func (l *library) names(id hid, limit int, iterate func(hid, int32, int32, *uint64, uintptr, uintptr) int32, op uintptr) ([]link, error) {
	noted.names, noted.limit = nil, limit
	var at uint64
	rc := iterate(id, indexName, iterateIncreasing, &at, op, 0)
	names := noted.names
	noted.names = nil
	switch {
	case rc < 0:
		return nil, l.fail("list the names")
	case rc > 0:
		return nil, &FormatError{Offset: -1, Msg: fmt.Sprintf("more than %d names", limit)}
	}
	return names, nil
}

// walker goes through a file's groups.
type walker struct {
	f     *File
	left  int // links that may still come
	above []uint64
	soft  []softLink
}

type softLink struct{ name, target string }

// walkAll reads the groups and describes the arrays. The library is locked.
func (f *File) walkAll() error {
	w := &walker{f: f, left: maxLinks}
	root := f.l.Oopen(f.id, "/", 0)
	if root < 0 {
		return f.l.explain(f.l.fail("open the root group"), f.path, "")
	}
	defer f.l.Oclose(root)
	if err := w.group(root, "", f.root); err != nil {
		return f.l.explain(err, f.path, "")
	}
	w.resolveLinks()
	slices.SortStableFunc(f.arrays, func(a, b *node) int {
		return slices.Compare(strings.Split(a.Name, "/"), strings.Split(b.Name, "/"))
	})
	return nil
}

func join(group, name string) string {
	if group == "" {
		return name
	}
	return group + "/" + name
}

// group reads one group and what is in it.
func (w *walker) group(id hid, name string, header uint64) error {
	f := w.f
	if len(w.above) > maxDepth {
		return &FormatError{Offset: -1, Msg: fmt.Sprintf("group %q: more than %d groups in one another", name, maxDepth)}
	}
	f.groups = append(f.groups, Group{Name: name, Attrs: f.attrs(id, name, header)})
	links, err := f.l.names(id, w.left, f.l.Literate, f.l.onLink)
	if err != nil {
		err = fmt.Errorf("group %q: %w", "/"+name, err)
		if name == "" {
			return err
		}
		f.refused = append(f.refused, f.l.explain(err, f.path, ""))
		return nil
	}
	w.left -= len(links)
	for _, link := range links {
		if err := w.link(id, join(name, link.name), link); err != nil {
			return err
		}
	}
	return nil
}

// link goes where an entry of a group leads.
func (w *walker) link(group hid, name string, link link) error {
	f := w.f
	if link.name == "" || link.name == "." || strings.Contains(link.name, "/") {
		f.refuse(fmt.Errorf("%q is no name", link.name), name)
		return nil // as a path it might lead anywhere
	}
	switch link.kind {
	case linkHard:
	case linkSoft:
		target := make([]byte, maxName)
		if f.l.Lget_val(group, link.name, unsafe.Pointer(&target[0]), uintptr(len(target)-1), 0) < 0 {
			f.refuse(f.l.fail("read the link"), name)
			return nil
		}
		target = target[:bytes.IndexByte(target, 0)]
		w.soft = append(w.soft, softLink{name, string(target)})
		return nil
	default:
		f.refuse(unsupported("a link to another file"), name)
		return nil
	}
	id := f.l.Oopen(group, link.name, 0)
	if id < 0 {
		// Most likely an array; one that may be a group is refused all the same.
		f.arrays = append(f.arrays, &node{Member: array.Member{Name: name}, err: f.l.explain(f.l.fail("open it"), f.path, name), done: true})
		return nil
	}
	defer f.l.Oclose(id)
	switch f.l.Iget_type(id) {
	case idGroup:
		if slices.Contains(w.above, link.address) {
			return nil // it lies in itself
		}
		w.above = append(w.above, link.address)
		err := w.group(id, name, link.address)
		w.above = w.above[:len(w.above)-1]
		return err
	case idDataset:
		n := &node{Member: array.Member{Name: name, Attrs: f.attrs(id, name, link.address)}, target: "/" + name}
		var err error
		if n.data, err = f.describe(id); err != nil {
			n.err = f.l.explain(err, f.path, name)
		} else if n.data.seq {
			n.err = f.l.explain(errSequence, f.path, name)
		}
		n.ready()
		f.arrays = append(f.arrays, n)
	}
	return nil
}

// refuse notes why something isn't among the members.
func (f *File) refuse(err error, name string) {
	f.refused = append(f.refused, f.l.explain(err, f.path, name))
}

// ready sets what the member says of the dataset, where that is known yet.
func (n *node) ready() {
	n.done = n.err != nil || !n.data.vlen
	if n.data != nil {
		n.Spec = n.data.spec()
	}
}

// spec is the array that a dataset is.
func (d *dataset) spec() array.Spec {
	return array.Spec{DType: d.dtype, Shape: slices.Concat(d.dims, d.shape)}
}

// resolveLinks makes arrays of soft links that lead to one.
func (w *walker) resolveLinks() {
	byName := map[string]*node{}
	for _, n := range w.f.arrays {
		byName[n.Name] = n
	}
	// A link may lead to a link: what was found in one round serves the next.
	for range 16 {
		var left []softLink
		for _, s := range w.soft {
			target := s.target
			if !strings.HasPrefix(target, "/") {
				target = path.Join(path.Dir("/"+s.name), target)
			}
			n := byName[strings.TrimPrefix(path.Clean(target), "/")]
			if n == nil {
				left = append(left, s)
				continue
			}
			alias := &node{Member: n.Member, target: n.target, data: n.data, err: n.err}
			alias.Name = s.name
			alias.ready()
			byName[s.name] = alias
			w.f.arrays = append(w.f.arrays, alias)
		}
		if len(left) == len(w.soft) {
			return
		}
		w.soft = left
	}
}

// describe reads what there is to know of a dataset but its data.
func (f *File) describe(id hid) (*dataset, error) {
	d, err := f.l.describe(id)
	if err != nil {
		return nil, err
	}
	return d, f.check(d)
}

func (l *library) describe(id hid) (*dataset, error) {
	plist := l.Dget_create_plist(id)
	if plist < 0 {
		return nil, l.fail("read how it is stored")
	}
	defer l.Pclose(plist)
	d := &dataset{layout: l.Pget_layout(plist), offset: addressUndefined}
	switch {
	case d.layout == layoutVirtual:
		return nil, unsupported("a virtual dataset, whose data lie in other files")
	case d.layout < 0:
		return nil, l.fail("read how it is stored")
	case d.layout > layoutVirtual:
		return nil, unsupported(fmt.Sprintf("the layout %d", d.layout))
	}
	if n := l.Pget_external_count(plist); n != 0 {
		l.forget()
		return nil, unsupported("a dataset whose data lie in other files")
	}
	if err := l.dims(id, d); err != nil {
		return nil, err
	}
	t := l.Dget_type(id)
	if t < 0 {
		return nil, l.fail("read its type")
	}
	defer l.Tclose(t)
	var err error
	if d.element, err = l.element(t); err != nil {
		return nil, err
	}
	if err := l.chunking(plist, d); err != nil {
		return nil, err
	}
	if d.fill, err = l.fillValue(plist, t, d.vlen); err != nil {
		return nil, err
	}
	// With a user block 1.10 tells a place also where there is none.
	if d.layout == layoutContiguous && l.Dget_storage_size(id) > 0 {
		d.offset = l.Dget_offset(id)
	}
	l.forget()
	return d, nil
}

// fillValue reads the element that stands where none was written; nil for zero.
func (l *library) fillValue(plist, t hid, vlen bool) ([]byte, error) {
	var status int32
	if l.Pfill_value_defined(plist, &status) < 0 {
		return nil, l.fail("read its fill value")
	}
	if status != fillByUser || vlen {
		return nil, nil
	}
	item := make([]byte, l.Tget_size(t)) // element has looked at the size
	if l.Pget_fill_value(plist, t, unsafe.Pointer(&item[0])) < 0 {
		return nil, l.fail("read its fill value")
	}
	if slices.ContainsFunc(item, func(b byte) bool { return b != 0 }) {
		return item, nil
	}
	return nil, nil
}

// dims reads the dimensions.
func (l *library) dims(id hid, d *dataset) error {
	space := l.Dget_space(id)
	if space < 0 {
		return l.fail("read its dimensions")
	}
	defer l.Sclose(space)
	switch class := l.Sget_simple_extent_type(space); class {
	case spaceScalar:
		return nil
	case spaceSimple:
	case spaceNull:
		return unsupported("a dataset without elements, not even none of some shape (null dataspace)")
	default:
		return l.fail("read its dimensions, of class %d", class)
	}
	rank := l.Sget_simple_extent_ndims(space)
	if rank < 0 || rank > maxRank {
		return &FormatError{Offset: -1, Msg: fmt.Sprintf("%d dimensions", rank)}
	}
	var dims, most [maxRank]uint64
	if l.Sget_simple_extent_dims(space, &dims[0], &most[0]) < 0 {
		return l.fail("read its dimensions")
	}
	var err error
	if d.dims, err = ints(dims[:rank]); err != nil {
		return err
	}
	for _, n := range most[:rank] {
		d.most = append(d.most, int(n)) // the largest number stands for no end
	}
	return nil
}

// chunking reads the chunks' shape and what they pass.
func (l *library) chunking(plist hid, d *dataset) error {
	if d.layout != layoutChunked {
		return nil
	}
	var dims [maxRank + 1]uint64
	rank := l.Pget_chunk(plist, maxRank, &dims[0])
	if rank < 1 || int(rank) != len(d.dims) {
		return &FormatError{Offset: -1, Msg: fmt.Sprintf("chunks of %d dimensions, want %d", rank, len(d.dims))}
	}
	var err error
	if d.chunks, err = ints(dims[:rank]); err != nil {
		return err
	}
	if slices.Contains(d.chunks, 0) {
		return &FormatError{Offset: -1, Msg: fmt.Sprintf("chunks of shape %v", d.chunks)}
	}
	if l.Pget_chunk_opts != nil {
		var opts uint32
		if l.Pget_chunk_opts(plist, &opts) < 0 {
			l.forget()
		}
		d.odd = opts != 0
	}
	n := l.Pget_nfilters(plist)
	if n < 0 || n > maxFilters {
		l.forget()
		return &FormatError{Offset: -1, Msg: fmt.Sprintf("%d filters", n)}
	}
	for i := range n {
		var flags, config uint32
		var name [64]byte
		values := make([]uint32, 64)
		count := uintptr(len(values))
		id := l.Pget_filter(plist, uint32(i), &flags, &count, &values[0], uintptr(len(name)-1), &name[0], &config)
		if id < 0 {
			return l.fail("read filter %d", i)
		}
		x := filter{id: id, name: string(bytes.TrimRight(name[:], "\x00")), values: values[:min(int(count), len(values))]}
		if x.name == "" || filterNames[id] != "" {
			x.name = cmp.Or(filterNames[id], fmt.Sprintf("filter %d", id))
		}
		d.filters = append(d.filters, x)
	}
	return nil
}

// maxFilters is as many as a chunk's mask tells.
const maxFilters = 32

var filterNames = map[int32]string{
	filterDeflate: "gzip", filterShuffle: "shuffle", filterFletcher32: "fletcher32",
	filterSZip: "szip", filterNBit: "nbit", filterScale: "scaleoffset", filterLZF: "lzf",
}

// check holds what a dataset says against the limits and the file.
func (f *File) check(d *dataset) error {
	spec := d.spec()
	if d.vlen {
		spec.DType = mustDType(fmt.Sprintf("V%d", f.heap.refSize())) // what one takes in the dataset
	}
	size, err := spec.Bytes()
	if err != nil {
		return &FormatError{Offset: -1, Msg: err.Error()}
	}
	if d.layout == layoutChunked {
		chunk, err := array.Spec{DType: spec.DType, Shape: slices.Concat(d.chunks, d.shape)}.Bytes()
		if err != nil || int64(chunk) > f.opts.MaxChunk {
			return &FormatError{Offset: -1, Msg: fmt.Sprintf("chunks of shape %v and %d bytes an element, at most %d bytes are served", d.chunks, spec.DType.ItemSize(), f.opts.MaxChunk)}
		}
		return f.l.filtersServed(d)
	}
	if d.layout == layoutContiguous && d.offset != addressUndefined {
		if have := uint64(f.m.Size()); d.offset > have || uint64(size) > have-d.offset {
			return &FormatError{Offset: int64(min(d.offset, have)), Msg: fmt.Sprintf("%d bytes of data, in a file of %d", size, have)}
		}
	}
	return nil
}

// filtersServed says which filter nobody knows.
func (l *library) filtersServed(d *dataset) error {
	if d.ours() {
		return nil
	}
	for _, x := range d.filters {
		if l.Zfilter_avail(x.id) <= 0 {
			l.forget()
			return unsupported(fmt.Sprintf("the filter %s (%d), which libhdf5 %s (%s) doesn't have", x.name, x.id, l.release(), l.path))
		}
	}
	return nil
}

// layoutName is the layout as users know it.
func (d *dataset) layoutName() string {
	return [...]string{layoutCompact: "compact", layoutContiguous: "contiguous", layoutChunked: "chunked"}[d.layout]
}

// checkText refuses what C doesn't take as a string.
func checkText(s string) error {
	if strings.IndexByte(s, 0) >= 0 {
		return errors.New("a name with a zero byte")
	}
	return nil
}
