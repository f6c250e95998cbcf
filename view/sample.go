package view

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
)

var _ = register((*Server).sampleRoutes)

func (s *Server) sampleRoutes() []route {
	return []route{{"GET", "/api/sample/{i}", s.showSample}}
}

const (
	mostValue  = 16 << 10 // bytes of a text that a sample's page has
	mostHex    = 64       // bytes of a field's metadata
	neighbours = 5        // on each side
)

type sampleAnswer struct {
	Index      int           `json:"index"`
	File       sampleFile    `json:"file"`
	Key        *string       `json:"key"`
	Prev       *int          `json:"prev"`
	Next       *int          `json:"next"`
	Label      any           `json:"label"`
	Class      *string       `json:"class"`
	Quarantine bool          `json:"quarantine"`
	Fields     []storedField `json:"fields"`
	Neighbours []neighbour   `json:"neighbours"`
	Pages      []int64       `json:"pages"`
}

type sampleFile struct {
	Name   string `json:"name"`
	Number int    `json:"number"` // among the dataset's files, as /api/pages takes it
	Index  int    `json:"index"`  // of the sample there
}

type neighbour struct {
	Index int     `json:"index"`
	Key   *string `json:"key"`
	Class *string `json:"class"`
}

// storedField is a value with all that its file tells of it.
type storedField struct {
	Name     string         `json:"name"`
	Type     string         `json:"type"`
	Kind     string         `json:"kind"`
	Metadata map[string]any `json:"metadata"`
	Hex      string         `json:"hex"`
	Size     int64          `json:"size"`
	Page     *int64         `json:"page"`
	Offset   *int64         `json:"offset"`
	Checksum string         `json:"checksum"`
	Value    any            `json:"value"`
	Cut      bool           `json:"cut,omitempty"`
	Error    string         `json:"error,omitempty"`
}

func (s *Server) showSample(w http.ResponseWriter, r *http.Request) error {
	i, err := s.sampleNamed(r)
	if err != nil {
		return err
	}
	f := s.fileOf(i)
	a := sampleAnswer{Index: i, File: sampleFile{f.name, s.number(f), i - f.first}, Pages: []int64{}, Neighbours: []neighbour{},
		Quarantine: slices.Contains(s.opts.Quarantine, i)}
	if l, ok := f.ds.(loader.Locator); ok && len(s.fields) > 0 {
		a.File.Name, a.File.Index = l.Locate(i-f.first, 0)
	}
	if i > 0 {
		prev := i - 1
		a.Prev = &prev
	}
	if next := i + 1; next < s.ds.Len() {
		a.Next = &next
	}
	var own neighbour
	own, a.Label = s.named(i)
	a.Key, a.Class = own.Key, own.Class
	for n := max(0, i-neighbours); n <= min(i+neighbours, s.ds.Len()-1); n++ {
		if n != i {
			other, _ := s.named(n)
			a.Neighbours = append(a.Neighbours, other)
		}
	}
	left := int64(mostUnpacked)
	for k := range s.fields {
		one := s.stored(i, k, &left)
		if one.Page != nil && !slices.Contains(a.Pages, *one.Page) {
			a.Pages = append(a.Pages, *one.Page)
		}
		a.Fields = append(a.Fields, one)
	}
	return writeJSON(w, a)
}

// named returns a sample's names and its label, as far as they can be read.
func (s *Server) named(i int) (n neighbour, label any) {
	n.Index = i
	guarded(func() error {
		f := s.fileOf(i)
		if k, ok := f.ds.(loader.Keyer); ok {
			if key, err := k.Key(i - f.first); err == nil && key != "" {
				key = strings.ToValidUTF8(key, "\ufffd")
				n.Key = &key
			}
		}
		if s.label < 0 {
			return nil
		}
		v, err := s.find(i, s.label)
		if err != nil {
			return err
		}
		number := integer(v.meta)
		label = wholeNumber(number)
		if name := s.className(number); name != "" {
			name = strings.ToValidUTF8(name, "\ufffd")
			n.Class = &name
		}
		return nil
	})
	return n, label
}

