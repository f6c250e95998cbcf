package ffcv

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/aside"
)

// FieldSpec is one field of a file to be written.
type FieldSpec struct {
	// Name is ASCII without NUL, at most NameSize bytes, and no other field's.
	Name string
	// Field stores the values. Two specs may share one.
	Field fields.Field
}

// Sample is one sample of a stream.
type Sample struct {
	// Values has one value for each field, in the file's order. The writer
	// keeps the slice and what it holds until the sample is encoded, which may
	// be long after the sequence was asked for the next one: a sequence does
	// not use them again.
	Values []any
	// Key is the sample's source path or key, "" for none: relative, with '/'
	// between its parts. It names the sample in errors, and File.Find finds it.
	Key string
}

// Dataset is an indexable source of samples.
type Dataset interface {
	// Len is the number of samples. It does not change.
	Len() int

	// Sample returns sample i's values, one for each field in the file's
	// order, and its key, "" for none (see Sample.Key). It is called
	// concurrently, and may be called more than once for one i. The writer is
	// done with the values once the sample is encoded, on the goroutine that
	// called: they may borrow memory that lives until that goroutine's next
	// call.
	Sample(ctx context.Context, i int) (values []any, key string, err error)
}

// Options say how a file is written. Nil and the zero value of every member
// are the defaults.
type Options struct {
	// PageSize is the size of a data page in bytes, a power of two from
	// MinPageSize to MaxPageSize; 0 is DefaultPageSize. The default is wrong
	// when a sample is larger than it.
	PageSize int64

	// Workers is the number of goroutines that fetch and encode samples; 0 is
	// GOMAXPROCS. The file does not depend on it. The default is wrong when
	// samples come from far away, or when other work needs the processors.
	Workers int

	// Overwrite allows to replace an existing file, at the very end.
	Overwrite bool

	// Plain leaves out the extension block: no class names, no keys, no marks, no
	// checksums; what FFCV itself would have written.
	Plain bool

	// LargeSamples gives a sample that is larger than a page a run of whole
	// pages instead of an error. FFCV reads such a file with os_cache=True
	// only; with os_cache=False it silently reads wrong bytes.
	LargeSamples bool

	// Seed is where the shuffled order and every random choice of a field
	// (fields.At.Rand) come from.
	Seed uint64

	// Classes are the class names of the extension block, none when empty.
	Classes []string

	// Sections are further sections of the extension block, in this order:
	// what other packages keep in a file. Their tags are not those that this
	// package knows, and no two alike. Readers pass over tags that they do not
	// know; File.Sections and OpenSection give them.
	Sections []NewSection

	// Base are files whose samples come first in the new one, in this order,
	// before those of the dataset or stream.
	Base []Base

	// Journal is kept beside the partial file, so that a build that is
	// interrupted can go on; nil none.
	Journal *Journal

	// Ready is called when the file is complete and synced, before it takes its
	// place: the last moment to prevent that, by an error, and the moment to
	// close files that it replaces. Several files that shall appear together
	// wait for each other here.
	Ready func(ctx context.Context) error

	// Progress is called at the beginning, then at most about ten times a
	// second, and at the end. Calls come one after another, from any
	// goroutine, and writing waits for them.
	Progress func(Progress)

	// Warn is told, under the same conditions, what a reader of the file
	// should know.
	Warn func(msg string)
}

// NewSection is a section of the extension block to be written.
type NewSection struct {
	Tag  Tag
	Data []byte
}

// Progress tells how far a file is written.
type Progress struct {
	Done    int   // samples placed in the file
	Skipped int   // samples that OnError let go
	Total   int   // samples to write, -1 when unknown
	Bytes   int64 // bytes in data pages and metadata rows
}

// Stats tells what was written.
type Stats struct {
	Samples int   // rows
	Skipped int   // samples that OnError let go
	Large   int   // samples that span pages
	Data    int64 // bytes of values in data pages
	Pages   int64
	Bytes   int64 // size of the file
}

