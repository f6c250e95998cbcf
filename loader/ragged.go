package loader

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/betongo/betongo/array"
)

// bindRows finds how the rows of an output lie in a batch: Output.Ragged,
// Output.Item and Output.Width.
func (b *output) bindRows(o *Output) error {
	b.itemBytes = 1
	item := o.Item.DType.Valid() || o.Item.Shape != nil
	if !b.varies() {
		if o.Ragged || item || o.Width != 0 {
			return errors.New("options Ragged, Item and Width are for rows that differ in length: Bytes, JSON and Raw images")
		}
		return nil
	}
	if o.Width < 0 || o.Width > 0 && o.Ragged {
		return fmt.Errorf("option Width %d: want 0 or more, and 0 with Ragged", o.Width)
	}
	if item {
		if !b.ofBytes() {
			return fmt.Errorf("option Item is for Bytes fields, field %q is of type %d", b.src.Name, b.src.Type)
		}
		size, err := o.Item.Bytes()
		if err == nil && (!o.Item.DType.Valid() || size == 0) {
			err = errors.New("want a type and a shape without a 0")
		}
		if err != nil {
			return fmt.Errorf("option Item %v: %w", o.Item, err)
		}
		b.itemBytes = size
		b.value = array.Spec{DType: o.Item.DType, Shape: append([]int{0}, o.Item.Shape...)}
	}
	if o.Width > math.MaxInt/b.itemBytes {
		return fmt.Errorf("option Width %d of items of %d bytes: more than memory can hold", o.Width, b.itemBytes)
	}
	b.least = int64(o.Width * b.itemBytes)
	if b.ragged = o.Ragged; b.ragged {
		b.what = "copy, one row after another"
		switch b.kind {
		case kindRawImage:
			b.what = "copy as stored, one row after another"
		case kindPacked:
			b.what = "unpack, one row after another"
		}
	}
	return nil
}

// columnShape is the shape of an output in an empty batch.
func (o *output) columnShape() []int {
	if o.ragged {
		return slices.Clone(o.spec.Shape)
	}
	return append([]int{0}, o.spec.Shape...)
}

// setPlaces makes room for rows of a ragged output, whose sizes in bytes are
// those of regions.
func (b *Batch) setPlaces(out int, list []region) error {
	c := &b.columns[out]
	total, size := int64(0), int64(c.item)
	c.Offsets[0] = 0
	for i, r := range list {
		if r.size > math.MaxInt64-total {
			return errors.New("rows of more bytes than memory can hold")
		}
		total += r.size
		c.Offsets[i+1] = total / size
	}
	if total > math.MaxInt {
		return fmt.Errorf("%d bytes: more than memory can hold", total)
	}
	if err := b.mem.reserve(out, int(total)); err != nil {
		return err
	}
	if err := b.mem.ensure(out, int(total)); err != nil {
		return err
	}
	c.Shape[0] = int(total / size)
	c.Data = b.mem.blocks[out][:total:total]
	return nil
}

// place is that of row i of a varying output, size bytes long.
func (c *Column) place(i int, size int64) []byte {
	at := 0
	if c.Offsets != nil {
		at = int(c.Offsets[i]) * c.item
	} else {
		at = i * c.Shape[1] * c.item
	}
	return c.Data[at : at+int(size) : at+int(size)]
}

// squeeze brings the rows of a ragged output together, where some are shorter
// than the room that they had: JSON without its final NUL.
func (b *Batch) squeeze(out int) {
	c := &b.columns[out]
	total := 0
	for i, n := range c.Lengths {
		from, size := int(c.Offsets[i])*c.item, n*c.item
		if from != total {
			copy(c.Data[total:total+size], c.Data[from:from+size])
		}
		c.Offsets[i] = int64(total / c.item)
		total += size
	}
	c.Offsets[len(c.Lengths)] = int64(total / c.item)
	c.Shape[0] = total / c.item
	c.Data = c.Data[:total:total]
}

// closeVarying closes the gaps of an output whose rows differ in length. The
// rows get new places, in the worker's block, which then changes places with the
// batch's.
func (w *worker) closeVarying(f *flight, o *output) error {
	b, c := f.batch, &f.batch.columns[w.out]
	old := *c
	old.Shape = slices.Clone(c.Shape)
	w.offsets = append(w.offsets[:0], c.Offsets...)
	if o.ragged {
		old.Offsets = w.offsets
		c.Offsets = c.Offsets[:len(w.from)+1]
	}
	w.sizes, w.lengths, w.infos = w.sizes[:0], w.lengths[:0], w.infos[:0]
	for _, from := range w.from {
		of, at := f, from
		if from == fromAlone {
			of, at = w.alone, 0
		}
		r, length, info := region{}, 0, ImageInfo{}
		if from != fromValue {
			col := &of.batch.columns[w.out]
			r, length = of.regions[w.out][at], col.Lengths[at]
			if col.Images != nil {
				info = col.Images[at]
			}
		}
		w.sizes, w.lengths, w.infos = append(w.sizes, r), append(w.lengths, length), append(w.infos, info)
	}
	if w.wide == nil {
		w.newWide()
	}
	b.mem.swap(w.out, w.wide) // what rows there are is in the worker's block now
	if err := b.setRows(w.out, o, w.sizes); err != nil {
		return w.lost(f, err)
	}
	for i, from := range w.from {
		size := w.sizes[i].size
		dst := c.place(i, size)
		switch {
		case from == fromAlone:
			copy(dst, w.alone.batch.columns[w.out].place(0, size))
		case from >= 0:
			copy(dst, old.place(from, size))
		}
		if !o.ragged {
			width := c.Shape[1] * c.item
			clear(c.Data[i*width+int(size) : (i+1)*width])
		}
	}
	c.Lengths = append(c.Lengths[:0], w.lengths...)
	if c.Images != nil {
		c.Images = append(c.Images[:0], w.infos...)
	}
	copy(f.regions[w.out], w.sizes)
	return nil
}

// setRows makes room for rows of a varying output.
func (b *Batch) setRows(out int, o *output, list []region) error {
	if o.ragged {
		return b.setPlaces(out, list)
	}
	longest := o.least
	for _, r := range list {
		longest = max(longest, r.size)
	}
	if longest > math.MaxInt {
		return fmt.Errorf("a value of %d bytes", longest)
	}
	if n := len(list); longest > 0 && n <= math.MaxInt/2/int(longest) {
		if err := b.mem.reserve(out, n*int(longest)); err != nil {
			return err
		}
	}
	return b.setWidth(out, len(list), int(longest))
}
