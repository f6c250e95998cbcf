package loader_test

import (
	"bytes"
	"context"
	"math"
	"strconv"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
	golden "github.com/betongo/betongo/testdata/ffcv"
	"github.com/betongo/betongo/transform"
)

// open opens a golden file through a map.
func open(t testing.TB, name string) *ffcv.File {
	t.Helper()
	return ffcvtest.Golden(t, name)["map"]
}

// TestGolden loads every file of the real FFCV and holds every value against
// what FFCV says of it.
func TestGolden(t *testing.T) {
	for _, m := range golden.Each() {
		for name, f := range ffcvtest.Golden(t, m.Name) {
			for _, order := range []loader.Order{loader.Sequential, loader.Random} {
				t.Run(m.Name+"/"+name, func(t *testing.T) { checkGolden(t, m, f, order) })
			}
		}
	}
}

func checkGolden(t *testing.T, m *golden.File, f *ffcv.File, order loader.Order) {
	opts := &loader.Options{BatchSize: 7, Order: order, Seed: 5, Workers: 3}
	zeroDim := m.Name == "ndarray_zero_dim" // the file doesn't hold its shape (3, 0)
	for k, field := range m.Fields {
		switch {
		case field.TypeID == int(fields.TypeRGBImage):
			opts.Outputs = append(opts.Outputs, loader.Output{Name: f.Fields()[k].Name, Decoder: loader.Raw{}})
		case zeroDim && k == 0:
			opts.Outputs = append(opts.Outputs, loader.Output{Name: field.Name, Disabled: true})
		}
	}
	l, err := loader.New(f, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := 0
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		n += b.Len()
		k := 0
		for _, c := range b.Outputs() {
			if zeroDim && k == 0 {
				k++
			}
			checkColumn(t, &m.Fields[k], b, c)
			k++
		}
		b.Release()
	}
	if n != int(m.Header.NumSamples) {
		t.Errorf("%d samples, want %d", n, m.Header.NumSamples)
	}
}

func checkColumn(t *testing.T, m *golden.Field, b *loader.Batch, c loader.Column) {
	t.Helper()
	if c.Shape[0] != b.Len() {
		t.Fatalf("output %q of shape %v in a batch of %d", c.Name, c.Shape, b.Len())
	}
	for i, id := range b.Samples() {
		got := c.Value(i)
		switch fields.TypeID(m.TypeID) {
		case fields.TypeInt:
			if want := m.Values[id]; view[int64](t, c)[i] != want {
				t.Errorf("%s, sample %d: %d, want %d", m.Name, id, view[int64](t, c)[i], want)
			}
		case fields.TypeFloat:
			if bits := math.Float64bits(view[float64](t, c)[i]); bits != uint64(m.Bits[id]) {
				t.Errorf("%s, sample %d: %x, want %x", m.Name, id, bits, m.Bits[id])
			}
		case fields.TypeBytes:
			if int64(len(got)) != m.Size[id] || golden.Sum(got) != m.SHA256[id] {
				t.Errorf("%s, sample %d: %d bytes, want %d", m.Name, id, len(got), m.Size[id])
			}
		case fields.TypeJSON:
			if string(c.JSON(i)) != m.Text[id] {
				t.Errorf("%s, sample %d: %s, want %s", m.Name, id, got, m.Text[id])
			}
		case fields.TypeNDArray, fields.TypeTorchTensor:
			if golden.Sum(got) != m.SHA256[id] || c.DType.String() != m.DType {
				t.Errorf("%s, sample %d: another %v, want a %s", m.Name, id, c.Spec, m.DType)
			}
		case fields.TypeRGBImage:
			v := c.Image(i)
			if v.JPEG != (m.Mode[id] == 0) || v.Width != m.Width[id] || v.Height != m.Height[id] || golden.Sum(v.Data) != m.DataSHA256[id] {
				t.Errorf("%s, sample %d: another image", m.Name, id)
			}
		case fields.TypeCustom:
			if want := m.Custom(id); !bytes.Equal(got, want) {
				t.Errorf("%s, sample %d: %x, want %x", m.Name, id, got, want)
			}
		}
		if c.Lengths != nil {
			checkPadding(t, c, i)
		}
	}
}

// checkPadding looks at what follows a short row.
func checkPadding(t *testing.T, c loader.Column, i int) {
	t.Helper()
	for k, v := range c.Data[i*c.Shape[1]+c.Lengths[i] : (i+1)*c.Shape[1]] {
		if v != 0 {
			t.Fatalf("output %q, row %d: byte %d after the value is %d", c.Name, i, k, v)
		}
	}
}

func view[T array.Element](t testing.TB, c loader.Column) []T {
	t.Helper()
	v, err := array.View[T](c.Array)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestGoldenPixels decodes the images that FFCV stored raw, and small ones of
// one size, through the default pipeline.
func TestGoldenPixels(t *testing.T) {
	tested := 0
	for _, m := range golden.Each() {
		for k, field := range m.Fields {
			if field.TypeID != int(fields.TypeRGBImage) || len(field.PixelsSHA256) == 0 || !same(field.Width) || !same(field.Height) {
				continue
			}
			tested++
			var outs []loader.Output
			for j := range m.Fields {
				if j != k {
					outs = append(outs, loader.Output{Name: m.Fields[j].Name, Disabled: true})
				}
			}
			for name, f := range ffcvtest.Golden(t, m.Name) {
				l, err := loader.New(f, &loader.Options{BatchSize: 16, Outputs: outs})
				if err != nil {
					t.Fatal(m.Name, err)
				}
				for b, err := range l.Epoch(context.Background(), 0) {
					if err != nil {
						t.Fatal(m.Name, name, err)
					}
					c := b.Outputs()[0]
					for i, id := range b.Samples() {
						if field.Mode[id] == 1 && golden.Sum(c.Value(i)) != field.PixelsSHA256[id] {
							t.Errorf("%s through %s: sample %d: other pixels", m.Name, name, id)
						}
					}
					b.Release()
				}
			}
		}
	}
	if tested == 0 {
		t.Error("no golden file has images of one size")
	}
}

func same(v []int) bool {
	for _, x := range v {
		if x != v[0] {
			return false
		}
	}
	return len(v) > 0
}

// TestGoldenCenterCrop compares with FFCV's pipeline. FFCV decodes with a
// faster, less exact transform (up to 5 levels apart).
func TestGoldenCenterCrop(t *testing.T) {
	f := open(t, "rgb_jpg")
	l, err := loader.New(f, &loader.Options{
		BatchSize: 8, Indices: []int{0, 1, 7},
		Outputs: []loader.Output{{Name: "image", Decoder: transform.CenterCrop{Width: 224, Height: 224, Exact: true}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		c := b.Output("image")
		if got := array.ShapeString(c.Shape); got != "(3, 224, 224, 3)" {
			t.Fatalf("shape %s", got)
		}
		for i, id := range b.Samples() {
			want := golden.Pixels("jpgdecode_" + strconv.Itoa(id) + "_cc224.npy")
			if most, mean := golden.Distance(c.Value(i), want); most > 6 || mean > 1.2 {
				t.Errorf("sample %d: differs by up to %d levels, %.2f on average", id, most, mean)
			}
		}
		b.Release()
	}
}
