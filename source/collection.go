package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
)

// Collection is a file of datasets whose rows are values of samples, as HDF5 has
// them. Who opens one brings it: this package loads no system's libraries.
type Collection interface {
	// Name is the file's path.
	Name() string

	// Names returns the names of the datasets that have rows.
	Names() []string

	// Rows opens a dataset.
	Rows(name string) (Rows, error)

	// Close closes the file, behind all of its datasets.
	Close() error
}

// Rows is a dataset of a Collection. It is not safe for concurrent use.
type Rows interface {
	// Len returns the number of rows.
	Len() int

	// Row returns the type and shape of each; of bytes of any length uint8 and a shape
	// of -1.
	Row() array.Spec

	// Together returns how many rows are unpacked together: reading begins at a
	// multiple of it.
	Together() int

	// Read returns the bytes of rows from lo up to hi, which nobody writes to and which
	// stay what they are until the Collection's Close.
	Read(lo, hi int) ([][]byte, error)

	Close()
}

// CollectionOptions are the choices of OpenCollection. Nil and the zero value are the
// defaults.
type CollectionOptions struct {
	// Classes are the names of the classes by label: those of the field of whole
	// numbers called label, or the only one. A number that is none of theirs is an
	// error.
	Classes []string
}

// Collected are datasets of a collection that share their first axis: row i of each
// is a value of sample i. Samples have no keys.
//
// Rows are read in blocks of about a MiB, of whole chunks where they are stored in
// such, of which each dataset keeps the last 8. In order they are unpacked once each;
// in any other order a row may cost its block.
type Collected struct {
	file    Collection
	columns []*collectedColumn
	classes []string
	closed  bool
}

type collectedColumn struct {
	arrayColumn
	from   string // the dataset
	labels labels
	step   int // rows of a block
	bytes  bool

	mu     sync.Mutex
	rows   Rows
	blocks []rowBlock // the last used first
}

// rowBlock are rows that were read together.
type rowBlock struct {
	lo   int
	rows [][]byte
}

const (
	blockBytes = 1 << 20
	keptBlocks = 8
)

// OpenCollection makes samples of the datasets of c, which it closes with itself,
// and when it fails. A spec's column names the dataset. Its field takes rows as an
// array's does (OpenArrays); bytes of any length are those of images, or of a bytes
// field. Without specs all datasets are taken, by the names behind their last slash:
// uint8 of height, width and 3 channels as RGB images, bytes of any length as images
// where the first begins as one does.
func OpenCollection(ctx context.Context, c Collection, specs []Spec, opts *CollectionOptions) (_ *Collected, err error) {
	if opts == nil {
		opts = &CollectionOptions{}
	}
	d := &Collected{file: c, classes: slices.Clone(opts.Classes)}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", c.Name(), errors.Join(err, d.Close()))
		}
	}()
	l, err := labelsOf(d.classes)
	if err != nil {
		return nil, err
	}
	chosen := len(specs) == 0
	if chosen {
		for _, name := range c.Names() {
			specs = append(specs, Spec{Field: Field{Name: filepath.Base(filepath.FromSlash(name))}, Column: name})
		}
	}
	if len(specs) == 0 {
		return nil, errors.New("no datasets with rows")
	}
	var all []Spec
	for _, s := range specs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		k, err := d.open(s)
		if err == nil && k.rows.Len() != d.columns[0].rows.Len() {
			err = fmt.Errorf("%d rows; %s has %d", k.rows.Len(), d.columns[0].from, d.columns[0].rows.Len())
			if chosen {
				err = fmt.Errorf("%w: choose fields (--field)", err)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("field %q, dataset %q: %w", s.Name, k.from, err)
		}
		all = append(all, Spec{Field: k.Field})
	}
	at, err := checkLabels(all, l)
	if err != nil {
		return nil, err
	}
	if at >= 0 {
		d.columns[at].labels = l
	}
	return d, nil
}

// open opens the dataset of a field.
func (d *Collected) open(s Spec) (*collectedColumn, error) {
	k := &collectedColumn{arrayColumn: arrayColumn{Field: s.Field}, from: s.Column}
	if k.from == "" {
		k.from = s.Name
	}
	if s.File != "" || s.Inline != InlineDefault {
		return k, &SpecError{errors.New("file= and inline= are for arrays and tables; here there is column=, with the dataset's name")}
	}
	rows, err := d.file.Rows(k.from)
	if err != nil {
		return k, err
	}
	k.rows = rows
	d.columns = append(d.columns, k)
	row := rows.Row()
	size := 64 << 10 // about, of bytes of any length
	if k.bytes = slices.Equal(row.Shape, []int{-1}); !k.bytes {
		if size, err = row.Bytes(); err != nil {
			return k, err
		}
	}
	together := max(rows.Together(), 1)
	k.step = max(1, blockBytes/max(size, 1)/together) * together
	if k.bytes {
		return k, k.chooseBytes()
	}
	if k.Field.Field == nil && row.DType == array.Uint8 && len(row.Shape) == 3 && row.Shape[2] == 3 {
		k.Field.Field = fields.RGBImage{Mode: fields.ModeJPEG}
	}
	return k, k.choose(row)
}

