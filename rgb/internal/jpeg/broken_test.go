package jpeg_test

import (
	"bytes"
	"errors"
	"image"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/rgb/internal/jpeg"
)

// byName gives one vector.
func byName(tb testing.TB, name string) []byte {
	tb.Helper()
	for _, v := range vectors(tb) {
		if v.Name == name {
			return v.data
		}
	}
	tb.Fatalf("no vector %q", name)
	return nil
}

// entropyEnd is where the coded data of a file end.
func entropyEnd(data []byte) int { return bytes.LastIndex(data, []byte{0xFF, 0xD9}) }

// TestCutShort cuts files off: all is decoded or there is an error. The last
// byte may hold nothing but padding.
func TestCutShort(t *testing.T) {
	each(t, func(t *testing.T, d *jpeg.Decoder) {
		for _, name := range []string{"71x49-221111", "71x49-gray", "17x33-111111", "restart-3", "scans", "q1"} {
			data := byName(t, name)
			end := entropyEnd(data)
			var whole, out jpeg.Planes
			if _, err := d.Open(data); err != nil || d.Decode(&whole) != nil {
				t.Fatal(name, err)
			}
			for n := 0; n < len(data); n += race.Step(11) {
				h, err := d.Open(data[:n:n])
				kind(t, data[:n], err)
				if err == nil {
					err = d.Decode(&out)
					kind(t, data[:n], err)
				}
				if err == nil && n < end {
					t.Fatalf("%s: %d of %d bytes are enough", name, n, len(data))
				}
				if n < end {
					marks, err := jpeg.AppendMarks(nil, data[:n], 4)
					if kind(t, data, err); err == nil && marks != nil {
						t.Fatalf("%s: %d of %d bytes have marks", name, n, len(data))
					}
				}
				if n >= end && (err != nil || sum(&out) != sum(&whole)) {
					t.Fatalf("%s of %dx%d without EOI: %v, or other samples", name, h.Width, h.Height, err)
				}
			}
		}
	})
}

// TestRegionNeedsItsPart cuts the data behind a region's last row: no error.
func TestRegionNeedsItsPart(t *testing.T) {
	data := byName(t, "optimised")
	var d jpeg.Decoder
	var whole, some jpeg.Planes
	h, err := d.Open(data)
	if err != nil || d.Decode(&whole) != nil {
		t.Fatal(err)
	}
	cut := data[:len(data)*3/4]
	if _, err := d.Open(cut); err != nil {
		t.Fatal(err)
	}
	if err := d.Region(image.Rect(10, 10, 90, 40), 1, nil, &some); err != nil {
		t.Fatal(err)
	}
	part(t, "cut", h, &some, &whole)
	if err := d.Region(image.Rect(10, 10, 90, 200), 1, nil, &some); err == nil {
		t.Error("rows that are not there: no error")
	}
}

