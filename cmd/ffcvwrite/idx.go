package main

import (
	"context"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/store"
)

type idxFlags struct {
	Images    string `arg:"" complete:"file" help:"Images as MNIST has them, such as train-images-idx3-ubyte or the same with .gz, a path or a URL."`
	Labels    string `arg:"" optional:"" complete:"file" help:"Their labels, such as train-labels-idx1-ubyte.gz, a path or a URL; without them there is no label."`
	As        string `default:"rgb" enum:"rgb,image,ndarray" placeholder:"rgb|image|ndarray" help:"What gray images become: rgb, each number three times (the default); image, one number a pixel, which FFCV must be told of; ndarray, an array of height and width."`
	Transpose bool   `help:"Swap rows and columns of the images: those of EMNIST lie so."`
	classesFlags
	recipeFlags
}

func (c *idxFlags) recipe(ctx context.Context, st *store.Options) (build.Recipe, error) {
	x := &build.IDX{Images: c.Images, Labels: c.Labels, As: c.As, Transpose: c.Transpose}
	r, err := c.finish(build.Recipe{IDX: x})
	if err == nil {
		x.Classes, err = c.names(ctx, st)
	}
	return r, err
}
