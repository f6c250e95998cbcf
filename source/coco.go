package source

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/roll"
)

// COCOOptions are the choices of OpenCOCO. Nil and the zero value are the defaults.
type COCOOptions struct {
	// Boxes says what boxes and masks become.
	Boxes BoxOptions

	// Classes are the names of the categories by label: it fixes the labels of several
	// files (train and validation). The default, the categories in the order of their
	// ids, is wrong where these files have not all the same. A category that is not
	// among the classes is an error.
	Classes []string

	// Store is where the images lie when their folder is a URL.
	Store Store
}

// COCO are images with the things on them, as in COCO's instances_*.json: one file of
// annotations, and a folder of the images that it names. The fields are "image",
// "boxes" (BoxOptions), "mask" if there are masks, "id", the image's number in the
// file, and "count", how many boxes there are. Samples are in the order of the file's images, those without annotations
// too; the key is an image's file_name. Labels count the categories in the order of
// their ids, from 0 on.
//
// Boxes are cut off at the image's edge. Those of no size, or wholly outside, are left
// out and reported by Skipped. An image whose width or height are not what the file
// says is an error of its sample.
//
// The file is mapped and read twice when it is opened; beside it 24 bytes an image and
// two times 24 bytes an annotation are kept, beyond some MiB in temporary files.
type COCO struct {
	blob    Blob
	text    []byte
	name    string
	dir     string
	opts    COCOOptions
	classes []string
	labels  map[int64]int // by category id
	images  roll.Numbers  // where each image's object begins and ends
	byID    sortedSpans   // the same, by their ids
	byImage sortedSpans   // annotations by image ids
	skipped skips
}

// OpenCOCO reads a file of annotations on the local disk, whose images lie in the
// folder images, and checks it: annotations of images or categories that are not there
// are errors, and ids or file names that come twice. Close it after its last use.
func OpenCOCO(ctx context.Context, file, images string, opts *COCOOptions) (_ *COCO, err error) {
	c := &COCO{name: file, dir: images}
	if opts != nil {
		c.opts = *opts
	}
	if err := c.opts.Boxes.settle("label", "iscrowd", "area", "category"); err != nil {
		return nil, err
	}
	if c.opts.Store == nil && far(images) {
		return nil, fmt.Errorf("folder %s: a URL, and no store to read it from", shown(images))
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("coco: %s: %w", shown(file), errors.Join(err, c.Close()))
		}
	}()
	if c.blob, err = openBlob(ctx, file, c.opts.Store); err != nil {
		return nil, err
	}
	if c.text, err = readBlob(ctx, c.blob, 0, c.blob.Size()); err != nil {
		return nil, err
	}
	if err := fields.JSONText(c.text).Check(); err != nil {
		return nil, err
	}
	if err := c.index(ctx); err != nil {
		return nil, err
	}
	return c, c.opts.Boxes.settleMask(len(c.classes))
}

