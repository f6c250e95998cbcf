package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/splice"
	"github.com/betongo/betongo/store"
)

type appendCommand struct {
	fileFlags
	Source       string   `arg:"" complete:"file" help:"What to append: a folder with a folder of photographs for each class, a table (.csv, .tsv, .jsonl), or another .beton."`
	Output       string   `short:"o" complete:"beton" placeholder:"OUT" help:"What to write: a path or a URL."`
	InPlace      bool     `help:"Change the file itself, instead of --output. The new one takes the old one's place once it is whole."`
	Field        []string `sep:"none" placeholder:"NAME=TYPE" help:"A field to write; the flag repeats. NAME=TYPE[:KEY=VALUE,...], as in 'ffcvwrite table', says where a table has its values: in its column of the same name unless given."`
	AllowOutside bool     `help:"Allow files that a table names and that lie, or lead by a link, outside of its folder."`
	Mode         string   `default:"jpg" enum:"jpg,raw" placeholder:"jpg|raw" help:"How images are stored. jpg (the default; JPEGs are kept as they are) or raw pixels."`
	OnError      string   `default:"fail" enum:"fail,skip" placeholder:"fail|skip" help:"What to do with a sample that cannot be read. fail (the default), or skip it and report it."`
	spliceFlags
}

// Validate is kong's hook.
func (c *appendCommand) Validate() error {
	if (c.Output == "") != c.InPlace {
		return errors.New("expected either --output or --in-place")
	}
	if err := c.spliceFlags.check(); err != nil {
		return err
	}
	return c.fileFlags.Validate()
}

// Run is kong's hook.
func (c *appendCommand) Run(e *env) error {
	path := c.Output
	if c.InPlace {
		if err := onlyLocal("--in-place", c.File, "-o OUT writes another one"); err != nil {
			return err
		}
		path = c.File
		c.Force = true
	} else if err := checkOutputs([]string{path}, []string{c.File, c.Source}); err != nil {
		if info, statErr := os.Stat(path); statErr == nil && !info.IsDir() {
			err = term.WithHint(err, "--in-place puts the new file in the place of the old one")
		}
		return err
	}
	f, err := c.openWhole(e)
	if err != nil {
		return err
	}
	defer f.Close()
	folder := false
	if !store.IsURL(c.Source) {
		info, err := os.Stat(c.Source)
		if err != nil {
			return err
		}
		folder = info.IsDir()
	} else if filepath.Ext(store.Base(c.Source)) == "" { // of a folder the objects below it
		if c.Source, err = c.fetch(e, c.Source); err != nil {
			return err
		}
		info, err := os.Stat(c.Source)
		if err != nil {
			return err
		}
		folder = info.IsDir()
	}
	if !folder {
		switch strings.ToLower(filepath.Ext(store.Base(c.Source))) {
		case ".csv", ".tsv", ".jsonl", ".ndjson":
		default:
			return c.appendFile(e, path, f)
		}
		if c.Source, err = c.fetch(e, c.Source); err != nil {
			return err
		}
	}
	more, err := c.addition(e.ctx, f, folder)
	if err != nil {
		return err
	}
	defer more.Close()
	s := c.begin(e, nil)
	opts := &splice.AppendOptions{Options: s.opts, Fields: more.fields}
	if c.OnError == "skip" {
		opts.OnError = func(key string, err error) error {
			s.progress.Clear()
			term.Say(e.stderr, prog, "warning", "skipped: "+err.Error())
			return nil
		}
	}
	out, err := c.output(s, path)
	if err != nil {
		return err
	}
	stats, err := splice.Append(e.ctx, out[0], f, more, opts)
	var large *alloc.TooLargeError
	if errors.As(err, &large) && large.Fits > 0 {
		err = term.WithHint(err, fmt.Sprintf("pages that are copied keep their size; 'ffcv merge %s --repack --page-size %dMiB -o OUT' makes larger ones first", store.Name(c.File), large.Fits>>20))
	}
	var sample *ffcv.SampleError
	if errors.Is(err, source.ErrOutside) {
		err = term.WithHint(err, "--allow-outside takes files from anywhere, for a table that you trust")
	}
	if term.Hint(err) == "" && errors.As(err, &sample) && c.OnError == "fail" && e.ctx.Err() == nil {
		err = term.WithHint(err, "--on-error skip leaves out samples that cannot be read, and lists them")
	}
	return s.end(err, []string{path}, stats)
}

