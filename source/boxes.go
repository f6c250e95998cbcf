package source

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

// BoxOptions say what the boxes of a sample become: a Bytes value of float32,
// little-endian, row after row without padding, so that a loader hands them out as
// (n, 4 and the further columns). The zero value is left, top, right and bottom in
// pixels of the stored image, and the label.
type BoxOptions struct {
	// Format is what the first four numbers are: "xyxy" (also ""), left, top, right,
	// bottom; "xywh", left, top, width, height, as COCO has them; "cxcywh", the middle
	// and the size. All are pixels of the stored image.
	Format string

	// Columns are the numbers behind them, of "label", "iscrowd", "area" and
	// "category". Nil is the label alone, and an empty list none. Boxes of crowds are
	// taken with a column iscrowd only, since nothing else would tell them apart. YOLO
	// has labels alone.
	Columns []string

	// Mask adds a field "mask" of the image's size: "semantic" has each pixel's label
	// plus one, "instance" the number plus one of its box among the sample's boxes; 0
	// is none of them. Smaller objects lie above larger ones, crowds below all. "" is
	// no mask.
	Mask string

	// MaskBits are 8 or 16; 0 is 8 of semantic masks of less than 256 classes, else 16.
	MaskBits int

	// MaxResolution is that of the field that stores the images: boxes shrink with
	// them, and so do masks.
	MaxResolution int

	// MaxPixels is that of the field that stores the images.
	MaxPixels int
}

// boxFormats are the formats, with what they make of a box.
var boxFormats = map[string]func(b box) [4]float64{
	"xyxy": func(b box) [4]float64 { return [4]float64{b.x0, b.y0, b.x1, b.y1} },
	"xywh": func(b box) [4]float64 { return [4]float64{b.x0, b.y0, b.x1 - b.x0, b.y1 - b.y0} },
	"cxcywh": func(b box) [4]float64 {
		return [4]float64{(b.x0 + b.x1) / 2, (b.y0 + b.y1) / 2, b.x1 - b.x0, b.y1 - b.y0}
	},
}

// boxColumns are the columns that there are, with what they are of a box.
var boxColumns = map[string]func(b box) float64{
	"label":    func(b box) float64 { return float64(b.label) },
	"iscrowd":  func(b box) float64 { return map[bool]float64{true: 1}[b.crowd] },
	"area":     func(b box) float64 { return b.area },
	"category": func(b box) float64 { return float64(b.category) },
}

// box is a thing on an image, in pixels of the image file.
type box struct {
	x0, y0, x1, y1 float64
	label          int
	category       int64 // what the label is called in the data
	area           float64
	crowd          bool

	polygons [][]float64 // x and y in turns
	runs     []uint32    // of its mask, in place of polygons: of 0, of 1, of 0 …, by columns
}

// settle fills in what is not said, and checks the rest.
func (o *BoxOptions) settle(columns ...string) error {
	if o.Format == "" {
		o.Format = "xyxy"
	}
	if o.Columns == nil {
		o.Columns = []string{"label"}
	}
	if boxFormats[o.Format] == nil {
		return &SpecError{fmt.Errorf("boxes as %q; expected xyxy, xywh or cxcywh", o.Format)}
	}
	for _, c := range o.Columns {
		if !slices.Contains(columns, c) {
			return &SpecError{fmt.Errorf("boxes with a column %q; expected of %s", c, strings.Join(columns, ", "))}
		}
	}
	switch o.Mask {
	case "", "semantic", "instance":
	default:
		return &SpecError{fmt.Errorf("mask %q; expected semantic or instance", o.Mask)}
	}
	if o.MaskBits != 0 && o.MaskBits != 8 && o.MaskBits != 16 {
		return &SpecError{fmt.Errorf("masks of %d bits; expected 8 or 16", o.MaskBits)}
	}
	return nil
}

// settleMask chooses the mask's bits by the number of classes.
func (o *BoxOptions) settleMask(classes int) error {
	if o.Mask == "" {
		return nil
	}
	if o.MaskBits == 0 {
		if o.MaskBits = 16; o.Mask == "semantic" && classes < 256 {
			o.MaskBits = 8
		}
	}
	if o.Mask == "semantic" && classes >= 1<<o.MaskBits {
		return fmt.Errorf("%d classes; a mask of %d bits has at most %d", classes, o.MaskBits, 1<<o.MaskBits-1)
	}
	return nil
}

