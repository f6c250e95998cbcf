package fields_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/fields/fieldtest"
	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/rgb"
)

// value is an encoded value in memory; its alloc is the three-line fake.
type value struct {
	meta []byte
	data [][]byte
}

func (v *value) alloc(size int) (uint64, []byte, error) {
	v.data = append(v.data, make([]byte, size))
	return 1000, v.data[len(v.data)-1], nil
}

func encode(f fields.Field, x any) (*value, error) {
	v := &value{meta: make([]byte, f.Layout().Size)}
	return v, f.Encode(v.meta, x, fields.At{Alloc: v.alloc})
}

func mustEncode(t testing.TB, f fields.Field, x any) *value {
	t.Helper()
	v, err := encode(f, x)
	if err != nil {
		t.Fatalf("%T: encode a %T: %v", f, x, err)
	}
	return v
}

func mustDecode(t testing.TB, f fields.Field, v *value) any {
	t.Helper()
	x, err := f.Decode(v.meta, v.data)
	if err != nil {
		t.Fatalf("%T: decode: %v", f, err)
	}
	return x
}

func dtype(t testing.TB, s string) array.DType {
	t.Helper()
	d, err := array.ParseDType(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// file writes a file and returns its Path.
func file(t testing.TB, data []byte) fields.Path {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, data, 0o666); err != nil {
		t.Fatal(err)
	}
	return fields.Path(name)
}

type (
	named  int16
	degree float32
	truth  bool
)

// TestContract runs the suite on every kind.
func TestContract(t *testing.T) {
	pic := picture(5, 3)
	arr := func(dt string, shape ...int) (fields.NDArray, array.Array) {
		s := array.Spec{DType: dtype(t, dt), Shape: shape}
		n, err := s.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(i*7 + 1)
		}
		return fields.NDArray{DType: s.DType, Shape: shape}, array.Array{Spec: s, Data: data}
	}
	run := func(name string, f fields.Field, values ...any) {
		t.Run(name, func(t *testing.T) { fieldtest.Run(t, f, values...) })
	}
	run("Float", fields.Float{}, 0.0, math.Copysign(0, -1), 1.5, float32(0.1), degree(3), math.NaN(), math.Inf(-1), math.Float64frombits(0x7ff0000000000001))
	run("Int", fields.Int{}, 0, int64(math.MinInt64), uint64(math.MaxInt64), named(-3), uint8(255), true, truth(false))
	run("Bytes", fields.Bytes{}, []byte{}, []byte("abc"), bytes.Repeat([]byte{7}, 10000), file(t, []byte("from a file")), file(t, nil))
	run("JSON", fields.JSON{}, nil, "text", 1.5, map[string]any{"b": []int{1}, "a": nil}, json.RawMessage(` [1,NaN] `), fields.JSONText(`{"k": -Infinity}`))
	for _, m := range []fields.RGBImage{
		{}, {Mode: fields.ModeRaw}, {Mode: fields.ModeSmart, SmartThreshold: 40}, {Mode: fields.ModeProportion},
		{MaxResolution: 4}, {Mode: fields.ModeRaw, MaxResolution: 4, Orient: true}, {Reencode: fields.ReencodeAlways, Quality: 50},
	} {
		m.Stats = new(fields.ImageStats)
		pixels, _ := array.Of(pic.Pix, 3, 5, 3)
		run(fmt.Sprintf("RGBImage/%v/%d/%d", m.Mode, m.MaxResolution, m.Quality), m,
			pic, goImage(pic), pixels, read(t, "420_23x17.jpg"), read(t, "exif6.jpg"), read(t, "gray.png"), file(t, read(t, "cmyk.jpg")),
			rgb.Encoded{Width: 5, Height: 3, Data: pic.Pix})
	}
	for _, s := range []string{"|b1", "|i1", ">i4", "<u2", "<f2", "<f16", "<c8", "|S3", "<U2", ">U2", "|V5", "<M8[25s]", "<m8"} {
		f, a := arr(s, 2, 3)
		run("NDArray/"+s, f, a, array.Array{Spec: a.Spec, Data: make([]byte, len(a.Data))})
	}
	f, a := arr("<f4", 1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	run("NDArray/32 dimensions", f, a)
	f, a = arr("<f4", 2, 0, 3)
	run("NDArray/no elements", f, a)
	f, a = arr("<f4", 2)
	run("TorchTensor", fields.TorchTensor(f), a, []float32{1, 2})
	run("NDArray/slice", f, []float32{1, 2})
	run("Opaque", fields.Opaque{DType: "<u4,|u1"}, []byte("abcde"), make([]byte, 5))
	run("BoxField", BoxField{}, Box{1, 2, 3, 4}, Box{})
	run("Audio", fields.Audio{}, fields.AudioClip{SampleRate: 16000, Channels: 2, DurationMS: 7, Data: make([]byte, 64)},
		fields.AudioClip{SampleRate: 1, Channels: 1, Encoding: fields.AudioFLAC, Data: []byte("fLaC....")},
		fields.AudioClip{SampleRate: math.MaxUint32, Channels: 255, DurationMS: math.MaxUint32, Encoding: fields.AudioMP3})
}

func TestRefused(t *testing.T) {
	f4 := fields.NDArray{DType: array.Float32, Shape: []int{2, 3}}
	of := func(s string, shape ...int) array.Array {
		spec := array.Spec{DType: dtype(t, s), Shape: shape}
		n, _ := spec.Bytes()
		return array.Array{Spec: spec, Data: make([]byte, n)}
	}
	short := of("<f4", 2, 3)
	short.Data = short.Data[:20]
	for _, tt := range []struct {
		f    fields.Field
		x    any
		want string
	}{
		{fields.Float{}, 1, "a int, want float64"},
		{fields.Float{}, "1", "a string"},
		{fields.Int{}, 1.0, "a float64, want an integer"},
		{fields.Int{}, uint64(math.MaxInt64 + 1), "9223372036854775808 is larger"},
		{fields.Bytes{}, "text", "a string, want []byte"},
		{f4, of("<f8", 2, 3), "an array <f8 (2, 3), want <f4 (2, 3)"},
		{f4, of("<i4", 2, 3), "an array <i4 (2, 3)"},
		{f4, of(">f4", 2, 3), "an array >f4 (2, 3)"},
		{f4, of("<f4", 3, 2), "an array <f4 (3, 2)"},
		{f4, of("<f4", 6), "an array <f4 (6,)"},
		{f4, short, "20 bytes"},
		{f4, make([]float32, 5), "5 elements, want 6"},
		{f4, make([]float64, 6), "a []float64"},
		{f4, make([]byte, 24), "a []uint8"},
		{f4, float32(1), "a float32"},
		{fields.TorchTensor(f4), of("<f8", 2, 3), "an array <f8"},
		{fields.JSON{}, []byte("{}"), "[]byte is no JSON value"},
		{fields.JSON{}, json.RawMessage("{"), "at byte 1 of 1"},
		{fields.JSON{}, "\xff", "not UTF-8"},
		{fields.Opaque{DType: "<u4"}, []byte("abc"), "3 bytes of metadata, want 4"},
		{fields.Audio{}, fields.AudioClip{Channels: 1}, "sample rate"},
		{fields.Audio{}, fields.AudioClip{SampleRate: 1}, "no channels"},
		{fields.Audio{}, fields.AudioClip{SampleRate: 1, Channels: 2, Data: make([]byte, 6)}, "multiple of 2 channels"},
		{fields.Audio{}, fields.AudioClip{SampleRate: 1, Channels: 2, Encoding: 3}, "no encoding 3"},
		{fields.Audio{}, fields.AudioClip{SampleRate: 1, Channels: 2, Encoding: fields.AudioFLAC, Data: []byte("RIFF")}, "fLaC"},
		{fields.Audio{}, fields.AudioClip{SampleRate: 1, Channels: 2, Encoding: fields.AudioMP3, Data: []byte("RIFF")}, "MP3 frame"},
		{fields.Audio{}, fields.AudioClip{SampleRate: 1, Channels: 2, Encoding: fields.AudioMP3, Data: []byte{0xff, 0xfb, 0xf0, 0}}, "MP3 frame"},
		{fields.RGBImage{}, of("|u1", 4, 4), "want |u1 (height, width, 3)"},
		{fields.RGBImage{}, of("|u1", 4, 4, 4), "want |u1 (height, width, 3)"},
		{fields.RGBImage{}, of("<f4", 4, 4, 3), "want |u1 (height, width, 3)"},
		{fields.RGBImage{}, "photo.jpg", "a string"},
		{fields.RGBImage{}, rgb.Image{Width: 2, Height: 2, Pix: make([]byte, 11)}, "11 bytes of pixels"},
		{fields.RGBImage{}, rgb.Image{}, "picture of 0x0"},
		{fields.RGBImage{}, image.NewGray(image.Rect(0, 0, 0, 5)), "0x5"},
		{fields.RGBImage{MaxResolution: 10}, rgb.Image{Width: 100, Height: 1, Pix: make([]byte, 300)}, "becomes 10x0"},
		{fields.RGBImage{}, rgb.Image{Width: 65536, Height: 1, Pix: make([]byte, 3*65536)}, "a side can have 65535"},
		{fields.RGBImage{}, rgb.Encoded{Width: 2, Height: 2, Data: make([]byte, 11)}, "11 bytes of pixels"},
		{fields.RGBImage{}, rgb.Encoded{Width: 65536, Height: 1, Data: make([]byte, 3*65536)}, "65536x1"},
		{fields.RGBImage{}, rgb.Encoded{JPEG: true, Width: 22, Height: 17, Data: read(t, "420_23x17.jpg")}, "23x17 pixels, said to have 22x17"},
	} {
		v, err := encode(tt.f, tt.x)
		if !errors.Is(err, fields.ErrValue) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%T of a %T: %v; want ErrValue that says %q", tt.f, tt.x, err, tt.want)
		}
		if len(v.data) > 0 {
			t.Errorf("%T of a %T: took a region before it refused", tt.f, tt.x)
		}
	}
}

