package rgb

import (
	"errors"
	"fmt"
	"math"

	"github.com/betongo/betongo/rgb/internal/jpeg"
)

// A Layout is the order of a target's numbers.
type Layout uint8

const (
	HWC Layout = iota // pixel by pixel: red, green, blue
	CHW               // all of red, then all of green, then all of blue
)

// A PixelType is the type of a target's numbers, little-endian.
type PixelType uint8

const (
	Uint8    PixelType = iota
	Float32            // IEEE 754 binary32
	Float16            // IEEE 754 binary16
	BFloat16           // the upper half of a Float32
)

// Size is the size of a number in bytes.
func (t PixelType) Size() int {
	switch t {
	case Float32:
		return 4
	case Float16, BFloat16:
		return 2
	}
	return 1
}

func (t PixelType) String() string {
	names := [...]string{"uint8", "float32", "float16", "bfloat16"}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("PixelType(%d)", uint8(t))
}

// Bits gives the bits of v as the type, rounded once, to the nearest and to even
// between two; what is too large becomes infinite. A Uint8 is held to 0 to 255.
func (t PixelType) Bits(v float64) uint32 {
	switch t {
	case Float32:
		return math.Float32bits(float32(v))
	case Float16:
		return narrow(v, 10, 15)
	case BFloat16:
		return narrow(v, 7, 127)
	}
	return uint32(math.RoundToEven(min(max(v, 0), 255)))
}

// narrow rounds to a float of 16 bits with so many of mantissa, and a bias of
// the exponent.
func narrow(v float64, mantissa, bias int) uint32 {
	var sign uint32
	if math.Signbit(v) {
		sign, v = 1<<15, -v
	}
	inf := uint32(2*bias+1) << mantissa
	switch {
	case math.IsNaN(v):
		return sign | inf | 1<<(mantissa-1)
	case math.IsInf(v, 0):
		return sign | inf
	case v == 0:
		return sign
	}
	_, e := math.Frexp(v) // v is below 2**e, and at least half of that
	e = max(e-1, 1-bias)  // of the leading bit; below lie the subnormals
	q := uint32(math.RoundToEven(math.Ldexp(v, mantissa-e)))
	// The leading bit of q adds one to the exponent; one too many carries.
	return sign | min(uint32(e+bias-1)<<mantissa+q, inf)
}

// A Filter says how the pixels of a crop weigh in the result.
type Filter uint8

const (
	// Area is OpenCV's INTER_AREA, which FFCV uses: each pixel weighs as much as
	// the result's pixel covers of it; a crop that grows is interpolated.
	Area Filter = iota
	// Bilinear is a triangle that widens as the crop shrinks: Pillow's BILINEAR,
	// torchvision's with antialias=True.
	Bilinear
)

func (f Filter) String() string {
	switch f {
	case Area:
		return "area"
	case Bilinear:
		return "bilinear"
	}
	return fmt.Sprintf("Filter(%d)", uint8(f))
}

// Target is what a crop becomes: a picture of fixed size in a batch.
type Target struct {
	Width, Height int // pixels, 1 to [MaxSide] each
	Layout        Layout
	Type          PixelType
	// Mean and Std normalise the numbers of a float type: (v-Mean)/Std for a
	// channel's value v of 0 to 255. A Std of zeros means no normalisation, and
	// Mean is zero then.
	Mean, Std [3]float64
	Filter    Filter
	// Exact decodes the whole picture as libjpeg does and resizes its pixels bit
	// for bit as OpenCV's INTER_AREA or Pillow's BILINEAR; normalised numbers are
	// computed in float64 and rounded once. It takes several times as long. What
	// the fast way gives differs by fractions of a level.
	Exact bool
	// OnDamage, when set, asks for what can be had of a JPEG whose stream is
	// broken or cut off: its rows before the damage, mid-gray from there on. It
	// is called with the *InvalidError that would have been Render's, on the
	// goroutine that renders. What has no readable header is an error
	// nonetheless, as are fewer coded data than a picture of that size takes when
	// it is of one colour, and a damaged progressive JPEG. Damage that decoding
	// the crop doesn't come by is not noticed.
	OnDamage func(error)
}

// Bytes is the size of the target in memory.
func (t *Target) Bytes() int { return 3 * t.Width * t.Height * t.Type.Size() }

// Check tells what is wrong with a target, nil for one that can be rendered.
func (t *Target) Check() error {
	switch {
	case t.Width < 1 || t.Height < 1 || t.Width > MaxSide || t.Height > MaxSide:
		return fmt.Errorf("rgb: target of %dx%d: a side must be 1 to %d pixels", t.Width, t.Height, MaxSide)
	case t.Width > MaxPixels/t.Height:
		return fmt.Errorf("rgb: target of %dx%d: a picture may have %d pixels at most", t.Width, t.Height, MaxPixels)
	case t.Layout > CHW || t.Type > BFloat16 || t.Filter > Bilinear:
		return fmt.Errorf("rgb: target of layout %d, type %d, filter %d: one is unknown", t.Layout, t.Type, t.Filter)
	case t.Type == Uint8 && (t.Std != [3]float64{} || t.Mean != [3]float64{}):
		return fmt.Errorf("rgb: target of uint8 can't be normalised")
	case t.Std == [3]float64{} && t.Mean != [3]float64{}:
		return fmt.Errorf("rgb: target with mean %v and no deviation", t.Mean)
	case t.Std == [3]float64{}:
		return nil
	}
	for c := range 3 {
		if !(math.Abs(t.Mean[c]) <= math.MaxFloat32 && t.Std[c] > 0 && t.Std[c] <= math.MaxFloat32) {
			return fmt.Errorf("rgb: target with mean %v and deviation %v: channel %d is not a finite mean and a deviation above 0", t.Mean, t.Std, c)
		}
	}
	return nil
}

