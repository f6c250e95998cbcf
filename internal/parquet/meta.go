// Package parquet knows Parquet's bytes: the footer, the schema in it and what it
// is in Arrow's terms, pages and their encodings and compressions. It reads what
// nobody vouches for: every number is checked before it sizes, indexes or slices.
package parquet

import (
	"fmt"
	"math"

	"github.com/betongo/betongo/internal/arrow"
)

// What lies around a file's data.
const (
	Magic     = "PAR1"         // at the begin and at the end
	Encrypted = "PARE"         // in its place
	Tail      = 4 + len(Magic) // bytes behind the footer: its size, and the magic
)

// Physical types, by the numbers of parquet.thrift.
const (
	Boolean   = 0
	Int32     = 1
	Int64     = 2
	Int96     = 3
	Float     = 4
	Double    = 5
	ByteArray = 6
	FixedLen  = 7
)

// How often a field is there.
const (
	Required = 0
	Optional = 1
	Repeated = 2
)

// Logical types, by the numbers of the union in parquet.thrift.
const (
	LogicalString    = 1
	LogicalMap       = 2
	LogicalList      = 3
	LogicalEnum      = 4
	LogicalDecimal   = 5
	LogicalDate      = 6
	LogicalTime      = 7
	LogicalTimestamp = 8
	LogicalInteger   = 10
	LogicalNull      = 11
	LogicalJSON      = 12
	LogicalFloat16   = 15
)

// converted are the older names of logical types: with a unit or with bits.
var converted = map[int32]Logical{
	0: {Kind: LogicalString}, 1: {Kind: LogicalMap}, 2: {Kind: LogicalMap}, 3: {Kind: LogicalList}, 4: {Kind: LogicalEnum},
	5: {Kind: LogicalDecimal}, 6: {Kind: LogicalDate}, 7: {Kind: LogicalTime, Unit: "ms"}, 8: {Kind: LogicalTime, Unit: "us"},
	9: {Kind: LogicalTimestamp, Unit: "ms", UTC: true}, 10: {Kind: LogicalTimestamp, Unit: "us", UTC: true},
	11: {Kind: LogicalInteger, Bits: 8}, 12: {Kind: LogicalInteger, Bits: 16}, 13: {Kind: LogicalInteger, Bits: 32}, 14: {Kind: LogicalInteger, Bits: 64},
	15: {Kind: LogicalInteger, Bits: 8, Signed: true}, 16: {Kind: LogicalInteger, Bits: 16, Signed: true},
	17: {Kind: LogicalInteger, Bits: 32, Signed: true}, 18: {Kind: LogicalInteger, Bits: 64, Signed: true},
	19: {Kind: LogicalJSON},
}

// Logical is what a field's stored values mean.
type Logical struct {
	Kind   int
	Unit   string
	UTC    bool
	Bits   int
	Signed bool
}

// Node is an element of the schema.
type Node struct {
	Name     string
	Physical int32 // -1 for a group
	Size     int32 // of fixed
	Repeat   int32
	Logical  Logical
	nodes    int32
	Children []*Node
	Leaf     int // which column chunk it is
	Def, Rep int // the levels at which it is there
}

// Chunk is a column of a row group.
type Chunk struct {
	Codec    int32
	Physical int32
	Values   int64 // levels, if there are such
	At, Size int64
	Err      error // why it can't be read
}

// Group is a row group.
type Group struct {
	Rows   int64
	Chunks []Chunk
}

// Meta is a file's footer.
type Meta struct {
	Root   *Node
	Leaves []*Node
	Rows   int64
	Groups []Group
	Pairs  []arrow.KeyValue
	By     string
}

// ParseMeta reads a footer.
func ParseMeta(b []byte) (*Meta, error) {
	t := &thrift{b: b}
	m := &Meta{}
	var list []*Node
	encrypted := false
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 2 && kind == thriftList:
			t.list(thriftStruct, func() { list = append(list, t.node()) })
		case id == 3 && kind == thriftI64:
			m.Rows = t.varint()
		case id == 4 && kind == thriftList:
			t.list(thriftStruct, func() { m.Groups = append(m.Groups, t.group()) })
		case id == 5 && kind == thriftList:
			t.list(thriftStruct, func() { m.Pairs = append(m.Pairs, t.pair()) })
		case id == 6 && kind == thriftBinary:
			m.By = string(t.binary())
		case id == 8:
			encrypted = true
			return false
		default:
			return false
		}
		return true
	})
	if t.err != nil {
		return nil, t.err
	}
	if encrypted {
		return nil, fmt.Errorf("encrypted columns are not supported")
	}
	if err := m.tree(list); err != nil {
		return nil, err
	}
	return m, nil
}

