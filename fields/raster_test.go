package fields_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/fields/fieldtest"
	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/rgb"
)

// raster draws a picture of a kind: "flat" regions, a "slope", a "bend", a slope
// with "grain", "noise".
func raster(what string, w, h, channels, depth int) rgb.Raster {
	r := rgb.Raster{Width: w, Height: h, Channels: channels, Depth: depth, Pix: make([]byte, w*h*channels*depth)}
	rng := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	for i := range w * h * channels {
		x, y, c := i/channels%w, i/channels/w, i%channels
		v := 0
		switch what {
		case "flat":
			v = (x/37 + y/23*3 + c) % 21 * (1 + 200*(depth-1))
		case "slope":
			v = 3*x + y*y/50 + 11*c
		case "bend":
			v = x*x/40 + 3*y + 7*c
		case "grain":
			v = 3*x + y + rng.IntN(6)
		case "noise":
			v = rng.IntN(1 << (8 * depth))
		}
		if depth == 1 {
			r.Pix[i] = byte(v)
		} else {
			binary.LittleEndian.PutUint16(r.Pix[2*i:], uint16(v))
		}
	}
	return r
}

func imageField(channels, depth int) fields.Image {
	return fields.Image{Channels: channels, DType: [...]array.DType{1: array.Uint8, 2: array.Uint16}[depth]}
}

const codingAt = 20 // in the metadata

func TestImageField(t *testing.T) {
	for channels := 1; channels <= 4; channels++ {
		for depth := 1; depth <= 2; depth++ {
			t.Run(fmt.Sprintf("%dx%d", channels, 8*depth), func(t *testing.T) {
				of := func(what string, w, h int) any { return raster(what, w, h, channels, depth) }
				fieldtest.Run(t, imageField(channels, depth), of("flat", 1, 1), of("flat", 90, 70), of("slope", 61, 40), of("noise", 7, 9))
			})
		}
	}
}

// TestImageCodings meets every coding of every kind, at sizes around those at
// which the code has edges.
func TestImageCodings(t *testing.T) {
	seen := map[string]bool{}
	for channels := 1; channels <= 4; channels++ {
		for depth := 1; depth <= 2; depth++ {
			f := imageField(channels, depth)
			for _, what := range []string{"flat", "slope", "bend", "grain", "noise"} {
				for _, s := range [][2]int{{1, 1}, {1, 2}, {3, 1}, {7, 5}, {8, 8}, {9, 3}, {2, 300}, {300, 2}, {65, 64}, {200, 151}, {1, 65535}, {65535, 1}} {
					r := raster(what, s[0], s[1], channels, depth)
					v := mustEncode(t, f, r)
					if got := mustDecode(t, f, v).(rgb.Raster); !sameRaster(got, r) {
						t.Errorf("%s %dx%d, %d channels of %d bytes, coding %d: other pixels", what, s[0], s[1], channels, depth, v.meta[codingAt])
					}
					if err := f.Check(v.meta, v.data); err != nil {
						t.Errorf("%s %dx%d: Check: %v", what, s[0], s[1], err)
					}
					if w, h, err := f.Size(v.meta); w != s[0] || h != s[1] || err != nil {
						t.Errorf("Size = %d, %d, %v; want %v", w, h, err, s)
					}
					seen[fmt.Sprint(channels, depth, v.meta[codingAt])] = true
					f := f
					f.Compression = fields.CompressNone
					if p := mustEncode(t, f, r); p.meta[codingAt] != 0 || !bytes.Equal(p.data[0], r.Pix) {
						t.Errorf("CompressNone: coding %d", p.meta[codingAt])
					} else if got := mustDecode(t, f, p).(rgb.Raster); &got.Pix[0] != &p.data[0][0] {
						t.Error("plain pixels are not borrowed")
					}
				}
			}
		}
	}
	if len(seen) != 4*2*4 {
		t.Errorf("met %d of the 32 combinations of channels, depth and coding: %v", len(seen), seen)
	}
}

