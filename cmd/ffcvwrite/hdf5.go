package main

import (
	"context"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/store"
)

type hdf5Flags struct {
	File  string   `arg:"" complete:"file" help:"HDF5 file, a path or a URL (it is fetched)."`
	Field []string `sep:"none" placeholder:"NAME=TYPE" help:"A field to write; the flag repeats. It is NAME=TYPE[:KEY=VALUE,...]. The key column names the dataset, such as /train/images, if it has another name. All share their first axis. Without the flag all datasets are taken, by their types."`
	classesFlags
	recipeFlags
}

func (c *hdf5Flags) recipe(ctx context.Context, st *store.Options) (build.Recipe, error) {
	h := &build.HDF5{File: c.File, Fields: c.Field}
	r, err := c.finish(build.Recipe{HDF5: h})
	if err == nil {
		h.Classes, err = c.names(ctx, st)
	}
	return r, err
}
