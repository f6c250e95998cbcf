package loader

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/rgb"
)

// RasterField is the ability of a fields.Field whose values are rasters: masks,
// depth maps, pictures with alpha. fields.Image has it.
type RasterField interface {
	// Kind returns the channels of all values, 1 to 4, and the bytes of a number,
	// 1 or 2.
	Kind() (channels, depth int)
	// Size returns the width and height of a value from its metadata.
	Size(meta []byte) (width, height int, err error)
	// DecodeRaster decodes a value (see fields.Field.Decode) into dst.Pix, which
	// grows when it is too short, and sets the rest of dst.
	DecodeRaster(dst *rgb.Raster, meta []byte, data [][]byte) error
}

// RasterDecoder makes values of one shape out of rasters. Those decoders of
// package transform that crop are such.
type RasterDecoder interface {
	// BindRaster is called once, by New, with the size that all rasters of the
	// field have, or 0, 0 when they differ, their channels and the bytes of a
	// number. It returns the value's type and shape and the function that makes it
	// in dst (spec.Bytes() long, contents undefined). The function is called by
	// many goroutines at once, each with a generator and a scratch of its own; it
	// keeps neither them nor src, which is read-only.
	BindRaster(width, height, channels, depth int) (spec array.Spec, decode func(dst []byte, src rgb.Raster, rng *rand.Rand, s *rgb.Scratch) error, err error)
}

// rasterBinding is how an output of a raster field is made.
type rasterBinding struct {
	field           RasterField
	channels, depth int

	// One of these is set:
	decode func(dst []byte, src rgb.Raster, rng *rand.Rand, s *rgb.Scratch) error
	follow func(dst []byte, src rgb.Raster, p *rgb.Placement, s *rgb.Scratch) error
}

func rasterField(f *ffcv.Field) (RasterField, bool) {
	r, ok := f.Field.(RasterField)
	return r, ok
}

// bindRasterField makes b an output of rasters, whose function is yet to come.
func bindRasterField(b *output, decoder any) error {
	f, ok := rasterField(b.src)
	if !ok {
		what := "rasters"
		if _, ok := decoder.(ImageDecoder); ok {
			what = "images and rasters"
		}
		return fmt.Errorf("%T takes %s, field %q is of type %d (%T)", decoder, what, b.src.Name, b.src.Type, b.src.Field)
	}
	r := &rasterBinding{field: f}
	if r.channels, r.depth = f.Kind(); r.channels < 1 || r.channels > 4 || r.depth < 1 || r.depth > 2 {
		return fmt.Errorf("field %q holds rasters of %d channels of %d bytes, want 1 to 4 of 1 or 2", b.src.Name, r.channels, r.depth)
	}
	b.kind, b.raster, b.what = kindRaster, r, typeName(decoder)
	return nil
}

func (p *plan) bindRaster(b *output, d RasterDecoder) error {
	if err := bindRasterField(b, d); err != nil {
		return err
	}
	r := b.raster
	width, height, err := p.commonSize(b.src, r.field.Size)
	if err != nil {
		return err
	}
	b.value, r.decode, err = d.BindRaster(width, height, r.channels, r.depth)
	if err == nil && r.decode == nil {
		err = fmt.Errorf("%T gives no function", d)
	}
	return err
}

// sizeRows is how many samples commonSize looks at, so that New takes no longer
// the larger the dataset is.
const sizeRows = 1 << 20

