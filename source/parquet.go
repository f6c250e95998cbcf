package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/record/parquet"

	"golang.org/x/sync/errgroup"
)

// ParquetOptions are the choices of OpenParquet. Nil and the zero value are the
// defaults.
type ParquetOptions struct {
	// Classes fixes the names of the classes, by label: those of the field of whole
	// numbers called label, or the only one, whose column may then hold names instead
	// of numbers. The default is what the files name; names that clash with theirs are
	// an error.
	Classes []string

	// Store is where files with URLs lie.
	Store Store

	// Cache is how many bytes of decoded pages are kept, all files together; 0 is
	// 256 MiB.
	Cache int64
}

const defaultParquetCache = 256 << 20

// Parquet are Parquet files, such as those of Hugging Face's datasets: a row is a
// sample. Files are mapped, or read by ranges from a store, and their footers are
// kept in memory.
//
// Without specs all columns become fields: a struct of bytes and path, or what the
// metadata call an Image, an RGB image; whole numbers, truth values and class labels
// an int; floats a float; text and bytes a bytes field; lists of numbers whose length
// the schema tells an array; all other lists, and structs, JSON. With specs those
// alone, whose Column names the column; binary columns may be images then.
//
// The key of a sample is the path in its first image. Images whose bytes are
// missing are the files of their paths, which may not lead out of the folder of the
// Parquet file. Rows that miss a value of a field are errors of their sample.
type Parquet struct {
	files   []*parquetFile
	starts  []int // the number of each file's first sample, and the total
	columns []parquetColumn
	classes []string
	store   Store
	closed  bool
}

type parquetFile struct {
	name string // path or URL
	blob Blob
	rows *parquet.Reader
	at   []int // of each column in this file
	root *root // nil in a store
}

type parquetColumn struct {
	Spec
	of parquet.Column // in the first file
	// labels are those of the field of labels, where the classes are given.
	labels labels
	cell   func(p *Parquet, ctx context.Context, f *parquetFile, v any) (any, error)
}

// OpenParquet opens files, patterns of them, and folders, of which it takes all that
// end in .parquet. All must have the same columns, as far as they are taken.
func OpenParquet(ctx context.Context, names []string, specs []Spec, opts *ParquetOptions) (_ *Parquet, err error) {
	if opts == nil {
		opts = &ParquetOptions{}
	}
	p := &Parquet{store: opts.Store}
	defer func() {
		if err != nil {
			err = fmt.Errorf("parquet: %w", errors.Join(err, p.Close()))
		}
	}()
	if names, err = parquetNames(ctx, names, opts.Store); err != nil {
		return nil, err
	}
	if err = p.open(ctx, names, opts); err != nil {
		return nil, err
	}
	l, err := labelsOf(opts.Classes)
	if err != nil {
		return nil, err
	}
	if err = p.choose(specs, l); err != nil {
		return nil, err
	}
	for _, f := range p.files {
		if err = p.match(f); err != nil {
			return nil, err
		}
	}
	for _, c := range p.columns {
		if c.of.Kind == parquet.ClassLabel && (p.classes == nil || c.Name == "label") {
			p.classes = c.of.Names
		}
	}
	if p.classes, err = settleClasses(shown(names[0]), p.classes, opts.Classes); err != nil {
		return nil, err
	}
	return p, nil
}

// parquetNames returns the files that names stand for.
func parquetNames(ctx context.Context, names []string, st Store) ([]string, error) {
	var list []string
	for _, name := range names {
		info, err := os.Stat(name)
		var found []string
		switch {
		case !far(name) && err == nil && info.IsDir():
			if found, err = parquetIn(name); err != nil {
				return nil, err
			}
			list = append(list, found...)
		case far(name) && !web(name) && strings.HasSuffix(name, "/"):
			name += "*.parquet"
			if found, err = expandShards(ctx, []string{name}, st); err != nil {
				return nil, err
			}
			list = append(list, name)
		default:
			list = append(list, name)
		}
		if err := oneSplit(found); err != nil {
			return nil, err
		}
	}
	return expandShards(ctx, list, st)
}

// parquetIn returns the Parquet files in a folder, in the order of their names.
func parquetIn(dir string) (list []string, err error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.IsDir() && strings.HasSuffix(e.Name(), ".parquet") {
			list = append(list, filepath.Join(dir, e.Name()))
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("folder %s: no file that ends in .parquet", dir)
	}
	return list, nil
}

