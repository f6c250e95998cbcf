package parquetfile

import (
	"fmt"

	"github.com/betongo/betongo/internal/arrow"
)

// Physical types, by the numbers of parquet.thrift.
const (
	boolean = 0
	int32s  = 1
	int64s  = 2
	int96s  = 3
	floats  = 4
	doubles = 5
	bytes_  = 6
	fixed   = 7
)

// How often a field is there.
const (
	required = 0
	optional = 1
	repeated = 2
)

// Logical types, by the numbers of the union in parquet.thrift.
const (
	logicalString    = 1
	logicalMap       = 2
	logicalList      = 3
	logicalEnum      = 4
	logicalDecimal   = 5
	logicalDate      = 6
	logicalTime      = 7
	logicalTimestamp = 8
	logicalInteger   = 10
	logicalNull      = 11
	logicalJSON      = 12
	logicalFloat16   = 15
)

// converted are the older names of logical types: with a unit or with bits.
var converted = map[int32]logical{
	0: {kind: logicalString}, 1: {kind: logicalMap}, 2: {kind: logicalMap}, 3: {kind: logicalList}, 4: {kind: logicalEnum},
	5: {kind: logicalDecimal}, 6: {kind: logicalDate}, 7: {kind: logicalTime, unit: "ms"}, 8: {kind: logicalTime, unit: "us"},
	9: {kind: logicalTimestamp, unit: "ms", utc: true}, 10: {kind: logicalTimestamp, unit: "us", utc: true},
	11: {kind: logicalInteger, bits: 8}, 12: {kind: logicalInteger, bits: 16}, 13: {kind: logicalInteger, bits: 32}, 14: {kind: logicalInteger, bits: 64},
	15: {kind: logicalInteger, bits: 8, signed: true}, 16: {kind: logicalInteger, bits: 16, signed: true},
	17: {kind: logicalInteger, bits: 32, signed: true}, 18: {kind: logicalInteger, bits: 64, signed: true},
	19: {kind: logicalJSON},
}

type logical struct {
	kind   int
	unit   string
	utc    bool
	bits   int
	signed bool
}

// node is an element of the schema.
type node struct {
	name     string
	physical int32 // -1 for a group
	size     int32 // of fixed
	repeat   int32
	logical  logical
	nodes    int32
	children []*node
	leaf     int // which column chunk it is
	def, rep int // the levels at which it is there
}

// chunk is a column of a row group.
type chunk struct {
	codec    int32
	physical int32
	values   int64 // levels, if there are such
	at, size int64
	err      error // why it can't be read
}

type group struct {
	rows   int64
	chunks []chunk
}

// meta is a file's footer.
type meta struct {
	root   *node
	leaves []*node
	rows   int64
	groups []group
	pairs  []arrow.KeyValue
	by     string
}

// parseMeta reads a footer.
func parseMeta(b []byte) (*meta, error) {
	t := &thrift{b: b}
	m := &meta{}
	var list []*node
	encrypted := false
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 2 && kind == thriftList:
			t.list(thriftStruct, func() { list = append(list, t.node()) })
		case id == 3 && kind == thriftI64:
			m.rows = t.varint()
		case id == 4 && kind == thriftList:
			t.list(thriftStruct, func() { m.groups = append(m.groups, t.group()) })
		case id == 5 && kind == thriftList:
			t.list(thriftStruct, func() { m.pairs = append(m.pairs, t.pair()) })
		case id == 6 && kind == thriftBinary:
			m.by = string(t.binary())
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

func (t *thrift) node() *node {
	n := &node{physical: -1}
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			n.physical = t.i32()
		case id == 2 && kind == thriftI32:
			n.size = t.i32()
		case id == 3 && kind == thriftI32:
			n.repeat = t.i32()
		case id == 4 && kind == thriftBinary:
			n.name = string(t.binary())
		case id == 5 && kind == thriftI32:
			n.nodes = t.i32()
		case id == 6 && kind == thriftI32:
			if l, ok := converted[t.i32()]; ok && n.logical.kind == 0 {
				n.logical = l
			}
		case id == 10 && kind == thriftStruct:
			n.logical = t.logical()
		default:
			return false
		}
		return true
	})
	return n
}

// logical reads a union of logical types.
func (t *thrift) logical() (l logical) {
	t.fields(func(id int16, kind byte) bool {
		l.kind = int(id)
		if kind != thriftStruct {
			return false
		}
		t.fields(func(id int16, kind byte) bool {
			switch {
			case (l.kind == logicalTime || l.kind == logicalTimestamp) && id == 1:
				l.utc = kind == thriftTrue
			case (l.kind == logicalTime || l.kind == logicalTimestamp) && id == 2 && kind == thriftStruct:
				t.fields(func(id int16, _ byte) bool {
					if id >= 1 && id <= 3 {
						l.unit = []string{"ms", "us", "ns"}[id-1]
					}
					return false
				})
				return true
			case l.kind == logicalInteger && id == 1 && kind == thriftByte:
				l.bits = int(t.byte())
				return true
			case l.kind == logicalInteger && id == 2:
				l.signed = kind == thriftTrue
			}
			return false
		})
		return true
	})
	return l
}

