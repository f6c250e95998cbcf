package convert

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/rgb"
)

var betonFormat = &format{
	Format: Format{Name: "beton", Title: "FFCV's .beton", Extensions: []string{".beton"}, Read: true, Write: true},
	open:   openBeton,
	beton:  true,
	file:   attrs{kind: jsonAttrs},
	member: attrs{kind: jsonAttrs},
	takes:  takesBeton,
	remark: remarkBeton,
}

// Names of the two arrays that a field of values of any length becomes: all
// values one behind the other, and where each begins, with the end behind them.
const (
	valuesSuffix  = ".values"
	offsetsSuffix = ".offsets"
)

// betonFile is a .beton as arrays: axis 0 are the samples.
type betonFile struct {
	f       *ffcv.File
	fields  []ffcv.Field
	arrays  []betonArray
	refused map[string]error
	order   []string // names of the refused
	attrs   map[string]any
	notes   []Note
	decode  bool
	size    int64 // bytes
}

// betonArray is an array and how its rows are made.
type betonArray struct {
	m    array.Member
	read func(b *betonFile, a *betonArray, dst []byte, lo, n int) error // rows lo to lo+n
	from []betonPart
	open func(b *betonFile, a *betonArray, chunk int) array.Stream // instead of read
	// packed says that values may have more bytes than the file.
	packed bool
	// expands says so too, up to maxExpansion times.
	expands bool
}

// betonPart is a field, and where its values lie in an element.
type betonPart struct {
	field int
	part
}

func openBeton(path string, o *Options) (File, error) {
	// Read and not mapped: what was passed stays with the system.
	file, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	f, err := ffcv.New(ffcv.ReaderAtSource(path, file, info.Size()), nil)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return newBeton(f, o)
}

