package fields

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"sync/atomic"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// ImageMode says how pictures are stored.
type ImageMode uint8

// The modes, by FFCV's names jpg, raw, smart and proportion. The zero value is
// JPEG, the default of the command; FFCV's own constructor starts with raw.
const (
	ModeJPEG       ImageMode = iota // every picture as JPEG
	ModeRaw                         // every picture as pixels
	ModeSmart                       // JPEG above SmartThreshold bytes of pixels
	ModeProportion                  // JPEG with CompressProbability
)

// String returns FFCV's name of the mode.
func (m ImageMode) String() string {
	switch m {
	case ModeJPEG:
		return "jpg"
	case ModeRaw:
		return "raw"
	case ModeSmart:
		return "smart"
	case ModeProportion:
		return "proportion"
	}
	return fmt.Sprintf("ImageMode(%d)", uint8(m))
}

// Reencode says what happens to a file that already is a JPEG.
type Reencode uint8

const (
	// ReencodeAuto keeps a JPEG's bytes whenever the picture is stored as a
	// JPEG of its own size.
	ReencodeAuto Reencode = iota
	// ReencodeAlways decodes and encodes every JPEG, as FFCV does.
	ReencodeAlways
)

// RGBImage stores pictures, as JPEG or as raw pixels (H, W, 3). Only the
// picture is kept in a file, none of these options; the zero value reads any.
//
// Values are an image file's bytes ([]byte) or Path, told by content and not
// by name; rgb.Image and image.Image (alpha is dropped); an array.Array of
// dtype |u1 and shape (height, width, 3); and rgb.Encoded, which is stored as
// it is. Decode returns an rgb.Encoded that borrows the data.
//
// Pictures above 65,535 pixels on a side don't fit the format, and a JPEG is
// kept only when FFCV's decoder reads it: CMYK, 12-bit, arithmetic and
// lossless ones are not kept but decoded, where the package rgb can.
type RGBImage struct {
	Mode ImageMode

	// MaxResolution shrinks pictures whose longer side has more pixels,
	// rounding as FFCV does (which for some sizes misses it by one). 0: none
	// is shrunk.
	MaxResolution int

	// SmartThreshold is ModeSmart's: pictures whose pixels take more bytes
	// (3*width*height after shrinking) are stored as JPEG. 0 means none are, as
	// FFCV's missing threshold does.
	SmartThreshold int

	// Quality of new JPEGs, 1 to 100. 0 means 90.
	Quality int

	// CompressProbability is ModeProportion's. 0 means FFCV's default, 0.5; to
	// compress nothing there is ModeRaw.
	CompressProbability float64

	Reencode Reencode

	// Orient turns pictures as their EXIF orientation says. By default it is
	// ignored, as by FFCV and torchvision.
	Orient bool

	// Strip drops the metadata of JPEGs whose bytes are kept, see
	// [rgb.StripJPEG]: places and times, previews, colour profiles, comments.
	// The pixels stay, and a JPEG made here has none. An EXIF orientation is
	// dropped too; Orient, which turns the pixels first, comes before it.
	Strip bool

	// NoCheckpoints leaves out the marks of JPEGs. With them decoding begins
	// near the crop that is asked for; they take about a hundredth of the
	// JPEG's size, and making them a pass over its coded data.
	NoCheckpoints bool

	// MaxPixels bounds a picture's width times height, before shrinking, so that
	// a small file can't ask for gigabytes. It is looked at before anything is
	// decoded. 0 is the most that is read at all, [rgb.MaxPixels].
	MaxPixels int

	// Stats, when set, counts what was stored.
	Stats *ImageStats
}

