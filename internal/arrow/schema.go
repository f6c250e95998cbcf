// Package arrow knows what a column of Arrow's is: its type as a schema tells
// it, the schema's bytes (FlatBuffers), and the array that it is here. Two
// formats have it: Arrow's own files, and Parquet, which keeps an Arrow schema
// beside its own.
//
// It reads bytes that nobody vouches for: every offset is checked before it is
// followed, and a schema whose parts refer to one another more often than its
// size allows is refused.
package arrow

import "slices"

// Type is a column's type, by the numbers of Arrow's Schema.fbs.
type Type uint8

// The types. These numbers are part of the format.
const (
	Null            Type = 1
	Int             Type = 2
	Float           Type = 3
	Binary          Type = 4
	Utf8            Type = 5
	Bool            Type = 6
	Decimal         Type = 7
	Date            Type = 8
	Time            Type = 9
	Timestamp       Type = 10
	Interval        Type = 11
	List            Type = 12
	Struct          Type = 13
	Union           Type = 14
	FixedSizeBinary Type = 15
	FixedSizeList   Type = 16
	Map             Type = 17
	Duration        Type = 18
	LargeBinary     Type = 19
	LargeUtf8       Type = 20
	LargeList       Type = 21
	RunEndEncoded   Type = 22
	BinaryView      Type = 23
	Utf8View        Type = 24
	ListView        Type = 25
	LargeListView   Type = 26
)

var typeNames = [...]string{"", "null", "int", "floating point", "binary", "utf8", "bool", "decimal", "date", "time",
	"timestamp", "interval", "list", "struct", "union", "fixed-size binary", "fixed-size list", "map", "duration",
	"large binary", "large utf8", "large list", "run-end encoded", "binary view", "utf8 view", "list view", "large list view"}

// String returns the name that Arrow's documents call the type by.
func (t Type) String() string {
	if int(t) < len(typeNames) && t > 0 {
		return typeNames[t]
	}
	return "unknown"
}

// Text tells the types whose elements have each their own length.
func (t Type) Text() bool {
	switch t {
	case Binary, Utf8, LargeBinary, LargeUtf8, BinaryView, Utf8View:
		return true
	}
	return false
}

// utf8 tells text from bytes.
func (t Type) utf8() bool { return t == Utf8 || t == LargeUtf8 || t == Utf8View }

// View tells the types of text whose pieces lie anywhere in several buffers.
func (t Type) View() bool { return t == BinaryView || t == Utf8View }

// KeyValue is one of the pairs that are kept beside a schema and a field.
type KeyValue struct{ Key, Value string }

// Field is a column, or a part of one.
type Field struct {
	Name     string
	Nullable bool
	Type     Type
	Bits     int    // of Int, Float, Time, Date (32 days, 64 milliseconds) and Decimal
	Signed   bool   // of Int
	Unit     string // of Time, Timestamp, Duration: "s", "ms", "us", "ns"
	Zone     string // of Timestamp
	Size     int    // bytes of FixedSizeBinary, elements of FixedSizeList
	Sparse   bool   // of Union
	Children []Field
	Dict     *Dict // the elements are places in a dictionary; Type is of what lies there
	Meta     []KeyValue
}

// Dict is how a field refers to a dictionary.
type Dict struct {
	ID     int64
	Bits   int
	Signed bool
}

// Schema is all columns, and what is kept beside them.
type Schema struct {
	Fields    []Field
	Meta      []KeyValue
	BigEndian bool
}

// Get returns the first value of a key.
func Get(meta []KeyValue, key string) (string, bool) {
	i := slices.IndexFunc(meta, func(kv KeyValue) bool { return kv.Key == key })
	if i < 0 {
		return "", false
	}
	return meta[i].Value, true
}

// Layout is how much of a record batch's metadata a field takes, with all its
// children: nodes, buffers, and counts of data buffers (of views).
type Layout struct{ Nodes, Buffers, Views int }

// Layout returns the layout of the field in its own dictionary's batches, that
// is without regard to Dict.
func (f *Field) plain() Layout {
	l := Layout{Nodes: 1}
	switch {
	case f.Type == Null || f.Type == RunEndEncoded:
	case f.Type == FixedSizeList || f.Type == Struct || f.Type == Union && f.Sparse:
		l.Buffers = 1
	case f.Type == Union:
		l.Buffers = 2
	case f.Type.View():
		l.Buffers, l.Views = 2, 1
	case f.Type.Text() || f.Type == ListView || f.Type == LargeListView:
		l.Buffers = 3
	default:
		l.Buffers = 2
	}
	for i := range f.Children {
		l = l.Plus(f.Children[i].Layout())
	}
	return l
}

// Layout returns the layout of the field in a record batch.
func (f *Field) Layout() Layout {
	if f.Dict != nil {
		return Layout{Nodes: 1, Buffers: 2}
	}
	return f.plain()
}

// Plus returns both together.
func (l Layout) Plus(m Layout) Layout {
	return Layout{l.Nodes + m.Nodes, l.Buffers + m.Buffers, l.Views + m.Views}
}

// Before is what lies between the field itself and a child of it; the field's
// own node and buffers are counted.
func (f *Field) Before(child int) Layout {
	own := *f
	own.Children = nil
	l := own.plain()
	for i := range child {
		l = l.Plus(f.Children[i].Layout())
	}
	return l
}
