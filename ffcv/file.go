package ffcv

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"sync/atomic"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
)

// OpenOptions are the choices of Open and New. nil and zero are the defaults.
type OpenOptions struct {
	// Custom describes custom fields by their names in the file. A custom field
	// that is not named here is looked up among the kinds that the program
	// registered (fields.Register), if its arguments name one.
	Custom map[string]fields.Field
	// Memory is how Open reaches the file's bytes. 0 maps the file: the fastest
	// way as long as the system's cache can hold most of it. Above 0 the file is
	// read through a cache that takes at most so many bytes, read ahead by what
	// a loader tells: for files larger than memory. Every byte is copied once
	// more then, but for the values of a file that has room as a whole (Lend), and
	// the rows of the metadata are read for each batch. Any order
	// and any budget above some 200 KiB works; best is one of several batches.
	// Samples of less than 16 KiB want an order that stays in a part of the file
	// which fits, such as Sequential, BlockShuffle or PageShuffle: otherwise 16
	// KiB are read for each. New, which gets a Source, ignores it.
	Memory int64
	// Direct, with Memory, reads past the system's cache where that is possible
	// (Linux, most file systems). For a file that the system cannot cache anyway
	// this takes less of the processor's time, and the memory of others is left
	// alone; one that is in its cache is read from the disk again all the same.
	Direct bool
}

// Field is one field of a file.
type Field struct {
	Name string // up to the first NUL; as it stands in the file, see FieldDesc
	Type fields.TypeID
	Args *fields.Args
	// Field decodes the field's values. It is nil for a custom field of unknown
	// layout.
	Field fields.Field
	// Offset and Size say where the field's member lies in a metadata row. They
	// are -1 where that is not known: Size for a field of unknown layout, Offset
	// for it and the fields after it.
	Offset, Size int
}

// File is a .beton opened for reading. It is safe for concurrent use, but
// nothing may use it during or after Close.
type File struct {
	src    Source
	header Header
	fields []Field
	firsts []int // number of pointers in the members before each field's
	ptrs   int   // pointers a row
	row    int   // bytes a metadata row, -1 unknown
	meta   int64 // where the metadata begins
	pages  int64 // where the data pages may begin
	data   int64 // where they end: the extension block or the allocation table
	table  *alloc.Table
	count  int64 // whole entries of the allocation table
	ext    extension
	apart  atomic.Bool // what the system was told last, see scatter
	marks  markSections
	sums   sumsSection
	// What is left of sealing in place that was not finished, and the SEAL section
	// of a file for which it was; nil none.
	unfinished, sealed *sealIntent
	torn               int64 // bytes of a SEAL section of which not all is there
}

// Open maps the file at path, or reads it through a cache (OpenOptions.Memory).
// Close closes it.
func Open(path string, opts *OpenOptions) (*File, error) {
	src, err := openSource(path, opts)
	if err != nil {
		return nil, err
	}
	f, err := New(src, opts)
	if err != nil {
		src.Close()
		return nil, err
	}
	return f, nil
}

func openSource(path string, opts *OpenOptions) (Source, error) {
	switch {
	case opts == nil || opts.Memory == 0:
		return MapSource(path)
	case opts.Memory < 0:
		return nil, fmt.Errorf("%s: memory of %d bytes, want 0 or more", path, opts.Memory)
	}
	return openCached(path, opts)
}

// New reads a file through src, which the File owns from then on; after an
// error it stays the caller's. A file that is not sound is a *FormatError, one
// of a newer version or with an unknown kind of field an *UnsupportedError.
func New(src Source, opts *OpenOptions) (*File, error) {
	if opts == nil {
		opts = &OpenOptions{}
	}
	f := &File{src: src}
	if err := f.guard(func() error { return f.open(opts) }); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) open(opts *OpenOptions) error {
	if err := f.readHeader(); err != nil {
		return err
	}
	if err := f.readFields(opts.Custom); err != nil {
		return err
	}
	if err := f.checkMetadata(); err != nil {
		return err
	}
	if err := f.checkTable(); err != nil {
		return err
	}
	return f.readTrailer()
}

// flaw makes a FormatError about the file as a whole.
func (f *File) flaw(off int64, format string, args ...any) *FormatError {
	return &FormatError{File: f.src.Name(), Sample: -1, Offset: off, What: fmt.Sprintf(format, args...)}
}

