package rgb_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/betongo/betongo/rgb"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// TestDecodeJPEGAsFFCV compares with FFCV's decoder, which uses a faster,
// rougher DCT.
func TestDecodeJPEGAsFFCV(t *testing.T) {
	var cases []struct {
		Sample int
		Npy    string
		Crop   string `json:"centercrop_224_256_npy"`
		Islow  string `json:"islow_sha256"`
	}
	golden.JSON("jpgdecode.json", &cases)
	if len(cases) < 3 {
		t.Fatalf("only %d cases", len(cases))
	}
	src := stored("rgb_jpg")
	var s rgb.Scratch
	var dst rgb.Image
	for _, c := range cases {
		e := src[c.Sample]
		if err := s.Load(&dst, e); err != nil {
			t.Fatal(err)
		}
		most, mean := golden.Distance(dst.Pix, golden.Pixels(c.Npy))
		sum := sha256.Sum256(dst.Pix)
		t.Logf("%s: at most %d, mean %.3f; libjpeg's exact DCT: %v", c.Npy, most, mean, hex.EncodeToString(sum[:]) == c.Islow)
		if most > 8 || mean > 1.2 {
			t.Errorf("%s: differs by at most %d, mean %.3f", c.Npy, most, mean)
		}
		side := int(224.0 / 256.0 * float64(min(e.Width, e.Height)))
		crop := rgb.Rect{X: (e.Width - side) / 2, Y: (e.Height - side) / 2, W: side, H: side}
		if err := s.LoadCrop(&dst, e, crop, 224, 224); err != nil {
			t.Fatal(err)
		}
		most, mean = golden.Distance(dst.Pix, golden.Pixels(c.Crop))
		if most > 8 || mean > 1.2 {
			t.Errorf("%s: differs by at most %d, mean %.3f", c.Crop, most, mean)
		}
	}
}

func TestScanJPEG(t *testing.T) {
	for i, e := range stored("rgb_jpg") {
		if !e.JPEG {
			continue
		}
		info, err := rgb.ScanJPEG(e.Data)
		if err != nil {
			t.Fatalf("sample %d: %v", i, err)
		}
		if info.Width != e.Width || info.Height != e.Height || info.Components != 3 || info.Precision != 8 ||
			info.Progressive || info.CMYK || !info.JFIF || info.Adobe != -1 || info.Orientation != 0 || info.Size != len(e.Data) {
			t.Errorf("sample %d of %dx%d: %+v", i, e.Width, e.Height, info)
		}
		if err := info.Storable(); err != nil {
			t.Errorf("sample %d: %v", i, err)
		}
	}
}

// photo is a stored JPEG of the golden files.
func photo() rgb.Encoded {
	return stored("rgb_jpg")[0]
}

func TestJPEGCutShort(t *testing.T) {
	data := photo().Data
	dst := rgb.Image{Width: 1, Height: 1, Pix: []byte{7, 8, 9}}
	for n := range data {
		if n > 1500 && n < len(data)-1500 && n%37 != 0 {
			continue
		}
		_, err := rgb.ScanJPEG(data[:n])
		var bad *rgb.InvalidError
		if !errors.As(err, &bad) || bad.Format != rgb.JPEG {
			t.Fatalf("%d of %d bytes: ScanJPEG gives %v", n, len(data), err)
		}
		if bad.Offset < 0 || bad.Offset > n {
			t.Fatalf("%d bytes: error at byte %d", n, bad.Offset)
		}
		if err := rgb.DecodeJPEG(&dst, data[:n]); !errors.As(err, &bad) {
			t.Fatalf("%d of %d bytes: DecodeJPEG gives %v", n, len(data), err)
		}
	}
	if !bytes.Equal(dst.Pix, []byte{7, 8, 9}) || dst.Width != 1 {
		t.Error("an error left its mark on dst")
	}
}

