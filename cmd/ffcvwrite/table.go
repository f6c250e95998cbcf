package main

import (
	"context"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/store"
)

type tableFlags struct {
	File         string   `arg:"" complete:"file" help:"Table, a path or a URL: .csv or .tsv with a header row, or .jsonl with an object a line."`
	Field        []string `required:"" sep:"none" placeholder:"NAME=TYPE" help:"A field to write; the flag repeats. It is NAME=TYPE[:KEY=VALUE,...]. Types: rgb, image (masks and depth maps, kept to the bit), int, float, bytes, json, ndarray, torch. Keys: column, inline; lz4 (compressed) of bytes, json and arrays; dtype and shape of arrays; channels, dtype and max_resolution of image; mode, max_resolution, quality... of rgb."`
	AllowOutside bool     `help:"Allow files that a table names and that lie, or lead by a link, outside of its folder."`
	recipeFlags
}

func (c *tableFlags) recipe(context.Context, *store.Options) (build.Recipe, error) {
	return c.finish(build.Recipe{Table: &build.Table{File: c.File, Fields: c.Field, AllowOutside: c.AllowOutside}})
}
