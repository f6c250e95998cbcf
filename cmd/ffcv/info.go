package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/store"
)

type infoCommand struct {
	filesFlags
	JSON bool `name:"json" help:"Print JSON on standard output. It is one object, or of several files one a line."`
}

// info is what the verb prints; as JSON it is a contract with other programs.
type info struct {
	File         string        `json:"file,omitempty"` // of several
	Version      int           `json:"version"`
	NumFields    int           `json:"num_fields"`
	PageSize     int64         `json:"page_size"`
	NumSamples   int           `json:"num_samples"`
	AllocTable   uint64        `json:"alloc_table_ptr"`
	SampleSize   *int          `json:"sample_itemsize"` // null: a custom field's layout is unknown
	AllocEntries int64         `json:"alloc_entries"`
	Pages        int64         `json:"pages"`
	Classes      []string      `json:"classes"`
	Sections     []infoSection `json:"sections"`
	Fields       []infoField   `json:"fields"`
	Unfinished   *infoSeal     `json:"unfinished_seal,omitempty"`
}

// infoSeal tells of sealing in place that was not finished.
type infoSeal struct {
	End  int64 `json:"end"`  // where the file ended
	Size int64 `json:"size"` // of the file now
}

type infoSection struct {
	Tag    string `json:"tag"`
	Flags  uint32 `json:"flags"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
}

type infoField struct {
	Name   fieldName `json:"name"`
	Type   string    `json:"type"`
	TypeID int       `json:"type_id"`
	Offset *int      `json:"metadata_offset"` // null: unknown, as are those after a field of unknown size
	Size   *int      `json:"metadata_size"`
	Args   string    `json:"arguments"` // hex without trailing zeros
}

// fieldName is a name that may be no UTF-8.
type fieldName string

// MarshalJSON writes the name as dump does.
func (n fieldName) MarshalJSON() ([]byte, error) { return appendString(nil, string(n)), nil }

// Run is kong's hook.
func (c *infoCommand) Run(e *env) error {
	list, err := c.list(e)
	if err != nil {
		return err
	}
	var members []dataset.Dataset
	var damage error
	for i, path := range list {
		f, err := c.open(e, path)
		if err != nil {
			return err
		}
		defer f.Close()
		members = append(members, f)
		in, broken := describe(f)
		if len(list) > 1 {
			in.File = store.Name(path)
		}
		if c.JSON {
			enc := json.NewEncoder(e.stdout)
			enc.SetEscapeHTML(false)
			err = enc.Encode(in)
		} else {
			if i > 0 {
				fmt.Fprintln(e.stdout)
			}
			err = in.print(e.stdout, f)
		}
		if err != nil {
			return err
		}
		if damage == nil {
			damage = suggestVerify(broken, path)
		}
	}
	if len(list) > 1 && !c.JSON {
		if err := together(e.stdout, members); err != nil {
			return err
		}
	}
	return damage
}

// together says what several files are as one dataset.
func together(w io.Writer, members []dataset.Dataset) error {
	all, err := dataset.NewConcat(members...)
	if err != nil {
		_, err = fmt.Fprintf(w, "\nthey cannot be one dataset: %v\n", err)
		return err
	}
	_, err = fmt.Fprintf(w, "\nas one dataset: %s, %s\n", counted(len(members), "file"), counted(all.Len(), "sample"))
	return err
}

// describe collects everything; the error tells what of the extension block
// could not be read and is missing.
func describe(f *ffcv.File) (info, error) {
	h := f.Header()
	in := info{
		Version:      int(h.Version),
		NumFields:    int(h.NumFields),
		PageSize:     int64(h.PageSize),
		NumSamples:   f.Len(),
		AllocTable:   h.AllocTable,
		SampleSize:   known(f.RowSize()),
		AllocEntries: f.NumEntries(),
		Pages:        pages(f),
		Classes:      append([]string{}, f.Classes()...), // [] rather than null
		Sections:     []infoSection{},
	}
	for _, d := range f.Fields() {
		in.Fields = append(in.Fields, infoField{
			Name:   fieldName(d.Name),
			Type:   d.Type.String(),
			TypeID: int(d.Type),
			Offset: known(d.Offset),
			Size:   known(d.Size),
			Args:   hex.EncodeToString([]byte(strings.TrimRight(string(d.Args[:]), "\x00"))),
		})
	}
	if u := f.Unfinished(); u != nil {
		in.Unfinished = &infoSeal{u.End, u.Size}
	}
	sections, err := f.Sections()
	for _, s := range sections {
		in.Sections = append(in.Sections, infoSection{s.Tag.String(), s.Flags, s.Offset, s.Length})
	}
	return in, err
}

// pages returns the number of data pages. Where the size of the metadata is
// not known, they begin with the page of the first stored byte.
func pages(f *ffcv.File) int64 {
	first, n := f.Pages()
	if f.RowSize() >= 0 {
		return n
	}
	size, end := uint64(f.Header().PageSize), uint64(first) // no pages are known, and that is where they end
	begin := end
	for e, err := range f.Entries() {
		if err != nil {
			break
		}
		if e.Size > 0 { // an empty value's pointer may be anything
			begin = min(begin, e.Ptr)
		}
	}
	return int64((end - begin + size - 1) / size)
}

// known is nil for a negative number.
func known(n int) *int {
	if n < 0 {
		return nil
	}
	return &n
}

func (in *info) print(w io.Writer, f *ffcv.File) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "file\t%s\n", f.Name())
	fmt.Fprintf(t, "version\t%d\n", in.Version)
	fmt.Fprintf(t, "samples\t%s\n", term.FormatCount(int64(in.NumSamples)))
	fmt.Fprintf(t, "pages\t%s of %s\n", term.FormatCount(in.Pages), term.FormatSize(in.PageSize))
	fmt.Fprintf(t, "metadata row\t%s bytes\n", number(in.SampleSize))
	fmt.Fprintf(t, "allocation table\t%s entries at byte %d\n", term.FormatCount(in.AllocEntries), in.AllocTable)
	if u := in.Unfinished; u != nil {
		fmt.Fprintf(t, "unfinished\tsealing in place left %d bytes behind the table: FFCV misreads the file, 'ffcv repair' puts it right\n", u.Size-u.End)
	}
	if n := len(in.Classes); n > 0 {
		fmt.Fprintf(t, "classes\t%s: %s\n", term.FormatCount(int64(n)), shorten(in.Classes, 10))
	}
	fmt.Fprintf(t, "\nfield\ttype\toffset\tsize\targuments\n")
	for i, d := range in.Fields {
		fmt.Fprintf(t, "%q\t%s\t%s\t%s\t%s\n", d.Name, d.Type, number(d.Offset), number(d.Size), arguments(&f.Fields()[i]))
	}
	if len(in.Sections) > 0 {
		fmt.Fprintf(t, "\nsection\tat byte\tbytes\n")
		for _, s := range in.Sections {
			fmt.Fprintf(t, "%s\t%d\t%d\n", s.Tag, s.Offset, s.Length)
		}
	}
	return t.Flush()
}

func number(n *int) string {
	if n == nil {
		return "?"
	}
	return fmt.Sprint(*n)
}

// shorten lists the first names.
func shorten(names []string, most int) string {
	var list []string
	for _, name := range names[:min(most, len(names))] {
		list = append(list, term.Name(name))
	}
	if len(names) > most {
		list = append(list, "…")
	}
	return strings.Join(list, ", ")
}

// arguments says what a field's arguments mean, or else what they are.
func arguments(d *ffcv.Field) string {
	if spec, ok := specOf(d.Field); ok {
		return fmt.Sprintf("%s %v", spec.DType, spec.Shape)
	}
	text := strings.TrimRight(string(d.Args[:]), "\x00")
	if m, err := fields.UnpackArgs(d.Args); err == nil && len(m) > 0 {
		return text // a custom field that describes itself: a JSON object
	}
	const most = 24
	if len(text) > most {
		return hex.EncodeToString([]byte(text[:most])) + "…"
	}
	return hex.EncodeToString([]byte(text))
}
