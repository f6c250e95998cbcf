package hdf5

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/aside"
)

// CreateOptions say how Create writes; nil and the zero value are the defaults.
type CreateOptions struct {
	// Overwrite lets a file that is there already be replaced.
	Overwrite bool
	// Compression is "gzip", or "none" or "", which are none.
	Compression string
	// Level is gzip's, 1 to 9; 0 is 4, as in h5py.
	Level int
	// NoShuffle leaves the bytes of elements together, which otherwise are put
	// apart for gzip, all first ones before all second ones.
	NoShuffle bool
	// Fletcher32 adds a checksum to each chunk.
	Fletcher32 bool
	// Resizable lets arrays grow along axis 0 later, by an Appender. Those whose
	// number of rows isn't known when they are begun can anyway.
	Resizable bool
	// Chunk is about how many bytes a chunk has before compression; 0 is 1 MiB,
	// as much as readers keep. Chunks are whole rows, unless one row is larger.
	// Arrays that need no chunks have none.
	Chunk int
	// Chunks, where it isn't nil, gives the shape of an array's chunks. Where it
	// returns nil the shape follows from Chunk.
	Chunks func(array.Member) []int
	// Latest writes the newest form that the library knows, which is smaller and
	// faster for very many arrays or attributes; older libraries don't read it.
	// Else all do since 1.8.
	Latest bool
}

const (
	defaultChunk = 1 << 20
	defaultLevel = 4
	maxChunk     = math.MaxInt32 // HDF5 allows twice that
)

// Writer writes a file beside its place, where Close puts it. It is not safe
// for concurrent use. After an error it only gives that error, and Close leaves
// nothing.
type Writer struct {
	*array.Writing
	l     *library
	out   *aside.File
	opts  CreateOptions
	id    hid
	names map[string]bool // true is a group
}

// Create begins a file.
func Create(path string, opts *CreateOptions) (*Writer, error) {
	l, err := loading()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if opts == nil {
		opts = &CreateOptions{}
	}
	w := &Writer{Writing: array.NewWriting(path), l: l, opts: *opts, id: -1, names: map[string]bool{"": true}}
	if err := w.opts.check(); err != nil {
		return nil, w.Named(err)
	}
	if w.out, err = aside.Create(path, opts.Overwrite); err != nil {
		return nil, err
	}
	if err := l.locked(w.begin); err != nil {
		return nil, errors.Join(w.Named(err), w.out.Abort())
	}
	return w, nil
}

// check fills in the defaults and refuses what doesn't fit.
func (o *CreateOptions) check() error {
	if o.Chunk == 0 {
		o.Chunk = defaultChunk
	}
	switch {
	case o.Compression != "" && o.Compression != "none" && o.Compression != "gzip":
		return fmt.Errorf("hdf5: compression is %q, want gzip or none", o.Compression)
	case o.Compression != "gzip" && o.Level != 0:
		return fmt.Errorf("hdf5: level %d of no compression", o.Level)
	case o.Level < 0 || o.Level > 9:
		return fmt.Errorf("hdf5: level is %d, want 1 to 9", o.Level)
	case o.Chunk < 0:
		return fmt.Errorf("hdf5: chunks of %d bytes", o.Chunk)
	}
	if o.Compression == "gzip" && o.Level == 0 {
		o.Level = defaultLevel
	}
	return nil
}

// Arrays of at least alignFrom bytes begin at multiples of alignTo, so that
// views of them hold any element.
const (
	alignFrom = 256
	alignTo   = 64
)

// begin makes the file; the library is locked.
func (w *Writer) begin() error {
	l := w.l
	if err := checkText(w.out.Name()); err != nil {
		return err
	}
	fapl := l.Pcreate(l.classFile)
	if fapl < 0 {
		return l.fail("make an access list")
	}
	defer l.Pclose(fapl)
	if l.Pset_fclose_degree(fapl, closeStrong) < 0 || l.Pset_alignment(fapl, alignFrom, alignTo) < 0 {
		return l.fail("set how the file is made")
	}
	if w.opts.Latest {
		if err := l.setLatest(fapl); err != nil {
			return err
		}
	}
	fcpl, err := l.newTimeless(l.classFileCreate)
	if err != nil {
		return err
	}
	defer l.Pclose(fcpl)
	if w.id = l.Fcreate(w.out.Name(), fileTruncate, fcpl, fapl); w.id < 0 {
		return l.fail("make the file")
	}
	return nil
}

