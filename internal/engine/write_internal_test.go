package engine

import (
	"encoding/binary"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
)

// FuzzPart reads parts as they may come: a value borrows what has come, or is an
// error.
func FuzzPart(f *testing.F) {
	le := binary.LittleEndian
	custom := &customField{size: 16, align: 8, pointers: []int{0}}
	kinds := []fields.Field{
		fields.Int{}, fields.Float{}, fields.Bytes{}, fields.JSON{}, fields.NDArray{DType: array.Float32, Shape: []int{2}},
		fields.RGBImage{}, &leastImage{fields.RGBImage{}, 2}, fields.Image{}, fields.Audio{}, custom,
	}
	seed := le.AppendUint64(le.AppendUint64(nil, 1), 2)
	for k, form := range []uint32{0, 0, 0, 1, 2, 1, 4, 5} {
		for _, v := range []uint32{form, 1, 1, uint32(k)} {
			seed = le.AppendUint32(seed, v)
		}
		seed = le.AppendUint64(le.AppendUint64(seed, uint64(k)), 8)
	}
	f.Add(uint16(1), append(seed, make([]byte, 64)...))
	f.Add(uint16(0), []byte{})
	f.Add(uint16(9), seed)
	f.Fuzz(func(t *testing.T, n uint16, payload []byte) {
		p, err := newPart(kinds, 5, int(n), payload, nil)
		if err != nil {
			return
		}
		for i := range p.n {
			for k := range kinds {
				v, err := p.value(i, k)
				if err != nil {
					continue
				}
				meta := make([]byte, kinds[k].Layout().Size)
				if _, ok := v.(fields.Path); ok {
					continue // reads files
				}
				kinds[k].Encode(meta, v, fields.At{Alloc: func(n int) (uint64, []byte, error) { return 1, make([]byte, n), nil }})
			}
			if _, err := p.row(5 + i); err == nil && p.held[i].part != p {
				t.Fatal("a row whose end nobody hears of")
			}
		}
	})
}
