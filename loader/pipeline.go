package loader

import (
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/rgb"
)

// ImageDecoder decodes stored images into values of one shape. The decoders
// of package transform are such.
type ImageDecoder interface {
	// BindImage is called once, by New, with the size that all images of the
	// field have, or 0, 0 when they differ. It returns the value's type and
	// shape and the function that decodes one image into dst (spec.Bytes()
	// long, contents undefined). The function is called by many goroutines at
	// once, each with a generator and a scratch of its own; it keeps neither
	// them nor src.Data, which is read-only.
	BindImage(width, height int) (spec array.Spec, decode func(dst []byte, src rgb.Encoded, rng *rand.Rand, s *rgb.Scratch) error, err error)
}

// Decoder decodes any kind of field, a program's own among them.
type Decoder interface {
	// BindField is called once, by New. It returns the value's type and shape
	// and the function that decodes one sample into dst (spec.Bytes() long,
	// contents undefined): meta is the field's member of the metadata row, data
	// the bytes of each region that it points at; both are read-only and the
	// function doesn't keep them. It is called by many goroutines at once.
	BindField(f ffcv.Field) (spec array.Spec, decode func(dst, meta []byte, data [][]byte, rng *rand.Rand) error, err error)
}

// Op is an operation on one sample's value. The operations of package
// transform are such.
type Op interface {
	// Bind is called once, by New, with the type and shape of the incoming
	// value. It returns those of the outcome and the function that makes it.
	// With inPlace the function is called with dst and src the same slice and
	// out is as long as in; otherwise they don't overlap. It is called by many
	// goroutines at once.
	Bind(in array.Spec) (out array.Spec, apply func(dst, src []byte, rng *rand.Rand) error, inPlace bool, err error)
}

// Raw is a Decoder value for Output: the field's bytes as they are stored. An
// image gives its JPEG or pixels, (B, longest) |u1 with lengths and, by
// Column.Image, kind and size; JSON keeps its final NUL; a number or an array
// is as by default; a custom field gives its metadata.
type Raw struct{}
