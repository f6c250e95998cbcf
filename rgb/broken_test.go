package rgb_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/betongo/betongo/rgb"
)

// vector gives one JPEG and its pixels, which TestDecodeJPEGAsPillow holds to
// Pillow's.
func vector(tb testing.TB, name string) ([]byte, rgb.Image) {
	tb.Helper()
	for _, v := range jpegVectors(tb) {
		if v.Name == name {
			var m rgb.Image
			if err := rgb.DecodeJPEG(&m, v.data); err != nil {
				tb.Fatal(name, err)
			}
			return v.data, m
		}
	}
	tb.Fatalf("no vector %q", name)
	return nil, rgb.Image{}
}

// cut copies a region of a picture.
func cut(m *rgb.Image, r rgb.Rect) []byte {
	var out []byte
	for y := r.Y; y < r.Y+r.H; y++ {
		out = append(out, m.Pix[3*(y*m.Width+r.X):][:3*r.W]...)
	}
	return out
}

// edges are crops of a picture that lie along its sides and in its corners.
func edges(w, h int) (list []rgb.Rect) {
	for _, n := range []int{1, 2, 3, 8, 17} {
		a, b := min(n, w), min(n, h)
		list = append(list, rgb.Rect{W: a, H: h}, rgb.Rect{X: w - a, W: a, H: h}, rgb.Rect{W: w, H: b}, rgb.Rect{Y: h - b, W: w, H: b},
			rgb.Rect{W: a, H: b}, rgb.Rect{X: w - a, W: a, H: b}, rgb.Rect{Y: h - b, W: a, H: b}, rgb.Rect{X: w - a, Y: h - b, W: a, H: b},
			rgb.Rect{X: (w - a) / 2, Y: (h - b) / 2, W: a, H: b})
	}
	return list
}

// TestCropsAtEveryEdge renders crops at their own size: libjpeg's pixels the
// exact way, and nearly so the fast one, whose chroma is upsampled with more bits.
func TestCropsAtEveryEdge(t *testing.T) {
	const most = 1
	var s rgb.Scratch
	worst := 0
	for _, v := range jpegVectors(t) {
		if v.Width*v.Height > 1<<16 && !strings.Contains(v.Name, "65500") {
			continue
		}
		var whole rgb.Image
		if err := rgb.DecodeJPEG(&whole, v.data); err != nil {
			t.Fatal(v.Name, err)
		}
		marks, err := rgb.AppendMarks(nil, v.data)
		if err != nil {
			t.Fatal(v.Name, err)
		}
		e := rgb.Encoded{JPEG: true, Width: v.Width, Height: v.Height, Data: v.data}
		for i, crop := range edges(v.Width, v.Height) {
			target := rgb.Target{Width: crop.W, Height: crop.H}
			want, got, marked := cut(&whole, crop), make([]byte, target.Bytes()), make([]byte, target.Bytes())
			e.Marks = nil
			if err := s.Render(got, e, crop, false, &target); err != nil {
				t.Fatal(v.Name, crop, err)
			}
			e.Marks = marks
			if err := s.Render(marked, e, crop, false, &target); err != nil || !bytes.Equal(got, marked) {
				t.Fatalf("%s, %v: %v, or other pixels with marks", v.Name, crop, err)
			}
			for k := range got {
				if d := int(got[k]) - int(want[k]); max(d, -d) > most {
					t.Fatalf("%s, %v: pixel %d, channel %d is %d, libjpeg's %d", v.Name, crop, k/3, k%3, got[k], want[k])
				} else {
					worst = max(worst, d, -d)
				}
			}
			if target.Exact = true; i%9 < 8 && v.Width*v.Height > 1<<16 {
				continue
			}
			if err := s.Render(got, e, crop, false, &target); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s, %v, exact: %v, or other pixels than libjpeg's", v.Name, crop, err)
			}
		}
	}
	t.Logf("at most %d levels", worst)
}

// inserted puts bytes behind SOI.
func inserted(data []byte, more ...byte) []byte {
	return append(append(bytes.Clone(data[:2]), more...), data[2:]...)
}

// segment is a marker with its payload.
func segment(marker byte, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xFF, marker}, uint16(2+len(payload))), payload...)
}