// newTimeless makes a list for objects that keep no times, so that the same
// arrays give the same file.
func (l *library) newTimeless(class hid) (hid, error) {
	id := l.Pcreate(class)
	if id >= 0 && l.Pset_obj_track_times(id, false) < 0 {
		l.Pclose(id)
		id = -1
	}
	if id < 0 {
		return -1, l.fail("make a creation list")
	}
	return id, nil
}

// setLatest asks for the newest form that the library knows: each release has
// one more number for it, and takes only its own as the latest.
func (l *library) setLatest(fapl hid) error {
	for version := int32(12); version > 1; version-- {
		if l.Pset_libver_bounds(fapl, version, version) >= 0 {
			return nil
		}
		l.forget()
	}
	return errors.New("libhdf5 takes no latest form")
}

// SetAttrs gives the root group attributes; one that it has by that name is
// replaced. Values are strings, numbers and bools of any of Go's types, slices
// of them, lists of lists as JSON has them, an array.Array of any type that a
// dataset may have, and nil, which h5py calls Empty. Of File.Attrs come scalars
// as Go's own types, strings as string and []string, strings of more dimensions
// as []any, all else as array.Array.
func (w *Writer) SetAttrs(attrs map[string]any) error { return w.AddGroup("", attrs) }

// AddGroup makes a group, unless it is there, with those it lies in, and gives
// it attributes as SetAttrs does. Groups that arrays lie in need none.
func (w *Writer) AddGroup(name string, attrs map[string]any) error {
	if err := w.Ready(); err != nil {
		return err
	}
	err := w.vacant(name, true)
	if err == nil {
		err = checkAttrs(attrs)
	}
	if err != nil {
		return w.Named(err)
	}
	err = w.l.locked(func() error {
		id, err := w.group(name)
		if err != nil {
			return err
		}
		defer w.l.Oclose(id)
		return w.l.setAttrs(id, attrs)
	})
	if err != nil {
		return w.Fail(fmt.Errorf("group %q: %w", "/"+name, err))
	}
	return nil
}

// group opens or makes a group, with those it lies in; the library is locked.
func (w *Writer) group(name string) (hid, error) {
	l := w.l
	for i, c := range name + "/" {
		if c != '/' || i == 0 || w.names[name[:i]] {
			continue
		}
		gcpl, err := l.newTimeless(l.classGroup)
		if err != nil {
			return -1, err
		}
		lcpl := l.newLink()
		id := l.Gcreate(w.id, name[:i], lcpl, gcpl, 0)
		if id < 0 {
			err = l.fail("make it")
		}
		l.Pclose(lcpl)
		l.Pclose(gcpl)
		if err != nil {
			return -1, err
		}
		l.Oclose(id)
		w.names[name[:i]] = true
	}
	id := l.Oopen(w.id, "/"+name, 0)
	if id < 0 {
		return -1, l.fail("open it")
	}
	return id, nil
}

// newLink makes a list for links with names of UTF-8; 0, the default, where that
// can't be.
func (l *library) newLink() hid {
	id := l.Pcreate(l.classLink)
	if id < 0 || l.Pset_char_encoding(id, charUTF8) < 0 {
		l.forget()
		return 0
	}
	return id
}

// vacant tells whether an array can get a name, or a group have it.
func (w *Writer) vacant(name string, group bool) error {
	if err := checkName(name, group); err != nil {
		return err
	}
	if is, ok := w.names[name]; ok && !(is && group) {
		what := map[bool]string{false: "an array", true: "a group"}[is]
		return fmt.Errorf("hdf5: %q: there is %s already", name, what)
	}
	for i, c := range name {
		if is, ok := w.names[name[:i]]; c == '/' && ok && !is {
			return fmt.Errorf("hdf5: %q: %q is an array", name, name[:i])
		}
	}
	return nil
}

// checkName refuses names that are no path from the root downwards.
func checkName(name string, group bool) error {
	if name == "" {
		if group {
			return nil
		}
		return errors.New("hdf5: an array needs a name")
	}
	if err := checkText(name); err != nil {
		return fmt.Errorf("hdf5: %q: %w", name, err)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || len(part) >= maxName {
			return fmt.Errorf("hdf5: name %q is no path from the root downwards", name)
		}
	}
	return nil
}

