// Package convert brings arrays from a file of one format into a file of
// another, in bounded memory: it is the room that knows all formats of arrays.
//
//	r, err := convert.Convert(ctx, "model.safetensors", "model.npk", nil)
//
// A format is found by its name where one is given, by a file's first bytes,
// or by the extension; Formats lists them.
//
// Values, types and shapes go along as they are: what the other format can't
// hold is an error, never a silent conversion. What changes without touching
// values (byte order, order of elements), and attributes that there is no place
// for, are told in Report.Notes.
//
// What is read and what is written may be URLs of s3://, gs://, azblob:// and, to
// read, https://. They go through a copy in a temporary folder ($TMPDIR): an input
// is fetched whole, an output sent once it is complete. A .beton that is listed or
// opened is read by ranges. A format that is a folder is the objects below a URL.
//
// The output is written beside its place, synced, and renamed: whatever goes
// wrong, at its path is what was there before. Two conversions to one path at
// once are as one after the other.
package convert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/store"
)

// Options are the choices of Convert and List. nil and the zero value of every
// member are the defaults.
type Options struct {
	// From and To are names of formats, as Formats lists them. The default is
	// wrong where a file has none of the format's marks: raw elements, or text
	// with another extension.
	From, To string

	// Arrays are the names of the arrays to convert, in this order; nil is all
	// of them.
	Arrays []string
	// Rename gives arrays other names: the key is the name in the input. For a
	// .beton, whose fields' names are short, the key may also be that of a
	// struct's field, with the array's name and a dot before it.
	Rename map[string]string
	// Skip leaves out arrays that can't be read, with a note; without it they
	// are an error. Arrays that were asked for by name are never left out.
	Skip bool

	// DType is the type that elements are cast to, with the values of
	// array.Cast; the zero value keeps each array's own.
	DType array.DType
	// Promote gives scalars (arrays without dimensions) the shape (1,) where the
	// output has no scalars, with a note; without it they are an error there.
	Promote bool
	// Decode gives the pixels of a .beton's JPEGs; without it they are an error,
	// since they are not the bytes that were stored.
	Decode bool

	// Fill stands for missing values of columns without NaN or NaT in Arrow's
	// and Parquet's tables: a bool, int, float64 or string. nil makes them an
	// error.
	Fill any

	// Chunk is about how many bytes of an array are in memory at a time, as far
	// as the formats allow; 0 leaves it to them, which is the fastest. A row is
	// never divided. The default is wrong where the disk wants larger steps.
	Chunk int
	// Compression is what the output packs its data with, "zstd" or "gzip:9";
	// "" is the format's own choice, and Format.Compressions what there is.
	Compression string
	// RowGroup is how many rows are stored together, where the output has such
	// groups (Parquet, Arrow; rows of chunks in Zarr and HDF5); 0 leaves it to
	// the format.
	RowGroup int
	// Overwrite replaces what is at the output's path; a folder with anything
	// else in it than arrays of its format stays, an error.
	Overwrite bool

	// Zarr says how a Zarr is written; for another output it is an error.
	Zarr Zarr
	// Raw says what a raw file holds, and how one is written.
	Raw Raw
	// Text says how tables of text are read and written.
	Text Text

	// Store says how URLs are reached that are read or written; nil is as the
	// stores' own tools do.
	Store *store.Options

	// Progress is called after every step with what has been done, from the
	// caller's goroutine.
	Progress func(Progress)
}

// Zarr says how a Zarr is written; see array/zarr.
type Zarr struct {
	Version int // of the format, 2 or 3; 0 is 3
	// Shard is how many rows of chunks are stored together in one file; 0 is a
	// file for each chunk. Version 3 has it.
	Shard int
}

// Raw describes a file of elements and nothing else, as NumPy's tofile writes.
type Raw struct {
	// DType is the type of the elements; required to read.
	DType array.DType
	// Shape of the array; nil is one dimension. One dimension may be -1: what
	// the file has.
	Shape []int
	// Offset is how many bytes of the file are passed over.
	Offset int64
	// Count is how many elements are read; 0 and -1 are all.
	Count int
	// Fortran says that the elements lie in Fortran order.
	Fortran bool
	// Sep is what is between elements that are text; "" is binary.
	Sep string
	// Format is one of Python's % formats, for writing text.
	Format string
}

// Text says how a table of text is read and written; see array/text.
type Text struct {
	DType     array.DType // of all columns; float64 by default
	Delimiter string
	Skip      int      // lines
	Header    []string // names of the columns, for writing
	NoHeader  bool     // neither read nor written
	Format    string   // for writing
}

