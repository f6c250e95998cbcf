package rgb

import "encoding/binary"

// spreader writes 8-bit pixels as a target's numbers.
type spreader struct {
	built     bool
	kind      PixelType
	mean, std [3]float64
	table     [3][256]uint32 // the bits of each channel's 256 numbers
}

// write spreads packed pixels over dst, as the target says.
func (z *spreader) write(dst, pix []byte, t *Target) {
	if !z.built || z.kind != t.Type || z.mean != t.Mean || z.std != t.Std {
		z.build(t)
	}
	size, n := t.Type.Size(), t.Width*t.Height
	for c := range 3 {
		out, step := dst[c*size:], 3*size
		if t.Layout == CHW {
			out, step = dst[c*n*size:(c+1)*n*size], size
		}
		table, in := &z.table[c], pix[c:]
		switch size {
		case 1:
			for i := range n {
				out[i*step] = in[3*i]
			}
		case 2:
			for i := range n {
				binary.LittleEndian.PutUint16(out[i*step:], uint16(table[in[3*i]]))
			}
		default:
			for i := range n {
				binary.LittleEndian.PutUint32(out[i*step:], table[in[3*i]])
			}
		}
	}
}

// build makes the tables. The numbers are computed in float64 and rounded once,
// as NumPy does for FFCV.
func (z *spreader) build(t *Target) {
	z.built, z.kind, z.mean, z.std = true, t.Type, t.Mean, t.Std
	for c := range 3 {
		for v := range 256 {
			x := float64(v)
			if t.Std != [3]float64{} {
				x = (x - t.Mean[c]) / t.Std[c]
			}
			z.table[c][v] = t.Type.Bits(x)
		}
	}
}
