package source

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

// IDXOptions are the choices of OpenIDX. Nil and the zero value are the defaults.
type IDXOptions struct {
	// As says what the images become: "rgb" (also ""), with every gray number three
	// times; "image", one number a pixel, kept to the bit, a kind of field that FFCV
	// must be told of; "ndarray", an array of shape (height, width). Images with
	// three channels are rgb, or an array.
	As string

	// Transpose swaps rows and columns of the images. The default is wrong for EMNIST,
	// which has them so.
	Transpose bool

	// Classes are the names of the classes, by label. The format has none.
	Classes []string

	// Store is where files with URLs lie.
	Store Store
}

// IDX are images and labels in the format of MNIST: two files of a header and
// numbers, which may be packed with gzip. The fields are "image" and "label".
// Samples have no keys.
//
// Files are mapped, or read by ranges from a store; packed ones are unpacked into the
// folder for temporary files until Close.
type IDX struct {
	files         plainFiles
	images        idxFile
	labels        *idxFile // nil none
	as            string
	transpose     bool
	height, width int
	channels      int
	classes       []string
}

// idxFile is one file of numbers.
type idxFile struct {
	part
	dtype byte
	dims  []int64
	row   int64 // bytes of what the first axis counts
}

// idxSizes are the sizes of the types of numbers, by their code.
var idxSizes = map[byte]int64{0x08: 1, 0x09: 1, 0x0b: 2, 0x0c: 4, 0x0d: 4, 0x0e: 8}

// maxIDXDims is how many dimensions a file may have: those of a batch of images with
// channels.
const maxIDXDims = 4

// OpenIDX opens a file of images, of unsigned bytes and the shape (n, height, width)
// or (n, height, width, 3), and one of as many whole numbers, their labels; "" is
// images without labels.
func OpenIDX(ctx context.Context, images, labels string, opts *IDXOptions) (_ *IDX, err error) {
	if opts == nil {
		opts = &IDXOptions{}
	}
	x := &IDX{as: opts.As, transpose: opts.Transpose, classes: opts.Classes}
	defer func() {
		if err != nil {
			err = fmt.Errorf("idx: %w", errors.Join(err, x.Close()))
		}
	}()
	switch x.as {
	case "":
		x.as = "rgb"
	case "rgb", "image", "ndarray":
	default:
		return nil, &SpecError{fmt.Errorf("images as %q; expected rgb, image or ndarray", x.as)}
	}
	if x.images, err = x.open(ctx, images, opts.Store); err != nil {
		return nil, err
	}
	if err := x.settle(); err != nil {
		return nil, fmt.Errorf("%s: %w", shown(images), err)
	}
	if labels == "" {
		return x, nil
	}
	f, err := x.open(ctx, labels, opts.Store)
	if err != nil {
		return nil, err
	}
	if len(f.dims) != 1 || f.dtype > 0x0c {
		return nil, fmt.Errorf("%s: numbers of type %#02x and shape %v; expected labels, whole numbers of one axis", shown(labels), f.dtype, f.dims)
	}
	if f.dims[0] != x.images.dims[0] {
		return nil, fmt.Errorf("%s: %d labels; %s has %d images", shown(labels), f.dims[0], shown(images), x.images.dims[0])
	}
	x.labels = &f
	return x, nil
}

// open opens a file and reads its header.
func (x *IDX) open(ctx context.Context, name string, st Store) (idxFile, error) {
	f, err := openPlain(ctx, name, st)
	if err != nil {
		return idxFile{}, err
	}
	x.files = append(x.files, f)
	head, err := readBlob(ctx, f.blob, 0, min(4+4*maxIDXDims, f.blob.Size()))
	if err != nil {
		return idxFile{}, fmt.Errorf("%s: %w", shown(name), err)
	}
	h, err := parseIDX(head, f.blob.Size())
	if err != nil {
		return idxFile{}, fmt.Errorf("%s: %w", shown(name), err)
	}
	h.from, h.name = f, shown(name)
	return h, nil
}

// parseIDX reads the header of a file of that size.
func parseIDX(head []byte, size int64) (idxFile, error) {
	if len(head) < 4 || head[0] != 0 || head[1] != 0 {
		return idxFile{}, fmt.Errorf("begins with % x; expected 00 00, a type of numbers and how many dimensions", head[:min(4, len(head))])
	}
	item, ok := idxSizes[head[2]]
	n := int(head[3])
	switch {
	case !ok:
		return idxFile{}, fmt.Errorf("numbers of type %#02x at byte 2; expected 08, 09, 0b, 0c, 0d or 0e", head[2])
	case n < 1 || n > maxIDXDims:
		return idxFile{}, fmt.Errorf("%d dimensions at byte 3; expected 1 to %d", n, maxIDXDims)
	case len(head) < 4+4*n:
		return idxFile{}, fmt.Errorf("cut off in the sizes of %d dimensions", n)
	}
	f := idxFile{dtype: head[2], row: item}
	for i := range n {
		f.dims = append(f.dims, int64(binary.BigEndian.Uint32(head[4+4*i:])))
	}
	for _, d := range f.dims[1:] {
		if d > 0 && f.row > math.MaxInt64/d {
			return idxFile{}, fmt.Errorf("shape %v: more numbers than any file holds", f.dims)
		}
		f.row *= d
	}
	if d := f.dims[0]; d > 0 && f.row > math.MaxInt64/d {
		return idxFile{}, fmt.Errorf("shape %v: more numbers than any file holds", f.dims)
	}
	total := f.row * f.dims[0]
	f.off, f.size = int64(4+4*n), size-int64(4+4*n)
	if f.size != total {
		return idxFile{}, fmt.Errorf("%d bytes behind the header; numbers of type %#02x and shape %v take %d", f.size, f.dtype, f.dims, total)
	}
	return f, nil
}

