package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/store"
)

// filesFlags name the files that a verb reads as one dataset.
type filesFlags struct {
	Files []string `arg:"" name:"file" complete:"beton" help:"The .beton file, or several that are one after another: files, and patterns such as 'train-*.beton', their URLs, or the index (.json) of a dataset."`
	customFlags
}

// memoryFlags say how much of the files may be in memory.
type memoryFlags struct {
	Memory term.Size `placeholder:"SIZE" group:"Memory" help:"Read the files through a cache of this size, such as 512MiB, which several files share: for files larger than memory. 0 (the default) maps them, and takes at most 1GiB for URLs."`
	Direct bool      `group:"Memory" help:"With --memory, read past the system's cache (Linux)."`
}

// set checks them, and tells those who open the files.
func (m *memoryFlags) set(f *customFlags) error {
	if m.Direct && m.Memory == 0 {
		return errors.New("--direct: needs --memory")
	}
	f.memory, f.direct = int64(m.Memory), m.Direct
	return nil
}

// opened is a file, or several as one.
type opened interface {
	loader.Dataset
	io.Closer
}

// openWhole opens the files if all of their fields can be read.
func (f *filesFlags) openWhole(e *env) (opened, error) {
	opts, err := f.store(e)
	if err != nil {
		return nil, err
	}
	list, err := store.Expand(e.ctx, f.Files, opts)
	if err != nil {
		return nil, err
	}
	if len(list) == 1 && !dataset.IsIndex(store.Base(list[0])) {
		file, err := f.customFlags.openWhole(e, list[0])
		if err != nil {
			return nil, err
		}
		return file, nil
	}
	c, err := store.Open(e.ctx, f.Files, opts)
	if errors.Is(err, ffcv.ErrUnknownField) {
		err = term.WithHint(err, "say what its metadata is with --custom 'NAME=DTYPE', DTYPE a NumPy dtype such as |u1 or <i8")
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// list returns the files that the verb is to go through one by one: those of an
// index too.
func (f *filesFlags) list(e *env) ([]string, error) { return f.files(e, f.Files) }

// fetch returns a local path with the bytes of a file that is read whole.
func (f *customFlags) fetch(e *env, path string) (string, error) {
	if !store.IsURL(path) {
		return path, nil
	}
	opts, err := f.store(e)
	if err != nil {
		return "", err
	}
	c, err := store.Fetch(e.ctx, path, opts)
	if err != nil {
		return "", err
	}
	e.later(c.Close)
	return c.Path, nil
}

func (f *customFlags) files(e *env, paths []string) ([]string, error) {
	opts, err := f.store(e)
	if err != nil {
		return nil, err
	}
	list, err := store.Files(e.ctx, paths, opts)
	return list, err
}

// suggestVerifyIts points from a flaw to the command that finds all of its
// file.
func suggestVerifyIts(err error) error {
	var flaw *ffcv.FormatError
	var sample *loader.SampleError
	var picture *rgb.InvalidError
	switch {
	case errors.As(err, &flaw) && flaw.File != "":
		return suggestVerify(err, flaw.File)
	case errors.As(err, &sample) && errors.As(err, &picture) && term.Hint(err) == "":
		return term.WithHint(err, fmt.Sprintf("'ffcv verify %s' lists every flaw", sample.File))
	}
	return err
}
