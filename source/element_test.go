package source

import (
	"math"
	"strconv"
	"testing"

	"github.com/betongo/betongo/array"
)

// TestHalf takes every half through float64 and back, and the midpoints
// between neighbours, which round to the even one.
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		f := halfFloat(uint16(h))
		got, ok := halfBits(f)
		if math.IsNaN(f) {
			if !math.IsNaN(halfFloat(got)) {
				t.Errorf("%#04x: NaN became %#04x", h, got)
			}
			continue
		}
		if !ok || int(got) != h {
			t.Fatalf("%#04x: %g became %#04x, %v", h, f, got, ok)
		}
		if up := h + 1; h&0x7fff < 0x7bff {
			even := h + h&1
			if got, _ := halfBits((f + halfFloat(uint16(up))) / 2); int(got) != even {
				t.Fatalf("between %#04x and the next: got %#04x, want %#04x", h, got, even)
			}
		}
	}
	if _, ok := halfBits(65519.999); !ok {
		t.Error("65519.999: got out of range, want 65504")
	}
}

func TestPutElement(t *testing.T) {
	tests := []struct {
		dtype string
		text  string
		want  string // bytes; "" an error
	}{
		{"|b1", "true", "\x01"}, {"|b1", "0", "\x00"}, {"|b1", "2", ""},
		{"|i1", "-128", "\x80"}, {"|i1", "128", ""}, {"|u1", "255", "\xff"}, {"|u1", "-1", ""}, {"|u1", "true", ""},
		{">i2", "-2", "\xff\xfe"}, {"<u4", "4294967295", "\xff\xff\xff\xff"},
		{"<i8", "9223372036854775807", "\xff\xff\xff\xff\xff\xff\xff\x7f"}, {"<u8", "18446744073709551615", "\xff\xff\xff\xff\xff\xff\xff\xff"},
		{"<f2", "1", "\x00\x3c"}, {">f4", "1", "\x3f\x80\x00\x00"}, {"<f8", "-Infinity", "\x00\x00\x00\x00\x00\x00\xf0\xff"},
		{"<c8", "1", ""}, {"<f16", "1", ""}, {"<M8[s]", "1", ""},
	}
	for _, tt := range tests {
		d, err := array.ParseDType(tt.dtype)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, d.ItemSize())
		err = putElement(d, b, tt.text)
		if (err == nil) != (tt.want != "") || err == nil && string(b) != tt.want {
			t.Errorf("%s %s: got % x, %v; want %s", tt.dtype, tt.text, b, err, strconv.Quote(tt.want))
		}
	}
}

// TestNaN: the NaN of a table is Python's, so that a file has the bytes that
// FFCV's would.
func TestNaN(t *testing.T) {
	for bits, want := range map[int]uint64{16: 0x7e00, 32: 0x7fc00000, 64: 0x7ff8000000000000} {
		if got, err := floatBits("nan", bits); got != want || err != nil {
			t.Errorf("%d bits: got %#x, %v; want %#x", bits, got, err, want)
		}
	}
	v, err := parseFloat("NaN")
	if f, ok := v.(float64); !ok || err != nil || math.Float64bits(f) != 0x7ff8000000000000 {
		t.Errorf("parseFloat: got %v, %v", v, err)
	}
}
