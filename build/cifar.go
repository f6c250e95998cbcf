package build

import (
	"context"
	"fmt"

	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/store"
)

// CIFAR are files of CIFAR-10 or CIFAR-100, the binary version, on the local disk or
// in an object store (source.CIFAR).
type CIFAR struct {
	Files   []string `json:"files"`             // .bin, a folder or a .tar.gz of them
	Split   string   `json:"split,omitempty"`   // of a folder or archive: "" is train, or test
	Classes []string `json:"classes,omitempty"` // by label; nil is what lies beside the data
}

func (c *CIFAR) check(*Image) error {
	if c.Split != "" && c.Split != "train" && c.Split != "test" {
		return optionError("split", "%q; expected train or test", c.Split)
	}
	return nil
}

func (c *CIFAR) tiny() {}

func (c *CIFAR) open(ctx context.Context, s *Source, r *Recipe, opts *OpenOptions) error {
	d, err := source.OpenCIFAR(ctx, c.Files, &source.CIFAROptions{Classes: c.Classes, Split: c.Split, Store: objectsOf(opts.Store)})
	if err != nil {
		return err
	}
	s.of, s.Unit, s.far = d, "image", farAny(c.Files)
	s.closers = append(s.closers, d.Close)
	s.Fields, err = r.imageFields(d.Fields(), opts.Images)
	return err
}

func (c *CIFAR) at(change func(name *string)) kind {
	k := *c
	k.Files = changed(c.Files, change)
	return &k
}

// farAny says whether one of the names is a URL.
func farAny(names []string) bool {
	for _, name := range names {
		if store.IsURL(name) {
			return true
		}
	}
	return false
}

// IDX are a file of images and one of their labels, as MNIST has them, on the local
// disk or in an object store (source.IDX).
type IDX struct {
	Images    string   `json:"images"`
	Labels    string   `json:"labels,omitempty"`
	As        string   `json:"as,omitempty"` // "" is rgb, or image, ndarray
	Transpose bool     `json:"transpose,omitempty"`
	Classes   []string `json:"classes,omitempty"` // by label
}

func (x *IDX) check(*Image) error {
	switch x.As {
	case "", "rgb", "image", "ndarray":
	default:
		return optionError("as", "%q; expected rgb, image or ndarray", x.As)
	}
	if x.Images == "" {
		return fmt.Errorf("idx without a file of images")
	}
	return nil
}

func (x *IDX) tiny() {}

func (x *IDX) open(ctx context.Context, s *Source, r *Recipe, opts *OpenOptions) error {
	d, err := source.OpenIDX(ctx, x.Images, x.Labels, &source.IDXOptions{As: x.As, Transpose: x.Transpose, Classes: x.Classes, Store: objectsOf(opts.Store)})
	if err != nil {
		return err
	}
	s.of, s.Unit, s.far = d, "image", farAny([]string{x.Images, x.Labels})
	s.closers = append(s.closers, d.Close)
	s.Fields, err = r.imageFields(d.Fields(), opts.Images)
	return err
}

func (x *IDX) at(change func(name *string)) kind {
	k := *x
	change(&k.Images)
	change(&k.Labels)
	return &k
}