// readHeader reads and checks the header alone.
func (f *File) readHeader() error {
	size := f.src.Size()
	if size < HeaderSize {
		return f.flaw(0, "not a .beton: %d bytes, the header alone has %d", size, HeaderSize)
	}
	b, err := f.read(0, HeaderSize, nil)
	if err != nil {
		return err
	}
	h := HeaderAt(b)
	f.header = h
	p := uint64(h.PageSize)
	pageOK := p >= MinPageSize && p <= maxReadPageSize && p&(p-1) == 0
	if h.Version > Version && pageOK && h.NumFields > 0 {
		return &UnsupportedError{File: f.src.Name(), What: fmt.Sprintf("format version %d, this package reads %d", h.Version, Version)}
	}
	if h.Version != Version {
		return f.flaw(0, "not a .beton: version %d, want %d", h.Version, Version)
	}
	if !pageOK {
		return f.flaw(4, "page size %d, want a power of two from %d to %d", p, MinPageSize, maxReadPageSize)
	}
	if h.NumFields == 0 {
		return f.flaw(2, "no fields")
	}
	if h.AllocTable == 0 {
		return f.flaw(16, "unfinished file: its writer stopped before it set the allocation table's offset")
	}
	if h.AllocTable > uint64(size) {
		return f.flaw(16, "allocation table at byte %d, but the file ends at %d: it was cut short", h.AllocTable, size)
	}
	f.meta = metadataOffset(int(h.NumFields))
	if f.meta > int64(h.AllocTable) {
		return f.flaw(16, "allocation table at byte %d, inside the descriptors of %d fields, which end at %d", h.AllocTable, h.NumFields, f.meta)
	}
	return nil
}

// readFields reads the descriptors and finds each field's kind and place.
func (f *File) readFields(custom map[string]fields.Field) error {
	n := int(f.header.NumFields)
	b, err := f.read(HeaderSize, int64(n)*DescriptorSize, nil)
	if err != nil {
		return err
	}
	f.fields = make([]Field, n)
	f.firsts = make([]int, n)
	layouts := make([]*fields.Layout, n)
	for i := range f.fields {
		d := FieldDescAt(b[i*DescriptorSize:])
		fd := Field{Name: d.Name, Type: d.Type, Args: &d.Args, Size: -1}
		if layouts[i], err = fd.bind(custom); err != nil {
			return f.fieldError(i, d.Name, err)
		}
		f.firsts[i] = f.ptrs
		if l := layouts[i]; l != nil {
			fd.Size = l.Size
			f.ptrs += len(l.Pointers)
		}
		f.fields[i] = fd
	}
	for name := range custom {
		if !slices.ContainsFunc(f.fields, func(d Field) bool { return d.Name == name && d.Type == fields.TypeCustom }) {
			return fmt.Errorf("%s: options describe the custom field %q, which the file does not have", f.src.Name(), name)
		}
	}
	row, err := layoutRow(layouts)
	if err != nil {
		return f.flaw(HeaderSize, "metadata row: %v", err)
	}
	f.row = row.size
	for i := range f.fields {
		f.fields[i].Offset = row.offsets[i]
	}
	return nil
}

// bind finds what decodes the field and returns its layout; nil for a custom
// one that nothing describes. A panic of a program's own field is an error.
func (d *Field) bind(custom map[string]fields.Field) (l *fields.Layout, err error) {
	defer recovered(&err)
	if d.Field, err = fieldOf(d, custom); err != nil || d.Field == nil {
		return nil, err
	}
	layout := d.Field.Layout()
	return &layout, checkLayout(layout)
}

// fieldOf finds what decodes a field; nil for a custom one that nothing
// describes.
func fieldOf(d *Field, custom map[string]fields.Field) (fields.Field, error) {
	if d.Type != fields.TypeCustom {
		return fields.New(d.Type, d.Args)
	}
	if fd, ok := custom[d.Name]; ok && fd != nil {
		return fd, nil
	}
	fd, ok, err := fields.Custom(d.Args)
	if err != nil || !ok {
		return nil, err
	}
	return fd, nil
}

// checkLayout keeps a custom field's layout from indexing outside its
// member.
func checkLayout(l fields.Layout) error {
	for _, p := range l.Pointers {
		if p < 0 || p > l.Size-8 {
			return fmt.Errorf("layout: pointer at byte %d of a member of %d bytes", p, l.Size)
		}
	}
	return nil
}

// fieldError places an error about the descriptor of field i.
func (f *File) fieldError(i int, name string, err error) error {
	var dtype *array.UnsupportedError
	if errors.As(err, &dtype) {
		return &UnsupportedError{File: f.src.Name(), Field: name, Err: err}
	}
	e := f.flaw(HeaderSize+int64(i)*DescriptorSize, "field descriptor %d", i)
	e.Field, e.Err = name, err
	return e
}

