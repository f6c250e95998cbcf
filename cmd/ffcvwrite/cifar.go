package main

import (
	"context"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/store"
)

type cifarFlags struct {
	File  []string `arg:"" sep:"none" complete:"file" help:"CIFAR-10 or CIFAR-100, the binary version: its .bin files, or the folder or .tar.gz of them, paths or URLs."`
	Split string   `default:"train" enum:"train,test" placeholder:"train|test" help:"Which part of the dataset is taken. Of a folder or archive (default train)."`
	classesFlags
	recipeFlags
}

func (c *cifarFlags) recipe(ctx context.Context, st *store.Options) (build.Recipe, error) {
	f := &build.CIFAR{Files: c.File, Split: c.Split}
	r, err := c.finish(build.Recipe{CIFAR: f})
	if err == nil {
		f.Classes, err = c.names(ctx, st)
	}
	return r, err
}