func TestFieldsThatCannotBe(t *testing.T) {
	many := make([]int, 33)
	for i := range many {
		many[i] = 1
	}
	for _, tt := range []struct {
		f    fields.Field
		want string
	}{
		{fields.NDArray{Shape: []int{3}}, "no dtype"},
		{fields.NDArray{DType: array.Float32}, "without dimensions"},
		{fields.NDArray{DType: array.Float32, Shape: []int{3, 0}}, "(3, 0) ends in 0"},
		{fields.TorchTensor{DType: array.Float32, Shape: []int{0}}, "ends in 0"},
		{fields.NDArray{DType: array.Float32, Shape: many}, "33 dimensions"},
		{fields.NDArray{DType: array.Float32, Shape: []int{-1, 2}}, "negative"},
		{fields.NDArray{DType: array.Float32, Shape: []int{math.MaxInt, 2}}, "larger"},
		{fields.RGBImage{Mode: 9}, "mode 9"},
		{fields.RGBImage{Reencode: 9}, "rule 9"},
		{fields.RGBImage{Quality: 101}, "quality 101"},
		{fields.RGBImage{MaxResolution: -1}, "resolution -1"},
		{fields.RGBImage{SmartThreshold: -1}, "threshold -1"},
		{fields.RGBImage{CompressProbability: math.NaN()}, "probability NaN"},
		{fields.RGBImage{CompressProbability: 1.1}, "probability 1.1"},
		{fields.Opaque{}, "element types"},
		{fields.Opaque{DType: "V0"}, "no bytes"},
		{fields.Opaque{DType: "(2"}, "no ')'"},
		{fields.Opaque{DType: "(2,-1)f4"}, "dimension"},
		{fields.Opaque{DType: "O"}, "Python objects"},
		{fields.Opaque{DType: "S2147483647,S2147483647"}, "larger"},
	} {
		if _, err := tt.f.Args(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%#v: Args: %v; want an error that says %q", tt.f, err, tt.want)
		}
		if _, ok := tt.f.(fields.Opaque); ok {
			continue // without a size there is nothing to encode into
		}
		if _, err := encode(tt.f, []float32{1}); err == nil {
			t.Errorf("%#v encodes", tt.f)
		}
	}
}

