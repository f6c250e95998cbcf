package main

import (
	"context"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/store"
)

type webdatasetFlags struct {
	Shard []string `arg:"" sep:"none" complete:"file" help:"WebDataset's shards, .tar or compressed (.tar.gz, .tar.zst, .tar.bz2): paths or URLs, with lists in braces ({000..012}) and patterns (*, ?, [a-z])."`
	Field []string `sep:"none" placeholder:"NAME=TYPE" help:"A field to write; the flag repeats. It is NAME=TYPE[:KEY=VALUE,...]. The key column tells the extensions of its members, such as jpg;jpeg;png, unless that is the name. Without the flag the first sample's members are taken, by their extensions."`
	classesFlags
	recipeFlags
}

func (c *webdatasetFlags) recipe(ctx context.Context, st *store.Options) (build.Recipe, error) {
	w := &build.WebDataset{Shards: c.Shard, Fields: c.Field}
	r, err := c.finish(build.Recipe{WebDataset: w})
	if err == nil {
		w.Classes, err = c.names(ctx, st)
	}
	return r, err
}
