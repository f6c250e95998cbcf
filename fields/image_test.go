package fields_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/fields/fieldtest"
	"github.com/betongo/betongo/rgb"
)

func decodePixels(t testing.TB, e rgb.Encoded) rgb.Image {
	t.Helper()
	var m rgb.Image
	if err := new(rgb.Scratch).Load(&m, e); err != nil {
		t.Fatalf("decode %dx%d: %v", e.Width, e.Height, err)
	}
	return m
}

func store(t testing.TB, f fields.RGBImage, x any) rgb.Encoded {
	t.Helper()
	return mustDecode(t, f, mustEncode(t, f, x)).(rgb.Encoded)
}

func TestKeepsJPEGs(t *testing.T) {
	for _, tt := range []struct {
		file string
		kept bool
	}{
		{"420_23x17.jpg", true}, {"444_4x5.jpg", true}, {"gray.jpg", true}, {"exif6.jpg", true}, {"adobe_ycc.jpg", true}, {"adobe_rgb.jpg", true},
		{"cmyk.jpg", false}, {"cmyk_plain.jpg", false}, {"gray.png", false}, {"clear.gif", false}, {"gray.bmp", false}, {"packbits.tiff", false}, {"lossless_alpha.webp", false},
	} {
		data := read(t, tt.file)
		var want rgb.Image
		if err := rgb.Decode(&want, data); err != nil {
			t.Fatal(err)
		}
		for _, x := range []any{data, file(t, data)} {
			f := fields.RGBImage{Stats: new(fields.ImageStats)}
			e := store(t, f, x)
			if !e.JPEG || bytes.Equal(e.Data, data) != tt.kept {
				t.Errorf("%s as %T: JPEG %v, kept %v; want %v", tt.file, x, e.JPEG, bytes.Equal(e.Data, data), tt.kept)
			}
			if e.Width != want.Width || e.Height != want.Height {
				t.Errorf("%s: %dx%d, want %dx%d", tt.file, e.Width, e.Height, want.Width, want.Height)
			}
			if kept, made := f.Stats.Kept.Load(), f.Stats.Encoded.Load(); kept+made != 1 || (kept == 1) != tt.kept {
				t.Errorf("%s: counted %d kept, %d encoded", tt.file, kept, made)
			}
			f.Mode = fields.ModeRaw
			if e := store(t, f, x); e.JPEG || !bytes.Equal(e.Data, want.Pix) {
				t.Errorf("%s: raw pixels are not what it decodes to", tt.file)
			}
			f.Mode, f.Reencode = fields.ModeJPEG, fields.ReencodeAlways
			made, err := rgb.EncodeJPEG(nil, want, 90)
			if e := store(t, f, x); err != nil || !bytes.Equal(e.Data, made) {
				t.Errorf("%s: encoded always: not the JPEG of its pixels at quality 90 (%v)", tt.file, err)
			}
		}
	}
}

func TestBadImages(t *testing.T) {
	photo := read(t, "420_23x17.jpg")
	for _, tt := range []struct {
		name string
		data []byte
	}{
		{"empty", nil}, {"text", []byte("hello, this is no picture")}, {"truncated JPEG", photo[:len(photo)-2]}, {"half a JPEG", photo[:len(photo)/2]},
		{"truncated PNG", read(t, "gray.png")[:60]}, {"a JPEG's head", photo[:4]},
	} {
		f := fields.RGBImage{Stats: new(fields.ImageStats)}
		_, err := encode(f, tt.data)
		var invalid *rgb.InvalidError
		var unsupported *rgb.UnsupportedError
		if !errors.As(err, &invalid) && !errors.As(err, &unsupported) {
			t.Errorf("%s: %v; want an error of rgb", tt.name, err)
		}
		if f.Stats.Images() != 0 || f.Stats.Pixels.Load() != 0 {
			t.Errorf("%s was counted", tt.name)
		}
	}
	// What can't be stored as it is isn't stored under another name either.
	if _, err := encode(fields.RGBImage{}, rgb.Encoded{JPEG: true, Width: 23, Height: 17, Data: photo[:100]}); err == nil {
		t.Error("half a JPEG as Encoded: no error")
	}
	cmyk := read(t, "cmyk.jpg")
	info, err := rgb.ScanJPEG(cmyk)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := encode(fields.RGBImage{}, rgb.Encoded{JPEG: true, Width: info.Width, Height: info.Height, Data: cmyk}); err == nil {
		t.Error("a CMYK JPEG as Encoded: no error")
	}
}

