package formattest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/betongo/betongo/array"
)

// DType is array.ParseDType that can't fail.
func DType(t testing.TB, s string) array.DType {
	t.Helper()
	d, err := array.ParseDType(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Sample makes an array of some type, always the same one. Of times the second is
// none, text is text, numbers are no NaN.
func Sample(t testing.TB, d array.DType, shape ...int) array.Array {
	t.Helper()
	spec := array.Spec{DType: d, Shape: shape}
	n, err := spec.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	a := array.Array{Spec: spec, Data: make([]byte, n)}
	fill(rand.New(rand.NewPCG(1, uint64(n))), a.Data, d)
	return a
}

// Bits makes an array of some type whose bytes are 0 and 1, others for each seed:
// true and false are among its elements, and no NaN.
func Bits(t testing.TB, d array.DType, seed int, shape ...int) array.Array {
	t.Helper()
	spec := array.Spec{DType: d, Shape: shape}
	n, err := spec.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, n)
	for k := range data {
		data[k] = byte(k*7+seed) & 1
	}
	a, err := array.New(spec, data)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// fill makes elements of a type.
func fill(r *rand.Rand, b []byte, d array.DType) {
	size := d.ItemSize()
	if size == 0 {
		return
	}
	for i := 0; len(b) >= size; b, i = b[size:], i+1 {
		e := b[:size]
		switch k := d.Kind(); {
		case d.IsStruct():
			for _, f := range d.Fields() {
				n := f.DType.ItemSize()
				for _, s := range f.Shape {
					n *= s
				}
				fill(r, e[f.Offset:f.Offset+n], f.DType)
			}
		case k == 'b':
			e[0] = byte(r.IntN(2))
		case k == 'f' || k == 'c':
			for j := range e {
				e[j] = byte(r.IntN(120)) // no NaN, whatever the order
			}
		case k == 'U':
			for j := 0; j+4 <= size && j < 4*(1+i%(size/4)); j += 4 {
				put(e[j:j+4], uint64([]rune("aé語\U0001F600")[r.IntN(4)]), d)
			}
		case k == 'S':
			for j := range 1 + i%size {
				e[j] = byte(1 + r.IntN(255))
			}
		case k == 'M' || k == 'm':
			day := int64(r.IntN(40000) - 10000)
			if i == 1 {
				day = -1 << 63
			}
			put(e, uint64(day), d)
		default:
			for j := range e {
				e[j] = byte(r.Uint32())
			}
		}
	}
}

// put writes a number in a type's byte order.
func put(b []byte, v uint64, d array.DType) {
	for m := range b {
		at := m
		if d.Order() == '>' {
			at = len(b) - 1 - m
		}
		b[at] = byte(v >> (8 * m))
	}
}

// columnTypes are the types that a table's columns may have.
var columnTypes = []string{"|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16",
	">i2", ">i4", ">u8", ">f4", ">f8", ">c8", "<f16", "bfloat16", ">bfloat16", "|S1", "|S7", "<U1", "<U5", ">U5", "|V3",
	"<M8[ns]", "<M8[us]", "<M8[ms]", "<M8[s]", "<M8[D]", "<M8[h]", "<M8[25s]", "<M8", ">M8[D]", ">M8[ns]", "<m8[ns]", "<m8[s]", "<m8[D]", "<m8",
	"[('a', '<f4'), ('b', '<i8')]", "[('a', '|b1'), ('p', '|V3'), ('s', '<U4'), ('t', '<M8[D]'), ('n', [('x', '>f4', (2, 3)), ('y', '<c8')])]",
	"{'names': ['a', 'b'], 'formats': ['<f4', '|u1'], 'offsets': [4, 0], 'itemsize': 12}"}

// Columns are arrays of every type and a few shapes, of n rows.
func Columns(t testing.TB, n int) ([]array.Member, []array.Array) {
	t.Helper()
	var members []array.Member
	var arrays []array.Array
	for _, d := range columnTypes {
		for _, row := range [][]int{{}, {3}, {2, 3}, {1, 2, 2}, {0}, {2, 0}} {
			a := Sample(t, DType(t, d), append([]int{n}, row...)...)
			if len(row) > 1 && len(arrays)%3 != 0 {
				continue
			}
			arrays = append(arrays, a)
			members = append(members, array.Member{Name: fmt.Sprintf("%s %v", d, row), Spec: a.Spec})
		}
	}
	return members, arrays
}

// Rows returns all rows of a stream, in one, and closes it.
func Rows(t testing.TB, s array.Stream) (array.Array, error) {
	t.Helper()
	var all array.Array
	defer s.Close()
	for {
		a, err := s.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		if all.Shape == nil {
			all = array.Array{Spec: array.Spec{DType: a.DType, Shape: slices.Clone(a.Shape)}, Data: slices.Clone(a.Data)}
			continue
		}
		all.Shape[0] += a.Shape[0]
		all.Data = append(all.Data, a.Data...)
	}
}