// TestSegmentsOfAnySize: what lies in metadata, and how much of it, changes no
// pixel and makes no error.
func TestSegmentsOfAnySize(t *testing.T) {
	data, whole := vector(t, "17x33-221111")
	exif := "Exif\x00\x00"
	var list [][]byte
	for _, n := range []int{0, 1, 5, 6, 7, 13, 14, 15, 1000, 65533} {
		for _, head := range []string{"", exif, exif + "II*\x00\x08\x00\x00\x00", exif + "MM\x00*\x00\x00\x00\x08\xFF\xFF", exif + "II*\x00\xFF\xFF\xFF\xFF", exif + "MM\x00*\x7F\xFF\xFF\xFF"} {
			for _, fill := range []byte{0, 0xFF, 0x12} {
				p := append([]byte(head), bytes.Repeat([]byte{fill}, n)...)
				list = append(list, inserted(data, segment(0xE1, p[:n])...))
			}
		}
	}
	var many []byte // two megabytes, as a colour profile or a second photo in APP2 may be
	for i := range 32 {
		many = append(many, segment(byte(0xE1+i%2), append([]byte(exif), make([]byte, 65527)...))...)
	}
	list = append(list, inserted(data, many...))
	var s rgb.Scratch
	crop := rgb.Rect{X: 3, Y: 5, W: 14, H: 28}
	e := rgb.Encoded{JPEG: true, Width: whole.Width, Height: whole.Height, Data: data}
	fast := rgb.Target{Width: 9, Height: 9}
	want, got := make([]byte, fast.Bytes()), make([]byte, fast.Bytes())
	if err := s.Render(want, e, crop, false, &fast); err != nil {
		t.Fatal(err)
	}
	var dst rgb.Image
	for i, data := range list {
		if err := s.DecodeJPEG(&dst, data); err != nil || !bytes.Equal(dst.Pix, whole.Pix) {
			t.Fatalf("case %d: %v, or other pixels", i, err)
		}
		marks, err := rgb.AppendMarks(nil, data)
		if err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		for _, m := range [][]byte{nil, marks} {
			e.Data, e.Marks = data, m
			if err := s.Render(got, e, crop, false, &fast); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("case %d, %d bytes of marks: %v, or other pixels", i, len(m), err)
			}
		}
		if info, err := rgb.ScanJPEG(data); err != nil || info.Orientation < 0 || info.Orientation > 8 {
			t.Fatalf("case %d: %+v, %v", i, info, err)
		}
	}
}

// TestBrokenStreams gives each way of decoding what is broken: the sound file's
// pixels, or an error of this package's kinds.
func TestBrokenStreams(t *testing.T) {
	replace := func(old, new string) func([]byte) []byte {
		return func(d []byte) []byte {
			if bytes.Count(d, []byte(old)) != 1 {
				t.Fatalf("% x is not there once", old)
			}
			return bytes.Replace(d, []byte(old), []byte(new), 1)
		}
	}
	const base = "71x49-221111"
	for _, c := range []struct {
		name, of    string
		edit        func([]byte) []byte
		exact, fast string // what comes: "same" pixels, an "error", or "" either
	}{
		{"sound", base, bytes.Clone, "same", "same"},
		{"no EOI", base, func(d []byte) []byte { return d[:len(d)-2] }, "error", "same"},
		{"half an EOI", base, func(d []byte) []byte { return d[:len(d)-1] }, "error", "same"},
		{"no EOI, garbage", base, func(d []byte) []byte { return append(d[:len(d)-2], "garbage"...) }, "error", "same"},
		{"no EOI, restarts", "restart-7", func(d []byte) []byte { return d[:len(d)-2] }, "error", "same"},
		{"no EOI, scans", "scans", func(d []byte) []byte { return d[:len(d)-2] }, "error", "same"},
		{"half", base, func(d []byte) []byte { return d[:len(d)*2/3] }, "error", "error"},
		{"half with EOI", base, func(d []byte) []byte { return append(d[:len(d)*2/3], 0xFF, 0xD9) }, "error", "error"},
		{"a scan is missing", "scans", func(d []byte) []byte { return append(d[:bytes.LastIndex(d, []byte{0xFF, 0xDA})], 0xFF, 0xD9) }, "error", "error"},
		{"a restart is missing", "restart-7", replace("\xFF\xD3", ""), "error", "error"},
		{"restarts out of turn", "restart-7", replace("\xFF\xD3", "\xFF\xD5"), "error", "error"},
		{"restarts without an interval", "restart-7", replace("\xFF\xDD\x00\x04\x00\x07", ""), "error", "error"},
		{"an interval without restarts", base, func(d []byte) []byte { return inserted(d, 0xFF, 0xDD, 0, 4, 0, 5) }, "error", "error"},
		{"an interval of 0 where restarts are", "restart-7", replace("\xFF\xDD\x00\x04\x00\x07", "\xFF\xDD\x00\x04\x00\x00"), "error", "error"},
		{"a restart in the middle", base, func(d []byte) []byte {
			n := len(d) - 200
			return append(append(bytes.Clone(d[:n]), 0xFF, 0xD0), d[n:]...)
		}, "error", ""},
		{"height by DNL", base, func(d []byte) []byte {
			d = replace("\x08\x00\x31\x00\x47\x03", "\x08\x00\x00\x00\x47\x03")(d)
			return append(d[:len(d)-2], "\xFF\xDC\x00\x04\x00\x31\xFF\xD9"...)
		}, "error", "error"},
		{"DNL tells another height", base, func(d []byte) []byte { return append(d[:len(d)-2], "\xFF\xDC\x00\x04\x00\x10\xFF\xD9"...) }, "same", "same"},
		{"half a DNL", base, func(d []byte) []byte { return append(d[:len(d)-2], "\xFF\xDC\x00\x04\xFF\xD9"...) }, "error", "same"},
		{"a second scan of all", base, func(d []byte) []byte {
			return append(d[:len(d)-2], append(d[bytes.Index(d, []byte{0xFF, 0xDA}):len(d)-2:len(d)-2], 0xFF, 0xD9)...)
		}, "same", "same"},
	} {
		data, whole := vector(t, c.of)
		var s rgb.Scratch
		e := rgb.Encoded{JPEG: true, Width: whole.Width, Height: whole.Height, Data: data}
		marks, err := rgb.AppendMarks(nil, data)
		if err != nil {
			t.Fatal(err)
		}
		crop := rgb.Rect{X: 5, Y: 2, W: whole.Width - 9, H: whole.Height - 2}
		broken := c.edit(bytes.Clone(data))
		for _, target := range []rgb.Target{{Width: 20, Height: 21, Exact: true}, {Width: 20, Height: 21}, {Width: 7, Height: 6}} {
			want, got := make([]byte, target.Bytes()), make([]byte, target.Bytes())
			e.Data, e.Marks = data, nil
			if err := s.Render(want, e, crop, false, &target); err != nil {
				t.Fatal(err)
			}
			expect := c.fast
			if target.Exact {
				expect = c.exact
			}
			e.Data = broken
			for _, m := range [][]byte{nil, marks} {
				e.Marks = m
				err := s.Render(got, e, crop, false, &target)
				kind(t, err)
				same := err == nil && bytes.Equal(got, want)
				if expect == "same" && !same || expect == "error" && err == nil {
					t.Errorf("%s, exact %v, %d bytes of marks: %v, same pixels %v, want %s", c.name, target.Exact, len(m), err, same, expect)
				}
			}
		}
	}
}