// TestJPEGEntropyCut cuts coded data short but keeps the end marker.
func TestJPEGEntropyCut(t *testing.T) {
	data := photo().Data
	var dst rgb.Image
	for n := 700; n < len(data)-2; n += 997 {
		cut := append(bytes.Clone(data[:n]), 0xFF, 0xD9)
		if err := rgb.DecodeJPEG(&dst, cut); err == nil {
			t.Errorf("cut at %d: no error", n)
		}
	}
}

func TestScanJPEGRefuses(t *testing.T) {
	const (
		soi = "\xFF\xD8"
		eoi = "\xFF\xD9"
		sof = "\xFF\xC0\x00\x0B\x08\x00\x08\x00\x08\x01\x01\x11\x00"
		sos = "\xFF\xDA\x00\x08\x01\x01\x00\x00\x3F\x00"
	)
	if _, err := rgb.ScanJPEG([]byte(soi + sof + sos + "\x00" + eoi + "trailing")); err != nil {
		t.Fatalf("the smallest sound stream: %v", err)
	}
	var bad *rgb.InvalidError
	var not *rgb.UnsupportedError
	for name, c := range map[string]struct {
		data   string
		target any
	}{
		"empty":                   {"", &bad},
		"not a JPEG":              {"\x89PNG", &bad},
		"SOI only":                {soi, &bad},
		"no scan":                 {soi + sof + eoi, &bad},
		"no frame":                {soi + eoi, &bad},
		"scan before frame":       {soi + sos + "\x00" + sof + eoi, &bad},
		"no EOI":                  {soi + sof + sos + "\x00\x00\x00", &bad},
		"ends in FF":              {soi + sof + sos + "\x00\xFF", &bad},
		"second SOI":              {soi + soi + sof + sos + "\x00" + eoi, &bad},
		"second frame":            {soi + sof + sof + sos + "\x00" + eoi, &bad},
		"segment past the end":    {soi + "\xFF\xE1\x40\x00" + sof + sos + "\x00" + eoi, &bad},
		"segment length 1":        {soi + "\xFF\xE1\x00\x01" + sof + sos + "\x00" + eoi, &bad},
		"width 0":                 {soi + "\xFF\xC0\x00\x0B\x08\x00\x08\x00\x00\x01\x01\x11\x00" + sos + "\x00" + eoi, &bad},
		"height 0":                {soi + "\xFF\xC0\x00\x0B\x08\x00\x00\x00\x08\x01\x01\x11\x00" + sos + "\x00" + eoi, &not},
		"no components":           {soi + "\xFF\xC0\x00\x08\x08\x00\x08\x00\x08\x00" + sos + "\x00" + eoi, &bad},
		"five components":         {soi + "\xFF\xC0\x00\x17\x08\x00\x08\x00\x08\x05" + "\x01\x11\x00\x02\x11\x00\x03\x11\x00\x04\x11\x00\x05\x11\x00" + sos + eoi, &not},
		"frame too short":         {soi + "\xFF\xC0\x00\x0B\x08\x00\x08\x00\x08\x03\x01\x11\x00" + sos + "\x00" + eoi, &bad},
		"sampling factor 0":       {soi + "\xFF\xC0\x00\x0B\x08\x00\x08\x00\x08\x01\x01\x01\x00" + sos + "\x00" + eoi, &bad},
		"sampling factor 5":       {soi + "\xFF\xC0\x00\x0B\x08\x00\x08\x00\x08\x01\x01\x15\x00" + sos + "\x00" + eoi, &bad},
		"9 bits":                  {soi + "\xFF\xC0\x00\x0B\x09\x00\x08\x00\x08\x01\x01\x11\x00" + sos + "\x00" + eoi, &bad},
		"repeated component":      {soi + "\xFF\xC0\x00\x0E\x08\x00\x08\x00\x08\x02\x01\x11\x00\x01\x11\x00" + sos + "\x00" + eoi, &bad},
		"unknown component":       {soi + sof + "\xFF\xDA\x00\x08\x01\x02\x00\x00\x3F\x00\x00" + eoi, &bad},
		"scan header too long":    {soi + sof + "\xFF\xDA\x00\x09\x01\x01\x00\x00\x3F\x00\x00\x00" + eoi, &bad},
		"component without scan":  {soi + "\xFF\xC0\x00\x0E\x08\x00\x08\x00\x08\x02\x01\x11\x00\x02\x11\x00" + sos + "\x00" + eoi, &bad},
		"restart unasked":         {soi + sof + sos + "\x00\xFF\xD0\x00" + eoi, &bad},
		"restart out of turn":     {soi + "\xFF\xDD\x00\x04\x00\x01" + sof + sos + "\x00\xFF\xD1\x00" + eoi, &bad},
		"hierarchical":            {soi + "\xFF\xC5\x00\x0B\x08\x00\x08\x00\x08\x01\x01\x11\x00" + sos + "\x00" + eoi, &not},
		"65535x65535 in one byte": {soi + "\xFF\xC0\x00\x0B\x08\xFF\xFF\xFF\xFF\x01\x01\x11\x00" + sos + "\x00" + eoi, &bad},
	} {
		info, err := rgb.ScanJPEG([]byte(c.data))
		if err == nil || !errors.As(err, c.target) {
			t.Errorf("%s: got %v, want a %T", name, err, c.target)
		}
		if info != (rgb.JPEGInfo{}) {
			t.Errorf("%s: an error with %+v", name, info)
		}
	}
}

