package convert

import (
	"fmt"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// maxExpansion is how many bytes one stored byte of a packed value stands for at
// most.
const maxExpansion = 255

// packedArray makes an array of a field that keeps arrays in fewer bytes.
func (b *betonFile) packedArray(i int, spec array.Spec) {
	shape := append([]int{b.f.Len()}, spec.Shape...)
	b.arrays = append(b.arrays, betonArray{
		m:    array.Member{Name: b.fields[i].Name, Spec: array.Spec{DType: spec.DType, Shape: shape}},
		from: []betonPart{{field: i}},
		read: (*betonFile).readPacked, expands: true,
	})
}

// readPacked unpacks values where they lie in the rows.
func (b *betonFile) readPacked(a *betonArray, dst []byte, lo, n int) error {
	rows, err := b.f.Rows(lo, n, nil)
	if err != nil {
		return err
	}
	f := b.fields[a.from[0].field]
	packed := f.Field.(fields.Packed)
	row := int(rowBytes(a.m.Spec))
	var regions []fields.Region
	var buf []byte
	for i := range n {
		meta := rows[i*b.f.RowSize()+f.Offset:][:f.Size]
		if regions, err = packed.Regions(regions[:0], meta); err == nil {
			if buf, err = b.f.Bytes(lo+i, regions[0].Ptr, regions[0].Size, buf); err != nil {
				return err
			}
			err = packed.Unpack(dst[i*row:(i+1)*row:(i+1)*row], meta, [][]byte{buf})
		}
		if err != nil {
			return &ffcv.FormatError{File: b.f.Name(), Field: f.Name, Sample: lo + i, Offset: -1, Err: err}
		}
	}
	return nil
}

// packedSizes is sizes for a field that keeps values in fewer bytes.
func (b *betonFile) packedSizes(p fields.Packed, field, lo, n int, rows []byte, dst []int) ([]int, error) {
	f := b.fields[field]
	json := p.Plain().TypeID() == fields.TypeJSON
	var regions []fields.Region
	for i := range n {
		meta := rows[i*b.f.RowSize()+f.Offset:][:f.Size]
		size, err := p.PlainSize(meta)
		if err == nil {
			regions, err = p.Regions(regions[:0], meta)
		}
		if err == nil && regions[0].Size > b.size {
			err = fmt.Errorf("a value of %d stored bytes in a file of %d", regions[0].Size, b.size)
		}
		if err != nil {
			return nil, &ffcv.FormatError{File: b.f.Name(), Field: f.Name, Sample: lo + i, Offset: -1, Err: err}
		}
		if json && size > 0 {
			size-- // the NUL behind the text
		}
		dst = append(dst, int(size))
	}
	return dst, nil
}
