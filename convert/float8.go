package convert

import (
	"math"
	"strings"

	"github.com/betongo/betongo/array"
)

// float8 are the attributes by which a float of eight bits, void bytes to
// NumPy, is told.
var float8 = []string{"dtype"}

// isFloat8 tells whether an array is one of those.
func isFloat8(m array.Member) bool {
	name, ok := m.Attrs["dtype"].(string)
	t := m.Spec.DType
	return ok && strings.HasPrefix(name, "F8_") && t.Kind() == 'V' && t.ItemSize() == 1 && !t.IsStruct()
}

// float8Kind is a layout of eight bits: a sign, the exponent, and what is left
// of them.
type float8Kind struct {
	exponent, bias int
	inf            bool // the largest exponent is infinity's and NaN's, as of IEEE 754; else 0x7f and 0xff are NaN
	unsigned       bool // no zero below zero: its code, 0x80, is the only NaN
}

var float8Kinds = map[string]float8Kind{
	"F8_E4M3":     {exponent: 4, bias: 7},
	"F8_E5M2":     {exponent: 5, bias: 15, inf: true},
	"F8_E4M3FNUZ": {exponent: 4, bias: 8, unsigned: true},
	"F8_E5M2FNUZ": {exponent: 5, bias: 16, unsigned: true},
}

// float8Values are the values of all codes, which float32 has; nil for a name
// that is none.
func float8Values(name string) []float32 {
	list := make([]float32, 256)
	if name == "F8_E8M0" { // an exponent and nothing else
		for c := range list {
			list[c] = float32(math.Ldexp(1, c-127))
		}
		list[255] = float32(math.NaN())
		return list
	}
	k, ok := float8Kinds[name]
	if !ok {
		return nil
	}
	for c := range list {
		list[c] = k.value(c)
	}
	return list
}

func (k float8Kind) value(code int) float32 {
	fraction := 7 - k.exponent
	e, m := code&0x7f>>fraction, code&(1<<fraction-1)
	nan := code&0x7f == 0x7f
	switch {
	case k.unsigned:
		nan = code == 0x80
	case k.inf:
		nan = e == 1<<k.exponent-1 && m > 0
	}
	var v float64
	switch {
	case nan:
		return float32(math.NaN())
	case k.inf && e == 1<<k.exponent-1:
		v = math.Inf(1)
	case e == 0:
		v = math.Ldexp(float64(m), 1-k.bias-fraction)
	default:
		v = math.Ldexp(float64(m|1<<fraction), e-k.bias-fraction)
	}
	if code > 0x7f {
		v = -v
	}
	return float32(v)
}

// widened gives floats of eight bits as float32.
type widened struct {
	array.Stream
	values []float32
	buf    []float32
}

func (w *widened) Next() (array.Array, error) {
	a, err := w.Stream.Next()
	if err != nil {
		return a, err
	}
	w.buf = w.buf[:0]
	for _, c := range a.Data {
		w.buf = append(w.buf, w.values[c])
	}
	return array.New(array.Spec{DType: array.Float32, Shape: a.Shape}, array.BytesOf(w.buf))
}