func sameRaster(a, b rgb.Raster) bool {
	return a.Width == b.Width && a.Height == b.Height && a.Channels == b.Channels && a.Depth == b.Depth && bytes.Equal(a.Pix, b.Pix)
}

// TestImageBytes holds the wire format: what is stored may only change with a
// new reason to store it otherwise, and what was stored must stay readable.
func TestImageBytes(t *testing.T) {
	sum := func(v *value) string {
		s := sha256.Sum256(bytes.Join(append([][]byte{v.meta}, v.data...), nil))
		return hex.EncodeToString(s[:8])
	}
	for _, tt := range []struct {
		what            string
		channels, depth int
		coding          byte
		size            int
		sum             string
	}{
		{"flat", 1, 1, 3, 121, "a2a617866d83de14"},
		{"flat", 3, 1, 3, 169, "b029849e0d546fcc"},
		{"slope", 1, 1, 2, 144, "e60093d4c71505d2"},
		{"bend", 4, 1, 2, 249, "b49ebf51be787b5c"},
		{"noise", 1, 1, 0, 9600, "07d32bab577f77d6"},
		{"flat", 1, 2, 1, 184, "d030dc53f028e272"},
		{"slope", 1, 2, 2, 198, "500c0b9f0a69b8e3"},
		{"bend", 2, 2, 2, 239, "be2f27f2de88fab9"},
		{"grain", 1, 2, 2, 7442, "c8dda344dfc4e631"},
		{"grain", 3, 1, 0, 28800, "e45beff23ae78aa4"},
	} {
		v := mustEncode(t, imageField(tt.channels, tt.depth), raster(tt.what, 120, 80, tt.channels, tt.depth))
		if v.meta[codingAt] != tt.coding || len(v.data[0]) != tt.size || sum(v) != tt.sum {
			t.Errorf("{%q, %d, %d, %d, %d, %q},", tt.what, tt.channels, tt.depth, v.meta[codingAt], len(v.data[0]), sum(v))
		}
	}
	// By hand: 40 numbers of two bytes, each 1 more than the one to its left. The
	// differences 1 fold to 2, their high bytes are 0.
	meta := make([]byte, 24)
	copy(meta[8:], []byte{21, 0, 0, 0, 0, 0, 0, 0, 40, 0, 1, 0, 2})
	data := []byte{0x1f, 2, 1, 0, 20, 0x1f, 0, 1, 0, 15, 0x50, 0, 0, 0, 0, 0}
	meta[8] = byte(len(data))
	var r rgb.Raster
	if err := imageField(1, 2).DecodeRaster(&r, meta, [][]byte{data}); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		if got := binary.LittleEndian.Uint16(r.Pix[2*i:]); int(got) != i+1 {
			t.Fatalf("number %d is %d, want %d", i, got, i+1)
		}
	}
	args, err := imageField(2, 2).Args()
	if want := `{"channels": 2, "dtype": "<u2", "field": "image"}`; err != nil || strings.TrimRight(string(args[:]), "\x00") != want {
		t.Errorf("arguments %s, %v; want %s", bytes.TrimRight(args[:], "\x00"), err, want)
	}
}

// TestImageSameBytes encodes in many goroutines, in other orders, after values
// that leave the compressors in other states.
func TestImageSameBytes(t *testing.T) {
	var values []rgb.Raster
	var want []*value
	f := imageField(1, 1)
	for i := range 24 {
		r := raster([]string{"flat", "slope", "bend", "grain", "noise"}[i%5], 50+i*17, 40+i*11, 1, 1)
		values, want = append(values, r), append(want, mustEncode(t, f, r))
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Add(1)
		go func() { // ends by itself; Wait below
			defer wg.Done()
			for _, i := range rand.New(rand.NewPCG(1, uint64(g))).Perm(len(values)) {
				v, err := encode(f, values[i])
				if err != nil || !bytes.Equal(v.meta, want[i].meta) || !bytes.Equal(v.data[0], want[i].data[0]) {
					t.Errorf("value %d: other bytes (%v)", i, err)
				}
			}
		}()
	}
	wg.Wait()
}

