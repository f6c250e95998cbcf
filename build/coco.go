package build

import (
	"context"
	"errors"
	"fmt"

	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/store"
)

// Boxes say what the boxes on images become (source.BoxOptions). Zero values are the
// defaults.
type Boxes struct {
	Format   string   `json:"boxes,omitempty"`   // "" is xyxy, or xywh, cxcywh
	Columns  []string `json:"columns,omitempty"` // behind the four numbers; nil is label
	NoColumn bool     `json:"no_column,omitempty"`
	Mask     string   `json:"mask,omitempty"` // "" none, or semantic, instance
	MaskBits int      `json:"mask_bits,omitempty"`
}

// options returns them for images that are stored so.
func (b *Boxes) options(image *Image) source.BoxOptions {
	o := source.BoxOptions{Format: b.Format, Columns: b.Columns, Mask: b.Mask, MaskBits: b.MaskBits,
		MaxResolution: image.MaxResolution, MaxPixels: image.MaxPixels}
	if b.NoColumn {
		o.Columns = []string{}
	}
	return o
}

func (b *Boxes) check(image *Image) error {
	switch {
	case image.Orient:
		return optionError("orient", "boxes are not turned, so images can't be either")
	case b.NoColumn && len(b.Columns) > 0:
		return optionError("columns", "%q and none; expected one of them", b.Columns)
	case b.MaskBits != 0 && b.MaskBits != 8 && b.MaskBits != 16:
		return optionError("mask-bits", "%d; expected 8 or 16", b.MaskBits)
	}
	return nil
}

// COCO is a file of annotations as COCO has them, and a folder of the images that it
// names, each on the local disk or in an object store (source.COCO).
type COCO struct {
	File    string   `json:"file"`
	Images  string   `json:"images"`
	Classes []string `json:"classes,omitempty"` // by label; nil is the categories in the order of their ids
	Boxes
}

func (c *COCO) check(image *Image) error {
	if c.File == "" || c.Images == "" {
		return errors.New("coco without a file of annotations or a folder of images")
	}
	return c.Boxes.check(image)
}

func (c *COCO) open(ctx context.Context, s *Source, r *Recipe, opts *OpenOptions) error {
	// All of it is read again and again, by places.
	copied, err := store.Fetch(ctx, c.File, opts.Store)
	if err != nil {
		return fmt.Errorf("coco: %w", err)
	}
	s.closers = append(s.closers, copied.Close)
	d, err := source.OpenCOCO(ctx, copied.Path, c.Images, &source.COCOOptions{Boxes: c.Boxes.options(&r.Image), Classes: c.Classes, Store: objectsOf(opts.Store)})
	if err != nil {
		return err
	}
	s.of, s.Unit, s.far, s.LeftOut = d, "image", store.IsURL(c.Images), d.Skipped()
	s.closers = append(s.closers, d.Close)
	s.Fields, err = r.imageFields(d.Fields(), opts.Images)
	return err
}

func (c *COCO) at(change func(name *string)) kind {
	k := *c
	change(&k.File)
	change(&k.Images)
	return &k
}

// YOLO is a data.yaml, or the folder of one, with images and labels as YOLO has them,
// on the local disk or in an object store (source.YOLO).
type YOLO struct {
	Data    string   `json:"data"`
	Split   string   `json:"split,omitempty"`   // "" is train
	Classes []string `json:"classes,omitempty"` // by label; nil is those of data.yaml
	Boxes
}

func (y *YOLO) check(image *Image) error {
	if y.Data == "" {
		return errors.New("yolo without a data.yaml or a folder")
	}
	return y.Boxes.check(image)
}

func (y *YOLO) open(ctx context.Context, s *Source, r *Recipe, opts *OpenOptions) error {
	d, err := source.OpenYOLO(ctx, y.Data, &source.YOLOOptions{Split: y.Split, Boxes: y.Boxes.options(&r.Image), Classes: y.Classes, Store: objectsOf(opts.Store)})
	if err != nil {
		return err
	}
	s.of, s.Unit, s.far, s.LeftOut = d, "image", store.IsURL(y.Data), d.Skipped()
	s.closers = append(s.closers, d.Close)
	s.Fields, err = r.imageFields(d.Fields(), opts.Images)
	return err
}

func (y *YOLO) at(change func(name *string)) kind {
	k := *y
	change(&k.Data)
	return &k
}