// commonSize returns the size that all values of a field have, 0, 0 when they
// differ or there are none. It looks no further than the first that differs, and
// at no more than sizeRows: decoders refuse a value of another size.
func (p *plan) commonSize(f *ffcv.Field, size func(member []byte) (width, height int, err error)) (width, height int, err error) {
	const chunk = 4096
	var buf []byte
	known := false
	total := min(p.total, sizeRows)
	for lo := 0; lo < total; lo += chunk {
		n := min(chunk, total-lo)
		if lo%aheadRows == chunk { // more than the first are alike: it may go on to the end
			p.needRows(lo, min(aheadRows, total-lo))
		}
		rows, err := p.ds.Rows(lo, n, buf)
		if err != nil {
			return 0, 0, err
		}
		if p.table == nil {
			buf = rows[:0]
		}
		for i := range n {
			if p.quarantine.has(lo + i) {
				continue
			}
			at := i*p.rowSize + f.Offset
			w, h, err := size(rows[at : at+f.Size : at+f.Size])
			if err != nil && p.passes {
				continue // so will it fare when it is loaded
			}
			if err != nil {
				return 0, 0, fmt.Errorf("sample %d: %w", lo+i, err)
			}
			if !known {
				width, height, known = w, h, true
			} else if w != width || h != height {
				return 0, 0, nil
			}
		}
	}
	return width, height, nil
}

// aheadRows is how many rows of a dataset that reads them are asked for at a time,
// when one after another will be looked at: over a network each request takes a
// while.
const aheadRows = 1 << 16

// needRows says that n rows will be read, to a dataset that reads them.
func (p *plan) needRows(lo, n int) {
	h, ok := p.ds.(RowHinter)
	if !ok || p.lends {
		return
	}
	list := make([]int, n)
	for i := range list {
		list[i] = lo + i
	}
	h.WillNeedRows(list, false)
}

// wholeRaster is the default decoder of rasters: each as it is, all of one
// size. An empty dataset has no size to ask for.
type wholeRaster struct{ empty bool }

func (d wholeRaster) BindRaster(width, height, channels, depth int) (array.Spec, func([]byte, rgb.Raster, *rand.Rand, *rgb.Scratch) error, error) {
	spec := rasterSpec(width, height, channels, depth)
	if (width == 0 || height == 0) && !d.empty {
		return spec, nil, errors.New("rasters of different sizes need a decoder (such as transform.CenterCrop, or transform.Mask with Follow), Raw, or Disabled")
	}
	return spec, func(dst []byte, src rgb.Raster, _ *rand.Rand, _ *rgb.Scratch) error {
		if src.Width != width || src.Height != height {
			return fmt.Errorf("raster of %dx%d, want %dx%d as all others", src.Width, src.Height, width, height)
		}
		copy(dst, src.Pix)
		return nil
	}, nil
}

// rasterSpec is the type and shape of a raster.
func rasterSpec(width, height, channels, depth int) array.Spec {
	spec := array.Spec{DType: array.Uint8, Shape: []int{height, width, channels}}
	if depth == 2 {
		spec.DType = array.Uint16
	}
	return spec
}

// picture makes a value of a raster, or of bytes that follow an output.
func (w *worker) picture(o *output, id int, row, dst, member []byte, data [][]byte) error {
	if o.kind == kindFollower {
		if err := w.lie(o.lead, row, id); err != nil {
			return err
		}
		b, err := w.unpacked(o, member, data)
		if err != nil {
			return err
		}
		return o.follow(dst, b, &w.place)
	}
	b, src := o.raster, &w.pixels
	if err := b.field.DecodeRaster(src, member, data); err != nil {
		return err
	}
	if src.Channels != b.channels || src.Depth != b.depth {
		return fmt.Errorf("raster of %d channels of %d bytes, its field has %d of %d", src.Channels, src.Depth, b.channels, b.depth)
	}
	if o.lead == nil {
		w.source.rekey(o.key, uint32(w.epoch.number), uint64(id))
		return b.decode(dst, *src, w.rng, &w.scratch)
	}
	if err := w.lie(o.lead, row, id); err != nil {
		return err
	}
	if width, height, _ := o.lead.size(row); src.Width != width || src.Height != height {
		return fmt.Errorf("raster of %dx%d, but the picture of output %q, which it follows, is %dx%d", src.Width, src.Height, o.lead.name, width, height)
	}
	return b.follow(dst, *src, &w.place, &w.scratch)
}
