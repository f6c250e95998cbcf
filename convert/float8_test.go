package convert_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/convert"
)

// TestFloat8 casts every code of the floats of eight bits. The sums are those of
// the 256 values, little-endian float32, as ml_dtypes 0.6.0 has them.
func TestFloat8(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]uint32{
		"F8_E4M3": 0x2fdee9ac, "F8_E5M2": 0x3d83fd11, "F8_E8M0": 0x719979ba, "F8_E4M3FNUZ": 0xf2dfa052, "F8_E5M2FNUZ": 0x9c70b84,
	} {
		in, out := filepath.Join(dir, name+".safetensors"), filepath.Join(dir, name+".npk")
		head := fmt.Sprintf(`{"s":{"dtype":%q,"shape":[],"data_offsets":[0,1]},"x":{"dtype":%q,"shape":[16,16],"data_offsets":[1,257]}}`, name, name)
		b := append(binary.LittleEndian.AppendUint64(nil, uint64(len(head))), head...)
		b = append(b, 0x38)
		for c := range 256 {
			b = append(b, byte(c))
		}
		if err := os.WriteFile(in, b, 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := convert.Convert(t.Context(), in, out, &convert.Options{Arrays: []string{"x"}})
		nearest := array.Float16
		if name == "F8_E8M0" {
			nearest = array.Float32
		}
		var dtype *convert.DTypeError
		if !errors.As(err, &dtype) || dtype.Nearest != nearest {
			t.Errorf("%s: uncast: %v", name, err)
		}
		for _, to := range []array.DType{array.Float32, array.Float64} {
			r, err := convert.Convert(t.Context(), in, out, &convert.Options{DType: to, Promote: true, Overwrite: true})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if noted(r, `attribute "dtype"`) {
				t.Errorf("%s: notes %v", name, r.Notes)
			}
			f, err := convert.Open(t.Context(), out, nil)
			if err != nil {
				t.Fatal(err)
			}
			data, err := collect(f, "x", spec(to.String(), 16, 16))
			if err = errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			got, err := array.New(spec(to.String(), 16, 16), data)
			if err == nil {
				got, err = array.Cast(got, array.Float32)
			}
			if err != nil {
				t.Fatal(err)
			}
			if sum := crc32.ChecksumIEEE(got.Data); sum != want {
				t.Errorf("%s as %v: sum %#x, want %#x: %x", name, to, sum, want, got.Data)
			}
		}
		same := filepath.Join(dir, name+".pt") // has them, and no cast is asked for
		if _, err := convert.Convert(t.Context(), in, same, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