// ImageStats counts pictures that RGBImage stored. It is safe for concurrent
// use; one may serve several fields.
type ImageStats struct {
	Kept     atomic.Int64 // JPEGs whose bytes were kept
	Encoded  atomic.Int64 // JPEGs made here
	Raw      atomic.Int64 // pictures stored as pixels
	Resized  atomic.Int64 // of them all: shrunk to MaxResolution
	Oriented atomic.Int64 // turned as their EXIF orientation said

	// OrientationIgnored counts pictures with an EXIF orientation other than
	// upright that were stored without turning them.
	OrientationIgnored atomic.Int64

	// Stripped counts kept JPEGs that Strip made smaller, StrippedBytes by how
	// much in all.
	Stripped, StrippedBytes atomic.Int64

	Pixels atomic.Int64 // pixels of all pictures, as stored

	// Damaged counts JPEGs whose bytes were kept although their coded data is
	// broken, which only the making of checkpoints notices. Decoding them will
	// fail, or give part of a picture.
	Damaged atomic.Int64
}

// Images returns how many pictures were stored.
func (s *ImageStats) Images() int64 { return s.Kept.Load() + s.Encoded.Load() + s.Raw.Load() }

// The metadata: mode u1, width u2, height u2, pointer u8, packed.
const (
	imageSize    = 13
	imagePtr     = 5
	modeByteJPEG = 0
	modeByteRaw  = 1
)

var imageLayout = Layout{Size: imageSize, Align: 1, Pointers: []int{imagePtr}}

// TypeID returns TypeRGBImage.
func (RGBImage) TypeID() TypeID { return TypeRGBImage }

// Args returns zeros: the format keeps none of the options. The error tells
// when the options make no sense.
func (f RGBImage) Args() (Args, error) { return Args{}, f.check() }

func (f RGBImage) check() error {
	p := f.CompressProbability
	switch {
	case f.Mode > ModeProportion:
		return fmt.Errorf("rgb field: no mode %d", f.Mode)
	case f.Reencode > ReencodeAlways:
		return fmt.Errorf("rgb field: no re-encoding rule %d", f.Reencode)
	case f.MaxResolution < 0:
		return fmt.Errorf("rgb field: max resolution %d", f.MaxResolution)
	case f.MaxPixels < 0:
		return fmt.Errorf("rgb field: max pixels %d", f.MaxPixels)
	case f.SmartThreshold < 0:
		return fmt.Errorf("rgb field: smart threshold %d", f.SmartThreshold)
	case f.Quality < 0 || f.Quality > 100:
		return fmt.Errorf("rgb field: JPEG quality %d, want 1 to 100", f.Quality)
	case !(p >= 0 && p <= 1):
		return fmt.Errorf("rgb field: compress probability %v, want 0 to 1", p)
	}
	return nil
}

// Layout is {mode u1, width u2, height u2, ptr u8}, packed.
func (RGBImage) Layout() Layout { return imageLayout }

// Encode stores a picture.
func (f RGBImage) Encode(meta []byte, value any, at At) error {
	if err := f.check(); err != nil {
		return err
	}
	s := scratches.Get().(*imageScratch)
	defer s.release()
	e := imageEncoder{field: f, scratch: s, meta: meta, at: at}
	switch v := value.(type) {
	case []byte:
		return e.file(v)
	case Path:
		var err error
		if s.data, err = readFile(s.data[:0], string(v)); err != nil {
			return err
		}
		return e.file(s.data)
	case rgb.Encoded:
		return e.encoded(v)
	case rgb.Image:
		return e.pixels(v)
	case image.Image:
		img, err := fromImage(v)
		if err != nil {
			return err
		}
		return e.pixels(img)
	case array.Array:
		n := len(v.Shape)
		if v.DType != array.Uint8 || n != 3 || v.Shape[2] != 3 {
			return fmt.Errorf("rgb: an array %v, want |u1 (height, width, 3): %w", v.Spec, ErrValue)
		}
		return e.pixels(rgb.Image{Width: v.Shape[1], Height: v.Shape[0], Pix: v.Data})
	}
	return wrongType("rgb", value, "an image file's []byte or fields.Path, rgb.Image, image.Image, rgb.Encoded or array.Array")
}