// Add begins an array, in groups where its name has slashes; those that aren't
// there yet are made. Shape[0] may be -1. HDF5 has no Fortran order: rows are
// written in C order. An array of a known size without compression lies in one
// piece, and its sink is an array.ExtentSink; others need memory for a row of
// chunks and for a few chunks besides.
func (w *Writer) Add(m array.Member) (array.Sink, error) {
	if err := w.Ready(); err != nil {
		return nil, err
	}
	err := w.vacant(m.Name, false)
	if err == nil {
		err = checkAttrs(m.Attrs)
	}
	var d *dataset
	if err == nil {
		d, err = w.opts.layout(m)
	}
	if err == nil {
		err = w.l.locked(func() error { return w.l.hasType(m.Spec.DType) })
	}
	if err != nil {
		return nil, w.Named(fmt.Errorf("array %q: %w", m.Name, err))
	}
	o := &output{l: w.l, d: d, id: -1, file: w.out.File, level: w.opts.Level}
	take := array.Taker{Rows: o.put, End: o.end}
	if o.inPlace() {
		take.Extent = o.extent
	}
	// The sink's own checks come before anything is made in the file.
	s, err := w.Begin(m, take)
	if err != nil {
		return nil, err
	}
	if err := w.l.locked(func() error { return w.make(m, o) }); err != nil {
		err = w.Fail(fmt.Errorf("array %q: %w", m.Name, err))
		_ = s.Close() // has no rows, which is no news
		return nil, err
	}
	return s, nil
}

// hasType says whether HDF5 has a type; the library is locked.
func (l *library) hasType(t array.DType) error {
	id, err := l.newType(t)
	if err == nil {
		l.Tclose(id)
	}
	return err
}

// make makes a dataset; the library is locked.
func (w *Writer) make(m array.Member, o *output) error {
	l, d := w.l, o.d
	t, err := l.newType(d.dtype)
	if err != nil {
		return err
	}
	defer l.Tclose(t)
	var most []uint64
	if d.most != nil {
		for _, n := range d.most {
			most = append(most, uint64(n)) // -1 is without end
		}
	}
	space := l.newSpace(d.dims, most)
	if space < 0 {
		return l.fail("make its dimensions")
	}
	defer l.Sclose(space)
	dcpl, err := l.newLayout(d, w.opts.Level)
	if err != nil {
		return err
	}
	defer l.Pclose(dcpl)
	group, err := w.group(m.Name[:max(0, strings.LastIndexByte(m.Name, '/'))])
	if err != nil {
		return err
	}
	defer l.Oclose(group)
	lcpl := l.newLink()
	defer l.Pclose(lcpl)
	if o.id = l.Dcreate(group, m.Name[strings.LastIndexByte(m.Name, '/')+1:], t, space, lcpl, dcpl, 0); o.id < 0 {
		return l.fail("make it")
	}
	w.names[m.Name] = false
	if err := l.setAttrs(o.id, m.Attrs); err != nil {
		return err
	}
	if o.inPlace() {
		if d.offset = l.Dget_offset(o.id); d.offset == addressUndefined {
			return l.fail("find its place")
		}
	}
	return nil
}

// newLayout makes the list of how a dataset is stored.
func (l *library) newLayout(d *dataset, level int) (hid, error) {
	id, err := l.newTimeless(l.classData)
	if err != nil {
		return -1, err
	}
	ok := l.Pset_layout(id, d.layout) >= 0
	if d.layout == layoutContiguous && !d.vlen {
		// Its place is given out now, and every byte of it is written here.
		ok = ok && l.Pset_alloc_time(id, allocEarly) >= 0 && l.Pset_fill_time(id, fillNever) >= 0
	}
	if d.layout == layoutChunked {
		var dims [maxRank]uint64
		for i, n := range d.chunks {
			dims[i] = uint64(n)
		}
		ok = ok && l.Pset_chunk(id, int32(len(d.chunks)), &dims[0]) >= 0
		for _, x := range d.filters {
			switch x.id {
			case filterShuffle:
				ok = ok && l.Pset_shuffle(id) >= 0
			case filterDeflate:
				ok = ok && l.Pset_deflate(id, uint32(level)) >= 0
			case filterFletcher32:
				ok = ok && l.Pset_fletcher32(id) >= 0
			}
		}
	}
	if !ok {
		err := l.fail("set how it is stored")
		l.Pclose(id)
		return -1, err
	}
	return id, nil
}

