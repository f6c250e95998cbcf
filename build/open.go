package build

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/store"
)

// OpenOptions say how a source is reached. Nil and the zero value of every member
// are the defaults.
type OpenOptions struct {
	// Store says how object stores are reached.
	Store *store.Options

	// Images counts what the image fields did; nil counts nothing.
	Images *fields.ImageStats
}

// Source is what a recipe makes a dataset from, opened. It is safe for concurrent
// use until Close.
type Source struct {
	ffcv.Dataset
	Fields  []source.Field
	Classes []string
	LeftOut []source.Skip // found in the source, and no samples
	Unit    string        // what a sample is called: image, sample

	of      opened
	far     bool // samples come from an object store
	fetched bool // files of it are copies
	closers []func() error
}

// opened is what every source of package source has.
type opened interface {
	ffcv.Dataset
	Fields() []source.Field
	Classes() []string
	Identity(context.Context) ([]source.Trait, error)
	Traits(context.Context) ([]source.Trait, error)
	Files(ctx context.Context, n int, at func(k int) int) (string, error)
	Close() error
}

// Open opens the source of the recipe. Close it after its last use.
func (r *Recipe) Open(ctx context.Context, opts *OpenOptions) (s *Source, err error) {
	if opts == nil {
		opts = &OpenOptions{}
	}
	if err := r.Check(); err != nil {
		return nil, err
	}
	s = &Source{Unit: "sample"}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
			s = nil
		}
	}()
	here, err := r.at(localName)
	var one slot
	if err == nil {
		one, err = here.source()
	}
	if err == nil {
		err = one.kind.open(ctx, s, &here, opts)
	}
	if err != nil {
		return s, err
	}
	s.Dataset, s.Classes = s.of, s.of.Classes()
	if s.Fields == nil {
		s.Fields = s.of.Fields()
	}
	return s, nil
}

// Close closes the source. Samples that borrow from it must not be used after. A
// second Close does nothing.
func (s *Source) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// Identity returns what tells the source from another one, also from a copy of
// it: see source.Trait.
func (s *Source) Identity(ctx context.Context) ([]source.Trait, error) {
	if s.fetched { // just now
		return s.of.Traits(ctx)
	}
	return s.of.Identity(ctx)
}

// Traits returns what tells the source from another one, wherever it lies.
func (s *Source) Traits(ctx context.Context) ([]source.Trait, error) {
	list, err := s.of.Traits(ctx)
	if err != nil {
		return nil, err
	}
	return append(list, source.Trait{Name: "samples", Value: fmt.Sprint(s.Len())}), nil
}

// files sums up the files of the rows from lo to hi.
func (s *Source) files(ctx context.Context, at func(row int) int, lo, hi int) (string, error) {
	if lo == hi {
		return "", nil
	}
	return s.of.Files(ctx, hi-lo, func(k int) int { return at(lo + k) })
}

// specs are the fields of a file of the source.
func (s *Source) specs() []ffcv.FieldSpec {
	list := make([]ffcv.FieldSpec, len(s.Fields))
	for i, f := range s.Fields {
		list[i] = ffcv.FieldSpec{Name: f.Name, Field: f.Field}
	}
	return list
}

// modulePath is this module's.
const modulePath = "github.com/betongo/betongo"

// version is the version of this module in the program, "" where it was built
// from a folder and nobody can tell.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	v := ""
	if info.Main.Path == modulePath {
		v = info.Main.Version
	}
	for _, d := range info.Deps {
		if d.Path == modulePath && d.Replace == nil {
			v = d.Version
		}
	}
	if v == "(devel)" || strings.HasSuffix(v, "+dirty") {
		return ""
	}
	return v
}