// storedSize is how many bytes a stored picture has: only the allocation table
// knows the size of a JPEG.
func storedSize(e rgb.Encoded) int64 {
	if e.JPEG {
		return UnknownSize
	}
	return 3 * int64(e.Width) * int64(e.Height)
}

// Regions returns the picture's place, of unknown size for a JPEG.
func (RGBImage) Regions(dst []Region, meta []byte) ([]Region, error) {
	e, ptr, err := imageMeta(meta)
	if err != nil {
		return nil, err
	}
	return append(dst, Region{Ptr: ptr, Size: storedSize(e)}), nil
}

// Decode returns the rgb.Encoded, its bytes borrowed; a JPEG is not looked
// into.
func (RGBImage) Decode(meta []byte, data [][]byte) (any, error) {
	e, _, err := imageMeta(meta)
	if err != nil {
		return nil, err
	}
	if e.Data, err = region("rgb", data, storedSize(e)); err != nil {
		return nil, err
	}
	return e, nil
}

// Check decodes the whole picture and holds it to the metadata.
func (f RGBImage) Check(meta []byte, data [][]byte) error {
	v, err := f.Decode(meta, data)
	if err != nil {
		return err
	}
	s := scratches.Get().(*imageScratch)
	defer s.release()
	return s.Load(&s.a, v.(rgb.Encoded))
}

// leastMarked is how many pixels a picture has at least that gets marks: a
// smaller one is decoded whole about as quickly, and the index of the marks
// alone would be a hundredth of it.
const leastMarked = 1 << 14

// AppendMarks appends a JPEG's checkpoints, see [rgb.AppendMarks]. One that is
// small or broken has none.
func (f RGBImage) AppendMarks(dst, meta []byte, data [][]byte) ([]byte, error) {
	if f.NoCheckpoints {
		return dst, nil
	}
	v, err := f.Decode(meta, data)
	if err != nil {
		return dst, err
	}
	e := v.(rgb.Encoded)
	if !e.JPEG || e.Width*e.Height < leastMarked {
		return dst, nil
	}
	// Mostly the JPEG was made a moment ago by this very worker, whose scratch
	// still has it.
	s := scratches.Get().(*imageScratch)
	defer s.release()
	if s.made && bytes.Equal(s.jpeg, e.Data) {
		return s.AppendEncodedMarks(dst), nil
	}
	out, err := rgb.AppendMarks(dst, e.Data)
	if err != nil {
		if f.Stats != nil {
			f.Stats.Damaged.Add(1)
		}
		return dst, nil
	}
	return out, nil
}

// CheckMarks says whether marks are those of the picture, see [rgb.CheckMarks].
func (f RGBImage) CheckMarks(meta []byte, data [][]byte, marks []byte) error {
	v, err := f.Decode(meta, data)
	if err != nil {
		return err
	}
	e := v.(rgb.Encoded)
	if !e.JPEG {
		return fmt.Errorf("rgb: %d bytes of marks for a picture stored as pixels", len(marks))
	}
	return rgb.CheckMarks(e.Data, marks)
}

func imageMeta(meta []byte) (e rgb.Encoded, ptr uint64, err error) {
	if err := checkMeta("rgb", meta, imageSize); err != nil {
		return e, 0, err
	}
	e.Width = int(binary.LittleEndian.Uint16(meta[1:]))
	e.Height = int(binary.LittleEndian.Uint16(meta[3:]))
	switch {
	case meta[0] > modeByteRaw:
		return e, 0, fmt.Errorf("rgb metadata: mode %d, want 0 (jpg) or 1 (raw)", meta[0])
	case e.Width == 0 || e.Height == 0:
		return e, 0, fmt.Errorf("rgb metadata: a picture of %dx%d pixels", e.Width, e.Height)
	}
	e.JPEG = meta[0] == modeByteJPEG
	return e, binary.LittleEndian.Uint64(meta[imagePtr:]), nil
}