// Writer writes one file. It collects it in NAME.partial-XXXXXX beside the
// target, and renames that only when everything is written, synced to the disk
// and read back: at any time the target is the old file or the whole new one.
// Only a process that dies leaves the partial file behind; with Options.Journal
// an error may too, on purpose.
//
// From Create to the end of a Write, or Close, it holds the target: another
// writer of it, here or in another process, gets an error of who has it.
//
// A Writer is for one goroutine and for one of WriteDataset and WriteStream.
type Writer struct {
	path   string // as given
	target string // path with symbolic links resolved
	opts   Options
	plan   plan
	disk   disk
	lock   *aside.Lock
	part   *partial // nil when committed or discarded, and with a journal before a Write
	used   bool
	closed bool

	journal *journal // nil none, or not yet
	left    leftover // with a journal: what an earlier build left
	stats   Stats
}

// plan is what is fixed about a file before its first sample.
type plan struct {
	specs   []FieldSpec
	members []fields.Layout
	row     rowLayout
	ptrs    []int  // offset in the row of each data pointer, in field order
	descs   []byte // all descriptors
	classes []byte // payload of the section, nil none

	sections []NewSection // further ones

	markers []fields.Marker // of each field, nil none
	marked  []int           // the fields that have one
}

// Create begins a file at path, which must not exist unless Options.Overwrite
// is set. A symbolic link is followed: the file that it names is written.
// Close the writer when done with it, after a Write too.
//
// With Options.Journal what an earlier build left is looked at here, and is a
// *PartialError unless the journal's options allow to go on or to delete it;
// files are made or changed by the Write only.
func Create(path string, specs []FieldSpec, opts *Options) (*Writer, error) {
	return createOn(osDisk{}, path, specs, opts)
}

