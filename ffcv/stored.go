package ffcv

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"runtime/debug"

	"github.com/betongo/betongo/fields"
)

// Stored is a value for a writer, in the place of one that a field encodes:
// what another file stores of a sample, taken as it is. The bytes of its
// regions and its marks are copied, nothing is decoded or encoded; a value that
// has no marks there gets none. The field that takes it is of the same kind
// with the same arguments, as those of File.Specs are.
//
// Writers take a *Stored. The file stays open until the write has ended.
type Stored struct {
	File   *File
	Sample int
	Field  int // its number in File
}

// Specs returns the fields as those of a new file that takes the values of
// this one (Stored, Base): arguments stand there as they do here. A custom
// field of unknown layout is an *UnsupportedError; so is one whose regions in
// the allocation table its layout does not explain, since pointers that are
// not known cannot be moved.
func (f *File) Specs() ([]FieldSpec, error) {
	if f.row < 0 {
		return nil, f.unknown(-1)
	}
	if err := f.explained(); err != nil {
		return nil, err
	}
	specs := make([]FieldSpec, len(f.fields))
	for i, d := range f.fields {
		field, err := kept(d)
		if err != nil {
			return nil, f.fieldError(i, d.Name, err)
		}
		specs[i] = FieldSpec{Name: d.Name, Field: field}
	}
	return specs, nil
}

// explained says whether each region in the allocation table is one that a
// field's layout tells.
func (f *File) explained() error {
	// The product does not overflow for builtin fields: Open found room for as
	// many entries.
	n := f.header.NumSamples
	if f.ptrs == 0 && f.count == 0 || f.ptrs > 0 && n <= math.MaxInt64/uint64(f.ptrs) && uint64(f.count) == n*uint64(f.ptrs) {
		return nil
	}
	for _, d := range f.fields {
		if d.Type == fields.TypeCustom {
			return &UnsupportedError{File: f.src.Name(), Field: d.Name,
				What: fmt.Sprintf("allocation table of %d entries, the layouts of the fields tell of %d for each of %d samples: this custom field keeps regions whose pointers are not known", f.count, f.ptrs, n),
				Err:  ErrUnknownField}
		}
	}
	return f.flaw(int64(f.header.AllocTable), "allocation table of %d entries, want %d for each of %d samples", f.count, f.ptrs, n)
}

// kept returns a field whose arguments are the ones that stand in a file, also
// where the field itself would write others: the arguments of a custom field
// that is known by its dtype alone, or unused bytes that are not zero.
func kept(d Field) (_ fields.Field, err error) {
	defer recovered(&err) // of a program's own field
	args, err := d.Field.Args()
	if err != nil {
		return nil, err
	}
	if args == *d.Args {
		return d.Field, nil
	}
	k := keptField{Field: d.Field, args: *d.Args}
	if m, ok := d.Field.(fields.Marker); ok {
		return keptMarker{k, m}, nil
	}
	return k, nil
}

type keptField struct {
	fields.Field
	args fields.Args
}

func (k keptField) Args() (fields.Args, error) { return k.args, nil }

type keptMarker struct {
	keptField
	fields.Marker
}

// takes says why field i of the plan cannot take what f stores of its field k.
func (p *plan) takes(i int, f *File, k int) error {
	if k < 0 || k >= len(f.fields) {
		return fmt.Errorf("%s: field %d of %d", f.src.Name(), k, len(f.fields))
	}
	if f.row < 0 {
		return f.unknown(k)
	}
	if err := f.explained(); err != nil {
		return err
	}
	d := &f.fields[k]
	own := FieldDescAt(p.descs[i*DescriptorSize:])
	same := own.Type == d.Type && bytes.Equal(own.Args[:], d.Args[:])
	if !same && own.Type == d.Type && d.Type != fields.TypeCustom {
		args, err := d.Field.Args() // without what stands in unused bytes
		same = err == nil && args == own.Args
	}
	if !same {
		return fmt.Errorf("%s: field %q is %s, want %s", f.src.Name(), d.Name, Kind(d.Type, d.Field), Kind(own.Type, p.specs[i].Field))
	}
	a, b := p.members[i], d.Field.Layout()
	equal := a.Size == b.Size && a.Align == b.Align && len(a.Pointers) == len(b.Pointers)
	for j := 0; equal && j < len(a.Pointers); j++ {
		equal = a.Pointers[j] == b.Pointers[j]
	}
	if !equal {
		return fmt.Errorf("%s: field %q has the layout %v, want %v", f.src.Name(), d.Name, b, a)
	}
	return nil
}