// chooseBytes settles the field of bytes of any length.
func (k *collectedColumn) chooseBytes() error {
	switch plainField(k.Field.Field).(type) {
	case nil:
		k.Field.Field = fields.Bytes{}
		if k.rows.Len() == 0 {
			return nil
		}
		if b, err := k.row(0); err != nil {
			return err
		} else if pictured(b) {
			k.Field.Field = fields.RGBImage{Mode: fields.ModeJPEG}
		}
	case fields.RGBImage, fields.Image, fields.Bytes:
	default:
		return fmt.Errorf("bytes of any length make no %T", plainField(k.Field.Field))
	}
	return nil
}

// row returns a row's bytes.
func (k *collectedColumn) row(i int) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	lo := i / k.step * k.step
	at := slices.IndexFunc(k.blocks, func(b rowBlock) bool { return b.lo == lo })
	var b rowBlock
	if at >= 0 {
		b = k.blocks[at]
		k.blocks = slices.Delete(k.blocks, at, at+1)
	} else {
		rows, err := k.rows.Read(lo, min(lo+k.step, k.rows.Len()))
		if err != nil {
			return nil, err
		}
		b = rowBlock{lo, rows}
		k.blocks = k.blocks[:min(len(k.blocks), keptBlocks-1)]
	}
	k.blocks = slices.Insert(k.blocks, 0, b)
	return b.rows[i-lo], nil
}

// Len returns the number of rows.
func (d *Collected) Len() int { return d.columns[0].rows.Len() }

// Fields returns the fields, those without a given type as OpenCollection chose.
func (d *Collected) Fields() (list []Field) {
	for _, k := range d.columns {
		list = append(list, k.Field)
	}
	return list
}

// Classes returns the class names that were given. The slice is the source's own.
func (d *Collected) Classes() []string { return d.classes }

// Sample returns row i of every dataset. The key is "".
func (d *Collected) Sample(ctx context.Context, i int) (values []any, key string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if d.closed {
		return nil, "", fmt.Errorf("%s: sample %d: %w", d.file.Name(), i, os.ErrClosed)
	}
	if i < 0 || i >= d.Len() {
		return nil, "", fmt.Errorf("%s: sample %d of %d", d.file.Name(), i, d.Len())
	}
	values = make([]any, len(d.columns))
	for n, k := range d.columns {
		b, err := k.row(i)
		if err == nil {
			values[n], err = k.sample(b)
		}
		if err != nil {
			return nil, "", fmt.Errorf("%s: field %q, dataset %q: row %d: %w", d.file.Name(), k.Name, k.from, i, err)
		}
	}
	return values, "", nil
}

func (k *collectedColumn) sample(b []byte) (any, error) {
	if k.bytes {
		return b, nil
	}
	v, err := k.value(array.Array{Spec: k.rows.Row(), Data: b})
	if n, ok := v.(int64); ok && err == nil {
		err = k.labels.check(n)
	}
	return v, err
}

// Identity looks at the file: size and time of change, and its datasets.
func (d *Collected) Identity(ctx context.Context) ([]Trait, error) {
	list, err := d.Traits(ctx)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(d.file.Name())
	if err != nil {
		return nil, err
	}
	return append(list, Trait{"file", fmt.Sprintf("%d bytes, changed %s", info.Size(), info.ModTime().UTC().Format(time.RFC3339Nano))}), nil
}

// wholeRows bounds the bytes of a dataset of which all rows are looked at.
const wholeRows = 64 << 20

// Traits are those of Identity that another copy of the file has too: what the
// datasets are, and sums over some of their rows; of those that are short over all.
func (d *Collected) Traits(ctx context.Context) ([]Trait, error) {
	if d.closed {
		return nil, fmt.Errorf("%s: %w", d.file.Name(), os.ErrClosed)
	}
	var list []Trait
	for _, k := range d.columns {
		var sum nameSum
		n := d.Len()
		looks := 16
		if size, err := k.rows.Row().Bytes(); err == nil && !k.bytes && n <= wholeRows/max(size, 1) {
			looks = max(n, 1) // labels, perhaps, of which each counts
		}
		for i := 0; i < n; i += max(1, (n+looks-1)/looks) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			b, err := k.row(i)
			if err != nil {
				return nil, fmt.Errorf("%s: dataset %q: row %d: %w", d.file.Name(), k.from, i, err)
			}
			sum.add(string(b))
		}
		list = append(list, Trait{"dataset of field " + k.Name, fmt.Sprintf("%q, rows %v, sum of %d %s", k.from, k.rows.Row(), min(n, looks), sum.String())})
	}
	return list, nil
}

// Files returns "": Traits have looked at the file already.
func (d *Collected) Files(context.Context, int, func(int) int) (string, error) { return "", nil }

// Close closes the collection, which nobody may use meanwhile, nor samples that were
// read from it. A second Close does nothing.
func (d *Collected) Close() error {
	if d.closed {
		return nil
	}
	d.closed = true
	for _, k := range d.columns {
		k.rows.Close()
		k.blocks = nil
	}
	return d.file.Close()
}
