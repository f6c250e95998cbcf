package loader

import (
	"fmt"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// A field that has the ability fields.Packed, as fields.LZ4 does, is loaded as the
// plain field would be: arrays are unpacked where they lie in the batch, and rows
// that differ in length are made as long as the metadata tell before anything is
// read.

// packedField returns the field's ability, where what it keeps is served.
func packedField(f *ffcv.Field) (fields.Packed, bool) {
	p, ok := f.Field.(fields.Packed)
	if !ok {
		return nil, false
	}
	switch of := p.Plain(); of.(type) {
	case fields.Bytes, fields.JSON:
		return p, true
	default:
		_, ok := arraySpec(of)
		return p, ok
	}
}

// bindPacked gives a packed field the pipeline of its plain one.
func (b *output) bindPacked(f fields.Packed) {
	b.packed = f
	if spec, ok := arraySpec(f.Plain()); ok {
		b.kind, b.value, b.what = kindDecoder, spec, "unpack"
		b.decode = func(dst, meta []byte, data [][]byte, _ *rand.Rand) error { return f.Unpack(dst, meta, data) }
		return
	}
	b.kind, b.what = kindPacked, "unpack, padded to the longest of the batch"
	b.value, b.ptr = array.Spec{DType: array.Uint8, Shape: []int{0}}, b.src.Offset+b.src.Field.Layout().Pointers[0]
	b.text = f.Plain().TypeID() == fields.TypeJSON
}

// ofBytes tells whether the rows are those of a field of bytes.
func (o *output) ofBytes() bool {
	switch o.kind {
	case kindBlob:
		return o.src.Type == fields.TypeBytes
	case kindPacked:
		return o.packed.Plain().TypeID() == fields.TypeBytes
	}
	return false
}

// member is an output's part of a metadata row.
func (o *output) member(row []byte) []byte {
	end := o.src.Offset + o.src.Size
	return row[o.src.Offset:end:end]
}

// packedSize returns how many bytes a packed value has unpacked. Before a large
// one is believed its region has to be there.
func (w *worker) packedSize(o *output, id int, member []byte) (int64, error) {
	size, err := o.packed.PlainSize(member)
	if err != nil {
		return 0, w.plan.flaw(id, o, err.Error())
	}
	if w.plan.lends && size < hintSize {
		return size, nil
	}
	r, err := w.packedRegion(o, member)
	if err != nil {
		return 0, err
	}
	if size > probeSize {
		if err := w.plan.lookAt(id, r.Ptr, r.Size); err != nil {
			return 0, err
		}
	}
	if !w.plan.lends || r.Size >= hintSize {
		w.addRange(region{r.Ptr, r.Size})
	}
	return size, nil
}

func (w *worker) packedRegion(o *output, member []byte) (r fields.Region, err error) {
	if w.regions, err = o.src.Field.Regions(w.regions[:0], member); err != nil {
		return r, err
	}
	if len(w.regions) != 1 || w.regions[0].Size < 0 {
		return r, fmt.Errorf("a packed field (%T) of %d regions, want one of a known size", o.src.Field, len(w.regions))
	}
	return w.regions[0], nil
}

// unpack fills rows of different lengths, and clears the rest of each.
func (w *worker) unpack(f *flight, o *output, lo, hi int) (int, error) {
	c, list := &f.batch.columns[w.out], f.regions[w.out]
	width := 0 // of a padded row
	if !o.ragged {
		width = c.Shape[1] * c.item
	}
	for pos := lo; pos < hi; pos++ {
		if f.passed(pos) {
			continue
		}
		w.at = pos
		id, size := f.batch.ids[pos], list[pos].size
		member := o.member(w.row(f, pos, id))
		data, err := w.packedData(o, id, member)
		if err != nil {
			return pos, err
		}
		row := c.place(pos, max(size, int64(width)))
		if err := o.packed.Unpack(row[:size:size], member, data); err != nil {
			return pos, err
		}
		w.giveBack()
		clear(row[size:])
		n := int(size)
		if o.text && n > 0 && row[n-1] == 0 {
			n-- // JSON's final NUL; it stays in the row, which is zero from there
		}
		c.Lengths[pos] = n / c.item
	}
	return 0, nil
}

// packedData returns a packed value as it is stored.
func (w *worker) packedData(o *output, id int, member []byte) ([][]byte, error) {
	r, err := w.packedRegion(o, member)
	if err != nil {
		return nil, err
	}
	b, err := w.obtain(0, id, r.Ptr, r.Size)
	w.meter.bytes += int64(len(b))
	w.data = append(w.data[:0], b)
	return w.data, err
}

// unpacked is the only region of a field's value: that of the plain field, where
// the field is packed.
func (w *worker) unpacked(o *output, member []byte, data [][]byte) ([]byte, error) {
	if o.packed == nil {
		return data[0], nil
	}
	size, err := o.packed.PlainSize(member)
	if err != nil {
		return nil, err
	}
	if int64(cap(w.plain)) < size {
		w.plain = make([]byte, size+size/4)
	}
	w.plain = w.plain[:size]
	return w.plain, o.packed.Unpack(w.plain, member, data)
}
