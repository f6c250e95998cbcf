package rgb_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/rgb"
)

// tiffOf is a TIFF of one byte a pixel with these tags, of longs each; strips
// are at the file's byte 8.
func tiffOf(order binary.AppendByteOrder, strips []byte, tags map[uint16][]uint32) []byte {
	b := []byte("II*\x00")
	if order.String() == "BigEndian" {
		b = []byte("MM\x00*")
	}
	var lists []byte
	at := 8 + len(strips)
	b = order.AppendUint32(b, uint32(at))
	b = append(b, strips...)
	b = order.AppendUint16(b, uint16(len(tags)))
	at += 2 + 12*len(tags)
	names := make([]uint16, 0, len(tags))
	for tag := range tags {
		names = append(names, tag)
	}
	slices.Sort(names)
	for _, tag := range names {
		v := tags[tag]
		b = order.AppendUint16(b, tag)
		b = order.AppendUint16(b, 4)
		b = order.AppendUint32(b, uint32(len(v)))
		if len(v) == 1 {
			b = order.AppendUint32(b, v[0])
			continue
		}
		b = order.AppendUint32(b, uint32(at+len(lists)))
		for _, n := range v {
			lists = order.AppendUint32(lists, n)
		}
	}
	return append(b, lists...)
}

func deflated(t *testing.T, b []byte) []byte {
	t.Helper()
	var z bytes.Buffer
	w, err := zlib.NewWriterLevel(&z, zlib.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return z.Bytes()
}

// TestTIFFBombs: files of some KiB that ask for gigabytes, or for hours, get what
// their pixels take.
func TestTIFFBombs(t *testing.T) {
	pixels := make([]byte, race.Fewer(64, 32)<<20)
	for i := range 256 {
		pixels[i] = byte(i)
	}
	bomb := deflated(t, pixels)
	n := uint32(len(bomb))
	head := func(more map[uint16][]uint32) map[uint16][]uint32 {
		tags := map[uint16][]uint32{256: {16}, 257: {16}, 258: {8}, 259: {8}, 262: {1}, 273: {8}, 277: {1}, 278: {16}, 279: {n}}
		for tag, v := range more {
			if tags[tag] = v; v == nil {
				delete(tags, tag)
			}
		}
		return tags
	}
	many := func(n int, v uint32) []uint32 { return slices.Repeat([]uint32{v}, n) }
	// The tile of a million pixels is let through: 32.1 MiB are taken, all of them
	// by a bytes.Buffer that grows to 16 MiB. It grows by append(nil, make(n)...),
	// of which only builds for the race detector make the make too: there the same
	// growth takes 64.1 MiB.
	most := uint64(36 << 20)
	if race.Enabled {
		most *= 2
	}
	for _, test := range []struct {
		name string
		tags map[uint16][]uint32
		bad  bool
	}{
		{"a strip of all rows", nil, false},
		{"no rows", map[uint16][]uint32{278: nil}, false},
		{"a strip of 2^32-1 rows", map[uint16][]uint32{278: {1<<32 - 1}}, false},
		{"rows in a list", map[uint16][]uint32{278: {1 << 31, 1}}, false},
		{"a tile", map[uint16][]uint32{278: nil, 322: {1024}, 323: {1024}, 324: {8}, 325: {n}}, false},
		{"a large tile", map[uint16][]uint32{278: nil, 322: {65536}, 323: {65536}, 324: {8}, 325: {n}}, true},
		{"a long tile", map[uint16][]uint32{278: nil, 322: {16}, 323: {1 << 30}, 324: {8}, 325: {n}}, true},
		{"a tile in a list", map[uint16][]uint32{278: nil, 322: {1 << 30, 1}, 323: {16}, 324: {8}, 325: {n}}, true},
		{"the same strip for each row", map[uint16][]uint32{278: {1}, 273: many(16, 8), 279: many(16, n)}, true},
		{"counts beyond the file", map[uint16][]uint32{279: {1<<32 - 1}}, true},
	} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			data := tiffOf(order, bomb, head(test.tags))
			kept := bytes.Clone(data)
			var img rgb.Image
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := rgb.Decode(&img, data)
			runtime.ReadMemStats(&after)
			var invalid *rgb.InvalidError
			var not *rgb.UnsupportedError
			switch {
			case test.bad && !errors.As(err, &invalid) && !errors.As(err, &not):
				t.Errorf("%s: %v", test.name, err)
			case !test.bad && (err != nil || img.Width != 16 || img.Height != 16 || !strings.Contains(test.name, "tile") && img.Pix[3*200] != 200):
				t.Errorf("%s: %v, %dx%d", test.name, err, img.Width, img.Height)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > most {
				t.Errorf("%s: %d MiB for a picture of 16x16", test.name, grown>>20)
			}
			if !bytes.Equal(data, kept) {
				t.Errorf("%s: the file's bytes were changed", test.name)
			}
		}
	}
}

// TestTIFFReader leaves what is ordinary as it is.
func TestTIFFReader(t *testing.T) {
	for _, p := range pictures(t) {
		if p.Format != "tiff" {
			continue
		}
		r, err := rgb.TIFFReader(p.data)
		if err != nil {
			t.Errorf("%s: %v", p.File, err)
			continue
		}
		if b, err := io.ReadAll(r); err != nil || len(b) != len(p.data) {
			t.Errorf("%s: %d bytes of %d, %v", p.File, len(b), len(p.data), err)
		}
	}
	if r, err := rgb.TIFFReader([]byte("none")); err != nil || r == nil {
		t.Error(err)
	}
}