// appendFile appends another .beton.
func (c *appendCommand) appendFile(e *env, path string, f *ffcv.File) error {
	g, err := c.customFlags.openWhole(e, c.Source)
	var flaw *ffcv.FormatError
	if errors.As(err, &flaw) && filepath.Ext(store.Base(c.Source)) != ".beton" {
		err = term.WithHint(err, "a source is a folder, a table (.csv, .tsv, .jsonl) or a .beton; 'ffcvwrite arrays' makes one of .npy arrays")
	}
	if err != nil {
		return err
	}
	defer g.Close()
	s := c.begin(e, nil)
	out, err := c.output(s, path)
	if err != nil {
		return err
	}
	stats, err := splice.Merge(e.ctx, out[0], []*ffcv.File{f, g}, &s.opts)
	var page *splice.PageSizeError
	if errors.As(err, &page) {
		err = term.WithHint(err, fmt.Sprintf("'ffcv merge %s %s --repack -o OUT' places the values anew", store.Name(c.File), c.Source))
	}
	return s.end(err, []string{path}, stats)
}

// addition is an opened source of samples for a file.
type addition struct {
	ffcv.Dataset
	fields map[string]fields.Field // how values are encoded
	Close  func() error
}

// addition opens a source whose samples fill the fields of f.
func (c *appendCommand) addition(ctx context.Context, f *ffcv.File, folder bool) (*addition, error) {
	var image fields.RGBImage
	if err := source.ParseMode(&image.Mode, c.Mode); err != nil {
		return nil, term.Usagef("--mode=%s: %w", c.Mode, err)
	}
	if !folder {
		return c.openTable(ctx, f, image)
	}
	if len(c.Field) > 0 {
		return nil, term.Usagef("--field: is for tables")
	}
	list := f.Fields()
	if len(list) != 2 || list[0].Name != "image" || list[0].Type != fields.TypeRGBImage || list[1].Name != "label" || list[1].Type != fields.TypeInt {
		return nil, fmt.Errorf("%s: has the fields %s; a folder fills image (rgb) and label (int)", store.Name(c.File), fieldNames(list))
	}
	classes := f.Classes()
	if classes == nil {
		return nil, term.WithHint(fmt.Errorf("%s: has no class names, so that the labels of the folder's classes are not known", store.Name(c.File)),
			"pack the folder with 'ffcvwrite folder --classes FILE', which fixes the labels, and append that file")
	}
	d, err := source.OpenFolder(ctx, c.Source, &source.FolderOptions{Classes: classes})
	if err != nil {
		return nil, err
	}
	return &addition{Dataset: d, fields: map[string]fields.Field{"image": image}, Close: d.Close}, nil
}

// openTable opens a table with the columns of the file's fields.
func (c *appendCommand) openTable(ctx context.Context, f *ffcv.File, image fields.RGBImage) (*addition, error) {
	a := &addition{fields: map[string]fields.Field{}}
	var specs []source.Spec
	for _, d := range f.Fields() {
		s := source.Spec{Field: source.Field{Name: d.Name, Field: d.Field}}
		if d.Type == fields.TypeRGBImage {
			s.Field.Field, a.fields[d.Name] = image, image
		}
		specs = append(specs, s)
	}
	for _, text := range c.Field {
		given, err := source.ParseSpec(text, image)
		if err != nil {
			return nil, term.Usage(fmt.Errorf("--field: %w", err))
		}
		i := f.FieldIndex(given.Name)
		if i < 0 {
			return nil, fmt.Errorf("--field: %s has no field %q; it has %s", store.Name(c.File), given.Name, fieldNames(f.Fields()))
		}
		own := specs[i].Field.Field
		if given.Field.Field.TypeID() != own.TypeID() {
			return nil, fmt.Errorf("--field %s: %s has it as %s", text, store.Name(c.File), ffcv.Kind(own.TypeID(), own))
		}
		if own.TypeID() == fields.TypeRGBImage {
			a.fields[given.Name] = given.Field.Field
		} else {
			given.Field.Field = own // with the dtype and shape of the file
		}
		specs[i] = given
	}
	t, err := source.OpenTable(ctx, c.Source, specs, &source.TableOptions{Outside: c.AllowOutside})
	var spec *source.SpecError
	if errors.As(err, &spec) {
		return nil, term.Usage(err)
	}
	if err != nil {
		return nil, err
	}
	a.Dataset, a.Close = t, t.Close
	return a, nil
}
