package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/store"
)

type sampleCommand struct {
	File   string   `arg:"" complete:"beton" help:"The .beton file, or its URL."`
	ID     string   `arg:"" name:"id" help:"The number of the sample, from 0 (negative from the end: -- -1), or its name."`
	Fields []string `aliases:"field" complete:"field" placeholder:"NAME,…" help:"Only these fields, with commas between. Unless given, all."`
	Output string   `aliases:"out" short:"o" complete:"file" placeholder:"PATH" help:"What to write: a path or a URL. A file for one field, a folder for several, - for standard output; in the working folder unless given."`
	Text   bool     `help:"Write arrays as text."`
	Force  bool     `aliases:"overwrite" help:"Replace what is there."`
	JSON   bool     `name:"json" help:"Print JSON on standard output. It is an object a line for each field: the file that has its value, or the number that it is."`
	customFlags
}

// Run is kong's hook.
func (c *sampleCommand) Run(e *env) error {
	f, err := c.openWhole(e, c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	id, err := c.find(f)
	if err != nil {
		return err
	}
	list, err := c.choose(f)
	if err != nil {
		return err
	}
	if c.Output == "-" && len(list) != 1 {
		return term.Usagef("--output -: %d fields; --fields NAME chooses one", len(list))
	}
	if c.Output == "-" && c.JSON {
		return term.Usagef("--output -: standard output has the value; not with --json")
	}
	for _, k := range list {
		if err := c.put(e, f, id, k, len(list) > 1); err != nil {
			return suggestVerify(err, c.File)
		}
	}
	return nil
}

// sampleField is what the verb prints of a field; as JSON it is a contract with
// other programs.
type sampleField struct {
	Field fieldName `json:"field"`
	File  string    `json:"file,omitempty"` // that has the value; "" for a number
	Bytes int64     `json:"bytes,omitempty"`
	Value any       `json:"value,omitempty"`
}

// print writes a line. A float that JSON has no number for stands as text.
func (s sampleField) print(e *env) error {
	if v, ok := s.Value.(float64); ok && (math.IsNaN(v) || math.IsInf(v, 0)) {
		s.Value = strconv.FormatFloat(v, 'g', -1, 64)
	}
	enc := json.NewEncoder(e.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(s)
}

// find returns the number of the sample.
func (c *sampleCommand) find(f *ffcv.File) (int, error) {
	id, err := strconv.Atoi(c.ID)
	if err != nil {
		id, ok, err := f.Find(c.ID)
		if err == nil && !ok {
			err = term.WithHint(fmt.Errorf("%s: no sample is named %q", f.Name(), c.ID), "'ffcv dump' shows names and numbers")
		}
		return id, err
	}
	if id < 0 {
		id += f.Len()
	}
	if id < 0 || id >= f.Len() {
		return 0, fmt.Errorf("%s: sample %s; it has the samples 0 to %d", f.Name(), c.ID, f.Len()-1)
	}
	return id, nil
}

// choose returns the numbers of the fields.
func (c *sampleCommand) choose(f *ffcv.File) (list []int, err error) {
	if len(c.Fields) == 0 {
		for k := range f.Fields() {
			list = append(list, k)
		}
		return list, nil
	}
	if err := knownFields(f.Name(), f.Fields(), c.Fields); err != nil {
		return nil, err
	}
	for _, name := range c.Fields {
		list = append(list, f.FieldIndex(name))
	}
	return list, nil
}

// put writes a value, or prints it where it is a number among several.
func (c *sampleCommand) put(e *env, f *ffcv.File, id, k int, several bool) error {
	d := f.Fields()[k]
	v, err := f.Value(id, k)
	if err != nil {
		return err
	}
	if n, ok := numberText(f, k, v); ok && several && len(c.Fields) == 0 {
		if c.JSON {
			return sampleField{Field: fieldName(d.Name), Value: v}.print(e)
		}
		_, err := fmt.Fprintf(e.stdout, "%s: %s\n", term.Name(d.Name), n)
		return err
	}
	b, ext, err := c.file(f, id, k, v)
	if err != nil {
		return &ffcv.FormatError{File: f.Name(), Field: d.Name, Sample: id, Offset: -1, Err: err}
	}
	if c.Output == "-" {
		if term.IsTerminal(e.raw) && ext != ".txt" && ext != ".json" {
			return term.Usagef("--output -: %s is not for a terminal", ext)
		}
		_, err := e.raw.Write(b)
		return err
	}
	base, field := strings.TrimSuffix(store.Base(c.File), ".beton"), d.Name
	if fileName(field) != field {
		field = fmt.Sprintf("%d_%s", k, field) // which others may have become too
	}
	path := fileName(fmt.Sprintf("%s-%d-%s", base, id, field)) + ext
	switch {
	case c.Output != "" && (several || strings.HasSuffix(c.Output, "/") || isFolder(c.Output)):
		if store.IsURL(c.Output) {
			path = store.Join(c.Output, path)
		} else if err := os.MkdirAll(c.Output, 0o777); err != nil {
			return err
		} else {
			path = filepath.Join(c.Output, path)
		}
	case c.Output != "":
		path = c.Output
	}
	opts, err := c.store(e)
	if err != nil {
		return err
	}
	if err := store.WriteFile(e.ctx, path, b, c.Force, opts); err != nil {
		return adviseSplice(err)
	}
	if c.JSON {
		return sampleField{Field: fieldName(d.Name), File: store.Name(path), Bytes: int64(len(b))}.print(e)
	}
	_, err = fmt.Fprintf(e.stdout, "%s: %s, %s\n", term.Name(d.Name), store.Name(path), term.FormatSize(int64(len(b))))
	return err
}

// numberText is an int or float as text, a label with the name of its class.
func numberText(f *ffcv.File, k int, v any) (string, bool) {
	switch v := v.(type) {
	case int64:
		names := f.Classes()
		if own, err := labelField(f, ""); err == nil && own == k && v >= 0 && v < int64(len(names)) {
			return fmt.Sprintf("%d (%s)", v, names[v]), true
		}
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	}
	return "", false
}

// file makes a file of a value that a person can open.
func (c *sampleCommand) file(f *ffcv.File, id, k int, v any) (b []byte, ext string, err error) {
	if n, ok := numberText(f, k, v); ok {
		return append([]byte(n), '\n'), ".txt", nil
	}
	if b, ext, err = openable(v, c.Text); !errors.Is(err, errNoFile) {
		return b, ext, err
	}
	d := f.Fields()[k]
	row, err := f.Metadata(id)
	if err != nil {
		return nil, "", err
	}
	if _, ok := d.Field.(fields.Opaque); !ok && d.Offset+d.Size > len(row) {
		return nil, "", errNoFile
	}
	return row[d.Offset:][:d.Size], ".bin", nil
}
