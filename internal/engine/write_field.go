package engine

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

// fieldSpec is a field as a client describes it. Which members count depends on
// the kind.
type fieldSpec struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // float, int, bytes, json, ndarray, torch, rgb, image, audio, custom

	DType string `json:"dtype"` // ndarray, torch, image
	Shape []int  `json:"shape"` // ndarray, torch

	Mode          string  `json:"mode"` // rgb: jpg, raw, smart, proportion
	MaxResolution int     `json:"max_resolution"`
	MinResolution int     `json:"min_resolution"` // of the shorter side, instead of the longer one's maximum
	Smart         int     `json:"smart_threshold"`
	Quality       int     `json:"quality"`
	Probability   float64 `json:"probability"`
	Keep          bool    `json:"keep"` // bytes of JPEGs
	Orient        bool    `json:"orient"`
	Strip         bool    `json:"strip"`
	NoCheckpoints bool    `json:"no_checkpoints"`
	MaxPixels     int     `json:"max_pixels"`
	Channels      int     `json:"channels"` // image
	Plain         bool    `json:"plain"`    // image: not compressed
	LZ4           bool    `json:"lz4"`      // bytes, json, ndarray, torch: compressed where that is worth it
	NoShuffle     bool    `json:"no_shuffle"`

	Size     int    `json:"size"` // custom: bytes of metadata
	Align    int    `json:"align"`
	Args     []byte `json:"args"`     // base64
	Pointers []int  `json:"pointers"` // absent: to be learned
}

// modes are FFCV's names of the ways to store a picture.
var modes = map[string]fields.ImageMode{
	"jpg": fields.ModeJPEG, "raw": fields.ModeRaw, "smart": fields.ModeSmart, "proportion": fields.ModeProportion,
}

// field makes the field.
func (s *fieldSpec) field() (fields.Field, error) {
	f, err := s.plainField()
	if err != nil || !s.LZ4 {
		return f, err
	}
	return s.checked(fields.LZ4{Of: f, NoShuffle: s.NoShuffle})
}

// plainField makes the field whose values are stored.
func (s *fieldSpec) plainField() (fields.Field, error) {
	switch s.Kind {
	case "float":
		return fields.Float{}, nil
	case "int":
		return fields.Int{}, nil
	case "bytes":
		return fields.Bytes{}, nil
	case "json":
		return fields.JSON{}, nil
	case "audio":
		return fields.Audio{}, nil
	case "ndarray", "torch":
		return s.array()
	case "rgb":
		return s.picture()
	case "image":
		return s.raster()
	case "custom":
		return s.custom()
	}
	return nil, optionf("field %q: no kind %q", s.Name, s.Kind)
}

// checked returns a field whose arguments can be stored.
func (s *fieldSpec) checked(f fields.Field) (fields.Field, error) {
	if _, err := f.Args(); err != nil {
		return nil, optionf("field %q: %v", s.Name, err)
	}
	return f, nil
}

func (s *fieldSpec) array() (fields.Field, error) {
	dtype, err := array.ParseDType(s.DType)
	if err != nil {
		return nil, optionf("field %q: %v", s.Name, err)
	}
	f := fields.NDArray{DType: dtype, Shape: s.Shape}
	if s.Kind == "torch" {
		return s.checked(fields.TorchTensor(f))
	}
	return s.checked(f)
}

func (s *fieldSpec) picture() (fields.Field, error) {
	mode, ok := modes[s.Mode]
	if !ok {
		return nil, optionf("field %q: no write mode %q; there are jpg, raw, smart and proportion", s.Name, s.Mode)
	}
	if s.MinResolution < 0 || s.MinResolution > 0 && s.MaxResolution > 0 {
		return nil, optionf("field %q: minimum resolution %d with maximum %d; one of them can be set", s.Name, s.MinResolution, s.MaxResolution)
	}
	f := fields.RGBImage{
		Mode: mode, MaxResolution: s.MaxResolution, SmartThreshold: s.Smart, Quality: s.Quality,
		CompressProbability: s.Probability, Reencode: fields.ReencodeAlways,
		Orient: s.Orient, Strip: s.Strip, NoCheckpoints: s.NoCheckpoints, MaxPixels: s.MaxPixels,
	}
	if s.Keep {
		f.Reencode = fields.ReencodeAuto
	}
	if s.MinResolution > 0 {
		return s.checked(&leastImage{f, s.MinResolution})
	}
	return s.checked(f)
}

