package parquet

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/arrow"
	"github.com/betongo/betongo/internal/parquet"
)

// element is how a list's elements are stored.
type element struct {
	name     string // as datasets call it
	physical int32
	stored   int // bytes of one, 0 for bits
	field    arrow.Field
}

var elements = map[array.DType]element{
	array.Bool:    {"bool", parquet.Boolean, 0, arrow.Field{Type: arrow.Bool}},
	array.Int8:    {"int8", parquet.Int32, 4, arrow.Field{Type: arrow.Int, Bits: 8, Signed: true}},
	array.Int16:   {"int16", parquet.Int32, 4, arrow.Field{Type: arrow.Int, Bits: 16, Signed: true}},
	array.Int32:   {"int32", parquet.Int32, 4, arrow.Field{Type: arrow.Int, Bits: 32, Signed: true}},
	array.Int64:   {"int64", parquet.Int64, 8, arrow.Field{Type: arrow.Int, Bits: 64, Signed: true}},
	array.Uint8:   {"uint8", parquet.Int32, 4, arrow.Field{Type: arrow.Int, Bits: 8}},
	array.Uint16:  {"uint16", parquet.Int32, 4, arrow.Field{Type: arrow.Int, Bits: 16}},
	array.Uint32:  {"uint32", parquet.Int32, 4, arrow.Field{Type: arrow.Int, Bits: 32}},
	array.Uint64:  {"uint64", parquet.Int64, 8, arrow.Field{Type: arrow.Int, Bits: 64}},
	array.Float16: {"float16", parquet.FixedLen, 2, arrow.Field{Type: arrow.Float, Bits: 16}},
	array.Float32: {"float32", parquet.Float, 4, arrow.Field{Type: arrow.Float, Bits: 32}},
	array.Float64: {"float64", parquet.Double, 8, arrow.Field{Type: arrow.Float, Bits: 64}},
}

// Columns of one number.
var scalars = map[Kind]array.DType{ClassLabel: array.Int64, Int64: array.Int64, Float64: array.Float64}

// field returns a column as Arrow's schema has it: everything may be missing, as
// datasets write it, or else they would convert it.
func (c *Column) field() arrow.Field {
	var f arrow.Field
	switch c.Kind {
	case Image:
		f = arrow.Field{Type: arrow.Struct, Children: []arrow.Field{
			{Name: "bytes", Nullable: true, Type: arrow.Binary}, {Name: "path", Nullable: true, Type: arrow.Utf8}}}
	case String, JSON:
		f = arrow.Field{Type: arrow.Utf8}
	case Binary:
		f = arrow.Field{Type: arrow.Binary}
	case List:
		f = elements[c.DType].field
		for i := max(len(c.Shape), 1) - 1; i >= 0; i-- {
			f.Name, f.Nullable = "element", true
			f = arrow.Field{Type: arrow.List, Children: []arrow.Field{f}}
			if c.Shape != nil {
				f.Type, f.Size = arrow.FixedSizeList, c.Shape[i]
			}
		}
	default:
		f = elements[scalars[c.Kind]].field
	}
	f.Name, f.Nullable = c.Name, true
	return f
}

// features returns the columns in the words of Hugging Face's datasets.
func features(columns []Column) (string, error) {
	var b bytes.Buffer
	b.WriteString(`{"info": {"features": {`)
	for i := range columns {
		c := &columns[i]
		if i > 0 {
			b.WriteString(", ")
		}
		name, err := json.Marshal(c.Name)
		if err != nil {
			return "", err
		}
		b.Write(name)
		b.WriteString(": ")
		if err := c.feature(&b); err != nil {
			return "", err
		}
	}
	b.WriteString(`}}}`)
	return b.String(), nil
}

func (c *Column) feature(b *bytes.Buffer) error {
	value := func(dtype string) { fmt.Fprintf(b, `{"dtype": %q, "_type": "Value"}`, dtype) }
	switch c.Kind {
	case Image:
		b.WriteString(`{"_type": "Image"}`)
	case ClassLabel:
		names, err := json.Marshal(c.Names)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, `{"names": %s, "_type": "ClassLabel"}`, names)
	case String, JSON:
		value("string")
	case Binary:
		value("binary")
	case List:
		// Sequence is what the older versions of datasets know, and the newer ones too.
		for range max(len(c.Shape), 1) {
			b.WriteString(`{"feature": `)
		}
		value(elements[c.DType].name)
		if c.Shape == nil {
			b.WriteString(`, "_type": "Sequence"}`)
		}
		for i := len(c.Shape) - 1; i >= 0; i-- {
			fmt.Fprintf(b, `, "length": %d, "_type": "Sequence"}`, c.Shape[i])
		}
	default:
		value(elements[scalars[c.Kind]].name)
	}
	return nil
}

// pairs returns what is kept beside the schema: Arrow's own, with the features in
// it, and the features, for readers who look in one place only.
func pairs(columns []Column) ([]arrow.KeyValue, error) {
	text, err := features(columns)
	if err != nil {
		return nil, err
	}
	face := arrow.KeyValue{Key: "huggingface", Value: text}
	s := &arrow.Schema{Meta: []arrow.KeyValue{face}}
	for i := range columns {
		s.Fields = append(s.Fields, columns[i].field())
	}
	return []arrow.KeyValue{{Key: parquet.SchemaKey, Value: base64.StdEncoding.EncodeToString(arrow.AppendSchema(s, 0))}, face}, nil
}