func TestOpaqueLayout(t *testing.T) {
	// Sizes and alignments as numpy.dtype(…) has them as a struct member.
	for _, tt := range []struct {
		dtype       string
		size, align int
	}{
		{"<u4", 4, 4}, {"|u1", 1, 1}, {">f8", 8, 8}, {"<U3", 12, 4}, {"S5", 5, 1},
		{"(2,3)<f4", 24, 4}, {"3u1", 3, 1}, {"(2,)<i2", 4, 2}, {"<u4,|u1", 5, 1}, {"i4, f8", 12, 1}, {"(2,2)u1,f8", 12, 1},
	} {
		l := fields.Opaque{DType: tt.dtype}.Layout()
		if l.Size != tt.size || l.Align != tt.align || len(l.Pointers) != 0 {
			t.Errorf("%s: %+v, want size %d, alignment %d", tt.dtype, l, tt.size, tt.align)
		}
	}
}

func TestPathErrors(t *testing.T) {
	for _, f := range []fields.Field{fields.Bytes{}, fields.RGBImage{}, fields.Image{}} {
		if _, err := encode(f, fields.Path(filepath.Join(t.TempDir(), "none"))); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%T of a missing file: %v", f, err)
		}
		if _, err := encode(f, fields.Path(t.TempDir())); err == nil {
			t.Errorf("%T of a folder: no error", f)
		}
	}
}

