// Package export writes the samples of a .beton as other systems' datasets: a
// folder of class folders (torchvision's ImageFolder), WebDataset's tar shards,
// Parquet as Hugging Face reads it, MosaicML's MDS.
//
//	stats, err := export.Write(ctx, file, "photos", &export.Options{Format: export.Folder})
//
// JPEGs are written as they are stored, byte for byte; pictures stored as pixels
// become PNGs, which lose nothing. Samples stay in their order, and the same
// dataset with the same options gives the same bytes, whatever the number of
// workers. What is written appears whole, at the end, or not at all: see Write.
//
// docs/export.md says what each format holds.
package export

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/store"
)

// Format is what a dataset is exported as.
type Format string

// The formats.
const (
	Folder  Format = "folder"  // class folders with an image file a sample
	Tar     Format = "tar"     // WebDataset: tar files
	Parquet Format = "parquet" // Parquet files with Hugging Face's image columns
	MDS     Format = "mds"     // MosaicML Streaming: .mds files and an index.json
)

// Formats are all formats, in the order in which they are listed for people.
func Formats() []Format { return []Format{Folder, Tar, Parquet, MDS} }

// ErrForeign says that a folder which was to be replaced holds what no export
// wrote.
var ErrForeign = errors.New("not only what an export wrote")

// ErrTwice says that two samples have one name.
var ErrTwice = errors.New("two samples of one name")

// Dataset is what is exported: a *ffcv.File, or what package dataset makes of
// some. Its methods are called by many goroutines at once.
type Dataset interface {
	loader.Dataset
	loader.Keyer
	Classes() []string
}

// What KeyFrom may say instead of a field.
const (
	KeyPath  = "path"  // the sample's own key, mostly the path that it came from
	KeyIndex = "index" // its number
)

// Options are the choices of Write. nil and the zero value of every member but
// Format are the defaults.
type Options struct {
	Format Format // Folder unless given

	// ShardSize is how many bytes a shard (tar, Parquet, MDS) may have; one sample
	// that has more has a shard for itself. 0 is 256 MiB, of MDS 64 MiB, the peers'
	// own default.
	ShardSize int64

	// KeyFrom says what samples are called: KeyPath, KeyIndex, or the name of an
	// int, bytes or JSON field (of strings). "" is the path of samples that have
	// one, and the number of others. Two samples of one name are an error.
	KeyFrom string

	// Fields are the fields to export, in this order. nil is all.
	Fields []string

	// Label is the field of labels; "" is the one named "label", or the only int
	// field.
	Label string

	// Ext are the extensions of bytes fields' values (folder, tar), by the field's
	// name and without dot: "txt". The default is "bin".
	Ext map[string]string

	// Prefix begins the names of tar and Parquet shards: "shard" and "data" unless
	// given. The default is wrong where Hugging Face is to know the split, by
	// "train" or "test".
	Prefix string

	// Metadata has a folder export write metadata.jsonl, a line a sample in the
	// dataset's order, also when pictures and labels are all there is. The default
	// is wrong when the order matters, which a folder does not have.
	Metadata bool

	// OnError is told of each sample that can't be exported, in their order, and
	// lets it be left out by nil. An error of it ends the export. Without it every
	// such sample does.
	OnError func(*SampleError) error

	// Warn is told what a user should know of what was written.
	Warn func(string)

	// Overwrite replaces an earlier export at the place, and nothing else: a folder
	// with any file that no export wrote is ErrForeign.
	Overwrite bool

	Store    *store.Options      // how URLs are reached
	Workers  int                 // goroutines that read and encode; 0 is GOMAXPROCS, and more from or to an object store
	Progress func(done, all int) // told now and then, from one goroutine
}

// Stats tell what was written.
type Stats struct {
	Samples int   // that are there now
	Skipped int   // that OnError left out
	Files   int64 // of all kinds
	Shards  int   // tar, Parquet and MDS files among them
	Bytes   int64 // of all files
	PNG     int64 // pictures that were stored as pixels, written as PNG
}

