// Package splice makes .beton files out of .beton files: several as one
// (Merge), some samples of one (Subset), all of them divided (Split), a field
// more (Add), labels renamed (Remap), samples more (Append), checksums and checkpoints more (Seal, and
// SealInPlace, which alone writes into the file itself), the samples of a damaged
// one that are whole (Repair). Diff says in what two of them differ.
//
// Values are copied as they are stored: nothing is decoded or encoded, and
// every byte of a value is the same in the new file. Merge, Append, Remap, and Add of
// fields without bytes in data pages copy the pages as they are and move the
// pointers; the others place the values anew, packed as a writer packs them.
// Names of samples, marks and class names come along, and so do sections of the
// extension block that other packages keep: Merge takes those that all files
// have alike. FFCV reads the files: all bytes of a sample are in one page.
//
// A file is collected beside its target and takes its place when it is whole
// (see ffcv.Writer): after an error, or a kill, nothing is changed. Memory does
// not depend on the number of samples.
package splice

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync/atomic"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/mmap"
)

// Options say how files are written. Nil and the zero value of every member are
// the defaults.
type Options struct {
	// Overwrite allows to replace an existing file, at the very end. It may be
	// one that is read: it is closed right before it is replaced.
	Overwrite bool

	// PageSize is the size of data pages where values are placed anew; 0 is the
	// first file's. The default is wrong when a sample with a field more is
	// larger than a page.
	PageSize int64

	// Repack makes Merge place the values anew instead of copying pages. The
	// default is wrong when page sizes differ, or when the files have many pages
	// that are nearly empty.
	Repack bool

	// Plain leaves out the extension block, as in ffcv.Options.
	Plain bool

	// Pages has Merge leave out the data pages of the files, and tells for each
	// file, by its number, where they lie and belong: see ffcv.Base. What is at path
	// then is not a whole file. It does not go with Repack.
	Pages func(file int, from, to, n int64) error

	// LargeSamples is as in ffcv.Options. Pages that are copied keep the runs of
	// samples that have one.
	LargeSamples bool

	// Workers is the number of goroutines that copy values which are placed anew;
	// 0 is GOMAXPROCS.
	Workers int

	// Progress and Warn are as in ffcv.Options. Of several files written at once
	// Progress tells the sum. Warn is also told what of an input cannot be taken
	// along.
	Progress func(ffcv.Progress)
	Warn     func(msg string)
}

// get returns the options, which may be nil.
func (o *Options) get() Options {
	if o == nil {
		return Options{}
	}
	return *o
}

// writer returns the options of a new file's writer. closed are the files that
// are read, which the new one may replace.
func (o *Options) writer(path string, pageSize int64, files ...*ffcv.File) *ffcv.Options {
	if o.PageSize != 0 {
		pageSize = o.PageSize
	}
	opts := &ffcv.Options{
		PageSize: pageSize, Workers: o.Workers, Overwrite: o.Overwrite, Plain: o.Plain,
		LargeSamples: o.LargeSamples, Progress: o.Progress, Warn: o.Warn,
	}
	opts.Ready = func(context.Context) error { return closeReplaced(path, files) }
	return opts
}

// closeReplaced closes the files that lie at path: some systems don't replace
// one that is open.
func closeReplaced(path string, files []*ffcv.File) error {
	target, err := os.Stat(path)
	if err != nil {
		return nil // nothing is replaced
	}
	for _, f := range files {
		if info, err := os.Stat(f.Name()); err == nil && os.SameFile(info, target) {
			if err := f.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

// carried is what of a file's extension block goes into a new one as it is.
type carried struct {
	classes  []string
	sections []ffcv.NewSection // those that this package does not know
}

// put has a new file carry it along.
func (c *carried) put(w *ffcv.Options) { w.Classes, w.Sections = c.classes, c.sections }

// maxCarried bounds what of a section that is not known is taken along: it
// passes through memory.
const maxCarried = 64 << 20

// extension returns what of a file's extension block comes along, and tells
// which sections of it don't. An error is one of reading.
func (o *Options) extension(f *ffcv.File) (c carried, err error) {
	warn := o.Warn
	if warn == nil || o.Plain {
		warn = func(string) {}
	}
	err = guard(f, func() error {
		list, err := f.Sections()
		if err != nil {
			warn(fmt.Sprintf("what the extension block holds is left behind where it is damaged: %v", err))
		}
		c.classes = f.Classes()
		seen := map[ffcv.Tag]bool{}
		for _, s := range list {
			switch {
			case s.Tag == ffcv.TagClasses && c.classes == nil:
				warn(fmt.Sprintf("%s: the class names are damaged and left behind", f.Name()))
			case s.Tag.Known():
			case seen[s.Tag]:
				warn(fmt.Sprintf("%s: the extension section %v is left behind: there is one before it", f.Name(), s.Tag))
			case s.Length > maxCarried:
				warn(fmt.Sprintf("%s: the extension section %v is left behind: it has %d bytes, and at most %d are taken along", f.Name(), s.Tag, s.Length, maxCarried))
			default:
				b, err := io.ReadAll(f.OpenSection(s))
				if err != nil {
					return err
				}
				c.sections = append(c.sections, ffcv.NewSection{Tag: s.Tag, Data: b})
			}
			seen[s.Tag] = true
		}
		return nil
	})
	return c, err
}

// write creates a file and lets do write it.
func write(path string, specs []ffcv.FieldSpec, opts *ffcv.Options, do func(w *ffcv.Writer) error) (ffcv.Stats, error) {
	w, err := ffcv.Create(path, specs, opts)
	if err != nil {
		return ffcv.Stats{}, err
	}
	defer w.Close()
	if err := do(w); err != nil {
		return ffcv.Stats{}, err
	}
	return w.Stats(), nil
}

// samples gives the samples of a file as stored values. It is safe for
// concurrent use.
type samples struct {
	f      *ffcv.File
	fields int
	lost   atomic.Int64 // names that could not be read
}

func newSamples(f *ffcv.File) *samples { return &samples{f: f, fields: len(f.Fields())} }

// Len is part of ffcv.Dataset.
func (s *samples) Len() int { return s.f.Len() }

// Sample is part of ffcv.Dataset.
func (s *samples) Sample(_ context.Context, i int) (values []any, key string, err error) {
	return s.with(i, s.fields)
}

// with returns the values and the key of sample i; values has room for n.
func (s *samples) with(i, n int) (values []any, key string, err error) {
	stored := make([]ffcv.Stored, s.fields)
	values = make([]any, s.fields, n)
	for k := range stored {
		stored[k] = ffcv.Stored{File: s.f, Sample: i, Field: k}
		values[k] = &stored[k]
	}
	fault := guard(s.f, func() error {
		var keyErr error
		if key, keyErr = s.f.Key(i); keyErr != nil {
			s.lost.Add(1) // a sample is worth more than its name
		}
		return nil
	})
	return values, key, fault
}

// warnLost tells of names that could not be read.
func (s *samples) warnLost(warn func(string)) {
	if n := s.lost.Load(); n > 0 && warn != nil {
		warn(fmt.Sprintf("%s: the names of %d samples are damaged and left behind", s.f.Name(), n))
	}
}

// guard runs do and returns a memory fault, of a file that was cut short under
// its map, as an error.
func guard(f *ffcv.File, do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			fault := mmap.Fault(r)
			if fault == nil {
				panic(r)
			}
			err = &ffcv.FormatError{File: f.Name(), Sample: -1, Offset: fault.Offset, What: fault.Reason()}
		}
	}()
	return do()
}
