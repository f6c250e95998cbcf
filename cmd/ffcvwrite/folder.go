package main

import (
	"context"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/store"
)

type folderFlags struct {
	Dir      string `arg:"" complete:"dir" help:"Folder with a folder of photographs for each class, a path or a URL."`
	Masks    string `placeholder:"DIR" help:"Add a field mask: for each image the file of the same name in DIR, with the extension .png and of the same size, whose class numbers (gray, or the indices of a palette) are kept to the bit; --max-resolution shrinks both alike, masks to the nearest pixels."`
	MaskBits int    `default:"8" enum:"8,16" placeholder:"8|16" help:"Bits of a mask's numbers. Unless given, 8."`
	classesFlags
	recipeFlags
}

func (c *folderFlags) recipe(ctx context.Context, st *store.Options) (build.Recipe, error) {
	f := &build.Folder{Dir: c.Dir, Masks: c.Masks, MaskBits: c.MaskBits}
	r, err := c.finish(build.Recipe{Folder: f})
	if err == nil {
		f.Classes, err = c.names(ctx, st)
	}
	return r, err
}
