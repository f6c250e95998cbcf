//go:build !static

package main

import (
	"github.com/betongo/betongo/array/hdf5"
	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/source"
)

// A program with this file loads the system's C library, to load libhdf5 when the
// first HDF5 file is opened. One that must be a single file without those, as in an
// image from scratch, is built with the tag static.
func init() { build.OpenHDF5 = openHDF5 }

// collection is an HDF5 file as a source has it.
type collection struct{ *hdf5.File }

func openHDF5(path string) (source.Collection, error) {
	f, err := hdf5.Open(path, nil)
	if err != nil {
		return nil, err
	}
	return collection{f}, nil
}

// Rows is part of source.Collection.
func (c collection) Rows(name string) (source.Rows, error) {
	r, err := c.File.Rows(name)
	if err != nil {
		return nil, err
	}
	return r, nil
}
