package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/convert"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/store"
)

// job is one run of the command.
type job struct {
	g              *grammar
	stdout, stderr io.Writer
}

// arrayLine is the object of --json for an array.
type arrayLine struct {
	Name   string         `json:"name"`
	Source string         `json:"source"` // its name in the input
	Shape  []int          `json:"shape"`
	DType  string         `json:"dtype"`
	Order  string         `json:"order"` // C or F
	Format string         `json:"format"`
	Path   string         `json:"path"`
	Attrs  map[string]any `json:"attrs"`
	Notes  []string       `json:"notes"`
}

// fileLine is the object of --json for the file, behind those of its arrays.
type fileLine struct {
	File    string         `json:"file"`
	Format  string         `json:"format"`
	From    string         `json:"from,omitempty"` // the input's format
	Arrays  int            `json:"arrays"`
	Bytes   int64          `json:"bytes"` // of elements
	Seconds float64        `json:"seconds"`
	Attrs   map[string]any `json:"attrs"`
	Notes   []string       `json:"notes"`
	Refused string         `json:"refused,omitempty"` // why arrays are not listed
}

func (j *job) do(ctx context.Context) error {
	if j.g.Formats {
		return j.formats()
	}
	opts, err := j.g.options()
	if err != nil {
		return term.Usage(err)
	}
	for _, name := range []string{j.g.From, j.g.To} {
		if err := knownFormat(name); err != nil {
			return term.Usage(err)
		}
	}
	st, done, err := j.g.Flags.Options(nil)
	if err != nil {
		return err
	}
	opts.Store = st
	if j.g.List {
		err = j.list(ctx, opts)
	} else {
		err = j.convert(ctx, opts)
	}
	return errors.Join(err, done())
}

func knownFormat(name string) error {
	var all []string
	for _, f := range convert.Formats() {
		if f.Name == name || name == "" {
			return nil
		}
		all = append(all, f.Name)
	}
	return fmt.Errorf("no format is called %q; there are %s", name, strings.Join(all, ", "))
}

// convert writes the output.
func (j *job) convert(ctx context.Context, opts *convert.Options) error {
	start := time.Now()
	bar := term.NewProgress(j.stderr, prog, "MiB", -1)
	if bar != nil {
		opts.Progress = func(p convert.Progress) { bar.Set(p.Done>>20, max(p.Total>>20, -1)) }
	}
	r, err := convert.Convert(ctx, j.g.In, j.g.Out, opts)
	bar.Clear()
	if err != nil {
		return err
	}
	took := time.Since(start).Seconds()
	if !j.g.JSON {
		for _, n := range r.Notes {
			term.Say(j.stderr, prog, "note", n.String())
		}
		_, err := fmt.Fprintf(j.stdout, "%s: %s, %s in %.1f s (%s/s)\n", store.Name(j.g.Out), count(len(r.Arrays), "array"), term.FormatSize(r.Bytes), took,
			term.FormatSize(int64(float64(r.Bytes)/max(took, 1e-3))))
		return err
	}
	for _, a := range r.Arrays {
		if err := j.print(line(a.Member, a.Source, a.Path, r.To, r.Notes)); err != nil {
			return err
		}
	}
	return j.print(fileLine{File: store.Name(j.g.Out), Format: r.To, From: r.From, Arrays: len(r.Arrays), Bytes: r.Bytes, Seconds: took, Attrs: plain(r.Attrs), Notes: texts(r.Notes, "")})
}

// list prints what is in the input.
func (j *job) list(ctx context.Context, opts *convert.Options) error {
	start := time.Now()
	l, err := convert.List(ctx, j.g.In, opts)
	if err != nil {
		return err
	}
	var bytes int64
	for _, m := range l.Members {
		if n, err := m.Spec.Bytes(); err == nil {
			bytes += int64(n)
		}
	}
	if j.g.JSON {
		for _, m := range l.Members {
			if err := j.print(line(m, m.Name, store.Name(j.g.In), l.Format, l.Notes)); err != nil {
				return err
			}
		}
		f := fileLine{File: store.Name(j.g.In), Format: l.Format, From: l.Format, Arrays: len(l.Members), Bytes: bytes, Seconds: time.Since(start).Seconds(), Attrs: plain(l.Attrs), Notes: texts(l.Notes, "")}
		if l.Refused != nil {
			f.Refused = l.Refused.Error()
		}
		return j.print(f)
	}
	w := tabwriter.NewWriter(j.stdout, 0, 0, 2, ' ', 0)
	for _, m := range l.Members {
		order := ""
		if m.Fortran {
			order = "\tFortran order"
		}
		fmt.Fprintf(w, "%s\t%s\t%s%s\n", term.Name(m.Name), m.Spec.DType, array.ShapeString(m.Spec.Shape), order)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, n := range l.Notes {
		term.Say(j.stderr, prog, "note", n.String())
	}
	if l.Refused != nil {
		term.Say(j.stderr, prog, "note", "not served: "+strings.ReplaceAll(l.Refused.Error(), "\n", "; "))
	}
	_, err = fmt.Fprintf(j.stdout, "%s: %s, %s, %s\n", store.Name(j.g.In), l.Format, count(len(l.Members), "array"), term.FormatSize(bytes))
	return err
}

// formatLine is the object of --formats --json.
type formatLine struct {
	Format       string   `json:"format"`
	Title        string   `json:"title"`
	Extensions   []string `json:"extensions"`
	Compressions []string `json:"compressions"`
	Write        bool     `json:"write"`
	OneArray     bool     `json:"one_array"`
}

// formats prints the table.
func (j *job) formats() error {
	if j.g.JSON {
		for _, f := range convert.Formats() {
			l := formatLine{f.Name, f.Title, append([]string{}, f.Extensions...), append([]string{}, f.Compressions...), f.Write, f.Single}
			if err := j.print(l); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(j.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "FORMAT\tEXTENSIONS\tCOMPRESSION\t\n")
	for _, f := range convert.Formats() {
		what := f.Title
		switch {
		case !f.Write:
			what += ", only read"
		case f.Single:
			what += ", one array"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.Name, strings.Join(f.Extensions, " "), strings.Join(f.Compressions, " "), what)
	}
	return w.Flush()
}

func line(m array.Member, source, path, format string, notes []convert.Note) arrayLine {
	l := arrayLine{Name: m.Name, Source: source, Shape: append([]int{}, m.Spec.Shape...), DType: m.Spec.DType.String(), Order: "C",
		Format: format, Path: path, Attrs: plain(m.Attrs), Notes: texts(notes, source)}
	if m.Fortran {
		l.Order = "F"
	}
	return l
}

// texts are the notes of an array, or with "" of the file.
func texts(notes []convert.Note, name string) []string {
	list := []string{} // not null
	for _, n := range notes {
		if n.Array == name {
			list = append(list, n.Text)
		}
	}
	return list
}

// plain makes attributes what JSON can tell: what it can't is told as text.
func plain(attrs map[string]any) map[string]any {
	out := map[string]any{}
	for key, v := range attrs {
		switch a := v.(type) {
		case array.Array:
			v = a.Spec.String()
		case array.Strided:
			v = a.Spec.String()
		}
		if _, err := json.Marshal(v); err != nil {
			v = fmt.Sprint(v)
		}
		out[key] = v
	}
	return out
}

func (j *job) print(v any) error {
	e := json.NewEncoder(j.stdout)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return errors.Join(errors.New("report"), err)
	}
	return nil
}

// count writes a number of things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return term.FormatCount(int64(n)) + " " + thing
}