// TestMaxResolution holds sizes to those of FFCV's own expression.
func TestMaxResolution(t *testing.T) {
	for _, tt := range []struct{ w, h, most, wantW, wantH int }{
		{500, 333, 256, 256, 170}, {333, 500, 256, 170, 256}, {500, 375, 256, 256, 192},
		{277, 277, 224, 223, 223}, {284, 10, 224, 223, 7}, {299, 100, 224, 223, 74}, // one short, as there
		{256, 100, 256, 256, 100}, {255, 100, 256, 255, 100}, {257, 257, 256, 256, 256}, {5, 3, 0, 5, 3}, {100, 2, 50, 50, 1},
	} {
		f := fields.RGBImage{Mode: fields.ModeRaw, MaxResolution: tt.most, Stats: new(fields.ImageStats)}
		src := picture(tt.w, tt.h)
		e := store(t, f, src)
		if e.Width != tt.wantW || e.Height != tt.wantH {
			t.Errorf("%dx%d at most %d: %dx%d, want %dx%d", tt.w, tt.h, tt.most, e.Width, e.Height, tt.wantW, tt.wantH)
			continue
		}
		want := src
		if e.Width != tt.w || e.Height != tt.h {
			rgb.ResizeArea(&want, src, rgb.Rect{W: tt.w, H: tt.h}, tt.wantW, tt.wantH)
		}
		if !bytes.Equal(e.Data, want.Pix) || f.Stats.Pixels.Load() != int64(tt.wantW*tt.wantH) {
			t.Errorf("%dx%d at most %d: not INTER_AREA's pixels, or %d counted", tt.w, tt.h, tt.most, f.Stats.Pixels.Load())
		}
	}
	// A JPEG that must shrink is decoded, whatever keeps its bytes otherwise.
	f := fields.RGBImage{MaxResolution: 16, Stats: new(fields.ImageStats)}
	if e := store(t, f, read(t, "420_23x17.jpg")); !e.JPEG || e.Width != 16 || e.Height != 11 || f.Stats.Resized.Load() != 1 {
		t.Errorf("a JPEG of 23x17 at most 16: %dx%d", e.Width, e.Height)
	}
}

func TestModes(t *testing.T) {
	pic := picture(8, 4) // 96 bytes of pixels
	photo := read(t, "420_23x17.jpg")
	jpeg := func(f fields.RGBImage, x any) bool { return store(t, f, x).JPEG }
	for _, tt := range []struct {
		threshold int
		want      bool
	}{{0, false}, {1, true}, {95, true}, {96, false}, {97, false}} {
		if got := jpeg(fields.RGBImage{Mode: fields.ModeSmart, SmartThreshold: tt.threshold}, pic); got != tt.want {
			t.Errorf("smart, threshold %d, 96 bytes: JPEG %v, want %v", tt.threshold, got, tt.want)
		}
	}
	smart := fields.RGBImage{Mode: fields.ModeSmart, SmartThreshold: 3*23*17 - 1}
	if e := store(t, smart, photo); !e.JPEG || !bytes.Equal(e.Data, photo) {
		t.Error("smart chose JPEG for one and did not keep its bytes")
	}
	smart.SmartThreshold++
	if jpeg(smart, photo) {
		t.Error("smart at the threshold chose JPEG")
	}
	// 8x4 shrunk to 4x2 has 24 bytes: the threshold counts what is stored.
	if jpeg(fields.RGBImage{Mode: fields.ModeSmart, SmartThreshold: 24, MaxResolution: 4}, pic) {
		t.Error("smart counts the bytes before shrinking")
	}

	for _, tt := range []struct {
		p    float64
		rand uint64
		want bool
	}{
		{0.5, 0, true}, {0.5, 1<<63 - 1, true}, {0.5, 1 << 63, false}, {0, 1<<63 - 1, true}, {0, 1 << 63, false},
		{1, 1<<64 - 1, true}, {1e-300, 1 << 11, false}, {1e-300, 1<<11 - 1, true},
	} {
		v := &value{meta: make([]byte, 13)}
		f := fields.RGBImage{Mode: fields.ModeProportion, CompressProbability: tt.p}
		if err := f.Encode(v.meta, pic, fields.At{Rand: tt.rand, Alloc: v.alloc}); err != nil {
			t.Fatal(err)
		}
		if got := v.meta[0] == 0; got != tt.want {
			t.Errorf("proportion %v, bits %#x: JPEG %v, want %v", tt.p, tt.rand, got, tt.want)
		}
	}
}