// Render cuts the region crop out of a stored picture, resizes it to the
// target's size, mirrors it from left to right when flip is set, and writes it
// to dst, which has t.Bytes() and may be any part of a batch. The size that the
// JPEG stream or the length of raw pixels tells must be src's. On an error what
// dst holds is not defined. Errors as in [Decode].
func (s *Scratch) Render(dst []byte, src Encoded, crop Rect, flip bool, t *Target) error {
	if err := src.check(); err != nil {
		return err
	}
	if err := t.checkRender(dst, src, crop); err != nil {
		return err
	}
	if !t.Exact {
		if err := s.renderFast(dst, src, crop, flip, t); !errors.Is(err, jpeg.ErrUnsupported) {
			return err
		}
	}
	return s.renderExact(dst, src, crop, flip, t)
}

// checkRender refuses a crop that cannot become the target.
func (t *Target) checkRender(dst []byte, src Encoded, crop Rect) error {
	if err := t.Check(); err != nil {
		return err
	}
	if len(dst) != t.Bytes() {
		return fmt.Errorf("rgb: a target of %dx%d %v takes %d bytes, got %d", t.Width, t.Height, t.Type, t.Bytes(), len(dst))
	}
	if !crop.within(src.Width, src.Height) {
		return fmt.Errorf("rgb: crop %v is not inside a picture of %dx%d", crop, src.Width, src.Height)
	}
	return nil
}

// renderExact decodes the picture whole.
func (s *Scratch) renderExact(dst []byte, src Encoded, crop Rect, flip bool, t *Target) error {
	pixels := Image{Width: src.Width, Height: src.Height, Pix: src.Data}
	if src.JPEG {
		if err := s.decodeStored(&s.whole, src); err != nil {
			if t.OnDamage == nil || !s.salvage(&s.whole, src) {
				return err
			}
			t.OnDamage(err)
		}
		pixels = s.whole
	}
	s.renderPixels(dst, pixels, crop, flip, t)
	return nil
}

// renderPixels is the exact way from the whole picture's pixels on.
func (s *Scratch) renderPixels(dst []byte, pixels Image, crop Rect, flip bool, t *Target) {
	direct := t.Layout == HWC && t.Type == Uint8
	out := &s.small
	if direct {
		out = &Image{Pix: dst[:0:len(dst)]}
	}
	if t.Filter == Bilinear {
		s.resizeBilinear(out, pixels, crop, t.Width, t.Height)
	} else {
		s.ResizeArea(out, pixels, crop, t.Width, t.Height)
	}
	if flip {
		for y := range out.Height {
			mirror(out.row(y))
		}
	}
	if !direct {
		s.spread.write(dst, out.Pix, t)
	}
}

// mirror turns a row of pixels round.
func mirror(row []byte) {
	for len(row) >= 6 {
		a, b := row[:3], row[len(row)-3:]
		a[0], b[0] = b[0], a[0]
		a[1], b[1] = b[1], a[1]
		a[2], b[2] = b[2], a[2]
		row = row[3 : len(row)-3]
	}
}

// AppendMarks appends checkpoints of a JPEG to dst: with them in
// [Encoded.Marks], Render starts decoding near the crop. They are about a
// hundredth of the JPEG in size and belong to these bytes alone; wrong ones give
// wrong pixels or an error, nothing worse. What can have none, or needs none,
// such as a progressive JPEG or a picture in another format, leaves dst as it
// was; a broken stream is an error.
func AppendMarks(dst, data []byte) ([]byte, error) {
	if Sniff(data) != JPEG {
		return dst, nil
	}
	out, err := jpeg.AppendMarks(dst, data, 0)
	if errors.Is(err, jpeg.ErrUnsupported) {
		return dst, nil
	}
	return out, jpegError(err)
}

// CheckMarks walks through a JPEG and tells what is wrong with marks that are
// to be its own, nil when nothing is: they may have any spacing, and so need not
// be the bytes that [AppendMarks] gives. An *InvalidError is of the JPEG itself.
func CheckMarks(data, marks []byte) error {
	if f := Sniff(data); f != JPEG {
		return fmt.Errorf("rgb: %d bytes of marks for data that are no JPEG", len(marks))
	}
	err := jpeg.CheckMarks(data, marks)
	if errors.Is(err, jpeg.ErrUnsupported) {
		return fmt.Errorf("rgb: %d bytes of marks for a JPEG of a kind that has none: %w", len(marks), err)
	}
	return jpegError(err)
}