// newBeton gives an open file's arrays, and owns it.
func newBeton(f *ffcv.File, o *Options) (File, error) {
	b := &betonFile{f: f, fields: f.Fields(), refused: map[string]error{}, decode: o.Decode, size: f.Size()}
	if err := b.layout(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return b, nil
}

// layout finds the arrays.
func (b *betonFile) layout() error {
	r, err := readRecord(b.f)
	if err != nil {
		b.notes = append(b.notes, Note{Text: fmt.Sprintf("%v; each field is an array for itself", err)})
	}
	b.describe(r)
	whole := map[int]*betonArray{} // recorded arrays by their first field
	inside := map[int]bool{}
	if r != nil {
		for _, rec := range r.Arrays {
			a, err := b.recorded(rec)
			if err != nil {
				b.notes = append(b.notes, Note{Array: rec.Name, Text: fmt.Sprintf("%v; each field is an array for itself", err)})
				continue
			}
			for i, p := range a.from {
				if inside[p.field] = true; i == 0 {
					whole[p.field] = a
				}
			}
		}
	}
	for i := range b.fields {
		if a := whole[i]; a != nil {
			b.arrays = append(b.arrays, *a)
		} else if !inside[i] {
			if err := b.single(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// describe finds the file's attributes, and what has no place among them.
func (b *betonFile) describe(r *record) {
	if r != nil && len(r.Attrs) > 0 {
		b.attrs = r.Attrs
	}
	if list := b.f.Classes(); list != nil {
		if b.attrs == nil {
			b.attrs = map[string]any{}
		}
		b.attrs["classes"] = list
	}
	list, err := b.f.Sections()
	if err == nil && slices.ContainsFunc(list, func(s ffcv.Section) bool { return s.Tag == ffcv.TagNames }) {
		b.notes = append(b.notes, Note{Text: "the samples' names aren't kept"})
	}
}

// recorded makes an array of the fields that it was made into.
func (b *betonFile) recorded(rec recorded) (*betonArray, error) {
	t, err := array.ParseDType(rec.DType)
	if err != nil {
		return nil, fmt.Errorf("section %v: %w", tagArrays, err)
	}
	list, err := parts(t)
	if err != nil {
		return nil, fmt.Errorf("section %v: %w", tagArrays, err)
	}
	if len(list) != len(rec.Fields) {
		return nil, fmt.Errorf("section %v: %d fields, the type has %d", tagArrays, len(rec.Fields), len(list))
	}
	a := &betonArray{read: (*betonFile).readParts}
	a.m = array.Member{Name: rec.Name, Attrs: rec.Attrs, Spec: array.Spec{DType: t, Shape: append([]int{b.f.Len()}, rec.Shape...)}}
	if _, err := a.m.Spec.Bytes(); err != nil {
		return nil, fmt.Errorf("section %v: %w", tagArrays, err)
	}
	for i, p := range list {
		k := b.f.FieldIndex(rec.Fields[i])
		if k < 0 {
			return nil, fmt.Errorf("section %v: there is no field %q", tagArrays, rec.Fields[i])
		}
		want, _ := p.field(rec.Shape)
		args, err := want.Args()
		if err != nil {
			return nil, fmt.Errorf("section %v: field %q: %w", tagArrays, rec.Fields[i], err)
		}
		if have := b.fields[k]; have.Type != want.TypeID() || *have.Args != args {
			return nil, fmt.Errorf("section %v: field %q is another than it tells", tagArrays, rec.Fields[i])
		}
		a.from = append(a.from, betonPart{field: k, part: p})
	}
	return a, nil
}

// single makes an array of one field.
func (b *betonFile) single(i int) error {
	f := b.fields[i]
	n := b.f.Len()
	add := func(name string, t array.DType, shape []int, a betonArray) {
		a.m = array.Member{Name: name, Spec: array.Spec{DType: t, Shape: shape}}
		b.arrays = append(b.arrays, a)
	}
	values := func(t array.DType, shape []int) {
		add(f.Name, t, append([]int{n}, shape...), betonArray{
			read: (*betonFile).readParts,
			from: []betonPart{{i, part{dtype: t}}},
		})
	}
	_, plain := f.Plain()
	if f.Type == fields.TypeCustom {
		switch k := plain.(type) {
		case fields.NDArray:
			b.packedArray(i, array.Spec{DType: k.DType, Shape: k.Shape})
			return nil
		case fields.TorchTensor:
			b.packedArray(i, array.Spec{DType: k.DType, Shape: k.Shape})
			return nil
		}
	}
	switch k := plain.(type) {
	case fields.Int:
		values(array.Int64, nil)
	case fields.Float:
		values(array.Float64, nil)
	case fields.NDArray:
		values(k.DType, k.Shape)
	case fields.TorchTensor:
		values(k.DType, k.Shape)
	case fields.Bytes, fields.JSON:
		total, err := b.totalSize(i)
		if err != nil {
			return err
		}
		from := []betonPart{{field: i}}
		add(f.Name+valuesSuffix, array.Uint8, []int{total}, betonArray{from: from, open: openValues})
		add(f.Name+offsetsSuffix, array.Int64, []int{n + 1}, betonArray{from: from, open: openOffsets})
		if _, ok := k.(fields.JSON); ok {
			b.notes = append(b.notes, Note{Array: f.Name, Text: "JSON, given as its text's bytes"})
		}
	case fields.RGBImage:
		return b.pictures(i)
	case fields.Image:
		return b.rasters(i, k)
	default:
		b.refuse(f.Name, fmt.Errorf("field %q is of a custom kind, which is no array", f.Name))
	}
	return nil
}

func (b *betonFile) refuse(name string, why error) {
	b.refused[name] = fmt.Errorf("%s: %w", b.f.Name(), why)
	b.order = append(b.order, name)
}

// pictures makes one array of pictures of one size.
func (b *betonFile) pictures(i int) error {
	f := b.fields[i]
	shape, packed := []int{b.f.Len(), 0, 0, 3}, false
	if b.f.Len() > 0 {
		e, err := b.f.Image(0, i)
		if err != nil {
			return err
		}
		if e.JPEG && !b.decode {
			b.refuse(f.Name, fmt.Errorf("field %q holds %w", f.Name, ErrJPEG))
			return nil
		}
		shape[1], shape[2], packed = e.Height, e.Width, e.JPEG
	}
	b.arrays = append(b.arrays, betonArray{
		m:    array.Member{Name: f.Name, Spec: array.Spec{DType: array.Uint8, Shape: shape}},
		from: []betonPart{{field: i}},
		read: (*betonFile).readPictures, packed: packed,
	})
	return nil
}

// rasters makes one array of masks and their like, of one size.
func (b *betonFile) rasters(i int, k fields.Image) error {
	f := b.fields[i]
	channels, depth := k.Kind()
	shape := []int{b.f.Len(), 0, 0, channels}
	if b.f.Len() > 0 {
		row, err := b.f.Metadata(0)
		if err != nil {
			return err
		}
		if shape[2], shape[1], err = k.Size(row[f.Offset : f.Offset+f.Size]); err != nil {
			return err
		}
	}
	t := array.Uint8
	if depth == 2 {
		t = array.Uint16
	}
	if channels == 1 {
		shape = shape[:3]
	}
	b.arrays = append(b.arrays, betonArray{
		m:    array.Member{Name: f.Name, Spec: array.Spec{DType: t, Shape: shape}},
		from: []betonPart{{field: i}},
		read: (*betonFile).readRasters, packed: true,
	})
	return nil
}

func (b *betonFile) Members() []array.Member {
	list := make([]array.Member, len(b.arrays))
	for i := range b.arrays {
		list[i] = b.arrays[i].m
		list[i].Spec.Shape = slices.Clone(list[i].Spec.Shape)
	}
	return list
}

func (b *betonFile) Attrs() map[string]any { return b.attrs }
func (b *betonFile) Notes() []Note         { return b.notes }
func (b *betonFile) Close() error          { return b.f.Close() }

// Refused tells which fields are no arrays.
func (b *betonFile) Refused() error {
	var list []error
	for _, name := range b.order {
		list = append(list, b.refused[name])
	}
	return errors.Join(list...)
}

func (b *betonFile) Stream(name string, chunk int) (array.Stream, error) {
	i := slices.IndexFunc(b.arrays, func(a betonArray) bool { return a.m.Name == name })
	if i < 0 {
		if err := b.refused[name]; err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s: no array %q", b.f.Name(), name)
	}
	if chunk <= 0 {
		chunk = array.DefaultChunk
	}
	a := &b.arrays[i]
	if a.open != nil {
		return a.open(b, a, chunk), nil
	}
	// No row is larger than the file, but for what is compressed in it.
	row, most := rowBytes(a.m.Spec), b.size
	if a.packed {
		most = rgb.MaxPixels * 8
	}
	if a.expands {
		most = maxExpansion * min(b.size, math.MaxInt64/maxExpansion)
	}
	if row > most && b.f.Len() > 0 {
		return nil, &ffcv.FormatError{File: b.f.Name(), Field: name, Sample: -1, Offset: -1, What: fmt.Sprintf("values of %d bytes in a file of %d", row, b.size)}
	}
	return &betonStream{b: b, a: a, row: int(row), chunk: chunk}, nil
}

// betonStream gives rows of samples.
type betonStream struct {
	b          *betonFile
	a          *betonArray
	row, chunk int
	next       int
	buf        []byte
	closed     bool
}

func (s *betonStream) Next() (array.Array, error) {
	total := s.a.m.Spec.Shape[0]
	switch {
	case s.closed:
		return array.Array{}, os.ErrClosed
	case s.next == total:
		return array.Array{}, io.EOF
	}
	n := min(max(1, s.chunk/max(s.row, 1)), total-s.next)
	if cap(s.buf) < n*s.row {
		s.buf = make([]byte, n*s.row)
	}
	buf := s.buf[:n*s.row]
	if err := s.a.read(s.b, s.a, buf, s.next, n); err != nil {
		return array.Array{}, err
	}
	s.next += n
	spec := s.a.m.Spec
	spec.Shape = append([]int{n}, spec.Shape[1:]...)
	return array.Array{Spec: spec, Data: buf}, nil
}

func (s *betonStream) Close() error {
	s.closed = true
	return nil
}

// readParts reads numbers and arrays, and puts each where it lies in the rows.
func (b *betonFile) readParts(a *betonArray, dst []byte, lo, n int) error {
	rows, err := b.f.Rows(lo, n, nil)
	if err != nil {
		return err
	}
	item := a.m.Spec.DType.ItemSize()
	row := int(rowBytes(a.m.Spec))
	var buf []byte
	for _, p := range a.from {
		f := b.fields[p.field]
		size := p.size()
		each := 0 // elements in a row
		if item > 0 {
			each = row / item
		}
		alone := len(a.from) == 1 && size == item
		for i := 0; i < n; {
			meta := rows[i*b.f.RowSize()+f.Offset:]
			if f.Type == fields.TypeInt || f.Type == fields.TypeFloat {
				copy(dst[i*row+p.offset:][:8], meta[:8])
				i++
				continue
			}
			k := 1
			if alone {
				k = b.run(rows, f.Offset, i, n, row)
			} else if size == 0 {
				i++
				continue
			}
			ptr := binary.LittleEndian.Uint64(meta)
			if alone {
				out := dst[i*row : (i+k)*row : (i+k)*row]
				got, err := b.f.Bytes(lo+i, ptr, int64(len(out)), out)
				if err != nil {
					return err
				}
				copy(out, got) // itself, unless it was lent
			} else {
				if buf, err = b.f.Bytes(lo+i, ptr, int64(each*size), buf); err != nil {
					return err
				}
				for e := range each {
					copy(dst[i*row+e*item+p.offset:][:size], buf[e*size:])
				}
			}
			i += k
		}
	}
	return nil
}

// run is how many of the rows i to n have values that lie one behind the other.
func (b *betonFile) run(rows []byte, offset, i, n, size int) int {
	at := func(i int) uint64 { return binary.LittleEndian.Uint64(rows[i*b.f.RowSize()+offset:]) }
	k := 1
	for i+k < n && at(i+k) == at(i)+uint64(k*size) {
		k++
	}
	return k
}

// readPictures reads pixels, and decodes JPEGs where that was asked for.
func (b *betonFile) readPictures(a *betonArray, dst []byte, lo, n int) error {
	row := int(rowBytes(a.m.Spec))
	h, w := a.m.Spec.Shape[1], a.m.Spec.Shape[2]
	name := a.m.Name
	for i := range n {
		e, err := b.f.Image(lo+i, a.from[0].field)
		switch {
		case err != nil:
			return err
		case e.Height != h || e.Width != w:
			return fmt.Errorf("%s: field %q: sample %d has %d × %d pixels, those before %d × %d: no one array", b.f.Name(), name, lo+i, e.Height, e.Width, h, w)
		case e.JPEG && !b.decode:
			return fmt.Errorf("%s: field %q: sample %d: %w", b.f.Name(), name, lo+i, ErrJPEG)
		}
		out := dst[i*row : (i+1)*row : (i+1)*row]
		if !e.JPEG {
			copy(out, e.Data)
			continue
		}
		img := rgb.Image{Pix: out[:0]}
		if err := rgb.DecodeJPEG(&img, e.Data); err != nil {
			return fmt.Errorf("%s: field %q: sample %d: %w", b.f.Name(), name, lo+i, err)
		}
		if img.Height != h || img.Width != w {
			return fmt.Errorf("%s: field %q: sample %d: the JPEG has %d × %d pixels, want %d × %d", b.f.Name(), name, lo+i, img.Height, img.Width, h, w)
		}
		copy(out, img.Pix)
	}
	return nil
}

// readRasters reads masks and their like.
func (b *betonFile) readRasters(a *betonArray, dst []byte, lo, n int) error {
	row := int(rowBytes(a.m.Spec))
	h, w := a.m.Spec.Shape[1], a.m.Spec.Shape[2]
	for i := range n {
		v, err := b.f.Value(lo+i, a.from[0].field)
		if err != nil {
			return err
		}
		r, ok := v.(rgb.Raster)
		if !ok || r.Height != h || r.Width != w || len(r.Pix) != row {
			return fmt.Errorf("%s: field %q: sample %d has %d × %d pixels, those before %d × %d: no one array", b.f.Name(), a.m.Name, lo+i, r.Height, r.Width, h, w)
		}
		copy(dst[i*row:(i+1)*row], r.Pix)
	}
	return nil
}
