package convert_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/gnz"
	"github.com/betongo/betongo/convert"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// save writes arrays of some types and shapes to a GNZ1 file.
func save(t *testing.T, path string, attrs map[string]any, specs map[string]array.Spec) map[string]array.Array {
	t.Helper()
	w, err := gnz.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]array.Array{}
	for name, spec := range specs {
		all[name] = fill(spec)
		if err := w.Put(name, all[name].Strided(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.SetAttrs(attrs); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

func spec(dtype string, shape ...int) array.Spec {
	return array.Spec{DType: mustType(dtype), Shape: shape}
}

// openBeton opens a .beton, and checks it whole.
func openBeton(t *testing.T, path string) *ffcv.File {
	t.Helper()
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Verify(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return f
}

// same compares the arrays of a file with those that are expected.
func same(t *testing.T, path string, want map[string]array.Array) {
	t.Helper()
	f, err := convert.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := len(f.Members()); got != len(want) {
		t.Errorf("%s: %d arrays, want %d: %v", path, got, len(want), f.Members())
	}
	for _, m := range f.Members() {
		w, ok := want[m.Name]
		if !ok || !m.Spec.Equal(w.Spec) {
			t.Errorf("%s: %q is %v, want %v", path, m.Name, m.Spec, w.Spec)
			continue
		}
		if got, err := collect(f, m.Name, m.Spec); err != nil || !bytes.Equal(got, w.Data) {
			t.Errorf("%s: %q: got % x, want % x, %v", path, m.Name, head(got), head(w.Data), err)
		}
	}
}

// TestBetonFields: what becomes of arrays as fields, and back.
func TestBetonFields(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "x.gnz"), filepath.Join(dir, "x.beton")
	attrs := map[string]any{"classes": []any{"a", "b"}, "n": 3, "nested": map[string]any{"x": []any{1.5, nil, true}}}
	all := save(t, in, attrs, map[string]array.Spec{
		"i": spec("<i8", 5), "f": spec("<f8", 5), "s": spec("<f4", 5), "m": spec("<f4", 5, 1), "deep": spec("|u1", 5, 2, 3),
		"rec":  spec("[('id', '<i8'), ('pos', [('px', '<f4'), ('py', '<f4')]), ('v', '<u2', (2, 2)), ('', '|V3')]", 5),
		"rec2": spec("[('k', '|S3'), ('w', '<f8')]", 5, 4),
	})
	if _, err := convert.Convert(t.Context(), in, out, nil); err != nil {
		t.Fatal(err)
	}
	f := openBeton(t, out)
	kinds := map[string]string{}
	for _, field := range f.Fields() {
		kinds[field.Name] = ffcv.Kind(field.Type, field.Field)
	}
	want := map[string]string{
		"i": "int", "f": "float", "s": "ndarray <f4 [1]", "m": "ndarray <f4 [1]", "deep": "ndarray |u1 [2 3]",
		"id": "int", "pos.px": "ndarray <f4 [1]", "pos.py": "ndarray <f4 [1]", "v": "ndarray <u2 [2 2]",
		"k": "ndarray |S3 [4]", "w": "ndarray <f8 [4]",
	}
	if !reflect.DeepEqual(kinds, want) {
		t.Errorf("fields %v, want %v", kinds, want)
	}
	if got := f.Classes(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("classes %q", got)
	}
	// Padding isn't kept.
	rec := all["rec"]
	size := rec.DType.ItemSize()
	for i := range 5 {
		clear(rec.Data[(i+1)*size-3 : (i+1)*size])
	}
	same(t, out, all)
	l, err := convert.List(t.Context(), out, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(l.Attrs), "map[classes:[a b] n:3 nested:map[x:[1.5 <nil> true]]]"; got != want {
		t.Errorf("attributes %s, want %s", got, want)
	}

	// The same input gives the same file.
	again := filepath.Join(dir, "again.beton")
	if _, err := convert.Convert(t.Context(), in, again, &convert.Options{Chunk: 1}); err != nil {
		t.Fatal(err)
	}
	a, err1 := os.ReadFile(out)
	b, err2 := os.ReadFile(again)
	if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
		t.Errorf("two conversions differ (%v, %v)", err1, err2)
	}
}

// TestBetonRefusals: what can't be samples.
func TestBetonRefusals(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name  string
		specs map[string]array.Spec
		want  string
	}{
		{"rows", map[string]array.Spec{"a": spec("<i8", 3), "b": spec("<i8", 4)}, `different numbers of rows`},
		{"scalar", map[string]array.Spec{"a": spec("<i8")}, `array "a" is a scalar`},
		{"zero", map[string]array.Spec{"a": spec("<i8", 3, 0)}, `array "a"`},
		{"bfloat16", map[string]array.Spec{"a": spec("bfloat16", 3)}, `the nearest that it has is <f4`},
		{"name", map[string]array.Spec{"weights.of.layer.1": spec("<i8", 3)}, `at most 16 fit; rename it`},
		{"structs", map[string]array.Spec{"a": spec("[('x', [('y', '<i8')], (2,))]", 3)}, `array of structs`},
		{"twice", map[string]array.Spec{"x": spec("<i8", 3), "a": spec("[('x', '<i8')]", 3)}, `both have a field "x"; rename one`},
	} {
		in, out := filepath.Join(dir, test.name+".gnz"), filepath.Join(dir, test.name+".beton")
		save(t, in, nil, test.specs)
		_, err := convert.Convert(t.Context(), in, out, nil)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), ": ;") {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
		if _, err := os.Lstat(out); err == nil {
			t.Errorf("%s: there is an output", test.name)
		}
	}
}

// TestBetonBytes: values of any length are two arrays, and become a field again.
func TestBetonBytes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.beton")
	w, err := ffcv.Create(path, []ffcv.FieldSpec{{Name: "b", Field: fields.Bytes{}}, {Name: "j", Field: fields.JSON{}}, {Name: "i", Field: fields.Int{}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	offsets := []int64{0}
	err = w.WriteStream(t.Context(), func(yield func(ffcv.Sample, error) bool) {
		for i := range 300 {
			v := bytes.Repeat([]byte{byte(i)}, i%7)
			all = append(all, v...)
			offsets = append(offsets, int64(len(all)))
			if !yield(ffcv.Sample{Values: []any{v, map[string]any{"i": i}, i}, Key: fmt.Sprint("k", i)}, nil) {
				return
			}
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	npz := filepath.Join(dir, "x.npz")
	r, err := convert.Convert(t.Context(), path, npz, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(r.Notes); !strings.Contains(got, "names aren't kept") || !strings.Contains(got, `"j": JSON`) {
		t.Errorf("notes %s", got)
	}
	f, err := convert.Open(t.Context(), npz, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := collect(f, "b.values", spec("|u1", len(all))); err != nil || !bytes.Equal(got, all) {
		t.Errorf("values: %d bytes, want %d, %v", len(got), len(all), err)
	}
	if got, err := collect(f, "b.offsets", spec("<i8", 301)); err != nil || !bytes.Equal(got, array.BytesOf(offsets)) {
		t.Errorf("offsets: %d bytes, %v", len(got), err)
	}
	back := filepath.Join(dir, "back.beton")
	if _, err := convert.Convert(t.Context(), npz, back, nil); err != nil {
		t.Fatal(err)
	}
	b := openBeton(t, back)
	for i := range 300 {
		v, err := b.BytesValue(i, b.FieldIndex("b"))
		j, err2 := b.BytesValue(i, b.FieldIndex("j"))
		if want := fmt.Sprintf(`{"i": %d}`, i); err != nil || err2 != nil || !bytes.Equal(v, all[offsets[i]:offsets[i+1]]) || string(j) != want {
			t.Fatalf("sample %d: %q, %q, %v %v", i, v, j, err, err2)
		}
	}
}

// TestBetonOffsets: offsets that don't fit their values.
func TestBetonOffsets(t *testing.T) {
	dir := t.TempDir()
	for i, offsets := range [][]int64{{1, 2, 4}, {0, 3, 2, 4}, {0, 5}, {0, 2}, {0, -1, 4}} {
		in := filepath.Join(dir, fmt.Sprint(i, ".gnz"))
		w, err := gnz.Create(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		o, _ := array.Of(offsets)
		v, _ := array.Of([]byte("abcd"))
		if err := w.Put("b.values", v.Strided(), nil); err != nil {
			t.Fatal(err)
		}
		if err := w.Put("b.offsets", o.Strided(), nil); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := convert.Convert(t.Context(), in, filepath.Join(dir, "x.beton"), nil); err == nil || !strings.Contains(err.Error(), `array "b.`) {
			t.Errorf("offsets %v: %v", offsets, err)
		}
	}
}

// TestBetonPictures: pixels are an array, JPEGs when they shall be decoded.
func TestBetonPictures(t *testing.T) {
	dir := t.TempDir()
	img := image.NewRGBA(image.Rect(0, 0, 6, 4))
	for i := range 24 {
		img.Set(i%6, i/6, color.RGBA{byte(i), byte(2 * i), byte(255 - i), 255})
	}
	var text bytes.Buffer
	if err := jpeg.Encode(&text, img, nil); err != nil {
		t.Fatal(err)
	}
	mask := rgb.Raster{Width: 6, Height: 4, Channels: 1, Depth: 1, Pix: bytes.Repeat([]byte{1, 2, 3, 4}, 6)}
	write := func(name string, mode fields.ImageMode, values ...any) string {
		path := filepath.Join(dir, name)
		w, err := ffcv.Create(path, []ffcv.FieldSpec{{Name: "pic", Field: fields.RGBImage{Mode: mode}}, {Name: "mask", Field: fields.Image{}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = w.WriteStream(t.Context(), func(yield func(ffcv.Sample, error) bool) {
			for _, v := range values {
				if !yield(ffcv.Sample{Values: []any{v, mask}}, nil) {
					return
				}
			}
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	raw := write("raw.beton", fields.ModeRaw, img, img)
	if _, err := convert.Convert(t.Context(), raw, filepath.Join(dir, "raw.npz"), nil); err != nil {
		t.Fatal(err)
	}
	var pixels []byte
	for i := 0; i < len(img.Pix); i += 4 {
		pixels = append(pixels, img.Pix[i:i+3]...)
	}
	same(t, filepath.Join(dir, "raw.npz"), map[string]array.Array{
		"pic":  {Spec: spec("|u1", 2, 4, 6, 3), Data: slices.Repeat(pixels, 2)},
		"mask": {Spec: spec("|u1", 2, 4, 6), Data: slices.Repeat(mask.Pix, 2)},
	})

	packed := write("jpg.beton", fields.ModeJPEG, text.Bytes(), text.Bytes())
	_, err := convert.Convert(t.Context(), packed, filepath.Join(dir, "jpg.npz"), nil)
	if err == nil || !strings.Contains(err.Error(), `field "pic" holds JPEGs`) {
		t.Errorf("got %v", err)
	}
	if _, err := convert.Convert(t.Context(), packed, filepath.Join(dir, "jpg.npz"), &convert.Options{Decode: true}); err != nil {
		t.Fatal(err)
	}
	var want rgb.Image
	if err := rgb.DecodeJPEG(&want, text.Bytes()); err != nil {
		t.Fatal(err)
	}
	same(t, filepath.Join(dir, "jpg.npz"), map[string]array.Array{
		"pic":  {Spec: spec("|u1", 2, 4, 6, 3), Data: slices.Repeat(want.Pix, 2)},
		"mask": {Spec: spec("|u1", 2, 4, 6), Data: slices.Repeat(mask.Pix, 2)},
	})

	small := image.NewRGBA(image.Rect(0, 0, 3, 3))
	_, err = convert.Convert(t.Context(), write("sizes.beton", fields.ModeRaw, img, small), filepath.Join(dir, "sizes.npz"), nil)
	if err == nil || !strings.Contains(err.Error(), `field "pic": sample 1 has 3 × 3 pixels, those before 4 × 6`) {
		t.Errorf("got %v", err)
	}
}

// TestBetonRecord: sections that lie or are broken cost the arrays, not the
// fields.
func TestBetonRecord(t *testing.T) {
	dir := t.TempDir()
	tag := ffcv.Tag('A' | 'R'<<8 | 'R'<<16 | 'Y'<<24)
	for i, text := range []string{
		``, `{`, `[]`, `{"version":2}`, `{"version":1,"arrays":[{"name":"x","dtype":"<f4","shape":[],"fields":["y"]}]}`,
		`{"version":1,"arrays":[{"name":"x","dtype":"<f4","shape":[2],"fields":["x"]}]}`,
		`{"version":1,"arrays":[{"name":"x","dtype":"<f4","shape":[-1],"fields":["x"]}]}`,
		`{"version":1,"arrays":[{"name":"x","dtype":"<f4","shape":[9223372036854775807,9],"fields":["x"]}]}`,
		`{"version":1,"arrays":[{"name":"x","dtype":"<f8","shape":[],"fields":["x"]}]}`,
		`{"version":1,"arrays":[{"name":"x","dtype":"|O","shape":[],"fields":["x"]}]}`,
		`{"version":1,"arrays":[{"name":"x","dtype":"<f4","shape":[],"fields":[]}]}`,
		`{"version":1,"arrays":[{"name":"x","dtype":"[('a', '<f4'), ('b', '<f4')]","shape":[],"fields":["x"]}]}`,
	} {
		path := filepath.Join(dir, fmt.Sprint(i, ".beton"))
		w, err := ffcv.Create(path, []ffcv.FieldSpec{{Name: "x", Field: fields.NDArray{DType: array.Float32, Shape: []int{1}}}},
			&ffcv.Options{Sections: []ffcv.NewSection{{Tag: tag, Data: []byte(text)}}})
		if err != nil {
			t.Fatal(err)
		}
		err = w.WriteStream(t.Context(), func(yield func(ffcv.Sample, error) bool) {
			yield(ffcv.Sample{Values: []any{[]float32{7}}}, nil)
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		l, err := convert.List(t.Context(), path, nil)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if len(l.Notes) == 0 || len(l.Members) != 1 || !l.Members[0].Spec.Equal(spec("<f4", 1, 1)) {
			t.Errorf("%s: %v, %v", text, l.Members, l.Notes)
		}
	}
}

// TestBetonGoldens: files of the real FFCV, as arrays.
func TestBetonGoldens(t *testing.T) {
	dir := t.TempDir()
	n := 0
	for _, g := range golden.Each() {
		path := filepath.Join(dir, g.Name+".beton")
		if err := os.WriteFile(path, g.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, g.Name+".npz")
		r, err := convert.Convert(t.Context(), path, out, &convert.Options{Skip: true, Decode: true})
		if err != nil {
			if text := err.Error(); !strings.Contains(text, "no one array") && !strings.Contains(text, "custom field") && g.Name != "ndarray_zero_dim" {
				t.Errorf("%s: %v", g.Name, err)
			}
			continue
		}
		n++
		for _, a := range r.Arrays {
			if len(a.Spec.Shape) == 0 {
				t.Errorf("%s: %v", g.Name, a)
			}
		}
	}
	if n < 15 {
		t.Errorf("%d files converted", n)
	}
}

// FuzzBetonRecord: whatever a section tells, arrays are listed and read without
// a panic, and none is larger than the file allows.
func FuzzBetonRecord(f *testing.F) {
	const room = 1024
	tag := ffcv.Tag('A' | 'R'<<8 | 'R'<<16 | 'Y'<<24)
	dir := f.TempDir()
	path := filepath.Join(dir, "x.beton")
	in := filepath.Join(dir, "x.gnz")
	w, err := ffcv.Create(path, []ffcv.FieldSpec{{Name: "x", Field: fields.NDArray{DType: array.Float32, Shape: []int{1}}}, {Name: "i", Field: fields.Int{}}, {Name: "b", Field: fields.Bytes{}}},
		&ffcv.Options{Sections: []ffcv.NewSection{{Tag: tag, Data: bytes.Repeat([]byte{' '}, room)}}})
	if err != nil {
		f.Fatal(err)
	}
	err = w.WriteStream(f.Context(), func(yield func(ffcv.Sample, error) bool) {
		for i := range 3 {
			if !yield(ffcv.Sample{Values: []any{[]float32{7}, i, []byte("abc")[:i]}}, nil) {
				return
			}
		}
	}, nil)
	if err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	at := bytes.Index(whole, bytes.Repeat([]byte{' '}, room))
	for _, text := range []string{
		`{"version":1,"arrays":[{"name":"x","dtype":"<f4","shape":[],"fields":["x"]}]}`,
		`{"version":1,"attrs":{"a":[1,2.5,null]},"arrays":[{"name":"t","dtype":"[('a', '<f4'), ('b', '<i8')]","shape":[],"fields":["x","i"],"attrs":{"u":"m"}}]}`,
		`{"version":1,"arrays":[{"name":"x","dtype":"|V3","shape":[9],"fields":["b"]}]}`,
		`{"version":2}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b := bytes.Clone(whole)
		copy(b[at:at+room], text[:min(len(text), room)])
		if err := os.WriteFile(in, b, 0o666); err != nil {
			t.Fatal(err)
		}
		file, err := convert.Open(t.Context(), in, nil)
		if err != nil {
			return
		}
		defer file.Close()
		for _, m := range file.Members() {
			if n, err := m.Spec.Bytes(); err != nil || n > len(b) {
				t.Errorf("%v in a file of %d bytes, %v", m.Spec, len(b), err)
			}
			if got, err := collect(file, m.Name, m.Spec); err == nil && m.Spec.DType.Order() != '>' {
				if n, _ := m.Spec.Bytes(); n != len(got) {
					t.Errorf("%q %v: %d bytes", m.Name, m.Spec, len(got))
				}
			}
		}
	})
}