func TestRefuses(t *testing.T) {
	const (
		soi   = "\xFF\xD8"
		eoi   = "\xFF\xD9"
		dqt   = "\xFF\xDB\x00\x43\x00"
		sof   = "\xFF\xC0\x00\x0B\x08\x00\x08\x00\x08\x01\x01\x11\x00"
		sos   = "\xFF\xDA\x00\x08\x01\x01\x00\x00\x3F\x00"
		one   = "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" // counts: one code, 0
		dc    = "\xFF\xC4\x00\x14\x00" + one
		ac    = "\xFF\xC4\x00\x14\x10" + one
		codes = dc + "\x00" + ac + "\x00"
	)
	q := dqt + string(bytes.Repeat([]byte{1}, 64))
	good := soi + q + codes + sof + sos + "\x3F" + eoi
	var d jpeg.Decoder
	var out jpeg.Planes
	decode := func(data string) error {
		if _, err := d.Open([]byte(data)); err != nil {
			return err
		}
		return d.Decode(&out)
	}
	if err := decode(good); err != nil || out.Pix[0][63] != 128 {
		t.Fatalf("the smallest sound stream: %v, sample %d", err, out.Pix[0][63])
	}
	for name, data := range map[string]string{
		"empty": "", "not a JPEG": "\x89PNG", "SOI only": soi, "no scan": soi + q + codes + sof + eoi,
		"no frame":                soi + q + codes + sos + "\x3F" + eoi,
		"no quantisers":           soi + codes + sof + sos + "\x3F" + eoi,
		"no tables":               soi + q + sof + sos + "\x3F" + eoi,
		"no AC table":             soi + q + dc + "\x00" + sof + sos + "\x3F" + eoi,
		"no such code":            soi + q + codes + sof + sos + "\xFF\x00" + eoi,
		"no such AC code":         soi + q + codes + sof + sos + "\x7F" + eoi,
		"run past the block":      soi + q + dc + "\x00" + ac + "\xF1" + sof + sos + "\x15\x55\x55\x55" + eoi,
		"zeros past the block":    soi + q + dc + "\x00" + ac + "\xF0" + sof + sos + "\x00\x00\x00\x00" + eoi,
		"DC of 16 bits":           soi + q + dc + "\x10" + ac + "\x00" + sof + sos + "\x00\x00\x00\x00" + eoi,
		"no coded data":           soi + q + codes + sof + sos + eoi,
		"65535x65535 in one byte": soi + q + codes + "\xFF\xC0\x00\x0B\x08\xFF\xFF\xFF\xFF\x01\x01\x11\x00" + sos + "\x3F" + eoi,
		"width 0":                 soi + q + codes + "\xFF\xC0\x00\x0B\x08\x00\x08\x00\x00\x01\x01\x11\x00" + sos + "\x3F" + eoi,
		"sampling 0":              soi + q + codes + "\xFF\xC0\x00\x0B\x08\x00\x08\x00\x08\x01\x01\x01\x00" + sos + "\x3F" + eoi,
		"second frame":            soi + q + codes + sof + sof + sos + "\x3F" + eoi,
		"second SOI":              soi + soi + q + codes + sof + sos + "\x3F" + eoi,
		"too many codes":          soi + q + "\xFF\xC4\x00\x16\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + sof + sos + "\x3F" + eoi,
		"table slot 4":            soi + q + "\xFF\xC4\x00\x14\x04" + one + "\x00" + sof + sos + "\x3F" + eoi,
		"quantiser slot 4":        soi + "\xFF\xDB\x00\x43\x04" + string(make([]byte, 64)) + codes + sof + sos + "\x3F" + eoi,
		"quantisers too short":    soi + "\xFF\xDB\x00\x42\x00" + string(make([]byte, 63)) + codes + sof + sos + "\x3F" + eoi,
		"restart interval short":  soi + q + codes + sof + "\xFF\xDD\x00\x03\x00" + sos + "\x3F" + eoi,
		"restart missing":         soi + q + codes + "\xFF\xDD\x00\x04\x00\x01" + "\xFF\xC0\x00\x0B\x08\x00\x08\x00\x10\x01\x01\x11\x00" + sos + "\x3F" + eoi,
		"restart out of turn":     soi + q + codes + "\xFF\xDD\x00\x04\x00\x01" + "\xFF\xC0\x00\x0B\x08\x00\x08\x00\x10\x01\x01\x11\x00" + sos + "\x3F\xFF\xD1\x3F" + eoi,
		"restart unasked":         soi + q + codes + "\xFF\xC0\x00\x0B\x08\x00\x08\x00\x28\x01\x01\x11\x00" + sos + "\x00\xFF\xD0\x00" + eoi,
		"unknown component":       soi + q + codes + sof + "\xFF\xDA\x00\x08\x01\x02\x00\x00\x3F\x00\x3F" + eoi,
		"segment past the end":    soi + "\xFF\xE1\x40\x00" + q + codes + sof + sos + "\x3F" + eoi,
	} {
		var bad *jpeg.Error
		if err := decode(data); !errors.As(err, &bad) {
			t.Errorf("%s: got %v, want a *jpeg.Error", name, err)
		} else if bad.Offset > len(data) {
			t.Errorf("%s: %v, the data have %d bytes", name, err, len(data))
		}
	}
	for name, data := range map[string]string{
		"progressive":      "\xFF\xC2\x00\x0B\x08\x00\x08\x00\x08\x01\x01\x11\x00",
		"lossless":         "\xFF\xC3\x00\x0B\x08\x00\x08\x00\x08\x01\x01\x11\x00",
		"hierarchical":     "\xFF\xC5\x00\x0B\x08\x00\x08\x00\x08\x01\x01\x11\x00",
		"arithmetic":       "\xFF\xC9\x00\x0B\x08\x00\x08\x00\x08\x01\x01\x11\x00",
		"12 bits":          "\xFF\xC1\x00\x0B\x0C\x00\x08\x00\x08\x01\x01\x11\x00",
		"DNL":              "\xFF\xC0\x00\x0B\x08\x00\x00\x00\x08\x01\x01\x11\x00",
		"two components":   "\xFF\xC0\x00\x0E\x08\x00\x08\x00\x08\x02\x01\x11\x00\x02\x11\x00",
		"four components":  "\xFF\xC0\x00\x14\x08\x00\x08\x00\x08\x04\x01\x11\x00\x02\x11\x00\x03\x11\x00\x04\x11\x00",
		"sampling 3 and 2": "\xFF\xC0\x00\x11\x08\x00\x08\x00\x08\x03\x01\x31\x00\x02\x21\x00\x03\x11\x00",
	} {
		if err := decode(soi + q + codes + data + sos + "\x3F" + eoi); !errors.Is(err, jpeg.ErrUnsupported) {
			t.Errorf("%s: got %v, want ErrUnsupported", name, err)
		}
	}
}

