package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/splice"
	"github.com/betongo/betongo/store"
)

// spliceFlags say how the verbs that make files out of files write them.
type spliceFlags struct {
	Plain bool `help:"Write no extension block (class names, sample names, checkpoints, checksums): FFCV's own format and nothing else."`
	Force bool `aliases:"overwrite" help:"Replace what is there."`
	JSON  bool `name:"json" help:"Print JSON on standard output. It is an object a line for each file written."`
	term.Jobs
}

// packFlags are those of verbs that place values anew.
type packFlags struct {
	PageSize     term.Size `default:"0" placeholder:"SIZE" help:"Size of a data page, a power of two from 2MiB to 1GiB. Where values are placed anew; the file's own unless given."`
	LargeSamples bool      `help:"Give a sample larger than a page several pages; FFCV then reads the file with os_cache=True only."`
}

// check finds values that can be seen to be wrong.
func (f *spliceFlags) check() error {
	return f.Jobs.Check()
}

func (f *packFlags) check() error {
	if f.PageSize != 0 {
		if err := ffcv.CheckPageSize(int64(f.PageSize)); err != nil {
			return fmt.Errorf("--page-size: %w", err)
		}
	}
	return nil
}

// splicing is one run of such a verb.
type splicing struct {
	e        *env
	flags    *spliceFlags
	start    time.Time
	progress *term.Progress
	opts     splice.Options
	targets  []*store.Target
}

// output prepares what is written, and returns a local path to write each to:
// itself, or one that end uploads from.
func (f *customFlags) output(s *splicing, paths ...string) ([]string, error) {
	opts, err := f.store(s.e)
	if err != nil {
		return nil, err
	}
	local := make([]string, len(paths))
	for k, path := range paths {
		t, err := store.Create(s.e.ctx, path, s.opts.Overwrite, opts)
		if err != nil {
			return nil, adviseSplice(err)
		}
		s.e.later(t.Close)
		s.targets, local[k] = append(s.targets, t), t.Path
	}
	return local, nil
}

// begin starts the progress and makes the options. pack may be nil.
func (f *spliceFlags) begin(e *env, pack *packFlags) *splicing {
	s := &splicing{e: e, flags: f, start: time.Now(), progress: term.NewProgress(e.stderr, prog, "samples", -1)}
	s.opts = splice.Options{
		Overwrite: f.Force, Plain: f.Plain, Workers: f.Workers,
		Progress: func(p ffcv.Progress) { s.progress.Set(int64(p.Done), int64(p.Total)) },
		Warn: func(msg string) {
			s.progress.Clear()
			term.Say(e.stderr, prog, "warning", msg)
		},
	}
	if pack != nil {
		s.opts.PageSize, s.opts.LargeSamples = int64(pack.PageSize), pack.LargeSamples
	}
	return s
}

// spliceResult is what a verb prints of a file; as JSON it is a contract with
// other programs.
type spliceResult struct {
	Output  string  `json:"output"`
	Samples int     `json:"samples"`
	Skipped int     `json:"skipped"`
	Pages   int64   `json:"pages"`
	Bytes   int64   `json:"bytes"` // of the file
	Seconds float64 `json:"seconds"`
}