// Kind describes a field's kind in a few words, such as "ndarray <f4 (3, 2)":
// for messages.
func Kind(id fields.TypeID, f fields.Field) string {
	name, ok := map[fields.TypeID]string{
		fields.TypeFloat: "float", fields.TypeInt: "int", fields.TypeRGBImage: "rgb", fields.TypeBytes: "bytes",
		fields.TypeNDArray: "ndarray", fields.TypeJSON: "json", fields.TypeTorchTensor: "torch",
	}[id]
	if !ok {
		name = "custom"
	}
	switch f := f.(type) {
	case fields.NDArray:
		return fmt.Sprintf("%s %v %v", name, f.DType, f.Shape)
	case fields.TorchTensor:
		return fmt.Sprintf("%s %v %v", name, f.DType, f.Shape)
	case fields.Opaque:
		return name + " " + f.DType
	case keptField:
		return Kind(id, f.Field)
	case keptMarker:
		return Kind(id, f.Field)
	}
	if id == fields.TypeCustom && f != nil {
		if args, err := f.Args(); err == nil {
			if text := string(bytes.TrimRight(args[:], "\x00")); text != "" {
				return fmt.Sprintf("%s %q", name, text)
			}
		}
	}
	return name
}

// fieldRef is a field of a file.
type fieldRef struct {
	file  *File
	field int
}

// stored copies a stored value into field f of the sample being encoded, whose
// member is meta.
func (e *encoder) stored(f int, s *Stored, meta []byte) (err error) {
	if s.File == nil {
		return fmt.Errorf("a stored value of no file")
	}
	if e.from == nil {
		e.from = make([]fieldRef, len(e.p.plan.specs))
	}
	if ref := (fieldRef{s.File, s.Field}); e.from[f] != ref {
		if err := e.p.plan.takes(f, s.File, s.Field); err != nil {
			return err
		}
		e.from[f] = ref
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			fault := s.File.faultError(r)
			if fault == nil {
				panic(r)
			}
			fault.Sample = s.Sample
			err = fault
		}
	}()
	m, err := s.File.member(s.Sample, s.Field, meta)
	if err != nil {
		return err
	}
	copy(meta, m)
	ptrs := e.p.plan.members[f].Pointers
	if len(ptrs) == 0 {
		return nil
	}
	if e.regions, err = s.File.regions(e.regions[:0], s.Sample, s.Field, meta); err != nil {
		return err
	}
	for j, r := range e.regions {
		if err := e.storedRegion(s, meta[ptrs[j]:][:8], r); err != nil {
			return err
		}
	}
	return nil
}

// storedRegion copies a region, whose pointer stands in ptr.
func (e *encoder) storedRegion(s *Stored, ptr []byte, r fields.Region) error {
	if at := binary.LittleEndian.Uint64(ptr); at != r.Ptr {
		return s.File.valueError(s.Sample, s.Field, fmt.Errorf("the field tells of a region at pointer %d, its layout of one at %d", r.Ptr, at))
	}
	if err := s.File.inPages(s.Sample, r.Ptr, r.Size); err != nil { // before it takes memory
		return s.File.valueError(s.Sample, s.Field, err)
	}
	to, buf, err := e.region(int(r.Size))
	if err != nil {
		return err
	}
	b, err := s.File.Bytes(s.Sample, r.Ptr, r.Size, buf)
	if err != nil {
		return s.File.valueError(s.Sample, s.Field, err)
	}
	if len(b) > 0 && &b[0] != &buf[0] {
		copy(buf, b)
	}
	binary.LittleEndian.PutUint64(ptr, to)
	return nil
}

// storedMarks copies the marks of a stored value. Damaged ones are left out:
// nothing depends on them.
func (e *encoder) storedMarks(s *Stored) {
	c := e.c
	err := s.File.guard(func() error {
		marks, err := s.File.Marks(s.Sample, s.Field, e.marks)
		c.marks = append(c.marks, marks...)
		return err
	})
	if err != nil {
		e.p.lostMarks.Add(1)
	}
	c.markEnds = append(c.markEnds, len(c.marks))
}