// stored tells all of a value. What is wrong with it is a part of that. left is how many
// bytes may yet be read for checksums, of all values.
func (s *Server) stored(i, k int, left *int64) storedField {
	a := storedField{Name: s.names[k], Type: s.typeName(k), Kind: s.kindOf(k), Metadata: map[string]any{}, Checksum: "none"}
	err := guarded(func() error {
		v, err := s.find(i, k)
		a.Hex = hex.EncodeToString(v.meta[:min(len(v.meta), mostHex)])
		if err != nil {
			return err
		}
		a.Size = v.size()
		if at := v.offset(); at >= 0 && len(v.regions) > 0 {
			a.Offset = &at
			if p, ok := v.f.ds.(loader.Pager); ok && p.Header().PageSize > 0 {
				page := at / int64(p.Header().PageSize)
				a.Page = &page
			}
		}
		s.explain(&a, v)
		if a.Checksum, err = checksum(v, left); err != nil {
			return err
		}
		a.Kind = s.kind(v)
		return s.worth(&a, v)
	})
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

// checksum compares a value, and its row of metadata, with the file's checksums, if
// it has some and the value isn't too large to be read whole for a look: left is how
// much may be read, of which it takes its part.
func checksum(v *value, left *int64) (string, error) {
	c, ok := v.f.ds.(loader.Verifier)
	if !ok || v.size() > *left || v.size() > mostSummed && !v.f.lends() || c.Verifiable() != nil {
		return "none", nil
	}
	*left -= v.size()
	if _, err := c.VerifyValue(v.sample, v.k, nil); err != nil {
		return "bad", v.flaw(err)
	}
	return "ok", nil
}

// explain says what the metadata mean.
func (s *Server) explain(a *storedField, v *value) {
	if len(v.regions) > 0 {
		a.Metadata["pointer"] = v.regions[0].Ptr
	}
	if p, ok := v.packed(); ok {
		if n, err := p.PlainSize(v.meta); err == nil {
			a.Metadata["unpacked"] = n
		}
	}
	switch f := plainField(v.d).(type) {
	case fields.RGBImage, fields.Image:
		if width, height, mode, err := s.measured(v); err == nil {
			a.Metadata["width"], a.Metadata["height"], a.Metadata["mode"] = width, height, mode
		}
		if raster, ok := f.(fields.Image); ok {
			channels, depth := raster.Kind()
			a.Metadata["channels"], a.Metadata["bits"] = channels, 8*depth
		}
	case fields.Audio:
		if clip, err := f.Decode(v.meta, [][]byte{{}}); err == nil {
			c := clip.(fields.AudioClip)
			a.Metadata["sample_rate"], a.Metadata["channels"] = c.SampleRate, c.Channels
			a.Metadata["duration_ms"], a.Metadata["encoding"] = c.DurationMS, c.Encoding.String()
		}
	case fields.Bytes, fields.JSON:
		a.Metadata["size"] = v.size()
	case fields.Opaque:
		a.Metadata["dtype"] = f.DType
	}
}

// worth is the value as far as it stands in a page: numbers, and the beginning of
// text.
func (s *Server) worth(a *storedField, v *value) error {
	switch f := v.d.Field.(type) {
	case fields.Int:
		a.Value = wholeNumber(integer(v.meta))
		return nil
	case fields.Float:
		a.Value = realNumber(float(v.meta))
		return nil
	case fields.Opaque:
		a.Value = opaque(f, v.meta)
		return nil
	}
	if a.Kind == kindImage {
		width, height, mode, err := s.measured(v)
		if err == nil {
			a.Metadata["width"], a.Metadata["height"], a.Metadata["mode"] = width, height, mode
		}
		return err
	}
	if a.Kind != kindJSON && a.Kind != kindBytes {
		return nil
	}
	n, err := v.plainSize()
	if err != nil {
		return err
	}
	b, err := v.head(mostValue)
	if err != nil {
		return err
	}
	whole := int64(len(b)) == n
	if end := slices.Index(b, 0); end >= 0 && a.Kind == kindJSON {
		b, whole = b[:end], true // a file keeps a NUL behind the text
	}
	text, ok := textOf(b, whole)
	switch {
	case ok:
		a.Value, a.Cut = text, !whole
	case a.Kind == kindJSON:
		a.Value, a.Cut = strings.ToValidUTF8(string(b), "\ufffd"), !whole
	}
	if a.Kind == kindJSON && whole {
		if err := fields.JSONText(b).Check(); err != nil {
			return v.flaw(fmt.Errorf("no JSON: %w", err))
		}
	}
	return nil
}

// opaque is the metadata of a custom field as what its dtype says: a number as
// such, anything else in hexadecimal.
func opaque(f fields.Opaque, meta []byte) any {
	if t, err := array.ParseDType(f.DType); err == nil && t.ItemSize() == len(meta) {
		if text := array.FormatElement(meta, t); text != "" {
			return text
		}
	}
	return hex.EncodeToString(meta[:min(len(meta), mostHex)])
}