func (t *thrift) group() (g group) {
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftList:
			t.list(thriftStruct, func() { g.chunks = append(g.chunks, t.chunk()) })
		case id == 3 && kind == thriftI64:
			g.rows = t.varint()
		default:
			return false
		}
		return true
	})
	return g
}

func (t *thrift) chunk() (c chunk) {
	found := false
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftBinary:
			if name := t.binary(); len(name) > 0 {
				c.err = fmt.Errorf("its data are in another file, %q", name)
			}
		case id == 3 && kind == thriftStruct:
			found = true
			t.chunkMeta(&c)
		case id == 8 || id == 9:
			c.err = fmt.Errorf("encrypted columns are not supported")
			return false
		default:
			return false
		}
		return true
	})
	if !found && c.err == nil {
		c.err = fmt.Errorf("nothing tells where its data are")
	}
	return c
}

func (t *thrift) chunkMeta(c *chunk) {
	var data, dict int64
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			c.physical = t.i32()
		case id == 4 && kind == thriftI32:
			c.codec = t.i32()
		case id == 5 && kind == thriftI64:
			c.values = t.varint()
		case id == 7 && kind == thriftI64:
			c.size = t.varint()
		case id == 9 && kind == thriftI64:
			data = t.varint()
		case id == 11 && kind == thriftI64:
			dict = t.varint()
		default:
			return false
		}
		return true
	})
	c.at = data
	if dict > 0 && dict < data {
		c.at = dict
	}
}

// tree makes the tree of the elements, which come in depth-first order.
func (m *meta) tree(list []*node) error {
	if len(list) == 0 {
		return fmt.Errorf("there is no schema")
	}
	next := 0
	var take func(depth, def, rep int) (*node, error)
	take = func(depth, def, rep int) (*node, error) {
		if next == len(list) {
			return nil, fmt.Errorf("the schema ends too early")
		}
		if depth > maxNesting {
			return nil, fmt.Errorf("fields nest more than %d deep", maxNesting)
		}
		n := list[next]
		next++
		switch {
		case depth == 0 || n.repeat == required:
		case n.repeat == optional:
			def++
		case n.repeat == repeated:
			def, rep = def+1, rep+1
		default:
			return nil, fmt.Errorf("field %q is there in a way %d", n.name, n.repeat)
		}
		n.def, n.rep = def, rep
		if n.nodes < 0 || int(n.nodes) > len(list)-next || n.physical > fixed || n.physical < 0 && n.nodes == 0 && depth > 0 {
			return nil, fmt.Errorf("field %q of type %d with %d fields", n.name, n.physical, n.nodes)
		}
		if n.nodes == 0 && depth > 0 {
			if n.physical == fixed && n.size <= 0 {
				return nil, fmt.Errorf("field %q of %d bytes", n.name, n.size)
			}
			n.leaf = len(m.leaves)
			m.leaves = append(m.leaves, n)
			return n, nil
		}
		n.physical = -1
		for range n.nodes {
			c, err := take(depth+1, def, rep)
			if err != nil {
				return nil, err
			}
			n.children = append(n.children, c)
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
	m.root = root
	return nil
}

// page is a page's header.
type page struct {
	kind         int32
	unpacked     int32
	packed       int32
	crc          int32
	checked      bool
	values       int32
	encoding     int32
	defEnc       int32
	repEnc       int32
	nulls, rows  int32
	defLen       int32
	repLen       int32
	uncompressed bool // of version 2, by its own word
}

// Kinds of pages.
const (
	dataPage       = 0
	indexPage      = 1
	dictionaryPage = 2
	dataPage2      = 3
)

// page reads a page's header.
func (t *thrift) page() (p page) {
	p.defEnc, p.repEnc, p.kind = rle, rle, -1
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			p.kind = t.i32()
		case id == 2 && kind == thriftI32:
			p.unpacked = t.i32()
		case id == 3 && kind == thriftI32:
			p.packed = t.i32()
		case id == 4 && kind == thriftI32:
			p.crc, p.checked = t.i32(), true
		case (id == 5 || id == 7) && kind == thriftStruct:
			t.numbers(&p.values, &p.encoding, &p.defEnc, &p.repEnc)
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

func (t *thrift) page2(p *page) {
	t.fields(func(id int16, kind byte) bool {
		to := []*int32{&p.values, &p.nulls, &p.rows, &p.encoding, &p.defLen, &p.repLen}
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
