package build

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/store"
)

// Arrays are .npy files, on the local disk or in an object store
// (source.Arrays).
type Arrays struct {
	Files  []string `json:"files,omitempty"`  // FILE, or NAME=FILE
	Fields []string `json:"fields,omitempty"` // as source.ParseSpec reads them
}

func (a *Arrays) check(image *Image) error {
	_, err := a.specs(image, nil)
	return err
}

// specs returns the fields: one for each file, of the type that is said in Fields
// or chosen by what the file holds.
func (a *Arrays) specs(image *Image, stats *fields.ImageStats) ([]source.Spec, error) {
	var specs []source.Spec
	at := map[string]int{}
	for _, arg := range a.Files {
		name, file := cutArray(arg)
		at[name] = len(specs)
		specs = append(specs, source.Spec{Field: source.Field{Name: name}, File: file})
	}
	typed, err := image.specs(a.Fields, stats)
	if err != nil {
		return nil, err
	}
	for _, s := range typed {
		i, ok := at[s.Name]
		switch {
		case !ok:
			specs = append(specs, s)
		case s.File != "":
			return nil, fmt.Errorf("field %q has two files: %s and %s", s.Name, specs[i].File, s.File)
		default:
			s.File = specs[i].File
			specs[i] = s
		}
	}
	if len(specs) == 0 {
		return nil, errors.New("expected at least one .npy file")
	}
	return specs, checkNames(specs)
}

func (a *Arrays) open(ctx context.Context, s *Source, r *Recipe, opts *OpenOptions) error {
	specs, err := a.specs(&r.Image, opts.Images)
	if err != nil {
		return err
	}
	for i := range specs {
		if !store.IsURL(specs[i].File) {
			continue
		}
		c, err := store.Fetch(ctx, specs[i].File, opts.Store)
		if err != nil {
			return fmt.Errorf("field %q of arrays: %w", specs[i].Name, err)
		}
		s.closers = append(s.closers, c.Close)
		specs[i].File, s.fetched = c.Path, true
	}
	d, err := source.OpenArrays(specs)
	if err != nil {
		return err
	}
	s.of = d
	s.closers = append(s.closers, d.Close)
	return nil
}

func (a *Arrays) at(change func(name *string)) kind {
	c := Arrays{Files: append([]string(nil), a.Files...), Fields: append([]string(nil), a.Fields...)}
	for i, arg := range c.Files {
		name, file := cutArray(arg)
		change(&file)
		c.Files[i] = name + "=" + file
	}
	for i, text := range c.Fields {
		c.Fields[i] = changeFile(text, change)
	}
	return &c
}

// cutArray takes FILE or NAME=FILE apart. A field is named like its file unless
// the argument says otherwise.
func cutArray(arg string) (name, file string) {
	if name, file, ok := strings.Cut(arg, "="); ok && !strings.Contains(name, "://") {
		return name, file
	}
	base := path.Base(filepath.ToSlash(arg))
	return strings.TrimSuffix(base, path.Ext(base)), arg
}

// changeFile changes the file=FILE of a field's text.
func changeFile(text string, change func(*string)) string {
	head, settings, ok := strings.Cut(text, ":")
	if !ok {
		return text
	}
	parts := strings.Split(settings, ",")
	for i, p := range parts {
		if file, ok := strings.CutPrefix(p, "file="); ok {
			change(&file)
			parts[i] = "file=" + file
		}
	}
	return head + ":" + strings.Join(parts, ",")
}
