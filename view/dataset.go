package view

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
)

var _ = register((*Server).datasetRoutes)

const (
	mostClasses = 10_000 // that are listed
	mostFiles   = 1_000  // that are listed
	mostAsked   = 16     // files that are asked what sections they have
)

func (s *Server) datasetRoutes() []route {
	return []route{{"GET", "/api/dataset", s.showDataset}}
}

// labelOf returns the field whose numbers are the samples' classes: the int field
// of that name, or the only one; -1 where there is none.
func labelOf(list []ffcv.Field) int {
	only, n := -1, 0
	for k, d := range list {
		if d.Type != fields.TypeInt {
			continue
		}
		if d.Name == "label" {
			return k
		}
		only, n = k, n+1
	}
	if n != 1 {
		return -1
	}
	return only
}

// namesOf returns the fields' names in UTF-8, no two alike: those in a file may
// be anything.
func namesOf(list []ffcv.Field) []string {
	var names []string
	for k, d := range list {
		name := strings.ToValidUTF8(d.Name, "\ufffd")
		for slices.Contains(names, name) {
			name = fmt.Sprintf("%s#%d", name, k)
		}
		names = append(names, name)
	}
	return names
}

// shownName is what a page calls the first field of a name in the file.
func (s *Server) shownName(name string) string {
	k := slices.IndexFunc(s.fields, func(f ffcv.Field) bool { return f.Name == name })
	if k < 0 {
		return name
	}
	return s.names[k]
}

// fieldNamed returns the field that a request names, which is of one of the kinds;
// without a name the first one of the first kind that there is.
func (s *Server) fieldNamed(r *http.Request, what string, kinds ...string) (int, error) {
	if !r.URL.Query().Has("field") {
		for _, kind := range kinds {
			for k := range s.fields {
				if s.kindOf(k) == kind {
					return k, nil
				}
			}
		}
		return 0, errorf(http.StatusNotFound, "no field has %s", what)
	}
	name := r.URL.Query().Get("field")
	k := slices.Index(s.names, name)
	switch {
	case k < 0:
		return 0, errorf(http.StatusNotFound, "no field %q; there are %s", name, strings.Join(s.names, ", "))
	case !slices.Contains(kinds, s.kindOf(k)):
		return 0, errorf(http.StatusNotFound, "field %q has no %s", name, what)
	}
	return k, nil
}

// className returns the name of a label; "" where it has none.
func (s *Server) className(label int64) string {
	if label < 0 || label >= int64(len(s.classes)) {
		return ""
	}
	return s.classes[label]
}

// facts are what files tell beside their samples.
type facts struct {
	Keys   bool `json:"keys"`   // samples have names
	Sealed bool `json:"sealed"` // and checksums
	Marks  bool `json:"marks"`  // pictures have checkpoints
	kinds  []string
}

// look asks the first files what they have: of very many the others are taken to
// be alike.
func (s *Server) look() facts {
	s.facts.once.Do(func() {
		f := facts{Sealed: true}
		some := false
		for i := range s.files[:min(len(s.files), mostAsked)] {
			if s.files[i].n == 0 || i > 0 && s.files[i].beton == nil {
				continue // those that aren't open stay so
			}
			some = true
			guarded(func() error { s.ask(&s.files[i], &f); return nil }) // what can't be read isn't there
		}
		f.Sealed = f.Sealed && some
		f.kinds = s.kinds()
		s.facts.facts = f
	})
	return s.facts.facts
}

// ask adds what one file has.
func (s *Server) ask(one *file, f *facts) {
	v, ok := one.ds.(loader.Verifier)
	f.Sealed = f.Sealed && ok && v.Verifiable() == nil
	if one.beton == nil {
		if k, ok := one.ds.(loader.Keyer); ok {
			key, err := k.Key(0)
			f.Keys = f.Keys || err == nil && key != ""
		}
		return
	}
	list, _ := one.beton.Sections() // those before the damage
	for _, section := range list {
		f.Keys = f.Keys || section.Tag == ffcv.TagNames
		f.Marks = f.Marks || section.Tag == ffcv.TagMarks
	}
}