// index finds where images and annotations are.
func (c *COCO) index(ctx context.Context) error {
	var categories []byte
	seen := map[string]bool{}
	var names, ids sortedSpans
	defer names.close()
	defer ids.close()
	err := members(c.text, func(key string, value []byte) error {
		if seen[key] {
			return fmt.Errorf("%q comes twice", key)
		}
		seen[key] = true
		switch key {
		case "categories":
			categories = value
		case "images":
			return c.each(ctx, key, value, func(text []byte, off, end int64) error {
				m, err := parseCOCOImage(text)
				if err != nil {
					return err
				}
				c.images.Append(off)
				c.images.Append(end)
				c.byID.add(m.id, off, end)
				names.add(hashName(m.file), off, end)
				return c.images.Err()
			})
		case "annotations":
			return c.each(ctx, key, value, func(text []byte, off, end int64) error {
				a, err := parseCOCOAnnotation(text)
				if err != nil {
					return err
				}
				c.byImage.add(a.image, off, end)
				ids.add(a.id, off, end)
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !seen["images"] {
		return errors.New(`no "images" in it; expected COCO's annotations, an object of images, annotations and categories`)
	}
	if err := c.categories(categories); err != nil {
		return err
	}
	for _, s := range []interface{ seal() error }{&c.byID, &c.byImage, &names, &ids} {
		if err := s.seal(); err != nil {
			return err
		}
	}
	if err := c.images.Seal(); err != nil {
		return err
	}
	return c.check(ctx, &names, &ids)
}

// each calls yield with the elements of a list, and where they begin and end in the
// file.
func (c *COCO) each(ctx context.Context, what string, value []byte, yield func(text []byte, off, end int64) error) error {
	base := int64(cap(c.text) - cap(value)) // value is a part of text
	number := 0
	return elements(value, func(text []byte) error {
		off := base + int64(cap(value)-cap(text))
		if number%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := yield(text, off, off+int64(len(text))); err != nil {
			return fmt.Errorf("%s: number %d at byte %d: %w", what, number, off, err)
		}
		number++
		return nil
	})
}

// elements calls each with every element of a list, whose text was checked.
func elements(text []byte, each func(value []byte) error) error {
	if len(text) == 0 || text[0] != '[' {
		return fmt.Errorf("expected a list […], found %s", excerpt(text))
	}
	for i := next(text, 1); text[i] != ']'; {
		end := skipValue(text, i)
		if err := each(text[i:end]); err != nil {
			return err
		}
		if i = next(text, end); text[i] == ',' {
			i = next(text, i+1)
		}
	}
	return nil
}

// categories makes labels of the categories.
func (c *COCO) categories(text []byte) error {
	type category struct {
		id   int64
		name string
	}
	var list []category
	if text != nil {
		err := elements(text, func(value []byte) error {
			k := category{}
			var id bool
			err := members(value, func(key string, v []byte) (err error) {
				switch key {
				case "id":
					id = true
					k.id, err = wholeNumber(v)
				case "name":
					k.name, err = unquote(v)
				}
				return err
			})
			if err == nil && (!id || k.name == "") {
				err = fmt.Errorf("no id or no name in %s", excerpt(value))
			}
			list = append(list, k)
			return err
		})
		if err != nil {
			return fmt.Errorf("categories: %w", err)
		}
	}
	slices.SortFunc(list, func(a, b category) int { return cmp.Compare(a.id, b.id) })
	c.labels, c.classes = map[int64]int{}, slices.Clone(c.opts.Classes)
	at := map[string]int{}
	for i, name := range c.classes {
		at[name] = i
	}
	for i, k := range list {
		if i > 0 && k.id == list[i-1].id {
			return fmt.Errorf("categories: id %d comes twice", k.id)
		}
		label, ok := at[k.name]
		switch {
		case c.opts.Classes == nil && ok:
			return fmt.Errorf("categories: %q comes twice, with the ids %d and %d", k.name, list[label].id, k.id)
		case c.opts.Classes == nil:
			label, at[k.name] = i, i
			c.classes = append(c.classes, k.name)
		case !ok:
			return fmt.Errorf("category %q (id %d) is not among the %d known classes (%s)", k.name, k.id, len(c.classes), shorten(c.classes))
		}
		c.labels[k.id] = label
	}
	return nil
}

// check finds what does not fit together, and reports boxes that are left out.
func (c *COCO) check(ctx context.Context, names, ids *sortedSpans) error {
	for i := 1; i < c.byID.n; i++ {
		a, _, _ := c.byID.at(i - 1)
		if b, off, _ := c.byID.at(i); a == b {
			return fmt.Errorf("images: id %d comes twice, the second time at byte %d", b, off)
		}
	}
	for i := 1; i < ids.n; i++ {
		a, _, _ := ids.at(i - 1)
		if b, off, _ := ids.at(i); a == b {
			return fmt.Errorf("annotations: id %d comes twice, the second time at byte %d", b, off)
		}
	}
	for i := 1; i < names.n; i++ {
		a, off, end := names.at(i - 1)
		b, off2, end2 := names.at(i)
		if a != b {
			continue
		}
		x, _ := parseCOCOImage(c.text[off:end])
		if y, _ := parseCOCOImage(c.text[off2:end2]); x.file == y.file {
			return fmt.Errorf("images: file_name %q comes twice, with the ids %d and %d", x.file, x.id, y.id)
		}
	}
	at := 0 // in byID
	var m cocoImage
	have := int64(-1)
	for i := range c.byImage.n {
		id, off, end := c.byImage.at(i)
		if i%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		a, err := parseCOCOAnnotation(c.text[off:end])
		if err != nil {
			return fmt.Errorf("annotations: at byte %d: %w", off, err)
		}
		for at < c.byID.n {
			if k, _, _ := c.byID.at(at); k >= id {
				break
			}
			at++
		}
		k, from, to := int64(0), int64(0), int64(0)
		if at < c.byID.n {
			k, from, to = c.byID.at(at)
		}
		if at == c.byID.n || k != id {
			return fmt.Errorf("annotations: id %d at byte %d is on the image %d, which is not among the images", a.id, off, id)
		}
		if _, ok := c.labels[a.category]; !ok {
			return fmt.Errorf("annotations: id %d at byte %d is of the category %d, which is not among the categories", a.id, off, a.category)
		}
		if have != from {
			m, _ = parseCOCOImage(c.text[from:to])
			have = from
		}
		if _, why := a.cut(m.width, m.height); why != "" {
			c.skipped.add(m.file, fmt.Sprintf("annotation %d: %s", a.id, why))
		}
	}
	return nil
}

// Len returns the number of images.
func (c *COCO) Len() int { return c.images.Len() / 2 }

// Classes returns the names of the categories by label. The slice is the source's own.
func (c *COCO) Classes() []string { return c.classes }

// Skipped returns the boxes that were left out, by image. The slice is the source's
// own.
func (c *COCO) Skipped() []Skip { return c.skipped.all("boxes") }

// Fields returns "image", "boxes", "mask" if there are masks, "id" and "count".
func (c *COCO) Fields() []Field {
	return append(c.opts.Boxes.fields(), Field{"id", fields.Int{}}, Field{"count", fields.Int{}})
}

// image returns image i.
func (c *COCO) image(i int) (cocoImage, error) {
	if c.text == nil {
		return cocoImage{}, fmt.Errorf("coco: %s: %w", shown(c.name), os.ErrClosed)
	}
	if i < 0 || i >= c.Len() {
		return cocoImage{}, fmt.Errorf("coco: %s: sample %d of %d", shown(c.name), i, c.Len())
	}
	return parseCOCOImage(c.text[c.images.At(2*i):c.images.At(2*i+1)])
}

// Sample returns image i as a fields.Path, or its file's bytes from a store, its
// boxes as bytes, its mask as an array.Array, its id and how many boxes there are. The
// key is its file_name.
func (c *COCO) Sample(ctx context.Context, i int) (values []any, key string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	m, err := c.image(i)
	if err != nil {
		return nil, "", err
	}
	image, width, height, err := imageIn(ctx, c.dir, m.file, c.opts.Store)
	if err != nil {
		return nil, m.file, err
	}
	if width != m.width || height != m.height {
		return nil, m.file, fmt.Errorf("image %s is %dx%d; %s says %dx%d", m.file, width, height, filepath.Base(c.name), m.width, m.height)
	}
	boxes, err := c.boxes(m)
	if err != nil {
		return nil, m.file, fmt.Errorf("image %s: %s: %w", m.file, filepath.Base(c.name), err)
	}
	values, err = c.opts.Boxes.values(image, boxes, width, height)
	if err != nil {
		return nil, m.file, fmt.Errorf("image %s: %w", m.file, err)
	}
	return append(values, m.id, c.opts.Boxes.count(values[1])), m.file, nil
}

// values returns those of fields.
func (o *BoxOptions) values(image any, boxes []box, width, height int) ([]any, error) {
	b, err := o.value(boxes, width, height)
	if err != nil {
		return nil, err
	}
	values := []any{image, b}
	if o.Mask == "" {
		return values, nil
	}
	mask, err := o.mask(boxes, width, height)
	if err != nil {
		return nil, fmt.Errorf("mask: %w", err)
	}
	return append(values, mask), nil
}

// boxes returns those of an image, in the order of the file.
func (c *COCO) boxes(m cocoImage) ([]box, error) {
	var list []box
	for i := c.byImage.find(m.id); i < c.byImage.n; i++ {
		id, off, end := c.byImage.at(i)
		if id != m.id {
			break
		}
		a, err := parseCOCOAnnotation(c.text[off:end])
		if err != nil {
			return nil, fmt.Errorf("annotation at byte %d: %w", off, err)
		}
		b, why := a.cut(m.width, m.height)
		if why != "" {
			continue // it is reported
		}
		b.label, b.category = c.labels[a.category], a.category
		if c.opts.Boxes.Mask != "" {
			if err := b.segment(a.segmentation, m.width, m.height); err != nil {
				return nil, fmt.Errorf("annotation %d at byte %d: segmentation: %w", a.id, off, err)
			}
		}
		list = append(list, b)
	}
	return list, nil
}

// SampleSize returns how many bytes image i's file has, without reading it; 0 for one
// that is not there, and for those in a store, where each would take a request.
func (c *COCO) SampleSize(ctx context.Context, i int) (int64, error) {
	m, err := c.image(i)
	if err != nil || far(c.dir) {
		return 0, err
	}
	return imageSize(ctx, c.dir, m.file, c.opts.Store)
}

// Identity reads the whole file for its SHA-256, and looks at every image: name, size,
// time of change; in a store name and size.
func (c *COCO) Identity(ctx context.Context) ([]Trait, error) {
	list, err := c.Traits(ctx)
	if err != nil {
		return nil, err
	}
	images, err := c.look(ctx, c.Len(), func(k int) int { return k }, false)
	return append(list, Trait{"images", images}), err
}

// Traits tell what the file holds, by its SHA-256, and how it is read.
func (c *COCO) Traits(ctx context.Context) ([]Trait, error) {
	if c.text == nil {
		return nil, fmt.Errorf("coco: %s: %w", shown(c.name), os.ErrClosed)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, &ctxReader{ctx, bytes.NewReader(c.text)}); err != nil {
		return nil, err
	}
	o := c.opts.Boxes
	return []Trait{
		{"annotations", fmt.Sprintf("%d bytes, %d images, SHA-256 %x", len(c.text), c.Len(), sum.Sum(nil))},
		{"boxes", fmt.Sprintf("%s, %q, mask %q of %d bits, images of at most %d", o.Format, o.Columns, o.Mask, o.MaskBits, o.MaxResolution)},
	}, nil
}

// Files looks at the files of n samples, those whose numbers at gives, and returns a
// sum over their names and sizes.
func (c *COCO) Files(ctx context.Context, n int, at func(k int) int) (string, error) {
	return c.look(ctx, n, at, true)
}

func (c *COCO) look(ctx context.Context, n int, at func(k int) int, timeless bool) (string, error) {
	l := listing{timeless: timeless}
	err := each(ctx, n, func(k int) error {
		i := at(k)
		m, err := c.image(i)
		if err != nil {
			return err
		}
		return lookAt(ctx, &l, i, c.dir, m.file, c.opts.Store)
	})
	return l.String(), err
}

// Close closes the file. Nobody may use the source meanwhile. A second Close does
// nothing.
func (c *COCO) Close() error {
	c.text = nil
	errs := []error{c.images.Close(), c.byID.close(), c.byImage.close()}
	if c.blob != nil {
		errs = append(errs, c.blob.Close())
	}
	return errors.Join(errs...)
}

// lookAt adds an image of a folder.
func lookAt(ctx context.Context, l *listing, i int, dir, name string, st Store) error {
	if far(dir) {
		size, err := imageSize(ctx, dir, name, st)
		if err == nil {
			l.add(i, name, size, time.Time{})
		}
		return err
	}
	l.file(i, name, filepath.Join(dir, filepath.FromSlash(name)))
	return nil
}

// inStore is the URL of an image of a folder there. That of a web server keeps the
// folder's query, in which there may be a signature; the bytes of a name that mean
// something in URLs are escaped there.
func inStore(dir, name string) string {
	if web(dir) {
		return join(dir, (&url.URL{Path: name}).EscapedPath())
	}
	return strings.TrimSuffix(dir, "/") + "/" + name
}
