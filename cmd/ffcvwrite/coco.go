package main

import (
	"context"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/store"
)

// boxFlags say what boxes become.
type boxFlags struct {
	Boxes    string `default:"xyxy" enum:"xyxy,xywh,cxcywh" placeholder:"FORMAT" help:"What boxes are, in pixels of the stored image: xyxy, left, top, right, bottom (the default); xywh, left, top, width, height, as COCO has them; cxcywh, the middle and the size."`
	Mask     string `default:"" enum:",semantic,instance" placeholder:"KIND" help:"Add a field mask, of polygons and runs: semantic, each pixel's label plus one, or instance, the number plus one of its box; 0 is neither."`
	MaskBits int    `default:"0" enum:"0,8,16" placeholder:"8|16" help:"Bits of a mask's numbers. Unless given, 8 of semantic masks of less than 256 classes, else 16."`
}

func (f *boxFlags) boxes() build.Boxes {
	return build.Boxes{Format: f.Boxes, Mask: f.Mask, MaskBits: f.MaskBits}
}

type cocoFlags struct {
	File    string   `arg:"" name:"annotations" complete:"file" help:"Annotations as COCO has them, such as instances_train2017.json, a path or a URL."`
	Images  string   `arg:"" complete:"dir" help:"The folder of the images that they name, a path or a URL."`
	Columns []string `default:"label" placeholder:"LIST" help:"Numbers behind the four of a box: of label, iscrowd, area and category (the id that the data has), or none (default label). With iscrowd boxes of crowds are taken too."`
	boxFlags
	classesFlags
	recipeFlags
}

func (c *cocoFlags) recipe(ctx context.Context, st *store.Options) (build.Recipe, error) {
	f := &build.COCO{File: c.File, Images: c.Images, Boxes: c.boxes()}
	if f.Columns = c.Columns; len(c.Columns) == 1 && c.Columns[0] == "none" {
		f.Columns, f.NoColumn = nil, true
	}
	r, err := c.finish(build.Recipe{COCO: f})
	if err == nil {
		f.Classes, err = c.names(ctx, st)
	}
	return r, err
}

type yoloFlags struct {
	Data  string `arg:"" complete:"file" help:"A data.yaml, or the folder with it, or with images and labels in it, a path or a URL."`
	Split string `default:"train" placeholder:"NAME" help:"Which part of the dataset is taken. train (the default), val or test."`
	boxFlags
	classesFlags
	recipeFlags
}

func (c *yoloFlags) recipe(ctx context.Context, st *store.Options) (build.Recipe, error) {
	f := &build.YOLO{Data: c.Data, Split: c.Split, Boxes: c.boxes()}
	r, err := c.finish(build.Recipe{YOLO: f})
	if err == nil {
		f.Classes, err = c.names(ctx, st)
	}
	return r, err
}
