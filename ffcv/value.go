package ffcv

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"sync"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/rgb"
)

// Rows returns the metadata rows of samples [lo, lo+n), one after another:
// borrowed, or read into buf (grown when it is too small). They are not to be
// written to.
func (f *File) Rows(lo, n int, buf []byte) ([]byte, error) {
	if f.row < 0 {
		return nil, f.unknown(-1)
	}
	if lo < 0 || n < 0 || lo > f.Len() || n > f.Len()-lo {
		return nil, fmt.Errorf("%s: samples %d to %d of %d", f.src.Name(), lo, lo+n, f.Len())
	}
	return f.read(f.meta+int64(lo)*int64(f.row), int64(n)*int64(f.row), buf)
}

// Metadata returns the metadata row of sample i as it stands in the file,
// borrowed where the source can lend.
func (f *File) Metadata(i int) ([]byte, error) { return f.Rows(i, 1, nil) }

// unknown refuses an access for want of a custom field's layout: of field i,
// or of any when i is negative.
func (f *File) unknown(i int) error {
	if i < 0 || f.fields[i].Field != nil {
		for j, d := range f.fields {
			if d.Field == nil {
				i = j
				break
			}
		}
	}
	return &UnsupportedError{File: f.src.Name(), Field: f.fields[i].Name,
		What: "OpenOptions.Custom does not describe it, no registered kind does, and without it the metadata rows cannot be told apart", Err: ErrUnknownField}
}

// member returns the bytes of one field's member of a row: borrowed, or read
// into buf.
func (f *File) member(i, field int, buf []byte) ([]byte, error) {
	if field < 0 || field >= len(f.fields) {
		return nil, fmt.Errorf("%s: field %d of %d", f.src.Name(), field, len(f.fields))
	}
	if f.row < 0 {
		return nil, f.unknown(field)
	}
	if i < 0 || i >= f.Len() {
		return nil, fmt.Errorf("%s: sample %d of %d", f.src.Name(), i, f.Len())
	}
	d := &f.fields[field]
	return f.read(f.meta+int64(i)*int64(f.row)+int64(d.Offset), int64(d.Size), buf)
}

// memberOf is member for a field whose values must be of one of the two types.
func (f *File) memberOf(i, field int, a, b fields.TypeID) ([]byte, error) {
	m, err := f.member(i, field, nil)
	if err != nil {
		return nil, err
	}
	d := &f.fields[field]
	id := d.Type
	if id == fields.TypeCustom {
		id, _ = d.Plain()
	}
	if id != a && id != b {
		return nil, fmt.Errorf("%s: field %q is of type %d, want %d", f.src.Name(), d.Name, d.Type, a)
	}
	return m, nil
}

// Int returns the value of an Int field.
func (f *File) Int(i, field int) (int64, error) {
	m, err := f.memberOf(i, field, fields.TypeInt, fields.TypeInt)
	if err != nil {
		return 0, err
	}
	return int64(binary.LittleEndian.Uint64(m)), nil
}

// Float returns the value of a Float field.
func (f *File) Float(i, field int) (float64, error) {
	m, err := f.memberOf(i, field, fields.TypeFloat, fields.TypeFloat)
	if err != nil {
		return 0, err
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(m)), nil
}

// BytesValue returns the value of a Bytes field, or of one that keeps such values
// in fewer bytes, borrowed where the source can lend, and empty rather than nil.
func (f *File) BytesValue(i, field int) ([]byte, error) {
	m, err := f.memberOf(i, field, fields.TypeBytes, fields.TypeBytes)
	if err != nil {
		return nil, err
	}
	if f.fields[field].Type == fields.TypeCustom {
		return as[[]byte](f, i, field)
	}
	return f.sized(i, field, m)
}

// sized returns the region of a Bytes or JSON member, pointer at 0 and size at
// 8: FFCV's own table is not to be asked, it tells wrong sizes of empty values.
func (f *File) sized(i, field int, m []byte) ([]byte, error) {
	size := binary.LittleEndian.Uint64(m[8:])
	if size > math.MaxInt64 {
		return nil, f.valueError(i, field, fmt.Errorf("size %d", size))
	}
	b, err := f.Bytes(i, binary.LittleEndian.Uint64(m), int64(size), nil)
	if err != nil {
		return nil, f.valueError(i, field, err)
	}
	return b, nil
}

// JSON returns the text of a JSON field, or of one that keeps such texts in fewer
// bytes, as it stands in the file, without its final NUL, borrowed where the source can lend. It may hold NaN and Infinity,
// as Python writes them, which encoding/json does not read.
func (f *File) JSON(i, field int) (json.RawMessage, error) {
	if _, err := f.memberOf(i, field, fields.TypeJSON, fields.TypeJSON); err != nil {
		return nil, err
	}
	return as[json.RawMessage](f, i, field)
}

// Array returns the value of an NDArray or TorchTensor field, or of one that keeps
// such values in fewer bytes, its bytes borrowed where the source can lend.
func (f *File) Array(i, field int) (array.Array, error) {
	if _, err := f.memberOf(i, field, fields.TypeNDArray, fields.TypeTorchTensor); err != nil {
		return array.Array{}, err
	}
	return as[array.Array](f, i, field)
}

