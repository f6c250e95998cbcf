package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/splice"
)

type addCommand struct {
	fileFlags
	Output string   `short:"o" required:"" complete:"beton" placeholder:"OUT" help:"What to write: a path or a URL."`
	Field  []string `required:"" sep:"none" complete:"file" placeholder:"NAME=FROM" help:"A field to write; the flag repeats. NAME=FILE.npy, a row for each sample, or NAME=FILE.beton:FIELD, a field of another file."`
	packFlags
	spliceFlags
}

// Validate is kong's hook.
func (c *addCommand) Validate() error {
	for _, text := range c.Field {
		if _, _, _, err := parseColumn(text); err != nil {
			return err
		}
	}
	if err := c.spliceFlags.check(); err != nil {
		return err
	}
	if err := c.packFlags.check(); err != nil {
		return err
	}
	return c.fileFlags.Validate()
}

// parseColumn reads NAME=FILE.npy or NAME=FILE.beton:FIELD.
func parseColumn(text string) (name, file, field string, err error) {
	name, from, ok := strings.Cut(text, "=")
	if !ok || name == "" || from == "" {
		return "", "", "", fmt.Errorf("--field: %q; expected NAME=FILE.npy or NAME=FILE.beton:FIELD", text)
	}
	if strings.HasSuffix(from, ".npy") {
		return name, from, "", nil
	}
	at := strings.LastIndexByte(from, ':')
	if at < 1 || at == len(from)-1 {
		return "", "", "", fmt.Errorf("--field: %q; expected NAME=FILE.npy or NAME=FILE.beton:FIELD", text)
	}
	return name, from[:at], from[at+1:], nil
}

// Run is kong's hook.
func (c *addCommand) Run(e *env) (err error) {
	inputs := []string{c.File}
	for _, text := range c.Field {
		_, file, _, _ := parseColumn(text)
		inputs = append(inputs, file)
	}
	if err := checkOutputs([]string{c.Output}, inputs); err != nil {
		return err
	}
	f, err := c.openWhole(e)
	if err != nil {
		return err
	}
	defer f.Close()
	var columns []splice.Column
	for _, text := range c.Field {
		column, done, err := c.column(e, text)
		if err != nil {
			return err
		}
		defer done()
		columns = append(columns, column)
	}
	s := c.begin(e, &c.packFlags)
	out, err := c.output(s, c.Output)
	if err != nil {
		return err
	}
	stats, err := splice.Add(e.ctx, out[0], f, columns, &s.opts)
	return s.end(err, []string{c.Output}, stats)
}

// column opens what a field comes from; done closes it.
func (c *addCommand) column(e *env, text string) (column splice.Column, done func() error, err error) {
	name, file, field, err := parseColumn(text)
	if err != nil {
		return column, nil, term.Usage(err)
	}
	if field == "" {
		if file, err = c.fetch(e, file); err != nil {
			return column, nil, err
		}
		a, err := source.OpenArrays([]source.Spec{{Field: source.Field{Name: name}, File: file}})
		if err != nil {
			return column, nil, err
		}
		column = splice.Column{Name: name, Field: a.Fields()[0].Field, Len: a.Len(), At: func(i int) (any, error) {
			values, _, err := a.Sample(e.ctx, i)
			if err != nil {
				return nil, err
			}
			return values[0], nil
		}}
		return column, a.Close, nil
	}
	f, err := (&customFlags{Flags: c.Flags}).open(e, file)
	if err != nil {
		return column, nil, err
	}
	k := f.FieldIndex(field)
	if k < 0 {
		err = fmt.Errorf("%s: no field %q; it has %s", f.Name(), field, fieldNames(f.Fields()))
	} else {
		column, err = splice.Stored(name, f, k)
	}
	if err != nil {
		return column, nil, errors.Join(err, f.Close())
	}
	return column, f.Close, nil
}
