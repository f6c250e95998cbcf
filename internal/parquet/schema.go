package parquet

import (
	"encoding/base64"
	"encoding/binary"
	"slices"

	"github.com/betongo/betongo/internal/arrow"
)

// SchemaKey is where Arrow's schema lies, in base64.
const SchemaKey = "ARROW:schema"

// FieldOf returns what a node of Parquet's schema is in Arrow's terms.
func FieldOf(n *Node) arrow.Field {
	f := arrow.Field{Name: n.Name, Nullable: n.Repeat == Optional}
	if n.Physical >= 0 {
		leafOf(&f, n)
	} else if e := Element(n); e != nil {
		f.Type, f.Children = arrow.List, []arrow.Field{FieldOf(e)}
	} else if n.Logical.Kind == LogicalMap {
		f.Type = arrow.Map
	} else {
		f.Type = arrow.Struct
		for _, c := range n.Children {
			f.Children = append(f.Children, FieldOf(c))
		}
	}
	if n.Repeat == Repeated && !inList(n) {
		return arrow.Field{Name: n.Name, Type: arrow.List, Children: []arrow.Field{f}}
	}
	return f
}

// inList tells the nodes that are repeated because a list is around them.
func inList(n *Node) bool { return n.Logical.Kind == -LogicalList }

// Element returns the element of a list, as the format's rules for older and
// newer writers find it; nil for no list.
func Element(n *Node) *Node {
	if n.Logical.Kind != LogicalList || len(n.Children) != 1 || n.Children[0].Repeat != Repeated {
		return nil
	}
	r := n.Children[0]
	if r.Physical >= 0 || len(r.Children) != 1 || r.Name == "array" || r.Name == n.Name+"_tuple" {
		own := *r
		own.Logical.Kind = -LogicalList
		return &own
	}
	return r.Children[0]
}

// leafOf finds the type of a column.
func leafOf(f *arrow.Field, n *Node) {
	l := n.Logical
	switch n.Physical {
	case Boolean:
		f.Type = arrow.Bool
	case Float, Double:
		f.Type, f.Bits = arrow.Float, 32
		if n.Physical == Double {
			f.Bits = 64
		}
	case Int96:
		f.Type, f.Unit = arrow.Timestamp, "ns"
	case ByteArray:
		f.Type = arrow.Binary
		if l.Kind == LogicalString || l.Kind == LogicalEnum || l.Kind == LogicalJSON {
			f.Type = arrow.Utf8
		}
	case FixedLen:
		f.Type, f.Size = arrow.FixedSizeBinary, int(n.Size)
		if l.Kind == LogicalFloat16 && n.Size == 2 {
			f.Type, f.Size, f.Bits = arrow.Float, 0, 16
		}
	default:
		f.Type, f.Signed, f.Bits = arrow.Int, true, 32
		if n.Physical == Int64 {
			f.Bits = 64
		}
		intOf(f, l)
		f.Signed = f.Signed && f.Type == arrow.Int
	}
	if l.Kind == LogicalDecimal {
		f.Type, f.Bits = arrow.Decimal, 128
	}
	if l.Kind == LogicalNull {
		f.Type = arrow.Null
	}
}

// intOf finds what a whole number stands for.
func intOf(f *arrow.Field, l Logical) {
	switch {
	case l.Kind == LogicalInteger && (l.Bits == 8 || l.Bits == 16 || l.Bits == 32 || l.Bits == 64) && l.Bits <= f.Bits:
		f.Bits, f.Signed = l.Bits, l.Signed
	case l.Kind == LogicalDate && f.Bits == 32:
		f.Type = arrow.Date
	case l.Kind == LogicalTime && l.Unit != "":
		f.Type, f.Unit = arrow.Time, l.Unit
	case l.Kind == LogicalTimestamp && l.Unit != "" && f.Bits == 64:
		f.Type, f.Unit = arrow.Timestamp, l.Unit
		if l.UTC {
			f.Zone = "UTC"
		}
	}
}

// StoredSchema returns the schema that Arrow's writers keep; nil for none.
func StoredSchema(pairs []arrow.KeyValue) *arrow.Schema {
	text, ok := arrow.Get(pairs, SchemaKey)
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

// Merge returns Arrow's field as far as Parquet's can be it: what was stored is
// Parquet's, what it means is Arrow's.
func Merge(p, a arrow.Field) (arrow.Field, bool) {
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
			c, ok := Merge(p.Children[i], a.Children[i])
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

// Cut is what it means when a value is there up to some level only.
type Cut struct {
	Empty bool // a list without elements, rather than something missing
	Lists int  // how many are around it
}

// Route goes down from a column's node to the leaf that a path of Arrow's
// children leads to, and tells what each level below the leaf's own means; nil
// where there is no such leaf.
func (n *Node) Route(path []int) (leaf *Node, cuts []Cut) {
	lists := 0
	pass := func(n *Node) {
		switch n.Repeat {
		case Optional:
			cuts = append(cuts, Cut{false, lists})
		case Repeated:
			cuts = append(cuts, Cut{true, lists})
			lists++
		}
	}
	for {
		pass(n)
		if len(path) == 0 {
			break
		}
		if e := Element(n); e != nil {
			if e.Repeat != Repeated {
				pass(n.Children[0])
			}
			n = e
		} else if path[0] < len(n.Children) {
			n = n.Children[path[0]]
		} else {
			return nil, nil
		}
		path = path[1:]
	}
	if n.Physical < 0 || n.Def != len(cuts) || n.Rep != lists {
		return nil, nil
	}
	return n, cuts
}