func (s *fieldSpec) raster() (fields.Field, error) {
	f := fields.Image{Channels: s.Channels, MaxResolution: s.MaxResolution}
	var err error
	if f.DType, err = array.ParseDType(s.DType); err != nil {
		return nil, optionf("field %q: %v", s.Name, err)
	}
	if s.Plain {
		f.Compression = fields.CompressNone
	}
	return s.checked(f)
}

func (s *fieldSpec) custom() (fields.Field, error) {
	f := &customField{size: s.Size, align: s.Align, pointers: s.Pointers}
	switch {
	case s.Size < 1 || s.Size > 1<<20:
		return nil, optionf("field %q: %d bytes of metadata", s.Name, s.Size)
	case s.Align < 1 || s.Align&(s.Align-1) != 0:
		return nil, optionf("field %q: an alignment of %d", s.Name, s.Align)
	case len(s.Args) != fields.ArgsSize:
		return nil, optionf("field %q: %d bytes of arguments, want %d", s.Name, len(s.Args), fields.ArgsSize)
	}
	copy(f.args[:], s.Args)
	for i, p := range s.Pointers {
		if p < 0 || p > s.Size-8 {
			return nil, optionf("field %q: pointer %d at byte %d of %d", s.Name, i, p, s.Size)
		}
	}
	return f, nil
}

// customField stores what a client's own field has encoded.
type customField struct {
	size, align int
	args        fields.Args
	pointers    []int
}

// customValue is a value that a client's own field has encoded.
type customValue struct {
	meta    []byte
	regions []customRegion
}

type customRegion struct {
	at   int // of its pointer in the metadata
	data []byte
}

// regionHead is the size of what stands before the regions of a customValue
// for each of them.
const regionHead = 16

func (f *customField) TypeID() fields.TypeID      { return fields.TypeCustom }
func (f *customField) Args() (fields.Args, error) { return f.args, nil }
func (f *customField) Layout() fields.Layout {
	return fields.Layout{Size: f.size, Align: f.align, Pointers: f.pointers}
}

// value reads a value as a client sends it.
func (f *customField) value(b []byte, regions uint32) (customValue, error) {
	v := customValue{}
	heads := int64(regions) * regionHead
	if int64(len(b)) < int64(f.size)+heads {
		return v, fmt.Errorf("%d bytes of a field with %d bytes of metadata and %d regions: %w", len(b), f.size, regions, fields.ErrValue)
	}
	v.meta, b = b[:f.size], b[f.size:]
	head, data := b[:heads], b[heads:]
	for ; len(head) > 0; head = head[regionHead:] {
		n, at := binary.LittleEndian.Uint64(head), int(binary.LittleEndian.Uint32(head[8:]))
		if n > uint64(len(data)) || at > f.size-8 {
			return v, fmt.Errorf("a region of %d bytes with its pointer at byte %d of %d; %d bytes are left: %w", n, at, f.size, len(data), fields.ErrValue)
		}
		v.regions = append(v.regions, customRegion{at, data[:n]})
		data = data[n:]
	}
	return v, nil
}

// learn adds the pointers of a value to those of the field.
func (f *customField) learn(v customValue) {
	for _, r := range v.regions {
		if f.find(r.at) < 0 {
			f.pointers = append(f.pointers, r.at)
		}
	}
}

func (f *customField) find(at int) int {
	for i, p := range f.pointers {
		if p == at {
			return i
		}
	}
	return -1
}