func TestImageRefused(t *testing.T) {
	gray := imageField(1, 1)
	short := raster("flat", 4, 4, 1, 1)
	short.Pix = short.Pix[:15]
	clear := image.NewRGBA(image.Rect(0, 0, 2, 2))
	of := func(s string, shape ...int) array.Array {
		spec := array.Spec{DType: dtype(t, s), Shape: shape}
		n, _ := spec.Bytes()
		return array.Array{Spec: spec, Data: make([]byte, n)}
	}
	for _, tt := range []struct {
		f    fields.Image
		x    any
		want string
	}{
		{gray, raster("flat", 4, 4, 3, 1), "3 channels of 8 bits, want 1 channel of 8 bits"},
		{gray, raster("flat", 4, 4, 1, 2), "1 channel of 16 bits, want 1 channel of 8 bits"},
		{gray, short, "15 bytes of pixels for 4x4 of 1 channel of 8 bits, want 16"},
		{gray, rgb.Raster{Channels: 1, Depth: 1}, "0x0"},
		{gray, rgb.Raster{Width: 65536, Height: 1, Channels: 1, Depth: 1, Pix: make([]byte, 65536)}, "65536x1"},
		{gray, rgb.Raster{Width: 65535, Height: 65535, Channels: 1, Depth: 1}, "more than 268435456"},
		{gray, rgb.Raster{Width: -1, Height: -1, Channels: 1, Depth: 1, Pix: make([]byte, 1)}, "-1x-1"},
		{gray, image.NewGray16(image.Rect(0, 0, 2, 2)), "*image.Gray16 of 1 channel of 16 bits, want 1 channel of 8 bits"},
		{imageField(1, 2), image.NewGray(image.Rect(0, 0, 2, 2)), "1 channel of 8 bits, want 1 channel of 16 bits"},
		{imageField(3, 1), clear, "4 channels of 8 bits, want 3"},
		{imageField(4, 1), clear, "multiplied by alpha"},
		{gray, image.NewYCbCr(image.Rect(0, 0, 2, 2), image.YCbCrSubsampleRatio420), "a *image.YCbCr"},
		{gray, image.NewGray(image.Rect(0, 0, 0, 2)), "0x2"},
		{gray, of("|u1", 2, 2, 3), "an array |u1 (2, 2, 3), want (height, width, 1) for 1 channel of 8 bits"},
		{gray, of("<u2", 2, 2), "an array <u2"},
		{imageField(1, 2), of(">u2", 2, 2), "an array >u2"},
		{imageField(3, 1), of("|u1", 2, 2), "want (height, width, 3)"},
		{gray, "mask.png", "a string"},
		{gray, rgb.Image{Width: 1, Height: 1, Pix: make([]byte, 3)}, "a rgb.Image"},
		{gray, filePNG(t, image.NewNRGBA(image.Rect(0, 0, 2, 2))), "a png file of 4 channels of 8 bits, want 1 channel of 8 bits"},
	} {
		v, err := encode(tt.f, tt.x)
		if !errors.Is(err, fields.ErrValue) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("a %T: %v; want ErrValue that says %q", tt.x, err, tt.want)
		}
		if len(v.data) > 0 {
			t.Errorf("a %T: took a region before it refused", tt.x)
		}
	}
	for _, f := range []fields.Image{{Channels: 5}, {Channels: -1}, {DType: array.Float32}, {DType: dtype(t, ">u2")}, {Compression: 9}} {
		if _, err := f.Args(); err == nil {
			t.Errorf("%+v: Args gives no error", f)
		}
		if _, err := encode(f, short); err == nil {
			t.Errorf("%+v encodes", f)
		}
	}
	for _, text := range []string{`{"field": "image"}`, `{"field": "image", "channels": 5, "dtype": "|u1"}`, `{"field": "image", "channels": 1, "dtype": "<f4"}`, `{"field": "image", "channels": 1}`} {
		var a fields.Args
		copy(a[:], text)
		if f, known, err := fields.Custom(&a); err == nil || !known {
			t.Errorf("%s: %v, %v, %v; want an error", text, f, known, err)
		}
	}
}

func filePNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestImageFiles stores what files of each kind hold.
func TestImageFiles(t *testing.T) {
	at := image.Rect(0, 0, 5, 3)
	paint := func(set func(x, y int)) {
		for y := range 3 {
			for x := range 5 {
				set(x, y)
			}
		}
	}
	gray, gray16 := image.NewGray(at), image.NewGray16(at)
	// Two colours of the palette are alike: only indices tell them apart.
	palette := image.NewPaletted(at, color.Palette{color.Black, color.White, color.White, color.NRGBA{A: 7}, color.Black})
	full, clear := image.NewNRGBA(at), image.NewNRGBA(at)
	full64, clear64 := image.NewNRGBA64(at), image.NewNRGBA64(at)
	var wantGray, want16, indices, want3, want4, want316, want416 []byte
	u2 := func(b []byte, v ...uint16) []byte {
		for _, v := range v {
			b = binary.LittleEndian.AppendUint16(b, v)
		}
		return b
	}
	paint(func(x, y int) {
		v := byte(10*x + 70*y)
		w := uint16(v)*251 + 3
		gray.SetGray(x, y, color.Gray{Y: v})
		gray16.SetGray16(x, y, color.Gray16{Y: w})
		palette.SetColorIndex(x, y, byte((x+y)%5))
		full.SetNRGBA(x, y, color.NRGBA{R: v, G: v + 1, B: 255 - v, A: 255})
		clear.SetNRGBA(x, y, color.NRGBA{R: v, G: v + 1, B: 255 - v, A: byte(x * 50)})
		full64.SetNRGBA64(x, y, color.NRGBA64{R: w, G: w + 1, B: ^w, A: 0xffff})
		clear64.SetNRGBA64(x, y, color.NRGBA64{R: w, G: w + 1, B: ^w, A: uint16(x * 5000)})
		wantGray, want16, indices = append(wantGray, v), u2(want16, w), append(indices, byte((x+y)%5))
		want3, want4 = append(want3, v, v+1, 255-v), append(want4, v, v+1, 255-v, byte(x*50))
		want316, want416 = u2(want316, w, w+1, ^w), u2(want416, w, w+1, ^w, uint16(x*5000))
	})
	file := func(enc func(b *bytes.Buffer) error) []byte {
		var b bytes.Buffer
		if err := enc(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	asTIFF := func(m image.Image) []byte {
		return file(func(b *bytes.Buffer) error { return tiff.Encode(b, m, &tiff.Options{Compression: tiff.Deflate}) })
	}
	asBMP := func(m image.Image) []byte {
		return file(func(b *bytes.Buffer) error { return bmp.Encode(b, m) })
	}
	name := filepath.Join(t.TempDir(), "mask.png")
	if err := os.WriteFile(name, filePNG(t, palette), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name            string
		x               any
		channels, depth int
		want            []byte
	}{
		{"gray.png", filePNG(t, gray), 1, 1, wantGray}, {"gray16.png", filePNG(t, gray16), 1, 2, want16},
		{"palette.png", filePNG(t, palette), 1, 1, indices}, {"path", fields.Path(name), 1, 1, indices},
		{"rgb.png", filePNG(t, full), 3, 1, want3}, {"rgba.png", filePNG(t, clear), 4, 1, want4},
		{"rgb16.png", filePNG(t, full64), 3, 2, want316}, {"rgba16.png", filePNG(t, clear64), 4, 2, want416},
		{"gray.tiff", asTIFF(gray), 1, 1, wantGray}, {"gray16.tiff", asTIFF(gray16), 1, 2, want16}, {"palette.tiff", asTIFF(palette), 1, 1, indices},
		{"rgba.tiff", asTIFF(clear), 4, 1, want4}, {"rgba16.tiff", asTIFF(clear64), 4, 2, want416},
		{"gray.bmp", asBMP(gray), 1, 1, wantGray}, {"palette.bmp", asBMP(palette), 1, 1, indices}, {"rgb.bmp", asBMP(full), 3, 1, want3}, {"rgb32.bmp", asBMP(clear), 3, 1, want3},
		{"palette.gif", file(func(b *bytes.Buffer) error { return gif.Encode(b, palette, nil) }), 1, 1, indices},
		{"Gray", gray, 1, 1, wantGray}, {"Gray16", gray16, 1, 2, want16}, {"Paletted", palette, 1, 1, indices},
		{"NRGBA", clear, 4, 1, want4}, {"NRGBA64", clear64, 4, 2, want416}, {"NRGBA/3", full, 3, 1, want3}, {"NRGBA64/3", full64, 3, 2, want316},
		{"RGBA", &image.RGBA{Pix: full.Pix, Stride: full.Stride, Rect: at}, 3, 1, want3},
		{"array", array.Array{Spec: array.Spec{DType: array.Uint8, Shape: []int{3, 5}}, Data: wantGray}, 1, 1, wantGray},
		{"array 3", array.Array{Spec: array.Spec{DType: array.Uint16, Shape: []int{3, 5, 3}}, Data: want316}, 3, 2, want316},
		{"part", gray.SubImage(image.Rect(1, 1, 3, 3)), 1, 1, []byte{80, 90, 150, 160}},
	} {
		f := imageField(tt.channels, tt.depth)
		v, err := encode(f, tt.x)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := mustDecode(t, f, v).(rgb.Raster); !bytes.Equal(got.Pix, tt.want) {
			t.Errorf("%s: pixels % x, want % x", tt.name, got.Pix, tt.want)
		}
		if data, ok := tt.x.([]byte); ok {
			for _, g := range []fields.Image{imageField(tt.channels%4+1, tt.depth), imageField(tt.channels, 3-tt.depth)} {
				if _, err := encode(g, data); !errors.Is(err, fields.ErrValue) {
					t.Errorf("%s for %d channels of %v: %v; want ErrValue", tt.name, g.Channels, g.DType, err)
				}
			}
			for n := range len(data) {
				if v, err := encode(f, data[:n]); err == nil && !bytes.Equal(mustDecode(t, f, v).(rgb.Raster).Pix, tt.want) {
					t.Errorf("%s cut to %d of %d bytes gives other pixels", tt.name, n, len(data))
				}
			}
		}
	}
}

func TestImageGrayAlpha(t *testing.T) {
	// A PNG of gray and alpha, as no encoder of Go's makes it: 2x1, (10, 20), (30, 40).
	chunk := func(kind string, data ...byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
		b = append(append(b, kind...), data...)
		return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
	}
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	if _, err := w.Write([]byte{0, 10, 20, 30, 40}); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	data := slices.Concat([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", 0, 0, 0, 2, 0, 0, 0, 1, 8, 4, 0, 0, 0), chunk("IDAT", z.Bytes()...), chunk("IEND"))
	v := mustEncode(t, imageField(2, 1), data)
	if got := mustDecode(t, imageField(2, 1), v).(rgb.Raster); !bytes.Equal(got.Pix, []byte{10, 20, 30, 40}) {
		t.Errorf("pixels %d, want 10 20 30 40", got.Pix)
	}
}

func TestImageJPEG(t *testing.T) {
	data := read(t, "420_23x17.jpg")
	var want rgb.Image
	if err := rgb.Decode(&want, data); err != nil {
		t.Fatal(err)
	}
	got := mustDecode(t, imageField(3, 1), mustEncode(t, imageField(3, 1), data)).(rgb.Raster)
	if !bytes.Equal(got.Pix, want.Pix) {
		t.Error("a JPEG of three channels: other pixels than rgb.Decode's")
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 9, 4)), nil); err != nil {
		t.Fatal(err)
	}
	if got := mustDecode(t, imageField(1, 1), mustEncode(t, imageField(1, 1), b.Bytes())).(rgb.Raster); len(got.Pix) != 36 || got.Pix[35] != 0 {
		t.Errorf("a gray JPEG: %+v", got)
	}
	if _, err := encode(imageField(1, 1), data); !errors.Is(err, fields.ErrValue) || !strings.Contains(err.Error(), "a jpeg file of 3 channels of 8 bits, want 1 channel") {
		t.Errorf("a JPEG of three channels for one: %v", err)
	}
}

// TestImageHostile holds what a file can claim to what its bytes can be.
func TestImageHostile(t *testing.T) {
	f := imageField(1, 2)
	v := mustEncode(t, f, raster("slope", 200, 100, 1, 2))
	if v.meta[codingAt] == 0 {
		t.Fatal("stored plain")
	}
	with := func(change func(meta []byte)) []byte {
		m := bytes.Clone(v.meta)
		change(m)
		return m
	}
	for _, tt := range []struct {
		meta []byte
		want string
	}{
		{with(func(m []byte) { copy(m[16:], "\xff\xff\xff\x0f") }), "268431360 pixels"},
		{with(func(m []byte) { copy(m[16:], "\xff\xff\xff\xff") }), "65535x65535 pixels, more than"},
		{with(func(m []byte) { m[16], m[17] = 0, 0 }), "0x100"},
		{with(func(m []byte) { m[codingAt] = 4 }), "coding 4, want 0 to 3"},
		{with(func(m []byte) { m[codingAt] = 0 }), "want 40000"},
		{with(func(m []byte) { m[15] = 0x80 }), "a size of"},
		{with(func(m []byte) { m[9] = 0xff }), "bytes of lz4 for the 40000"},
	} {
		_, err := f.Regions(nil, tt.meta)
		if tt.want == "268431360 pixels" {
			tt.want = "bytes of lz4 for the"
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("% x: %v; want an error that says %q", tt.meta, err, tt.want)
		}
		if _, err := f.Decode(tt.meta, v.data); err == nil {
			t.Errorf("% x decodes", tt.meta)
		}
	}
	data := v.data[0]
	for n := range len(data) {
		meta := with(func(m []byte) { binary.LittleEndian.PutUint64(m[8:], uint64(n)) })
		if _, err := f.Decode(meta, [][]byte{data[:n]}); err == nil {
			t.Errorf("%d of %d bytes decode", n, len(data))
		}
	}
	for _, tt := range []struct{ data, want string }{
		{"\xf0\xff\xff", "bytes as they are, beyond the end"},
		{"\x10a\x02\x00zzzzz", "a copy from 2 bytes back, 1 are there"},
		{"\x10a\x00\x00zzzzz", "a copy from 0 bytes back"},
		{"\x1fa\x01\x00\xff\xff\xff\x00", "bytes more, want 600 in all"},
		{"\x10a\x01", "ends inside of an offset"},
		{"\x10a\x01\x00\x50abcde", "ends after 10 bytes, want 600"},
	} {
		meta := make([]byte, 24)
		copy(meta[8:], []byte{byte(len(tt.data)), 0, 0, 0, 0, 0, 0, 0, 30, 0, 10, 0, 1})
		_, err := f.Decode(meta, [][]byte{[]byte(tt.data)})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), fmt.Sprintf(" of %d of lz4", len(tt.data))) {
			t.Errorf("%q: %v; want an error that says %q", tt.data, err, tt.want)
		}
	}
}