func createOn(d disk, path string, specs []FieldSpec, opts *Options) (*Writer, error) {
	w := &Writer{path: path, disk: d}
	if opts != nil {
		w.opts = *opts
	}
	if err := w.create(specs); err != nil {
		_ = w.lock.Release()
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	return w, nil
}

func (w *Writer) create(specs []FieldSpec) (err error) {
	if w.path == "" {
		return errors.New("no file name")
	}
	if w.opts.PageSize == 0 {
		w.opts.PageSize = DefaultPageSize
	}
	if err := CheckPageSize(w.opts.PageSize); err != nil {
		return err
	}
	if w.opts.Workers < 0 {
		return fmt.Errorf("%d workers: want 1 or more, or 0 for one a processor", w.opts.Workers)
	}
	if w.opts.Workers == 0 {
		w.opts.Workers = runtime.GOMAXPROCS(0)
	}
	if w.plan, err = newPlan(specs); err != nil {
		return err
	}
	if err := w.checkBase(); err != nil {
		return err
	}
	if !w.opts.Plain {
		w.plan.findMarkers()
	}
	if len(w.opts.Classes) > 0 && !w.opts.Plain {
		if w.plan.classes, err = appendClasses(nil, w.opts.Classes); err != nil {
			return err
		}
	}
	if err := checkSections(w.opts.Sections); err != nil {
		return err
	}
	w.plan.sections = w.opts.Sections
	if w.target, err = aside.Resolve(w.path); err != nil {
		return err
	}
	return w.claim()
}

// claim takes the target's lock, and makes the partial file or, with a journal,
// sees whether one can be made.
func (w *Writer) claim() (err error) {
	journaled := w.opts.Journal != nil
	if !journaled {
		if err := aside.Check(w.target, w.opts.Overwrite, false); err != nil {
			return err
		}
	}
	if w.lock, err = aside.Hold(w.target); err != nil {
		return err
	}
	if journaled {
		if err := w.checkLeftover(); err != nil {
			return err
		}
		if !w.opts.Journal.Resume || !w.left.whole {
			if err := aside.Check(w.target, w.opts.Overwrite, false); err != nil {
				return err
			}
		}
	}
	w.tellPartials()
	if !journaled {
		w.part, err = createPartialOn(w.disk, w.target)
	}
	return err
}

// tellPartials tells of what dead writers left, but for what this one goes on
// with or deletes.
func (w *Writer) tellPartials() {
	if w.lock == nil || w.opts.Warn == nil {
		return // it might be a living one's
	}
	list, err := aside.Partials(w.target)
	if err != nil {
		return // it's only a word
	}
	list = slices.DeleteFunc(list, func(name string) bool { return slices.Contains(w.left.names, name) })
	if len(list) > 0 {
		w.tell(strings.Join(list, ", ") + ": left by a writer that was killed or interrupted; to be deleted unless it is to go on")
	}
}

// checkSections finds tags that have a meaning here, or come twice.
func checkSections(list []NewSection) error {
	seen := map[Tag]bool{}
	for _, s := range list {
		if s.Tag.Known() || s.Tag == TagSide || seen[s.Tag] {
			return fmt.Errorf("extension section %v: the tag is taken", s.Tag)
		}
		seen[s.Tag] = true
	}
	return nil
}

// newPlan checks the fields and lays out their rows and descriptors.
func newPlan(specs []FieldSpec) (p plan, err error) {
	defer recovered(&err) // of a program's own field
	if len(specs) == 0 {
		return plan{}, errors.New("no fields: a file has at least one")
	}
	p = plan{specs: append([]FieldSpec(nil), specs...), members: make([]fields.Layout, len(specs))}
	names := make([]string, len(specs))
	refs := make([]*fields.Layout, len(specs))
	for i, s := range specs {
		if s.Field == nil {
			return plan{}, fmt.Errorf("field %q: no Field", s.Name)
		}
		names[i], p.members[i] = s.Name, s.Field.Layout()
		refs[i] = &p.members[i]
	}
	if err := CheckNames(names); err != nil {
		return plan{}, err
	}
	if p.row, err = layoutRow(refs); err != nil {
		return plan{}, err
	}
	p.descs = make([]byte, len(specs)*DescriptorSize)
	for i, s := range specs {
		for _, off := range p.members[i].Pointers {
			if off < 0 || off > p.members[i].Size-8 {
				return plan{}, fmt.Errorf("field %q: data pointer at %d, outside of its %d bytes", s.Name, off, p.members[i].Size)
			}
			p.ptrs = append(p.ptrs, p.row.offsets[i]+off)
		}
		args, err := s.Field.Args()
		if err != nil {
			return plan{}, fmt.Errorf("field %q: %w", s.Name, err)
		}
		d := FieldDesc{Type: s.Field.TypeID(), Name: s.Name, Args: args}
		d.Put(p.descs[i*DescriptorSize:])
	}
	return p, nil
}

// findMarkers finds the fields that make marks.
func (p *plan) findMarkers() {
	p.markers = make([]fields.Marker, len(p.specs))
	for i, s := range p.specs {
		if m, ok := s.Field.(fields.Marker); ok {
			p.markers[i] = m
			p.marked = append(p.marked, i)
		}
	}
}

// begin claims the writer for one Write.
func (w *Writer) begin() error {
	if w.used {
		return errors.New("this writer was used already")
	}
	if w.closed {
		return errors.New("the writer is closed")
	}
	w.used = true
	return nil
}

// Close discards what was written, unless a Write returned without an error or
// with an *InterruptedError, and lets the target go. A second Close does nothing.
func (w *Writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	err := errors.Join(w.drop(), w.lock.Release())
	if err != nil {
		return fmt.Errorf("discard %s: %w", w.path, err)
	}
	return nil
}

// drop closes the files, and removes them if nothing can go on with them.
func (w *Writer) drop() error {
	keep := w.journal != nil && w.journal.last()
	var errs []error
	if w.part != nil {
		if keep {
			errs = append(errs, w.part.keep())
		} else {
			errs = append(errs, w.part.discard())
		}
		w.part = nil
	}
	if w.journal != nil {
		errs = append(errs, w.journal.close(keep))
		w.journal = nil
	}
	return errors.Join(errs...)
}

// Stats tells what a Write wrote; all zero before it returns without an error.
func (w *Writer) Stats() Stats { return w.stats }
