package fields

import (
	"encoding/binary"
	"fmt"
	"image"
	"math"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// Compression says how an Image's numbers are kept.
type Compression uint8

const (
	// CompressAuto keeps each value in the coding that is smallest, and plain
	// where none takes an eighth off.
	CompressAuto Compression = iota
	// CompressNone keeps all plain. The default is wrong when reading must not
	// cost any time and room doesn't matter.
	CompressNone
)

// String returns the name by which commands know the compression.
func (c Compression) String() string {
	switch c {
	case CompressAuto:
		return "auto"
	case CompressNone:
		return "none"
	}
	return fmt.Sprintf("Compression(%d)", uint8(c))
}

// Image is a custom field for pictures that must not change by a bit: masks,
// depth maps, scans, RGB with alpha. A value has any size up to 65,535 pixels a
// side; channels and type are those of the field. It describes itself in the
// file, so that any reader here knows it; FFCV needs to be told of it, as of any
// custom field.
//
// Values are rgb.Raster; array.Array of the field's dtype and shape (height,
// width, channels), or (height, width) for one channel; image.Image; and an
// image file's bytes ([]byte) or Path: PNG, TIFF, BMP, GIF of one picture, JPEG.
// A file or image.Image must have the field's channels and bits; nothing is
// converted. A palette is one channel, the indices, whatever their colours (as
// masks are kept, those of Pascal VOC for one); gray is one channel, with alpha
// two; colours are three, with alpha four, and never multiplied by it. Gray of
// 1, 2 or 4 bits is spread over 0 to 255, as by Pillow. A transparent colour
// (PNG's tRNS) is no channel. EXIF orientation is ignored.
//
// Decode returns an rgb.Raster, which borrows its pixels where they are stored
// plain.
type Image struct {
	Channels    int         // 1 to 4; 0 means 1
	DType       array.DType // array.Uint8 or array.Uint16; the zero value is Uint8
	Compression Compression // not kept in the file: each value says its coding
	// MaxResolution shrinks values whose longer side has more pixels, 0 none, to
	// the size that RGBImage's MaxResolution makes of an image of theirs. Each
	// pixel becomes the nearest one: no number comes up that was not there. Not
	// kept in the file.
	MaxResolution int
	// MaxPixels bounds a value's width times height, before shrinking, so that a
	// small file can't ask for gigabytes. It is looked at before anything is
	// decoded. 0 is the most that is read at all, [rgb.MaxPixels]. Not kept in the
	// file.
	MaxPixels int
}

// The metadata is a C struct of 24 bytes, aligned to 8:
//
//	offset  type  meaning
//	 0      u8    data pointer
//	 8      u8    bytes of data
//	16      u2    width
//	18      u2    height
//	20      u1    coding
//
// The bytes between are zero.
const (
	rasterName   = "image"
	rasterMeta   = 24
	rasterSize   = 8
	rasterWidth  = 16
	rasterHeight = 18
	rasterCoding = 20
)

var rasterLayout = Layout{Size: rasterMeta, Align: 8, Pointers: []int{0}}

func newImage(args *Args) (Field, error) {
	m, err := UnpackArgs(args)
	if err != nil {
		return nil, err
	}
	channels, ok := m["channels"].(int64)
	if !ok || channels < 1 || channels > 4 {
		return nil, fmt.Errorf("channels %v, want 1 to 4", m["channels"])
	}
	text, _ := m["dtype"].(string)
	f := Image{Channels: int(channels)}
	if f.DType, err = array.ParseDType(text); err != nil {
		return nil, err
	}
	return f, f.check()
}

// TypeID returns TypeCustom.
func (Image) TypeID() TypeID { return TypeCustom }

// Args returns the field's name, channels and dtype, or why there is no such
// field.
func (f Image) Args() (Args, error) {
	if err := f.check(); err != nil {
		return Args{}, err
	}
	channels, depth := f.Kind()
	dtype := array.Uint8
	if depth == 2 {
		dtype = array.Uint16
	}
	return PackArgs(map[string]any{nameKey: rasterName, "channels": channels, "dtype": dtype.String()})
}

func (f Image) check() error {
	switch {
	case f.Channels < 0 || f.Channels > 4:
		return fmt.Errorf("image field: %d channels, want 1 to 4", f.Channels)
	case f.DType.Valid() && f.DType != array.Uint8 && f.DType != array.Uint16:
		return fmt.Errorf("image field: dtype %v, want %v or %v", f.DType, array.Uint8, array.Uint16)
	case f.MaxResolution < 0:
		return fmt.Errorf("image field: max resolution %d", f.MaxResolution)
	case f.MaxPixels < 0:
		return fmt.Errorf("image field: max pixels %d", f.MaxPixels)
	case f.Compression > CompressNone:
		return fmt.Errorf("image field: no compression %d", f.Compression)
	}
	return nil
}

// Kind returns the channels of all values, 1 to 4, and the bytes of a number, 1
// or 2.
func (f Image) Kind() (channels, depth int) {
	channels, depth = max(f.Channels, 1), 1
	if f.DType == array.Uint16 {
		depth = 2
	}
	return channels, depth
}

// kind says for people what values are.
func kind(channels, depth int) string {
	unit := "channels"
	if channels == 1 {
		unit = "channel"
	}
	return fmt.Sprintf("%d %s of %d bits", channels, unit, 8*depth)
}

// Layout is an aligned struct of 24 bytes.
func (Image) Layout() Layout { return rasterLayout }

// Encode stores a raster.
func (f Image) Encode(meta []byte, value any, at At) error {
	if err := f.check(); err != nil {
		return err
	}
	c := coders.Get().(*rasterCoder)
	defer c.release()
	var r rgb.Raster
	var err error
	switch v := value.(type) {
	case rgb.Raster:
		r = v
	case array.Array:
		r, err = f.array(v)
	case image.Image:
		r, err = f.fromImage(&c.raster, v)
	case []byte:
		r, err = f.fromFile(&c.raster, v)
	case Path:
		if c.data, err = readFile(c.data[:0], string(v)); err != nil {
			return err
		}
		if r, err = f.fromFile(&c.raster, c.data); err != nil {
			err = fmt.Errorf("%s: %w", string(v), err)
		}
	default:
		return wrongType("image", value, "rgb.Raster, array.Array, image.Image or an image file's []byte or fields.Path")
	}
	if err == nil {
		err = f.checkRaster(&r)
	}
	if err == nil {
		err = c.shrink(&r, f.MaxResolution)
	}
	if err != nil {
		return err
	}
	coding, data := byte(codingPlain), r.Pix
	if f.Compression == CompressAuto {
		coding, data = c.code(r)
	}
	ptr, buf, err := at.Alloc(len(data))
	if err != nil {
		return err
	}
	copy(buf, data)
	binary.LittleEndian.PutUint64(meta, ptr)
	binary.LittleEndian.PutUint64(meta[rasterSize:], uint64(len(data)))
	binary.LittleEndian.PutUint16(meta[rasterWidth:], uint16(r.Width))
	binary.LittleEndian.PutUint16(meta[rasterHeight:], uint16(r.Height))
	meta[rasterCoding] = coding
	return nil
}

// array takes an array of the field's own dtype.
func (f Image) array(a array.Array) (rgb.Raster, error) {
	channels, depth := f.Kind()
	shape := a.Shape
	if len(shape) == 2 && channels == 1 {
		shape = append(shape[:2:2], 1)
	}
	wrong := len(shape) != 3 || shape[2] != channels || depth == 1 && a.DType != array.Uint8 || depth == 2 && a.DType != array.Uint16
	if wrong {
		return rgb.Raster{}, fmt.Errorf("image: an array %v, want (height, width, %d) for %s: %w", a.Spec, channels, kind(channels, depth), ErrValue)
	}
	return rgb.Raster{Width: shape[1], Height: shape[0], Channels: channels, Depth: depth, Pix: a.Data}, nil
}

// checkRaster refuses what is no raster of the field.
func (f Image) checkRaster(r *rgb.Raster) error {
	channels, depth := f.Kind()
	if r.Channels != channels || r.Depth != depth {
		return fmt.Errorf("image: %s, want %s: %w", kind(r.Channels, r.Depth), kind(channels, depth), ErrValue)
	}
	if err := checkSides(r.Width, r.Height); err != nil {
		return fmt.Errorf("image: %w: %w", err, ErrValue)
	}
	if err := bounded("image", r.Width, r.Height, f.MaxPixels); err != nil {
		return err
	}
	if want := r.Width * r.Height * channels * depth; len(r.Pix) != want {
		return fmt.Errorf("image: %d bytes of pixels for %dx%d of %s, want %d: %w", len(r.Pix), r.Width, r.Height, kind(channels, depth), want, ErrValue)
	}
	return nil
}

func checkSides(width, height int) error {
	switch {
	case width < 1 || height < 1 || width > rgb.MaxSide || height > rgb.MaxSide:
		return fmt.Errorf("a picture of %dx%d pixels, a side has 1 to %d", width, height, rgb.MaxSide)
	case width > rgb.MaxPixels/height:
		return fmt.Errorf("a picture of %dx%d pixels, more than %d", width, height, rgb.MaxPixels)
	}
	return nil
}

// Regions returns the data's place.
func (f Image) Regions(dst []Region, meta []byte) ([]Region, error) {
	m, err := f.meta(meta)
	if err != nil {
		return nil, err
	}
	return append(dst, Region{Ptr: binary.LittleEndian.Uint64(meta), Size: int64(m.stored)}), nil
}

// Size returns the width and height of a value from its metadata.
func (f Image) Size(meta []byte) (width, height int, err error) {
	m, err := f.meta(meta)
	return m.width, m.height, err
}

// Decode returns the rgb.Raster, borrowed from the data where it is stored
// plain.
func (f Image) Decode(meta []byte, data [][]byte) (any, error) {
	m, b, err := f.stored(meta, data)
	if err != nil {
		return nil, err
	}
	r := m.raster(b)
	if m.coding != codingPlain {
		r.Pix = make([]byte, m.size())
		if err := m.decode(r.Pix, b); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// DecodeRaster decodes a value, with Decode's arguments, into dst.Pix, which
// grows when it is too short, and sets the rest of dst. On error dst holds no
// picture. A dst that has been large enough before makes it allocate nothing.
func (f Image) DecodeRaster(dst *rgb.Raster, meta []byte, data [][]byte) error {
	m, b, err := f.stored(meta, data)
	if err != nil {
		return err
	}
	pix := dst.Pix
	if n := m.size(); cap(pix) < n {
		pix = make([]byte, n)
	} else {
		pix = pix[:n]
	}
	*dst = m.raster(pix)
	return m.decode(pix, b)
}

// Check decodes the whole value.
func (f Image) Check(meta []byte, data [][]byte) error {
	c := coders.Get().(*rasterCoder)
	defer c.release()
	return f.DecodeRaster(&c.raster, meta, data)
}

// storedRaster is what the metadata say of a value; its numbers fit together.
type storedRaster struct {
	width, height   int
	channels, depth int
	coding          byte
	stored          int
}

// size returns the bytes of the pixels.
func (m *storedRaster) size() int { return m.width * m.height * m.channels * m.depth }

func (m *storedRaster) raster(pix []byte) rgb.Raster {
	return rgb.Raster{Width: m.width, Height: m.height, Channels: m.channels, Depth: m.depth, Pix: pix}
}

// meta reads the metadata. A size of pixels that the stored bytes can't be coded
// from is refused here, before anyone makes room for it.
func (f Image) meta(meta []byte) (m storedRaster, err error) {
	if err := checkMeta("image", meta, rasterMeta); err != nil {
		return m, err
	}
	m.width = int(binary.LittleEndian.Uint16(meta[rasterWidth:]))
	m.height = int(binary.LittleEndian.Uint16(meta[rasterHeight:]))
	m.channels, m.depth = f.Kind()
	m.coding = meta[rasterCoding]
	stored := binary.LittleEndian.Uint64(meta[rasterSize:])
	if err := checkSides(m.width, m.height); err != nil {
		return storedRaster{}, fmt.Errorf("image metadata: %w", err)
	}
	size := m.size()
	switch {
	case m.coding >= codings:
		err = fmt.Errorf("image metadata: coding %d, want 0 to %d", m.coding, codings-1)
	case stored > math.MaxInt64:
		err = fmt.Errorf("image metadata: a size of %d bytes", stored)
	case m.coding == codingPlain && stored != uint64(size):
		err = fmt.Errorf("image metadata: %d bytes stored for %dx%d of %s, want %d", stored, m.width, m.height, kind(m.channels, m.depth), size)
	case m.coding != codingPlain && (stored >= uint64(size) || uint64(size) > maxPacked(stored)):
		err = fmt.Errorf("image metadata: %d bytes of lz4 for the %d of %dx%d of %s", stored, size, m.width, m.height, kind(m.channels, m.depth))
	}
	if err != nil {
		return storedRaster{}, err
	}
	m.stored = int(stored)
	return m, nil
}

// stored returns metadata and data of a value.
func (f Image) stored(meta []byte, data [][]byte) (storedRaster, []byte, error) {
	m, err := f.meta(meta)
	if err != nil {
		return m, nil, err
	}
	b, err := region("image", data, int64(m.stored))
	return m, b, err
}