func (t *thrift) pair() (kv arrow.KeyValue) {
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftBinary:
			kv.Key = string(t.binary())
		case id == 2 && kind == thriftBinary:
			kv.Value = string(t.binary())
		default:
			return false
		}
		return true
	})
	return kv
}

func (t *thrift) node() *Node {
	n := &Node{Physical: -1}
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			n.Physical = t.i32()
		case id == 2 && kind == thriftI32:
			n.Size = t.i32()
		case id == 3 && kind == thriftI32:
			n.Repeat = t.i32()
		case id == 4 && kind == thriftBinary:
			n.Name = string(t.binary())
		case id == 5 && kind == thriftI32:
			n.nodes = t.i32()
		case id == 6 && kind == thriftI32:
			if l, ok := converted[t.i32()]; ok && n.Logical.Kind == 0 {
				n.Logical = l
			}
		case id == 10 && kind == thriftStruct:
			n.Logical = t.logical()
		default:
			return false
		}
		return true
	})
	return n
}

// logical reads a union of logical types.
func (t *thrift) logical() (l Logical) {
	t.fields(func(id int16, kind byte) bool {
		l.Kind = int(id)
		if kind != thriftStruct {
			return false
		}
		t.fields(func(id int16, kind byte) bool {
			switch {
			case (l.Kind == LogicalTime || l.Kind == LogicalTimestamp) && id == 1:
				l.UTC = kind == thriftTrue
			case (l.Kind == LogicalTime || l.Kind == LogicalTimestamp) && id == 2 && kind == thriftStruct:
				t.fields(func(id int16, _ byte) bool {
					if id >= 1 && id <= 3 {
						l.Unit = []string{"ms", "us", "ns"}[id-1]
					}
					return false
				})
				return true
			case l.Kind == LogicalInteger && id == 1 && kind == thriftByte:
				l.Bits = int(t.byte())
				return true
			case l.Kind == LogicalInteger && id == 2:
				l.Signed = kind == thriftTrue
			}
			return false
		})
		return true
	})
	return l
}

func (t *thrift) group() (g Group) {
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftList:
			t.list(thriftStruct, func() { g.Chunks = append(g.Chunks, t.chunk()) })
		case id == 3 && kind == thriftI64:
			g.Rows = t.varint()
		default:
			return false
		}
		return true
	})
	return g
}

func (t *thrift) chunk() (c Chunk) {
	found := false
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftBinary:
			if name := t.binary(); len(name) > 0 {
				c.Err = fmt.Errorf("its data are in another file, %q", name)
			}
		case id == 3 && kind == thriftStruct:
			found = true
			t.chunkMeta(&c)
		case id == 8 || id == 9:
			c.Err = fmt.Errorf("encrypted columns are not supported")
			return false
		default:
			return false
		}
		return true
	})
	if !found && c.Err == nil {
		c.Err = fmt.Errorf("nothing tells where its data are")
	}
	return c
}

func (t *thrift) chunkMeta(c *Chunk) {
	var data, dict int64
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			c.Physical = t.i32()
		case id == 4 && kind == thriftI32:
			c.Codec = t.i32()
		case id == 5 && kind == thriftI64:
			c.Values = t.varint()
		case id == 7 && kind == thriftI64:
			c.Size = t.varint()
		case id == 9 && kind == thriftI64:
			data = t.varint()
		case id == 11 && kind == thriftI64:
			dict = t.varint()
		default:
			return false
		}
		return true
	})
	c.At = data
	if dict > 0 && dict < data {
		c.At = dict
	}
}

// tree makes the tree of the elements, which come in depth-first order.
func (m *Meta) tree(list []*Node) error {
	if len(list) == 0 {
		return fmt.Errorf("there is no schema")
	}
	next := 0
	var take func(depth, def, rep int) (*Node, error)
	take = func(depth, def, rep int) (*Node, error) {
		if next == len(list) {
			return nil, fmt.Errorf("the schema ends too early")
		}
		if depth > maxNesting {
			return nil, fmt.Errorf("fields nest more than %d deep", maxNesting)
		}
		n := list[next]
		next++
		switch {
		case depth == 0 || n.Repeat == Required:
		case n.Repeat == Optional:
			def++
		case n.Repeat == Repeated:
			def, rep = def+1, rep+1
		default:
			return nil, fmt.Errorf("field %q is there in a way %d", n.Name, n.Repeat)
		}
		n.Def, n.Rep = def, rep
		if n.nodes < 0 || int(n.nodes) > len(list)-next || n.Physical > FixedLen || n.Physical < 0 && n.nodes == 0 && depth > 0 {
			return nil, fmt.Errorf("field %q of type %d with %d fields", n.Name, n.Physical, n.nodes)
		}
		if n.nodes == 0 && depth > 0 {
			if n.Physical == FixedLen && n.Size <= 0 {
				return nil, fmt.Errorf("field %q of %d bytes", n.Name, n.Size)
			}
			n.Leaf = len(m.Leaves)
			m.Leaves = append(m.Leaves, n)
			return n, nil
		}
		n.Physical = -1
		for range n.nodes {
			c, err := take(depth+1, def, rep)
			if err != nil {
				return nil, err
			}
			n.Children = append(n.Children, c)
		}
		return n, nil
	}
	root, err := take(0, 0, 0)
	if err != nil {
		return err
	}
	if next != len(list) {
		return fmt.Errorf("the schema has %d elements, and its fields %d", len(list), next)
	}
	m.Root = root
	return nil
}

