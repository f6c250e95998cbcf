package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/record/parquet"
)

// choose finds how the column's values become the field's.
func (c *parquetColumn) choose() error {
	if c.File != "" || c.Inline != InlineDefault {
		return errors.New("file= and inline= are for arrays and tables; a Parquet field has column=")
	}
	kind := c.of.Kind
	switch f := plainField(c.Field.Field).(type) {
	case fields.RGBImage, fields.Image, fields.Bytes:
		switch kind {
		case parquet.Image:
			c.cell = (*Parquet).image
			return nil
		case parquet.Binary:
			c.cell = asIs
			return nil
		case parquet.String, parquet.JSON:
			if f.TypeID() == fields.TypeBytes {
				c.cell = asIs
				return nil
			}
		}
	case fields.Int:
		if kind == parquet.Int64 || kind == parquet.ClassLabel || kind == parquet.String && c.labels != nil {
			c.cell = c.label
			return nil
		}
	case fields.Float:
		if kind == parquet.Float64 || kind == parquet.Int64 {
			c.cell = asFloat
			return nil
		}
	case fields.JSON:
		if kind == parquet.JSON || kind == parquet.String {
			c.cell = document
			return nil
		}
	case fields.NDArray:
		return c.array(array.Spec{DType: f.DType, Shape: f.Shape}, func(s array.Spec) fields.Field { return fields.NDArray{DType: s.DType, Shape: s.Shape} })
	case fields.TorchTensor:
		return c.array(array.Spec{DType: f.DType, Shape: f.Shape}, func(s array.Spec) fields.Field { return fields.TorchTensor{DType: s.DType, Shape: s.Shape} })
	}
	return fmt.Errorf("a field of %T can't be made of it", plainField(c.Field.Field))
}

// array chooses an array field of a spec, of which what it leaves open is the
// column's.
func (c *parquetColumn) array(want array.Spec, field func(array.Spec) fields.Field) error {
	if c.of.Kind == parquet.List {
		if !want.DType.Valid() {
			want.DType = c.of.DType
		}
		if want.Shape == nil {
			want.Shape = c.of.Shape
		}
		if have := (array.Spec{DType: c.of.DType, Shape: c.of.Shape}); !want.Equal(have) {
			return fmt.Errorf("its rows are %v, the field holds %v", have, want)
		}
		c.cell = asIs
	} else {
		if c.of.Kind != parquet.JSON {
			return errors.New("no lists of numbers")
		}
		if !want.DType.Valid() || len(want.Shape) == 0 {
			return errors.New("its rows may have any length: no dtype or no shape; expected both, as in x=ndarray:dtype=<f4,shape=32x4")
		}
		c.cell = func(_ *Parquet, _ context.Context, _ *parquetFile, v any) (any, error) { return list(v.([]byte), want) }
	}
	plain := field(want)
	if packed, ok := c.Field.Field.(fields.LZ4); ok {
		packed.Of = plain
		plain = packed
	}
	c.Field.Field = plain
	return nil
}

func asIs(_ *Parquet, _ context.Context, _ *parquetFile, v any) (any, error) { return v, nil }

// asFloat returns a whole number as a float that is just that number.
func asFloat(_ *Parquet, _ context.Context, _ *parquetFile, v any) (any, error) {
	n, ok := v.(int64)
	if !ok {
		return v, nil
	}
	return wholeAsFloat(n)
}

// label returns a whole number: of the field of labels one of its classes, by
// number or by name.
func (c *parquetColumn) label(_ *Parquet, _ context.Context, _ *parquetFile, v any) (any, error) {
	if text, ok := v.([]byte); ok {
		return c.labels.named(string(text))
	}
	return v, c.labels.check(v.(int64))
}

func document(_ *Parquet, _ context.Context, _ *parquetFile, v any) (any, error) {
	text := v.([]byte)
	if err := fields.JSONText(text).Check(); err != nil {
		return nil, err
	}
	return json.RawMessage(text), nil
}

// image returns an image's bytes, or the file of its path.
func (p *Parquet) image(ctx context.Context, f *parquetFile, v any) (any, error) {
	file := v.(parquet.File)
	if len(file.Bytes) > 0 {
		return file.Bytes, nil
	}
	if far(file.Path) {
		return nil, fmt.Errorf("an image without bytes, by a URL: %s", shown(file.Path))
	}
	if f.root != nil {
		name := filepath.FromSlash(file.Path)
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(f.name), name)
		}
		if err := f.root.check(file.Path, name); err != nil {
			return nil, fmt.Errorf("an image without bytes: %w", err)
		}
		return fields.Path(name), nil
	}
	clean := path.Clean(file.Path)
	if web(f.name) || !filepath.IsLocal(clean) || strings.ContainsAny(clean, `\`) {
		return nil, fmt.Errorf("an image without bytes: file %q %w", file.Path, ErrOutside)
	}
	return readWhole(ctx, p.store, folderOf(f.name)+"/"+clean, maxObject)
}
