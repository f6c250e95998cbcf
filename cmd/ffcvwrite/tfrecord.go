package main

import (
	"context"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/store"
)

type tfrecordFlags struct {
	File  []string `arg:"" sep:"none" complete:"file" help:"TFRecord files, plain or compressed by gzip or zlib, of tf.train.Example or SequenceExample: paths, patterns (train-*, {00..12}.tfrecord) or URLs."`
	Field []string `sep:"none" placeholder:"NAME=TYPE" help:"A field to write; the flag repeats. It is NAME=TYPE[:KEY=VALUE,...]. The key column names the feature, if it has another name. Without the flag all features of the first records are taken, by their values."`
	classesFlags
	recipeFlags
}

func (c *tfrecordFlags) recipe(ctx context.Context, st *store.Options) (build.Recipe, error) {
	t := &build.TFRecord{Files: c.File, Fields: c.Field}
	r, err := c.finish(build.Recipe{TFRecord: t})
	if err == nil {
		t.Classes, err = c.names(ctx, st)
	}
	return r, err
}
