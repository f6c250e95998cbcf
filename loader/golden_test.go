package loader_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

const goldenDir = "../testdata/ffcv"

// manifest is what the real FFCV says of a file that it wrote.
type manifest struct {
	File   string
	Header struct {
		NumSamples int `json:"num_samples"`
	}
	Fields []manifestField
}

type manifestField struct {
	Name          string
	TypeID        int    `json:"type_id"`
	MetadataDType string `json:"metadata_dtype"`
	Values        []json.Number
	Bits          []string
	Size          []int
	SHA256        []string
	Text          []string
	DType         string
	Shape         []int
	Mode          []int
	Width, Height []int
	DataSHA256    []string `json:"data_sha256"`
	PixelsSHA256  []string `json:"pixels_sha256"`
}

func goldens(t testing.TB) []manifest {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(goldenDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []manifest
	for _, name := range names {
		var m manifest
		if b, err := os.ReadFile(name); err != nil {
			t.Fatal(err)
		} else if json.Unmarshal(b, &m) == nil && strings.HasSuffix(m.File, ".beton") {
			list = append(list, m)
		}
	}
	if len(list) < 36 {
		t.Fatalf("%d golden files, want at least 36", len(list))
	}
	return list
}

func golden(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join(goldenDir, name+".beton.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (m *manifest) options() *ffcv.OpenOptions {
	custom := map[string]fields.Field{}
	for _, f := range m.Fields {
		if f.TypeID == int(fields.TypeCustom) {
			custom[f.Name] = fields.Opaque{DType: f.MetadataDType}
		}
	}
	return &ffcv.OpenOptions{Custom: custom}
}

// sources opens a file through a map, which lends, and a ReaderAt, which
// doesn't.
func sources(t testing.TB, b []byte, opts *ffcv.OpenOptions) map[string]*ffcv.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.beton")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	mapped, err := ffcv.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	read, err := ffcv.New(ffcv.ReaderAtSource("reader", bytes.NewReader(b), int64(len(b))), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mapped.Close(); read.Close() })
	return map[string]*ffcv.File{"map": mapped, "reader": read}
}

// open opens a golden file through a map.
func open(t testing.TB, name string) *ffcv.File {
	t.Helper()
	return sources(t, golden(t, name), nil)["map"]
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// TestGolden loads every file of the real FFCV and holds every value against
// what FFCV says of it.
func TestGolden(t *testing.T) {
	for _, m := range goldens(t) {
		b := golden(t, strings.TrimSuffix(m.File, ".beton"))
		for name, f := range sources(t, b, m.options()) {
			for _, order := range []loader.Order{loader.Sequential, loader.Random} {
				t.Run(m.File+"/"+name, func(t *testing.T) { checkGolden(t, &m, f, order) })
			}
		}
	}
}

func checkGolden(t *testing.T, m *manifest, f *ffcv.File, order loader.Order) {
	opts := &loader.Options{BatchSize: 7, Order: order, Seed: 5, Workers: 3}
	zeroDim := m.File == "ndarray_zero_dim.beton" // the file doesn't hold its shape (3, 0)
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
	if n != m.Header.NumSamples {
		t.Errorf("%d samples, want %d", n, m.Header.NumSamples)
	}
}

func checkColumn(t *testing.T, m *manifestField, b *loader.Batch, c loader.Column) {
	t.Helper()
	if c.Shape[0] != b.Len() {
		t.Fatalf("output %q of shape %v in a batch of %d", c.Name, c.Shape, b.Len())
	}
	for i, id := range b.Samples() {
		got := c.Value(i)
		switch fields.TypeID(m.TypeID) {
		case fields.TypeInt:
			if want, _ := m.Values[id].Int64(); view[int64](t, c)[i] != want {
				t.Errorf("%s, sample %d: %d, want %d", m.Name, id, view[int64](t, c)[i], want)
			}
		case fields.TypeFloat:
			want, err := strconv.ParseUint(m.Bits[id], 0, 64)
			if bits := math.Float64bits(view[float64](t, c)[i]); err != nil || bits != want {
				t.Errorf("%s, sample %d: %x, want %x (%v)", m.Name, id, bits, want, err)
			}
		case fields.TypeBytes:
			if len(got) != m.Size[id] || sum(got) != m.SHA256[id] {
				t.Errorf("%s, sample %d: %d bytes, want %d", m.Name, id, len(got), m.Size[id])
			}
		case fields.TypeJSON:
			if string(c.JSON(i)) != m.Text[id] {
				t.Errorf("%s, sample %d: %s, want %s", m.Name, id, got, m.Text[id])
			}
		case fields.TypeNDArray, fields.TypeTorchTensor:
			if sum(got) != m.SHA256[id] || c.DType.String() != m.DType {
				t.Errorf("%s, sample %d: another %v, want a %s", m.Name, id, c.Spec, m.DType)
			}
		case fields.TypeRGBImage:
			v := c.Image(i)
			if v.JPEG != (m.Mode[id] == 0) || v.Width != m.Width[id] || v.Height != m.Height[id] || sum(v.Data) != m.DataSHA256[id] {
				t.Errorf("%s, sample %d: another image", m.Name, id)
			}
		case fields.TypeCustom:
			want, _ := m.Values[id].Int64()
			var v int64
			for k := len(got) - 1; k >= 0; k-- {
				v = v<<8 | int64(got[k])
			}
			if v != want {
				t.Errorf("%s, sample %d: %d, want %d", m.Name, id, v, want)
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
	for _, m := range goldens(t) {
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
			for name, f := range sources(t, golden(t, strings.TrimSuffix(m.File, ".beton")), m.options()) {
				l, err := loader.New(f, &loader.Options{BatchSize: 16, Outputs: outs})
				if err != nil {
					t.Fatal(m.File, err)
				}
				for b, err := range l.Epoch(context.Background(), 0) {
					if err != nil {
						t.Fatal(m.File, name, err)
					}
					c := b.Outputs()[0]
					for i, id := range b.Samples() {
						if field.Mode[id] == 1 && sum(c.Value(i)) != field.PixelsSHA256[id] {
							t.Errorf("%s through %s: sample %d: other pixels", m.File, name, id)
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

// npy reads the data of a small uint8 .npy file.
func npy(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(goldenDir, name))
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < 10 || string(b[:6]) != "\x93NUMPY" {
		t.Fatalf("%s is not a .npy file", name)
	}
	return b[10+int(b[8])+int(b[9])<<8:]
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
			want := npy(t, "jpgdecode_"+strconv.Itoa(id)+"_cc224.npy")
			got := c.Value(i)
			if len(got) != len(want) {
				t.Fatalf("sample %d: %d bytes, want %d", id, len(got), len(want))
			}
			most, total := 0, 0
			for k := range got {
				d := int(got[k]) - int(want[k])
				d = max(d, -d)
				most = max(most, d)
				total += d
			}
			if mean := float64(total) / float64(len(got)); most > 6 || mean > 1.2 {
				t.Errorf("sample %d: differs by up to %d levels, %.2f on average", id, most, mean)
			}
		}
		b.Release()
	}
}