// Header is a page's header.
type Header struct {
	Kind         int32
	Unpacked     int32
	Packed       int32
	crc          int32
	checked      bool
	Values       int32
	Encoding     int32
	defEnc       int32
	repEnc       int32
	Nulls, Rows  int32
	defLen       int32
	repLen       int32
	uncompressed bool // of version 2, by its own word
}

// Kinds of pages.
const (
	DataPage       = 0
	indexPage      = 1
	DictionaryPage = 2
	DataPage2      = 3
)

// page reads a page's header.
func (t *thrift) page() (p Header) {
	p.defEnc, p.repEnc, p.Kind = rle, rle, -1
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			p.Kind = t.i32()
		case id == 2 && kind == thriftI32:
			p.Unpacked = t.i32()
		case id == 3 && kind == thriftI32:
			p.Packed = t.i32()
		case id == 4 && kind == thriftI32:
			p.crc, p.checked = t.i32(), true
		case (id == 5 || id == 7) && kind == thriftStruct:
			t.numbers(&p.Values, &p.Encoding, &p.defEnc, &p.repEnc)
		case id == 8 && kind == thriftStruct:
			t.page2(&p)
		default:
			return false
		}
		return true
	})
	return p
}

// numbers reads a struct whose first fields are numbers.
func (t *thrift) numbers(to ...*int32) {
	t.fields(func(id int16, kind byte) bool {
		if id < 1 || int(id) > len(to) || kind != thriftI32 {
			return false
		}
		*to[id-1] = t.i32()
		return true
	})
}

func (t *thrift) page2(p *Header) {
	t.fields(func(id int16, kind byte) bool {
		to := []*int32{&p.Values, &p.Nulls, &p.Rows, &p.Encoding, &p.defLen, &p.repLen}
		switch {
		case id >= 1 && int(id) <= len(to) && kind == thriftI32:
			*to[id-1] = t.i32()
			return true
		case id == 7:
			p.uncompressed = kind == thriftFalse
		}
		return false
	})
}

// Check checks what the footer tells of the row groups, whose data end at byte end
// of the file. The error is of a leaf, by its name, or of all where that is "".
func (m *Meta) Check(end int64) (leaf string, err error) {
	var rows int64
	for i := range m.Groups {
		g := &m.Groups[i]
		if len(g.Chunks) != len(m.Leaves) {
			return "", fmt.Errorf("row group %d has %d columns, the schema %d", i, len(g.Chunks), len(m.Leaves))
		}
		if g.Rows < 0 || g.Rows > math.MaxInt64-rows {
			return "", fmt.Errorf("row group %d has %d rows", i, g.Rows)
		}
		rows += g.Rows
		for k := range g.Chunks {
			c, n := &g.Chunks[k], m.Leaves[k]
			switch {
			case c.Err != nil:
			case g.Rows == 0: // where its data would be nobody knows
				c.At, c.Size = int64(len(Magic)), 0
			case c.Physical != n.Physical:
				return n.Name, fmt.Errorf("its values in row group %d have type %d, want %d", i, c.Physical, n.Physical)
			case c.At < int64(len(Magic)) || c.Size < 0 || c.At > end || c.Size > end-c.At:
				return n.Name, fmt.Errorf("row group %d has its %d bytes at byte %d, the data end at byte %d", i, c.Size, c.At, end)
			case c.Values < 0 || n.Rep == 0 && c.Values != g.Rows:
				return n.Name, fmt.Errorf("row group %d has %d values of it and %d rows", i, c.Values, g.Rows)
			default:
				c.Err = CodecError(c.Codec)
			}
		}
	}
	if rows != m.Rows || rows > math.MaxInt {
		return "", fmt.Errorf("%d rows, and %d in the row groups", m.Rows, rows)
	}
	return "", nil
}

// ParseHeader reads the header of the page that b begins with, and returns how many
// bytes it has. b may hold what follows, too; of one that is cut off there is an
// error.
func ParseHeader(b []byte) (Header, int, error) {
	t := &thrift{b: b}
	h := t.page()
	return h, t.at, t.err
}
