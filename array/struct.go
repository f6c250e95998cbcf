package array

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unique"

	"github.com/betongo/betongo/internal/literal"
)

// Field is a member of a structured type: a value of DType, or Shape of them,
// Offset bytes from the element's begin. Title is a second name that NumPy may
// keep, "" for none.
type Field struct {
	Name, Title string
	DType       DType
	Shape       []int
	Offset      int
}

// Spec returns what the field holds in one element.
func (f Field) Spec() Spec { return Spec{DType: f.DType, Shape: f.Shape} }

// maxFields bounds the fields of a struct.
const maxFields = 1 << 16

// member is an interned field. The fields of a struct are a chain of them that
// ends in the zero member, so that equal structs have the same handle.
type member struct {
	name, title string
	dtype       DType
	shape       string // numbers with commas behind each
	offset      int
	next        unique.Handle[member]
}

// IsStruct tells whether the type has fields, or is the struct of none.
func (t DType) IsStruct() bool { return t.fields != unique.Handle[member]{} }

// Fields returns the fields of a structured type in order, in a new slice; nil
// for every other type.
func (t DType) Fields() []Field {
	if !t.IsStruct() {
		return nil
	}
	fields := []Field{}
	for m := t.fields.Value(); m.dtype.Valid(); m = m.next.Value() {
		fields = append(fields, m.field())
	}
	return fields
}

// Field returns the field of that name or title.
func (t DType) Field(name string) (Field, bool) {
	if !t.IsStruct() {
		return Field{}, false
	}
	for m := t.fields.Value(); m.dtype.Valid(); m = m.next.Value() {
		if m.name == name || m.title == name && name != "" {
			return m.field(), true
		}
	}
	return Field{}, false
}

func (m *member) field() Field {
	f := Field{Name: m.name, Title: m.title, DType: m.dtype, Offset: m.offset}
	for text := m.shape; text != ""; {
		var digits string
		digits, text, _ = strings.Cut(text, ",")
		d, _ := strconv.Atoi(digits) // written by StructAt
		f.Shape = append(f.Shape, d)
	}
	return f
}

// Struct returns a packed struct: the fields follow one another without gaps.
// Their offsets are given out, whatever they were.
func Struct(fields []Field) (DType, error) {
	return place(fields, false)
}

// StructAligned returns a struct laid out as a C compiler does, and NumPy with
// align=True. The fields' offsets are given out, whatever they were.
func StructAligned(fields []Field) (DType, error) {
	return place(fields, true)
}

