package zarr

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// TestFilters reads what numcodecs 0.17 wrote.
func TestFilters(t *testing.T) {
	const x = "6400000065000000670000005a000000fbffffff" // 100, 101, 103, 90, -5
	for _, c := range []struct {
		id      string
		config  map[string]any
		in, out string
	}{
		{"delta", map[string]any{"dtype": "<i4", "astype": "<i4"}, "640000000100000002000000f3ffffffa1ffffff", x},
		{"delta", map[string]any{"dtype": "<i4"}, "640000000100000002000000f3ffffffa1ffffff", x},
		{"delta", map[string]any{"dtype": "<i4", "astype": "<i2"}, "640001000200f3ffa1ff", x},
		{"delta", map[string]any{"dtype": ">i4", "astype": "<i8"}, "640000000000000001000000000000000200000000000000f3ffffffffffffffa1ffffffffffffff", "0000006400000065000000670000005afffffffb"},
		{"delta", map[string]any{"dtype": "<f4", "astype": "<f4"}, "0000c03f0000403f00000000000014c1", "0000c03f00001040000010400000e0c0"},
		{"fixedscaleoffset", map[string]any{"scale": int64(10), "offset": int64(1000), "dtype": "<f8", "astype": "|u1"}, "0102fb", "cdcccccccc408f409a99999999418f406666666666049040"},
		{"fixedscaleoffset", map[string]any{"scale": int64(10), "offset": int64(1000), "dtype": "<f4", "astype": "<i2"}, "01000200fbff", "66067a44cd0c7a4400e07944"},
		{"fixedscaleoffset", map[string]any{"scale": int64(7), "offset": int64(0), "dtype": "<f4", "astype": "<f4"}, "00c8da4500d0da4500a0da45", "25097a4449127a446edb7944"},
		{"fixedscaleoffset", map[string]any{"scale": int64(3), "offset": 10.5, "dtype": "<i4", "astype": "<i8"}, "980b000000000000980b000000000000960b000000000000", "e7030000e7030000e7030000"},
		{"quantize", map[string]any{"digits": int64(1), "dtype": "<f8", "astype": "<f4"}, "00087a4400107a4400e07944", "0000000000418f400000000000428f4000000000003c8f40"},
		{"astype", map[string]any{"encode_dtype": "<i2", "decode_dtype": "<f8"}, "e803e803e703", "0000000000408f400000000000408f400000000000388f40"},
		{"bitround", map[string]any{"keepbits": int64(5)}, "0000c03f00001040", "0000c03f00001040"},
		{"packbits", nil, "06b2c0", "01000101000001000101"},
		{"crc32", nil, "86a61036" + "68656c6c6f", "68656c6c6f"},
		{"crc32", map[string]any{"location": "end"}, "68656c6c6f" + "86a61036", "68656c6c6f"},
		{"adler32", nil, "15022c06" + "68656c6c6f", "68656c6c6f"},
		{"fletcher32", nil, "68656c6c6f" + "d2430981", "68656c6c6f"},
		{"fletcher32", nil, "68656c6c6f21" + "f3432a81", "68656c6c6f21"},
	} {
		in, err := hex.DecodeString(c.in)
		if err != nil {
			t.Fatal(err)
		}
		want, err := hex.DecodeString(c.out)
		if err != nil {
			t.Fatal(err)
		}
		f, err := codec2(c.id, c.config)
		if err != nil {
			t.Errorf("%s %v: %v", c.id, c.config, err)
			continue
		}
		got, err := f.decode(make([]byte, 0, len(want)), in)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s %v: %x, %v, want %x", c.id, c.config, got, err, want)
		}
		for cut := range in { // never more than was declared, whatever is missing
			if got, err := f.decode(make([]byte, 0, len(want)), in[:cut]); err == nil && len(got) > len(want) {
				t.Errorf("%s cut at %d: %d bytes", c.id, cut, len(got))
			}
		}
		if c.id != "bitround" && c.id != "crc32" && c.id != "adler32" && c.id != "fletcher32" {
			if _, err := f.decode(make([]byte, 0, len(want)-1), in); err == nil {
				t.Errorf("%s: more than there is room for", c.id)
			}
		}
	}
	long := bytes.Repeat(func() (b []byte) {
		for i := range 256 {
			b = append(b, byte(i))
		}
		return b
	}(), 10)
	if got := fletcher32(long); got != 0xf0fa827d {
		t.Errorf("fletcher32 of %d bytes is %08x", len(long), got)
	}
	for id, config := range map[string]map[string]any{
		"delta": {"dtype": "|O"}, "fixedscaleoffset": {"dtype": "<f8", "scale": int64(0), "offset": int64(0)}, "astype": {"encode_dtype": "<i2"}, "quantize": nil,
		"crc32": {"location": "middle"}, "lzma": nil, "vlen-utf8": nil, "pickle": nil, "json2": nil, "categorize": nil, "base64": nil,
	} {
		if _, err := codec2(id, config); err == nil {
			t.Errorf("%s %v is taken", id, config)
		}
	}
}