// oneSplit refuses a folder with files of several splits, as Hugging Face's hub
// names them.
func oneSplit(files []string) error {
	first := ""
	for i, name := range files {
		split, _, ok := strings.Cut(path.Base(filepath.ToSlash(name)), "-")
		if !ok {
			return nil
		}
		if i > 0 && split != first {
			return fmt.Errorf("%s and %s are of two splits; expected one, such as %s-*.parquet", shown(files[0]), shown(name), first)
		}
		first = split
	}
	return nil
}

// parquetOpeners is how many files are opened at a time.
const parquetOpeners = 8

// open opens all files and reads their footers.
func (p *Parquet) open(ctx context.Context, names []string, opts *ParquetOptions) error {
	size := opts.Cache
	if size == 0 {
		size = defaultParquetCache
	}
	cache := parquet.NewCache(size)
	p.files = make([]*parquetFile, len(names))
	roots := map[string]*root{}
	for i, name := range names {
		f := &parquetFile{name: name}
		p.files[i] = f
		if far(name) {
			continue
		}
		dir := filepath.Dir(name)
		if roots[dir] == nil {
			var err error
			if roots[dir], err = newRoot(dir, false); err != nil {
				return err
			}
		}
		f.root = roots[dir]
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parquetOpeners)
	for _, f := range p.files {
		g.Go(func() (err error) { // ends with the footer, or with ctx
			if f.blob, err = openBlob(ctx, f.name, p.store); err != nil {
				return err
			}
			f.rows, err = parquet.NewReader(ctx, f.blob, f.blob.Size(), &parquet.ReaderOptions{Name: shown(f.name), Cache: cache})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	total := 0
	for _, f := range p.files {
		p.starts = append(p.starts, total)
		n := f.rows.Len()
		if n > math.MaxInt-total { // as footers may say what they like
			return fmt.Errorf("%s: %d rows, behind %d", shown(f.name), n, total)
		}
		total += n
	}
	p.starts = append(p.starts, total)
	return nil
}

// choose finds the columns of the fields in the first file. l are the labels of
// classes that are given.
func (p *Parquet) choose(specs []Spec, l labels) error {
	first := p.files[0]
	all := first.rows.Columns()
	if len(specs) == 0 {
		var err error
		if specs, err = parquetSpecs(first, all); err != nil {
			return err
		}
	}
	at, err := checkLabels(specs, l)
	if err != nil {
		return err
	}
	for n, s := range specs {
		if s.Column == "" {
			s.Column = s.Name
		}
		i := slices.IndexFunc(all, func(c parquet.Column) bool { return c.Name == s.Column })
		if i < 0 {
			var names []string
			for _, c := range all {
				names = append(names, c.Name)
			}
			return fmt.Errorf("%s: field %q: no column %q; it has %s", shown(first.name), s.Name, s.Column, shorten(names))
		}
		if err := first.rows.Refused(i); err != nil {
			return err
		}
		c := parquetColumn{Spec: s, of: all[i]}
		if n == at {
			c.labels = l
		}
		if err := c.choose(); err != nil {
			return &SpecError{fmt.Errorf("%s: field %q: column %q of %v: %w", shown(first.name), s.Name, s.Column, all[i].Kind, err)}
		}
		p.columns = append(p.columns, c)
	}
	return nil
}

// parquetSpecs returns a field for each column.
func parquetSpecs(f *parquetFile, all []parquet.Column) (specs []Spec, err error) {
	image := false
	for i, c := range all {
		if err := f.rows.Refused(i); err != nil {
			return nil, fmt.Errorf("%w; the fields that are to be taken can be named", err)
		}
		s := Spec{Field: Field{Name: c.Name}}
		switch c.Kind {
		case parquet.Image:
			s.Field.Field = fields.RGBImage{Mode: fields.ModeJPEG}
			image = true
		case parquet.ClassLabel, parquet.Int64:
			s.Field.Field = fields.Int{}
		case parquet.Float64:
			s.Field.Field = fields.Float{}
		case parquet.String, parquet.Binary:
			s.Field.Field = fields.Bytes{}
		case parquet.JSON:
			s.Field.Field = fields.JSON{}
		default:
			s.Field.Field = fields.NDArray{DType: c.DType, Shape: c.Shape}
		}
		specs = append(specs, s)
	}
	if !image {
		return nil, fmt.Errorf("%s: no column of images, as a struct of bytes and path; of others the fields must be named, such as image=rgb:column=NAME for encoded images in a binary column", shown(f.name))
	}
	return specs, nil
}

// match finds the columns in a file, which must be as in the first.
func (p *Parquet) match(f *parquetFile) error {
	all := f.rows.Columns()
	for _, c := range p.columns {
		i := slices.IndexFunc(all, func(k parquet.Column) bool { return k.Name == c.Column })
		if i < 0 {
			return fmt.Errorf("column %q is in %s, and not in %s", c.Column, shown(p.files[0].name), shown(f.name))
		}
		if err := f.rows.Refused(i); err != nil {
			return err
		}
		if !reflect.DeepEqual(all[i], c.of) {
			return fmt.Errorf("column %q differs: %s in %s, %s in %s", c.Column, columnText(c.of), shown(p.files[0].name), columnText(all[i]), shown(f.name))
		}
		f.at = append(f.at, i)
	}
	return nil
}

func columnText(c parquet.Column) string {
	switch c.Kind {
	case parquet.ClassLabel:
		return fmt.Sprintf("%v of the classes %s", c.Kind, shorten(c.Names))
	case parquet.List:
		return fmt.Sprintf("lists %v of shape %v", c.DType, c.Shape)
	}
	return c.Kind.String()
}

// Len returns the number of rows.
func (p *Parquet) Len() int { return p.starts[len(p.files)] }

// Fields returns the fields, in the order of the specs or of the columns.
func (p *Parquet) Fields() []Field {
	var list []Field
	for _, c := range p.columns {
		list = append(list, c.Field)
	}
	return list
}

// Classes returns the class names by label, nil if nothing names them: those of the
// column of class labels, of several of the one called label, or else the first.
func (p *Parquet) Classes() []string { return p.classes }

// Sample reads row i. Its values may borrow from the files, until Close.
func (p *Parquet) Sample(ctx context.Context, i int) (values []any, key string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if p.closed {
		return nil, "", fmt.Errorf("parquet: sample %d: %w", i, os.ErrClosed)
	}
	if i < 0 || i >= p.Len() {
		return nil, "", fmt.Errorf("parquet: sample %d of %d", i, p.Len())
	}
	k := sort.SearchInts(p.starts, i+1) - 1
	f, row := p.files[k], i-p.starts[k]
	values = make([]any, len(p.columns))
	found := false
	for k := range p.columns {
		c := &p.columns[k]
		v, err := f.rows.Value(ctx, f.at[k], row)
		if err != nil {
			return nil, key, fmt.Errorf("parquet: %w", err)
		}
		if file, ok := v.(parquet.File); ok && !found {
			key, found = keyOf(file.Path), true
		}
		if values[k], err = c.cell(p, ctx, f, v); err != nil {
			return nil, key, fmt.Errorf("parquet: %s: row %d: column %q: %w", shown(f.name), row, c.Column, err)
		}
	}
	return values, key, nil
}

// keyOf is the path of an image as a key. One of somebody's machine says more about
// that than about the sample.
func keyOf(name string) string {
	if clean := path.Clean(filepath.ToSlash(name)); name != "" && filepath.IsLocal(clean) {
		return clean
	}
	return ""
}

// Identity looks at every file: name, size, time of change, and its footer, which
// tells where all values lie.
func (p *Parquet) Identity(ctx context.Context) ([]Trait, error) {
	list, err := p.Traits(ctx)
	if err != nil {
		return nil, err
	}
	for i, f := range p.files {
		if far(f.name) {
			continue
		}
		if info, err := os.Stat(f.name); err == nil {
			list[i].Value += ", changed " + info.ModTime().UTC().Format(time.RFC3339Nano)
		}
	}
	return list, nil
}

// Traits are those of Identity that another copy of the files has too.
func (p *Parquet) Traits(ctx context.Context) ([]Trait, error) {
	if p.closed {
		return nil, fmt.Errorf("parquet: %w", os.ErrClosed)
	}
	var list []Trait
	for _, f := range p.files {
		list = append(list, Trait{"file " + path.Base(filepath.ToSlash(shown(f.name))),
			fmt.Sprintf("%d rows, %d bytes, footer %x", f.rows.Len(), f.blob.Size(), f.rows.Sum())})
	}
	sum := sha256.New()
	for _, c := range p.columns {
		fmt.Fprintf(sum, "%q %q %s\n", c.Name, c.Column, columnText(c.of))
	}
	return append(list, Trait{"columns", fmt.Sprintf("%d, sum %x", len(p.columns), sum.Sum(nil)[:16])}), ctx.Err()
}

// Files returns "": Traits have looked at the files already.
func (p *Parquet) Files(context.Context, int, func(int) int) (string, error) { return "", nil }

// Close closes the files. Nobody may use the source, or values that borrow from it,
// meanwhile or after. A second Close does nothing.
func (p *Parquet) Close() error {
	if p.closed {
		return nil
	}
	p.closed = true
	var errs []error
	for _, f := range p.files {
		if f.rows != nil {
			f.rows.Close()
		}
		if f.blob != nil {
			errs = append(errs, f.blob.Close())
		}
	}
	return errors.Join(errs...)
}