// end reports the files written, or the error.
func (s *splicing) end(err error, paths []string, stats ...ffcv.Stats) error {
	s.progress.Clear()
	for _, t := range s.targets {
		if err == nil {
			err = t.Commit(s.e.ctx)
		}
	}
	if err != nil {
		return adviseSplice(err)
	}
	enc := json.NewEncoder(s.e.stdout)
	enc.SetEscapeHTML(false)
	for k, path := range paths {
		r := spliceResult{Output: path, Samples: stats[k].Samples, Skipped: stats[k].Skipped, Pages: stats[k].Pages,
			Bytes: stats[k].Bytes, Seconds: time.Since(s.start).Seconds()}
		if s.flags.JSON {
			err = enc.Encode(r)
		} else {
			skipped := ""
			if r.Skipped > 0 {
				skipped = fmt.Sprintf(", %s skipped", term.FormatCount(int64(r.Skipped)))
			}
			_, err = fmt.Fprintf(s.e.stdout, "%s: %s samples%s, %s, in %.1f s\n", path, term.FormatCount(int64(r.Samples)), skipped, term.FormatSize(r.Bytes), r.Seconds)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// adviseSplice adds a hint to errors that a flag or a verb would have helped
// with.
func adviseSplice(err error) error {
	var large *alloc.TooLargeError
	var page *splice.PageSizeError
	var flaw *ffcv.FormatError
	switch {
	case term.Hint(err) != "":
		return err
	case errors.As(err, &large) && large.Fits > 0:
		return term.WithHint(err, fmt.Sprintf("--page-size %dMiB holds this sample; --large-samples helps too", large.Fits>>20))
	case errors.As(err, &large):
		return term.WithHint(err, "no page is that large; --large-samples gives a sample several pages")
	case errors.As(err, &page):
		return term.WithHint(err, "--repack places the values anew instead of copying pages")
	case errors.As(err, &flaw):
		return suggestVerify(err, flaw.File)
	case errors.Is(err, fs.ErrExist):
		return term.WithHint(err, "--force replaces an existing file")
	}
	return err
}

// checkOutputs refuses what the writer would refuse only after long work, and
// outputs that are inputs.
func checkOutputs(outputs, inputs []string) error {
	for _, path := range outputs {
		if path == "" {
			return term.Usagef("--output: empty; expected the name of the file to write")
		}
		if store.IsURL(path) {
			if slices.Contains(inputs, path) {
				return errSame(path)
			}
			continue
		}
		out, err := os.Stat(path)
		if err != nil {
			continue
		}
		if out.IsDir() {
			return fmt.Errorf("output %s: is a folder; expected the name of a file", path)
		}
		for _, in := range inputs {
			if info, err := os.Stat(in); err == nil && os.SameFile(out, info) {
				return errSame(path)
			}
		}
	}
	return nil
}

// errSame says that a file would be read and written.
func errSame(path string) error {
	return term.WithHint(fmt.Errorf("output %s: is the file that is read", store.Name(path)), "name another one; it can take the old one's place afterwards")
}

// labelField finds the field of labels: the one of that name, else the Int
// field "label", else the only Int field.
func labelField(f *ffcv.File, name string) (int, error) {
	list := f.Fields()
	var ints []int
	for i, d := range list {
		switch {
		case name != "" && d.Name == name:
			if d.Type != fields.TypeInt {
				return 0, fmt.Errorf("%s: field %q is %s; expected an int field", f.Name(), name, ffcv.Kind(d.Type, d.Field))
			}
			return i, nil
		case name == "" && d.Name == "label" && d.Type == fields.TypeInt:
			return i, nil
		case d.Type == fields.TypeInt:
			ints = append(ints, i)
		}
	}
	if name != "" {
		return 0, fmt.Errorf("%s: no field %q; it has %s", f.Name(), name, fieldNames(list))
	}
	if len(ints) == 1 {
		return ints[0], nil
	}
	return 0, term.WithHint(fmt.Errorf("%s: %d int fields, none of them named \"label\"; it has %s", f.Name(), len(ints), fieldNames(list)),
		"--label-field NAME says which field has the labels")
}

// knownFields checks that names are those of fields.
func knownFields(file string, list []ffcv.Field, names []string) error {
	for _, name := range names {
		if slices.ContainsFunc(list, func(d ffcv.Field) bool { return d.Name == name }) {
			continue
		}
		err := fmt.Errorf("%s: no field %q; it has %s", file, name, fieldNames(list))
		var all []string
		for _, d := range list {
			all = append(all, d.Name)
		}
		if near := term.Near(name, all); near != "" {
			err = term.WithHint(err, fmt.Sprintf("did you mean %s?", term.Name(near)))
		}
		return err
	}
	return nil
}

// fieldNames lists the fields of a file.
func fieldNames(list []ffcv.Field) string {
	var names []string
	for _, d := range list {
		names = append(names, d.Name)
	}
	return strings.Join(names, ", ")
}

// closeAll closes files.
func closeAll(files []*ffcv.File) {
	for _, f := range slices.Backward(files) {
		f.Close()
	}
}