func TestOrientation(t *testing.T) {
	for _, name := range []string{"exif6.jpg", "exif6.png", "exif6.webp"} {
		data := read(t, name)
		var plain, turned rgb.Image
		if err := rgb.Decode(&plain, data); err != nil {
			t.Fatal(err)
		}
		rgb.Orient(&turned, plain, 6)
		var s fields.ImageStats
		e := store(t, fields.RGBImage{Mode: fields.ModeRaw, Stats: &s}, data)
		if !bytes.Equal(e.Data, plain.Pix) || s.OrientationIgnored.Load() != 1 || s.Oriented.Load() != 0 {
			t.Errorf("%s: orientation not ignored, or not counted", name)
		}
		e = store(t, fields.RGBImage{Mode: fields.ModeRaw, Orient: true, Stats: &s}, data)
		if e.Width != turned.Width || !bytes.Equal(e.Data, turned.Pix) || s.OrientationIgnored.Load() != 1 || s.Oriented.Load() != 1 {
			t.Errorf("%s: orientation not applied, or not counted", name)
		}
		f := fields.RGBImage{Orient: true}
		want, err := rgb.EncodeJPEG(nil, turned, 90)
		if e := store(t, f, data); err != nil || !bytes.Equal(e.Data, want) {
			t.Errorf("%s: turned JPEG differs from the JPEG of the turned picture (%v)", name, err)
		}
	}
	// One that stands upright is kept, asked to turn or not.
	data := read(t, "420_23x17.jpg")
	if e := store(t, fields.RGBImage{Orient: true}, data); !bytes.Equal(e.Data, data) {
		t.Error("an upright JPEG is not kept with Orient")
	}
}

func TestImageValues(t *testing.T) {
	pic := picture(7, 5)
	half := image.NewNRGBA(image.Rect(0, 0, 2, 1))
	half.SetNRGBA(0, 0, color.NRGBA{200, 100, 50, 128})
	half.SetNRGBA(1, 0, color.NRGBA{9, 8, 7, 0})
	gray := image.NewGray(image.Rect(3, 3, 4, 4))
	gray.SetGray(3, 3, color.Gray{77})
	sub := goImage(pic).(*image.RGBA).SubImage(image.Rect(11, 21, 13, 22))
	f := fields.RGBImage{Mode: fields.ModeRaw}
	for _, tt := range []struct {
		name string
		x    any
		want []byte
	}{
		{"rgb.Image", pic, pic.Pix},
		{"RGBA", goImage(pic), pic.Pix},
		{"alpha is dropped", half, []byte{200, 100, 50, 9, 8, 7}},
		{"gray", gray, []byte{77, 77, 77}},
		{"part of a picture", sub, pic.Pix[3*8 : 3*10]},
		{"NRGBA64", &image.NRGBA64{Pix: []byte{1, 2, 3, 4, 5, 6, 255, 255}, Stride: 8, Rect: image.Rect(0, 0, 1, 1)}, []byte{1, 3, 5}},
	} {
		if e := store(t, f, tt.x); !bytes.Equal(e.Data, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, e.Data, tt.want)
		}
	}
	if e := store(t, fields.RGBImage{}, pic); decodePixels(t, e).Width != 7 {
		t.Error("a new JPEG doesn't decode")
	}
}

func TestImageMetadata(t *testing.T) {
	f := fields.RGBImage{}
	meta := make([]byte, 13)
	put := func(mode byte, w, h uint16) {
		meta[0] = mode
		binary.LittleEndian.PutUint16(meta[1:], w)
		binary.LittleEndian.PutUint16(meta[3:], h)
		binary.LittleEndian.PutUint64(meta[5:], 99)
	}
	put(1, 65535, 65535)
	r, err := f.Regions(nil, meta)
	if err != nil || r[0] != (fields.Region{Ptr: 99, Size: 3 * 65535 * 65535}) {
		t.Errorf("raw: %v, %v", r, err)
	}
	put(0, 3, 2)
	if r, err = f.Regions(nil, meta); err != nil || r[0] != (fields.Region{Ptr: 99, Size: fields.UnknownSize}) {
		t.Errorf("jpg: %v, %v", r, err)
	}
	for _, bad := range [][3]uint16{{2, 3, 2}, {255, 3, 2}, {1, 0, 2}, {0, 3, 0}} {
		put(byte(bad[0]), bad[1], bad[2])
		if _, err := f.Regions(nil, meta); err == nil {
			t.Errorf("mode, width, height %v: no error", bad)
		}
	}
	photo := read(t, "420_23x17.jpg")
	put(0, 23, 17)
	if err := f.Check(meta, [][]byte{photo}); err != nil {
		t.Errorf("Check of a sound picture: %v", err)
	}
	if f.Check(meta, [][]byte{photo[:200]}) == nil {
		t.Error("Check of half a picture: no error")
	}
	put(0, 22, 17)
	if f.Check(meta, [][]byte{photo}) == nil {
		t.Error("Check of a picture of another size: no error")
	}
}

