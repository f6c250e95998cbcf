package main

import (
	"context"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/store"
)

type mdsFlags struct {
	Dir   []string `arg:"" sep:"none" complete:"dir" help:"Datasets of MosaicML Streaming, one after another: folders with an index.json, paths or URLs."`
	Field []string `sep:"none" placeholder:"NAME=TYPE" help:"A field to write; the flag repeats. It is NAME=TYPE[:KEY=VALUE,...]. The key column names the column, if it has another name. Without the flag all columns are taken, by their encodings."`
	classesFlags
	recipeFlags
}

func (c *mdsFlags) recipe(ctx context.Context, st *store.Options) (build.Recipe, error) {
	m := &build.MDS{Dirs: c.Dir, Fields: c.Field}
	r, err := c.finish(build.Recipe{MDS: m})
	if err == nil {
		m.Classes, err = c.names(ctx, st)
	}
	return r, err
}