func TestImageDecodeAllocates(t *testing.T) {
	if race.Enabled {
		t.Skip("pools drop things at random with the race detector")
	}
	for _, what := range []string{"flat", "slope", "bend", "grain", "noise"} {
		for depth := 1; depth <= 2; depth++ {
			f := imageField(1, depth)
			v := mustEncode(t, f, raster(what, 200, 150, 1, depth))
			var r rgb.Raster
			n := testing.AllocsPerRun(50, func() {
				if err := f.DecodeRaster(&r, v.meta, v.data); err != nil {
					t.Fatal(err)
				}
			})
			if n > 0 {
				t.Errorf("%s, coding %d: %v allocations", what, v.meta[codingAt], n)
			}
		}
	}
}

func FuzzImageDecode(f *testing.F) {
	for channels := 1; channels <= 4; channels++ {
		for depth := 1; depth <= 2; depth++ {
			for _, what := range []string{"flat", "slope", "bend", "grain", "noise"} {
				v := mustEncode(f, imageField(channels, depth), raster(what, 40, 30, channels, depth))
				f.Add(channels, depth, v.meta, v.data[0])
			}
		}
	}
	f.Fuzz(func(t *testing.T, channels, depth int, meta, data []byte) {
		if channels < 1 || channels > 4 || depth < 1 || depth > 2 || len(meta) != 24 {
			return
		}
		field := imageField(channels, depth)
		binary.LittleEndian.PutUint64(meta[8:], uint64(len(data)))
		r := rgb.Raster{Pix: bytes.Repeat([]byte{0xa5}, 64)}
		err := field.DecodeRaster(&r, meta, [][]byte{data})
		got, again := field.Decode(meta, [][]byte{data})
		if (err == nil) != (again == nil) {
			t.Fatalf("DecodeRaster: %v, Decode: %v", err, again)
		}
		if err != nil {
			return
		}
		if !sameRaster(got.(rgb.Raster), r) || len(r.Pix) > 255*len(data)+64 {
			t.Fatalf("%d bytes give %d, or others by Decode", len(data), len(r.Pix))
		}
		back, err := encode(field, r)
		if err != nil {
			t.Fatal(err)
		}
		if again := mustDecode(t, field, back).(rgb.Raster); !sameRaster(again, r) {
			t.Fatal("stored again gives other pixels")
		}
	})
}