// photo makes a JPEG of about the size that photographs have.
func photo(tb testing.TB) []byte {
	m := rgb.Image{Width: 500, Height: 375, Pix: make([]byte, 3*500*375)}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range m.Pix {
		m.Pix[i] = byte(i/3%500/2 + i/1500/3 + rnd.IntN(40))
	}
	data, err := rgb.EncodeJPEG(nil, m, 90)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func TestImageMarks(t *testing.T) {
	sized := func(w, h int) []byte {
		m := rgb.Image{Width: w, Height: h, Pix: make([]byte, 3*w*h)}
		for i := range m.Pix {
			m.Pix[i] = byte(i/7 ^ i/480)
		}
		data, err := rgb.EncodeJPEG(nil, m, 60)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	large, small := sized(160, 120), sized(40, 30)
	fieldtest.Run(t, fields.RGBImage{}, large, small)
	damaged := bytes.Clone(large)
	for i := range 40 {
		damaged[len(damaged)/2+i] = 0xff // no marker, no stuffed byte
	}
	want, err := rgb.AppendMarks(nil, large)
	if err != nil || len(want) == 0 {
		t.Fatalf("%d bytes of marks, %v", len(want), err)
	}
	var stats fields.ImageStats
	for _, c := range []struct {
		name  string
		field fields.RGBImage
		jpeg  bool
		w, h  int
		data  []byte
		want  []byte
	}{
		{"a photo", fields.RGBImage{}, true, 160, 120, large, want},
		{"without checkpoints", fields.RGBImage{NoCheckpoints: true}, true, 160, 120, large, nil},
		{"small", fields.RGBImage{}, true, 40, 30, small, nil},
		{"pixels", fields.RGBImage{}, false, 160, 120, make([]byte, 3*160*120), nil},
		{"damaged", fields.RGBImage{Stats: &stats}, true, 160, 120, damaged, nil},
		{"damaged, not counted", fields.RGBImage{}, true, 160, 120, damaged, nil},
	} {
		meta := make([]byte, 13)
		if !c.jpeg {
			meta[0] = 1
		}
		meta[1], meta[3] = byte(c.w), byte(c.h)
		got, err := c.field.AppendMarks([]byte("x"), meta, [][]byte{c.data})
		if err != nil || string(got) != "x"+string(c.want) {
			t.Errorf("%s: %d bytes of marks (%v), want %d", c.name, len(got)-1, err, len(c.want))
		}
		if err := c.field.CheckMarks(meta, [][]byte{c.data}, want); (err == nil) != (c.name == "a photo" || c.name == "without checkpoints") {
			t.Errorf("%s: the photo's marks: %v", c.name, err)
		}
	}
	if n := stats.Damaged.Load(); n != 1 {
		t.Errorf("%d damaged pictures, want 1", n)
	}
}

// TestMarksOfEncoded asks for the marks of pictures encoded here, at once and
// when others have been encoded or stripped since.
func TestMarksOfEncoded(t *testing.T) {
	f := fields.RGBImage{Reencode: fields.ReencodeAlways, Strip: true}
	a, b := store(t, f, photo(t)), store(t, f, rgb.Image{Width: 200, Height: 150, Pix: make([]byte, 3*200*150)})
	for i, e := range []rgb.Encoded{a, b, a, store(t, f, photo(t)), store(t, fields.RGBImage{Strip: true}, photo(t)), a} {
		want, err := rgb.AppendMarks([]byte("x"), e.Data)
		if err != nil || len(want) < 10 {
			t.Fatalf("%d bytes of marks, %v", len(want), err)
		}
		meta := []byte{0, byte(e.Width), byte(e.Width >> 8), byte(e.Height), byte(e.Height >> 8), 0, 0, 0, 0, 0, 0, 0, 0}
		got, err := f.AppendMarks([]byte("x"), meta, [][]byte{e.Data})
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d: got %x, %v; want %x", i, got, err, want)
		}
	}
}

func BenchmarkImage(b *testing.B) {
	data := photo(b)
	name := filepath.Join(b.TempDir(), "photo.jpg")
	if err := os.WriteFile(name, data, 0o666); err != nil {
		b.Fatal(err)
	}
	place := make([]byte, 4<<20)
	at := fields.At{Alloc: func(size int) (uint64, []byte, error) { return 1, place[:size], nil }}
	meta := make([]byte, 13)
	for _, bb := range []struct {
		name string
		f    fields.RGBImage
		x    any
	}{
		{"kind=kept/from=bytes", fields.RGBImage{}, data},
		{"kind=kept/from=path", fields.RGBImage{}, fields.Path(name)},
		{"kind=raw/from=bytes", fields.RGBImage{Mode: fields.ModeRaw}, data},
		{"kind=shrunk/from=bytes", fields.RGBImage{MaxResolution: 256}, data},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := bb.f.Encode(meta, bb.x, at); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