func TestScalarBits(t *testing.T) {
	v := mustEncode(t, fields.Float{}, float32(0.1))
	if got, want := mustDecode(t, fields.Float{}, v), float64(float32(0.1)); got != want {
		t.Errorf("float32 0.1 = %v, want %v", got, want)
	}
	v = mustEncode(t, fields.Int{}, -2)
	if want := []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}; !bytes.Equal(v.meta, want) {
		t.Errorf("-2 = %x, want %x", v.meta, want)
	}
}

// TestNothingIsAllocated: a value's only memory is its sample's.
func TestNothingIsAllocated(t *testing.T) {
	meta, place := make([]byte, 32), make([]byte, 1<<16)
	at := fields.At{Alloc: func(size int) (uint64, []byte, error) { return 1, place[:size], nil }}
	arr, _ := array.Of([]float32{1, 2, 3, 4})
	photo, name := read(t, "420_23x17.jpg"), file(t, read(t, "420_23x17.jpg"))
	for _, tt := range []struct {
		f    fields.Field
		x    any
		want float64
	}{
		{fields.Int{}, 7, 0}, {fields.Float{}, 1.5, 0}, {fields.Bytes{}, []byte("abc"), 0},
		{fields.NDArray{DType: array.Float32, Shape: []int{4}}, arr, 0},
		{fields.NDArray{DType: array.Float32, Shape: []int{4}}, []float32{1, 2, 3, 4}, 0},
		{fields.JSON{}, json.RawMessage(`{"a": [1, "x\u00e9"]}`), 0},
		{fields.RGBImage{}, photo, 0},
		{fields.RGBImage{}, rgb.Encoded{JPEG: true, Width: 23, Height: 17, Data: photo}, 0},
		// What os.Open and Close take: the handle, its finalizer, the name; and the
		// name for the look before.
		{fields.RGBImage{}, name, 4},
	} {
		size := tt.f.Layout().Size
		got := testing.AllocsPerRun(100, func() {
			if err := tt.f.Encode(meta[:size], tt.x, at); err != nil {
				t.Fatal(err)
			}
		})
		if got > tt.want && !race.Enabled && (tt.x != any(name) || os.PathSeparator == '/') { // Windows takes more to open a file
			t.Errorf("%T of a %T: %v allocations, want %v", tt.f, tt.x, got, tt.want)
		}
	}
}

// picture draws something that isn't flat.
func picture(w, h int) rgb.Image {
	m := rgb.Image{Width: w, Height: h, Pix: make([]byte, 3*w*h)}
	for i := range m.Pix {
		m.Pix[i] = byte(i/3%w*255/w + i/3/w*31 + i%3*40)
	}
	return m
}

func goImage(m rgb.Image) image.Image {
	out := image.NewRGBA(image.Rect(10, 20, 10+m.Width, 20+m.Height))
	for y := range m.Height {
		for x := range m.Width {
			p := m.Pix[3*(y*m.Width+x):]
			out.Set(10+x, 20+y, color.RGBA{p[0], p[1], p[2], 255})
		}
	}
	return out
}

// read returns one of the pictures that Pillow made.
func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../testdata/rgb/pictures/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestStructs: FFCV has no text for a struct, nor for bfloat16.
func TestStructs(t *testing.T) {
	point, err := array.ParseDType("[('x', '<f4'), ('y', '<f4')]")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []array.DType{point, array.BFloat16, array.BFloat16.Swapped()} {
		var u *array.UnsupportedError
		if _, err := (fields.NDArray{DType: d, Shape: []int{2}}).Args(); !errors.As(err, &u) {
			t.Errorf("%v: %v; want an UnsupportedError", d, err)
		}
	}
}