// TestFlippedBytes changes bytes of the coded data: an error or a picture, the
// same one from both loops.
func TestFlippedBytes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	var d, plain jpeg.Decoder
	plain.SetPlain(true)
	var a, b jpeg.Planes
	caught, tried := 0, 0
	for _, v := range vectors(t) {
		for range 20 {
			bad := bytes.Clone(v.data)
			for range 1 + rnd.IntN(4) {
				bad[rnd.IntN(len(bad))] ^= byte(1 + rnd.IntN(255))
			}
			h, err := d.Open(bad)
			if kind(t, bad, err); err != nil || h.Width*h.Height > maxFuzzPixels {
				continue
			}
			if _, err := plain.Open(bad); err != nil {
				t.Fatal(err)
			}
			err, again := d.Decode(&a), plain.Decode(&b)
			kind(t, bad, err)
			if (err == nil) != (again == nil) || err == nil && sum(&a) != sum(&b) || err != nil && err.Error() != again.Error() {
				t.Fatalf("%s: assembly says %v, Go %v", v.Name, err, again)
			}
			if tried++; err != nil {
				caught++
			}
		}
	}
	t.Logf("%d of %d noticed", caught, tried)
}

// TestSharedTables decodes in many goroutines with tables that compete for
// places in the cache.
func TestSharedTables(t *testing.T) {
	list := vectors(t)
	var wait sync.WaitGroup
	for range 4 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			var d jpeg.Decoder
			var out jpeg.Planes
			for _, v := range list {
				if _, err := d.Open(v.data); err != nil {
					continue
				}
				if err := d.Decode(&out); err != nil || v.Planes["1"] != sum(&out) {
					t.Errorf("%s: %v, or other samples", v.Name, err)
				}
			}
		}()
	}
	wait.Wait()
}

// TestCheckMarks holds marks of every spacing, of other pictures and with any
// bit turned to a picture.
func TestCheckMarks(t *testing.T) {
	data, gray := byName(t, "optimised"), byName(t, "71x49-gray")
	for _, every := range []int{0, 1, 2, 3, 7, 1000} {
		for _, v := range vectors(t) {
			marks, err := jpeg.AppendMarks(nil, v.data, every)
			if err != nil {
				continue
			}
			if err := jpeg.CheckMarks(v.data, marks); (err == nil) != (len(marks) > 0) {
				t.Errorf("%s every %d, %d bytes of marks: %v", v.Name, every, len(marks), err)
			}
			if len(marks) > 0 && v.Name != "optimised" && jpeg.CheckMarks(data, marks) == nil {
				t.Errorf("the marks of %s are good for another picture", v.Name)
			}
		}
	}
	for _, c := range []struct {
		data  []byte
		every int
	}{{data, 0}, {data, 5}, {gray, 1}, {gray, 4}} {
		marks, err := jpeg.AppendMarks(nil, c.data, c.every)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 8 * len(marks) {
			marks[i/8] ^= 1 << (i % 8)
			if jpeg.CheckMarks(c.data, marks) == nil {
				t.Errorf("every %d: bit %d of %d bytes turned: no error", c.every, i, len(marks))
			}
			marks[i/8] ^= 1 << (i % 8)
		}
		for i := range marks {
			if jpeg.CheckMarks(c.data, marks[:i]) == nil {
				t.Errorf("every %d: %d of %d bytes: no error", c.every, i, len(marks))
			}
		}
		if jpeg.CheckMarks(c.data, append(marks, 0)) == nil {
			t.Errorf("every %d: a byte too many: no error", c.every)
		}
	}
	marks, _ := jpeg.AppendMarks(nil, data, 0)
	for name, other := range map[string][]byte{"cut": data[:len(data)/2], "restart": byName(t, "restart-3"), "scans": byName(t, "scans"), "nothing": nil} {
		if err := jpeg.CheckMarks(other, marks); err == nil {
			t.Errorf("%s: no error", name)
		} else if bad := (*jpeg.Error)(nil); errors.As(err, &bad) != (name == "cut" || name == "nothing") {
			t.Errorf("%s: %v of type %T", name, err, err)
		}
	}
}