// Encode stores a customValue.
func (f *customField) Encode(meta []byte, value any, at fields.At) error {
	v, ok := value.(customValue)
	if !ok {
		return fmt.Errorf("custom: a %T: %w", value, fields.ErrValue)
	}
	copy(meta, v.meta)
	found := 0
	for _, p := range f.pointers {
		var data []byte
		has := false
		for _, r := range v.regions {
			if r.at == p {
				data, has = r.data, true
				found++
				break
			}
		}
		if old := binary.LittleEndian.Uint64(v.meta[p:]); !has && old != 0 {
			return fmt.Errorf("0x%x at byte %d of the metadata, where samples before this one have a pointer that malloc gave: %w", old, p, fields.ErrValue)
		}
		ptr, buf, err := at.Alloc(len(data))
		if err != nil {
			return err
		}
		copy(buf, data)
		binary.LittleEndian.PutUint64(meta[p:], ptr)
	}
	for _, r := range v.regions {
		if f.find(r.at) < 0 {
			return fmt.Errorf("a pointer at byte %d of the metadata, where the first samples have none (they have them at %v): a file's pointers stand at the same places in every row: %w", r.at, f.pointers, fields.ErrValue)
		}
	}
	if found != len(v.regions) {
		return fmt.Errorf("%d regions with %d different places of their pointers: %w", len(v.regions), found, fields.ErrValue)
	}
	return nil
}

// Regions returns what the pointers point at.
func (f *customField) Regions(dst []fields.Region, meta []byte) ([]fields.Region, error) {
	for _, p := range f.pointers {
		dst = append(dst, fields.Region{Ptr: binary.LittleEndian.Uint64(meta[p:]), Size: fields.UnknownSize})
	}
	return dst, nil
}

// Decode returns a copy of the metadata: only the client's field knows more.
func (f *customField) Decode(meta []byte, _ [][]byte) (any, error) {
	return append([]byte(nil), meta...), nil
}

// leastImage is an RGBImage whose pictures are shrunk until their shorter side
// has so many pixels.
type leastImage struct {
	fields.RGBImage
	least int
}

// decoders are for pictures that have to be decoded to be shrunk.
var decoders = sync.Pool{New: func() any { return new(decoder) }}

type decoder struct {
	rgb.Scratch
	whole, small rgb.Image
}

// release puts the decoder back, without what one huge picture left.
func (d *decoder) release() {
	for _, b := range []*[]byte{&d.whole.Pix, &d.small.Pix} {
		if cap(*b) > 64<<20 {
			*b = nil
		}
	}
	decoders.Put(d)
}

// Encode stores a picture: an rgb.Image or an image file's bytes.
func (f *leastImage) Encode(meta []byte, value any, at fields.At) error {
	d := decoders.Get().(*decoder)
	defer d.release()
	img, ok := value.(rgb.Image)
	if data, file := value.([]byte); file {
		_, w, h, _, err := rgb.ScanImage(data)
		if err != nil {
			return err
		}
		if nw, nh := leastSize(w, h, f.least); nw == w && nh == h {
			return f.RGBImage.Encode(meta, value, at)
		}
		if err := d.Decode(&d.whole, data); err != nil {
			return err
		}
		img, ok = d.whole, true
	}
	if !ok {
		return f.RGBImage.Encode(meta, value, at)
	}
	w, h := leastSize(img.Width, img.Height, f.least)
	if w == img.Width && h == img.Height {
		return f.RGBImage.Encode(meta, img, at)
	}
	if img.Width > rgb.MaxSide || img.Height > rgb.MaxSide || len(img.Pix) != 3*img.Width*img.Height {
		return fmt.Errorf("rgb: %d bytes of pixels for a picture of %dx%d: %w", len(img.Pix), img.Width, img.Height, fields.ErrValue)
	}
	if w < 1 || h < 1 {
		return fmt.Errorf("rgb: a picture of %dx%d pixels becomes %dx%d: %w", img.Width, img.Height, w, h, fields.ErrValue)
	}
	rgb.ResizeArea(&d.small, img, rgb.Rect{W: img.Width, H: img.Height}, w, h)
	return f.RGBImage.Encode(meta, d.small, at)
}

// leastSize is what a minimum of the shorter side makes of a size, rounded as
// FFCV 1.1.0 does.
func leastSize(width, height, least int) (w, h int) {
	short := min(width, height)
	if short <= least {
		return width, height
	}
	ratio := float64(least) / float64(short)
	return int(ratio * float64(width)), int(ratio * float64(height))
}
