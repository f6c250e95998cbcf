package splice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"

	"github.com/betongo/betongo/ffcv"
)

// Merge writes the samples of all files, one file after another, into one file.
// The files have the same fields: names, kinds, arguments. Those that have
// class names have the same, or the first ones of the longest list, so that a
// label means one class. Page sizes are equal unless Options.Repack is set,
// otherwise it is a *PageSizeError. A custom field of unknown layout is an *ffcv.UnsupportedError.
func Merge(ctx context.Context, path string, files []*ffcv.File, opts *Options) (ffcv.Stats, error) {
	o := opts.get()
	if len(files) == 0 {
		return ffcv.Stats{}, errors.New("merge: no files; want at least one")
	}
	if o.Pages != nil && o.Repack {
		return ffcv.Stats{}, errors.New("merge: values that are placed anew have no pages to leave out")
	}
	specs, err := files[0].Specs()
	if err != nil {
		return ffcv.Stats{}, fmt.Errorf("merge: %w", err)
	}
	for _, f := range files[1:] {
		if err := sameFields(files[0], f); err != nil {
			return ffcv.Stats{}, fmt.Errorf("merge: %w", err)
		}
		if a, b := files[0].Header().PageSize, f.Header().PageSize; a != b && !o.Repack {
			return ffcv.Stats{}, &PageSizeError{File: f.Name(), PageSize: int64(b), First: files[0].Name(), Want: int64(a)}
		}
	}
	kept, err := o.join(files)
	if err != nil {
		return ffcv.Stats{}, fmt.Errorf("merge: %w", err)
	}
	if !o.Repack {
		o.PageSize = 0 // the copied pages'
	}
	w := o.writer(path, int64(files[0].Header().PageSize), files...)
	kept.put(w)
	var ds ffcv.Dataset = none{}
	var all []*samples
	for i, f := range files {
		if o.Repack {
			all = append(all, newSamples(f))
			continue
		}
		b := ffcv.Base{File: f}
		if o.Pages != nil {
			b.Pages = func(from, to, n int64) error { return o.Pages(i, from, to, n) }
		}
		w.Base = append(w.Base, b)
	}
	if o.Repack {
		if ds, err = newChain(all); err != nil {
			return ffcv.Stats{}, fmt.Errorf("merge: %w", err)
		}
	}
	stats, err := write(path, specs, w, func(w *ffcv.Writer) error { return w.WriteDataset(ctx, ds, nil) })
	for _, s := range all {
		s.warnLost(o.Warn)
	}
	return stats, err
}

// PageSizeError says that pages cannot be copied, because page sizes differ.
type PageSizeError struct {
	File     string
	PageSize int64
	First    string // the file that sets the page size
	Want     int64
}

func (e *PageSizeError) Error() string {
	return fmt.Sprintf("%s: pages of %d bytes, those of %s have %d: pages of one size can be copied into one file", e.File, e.PageSize, e.First, e.Want)
}

// sameFields says in what the fields of g differ from those of f.
func sameFields(f, g *ffcv.File) error {
	a, b := f.Fields(), g.Fields()
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(b):
			return fmt.Errorf("%s has no field %q, which %s has", g.Name(), a[i].Name, f.Name())
		case i >= len(a):
			return fmt.Errorf("%s has a field %q, which %s has not", g.Name(), b[i].Name, f.Name())
		case a[i].Name != b[i].Name:
			return fmt.Errorf("field %d of %s is %q, of %s %q: want the same fields in the same order", i, g.Name(), b[i].Name, f.Name(), a[i].Name)
		}
	}
	if _, err := g.Specs(); err != nil {
		return err
	}
	for i := range a {
		if ka, kb := ffcv.Kind(a[i].Type, a[i].Field), ffcv.Kind(b[i].Type, b[i].Field); ka != kb {
			return fmt.Errorf("field %q is %s in %s, %s in %s", a[i].Name, kb, g.Name(), ka, f.Name())
		}
	}
	return nil // that the arguments are the same the writer finds
}

// join returns what of the files' extension blocks their merger carries along.
func (o *Options) join(files []*ffcv.File) (c carried, err error) {
	lists := make([][]string, len(files))
	all := map[ffcv.Tag]int{} // in how many files there is one
	for i, f := range files {
		own, err := o.extension(f)
		if err != nil {
			return carried{}, err
		}
		lists[i] = own.classes
		for _, s := range own.sections {
			all[s.Tag]++
		}
		if i == 0 {
			c.sections = own.sections
			continue
		}
		c.sections = slices.DeleteFunc(c.sections, func(s ffcv.NewSection) bool {
			return !slices.ContainsFunc(own.sections, func(t ffcv.NewSection) bool { return t.Tag == s.Tag && bytes.Equal(t.Data, s.Data) })
		})
	}
	for _, s := range c.sections {
		delete(all, s.Tag)
	}
	for _, tag := range slices.Sorted(maps.Keys(all)) {
		if o.Warn != nil && !o.Plain {
			o.Warn(fmt.Sprintf("the extension section %v is left behind: not all files have it alike", tag))
		}
	}
	c.classes, err = reconcile(files, lists)
	return c, err
}

// reconcile returns the class names of files that shall be one: the longest
// list, with which every other one begins; nil when no file has any. It is an
// error when a label means different classes.
func reconcile(files []*ffcv.File, lists [][]string) ([]string, error) {
	var classes []string
	var from *ffcv.File
	for k, f := range files {
		own := lists[k]
		for i := range min(len(own), len(classes)) {
			if own[i] != classes[i] {
				return nil, fmt.Errorf("class %d is %q in %s, %q in %s: a label would mean two classes", i, own[i], f.Name(), classes[i], from.Name())
			}
		}
		if len(own) > len(classes) {
			classes, from = slices.Clone(own), f
		}
	}
	return classes, nil
}

// none is a dataset without samples.
type none struct{}

func (none) Len() int { return 0 }
func (none) Sample(context.Context, int) ([]any, string, error) {
	return nil, "", errors.New("a dataset without samples")
}

// chain is the samples of several files, one after another.
type chain struct {
	all  []*samples
	ends []int // number of the sample after each file's last
}

func newChain(all []*samples) (*chain, error) {
	c := &chain{all: all}
	n := 0
	for _, s := range all {
		if n += s.Len(); n < 0 {
			return nil, fmt.Errorf("%s: more samples than any file has", s.f.Name())
		}
		c.ends = append(c.ends, n)
	}
	return c, nil
}

func (c *chain) Len() int { return c.ends[len(c.ends)-1] }

func (c *chain) Sample(ctx context.Context, i int) ([]any, string, error) {
	k := sort.SearchInts(c.ends, i+1)
	if k > 0 {
		i -= c.ends[k-1]
	}
	return c.all[k].Sample(ctx, i)
}