// TestDecodedPart cuts files: the rows of MCUs before the end are as they were,
// gray follows.
func TestDecodedPart(t *testing.T) {
	each(t, func(t *testing.T, d *jpeg.Decoder) {
		for _, name := range []string{"optimised", "71x49-221111", "17x33-111111", "71x49-gray", "restart-7", "scans", "rgb-420"} {
			data := byName(t, name)
			var whole, some jpeg.Planes
			h, err := d.Open(data)
			if err != nil || d.Decode(&whole) != nil {
				t.Fatal(name, err)
			}
			before := 0 // rows that are there
			for n := 0; n < entropyEnd(data); n += 1 + len(data)/200 {
				if _, err := d.Open(data[:n]); err != nil {
					continue
				}
				if err := d.Decode(&some); err == nil || some.Rect != whole.Rect {
					t.Fatalf("%s, %d bytes: %v, %v", name, n, some.Rect, err)
				}
				rows := 0
				for c := range h.Components {
					gray := false
					for y := range some.H[c] {
						a, b := some.Pix[c][y*some.Stride[c]:][:some.W[c]], whole.Pix[c][y*whole.Stride[c]:][:some.W[c]]
						if !gray && bytes.Equal(a, b) {
							rows++
							continue
						}
						if gray = true; bytes.Count(a, []byte{128}) != len(a) {
							t.Fatalf("%s, %d bytes: row %d of component %d is neither the picture's nor gray", name, n, y, c)
						}
					}
				}
				if rows < before {
					t.Fatalf("%s: %d bytes give %d rows, fewer gave %d", name, n, rows, before)
				}
				before = rows
			}
			if least := whole.H[0] / 2; before < least {
				t.Errorf("%s: %d rows at the end, want %d", name, before, least)
			}
		}
	})
}

func TestNothingAllocated(t *testing.T) {
	var d jpeg.Decoder
	var out jpeg.Planes
	var marks []byte
	for _, name := range []string{"optimised", "restart-7", "scans"} {
		data := byName(t, name)
		if n := testing.AllocsPerRun(20, func() {
			d.Open(data)
			d.Decode(&out)
			marks, _ = d.AppendMarks(marks[:0], data, 0)
			d.Region(image.Rect(20, 20, 90, 60), 2, marks, &out)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestLargeSides decodes pictures as long as they can be, and holds what a
// header alone can make the decoder allocate.
func TestLargeSides(t *testing.T) {
	const (
		soi   = "\xFF\xD8"
		one   = "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
		codes = "\xFF\xC4\x00\x14\x00" + one + "\x00" + "\xFF\xC4\x00\x14\x10" + one + "\x00"
		sos   = "\xFF\xDA\x00\x08\x01\x01\x00\x00\x3F\x00"
	)
	head := soi + "\xFF\xDB\x00\x43\x00" + string(bytes.Repeat([]byte{1}, 64)) + codes
	var d jpeg.Decoder
	var out jpeg.Planes
	for _, size := range []string{"\xFF\xDC\x00\x01", "\x00\x01\xFF\xDC", "\xFF\xDC\x00\x10", "\x00\x10\xFF\xDC"} { // 65500
		frame := "\xFF\xC0\x00\x0B\x08" + size + "\x01\x01\x11\x00"
		data := []byte(head + frame + sos + string(make([]byte, 8192)) + "\xFF\xD9")
		h, err := d.Open(data)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Decode(&out); err != nil || out.W[0] != h.Width || out.H[0] != h.Height {
			t.Errorf("%dx%d: %v", h.Width, h.Height, err)
		}
		marks, err := jpeg.AppendMarks(nil, data, 0)
		if err != nil {
			t.Fatal(err)
		}
		r := image.Rect(h.Width-1, h.Height-1, h.Width, h.Height)
		if err := d.Region(r, 1, marks, &out); err != nil || !r.In(out.Rect) {
			t.Errorf("%dx%d, last pixel: %v", h.Width, h.Height, err)
		}
	}
	huge := []byte(head + "\xFF\xC0\x00\x0B\x08\xFF\xDC\xFF\xDC\x01\x01\x11\x00" + sos + string(make([]byte, 1<<20)) + "\xFF\xD9")
	if _, err := d.Open(huge); err == nil {
		t.Error("65500x65500 in a megabyte: no error")
	}
}