func place(fields []Field, aligned bool) (DType, error) {
	fields = slices.Clone(fields)
	end, most := 0, 1
	for i := range fields {
		f := &fields[i]
		n, err := f.Spec().Bytes()
		if err != nil {
			return DType{}, fmt.Errorf("field %q: %w", f.Name, err)
		}
		if aligned {
			a := f.DType.Align()
			most, end = max(most, a), roundUp(end, a)
		}
		f.Offset = end
		if n > math.MaxInt32-end {
			return DType{}, fmt.Errorf("field %q: the struct is larger than %d bytes", f.Name, math.MaxInt32)
		}
		end += n
	}
	return StructAt(fields, roundUp(end, most))
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// StructAt returns a struct of itemSize bytes whose fields lie at their
// offsets; they may overlap and lie in any order. Names must differ, from
// titles too, and not be empty.
func StructAt(fields []Field, itemSize int) (DType, error) {
	if len(fields) > maxFields {
		return DType{}, fmt.Errorf("a struct of %d fields, at most %d are served", len(fields), maxFields)
	}
	if itemSize < 0 || itemSize > math.MaxInt32 {
		return DType{}, fmt.Errorf("a struct of %d bytes, want 0 to %d", itemSize, math.MaxInt32)
	}
	seen := map[string]bool{}
	next := unique.Make(member{})
	for i := range fields {
		f := &fields[i]
		for _, name := range []string{f.Name, f.Title} {
			if name != "" && seen[name] {
				return DType{}, fmt.Errorf("field %d: the name %q is there twice", i, name)
			}
			seen[name] = true
		}
		if f.Name == "" {
			return DType{}, fmt.Errorf("field %d has no name", i)
		}
	}
	for i := len(fields) - 1; i >= 0; i-- {
		f := &fields[i]
		if !f.DType.Valid() {
			return DType{}, fmt.Errorf("field %q has no type", f.Name)
		}
		n, err := f.Spec().Bytes()
		if err != nil {
			return DType{}, fmt.Errorf("field %q: %w", f.Name, err)
		}
		if f.Offset < 0 || n > itemSize || f.Offset > itemSize-n {
			return DType{}, fmt.Errorf("field %q: %d bytes at offset %d do not lie in a struct of %d bytes", f.Name, n, f.Offset, itemSize)
		}
		m := member{name: f.Name, title: f.Title, dtype: f.DType, offset: f.Offset, next: next}
		for _, d := range f.Shape {
			m.shape += strconv.Itoa(d) + ","
		}
		next = unique.Make(m)
	}
	return DType{kind: 'V', order: '|', size: int32(itemSize), fields: next}, nil
}

// eachField returns the struct with other types of the same sizes in it.
func (t DType) eachField(change func(DType) DType) DType {
	fields := t.Fields()
	for i := range fields {
		fields[i].DType = change(fields[i].DType)
	}
	changed, err := StructAt(fields, t.ItemSize())
	if err != nil {
		return t // not reached: the sizes are the same
	}
	return changed
}

// structAlign infers a struct's alignment from its layout.
func (t DType) structAlign() int {
	most := 1
	for _, f := range t.Fields() {
		a := f.DType.Align()
		if f.Offset%a != 0 {
			return 1
		}
		most = max(most, a)
	}
	if t.ItemSize()%most != 0 {
		return 1
	}
	return most
}

// Descr returns the type as numpy.save writes it, a Python literal: a quoted
// dtype.str, for a struct the list of its fields with padding as (”, '|V7').
// A struct whose fields overlap or aren't in order has none in NumPy (HasDescr
// tells): it gives the dict instead. BFloat16 is '<V2', as ml_dtypes' is.
func (t DType) Descr() string {
	switch {
	case t.IsStruct():
		return t.structText(false)
	case t.kind == 'V' && t.unit != "":
		return literal.Quote(string(t.order) + "V" + strconv.Itoa(t.ItemSize()))
	}
	return literal.Quote(t.String())
}

// HasDescr tells whether NumPy's descr, and so a .npy file, can tell the type:
// a struct's fields must follow one another, in nested structs too.
func (t DType) HasDescr() bool {
	end := 0
	for _, f := range t.Fields() {
		if f.Offset < end || !f.DType.HasDescr() {
			return false
		}
		n, _ := f.Spec().Bytes() // checked by StructAt
		end = f.Offset + n
	}
	return true
}

// structText writes the list, or the dict where there is none. Named tells
// whether bfloat16 is written by its own name.
func (t DType) structText(named bool) string {
	var b strings.Builder
	if !t.HasDescr() {
		t.writeDict(&b, named)
		return b.String()
	}
	b.WriteByte('[')
	end := 0
	pad := func(to int) {
		if to > end {
			if b.Len() > 1 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "('', '|V%d')", to-end)
		}
	}
	for _, f := range t.Fields() {
		pad(f.Offset)
		if b.Len() > 1 {
			b.WriteString(", ")
		}
		name := literal.Quote(f.Name)
		if f.Title != "" {
			name = "(" + literal.Quote(f.Title) + ", " + name + ")"
		}
		b.WriteString("(" + name + ", " + f.DType.literal(named))
		if len(f.Shape) > 0 {
			b.WriteString(", " + ShapeString(f.Shape))
		}
		b.WriteByte(')')
		n, _ := f.Spec().Bytes()
		end = f.Offset + n
	}
	pad(t.ItemSize())
	b.WriteByte(']')
	return b.String()
}

// literal is the type as part of another's text.
func (t DType) literal(named bool) string {
	if named && !t.IsStruct() {
		return literal.Quote(t.String())
	}
	if t.IsStruct() {
		return t.structText(named)
	}
	return t.Descr()
}

func (t DType) writeDict(b *strings.Builder, named bool) {
	fields := t.Fields()
	list := func(key string, item func(Field) string) {
		b.WriteString("'" + key + "': [")
		for i, f := range fields {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(item(f))
		}
		b.WriteString("], ")
	}
	b.WriteByte('{')
	list("names", func(f Field) string { return literal.Quote(f.Name) })
	list("formats", func(f Field) string {
		if len(f.Shape) > 0 {
			return "(" + f.DType.literal(named) + ", " + ShapeString(f.Shape) + ")"
		}
		return f.DType.literal(named)
	})
	list("offsets", func(f Field) string { return strconv.Itoa(f.Offset) })
	if slices.ContainsFunc(fields, func(f Field) bool { return f.Title != "" }) {
		list("titles", func(f Field) string {
			if f.Title == "" {
				return "None"
			}
			return literal.Quote(f.Title)
		})
	}
	fmt.Fprintf(b, "'itemsize': %d}", t.ItemSize())
}
