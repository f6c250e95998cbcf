package parquetfile

import (
	"encoding/base64"
	"encoding/binary"
	"slices"

	"github.com/betongo/betongo/internal/arrow"
)

// schemaKey is where Arrow's schema lies, in base64.
const schemaKey = "ARROW:schema"

// fieldOf returns what a node of Parquet's schema is in Arrow's terms.
func fieldOf(n *node) arrow.Field {
	f := arrow.Field{Name: n.name, Nullable: n.repeat == optional}
	if n.physical >= 0 {
		leafOf(&f, n)
	} else if e := element(n); e != nil {
		f.Type, f.Children = arrow.List, []arrow.Field{fieldOf(e)}
	} else if n.logical.kind == logicalMap {
		f.Type = arrow.Map
	} else {
		f.Type = arrow.Struct
		for _, c := range n.children {
			f.Children = append(f.Children, fieldOf(c))
		}
	}
	if n.repeat == repeated && !inList(n) {
		return arrow.Field{Name: n.name, Type: arrow.List, Children: []arrow.Field{f}}
	}
	return f
}

// inList tells the nodes that are repeated because a list is around them.
func inList(n *node) bool { return n.logical.kind == -logicalList }

// element returns the element of a list, as the format's rules for older and
// newer writers find it; nil for no list.
func element(n *node) *node {
	if n.logical.kind != logicalList || len(n.children) != 1 || n.children[0].repeat != repeated {
		return nil
	}
	r := n.children[0]
	if r.physical >= 0 || len(r.children) != 1 || r.name == "array" || r.name == n.name+"_tuple" {
		own := *r
		own.logical.kind = -logicalList
		return &own
	}
	return r.children[0]
}

// leafOf finds the type of a column.
func leafOf(f *arrow.Field, n *node) {
	l := n.logical
	switch n.physical {
	case boolean:
		f.Type = arrow.Bool
	case floats, doubles:
		f.Type, f.Bits = arrow.Float, 32
		if n.physical == doubles {
			f.Bits = 64
		}
	case int96s:
		f.Type, f.Unit = arrow.Timestamp, "ns"
	case bytes_:
		f.Type = arrow.Binary
		if l.kind == logicalString || l.kind == logicalEnum || l.kind == logicalJSON {
			f.Type = arrow.Utf8
		}
	case fixed:
		f.Type, f.Size = arrow.FixedSizeBinary, int(n.size)
		if l.kind == logicalFloat16 && n.size == 2 {
			f.Type, f.Size, f.Bits = arrow.Float, 0, 16
		}
	default:
		f.Type, f.Signed, f.Bits = arrow.Int, true, 32
		if n.physical == int64s {
			f.Bits = 64
		}
		intOf(f, l)
		f.Signed = f.Signed && f.Type == arrow.Int
	}
	if l.kind == logicalDecimal {
		f.Type, f.Bits = arrow.Decimal, 128
	}
	if l.kind == logicalNull {
		f.Type = arrow.Null
	}
}

// intOf finds what a whole number stands for.
func intOf(f *arrow.Field, l logical) {
	switch {
	case l.kind == logicalInteger && (l.bits == 8 || l.bits == 16 || l.bits == 32 || l.bits == 64) && l.bits <= f.Bits:
		f.Bits, f.Signed = l.bits, l.signed
	case l.kind == logicalDate && f.Bits == 32:
		f.Type = arrow.Date
	case l.kind == logicalTime && l.unit != "":
		f.Type, f.Unit = arrow.Time, l.unit
	case l.kind == logicalTimestamp && l.unit != "" && f.Bits == 64:
		f.Type, f.Unit = arrow.Timestamp, l.unit
		if l.utc {
			f.Zone = "UTC"
		}
	}
}

// storedSchema returns the schema that Arrow's writers keep; nil for none.
func storedSchema(pairs []arrow.KeyValue) *arrow.Schema {
	text, ok := arrow.Get(pairs, schemaKey)
	if !ok {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) < 8 {
		return nil
	}
	if binary.LittleEndian.Uint32(b) == 0xffffffff {
		b = b[4:]
	}
	flat := arrow.NewFlat(b[4:])
	root := flat.Root()
	if root.Int(1, 1, 0) != arrow.SchemaMessage {
		return nil
	}
	s, err := arrow.ParseSchema(root.Table(2))
	if err != nil {
		return nil
	}
	return s
}

// merge returns Arrow's field as far as Parquet's can be it: what was stored is
// Parquet's, what it means is Arrow's.
func merge(p, a arrow.Field) (arrow.Field, bool) {
	a.Name, a.Nullable, a.Dict = p.Name, p.Nullable, nil
	switch {
	case a.Type == arrow.FixedSizeList && p.Type == arrow.List, a.Type == arrow.List && p.Type == arrow.List,
		a.Type == arrow.LargeList && p.Type == arrow.List, a.Type == arrow.Struct && p.Type == arrow.Struct:
		if len(a.Children) != len(p.Children) {
			return p, false
		}
		a.Children = slices.Clone(a.Children)
		for i := range a.Children {
			if a.Type == arrow.Struct && a.Children[i].Name != p.Children[i].Name {
				return p, false
			}
			c, ok := merge(p.Children[i], a.Children[i])
			if !ok {
				return p, false
			}
			a.Children[i] = c
		}
		return a, true
	case len(a.Children) > 0 || len(p.Children) > 0:
		return p, false
	case a.Type.Text() && p.Type.Text():
		isText := func(t arrow.Type) bool { return t == arrow.Utf8 || t == arrow.LargeUtf8 || t == arrow.Utf8View }
		if isText(a.Type) != isText(p.Type) {
			return p, false
		}
		a.Type = p.Type
		return a, true
	case a.Type == p.Type:
		same := a.Bits == p.Bits && a.Signed == p.Signed && a.Unit == p.Unit && a.Size == p.Size ||
			a.Type == arrow.Timestamp && (a.Unit == p.Unit || a.Unit == "s" && p.Unit == "ms") ||
			a.Type == arrow.Date && a.Bits == 64
		return choose(same, a, p)
	case a.Type == arrow.Duration && p.Type == arrow.Int && p.Bits == 64 && p.Signed:
		return a, true
	}
	return p, false
}

func choose(first bool, a, p arrow.Field) (arrow.Field, bool) {
	if first {
		return a, true
	}
	return p, false
}

// cut is what it means when a value is there up to some level only.
type cut struct {
	empty bool // a list without elements, rather than something missing
	lists int  // how many are around it
}

// route goes down from a column's node to the leaf that a path of Arrow's
// children leads to, and tells what each level below the leaf's own means; nil
// where there is no such leaf.
func (n *node) route(path []int) (leaf *node, cuts []cut) {
	lists := 0
	pass := func(n *node) {
		switch n.repeat {
		case optional:
			cuts = append(cuts, cut{false, lists})
		case repeated:
			cuts = append(cuts, cut{true, lists})
			lists++
		}
	}
	for {
		pass(n)
		if len(path) == 0 {
			break
		}
		if e := element(n); e != nil {
			if e.repeat != repeated {
				pass(n.children[0])
			}
			n = e
		} else if path[0] < len(n.children) {
			n = n.children[path[0]]
		} else {
			return nil, nil
		}
		path = path[1:]
	}
	if n.physical < 0 || n.def != len(cuts) || n.rep != lists {
		return nil, nil
	}
	return n, cuts
}
