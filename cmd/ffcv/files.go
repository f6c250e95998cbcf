package main

import (
	"errors"
	"io"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/loader"
)

// filesFlags name the files that a verb reads as one dataset.
type filesFlags struct {
	Files []string `arg:"" name:"file" help:"The .beton file, or several that are one after another: files, and patterns such as 'train-*.beton'."`
	customFlags
}

// opened is a file, or several as one.
type opened interface {
	loader.Dataset
	io.Closer
}

// openWhole opens the files if all of their fields can be read.
func (f *filesFlags) openWhole() (opened, error) {
	list, err := dataset.Expand(f.Files)
	if err != nil {
		return nil, err
	}
	if len(list) == 1 {
		file, err := f.customFlags.openWhole(list[0])
		if err != nil {
			return nil, err
		}
		return file, nil
	}
	if f.memory > 0 {
		f.memory = max(1, f.memory/int64(len(list)))
	}
	c, err := dataset.Open(f.Files, &dataset.Options{Open: f.customFlags.openWhole})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// suggestVerifyIts points from a flaw to the command that finds all of its
// file.
func suggestVerifyIts(err error) error {
	var flaw *ffcv.FormatError
	if errors.As(err, &flaw) && flaw.File != "" {
		return suggestVerify(err, flaw.File)
	}
	return err
}
