package jpeg_test

import (
	"encoding/binary"
	"image"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/betongo/betongo/rgb/internal/jpeg"
)

// shot is a photo with a random crop as torchvision's RandomResizedCrop draws
// it.
type shot struct {
	data []byte
	crop image.Rectangle
}

// shots are the photos of the folder that BETONGO_PHOTOS names, 300 at most, or
// testdata's.
func shots(b *testing.B) []shot {
	b.Helper()
	dir := os.Getenv("BETONGO_PHOTOS")
	if dir == "" {
		dir = "../../../testdata/photos"
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.jpg"))
	if err != nil || len(files) == 0 {
		b.Skip("no photos in " + dir)
	}
	rnd := rand.New(rand.NewPCG(7, 8))
	var d jpeg.Decoder
	var list []shot
	for _, f := range files[:min(len(files), 300)] {
		data, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		h, err := d.Open(data)
		if err != nil {
			continue
		}
		list = append(list, shot{data, randomCrop(rnd, h.Width, h.Height)})
	}
	return list
}

func randomCrop(rnd *rand.Rand, w, h int) image.Rectangle {
	for range 10 {
		area := float64(w*h) * (0.08 + 0.92*rnd.Float64())
		ratio := math.Exp((2*rnd.Float64() - 1) * math.Log(4.0/3))
		cw, ch := int(math.Round(math.Sqrt(area*ratio))), int(math.Round(math.Sqrt(area/ratio)))
		if cw >= 1 && ch >= 1 && cw <= w && ch <= h {
			x, y := rnd.IntN(w-cw+1), rnd.IntN(h-ch+1)
			return image.Rect(x, y, x+cw, y+ch)
		}
	}
	return image.Rect(0, 0, w, h)
}

// perPhoto times f over all shots and reports the milliseconds for one.
func perPhoto(b *testing.B, list []shot, f func(d *jpeg.Decoder, i int) error) {
	b.Helper()
	var d jpeg.Decoder
	for i := range list { // tables into the cache, memory into the decoder
		if err := f(&d, i); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	best := time.Duration(math.MaxInt64)
	for b.Loop() {
		start := time.Now()
		for i := range list {
			if err := f(&d, i); err != nil {
				b.Fatal(err)
			}
		}
		best = min(best, time.Since(start))
	}
	n := float64(len(list))
	b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N)/n, "ms/photo")
	b.ReportMetric(best.Seconds()*1e3/n, "best-ms/photo")
}

func BenchmarkWhole(b *testing.B) {
	list := shots(b)
	var out jpeg.Planes
	perPhoto(b, list, func(d *jpeg.Decoder, i int) error {
		if _, err := d.Open(list[i].data); err != nil {
			return err
		}
		return d.Decode(&out)
	})
}

func BenchmarkRegion(b *testing.B) {
	list := shots(b)
	for name, every := range map[string]int{"marks=none": -1, "marks=auto": 0, "marks=4": 4, "marks=8": 8, "marks=16": 16, "marks=row": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			marks := make([][]byte, len(list))
			size, all := 0, 0
			for i, s := range list {
				if every >= 0 {
					m, err := jpeg.AppendMarks(nil, s.data, every)
					if err != nil {
						b.Fatal(err)
					}
					marks[i] = m
				}
				size, all = size+len(marks[i]), all+len(s.data)
			}
			var out jpeg.Planes
			perPhoto(b, list, func(d *jpeg.Decoder, i int) error {
				if _, err := d.Open(list[i].data); err != nil {
					return err
				}
				return d.Region(list[i].crop, 1, marks[i], &out)
			})
			b.ReportMetric(float64(size)/float64(len(list)), "markbytes/photo")
			b.ReportMetric(100*float64(size)/float64(all), "%ofbytes")
		})
	}
}

func BenchmarkHalf(b *testing.B) {
	list := shots(b)
	var out jpeg.Planes
	perPhoto(b, list, func(d *jpeg.Decoder, i int) error {
		if _, err := d.Open(list[i].data); err != nil {
			return err
		}
		return d.Region(list[i].crop, 2, nil, &out)
	})
}

func BenchmarkAppendMarks(b *testing.B) {
	list := shots(b)
	var marks []byte
	perPhoto(b, list, func(d *jpeg.Decoder, i int) (err error) {
		marks, err = d.AppendMarks(marks[:0], list[i].data, 0)
		return err
	})
}

// BenchmarkOpen reads headers: with tables from the cache, and with tables that
// no other photo has, as optimised files have them.
func BenchmarkOpen(b *testing.B) {
	list := shots(b)
	open := func(d *jpeg.Decoder, i int) error {
		_, err := d.Open(list[i].data)
		return err
	}
	b.Run("tables=cached", func(b *testing.B) { perPhoto(b, list, open) })
	b.Run("tables=own", func(b *testing.B) {
		turn := uint32(0)
		perPhoto(b, list, func(d *jpeg.Decoder, i int) error {
			turn++
			unlike(list[i].data, turn)
			return open(d, i)
		})
	})
}

// unlike gives every Huffman table in a file an odd pair of last symbols, which
// are those of the rarest codes.
func unlike(data []byte, turn uint32) {
	for p := 2; p+4 < len(data) && data[p] == 0xFF && data[p+1] != 0xDA; {
		n := int(binary.BigEndian.Uint16(data[p+2:]))
		if data[p+1] == 0xC4 {
			for s := data[p+4 : p+2+n]; len(s) > 17; {
				codes := 0
				for _, c := range s[1:17] {
					codes += int(c)
				}
				t := s[17 : 17+codes]
				if s[0]>>4 == 1 {
					t[len(t)-1], t[len(t)-2] = byte(turn), byte(turn>>8)
				} else {
					t[len(t)-1], t[len(t)-2], t[len(t)-3] = byte(turn)&15, byte(turn>>4)&15, byte(turn>>8)&15
				}
				s = s[17+codes:]
			}
		}
		p += 2 + n
	}
}