// Image returns the value of an RGBImage field as stored with its checkpoints,
// if it has any, its bytes borrowed where the source can lend.
func (f *File) Image(i, field int) (rgb.Encoded, error) {
	if _, err := f.memberOf(i, field, fields.TypeRGBImage, fields.TypeRGBImage); err != nil {
		return rgb.Encoded{}, err
	}
	e, err := as[rgb.Encoded](f, i, field)
	if err == nil && e.JPEG {
		e.Marks, _ = f.Marks(i, field, nil) // damaged ones are none
	}
	return e, err
}

func as[T any](f *File, i, field int) (T, error) {
	var zero T
	v, err := f.Value(i, field)
	if err != nil {
		return zero, err
	}
	t, ok := v.(T)
	if !ok {
		return zero, f.valueError(i, field, fmt.Errorf("decoded to %T, want %T", v, zero))
	}
	return t, nil
}

// Value returns a value as its field decodes it: int64, float64, []byte,
// json.RawMessage, array.Array, rgb.Encoded, or what a custom field makes. Its
// bytes are borrowed where the source can lend. A panic in a custom field is
// returned as an error.
func (f *File) Value(i, field int) (v any, err error) {
	meta, err := f.member(i, field, nil)
	if err != nil {
		return nil, err
	}
	d := &f.fields[field]
	if d.Type == fields.TypeCustom {
		defer func() {
			if r := recover(); r != nil {
				if mmap.IsFault(r) {
					panic(r) // not the field's doing
				}
				v, err = nil, f.valueError(i, field, fmt.Errorf("panic: %v", r))
			}
		}()
	}
	regions, err := f.regions(nil, i, field, meta)
	if err != nil {
		return nil, err
	}
	data := make([][]byte, len(regions))
	for k, r := range regions {
		if data[k], err = f.Bytes(i, r.Ptr, r.Size, nil); err != nil {
			return nil, f.valueError(i, field, err)
		}
	}
	if v, err = d.Field.Decode(meta, data); err != nil {
		return nil, f.valueError(i, field, err)
	}
	return v, nil
}

// regions appends the regions of a member to dst, unknown sizes looked up.
func (f *File) regions(dst []fields.Region, i, field int, meta []byte) ([]fields.Region, error) {
	first := len(dst)
	dst, err := f.fields[field].Field.Regions(dst, meta)
	if err != nil {
		return dst[:first], f.valueError(i, field, err)
	}
	if n := len(dst) - first; n != f.pointers(field) {
		return dst[:first], f.valueError(i, field, fmt.Errorf("%d regions, the field's layout has %d pointers", n, f.pointers(field)))
	}
	for k := first; k < len(dst); k++ {
		if dst[k].Size < 0 {
			if dst[k].Size, err = f.RegionSize(i, field, dst[k].Ptr); err != nil {
				return dst[:first], err
			}
		}
	}
	return dst, nil
}

// valueError places an error of a value, unless it is placed already.
func (f *File) valueError(i, field int, err error) *FormatError {
	if e, ok := err.(*FormatError); ok && e.Sample == i {
		if e.Field == "" && field >= 0 {
			e.Field = f.fields[field].Name
		}
		return e
	}
	d := &f.fields[field]
	return &FormatError{File: f.src.Name(), Field: d.Name, Sample: i, Offset: f.meta + int64(i)*int64(f.row) + int64(d.Offset), What: "metadata", Err: err}
}

// Bytes returns size bytes at ptr, a region of a sample (which is named in
// errors only): borrowed, or read into buf (grown when it is too small). They
// must lie inside the data pages. With size 0 ptr may be anything: FFCV gives
// the first empty values a pointer before the pages.
func (f *File) Bytes(sample int, ptr uint64, size int64, buf []byte) ([]byte, error) {
	if size == 0 {
		return emptyBytes, nil
	}
	if err := f.inPages(sample, ptr, size); err != nil {
		return nil, err
	}
	b, err := f.read(int64(ptr), size, buf)
	if e, ok := err.(*FormatError); ok { // made for this call
		e.Sample = sample
		e.What += fmt.Sprintf(" of data page %d", ptr/uint64(f.header.PageSize))
	}
	return b, err
}

// lender is the ability of a Source that reads through a cache to lend what lies in
// it, as pagecache.Cache does.
type lender interface {
	Lend(off, n int64) (b []byte, done func(), err error)
}

// Lend returns what Bytes does as it lies in the memory that the file is read
// through, which it waits for, to be read only, until done is called, once; Close
// waits for that, and so is not called by who has something. A nil done without an error lends nothing: then Bytes reads it.
func (f *File) Lend(sample int, ptr uint64, size int64) (b []byte, done func(), err error) {
	l, ok := f.src.(lender)
	if !ok || size <= 0 || f.inPages(sample, ptr, size) != nil {
		return nil, nil, nil
	}
	if b, done, err = l.Lend(int64(ptr), size); err != nil {
		e := f.flaw(int64(ptr), "read 0 of %d bytes of data page %d", size, ptr/uint64(f.header.PageSize))
		e.Sample, e.Err = sample, err
		return nil, nil, e
	}
	return b, done, nil
}

