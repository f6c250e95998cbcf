package build

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/store"
)

// Beton is another .beton, on the local disk or in an object store. What it stores
// is taken as it is, keys and class names too. Images are encoded anew if the
// recipe's Image asks for something else than they are; its zero value doesn't, and
// where it names no Mode, JPEGs stay JPEGs and raw images raw.
type Beton struct {
	File   string   `json:"file"`
	Fields []string `json:"fields,omitempty"` // by name, in this order; nil is all
	// Indices are the samples, in this order, as ParseIndices reads them; IndexFile
	// is a file of them. "" of both is all.
	Indices   string `json:"indices,omitempty"`
	IndexFile string `json:"index_file,omitempty"`
}

func (b *Beton) check(image *Image) error {
	switch {
	case b.File == "":
		return errors.New("beton without a file")
	case b.Indices != "" && b.IndexFile != "":
		return optionError("indices", "a list and a file of them; expected one")
	}
	_, err := indicesOf(b.Indices, nil)
	if err != nil {
		return &OptionError{"indices", err}
	}
	if b.Fields == nil {
		return nil
	}
	return ffcv.CheckNames(b.Fields)
}

func (b *Beton) at(change func(name *string)) kind {
	c := *b
	change(&c.File)
	change(&c.IndexFile)
	return &c
}

// asked says whether an image asks for something else than what is stored.
func (m *Image) asked() bool {
	return m.Mode != "" || m.MaxResolution != 0 || m.Reencode == "always" || m.Strip || m.Orient
}

func (b *Beton) open(ctx context.Context, s *Source, r *Recipe, opts *OpenOptions) error {
	f, err := store.OpenFile(ctx, b.File, opts.Store)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, f.Close)
	s.far = store.IsURL(b.File)
	d := &betonSource{file: f, name: b.File}
	if d.rows, err = b.rows(ctx, f.Len(), opts); err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	specs, err := f.Specs()
	if err != nil {
		return err
	}
	image, err := r.Image.Field(opts.Images)
	if err != nil {
		return err
	}
	names := b.Fields
	if names == nil {
		for _, spec := range specs {
			names = append(names, spec.Name)
		}
	}
	for _, name := range names {
		i := f.FieldIndex(name)
		if i < 0 {
			return optionError("field", "%q is not in %s, which has %s", name, f.Name(), fieldNames(specs))
		}
		field, again := specs[i].Field, false
		if _, ok := f.Fields()[i].Field.(fields.RGBImage); ok && r.Image.asked() {
			again = true
			if field = image; r.Image.Mode == "" {
				field = sameMode{image}
			}
		}
		d.at, d.again = append(d.at, i), append(d.again, again)
		d.fields = append(d.fields, source.Field{Name: name, Field: field})
	}
	s.of = d
	return nil
}

func fieldNames(specs []ffcv.FieldSpec) string {
	var names []string
	for _, s := range specs {
		names = append(names, s.Name)
	}
	return fmt.Sprintf("%q", names)
}

// sameMode is an RGBImage that keeps pictures in the mode that they come in.
type sameMode struct{ fields.RGBImage }

// Encode is part of fields.Field.
func (f sameMode) Encode(meta []byte, value any, at fields.At) error {
	if _, ok := value.(rgb.Image); ok {
		f.Mode = fields.ModeRaw
	}
	return f.RGBImage.Encode(meta, value, at)
}

// rows returns the samples that are taken, nil for all.
func (b *Beton) rows(ctx context.Context, n int, opts *OpenOptions) ([]int, error) {
	if b.IndexFile == "" && b.Indices == "" {
		return nil, nil
	}
	list, err := indicesOf(b.Indices, &n)
	if b.IndexFile != "" {
		list, err = readIndices(ctx, b.IndexFile, opts.Store)
	}
	if err != nil {
		return nil, &OptionError{"indices", err}
	}
	for i, at := range list {
		if at < 0 || at >= n {
			return nil, optionError("indices", "number %d is %d; the file has the samples 0 to %d", i, at, n-1)
		}
	}
	return list, nil
}