// layout chooses how an array is stored.
func (o *CreateOptions) layout(m array.Member) (*dataset, error) {
	t := m.Spec.DType
	if t.ItemSize() == 0 {
		return nil, &array.UnsupportedError{DType: t.String(), Why: "HDF5 has no elements without bytes"}
	}
	d := &dataset{element: element{dtype: t, pad: padZero, vlen: t.Kind() == 'U', utf8: true}, layout: layoutContiguous, offset: addressUndefined}
	d.dims = slices.Clone(m.Spec.Shape)
	if len(d.dims) > maxRank {
		return nil, fmt.Errorf("hdf5: %d dimensions, HDF5 allows %d", len(d.dims), maxRank)
	}
	if len(d.dims) == 0 {
		return d, nil
	}
	grows := o.Resizable
	if d.dims[0] == -1 {
		d.dims[0], grows = 0, true
	}
	n, err := array.Spec{DType: t, Shape: d.dims}.Bytes()
	if err != nil {
		return nil, fmt.Errorf("hdf5: %w", err)
	}
	packs := o.Compression == "gzip" || o.Fletcher32
	if !grows && (!packs || n == 0 || d.vlen) && (o.Chunks == nil || n == 0) {
		return d, nil
	}
	if slices.Contains(d.dims[1:], 0) {
		if grows && m.Spec.Shape[0] == -1 {
			return nil, fmt.Errorf("hdf5: rows of no elements and an unknown number of them: %v", m.Spec)
		}
		return d, nil
	}
	d.layout = layoutChunked
	d.most = slices.Clone(d.dims)
	if grows {
		d.most[0] = -1
	}
	if d.chunks, err = o.chunks(m); err != nil {
		return nil, err
	}
	d.filters = o.filters(t, d.vlen)
	return d, nil
}

// filters are what chunks pass. The strings of any length lie elsewhere in the
// file: packing where they lie is no use.
func (o *CreateOptions) filters(t array.DType, vlen bool) []filter {
	var list []filter
	if o.Compression == "gzip" && !vlen {
		if !o.NoShuffle && t.ItemSize() > 1 {
			list = append(list, filter{id: filterShuffle, name: "shuffle"})
		}
		list = append(list, filter{id: filterDeflate, name: "gzip"})
	}
	if o.Fletcher32 && !vlen {
		list = append(list, filter{id: filterFletcher32, name: "fletcher32"})
	}
	return list
}

// chunks chooses the shape of an array's chunks.
func (o *CreateOptions) chunks(m array.Member) ([]int, error) {
	shape, item := m.Spec.Shape, m.Spec.DType.ItemSize()
	if m.Spec.DType.Kind() == 'U' {
		item = 16 // what a string of any length takes where it is called by
	}
	var chunks []int
	if o.Chunks != nil {
		if chunks = slices.Clone(o.Chunks(m)); chunks != nil && (len(chunks) != len(shape) || slices.Min(chunks) < 1) {
			return nil, fmt.Errorf("hdf5: chunks %v for an array %v", chunks, m.Spec)
		}
	}
	fixed := shape[0] >= 0 && !o.Resizable
	if chunks == nil {
		chunks = make([]int, len(shape))
		row := item
		for i := len(chunks) - 1; i > 0; i-- {
			// From the last axis on, as much as a chunk may have.
			chunks[i] = min(shape[i], max(1, o.Chunk/row))
			row *= chunks[i]
		}
		if chunks[0] = max(1, o.Chunk/row); shape[0] >= 0 {
			chunks[0] = min(chunks[0], max(1, shape[0]))
		}
	}
	for i, n := range chunks {
		if (i > 0 || fixed) && n > shape[i] {
			chunks[i] = shape[i] // HDF5 wants them so where the axis doesn't grow
		}
	}
	if size, err := (array.Spec{DType: m.Spec.DType, Shape: chunks}).Bytes(); err != nil || size > maxChunk {
		return nil, fmt.Errorf("hdf5: chunks %v of %v have more than %d bytes", chunks, m.Spec.DType, maxChunk)
	}
	return chunks, nil
}

// Close completes the file and puts it at its path. An open sink is an error
// that leaves nothing.
func (w *Writer) Close() error {
	return w.Writing.Close(w.finish, w.out.Commit, w.abort)
}

// finish has the library write all that it has left.
func (w *Writer) finish() error {
	return w.l.locked(func() error {
		id := w.id
		w.id = -1
		if w.l.Fclose(id) < 0 {
			return w.l.fail("close the file")
		}
		return nil
	})
}

func (w *Writer) abort() error {
	if w.id >= 0 {
		_ = w.finish() // the file is no longer wanted
	}
	return w.out.Abort()
}

// Abort leaves nothing of the file. Behind Close it does nothing.
func (w *Writer) Abort() error { return w.Writing.Abort(w.abort) }