// kinds are the fields' kinds; of bytes what the first sample has.
func (s *Server) kinds() []string {
	list := make([]string, len(s.fields))
	for k := range s.fields {
		list[k] = s.kindOf(k)
		if list[k] != kindBytes || s.ds.Len() == 0 {
			continue
		}
		guarded(func() error {
			v, err := s.find(0, k)
			if err == nil {
				list[k] = s.kind(v)
			}
			return err
		})
	}
	return list
}

type fieldAnswer struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Kind       string `json:"kind"`
	Compressed bool   `json:"compressed"`
	DType      string `json:"dtype,omitempty"`
	Shape      []int  `json:"shape,omitempty"`
}

type fileAnswer struct {
	Name    string `json:"name"`
	Size    *int64 `json:"size"` // null: the file isn't open
	Samples int    `json:"samples"`
}

type datasetAnswer struct {
	Name       string        `json:"name"`
	Files      []fileAnswer  `json:"files"`
	FileCount  int           `json:"file_count"`
	Samples    int           `json:"samples"`
	Size       *int64        `json:"size"`
	PageSize   int64         `json:"page_size"`
	Pages      *int64        `json:"pages"`
	Fields     []fieldAnswer `json:"fields"`
	Classes    []string      `json:"classes"`
	ClassCount int           `json:"class_count"`
	Version    int           `json:"version"`
	Quarantine int           `json:"quarantine"`
	facts
}

func (s *Server) showDataset(w http.ResponseWriter, r *http.Request) error {
	a := datasetAnswer{Name: s.ds.Name(), FileCount: len(s.files), Samples: s.ds.Len(), facts: s.look(),
		ClassCount: len(s.classes), Quarantine: len(s.opts.Quarantine)}
	for _, name := range s.classes[:min(len(s.classes), mostClasses)] {
		a.Classes = append(a.Classes, strings.ToValidUTF8(name, "\ufffd"))
	}
	if p, ok := s.ds.(loader.Pager); ok {
		h := p.Header()
		a.PageSize, a.Version = int64(h.PageSize), int(h.Version)
	}
	for k := range s.fields {
		a.Fields = append(a.Fields, s.describe(k))
	}
	size, pages := new(int64), new(int64)
	for i := range s.files {
		f := &s.files[i]
		one := fileAnswer{Name: f.name, Samples: f.n}
		if f.beton == nil {
			size, pages = nil, nil
		} else {
			n := f.beton.Size()
			one.Size = &n
			if size != nil {
				*size += n
				_, n := f.beton.Pages()
				*pages += n
			}
			a.Version = int(f.beton.Header().Version)
		}
		if i < mostFiles {
			a.Files = append(a.Files, one)
		}
	}
	a.Size, a.Pages = size, pages
	return writeJSON(w, a)
}

// describe is a field as JSON.
func (s *Server) describe(k int) fieldAnswer {
	d := &s.fields[k]
	a := fieldAnswer{Name: s.names[k], Type: s.typeName(k), Kind: s.look().kinds[k]}
	_, a.Compressed = d.Field.(fields.Packed)
	if spec, ok := arraySpec(d); ok {
		a.DType, a.Shape = spec.DType.String(), spec.Shape
	}
	switch f := plainField(d).(type) {
	case fields.Image:
		channels, depth := f.Kind()
		a.DType, a.Shape = fmt.Sprintf("uint%d", 8*depth), []int{-1, -1, channels}
	case fields.Opaque:
		a.DType = f.DType
	}
	return a
}

// typeName says what a field is, as 'ffcv info' does, and more of custom ones.
func (s *Server) typeName(k int) string {
	d := &s.fields[k]
	name := d.Type.String()
	if d.Type != fields.TypeCustom {
		return name
	}
	switch f := d.Field.(type) {
	case fields.Packed:
		return fmt.Sprintf("%s (compressed %s)", name, f.Plain().TypeID())
	case fields.Image:
		return name + " (image)"
	case fields.Audio:
		return name + " (audio)"
	}
	return name
}