// Progress tells how far a conversion is.
type Progress struct {
	Array       string // being converted, by its name in the input
	Done, Total int64  // bytes of elements; Total is -1 where the input doesn't tell
}

// Report tells what was converted.
type Report struct {
	From, To string // formats
	Arrays   []Converted
	Attrs    map[string]any // of the file, as they were carried; nil for none
	Bytes    int64          // of elements, as they were read
	Notes    []Note
}

// Converted is an array of the output.
type Converted struct {
	array.Member        // as it is in the output
	Source       string // its name in the input
	Path         string // the file that it is in
}

// RefusedError says that arrays of the input can't be read.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap returns the reasons, joined.
func (e *RefusedError) Unwrap() error { return e.Err }

var (
	// ErrNoDType is wrapped where raw elements are to be read and nothing tells
	// their type.
	ErrNoDType = errors.New("raw elements: their type must be given")
	// ErrJPEG is wrapped where a .beton's JPEGs are asked for without
	// Options.Decode.
	ErrJPEG = errors.New("JPEGs, whose pixels are given when they shall be decoded")
)

// Note is a thing that didn't go along, or that changed.
type Note struct {
	Array string // by its name in the input; "" is of the file
	Text  string
}

func (n Note) String() string {
	if n.Array == "" {
		return n.Text
	}
	return "array " + strconv.Quote(n.Array) + ": " + n.Text
}

// Listing is what a file holds.
type Listing struct {
	Format  string
	Members []array.Member // in the file's order
	Attrs   map[string]any // of the file; nil for none
	Refused error          // why arrays are not among the Members; nil where all are
	Notes   []Note
}

// List tells what is in a file, without reading data. Of opts it takes From,
// Raw, Text, Fill, Decode and Store. ctx ends the fetching of a URL's file.
func List(ctx context.Context, path string, opts *Options) (l *Listing, err error) {
	if opts == nil {
		opts = &Options{}
	}
	err = mmap.Guard(func() (err error) {
		l, err = list(ctx, path, opts)
		return err
	})
	return l, err
}

func list(ctx context.Context, path string, opts *Options) (*Listing, error) {
	f, r, err := openAny(ctx, path, opts)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	l := &Listing{Format: f.Name, Members: r.Members(), Attrs: r.Attrs()}
	if r, ok := r.(interface{ Refused() error }); ok {
		l.Refused = r.Refused()
	}
	if r, ok := r.(interface{ Notes() []Note }); ok {
		l.Notes = r.Notes()
	}
	return l, nil
}

// Open opens a file of any format to read its arrays. Of opts it takes what List
// does. ctx is for the opening alone.
func Open(ctx context.Context, path string, opts *Options) (File, error) {
	if opts == nil {
		opts = &Options{}
	}
	_, r, err := openAny(ctx, path, opts)
	return r, err
}

func openAny(ctx context.Context, path string, opts *Options) (f *format, r File, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if store.IsURL(path) {
		return openStored(ctx, path, opts)
	}
	path = localPath(path)
	if f, err = find(path, opts.From); err != nil {
		return nil, nil, err
	}
	r, err = f.open(path, opts)
	return f, r, err
}

// Convert brings the arrays of the file or folder in into a new one, out. Where
// out's format holds one array and there are more, "{name}" in out stands for
// the name of each, which gets a file of its own. With a nil error everything
// is written and synced; otherwise nothing is, and what was there stays.
//
// Errors: *DTypeError where the output has no such type; errors.Is
// fs.ErrExist where out is there already; ctx's own error where it is done;
// those of the formats.
func Convert(ctx context.Context, in, out string, opts *Options) (*Report, error) {
	if store.IsURL(in) || store.IsURL(out) {
		return convertStored(ctx, in, out, opts)
	}
	j := &job{ctx: ctx, in: localPath(in), out: localPath(out), report: &Report{}}
	if opts != nil {
		j.opts = *opts
	}
	// Rows lie in maps of the input, which may be cut short meanwhile.
	if err := mmap.Guard(j.run); err != nil {
		return nil, err
	}
	return j.report, nil
}

// job is one conversion.
type job struct {
	ctx     context.Context
	in, out string
	opts    Options
	from    *format
	to      *format
	r       File
	list    []item
	report  *Report

	done, total int64
}

// item is an array on its way.
type item struct {
	src  array.Member
	name string       // in the output
	dst  array.Member // as it is added there
	path string
}

func (j *job) note(name, text string, args ...any) {
	j.report.Notes = append(j.report.Notes, Note{Array: name, Text: fmt.Sprintf(text, args...)})
}