// SampleError says which sample could not be exported, and why.
type SampleError struct {
	File   string // the dataset, or the file of it that the sample is in
	Sample int    // its number in what was exported
	Key    string // "" none
	Field  string // "" where it isn't one field's
	Err    error
}

func (e *SampleError) Error() string {
	where := fmt.Sprintf("%s: sample %d", store.Name(e.File), e.Sample)
	if e.Key != "" {
		where += fmt.Sprintf(" (%s)", e.Key)
	}
	if e.Field != "" {
		where += fmt.Sprintf(", field %q", e.Field)
	}
	return where + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *SampleError) Unwrap() error { return e.Err }

// Write exports the samples of ds to out, a folder's path or URL.
//
// On the local disk all is written to a folder beside out, which takes its name
// when it is complete: until then, and after an error, out is as it was. In an
// object store objects appear one by one; the last of them is
// .betongo-export.json, by which a whole export is told from what a killed one
// left (behind an index of the format, which comes just before). After an error
// what was sent is removed again.
//
// Something at out is fs.ErrExist, unless it is an empty folder, or an earlier
// export and Overwrite is set.
//
// Memory does not depend on the number of samples, but for 16 bytes each by which
// two of one name are found (not with KeyIndex, nor for Parquet and MDS, where
// names are a column).
func Write(ctx context.Context, ds Dataset, out string, opts *Options) (Stats, error) {
	if opts == nil {
		opts = &Options{}
	}
	e := &exporter{opts: *opts}
	if err := e.defaults(); err != nil {
		return Stats{}, err
	}
	var err error
	if e.plan, err = newPlan(ds, &e.opts); err != nil {
		return Stats{}, err
	}
	if e.to, err = openTarget(ctx, out, &e.opts); err != nil {
		return Stats{}, err
	}
	if err = e.write(ctx); err == nil {
		err = e.to.commit(ctx, e.receipt())
	}
	if err != nil {
		return Stats{}, errors.Join(err, e.to.abort(context.WithoutCancel(ctx)))
	}
	e.stats.Files, e.stats.Bytes = e.to.written()
	return e.stats, nil
}

// exporter is one run of Write.
type exporter struct {
	opts  Options
	plan  *plan
	to    target
	stats Stats
}

// defaults fills in what the options leave open, and checks the rest.
func (e *exporter) defaults() error {
	o := &e.opts
	if o.Format == "" {
		o.Format = Folder
	}
	if !slices.Contains(Formats(), o.Format) {
		return fmt.Errorf("export: format %q; expected one of %v", o.Format, Formats())
	}
	if o.ShardSize < 0 || o.Workers < 0 {
		return fmt.Errorf("export: ShardSize %d, Workers %d; expected 0 or more", o.ShardSize, o.Workers)
	}
	if o.ShardSize == 0 {
		if o.ShardSize = 256 << 20; o.Format == MDS {
			o.ShardSize = 64 << 20
		}
	}
	if o.Format == MDS && o.ShardSize >= 1<<32 {
		return fmt.Errorf("export: ShardSize %d; MDS's shards have less than 4 GiB, and are in memory until they are complete", o.ShardSize)
	}
	if o.Prefix == "" {
		if o.Prefix = "shard"; o.Format == Parquet {
			o.Prefix = "data"
		}
	}
	if clean := component(o.Prefix); clean != o.Prefix || len(o.Prefix) > 100 {
		return fmt.Errorf("export: prefix %q; expected a part of a file name", o.Prefix)
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	return nil
}

// pick makes a dataset of some fields.
func pick(ds Dataset, names []string) (Dataset, error) {
	if names == nil {
		return ds, nil
	}
	list := make([]dataset.Field, len(names))
	for k, name := range names {
		list[k].Name = name
	}
	return dataset.NewSelect(ds, list...)
}

// exists is the error of an output that is there already.
func exists(out string) error {
	return &fs.PathError{Op: "export", Path: store.Name(out), Err: fs.ErrExist}
}