// checkMetadata checks that the metadata rows end before the allocation table.
func (f *File) checkMetadata() error {
	n, table := f.header.NumSamples, int64(f.header.AllocTable)
	if f.row < 0 { // a row has at least a byte, more is not known
		if n > uint64(table-f.meta) {
			return f.flaw(8, "%d samples do not fit before the allocation table at byte %d", n, table)
		}
		f.pages = table
		return nil
	}
	if f.row == 0 && n > 0 {
		return f.flaw(8, "%d samples with metadata rows of no bytes", n)
	}
	end, ok := metadataEnd(len(f.fields), f.row, n)
	if !ok || end > table || n > math.MaxInt {
		return f.flaw(8, "%d samples of %d bytes of metadata at byte %d do not end before the allocation table at %d", n, f.row, f.meta, table)
	}
	f.pages, ok = firstPage(len(f.fields), f.row, n, int64(f.header.PageSize))
	if !ok || f.pages > table {
		f.pages = table // no pages
	}
	return nil
}

// checkTable checks that the allocation table can hold an entry for every
// pointer of the builtin fields: FFCV writes exactly that many, so that a
// shorter table is a file cut short. How many regions custom fields take only
// they know.
func (f *File) checkTable() error {
	table := int64(f.header.AllocTable)
	f.count = (f.src.Size() - table) / alloc.EntrySize
	builtin := 0
	for i, d := range f.fields {
		if d.Type != fields.TypeCustom {
			builtin += f.pointers(i)
		}
	}
	if n := f.header.NumSamples; builtin > 0 && n > uint64(f.count)/uint64(builtin) {
		return f.flaw(table, "allocation table of %d bytes, want %d entries of %d bytes for each of %d samples: the file was cut short",
			f.src.Size()-table, builtin, alloc.EntrySize, n)
	}
	f.endTable(!slices.ContainsFunc(f.fields, func(d Field) bool { return d.Type == fields.TypeCustom }))
	f.table = alloc.NewTable(func(off, n int64, buf []byte) ([]byte, error) {
		return f.read(table+off, n, buf)
	}, f.count, f.ptrs)
	return nil
}

// pointers returns the number of data pointers in the member of field i.
func (f *File) pointers(i int) int {
	if i+1 < len(f.firsts) {
		return f.firsts[i+1] - f.firsts[i]
	}
	return f.ptrs - f.firsts[i]
}

// read returns n bytes at off: borrowed, or read into buf (grown when it is too
// small). The bytes were checked to lie inside the file, or not: outside of it
// nothing is allocated.
func (f *File) read(off, n int64, buf []byte) ([]byte, error) {
	if b, ok := f.src.Borrow(off, n); ok {
		return b, nil
	}
	if size := f.src.Size(); off < 0 || n < 0 || off > size || n > size-off {
		return nil, f.flaw(off, "%d bytes wanted, the file ends at %d", n, size)
	}
	if int64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if m, err := f.src.ReadAt(buf, off); m < len(buf) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		e := f.flaw(off, "read %d of %d bytes", m, n)
		e.Err = err
		return nil, e
	}
	return buf, nil
}

// Close closes the source. It is idempotent. Everything that was borrowed from
// the file ends with it; what is lent (Lend) it waits for.
func (f *File) Close() error { return f.src.Close() }

// Name returns the name of the source, such as the path given to Open.
func (f *File) Name() string { return f.src.Name() }

// Len returns the number of samples.
func (f *File) Len() int { return int(f.header.NumSamples) }

// Header returns the header as it stands in the file.
func (f *File) Header() Header { return f.header }

// Fields returns the fields in file order. The slice is the caller's; what the
// Args point at is not to be written.
func (f *File) Fields() []Field { return slices.Clone(f.fields) }

// FieldIndex returns the index of the first field of that name, -1 for none.
func (f *File) FieldIndex(name string) int {
	return slices.IndexFunc(f.fields, func(d Field) bool { return d.Name == name })
}

// RowSize returns the size of a metadata row in bytes, -1 when a custom field's
// layout is unknown.
func (f *File) RowSize() int { return f.row }

// Pages returns where the data pages may begin and how many whole pages lie
// from there up to the extension block or the allocation table. Pages that a
// writer reserved and did not use are among them.
func (f *File) Pages() (first, n int64) {
	return f.pages, (f.data - f.pages) / int64(f.header.PageSize)
}

// NumEntries returns the number of whole entries of the allocation table.
func (f *File) NumEntries() int64 { return f.count }

// Entries goes through the allocation table as it stands in the file, without
// checking the entries. A failure to read is yielded once, as the last pair.
func (f *File) Entries() iter.Seq2[alloc.Entry, error] { return f.table.Entries() }