func (j *job) run() (err error) {
	if err := j.ctx.Err(); err != nil {
		return err
	}
	if j.from, err = find(j.in, j.opts.From); err != nil {
		return err
	}
	if j.to, err = target(j.out, j.opts.To); err != nil {
		return err
	}
	j.report.From, j.report.To = j.from.Name, j.to.Name
	if err := checkPaths(j.in, j.out); err != nil {
		return err
	}
	if !strings.Contains(j.out, pattern) {
		if err := checkOutput(j.out, j.opts.Overwrite); err != nil {
			return err
		}
	}
	if err := j.to.checkCompression(j.opts.Compression); err != nil {
		return err
	}
	if j.opts.Zarr != (Zarr{}) && j.to != zarrFormat {
		return fmt.Errorf("output %s: %s has neither versions nor shards of Zarr", j.out, j.to.Title)
	}
	if j.r, err = j.from.open(j.in, &j.opts); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.r.Close()) }()
	if err := j.choose(); err != nil {
		return err
	}
	if j.to.beton {
		return j.toBeton()
	}
	if err := j.fit(); err != nil {
		return err
	}
	return j.write()
}

// choose finds the arrays that are asked for, and their names in the output.
func (j *job) choose() error {
	members := j.r.Members()
	if r, ok := j.r.(interface{ Notes() []Note }); ok {
		j.report.Notes = append(j.report.Notes, r.Notes()...)
	}
	at := make(map[string]int, len(members))
	for i := len(members) - 1; i >= 0; i-- { // of two with one name the first
		at[members[i].Name] = i
	}
	if err := j.pick(members, at); err != nil {
		return err
	}
	if len(j.list) == 0 {
		return fmt.Errorf("%s: holds no arrays", j.in)
	}
	for _, old := range slices.Sorted(maps.Keys(j.opts.Rename)) {
		i := slices.IndexFunc(j.list, func(it item) bool { return it.src.Name == old })
		switch {
		case i >= 0:
			j.list[i].name = j.opts.Rename[old]
		case !j.to.beton || !j.part(old):
			return fmt.Errorf("%s: no array %q to rename; there are %s", j.in, old, names(members))
		}
	}
	seen := map[string]bool{}
	for i := range j.list {
		it := &j.list[i]
		if it.name == "" {
			it.name = stem(j.in)
		}
		if seen[it.name] {
			return fmt.Errorf("two arrays would be called %q; rename one", it.name)
		}
		seen[it.name] = true
		if n, err := it.src.Spec.Bytes(); err == nil && j.total >= 0 {
			j.total += int64(n)
		} else {
			j.total = -1 // rows that the input doesn't tell
		}
	}
	return nil
}

// pick lists the arrays that are asked for; at finds members by their names.
func (j *job) pick(members []array.Member, at map[string]int) error {
	var refused error
	if r, ok := j.r.(interface{ Refused() error }); ok {
		refused = r.Refused()
	}
	if j.opts.Arrays == nil {
		switch {
		case refused != nil && !j.opts.Skip:
			return &RefusedError{Err: refused}
		case refused != nil:
			j.note("", "left out: %v", refused)
		}
		for _, m := range members {
			j.list = append(j.list, item{src: m, name: m.Name})
		}
		return nil
	}
	for _, name := range j.opts.Arrays {
		i, ok := at[name]
		if !ok {
			if s, err := j.r.Stream(name, 0); err == nil {
				s.Close()
			} else if refused != nil {
				return err // why it is not served
			}
			return fmt.Errorf("%s: no array %q; there are %s", j.in, name, names(members))
		}
		j.list = append(j.list, item{src: members[i], name: members[i].Name})
	}
	return nil
}

// part tells whether a name is that of a struct's field, with its array's before
// it.
func (j *job) part(name string) bool {
	return slices.ContainsFunc(j.list, func(it item) bool {
		path, ok := strings.CutPrefix(name, it.src.Name+".")
		if !ok {
			return false
		}
		list, err := parts(it.src.Spec.DType)
		return err == nil && slices.ContainsFunc(list, func(p part) bool { return p.path == path })
	})
}

// stem is a path's last part without the extension.
func stem(path string) string {
	base := filepath.Base(path)
	if s := strings.TrimSuffix(base, filepath.Ext(base)); s != "" {
		return s
	}
	return base
}

// maxNames is how many arrays an error lists.
const maxNames = 20

// names lists arrays for an error.
func names(members []array.Member) string {
	var list []string
	for i, m := range members {
		if i == maxNames {
			list = append(list, fmt.Sprintf("%d more", len(members)-i))
			break
		}
		list = append(list, strconv.Quote(m.Name))
	}
	if list == nil {
		return "none"
	}
	return strings.Join(list, ", ")
}
