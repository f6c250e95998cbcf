package array_test

import (
	"errors"
	"testing"

	"github.com/betongo/betongo/array"
)

func TestParseDType(t *testing.T) {
	for _, tt := range []struct {
		in, str     string
		size, align int
	}{
		// dtype.str, itemsize and alignment as NumPy 2.2 gives them on x86-64.
		{"|b1", "|b1", 1, 1}, {"?", "|b1", 1, 1}, {"bool", "|b1", 1, 1},
		{"|i1", "|i1", 1, 1}, {"<i1", "|i1", 1, 1}, {">i1", "|i1", 1, 1}, {"b", "|i1", 1, 1},
		{"|u1", "|u1", 1, 1}, {"u1", "|u1", 1, 1}, {"B", "|u1", 1, 1}, {"uint8", "|u1", 1, 1},
		{"<i2", "<i2", 2, 2}, {">i2", ">i2", 2, 2}, {"=i2", "<i2", 2, 2}, {"|i2", "<i2", 2, 2},
		{"i4", "<i4", 4, 4}, {"<i8", "<i8", 8, 8}, {"int64", "<i8", 8, 8},
		{"<u2", "<u2", 2, 2}, {"<u4", "<u4", 4, 4}, {">u8", ">u8", 8, 8},
		{"<f2", "<f2", 2, 2}, {"<f4", "<f4", 4, 4}, {">f8", ">f8", 8, 8}, {"<f16", "<f16", 16, 16},
		{"float32", "<f4", 4, 4}, {">d", ">f8", 8, 8},
		{"short", "<i2", 2, 2}, {"ubyte", "|u1", 1, 1}, {"intp", "<i8", 8, 8}, {"ulonglong", "<u8", 8, 8}, {"csingle", "<c8", 8, 4},
		{"<c8", "<c8", 8, 4}, {">c16", ">c16", 16, 8}, {"<c32", "<c32", 32, 16},
		{"|S5", "|S5", 5, 1}, {">S5", "|S5", 5, 1}, {"S", "|S0", 0, 1},
		{"<U5", "<U5", 20, 4}, {">U5", ">U5", 20, 4}, {"U1", "<U1", 4, 4}, {"U0", "<U0", 0, 4},
		{"|V3", "|V3", 3, 1}, {"V16", "|V16", 16, 1}, {"S2147483647", "|S2147483647", 2147483647, 1},
		{"<M8[ns]", "<M8[ns]", 8, 8}, {">m8[25s]", ">m8[25s]", 8, 8}, {"M8", "<M8", 8, 8},
		{"M8[generic]", "<M8", 8, 8}, {"<M8[1D]", "<M8[D]", 8, 8}, {"datetime64[us]", "<M8[us]", 8, 8},
		{"bfloat16", "bfloat16", 2, 2}, {"<bfloat16", "bfloat16", 2, 2}, {">bfloat16", ">bfloat16", 2, 2},
		{"<m8[μs]", "<m8[us]", 8, 8}, {"<m8[2147483647as]", "<m8[2147483647as]", 8, 8},
	} {
		got, err := array.ParseDType(tt.in)
		if err != nil {
			t.Errorf("ParseDType(%q): %v", tt.in, err)
			continue
		}
		if got.String() != tt.str || got.ItemSize() != tt.size || got.Align() != tt.align {
			t.Errorf("ParseDType(%q) = %s, size %d, align %d; want %s, %d, %d",
				tt.in, got, got.ItemSize(), got.Align(), tt.str, tt.size, tt.align)
		}
		again, err := array.ParseDType(got.String())
		if err != nil || again != got {
			t.Errorf("ParseDType(%q) = %v, %v; want %v again", got.String(), again, err, got)
		}
	}
}

func TestParseDTypeRefuses(t *testing.T) {
	for _, s := range []string{
		"", "<", "<<f4", "x4", "<f3", "<f32", "b2", "i16", "c4", "<f-4", "f4 ", " f4", "<f4[ns]",
		"M8[", "M8[]", "M8[x]", "M8[0s]", "M8[2147483648s]", "M8[ns]x", "M4[ns]", "S-1", "S2147483648",
		"U536870912", "S99999999999999999999", "f٤", "uint128", "\x00", "f4\x00", "M8]",
	} {
		got, err := array.ParseDType(s)
		if err == nil || got.Valid() {
			t.Errorf("ParseDType(%q) = %v, %v; want an error", s, got, err)
		}
		var u *array.UnsupportedError
		if errors.As(err, &u) {
			t.Errorf("ParseDType(%q): %v; want invalid, not unsupported", s, err)
		}
	}
	for _, s := range []string{"|O", "O", "object", "|T16", "(2,)f4", "3f4"} {
		_, err := array.ParseDType(s)
		var u *array.UnsupportedError
		if !errors.As(err, &u) || u.DType != s {
			t.Errorf("ParseDType(%q): %v; want an UnsupportedError", s, err)
		}
	}
}

func FuzzParseDType(f *testing.F) {
	for _, s := range []string{"<f4", "|u1", ">i4", "<M8[25s]", "<U5", "|V3", "float32", "|O", "M8[generic]", "bfloat16", "i4, (2,3)f8",
		"[(('t', 'a'), '<f4'), ('', '|V4'), ('b', [('c', '|S3')], (2,))]", "{'names': ['a'], 'formats': [('<f4', (2,))], 'offsets': [4], 'itemsize': 16}", "{'a': ('<i2', 2)}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := array.ParseDType(s)
		if err != nil {
			if d.Valid() {
				t.Fatalf("ParseDType(%q) = %v beside an error", s, d)
			}
			return
		}
		if a := d.Align(); d.ItemSize() < 0 || a < 1 || a&(a-1) != 0 {
			t.Fatalf("ParseDType(%q): size %d, align %d", s, d.ItemSize(), a)
		}
		again, err := array.ParseDType(d.String())
		if err != nil || again != d {
			t.Fatalf("ParseDType(%q).String() = %q, which reads as %v, %v", s, d, again, err)
		}
	})
}