// settle finds how large the images are.
func (x *IDX) settle() error {
	d := x.images.dims
	if x.images.dtype != 0x08 || len(d) != 3 && (len(d) != 4 || d[3] != 3) {
		return fmt.Errorf("numbers of type %#02x and shape %v; expected images, unsigned bytes (08) of shape (n, height, width) or (n, height, width, 3)", x.images.dtype, d)
	}
	x.channels = 1
	if len(d) == 4 {
		x.channels = 3
	}
	if d[1] < 1 || d[2] < 1 || d[1] > math.MaxUint16 || d[2] > math.MaxUint16 || d[1]*d[2] > int64(rgb.MaxPixels) {
		return fmt.Errorf("images of %dx%d pixels; expected 1 to %d a side, and at most %d", d[2], d[1], math.MaxUint16, int64(rgb.MaxPixels))
	}
	x.height, x.width = int(d[1]), int(d[2])
	if x.transpose {
		x.height, x.width = x.width, x.height
	}
	if x.channels == 3 && x.as == "image" {
		return errors.New("images of three channels; expected them as rgb or ndarray")
	}
	return nil
}

// Len returns the number of images.
func (x *IDX) Len() int { return int(x.images.dims[0]) }

// Classes returns the class names by label that were given. The slice is the
// source's own.
func (x *IDX) Classes() []string { return x.classes }

// Fields returns "image", and "label" where there are labels.
func (x *IDX) Fields() []Field {
	list := []Field{{"image", fields.RGBImage{Mode: fields.ModeRaw}}}
	switch x.as {
	case "image":
		list[0].Field = fields.Image{Channels: 1, DType: array.Uint8}
	case "ndarray":
		list[0].Field = fields.NDArray{DType: array.Uint8, Shape: x.shape()}
	}
	if x.labels != nil {
		list = append(list, Field{"label", fields.Int{}})
	}
	return list
}

// shape is an image's as an array.
func (x *IDX) shape() []int {
	if x.channels == 3 {
		return []int{x.height, x.width, 3}
	}
	return []int{x.height, x.width}
}

// Sample returns image i as an rgb.Image or an array.Array, and its label as an
// int64. The key is "".
func (x *IDX) Sample(ctx context.Context, i int) (values []any, key string, err error) {
	if i < 0 || i >= x.Len() {
		return nil, "", fmt.Errorf("idx: sample %d of %d", i, x.Len())
	}
	pix, err := x.images.bytes(ctx, int64(i)*x.images.row, x.images.row)
	if err != nil {
		return nil, "", fmt.Errorf("idx: %s: image %d: %w", x.images.name, i, err)
	}
	if x.transpose {
		pix = transposed(pix, x.height, x.width, x.channels)
	}
	if x.as == "rgb" {
		if x.channels == 1 {
			pix = tripled(pix)
		}
		values = append(values, rgb.Image{Height: x.height, Width: x.width, Pix: pix})
	} else {
		values = append(values, array.Array{Spec: array.Spec{DType: array.Uint8, Shape: x.shape()}, Data: pix})
	}
	if x.labels == nil {
		return values, "", nil
	}
	b, err := x.labels.bytes(ctx, int64(i)*x.labels.row, x.labels.row)
	if err != nil {
		return nil, "", fmt.Errorf("idx: %s: label %d: %w", x.labels.name, i, err)
	}
	label := idxInt(x.labels.dtype, b)
	if len(x.classes) > 0 && (label < 0 || label >= int64(len(x.classes))) {
		return nil, "", fmt.Errorf("idx: %s: label %d is %d; there are %d classes", x.labels.name, i, label, len(x.classes))
	}
	return append(values, label), "", nil
}

// idxInt reads a whole number.
func idxInt(dtype byte, b []byte) int64 {
	switch dtype {
	case 0x08:
		return int64(b[0])
	case 0x09:
		return int64(int8(b[0]))
	case 0x0b:
		return int64(int16(binary.BigEndian.Uint16(b)))
	default: // 0x0c
		return int64(int32(binary.BigEndian.Uint32(b)))
	}
}

// transposed returns pixels of rows and columns swapped, in an image of that height
// and width.
func transposed(pix []byte, height, width, channels int) []byte {
	out := make([]byte, len(pix))
	for y := range height {
		for x := range width {
			copy(out[(y*width+x)*channels:][:channels], pix[(x*height+y)*channels:])
		}
	}
	return out
}

// tripled returns gray pixels as colours.
func tripled(gray []byte) []byte {
	out := make([]byte, 3*len(gray))
	for i, g := range gray {
		out[3*i], out[3*i+1], out[3*i+2] = g, g, g
	}
	return out
}

// Identity looks at every file: name, size, time of change, some of its bytes.
func (x *IDX) Identity(ctx context.Context) ([]Trait, error) {
	list, err := x.files.identity(ctx)
	return append(list, x.trait()), err
}

// Traits are those of Identity that another copy of the files has too.
func (x *IDX) Traits(ctx context.Context) ([]Trait, error) {
	list, err := x.files.traits(ctx)
	return append(list, x.trait()), err
}

func (x *IDX) trait() Trait {
	return Trait{"images", fmt.Sprintf("%d of shape %v as %s, with labels %v", x.Len(), x.shape(), x.as, x.labels != nil)}
}

// Files returns "": Traits have looked at the files already.
func (x *IDX) Files(context.Context, int, func(int) int) (string, error) { return "", nil }

// Close closes the files. Nobody may use the source meanwhile. A second Close does
// nothing.
func (x *IDX) Close() error { return x.files.close() }