func TestScanJPEGKinds(t *testing.T) {
	stream := func(sof string) []byte {
		return []byte("\xFF\xD8" + sof + "\xFF\xDA\x00\x08\x01\x01\x00\x00\x3F\x00" + "\x00\xFF\xD9")
	}
	for name, c := range map[string]struct {
		sof  string
		want func(rgb.JPEGInfo) bool
	}{
		"progressive":       {"\xFF\xC2\x00\x0B\x08\x00\x08\x00\x08\x01\x01\x11\x00", func(i rgb.JPEGInfo) bool { return i.Progressive && !i.Arithmetic && i.Storable() == nil }},
		"lossless":          {"\xFF\xC3\x00\x0B\x08\x00\x08\x00\x08\x01\x01\x11\x00", func(i rgb.JPEGInfo) bool { return i.Lossless && i.Storable() != nil }},
		"arithmetic":        {"\xFF\xC9\x00\x0B\x08\x00\x08\x00\x08\x01\x01\x11\x00", func(i rgb.JPEGInfo) bool { return i.Arithmetic && !i.Progressive && i.Storable() != nil }},
		"12 bits":           {"\xFF\xC1\x00\x0B\x0C\x00\x08\x00\x08\x01\x01\x11\x00", func(i rgb.JPEGInfo) bool { return i.Precision == 12 && i.Storable() != nil }},
		"Adobe, turned":     {adobe + exif6 + "\xFF\xC0\x00\x0B\x08\x00\x08\x00\x08\x01\x01\x11\x00", func(i rgb.JPEGInfo) bool { return i.Adobe == 2 && i.Orientation == 6 }},
		"junk and restarts": {"junk\xFF\x00\xFF\xFF\xFF\xDD\x00\x04\x00\x01\xFF\xC0\x00\x0B\x08\x00\x08\x00\x08\x01\x01\x11\x00", func(i rgb.JPEGInfo) bool { return i.Width == 8 }},
	} {
		info, err := rgb.ScanJPEG(stream(c.sof))
		if err != nil || !c.want(info) {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
	}
}

const (
	adobe = "\xFF\xEE\x00\x0EAdobe\x00\x64\x00\x00\x00\x00\x02"
	exif6 = "\xFF\xE1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
)

func TestLoadHoldsToTheMetadata(t *testing.T) {
	e := photo()
	var s rgb.Scratch
	var dst rgb.Image
	for name, e := range map[string]rgb.Encoded{
		"wider":         {JPEG: true, Width: e.Width + 1, Height: e.Height, Data: e.Data},
		"lower":         {JPEG: true, Width: e.Width, Height: e.Height - 1, Data: e.Data},
		"no width":      {JPEG: true, Width: 0, Height: e.Height, Data: e.Data},
		"negative":      {Width: -3, Height: -4, Data: make([]byte, 36)},
		"raw too short": {Width: 3, Height: 4, Data: make([]byte, 35)},
		"raw too long":  {Width: 3, Height: 4, Data: make([]byte, 37)},
		"huge":          {Width: 1 << 62, Height: 4, Data: nil},
		"many pixels":   {Width: 65535, Height: 65535, Data: nil},
	} {
		if err := s.Load(&dst, e); err == nil {
			t.Errorf("%s: Load gives no error", name)
		}
		if err := s.LoadCrop(&dst, e, rgb.Rect{W: 1, H: 1}, 1, 1); err == nil {
			t.Errorf("%s: LoadCrop gives no error", name)
		}
	}
	for _, crop := range []rgb.Rect{{}, {W: e.Width + 1, H: 1}, {X: -1, W: 2, H: 2}, {Y: e.Height, W: 1, H: 1}} {
		if err := s.LoadCrop(&dst, e, crop, 8, 8); err == nil {
			t.Errorf("crop %v: no error", crop)
		}
	}
	if err := s.LoadCrop(&dst, e, rgb.Rect{W: 1, H: 1}, 0, 8); err == nil {
		t.Error("to width 0: no error")
	}
}

// TestStorableSampling tries all sampling factors on a photo's header: what
// Storable accepts, the decoder must not call unsupported. It reads more.
func TestStorableSampling(t *testing.T) {
	data := bytes.Clone(photo().Data)
	at := bytes.Index(data, []byte("\xFF\xC0")) + 2 + 2 + 6 + 1
	var dst rgb.Image
	accepted := 0
	for y := range 16 {
		for c := range 16 {
			luma, chroma := byte(y/4+1)<<4|byte(y%4+1), byte(c/4+1)<<4|byte(c%4+1)
			data[at], data[at+3], data[at+6] = luma, chroma, chroma
			info, err := rgb.ScanJPEG(data)
			if err != nil {
				t.Fatal(err)
			}
			var not *rgb.UnsupportedError
			err = rgb.DecodeJPEG(&dst, data)
			if info.Storable() == nil {
				accepted++
				if errors.As(err, &not) {
					t.Errorf("%x over %x: storable, but %v", luma, chroma, err)
				}
			}
		}
	}
	if accepted < 8 {
		t.Errorf("only %d kinds accepted", accepted)
	}
}

func TestNothingAllocated(t *testing.T) {
	e := photo()
	var s rgb.Scratch
	dst := rgb.Image{Pix: make([]byte, 3*300*300)}
	src := noise(200, 150)
	for name, f := range map[string]func(){
		"ScanJPEG":  func() { rgb.ScanJPEG(e.Data) },
		"ScanImage": func() { rgb.ScanImage(e.Data) },
		"shrink":    func() { s.ResizeArea(&dst, src, rgb.Rect{X: 3, W: 90, H: 140}, 64, 64) },
		"grow":      func() { s.ResizeArea(&dst, src, rgb.Rect{X: 3, W: 90, H: 140}, 200, 200) },
		"raw": func() {
			s.LoadCrop(&dst, rgb.Encoded{Width: 200, Height: 150, Data: src.Pix}, rgb.Rect{W: 90, H: 140}, 64, 64)
		},
	} {
		if n := testing.AllocsPerRun(20, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func BenchmarkScanJPEG(b *testing.B) {
	e := photo()
	b.SetBytes(int64(len(e.Data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rgb.ScanJPEG(e.Data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeJPEG(b *testing.B) {
	e := photo()
	var s rgb.Scratch
	var dst rgb.Image
	b.ReportAllocs()
	for b.Loop() {
		if err := s.DecodeJPEG(&dst, e.Data); err != nil {
			b.Fatal(err)
		}
	}
}