// inPages checks that a region lies inside the data pages, or is empty.
func (f *File) inPages(sample int, ptr uint64, size int64) error {
	if size == 0 || size > 0 && ptr >= uint64(f.pages) && ptr <= uint64(f.data) && size <= f.data-int64(ptr) {
		return nil
	}
	off := int64(-1)
	if ptr <= math.MaxInt64 {
		off = int64(ptr)
	}
	return &FormatError{File: f.src.Name(), Sample: sample, Offset: off,
		What: fmt.Sprintf("%d bytes at pointer %d, the data pages are from %d to %d", size, ptr, f.pages, f.data)}
}

var emptyBytes = []byte{}

// Borrow returns n bytes at offset off of the file without copying, to be read
// only and valid until Close; false when the source cannot lend them.
func (f *File) Borrow(off, n int64) ([]byte, bool) { return f.src.Borrow(off, n) }

// WillNeed tells the source which bytes of the file will be asked for soon. It
// is a hint and does not wait.
func (f *File) WillNeed(ranges []Range) { f.src.WillNeed(ranges) }

// WillScan tells the source that most of the file will be read, in whatever
// order: a cache over a source that is far away reads more at a time then, where
// all of the file has room in it.
func (f *File) WillScan() {
	if s, ok := f.src.(interface{ WillScan() }); ok {
		s.WillScan()
	}
}

// Distant says whether the file is read through a cache from farther away than a
// disk.
func (f *File) Distant() bool {
	s, ok := f.src.(interface{ Distant() bool })
	return ok && s.Distant()
}

// WillNeedRows is WillNeed for the metadata rows of samples and, with sizes, for
// the entries of the allocation table that RegionSize looks at first. The rows of
// a mapped file the system reads by itself when they are touched; it is told only
// whether they lie here and there or one after another.
func (f *File) WillNeedRows(samples []int, sizes bool) {
	if f.row <= 0 {
		return
	}
	if s, ok := f.src.(scatterer); ok {
		f.scatter(s, samples)
		return
	}
	if !hears(f.src) {
		return
	}
	h := takeHint()
	defer h.tell(f.src)
	for _, s := range samples {
		h.add(f.meta+int64(s)*int64(f.row), int64(f.row))
	}
	if sizes && f.ptrs > 0 {
		n := int64(f.ptrs) * alloc.EntrySize
		for _, s := range samples {
			h.add(int64(f.header.AllocTable)+int64(s)*n, n)
		}
	}
}

// hears says whether a source makes something of WillNeed.
func hears(src Source) bool {
	_, deaf := src.(*readerSource)
	return !deaf
}

// hint is what a source is about to be told, kept so that nothing is allocated.
type hint struct {
	list []Range
	pair [16]byte // two offsets, where they have to be read
}

var hints = sync.Pool{New: func() any { return new(hint) }}

func takeHint() *hint { return hints.Get().(*hint) }

// add adds a run of bytes, to the last one if it begins where that ends.
func (h *hint) add(off, n int64) {
	if k := len(h.list); k > 0 && h.list[k-1].Off+h.list[k-1].Len == off {
		h.list[k-1].Len += n
		return
	}
	h.list = append(h.list, Range{off, n})
}

// tell tells the source, if there is something, and gives the hint back.
func (h *hint) tell(src Source) {
	if len(h.list) > 0 {
		src.WillNeed(h.list)
	}
	h.list = h.list[:0]
	hints.Put(h)
}

// RegionSize returns the size of the region at ptr, one of the pointers in the
// given field of a sample, from the allocation table: for what the metadata
// does not size (a JPEG). It is O(1) where the table is in sample order, as
// this package and FFCV's single worker write it; for other files the first
// call indexes the table.
func (f *File) RegionSize(sample, field int, ptr uint64) (int64, error) {
	if field < 0 || field >= len(f.fields) {
		return 0, fmt.Errorf("%s: field %d of %d", f.src.Name(), field, len(f.fields))
	}
	if sample < 0 || sample >= f.Len() {
		return 0, fmt.Errorf("%s: sample %d of %d", f.src.Name(), sample, f.Len())
	}
	j, n := f.firsts[field], f.pointers(field)
	for k := 1; k < n; k++ { // which of the field's own pointers it is only the table can tell
		if e, err := f.table.At(int64(sample)*int64(f.ptrs) + int64(j+k)); err == nil && e.Ptr == ptr {
			j += k
			break
		}
	}
	size, ok, err := f.table.Size(sample, j, ptr)
	if err == nil && !ok {
		err = fmt.Errorf("no entry for pointer %d in the allocation table", ptr)
	}
	if err != nil {
		return 0, f.valueError(sample, field, err)
	}
	return size, nil
}
