package build

import (
	"context"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/store"
)

// Folder is a folder of class folders with photographs, on the local disk or in
// an object store (source.Folder).
type Folder struct {
	Dir      string   `json:"dir"`
	Classes  []string `json:"classes,omitempty"` // by label; nil is the folder's own
	Masks    string   `json:"masks,omitempty"`   // folder of masks, "" none
	MaskBits int      `json:"mask_bits,omitempty"`
}

func (f *Folder) check(image *Image) error {
	if f.Masks != "" && image.Orient {
		return optionError("masks", "masks are not turned, so images can't be either (--orient)")
	}
	if f.MaskBits != 0 && f.MaskBits != 8 && f.MaskBits != 16 {
		return optionError("mask-bits", "%d; expected 8 or 16", f.MaskBits)
	}
	return nil
}

// mask returns the field that stores the masks.
func (f *Folder) mask(image *Image) fields.Image {
	m := fields.Image{Channels: 1, DType: array.Uint8, MaxResolution: image.MaxResolution, MaxPixels: image.MaxPixels}
	if f.MaskBits == 16 {
		m.DType = array.Uint16
	}
	return m
}

func (f *Folder) open(ctx context.Context, s *Source, r *Recipe, opts *OpenOptions) error {
	image, err := r.Image.Field(opts.Images)
	if err != nil {
		return err
	}
	d, err := source.OpenFolder(ctx, f.Dir, &source.FolderOptions{
		Classes: f.Classes, Masks: f.Masks, Mask: f.mask(&r.Image), Store: objectsOf(opts.Store),
	})
	if err != nil {
		return err
	}
	s.far = store.IsURL(f.Dir) || store.IsURL(f.Masks)
	s.of, s.LeftOut, s.Fields, s.Unit = d, d.Skipped(), d.Fields(), "image"
	s.Fields[0].Field = image
	s.closers = append(s.closers, d.Close)
	return nil
}

func (f *Folder) at(change func(name *string)) kind {
	c := *f
	change(&c.Dir)
	change(&c.Masks)
	return &c
}

func (f *Folder) fixed(classes []string) kind {
	c := *f
	c.Classes = classes
	return &c
}

func (f *Folder) labels() []string { return f.Classes }
