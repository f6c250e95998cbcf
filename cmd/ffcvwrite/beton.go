package main

import (
	"context"
	"strings"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/store"
)

type betonFlags struct {
	File    string   `arg:"" complete:"beton" help:"The .beton whose samples to take, a path or a URL. What it stores is kept as it is, with keys and class names; --mode, --max-resolution, --reencode always, --orient and --strip encode its images anew."`
	Indices string   `complete:"file" placeholder:"FILE|LIST" help:"These samples, in this order. Numbers and ranges with commas between, such as 0,5,7 or 100:200, as in Python, or a file of numbers (text, or a .npy of integers)."`
	Fields  []string `aliases:"field" placeholder:"NAME,…" help:"Only these fields, with commas between. Unless given, all in the file's order."`
	recipeFlags
}

func (c *betonFlags) recipe(context.Context, *store.Options) (build.Recipe, error) {
	b := &build.Beton{File: c.File, Fields: c.Fields}
	if strings.Trim(c.Indices, "0123456789,:- ") == "" {
		b.Indices = c.Indices
	} else {
		b.IndexFile = c.Indices
	}
	return c.finish(build.Recipe{Beton: b})
}
