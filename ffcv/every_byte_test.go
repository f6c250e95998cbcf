package ffcv_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/rgb"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// kinds are a field of each type, with the value of its sample i.
func kinds() map[string]struct {
	field fields.Field
	at    func(i int) any
} {
	type kind = struct {
		field fields.Field
		at    func(i int) any
	}
	photo := fields.Path(filepath.Join("..", "testdata", "photos", "animal", "chelsea_1.jpg"))
	floats := func(i int) any {
		return array.Array{Spec: array.Spec{DType: array.Float32, Shape: []int{3}}, Data: golden.Input(i, 12)}
	}
	return map[string]kind{
		"int":   {fields.Int{}, func(i int) any { return 1<<40 + i }},
		"float": {fields.Float{}, func(i int) any { return float64(i) / 3 }},
		"jpeg":  {fields.RGBImage{MaxResolution: 140}, func(int) any { return photo }},
		"raw": {fields.RGBImage{Mode: fields.ModeRaw}, func(i int) any {
			return rgb.Image{Width: 3, Height: 2 + i, Pix: golden.Input(i, 18+9*i)}
		}},
		"bytes":   {fields.Bytes{}, func(i int) any { return golden.Input(i, 30*i) }},
		"ndarray": {fields.NDArray{DType: array.Float32, Shape: []int{3}}, floats},
		"torch":   {fields.TorchTensor{DType: array.Float32, Shape: []int{3}}, floats},
		"json":    {fields.JSON{}, func(i int) any { return json.RawMessage(fmt.Sprintf(`{"i": %d}`, i)) }},
		"image": {fields.Image{Channels: 1}, func(i int) any {
			return rgb.Raster{Width: 9, Height: 7, Channels: 1, Depth: 1, Pix: golden.Input(i, 63)}
		}},
		"lz4": {fields.LZ4{Of: fields.Bytes{}}, func(i int) any { return slices.Repeat([]byte{1, 2, byte(i)}, 100) }},
	}
}

// meaning is which bytes of a file mean something, sealed in place or not: not
// what no region covers, what the file was before, and zeros up to a section.
func meaning(t testing.TB, f *ffcv.File, b []byte) []bool {
	t.Helper()
	mean := covered(t, f, b)
	list, err := f.Sections()
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	block := list[0].Offset - 16
	first, n := f.Pages()
	meta := int64(ffcv.HeaderSize + len(f.Fields())*ffcv.DescriptorSize + f.Len()*f.RowSize())
	for i := max(meta, first+n*int64(f.Header().PageSize)); i < block; i++ {
		mean[i] = false
	}
	return mean
}

// everyByte flips each byte of a file that means something, and cuts it
// everywhere: Open or Verify tells. With specs it also looks at the values that
// Sums.Check finds right: they are the ones that were written.
func everyByte(t *testing.T, b []byte, opts *ffcv.OpenOptions, specs []ffcv.FieldSpec, step int) {
	t.Helper()
	f, err := ffcv.New(ffcvtest.Lend(b), opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Verify(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	mean, want := meaning(t, f, b), values(t, f)
	table := int(f.Header().AllocTable)
	for i := 0; i < len(b); i++ {
		if !mean[i] || i%step != 0 && i > ffcv.HeaderSize {
			continue
		}
		b[i] ^= byte(1 + i%255)
		if !unsound(t, b, opts) {
			t.Errorf("byte %d of %d changed: sound", i, len(b))
		}
		if specs != nil {
			checkedValues(t, b, specs, want, i)
		}
		b[i] ^= byte(1 + i%255)
	}
	meta := ffcv.HeaderSize + len(f.Fields())*ffcv.DescriptorSize + f.Len()*f.RowSize()
	for n := 0; n < len(b); n++ {
		if n > meta+100 && n < table-200 && n%4099 != 0 {
			n = min(n+4099-n%4099, table-200) // nothing but how long it is
		}
		if !unsound(t, b[:n:n], opts) {
			t.Errorf("cut to %d of %d bytes: sound", n, len(b))
		}
	}
}

// unsound is flawed by checksums alone.
func unsound(t testing.TB, b []byte, opts *ffcv.OpenOptions) bool {
	t.Helper()
	f, err := ffcv.New(ffcvtest.Lend(b), opts)
	return err != nil || f.VerifySums(context.Background(), nil) != nil
}

// Whichever byte changes of a file with a field of each type that was sealed in
// place, and wherever it is cut, verify tells.
func TestEveryByteOfEachType(t *testing.T) {
	step := 1
	if testing.Short() || race.Enabled {
		step = 23
	}
	for name, k := range kinds() {
		t.Run(name, func(t *testing.T) {
			specs := []ffcv.FieldSpec{{Name: name, Field: k.field}}
			path := ffcvtest.Write(t, specs, 3, func(i int) []any { return []any{k.at(i)} }, &ffcv.Options{Plain: true, PageSize: 2 * mib})
			if _, err := ffcv.SealInPlace(t.Context(), path, nil); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			everyByte(t, b, nil, specs, step)
		})
	}
}

// The same of files by FFCV, with custom fields among them.
func TestEveryByteOfGoldens(t *testing.T) {
	step := 1
	if testing.Short() || race.Enabled {
		step = 61
	}
	for _, name := range []string{"mixed", "subset", "one_sample", "json", "bytes_zero_first"} {
		t.Run(name, func(t *testing.T) {
			step := step
			if name == "mixed" { // of 200 KB
				step *= 13
			}
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, golden.Bytes(name), 0o666); err != nil {
				t.Fatal(err)
			}
			opts := ffcvtest.Options(golden.Open(name))
			if _, err := ffcv.SealInPlace(t.Context(), path, &ffcv.InPlaceOptions{Open: opts}); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			everyByte(t, b, opts, nil, step)
		})
	}
}
