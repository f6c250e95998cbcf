package convert_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/convert"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// TestBetonPacked: fields that keep values in fewer bytes become the arrays that
// plain ones do.
func TestBetonPacked(t *testing.T) {
	dir := t.TempDir()
	zeros := array.Array{Spec: spec("<i4", 100, 3), Data: make([]byte, 1200)}
	write := func(name string, packed bool) string {
		path := filepath.Join(dir, name)
		field := func(f fields.Field) fields.Field {
			if packed {
				return fields.LZ4{Of: f}
			}
			return f
		}
		w, err := ffcv.Create(path, []ffcv.FieldSpec{
			{Name: "b", Field: field(fields.Bytes{})}, {Name: "j", Field: field(fields.JSON{})},
			{Name: "a", Field: field(fields.NDArray{DType: zeros.DType, Shape: zeros.Shape})},
			{Name: "t", Field: field(fields.TorchTensor{DType: zeros.DType, Shape: zeros.Shape})},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = w.WriteStream(t.Context(), func(yield func(ffcv.Sample, error) bool) {
			for i := range 300 {
				a := array.Array{Spec: zeros.Spec, Data: bytes.Clone(zeros.Data)}
				binary.LittleEndian.PutUint32(a.Data[4*i:], uint32(i))
				text := json.RawMessage(`"` + strings.Repeat("x", i) + `"`)
				if !yield(ffcv.Sample{Values: []any{bytes.Repeat([]byte("ab"), i), text, a, a}}, nil) {
					return
				}
			}
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	var out [2][]byte
	path := write("packed.beton", true)
	for i, from := range []string{write("plain.beton", false), path} {
		to := filepath.Join(dir, "out.npz")
		if _, err := convert.Convert(t.Context(), from, to, &convert.Options{Overwrite: true}); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = b
	}
	if !bytes.Equal(out[0], out[1]) {
		t.Error("packed values become another .npz than plain ones")
	}

	// Every byte of the first rows, and of the data, turned: an error or arrays.
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(dir, "bad.beton")
	for at := ffcv.HeaderSize + 4*ffcv.DescriptorSize; at < ffcv.HeaderSize+4*ffcv.DescriptorSize+2*96; at += 3 {
		b := bytes.Clone(whole)
		b[at] ^= 0xff
		if err := os.WriteFile(bad, b, 0o666); err != nil {
			t.Fatal(err)
		}
		convert.Convert(t.Context(), bad, filepath.Join(dir, "bad.npz"), &convert.Options{Overwrite: true})
	}
}