// betonSource is an open .beton as a source. It is safe for concurrent use until
// the file's Close.
type betonSource struct {
	file   *ffcv.File
	name   string // as the recipe has it
	rows   []int  // nil all
	fields []source.Field
	at     []int  // their numbers in the file
	again  []bool // they are encoded anew
}

func (d *betonSource) Len() int {
	if d.rows != nil {
		return len(d.rows)
	}
	return d.file.Len()
}

func (d *betonSource) Fields() []source.Field { return d.fields }
func (d *betonSource) Classes() []string      { return d.file.Classes() }

// Sample returns what is stored, as an *ffcv.Stored, or images that are encoded anew
// as their JPEG's bytes or their pixels.
func (d *betonSource) Sample(ctx context.Context, i int) (values []any, key string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if d.rows != nil {
		i = d.rows[i]
	}
	if key, err = d.file.Key(i); err != nil {
		return nil, "", err
	}
	values = make([]any, len(d.at))
	for k, field := range d.at {
		if !d.again[k] {
			values[k] = &ffcv.Stored{File: d.file, Sample: i, Field: field}
			continue
		}
		e, err := d.file.Image(i, field)
		if err != nil {
			return nil, key, err
		}
		if values[k] = e.Data; !e.JPEG {
			values[k] = rgb.Image{Width: e.Width, Height: e.Height, Pix: e.Data}
		}
	}
	return values, key, nil
}

// Identity tells the file by its size, tables and time of change.
func (d *betonSource) Identity(ctx context.Context) ([]source.Trait, error) {
	list, err := d.Traits(ctx)
	if err != nil || store.IsURL(d.name) {
		return list, err
	}
	info, err := os.Stat(store.Join(".", d.name))
	if err == nil {
		list = append(list, source.Trait{Name: "changed", Value: info.ModTime().UTC().Format(time.RFC3339Nano)})
	}
	return list, err
}

// Traits are those of Identity that a copy of the file has too.
func (d *betonSource) Traits(context.Context) ([]source.Trait, error) {
	id, err := d.file.Identity()
	if err != nil {
		return nil, err
	}
	rows := "all"
	if d.rows != nil {
		h := fnv.New128a()
		for _, at := range d.rows {
			h.Write(strconv.AppendInt(nil, int64(at), 10))
			h.Write([]byte{','})
		}
		rows = fmt.Sprintf("%d, sum %x", len(d.rows), h.Sum(nil))
	}
	var names []string
	for _, f := range d.fields {
		names = append(names, f.Name)
	}
	return []source.Trait{
		{Name: "file", Value: fmt.Sprintf("%d bytes, %d samples, sum %08x", id.Size, id.Samples, id.Sum)},
		{Name: "rows", Value: rows},
		{Name: "fields", Value: fmt.Sprintf("%q, encoded anew %v", names, slices.Clone(d.again))},
	}, nil
}

// Files returns "": Traits have looked at the file already.
func (d *betonSource) Files(context.Context, int, func(int) int) (string, error) { return "", nil }

// Close leaves the file to the Source.
func (d *betonSource) Close() error { return nil }

// SampleSize returns how many bytes the file keeps of sample i's values.
func (d *betonSource) SampleSize(ctx context.Context, i int) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if d.rows != nil {
		i = d.rows[i]
	}
	row, err := d.file.Metadata(i)
	if err != nil {
		return 0, err
	}
	var total int64
	var regions []fields.Region
	for _, k := range d.at {
		f := &d.file.Fields()[k]
		at := f.Offset
		regions, err = f.Field.Regions(regions[:0], row[at:at+f.Field.Layout().Size])
		if err != nil {
			return 0, err
		}
		for _, r := range regions {
			if r.Size == fields.UnknownSize {
				if r.Size, err = d.file.RegionSize(i, k, r.Ptr); err != nil {
					return 0, err
				}
			}
			total += r.Size
		}
	}
	return total, nil
}
