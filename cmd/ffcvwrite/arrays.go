package main

import (
	"context"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/store"
)

type arraysFlags struct {
	File  []string `arg:"" optional:"" sep:"none" complete:"file" help:"Arrays, FILE.npy or NAME=FILE.npy, paths or URLs: a field for each, its type by dtype and shape."`
	Field []string `sep:"none" placeholder:"NAME=TYPE" help:"A field to write; the flag repeats. NAME=TYPE[:KEY=VALUE,...], with file=FILE.npy if it is not an argument. Types: rgb, image, int, float, bytes, ndarray, torch."`
	recipeFlags
}

func (c *arraysFlags) recipe(context.Context, *store.Options) (build.Recipe, error) {
	return c.finish(build.Recipe{Arrays: &build.Arrays{Files: c.File, Fields: c.Field}})
}
