package arrow

import (
	"errors"
	"fmt"
)

// Messages' headers, by the numbers of Arrow's Message.fbs.
const (
	SchemaMessage      = 1
	DictionaryMessage  = 2
	RecordBatchMessage = 3
)

// maxNesting bounds how deep fields nest.
const maxNesting = 64

var units = [...]string{"s", "ms", "us", "ns"}

// ParseSchema reads a schema, which may be that of a message or of a footer.
func ParseSchema(t Table) (*Schema, error) {
	if !t.IsSet() {
		return nil, cmpErr(t.f.err, "there is no schema")
	}
	s := &Schema{BigEndian: t.Int(0, 2, 0) != 0, Meta: pairs(t, 2)}
	var err error
	s.Fields, err = parseFields(t.Tables(1), 0)
	if t.f.err != nil {
		return nil, t.f.err
	}
	return s, err
}

// cmpErr is err, or else an error of the text.
func cmpErr(err error, text string) error {
	if err != nil {
		return err
	}
	return errors.New(text)
}

func pairs(t Table, i int) []KeyValue {
	var list []KeyValue
	for _, kv := range t.Tables(i) {
		list = append(list, KeyValue{kv.Text(0), kv.Text(1)})
	}
	return list
}

func parseFields(tables []Table, depth int) ([]Field, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("fields nest more than %d deep", maxNesting)
	}
	var fields []Field
	for _, t := range tables {
		f, err := parseField(t, depth)
		if t.f.err != nil {
			return nil, t.f.err
		}
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
		fields = append(fields, f)
	}
	return fields, nil
}

func parseField(t Table, depth int) (Field, error) {
	f := Field{Name: t.Text(0), Nullable: t.Bool(1), Type: Type(t.Int(2, 1, 0)), Meta: pairs(t, 6)}
	d := t.Table(3)
	ok := true
	switch f.Type {
	case Int:
		f.Bits, f.Signed = int(d.Int(0, 4, 0)), d.Bool(1)
		ok = whole(f.Bits)
	case Float:
		p := d.Int(0, 2, 0)
		ok = p >= 0 && p <= 2
		f.Bits = 16 << (p & 3)
	case Decimal:
		f.Bits = int(d.Int(2, 4, 128))
	case Date:
		f.Bits = 64
		if d.Int(0, 2, 1) == 0 {
			f.Bits = 32
		}
	case Time:
		f.Bits = int(d.Int(1, 4, 32))
		f.Unit, ok = unit(d.Int(0, 2, 1))
		ok = ok && (f.Bits == 32 || f.Bits == 64)
	case Timestamp:
		f.Unit, ok = unit(d.Int(0, 2, 0))
		f.Zone = d.Text(1)
	case Duration:
		f.Unit, ok = unit(d.Int(0, 2, 1))
	case FixedSizeBinary, FixedSizeList:
		f.Size = int(d.Int(0, 4, 0))
		ok = f.Size >= 0
	case Union:
		f.Sparse = d.Int(0, 2, 0) == 0
	}
	if !ok || f.Type == 0 {
		return f, fmt.Errorf("a type %d (%v) of impossible size or unit", f.Type, f.Type)
	}
	var err error
	if f.Children, err = parseFields(t.Tables(5), depth+1); err != nil {
		return f, err
	}
	if want := children(f.Type); want >= 0 && len(f.Children) != want {
		return f, fmt.Errorf("a %v of %d fields, want %d", f.Type, len(f.Children), want)
	}
	if e := t.Table(4); e.IsSet() {
		f.Dict = &Dict{ID: e.Int(0, 8, 0), Bits: 32, Signed: true}
		if i := e.Table(1); i.IsSet() {
			f.Dict.Bits, f.Dict.Signed = int(i.Int(0, 4, 0)), i.Bool(1)
		}
		if !whole(f.Dict.Bits) {
			return f, fmt.Errorf("places in a dictionary of %d bits", f.Dict.Bits)
		}
	}
	return f, nil
}

// whole tells the sizes of whole numbers.
func whole(bits int) bool { return bits == 8 || bits == 16 || bits == 32 || bits == 64 }

func unit(n int64) (string, bool) {
	if n < 0 || int(n) >= len(units) {
		return "", false
	}
	return units[n], true
}

// children is how many fields a type has; -1 for any number.
func children(t Type) int {
	switch t {
	case Struct, Union:
		return -1
	case List, LargeList, ListView, LargeListView, FixedSizeList, Map:
		return 1
	case RunEndEncoded:
		return 2
	}
	return 0
}
