package build

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/source"
)

// kind is a kind of source: what a member of Recipe points to. One is added by its
// type, with these methods and in a file of its own, and by two lines: its member
// of Recipe, and its slot.
type kind interface {
	// check finds what can be seen to be wrong without a look at the source. image
	// is how the recipe stores photographs.
	check(image *Image) error

	// open opens the source of r, whose member this is: s.of, and whatever of s is
	// not as it is without: Unit, LeftOut, Fields, far, fetched. What it opened is
	// closed by s.closers, also when it fails.
	open(ctx context.Context, s *Source, r *Recipe, opts *OpenOptions) error

	// at returns a copy whose paths and URLs are changed, each by one call of
	// change; the copy shares nothing that is changed.
	at(change func(name *string)) kind
}

// labelled is a kind whose labels depend on what is found where the source lies.
// A plan fixes them.
type labelled interface {
	// fixed returns a copy with the classes by label.
	fixed(classes []string) kind

	// labels returns the classes that are fixed.
	labels() []string
}

// slot is a member of a recipe that is a kind.
type slot struct {
	kind kind           // nil where the recipe has none
	set  func(new kind) // puts another one there
}

// slotOf returns the slot of a member.
func slotOf[K interface {
	comparable
	kind
}](member *K) slot {
	var none K
	if *member == none {
		return slot{}
	}
	return slot{*member, func(new kind) { *member = new.(K) }}
}

// slots returns all that a recipe can have, in the order in which they are told.
func (r *Recipe) slots() []slot {
	return []slot{
		slotOf(&r.Folder),
		slotOf(&r.Table),
		slotOf(&r.Arrays),
		slotOf(&r.WebDataset),
		slotOf(&r.MDS),
		slotOf(&r.Parquet),
		slotOf(&r.TFRecord),
		slotOf(&r.HDF5),
		slotOf(&r.CIFAR),
		slotOf(&r.IDX),
		slotOf(&r.Beton),
		slotOf(&r.COCO),
		slotOf(&r.YOLO),
	}
}

// source returns the one slot that is filled.
func (r *Recipe) source() (slot, error) {
	var one slot
	found := 0
	for _, s := range r.slots() {
		if s.kind != nil {
			one = s
			found++
		}
	}
	if found != 1 {
		return slot{}, fmt.Errorf("recipe of %d sources; want one, such as folder, table or arrays", found)
	}
	return one, nil
}

// at returns the recipe with its paths changed by to.
func (r Recipe) at(to func(name string) (string, error)) (_ Recipe, err error) {
	change := func(name *string) {
		if *name != "" && err == nil {
			*name, err = to(*name)
		}
	}
	for _, s := range r.slots() {
		if s.kind != nil {
			s.set(s.kind.at(change))
		}
	}
	return r, err
}

// localName is the path that a file:// URL means, and others as they are.
func localName(name string) (string, error) {
	if path, ok := remote.Local(name); ok {
		return filepath.FromSlash(path), nil
	}
	return name, nil
}

// fix returns the recipe with its labels fixed, where they would depend on what is
// found, and says whether they do.
func (r Recipe) fix(classes []string) (Recipe, bool) {
	for _, s := range r.slots() {
		if l, ok := s.kind.(labelled); ok {
			s.set(l.fixed(classes))
			return r, true
		}
	}
	return r, false
}

// fixed returns the labels that the recipe fixes, and whether it does.
func (r *Recipe) fixed() ([]string, bool) {
	for _, s := range r.slots() {
		if l, ok := s.kind.(labelled); ok {
			return l.labels(), true
		}
	}
	return nil, false
}

// changed returns a copy of a list of paths, each changed by one call of change.
func changed(list []string, change func(name *string)) []string {
	list = append([]string(nil), list...)
	for i := range list {
		change(&list[i])
	}
	return list
}

// tiny is a kind whose images are so small that a JPEG is hardly smaller than their
// pixels: they are stored raw unless the recipe says otherwise.
type tiny interface{ tiny() }

// stored returns how the recipe stores images, with the mode that it has where it
// names none: "" is as it is in another .beton.
func (r *Recipe) stored() Image {
	m := r.Image
	if m.Mode != "" || r.Beton != nil {
		return m
	}
	m.Mode = fields.ModeJPEG.String()
	for _, s := range r.slots() {
		if _, ok := s.kind.(tiny); ok {
			m.Mode = fields.ModeRaw.String()
		}
	}
	return m
}

// imageFields returns the fields of a source that chose them itself, with
// photographs stored as the recipe says.
func (r *Recipe) imageFields(list []source.Field, stats *fields.ImageStats) ([]source.Field, error) {
	m := r.stored()
	image, err := m.Field(stats)
	if err != nil {
		return nil, err
	}
	list = append([]source.Field(nil), list...)
	for i := range list {
		if _, ok := list[i].Field.(fields.RGBImage); ok {
			list[i].Field = image
		}
	}
	return list, nil
}

// specs reads fields as they are typed; photographs are stored as the image says
// unless a text says otherwise. Two of one name are an error.
func (m *Image) specs(texts []string, stats *fields.ImageStats) ([]source.Spec, error) {
	image, err := m.Field(stats)
	if err != nil {
		return nil, err
	}
	var specs []source.Spec
	for _, text := range texts {
		s, err := source.ParseSpec(text, image)
		if err != nil {
			return nil, &OptionError{"field", err}
		}
		specs = append(specs, s)
	}
	return specs, checkNames(specs)
}
