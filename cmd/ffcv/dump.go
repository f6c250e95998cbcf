package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/rgb"
)

type dumpCommand struct {
	fileFlags
	JSON bool `name:"json" help:"Print JSON on standard output. It is an object a line for each sample."`
	rangeFlag
	PixelSums bool `aliases:"pixels" help:"Decode images and print the SHA-256 of their pixels too."`
}

// Validate is kong's hook.
func (c *dumpCommand) Validate() error {
	if err := c.check(); err != nil {
		return err
	}
	return c.fileFlags.Validate()
}

// Run is kong's hook.
func (c *dumpCommand) Run(e *env) error {
	f, err := c.openWhole(e)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := parseSlice(c.Range, f.Len())
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(e.stdout, 1<<16)
	d := newDumper(f, c.PixelSums)
	add := d.human
	if c.JSON {
		add = d.json
	}
	for i := 0; i < r.Count && err == nil; i++ {
		if err = e.ctx.Err(); err == nil {
			err = d.sample(out, r.First+i*r.Step, add)
		}
	}
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	return suggestVerify(err, c.File)
}

// dumper prints samples one by one. Its buffers grow to what the largest
// sample needs.
type dumper struct {
	f      *ffcv.File
	fields []ffcv.Field
	keys   [][]byte // the fields' names as JSON strings, no two alike
	pixels bool     // decode images

	line    []byte
	image   rgb.Image
	scratch rgb.Scratch
}

func newDumper(f *ffcv.File, pixels bool) *dumper {
	d := &dumper{f: f, fields: f.Fields(), pixels: pixels}
	for i := range d.fields {
		key := appendString(nil, d.fields[i].Name)
		if slices.ContainsFunc(d.keys, func(k []byte) bool { return string(k) == string(key) }) {
			// Readers of JSON keep one of two equal keys: the field's
			// number tells them apart.
			key = appendString(nil, fmt.Sprintf("%s#%d", d.fields[i].Name, i))
		}
		d.keys = append(d.keys, key)
	}
	return d
}

// sample writes one sample whole, or nothing of it and an error.
func (d *dumper) sample(w io.Writer, i int, add func(line []byte, i int) ([]byte, error)) error {
	line, err := add(d.line[:0], i)
	if err != nil {
		return err
	}
	d.line = line
	_, err = w.Write(line)
	return err
}

// flaw is an error about a value.
func (d *dumper) flaw(i, field int, err error) error {
	return &ffcv.FormatError{File: d.f.Name(), Field: d.fields[field].Name, Sample: i, Offset: -1, Err: err}
}

// json appends a sample as a JSON object and a line end.
func (d *dumper) json(line []byte, i int) ([]byte, error) {
	line = append(line, `{"sample":`...)
	line = strconv.AppendInt(line, int64(i), 10)
	line = append(line, `,"fields":{`...)
	var err error
	for k := range d.fields {
		if k > 0 {
			line = append(line, ',')
		}
		line = append(line, d.keys[k]...)
		line = append(line, ':')
		if line, err = d.value(line, i, k); err != nil {
			return nil, err
		}
	}
	return append(line, "}}\n"...), nil
}

// human appends a sample for people.
func (d *dumper) human(line []byte, i int) ([]byte, error) {
	line = fmt.Appendf(line, "sample %d", i)
	key, err := d.f.Key(i)
	if err != nil {
		return nil, err
	}
	if key != "" {
		line = fmt.Appendf(line, "  %s", term.Name(key))
	}
	line = append(line, '\n')
	width := 0
	names := make([]string, len(d.fields))
	for k := range d.fields {
		names[k] = term.Name(d.fields[k].Name)
		width = max(width, len(names[k]))
	}
	for k := range d.fields {
		line = fmt.Appendf(line, "  %-*s  ", width, names[k])
		if line, err = d.plain(line, i, k); err != nil {
			return nil, err
		}
		line = append(line, '\n')
	}
	return line, nil
}

// specOf returns the type and shape of an array field.
func specOf(f fields.Field) (array.Spec, bool) {
	switch f := f.(type) {
	case fields.NDArray:
		return array.Spec{DType: f.DType, Shape: f.Shape}, true
	case fields.TorchTensor:
		return array.Spec{DType: f.DType, Shape: f.Shape}, true
	}
	return array.Spec{}, false
}