// TestFlippedBits turns bits anywhere in files: every way of decoding ends, and
// without an error all give a picture.
func TestFlippedBits(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	var s rgb.Scratch
	var dst rgb.Image
	for _, v := range jpegVectors(t) {
		if v.Width*v.Height > 1<<15 {
			continue
		}
		marks, err := rgb.AppendMarks(nil, v.data)
		if err != nil {
			t.Fatal(err)
		}
		for range 12 {
			data := bytes.Clone(v.data)
			for range 1 + rnd.IntN(3) {
				data[rnd.IntN(len(data))] ^= 1 << rnd.IntN(8)
			}
			info, err := rgb.ScanJPEG(data)
			if kind(t, err); err == nil && info.Width*info.Height < 1<<20 {
				kind(t, s.DecodeJPEG(&dst, data))
			}
			e := rgb.Encoded{JPEG: true, Width: v.Width, Height: v.Height, Data: data}
			target := rgb.Target{Width: 1 + rnd.IntN(30), Height: 1 + rnd.IntN(30)}
			for _, target.Exact = range []bool{false, true} {
				for _, e.Marks = range [][]byte{nil, marks} {
					kind(t, s.Render(make([]byte, target.Bytes()), e, randomResized(rnd, v.Width, v.Height), false, &target))
				}
			}
		}
	}
}

// TestHeadersAlone: small files that call themselves large take no memory to
// speak of, and scans without number no time.
func TestHeadersAlone(t *testing.T) {
	data, _ := vector(t, "71x49-221111")
	at := bytes.Index(data, []byte{0xFF, 0xC0})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var s rgb.Scratch
	for _, size := range [][2]int{{65535, 65535}, {65500, 65500}, {65500, 4000}, {65535, 49}, {71, 65535}} {
		for sof := 0xC0; sof <= 0xC2; sof++ {
			broken := bytes.Clone(data)
			broken[at+1] = byte(sof)
			binary.BigEndian.PutUint16(broken[at+5:], uint16(size[1]))
			binary.BigEndian.PutUint16(broken[at+7:], uint16(size[0]))
			e := rgb.Encoded{JPEG: true, Width: size[0], Height: size[1], Data: broken}
			crop := rgb.Rect{X: size[0] - 40, Y: size[1] - 30, W: 40, H: 30}
			for _, exact := range []bool{false, true} {
				target := rgb.Target{Width: 10, Height: 10, Exact: exact, OnDamage: func(error) {}}
				err := s.Render(make([]byte, target.Bytes()), e, crop, false, &target)
				if kind(t, err); err == nil {
					t.Errorf("%v in %d bytes: no error", size, len(data))
				}
			}
		}
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 4 {
		t.Errorf("%d MB allocated", n)
	}
	const frame = "\xFF\xC2\x00\x0B\x08\x00\x10\x00\x10\x01\x01\x11\x00" // 16x16, progressive
	const dc, ac = "\xFF\xDA\x00\x08\x01\x01\x00\x00\x00\x00\x00", "\xFF\xDA\x00\x08\x01\x01\x00\x01\x3F\x00\x00"
	for scans, good := range map[int]bool{200: true, 255: true, 256: false, 100000: false} {
		_, err := rgb.ScanJPEG([]byte("\xFF\xD8" + frame + dc + strings.Repeat(ac, scans) + "\xFF\xD9"))
		var not *rgb.UnsupportedError
		if good && err != nil || !good && !errors.As(err, &not) {
			t.Errorf("%d scans: %v", scans+1, err)
		}
	}
}