// fields returns "image", "boxes", and "mask" if there are masks.
func (o *BoxOptions) fields() []Field {
	list := []Field{{"image", fields.RGBImage{Mode: fields.ModeJPEG, MaxResolution: o.MaxResolution, MaxPixels: o.MaxPixels}}, {"boxes", fields.Bytes{}}}
	if o.Mask != "" {
		m := fields.Image{Channels: 1, DType: array.Uint8, MaxResolution: o.MaxResolution, MaxPixels: o.MaxPixels}
		if o.MaskBits == 16 {
			m.DType = array.Uint16
		}
		list = append(list, Field{"mask", m})
	}
	return list
}

// count is how many rows a value of boxes has, which a loader that pads rows does not
// tell.
func (o *BoxOptions) count(value any) int64 {
	b, _ := value.([]byte)
	return int64(len(b) / (4 * (4 + len(o.Columns))))
}

// wants says whether a box becomes one of the sample's boxes.
func (o *BoxOptions) wants(b box) bool { return !b.crowd || slices.Contains(o.Columns, "iscrowd") }

// value returns the boxes of an image of that size as they are stored.
func (o *BoxOptions) value(boxes []box, width, height int) ([]byte, error) {
	w, h := stored(width, height, o.MaxResolution)
	sx, sy := float64(w)/float64(width), float64(h)/float64(height)
	out := []byte{}
	add := func(v float64) { out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(v))) }
	for _, b := range boxes {
		if !o.wants(b) {
			continue
		}
		b.x0, b.y0, b.x1, b.y1, b.area = b.x0*sx, b.y0*sy, b.x1*sx, b.y1*sy, b.area*sx*sy
		for _, v := range boxFormats[o.Format](b) {
			add(v)
		}
		for _, c := range o.Columns {
			v := boxColumns[c](b)
			if c != "area" && float64(float32(v)) != v {
				return nil, fmt.Errorf("%s %v has no float32", c, v)
			}
			add(v)
		}
	}
	return out, nil
}

// stored is the size of an image that is shrunk to most pixels on its longer side, 0
// any number: what fields.RGBImage makes of it.
func stored(width, height, most int) (w, h int) {
	long := max(width, height)
	if most <= 0 || most >= long {
		return width, height
	}
	ratio := float64(most) / float64(long)
	return int(ratio * float64(width)), int(ratio * float64(height))
}

// mask returns the mask of an image of that size.
func (o *BoxOptions) mask(boxes []box, width, height int) (any, error) {
	if width < 1 || height < 1 || width > rgb.MaxPixels/height || o.MaxPixels > 0 && width > o.MaxPixels/height {
		return nil, fmt.Errorf("a mask of %dx%d pixels, at most %d are taken", width, height, cmpOr(o.MaxPixels, rgb.MaxPixels))
	}
	type object struct {
		box
		number int // of its box
	}
	var objects []object
	number := 0
	for _, b := range boxes {
		if o.wants(b) {
			number++
		} else if o.Mask == "instance" {
			continue
		}
		objects = append(objects, object{b, number})
	}
	if most := 1<<o.MaskBits - 1; o.Mask == "instance" && number > most {
		return nil, fmt.Errorf("%d boxes; a mask of %d bits has at most %d", number, o.MaskBits, most)
	}
	slices.SortStableFunc(objects, func(a, b object) int { // what is painted last lies above
		switch {
		case a.crowd != b.crowd && a.crowd, a.crowd == b.crowd && a.area > b.area:
			return -1
		case a.crowd != b.crowd, a.area < b.area:
			return 1
		}
		return 0
	})
	size := o.MaskBits / 8
	pix := make([]byte, width*height*size)
	for _, b := range objects {
		v := b.label + 1
		if o.Mask == "instance" {
			v = b.number
		}
		set := func(at int) {
			pix[at*size] = byte(v)
			if size == 2 {
				pix[at*size+1] = byte(v >> 8)
			}
		}
		if b.runs != nil {
			paintRuns(b.runs, width, height, set)
			continue
		}
		for _, p := range b.polygons {
			if err := paintPolygon(p, width, height, set); err != nil {
				return nil, err
			}
		}
	}
	dtype := array.Uint8
	if size == 2 {
		dtype = array.Uint16
	}
	return array.Array{Spec: array.Spec{DType: dtype, Shape: []int{height, width}}, Data: pix}, nil
}

func cmpOr(a, b int) int {
	if a != 0 {
		return a
	}
	return b
}