func FuzzImageFile(f *testing.F) {
	f.Add(filePNG(f, image.NewGray(image.Rect(0, 0, 3, 2))))
	f.Add(filePNG(f, image.NewNRGBA64(image.Rect(0, 0, 3, 2))))
	var b bytes.Buffer
	if err := tiff.Encode(&b, image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.Black}), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, w, h, _, err := rgb.ScanImage(data); err != nil || w*h > 1e6 {
			return
		}
		for channels := 1; channels <= 4; channels++ {
			for depth := 1; depth <= 2; depth++ {
				if v, err := encode(imageField(channels, depth), data); err == nil {
					mustDecode(t, imageField(channels, depth), v)
				}
			}
		}
	})
}

func BenchmarkImageDecode(b *testing.B) {
	for channels := range 4 {
		for depth := 1; depth <= 2; depth++ {
			for _, what := range []string{"flat", "slope", "bend", "grain", "noise"} {
				f := imageField(channels+1, depth)
				v := mustEncode(b, f, raster(what, 500, 375, channels+1, depth))
				b.Run(fmt.Sprintf("what=%s/channels=%d/depth=%d/coding=%d", what, channels+1, depth, v.meta[codingAt]), func(b *testing.B) {
					var r rgb.Raster
					for b.Loop() {
						if err := f.DecodeRaster(&r, v.meta, v.data); err != nil {
							b.Fatal(err)
						}
					}
					b.SetBytes(int64(len(r.Pix)))
				})
			}
		}
	}
}
