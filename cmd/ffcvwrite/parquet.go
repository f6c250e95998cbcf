package main

import (
	"context"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/store"
)

type parquetFlags struct {
	File  []string `arg:"" sep:"none" complete:"file" help:"Parquet files, such as those of Hugging Face's datasets: paths, patterns (train-*.parquet, {00..12}.parquet), folders or URLs."`
	Field []string `sep:"none" placeholder:"NAME=TYPE" help:"A field to write; the flag repeats. It is NAME=TYPE[:KEY=VALUE,...]. The key column names the column, if it has another name. Without the flag all columns are taken, by their types."`
	classesFlags
	recipeFlags
}

func (c *parquetFlags) recipe(ctx context.Context, st *store.Options) (build.Recipe, error) {
	p := &build.Parquet{Files: c.File, Fields: c.Field}
	r, err := c.finish(build.Recipe{Parquet: p})
	if err == nil {
		p.Classes, err = c.names(ctx, st)
	}
	return r, err
}
