// Raster measures how small and how quick the lossless image field is, beside
// PNG: on masks and depth maps made of photographs, and on the photographs.
//
//	go run ./benchmarks/raster PHOTOS
//
// Masks are smoothed photographs cut into 20 classes by brightness and colour;
// depth maps are a floor that runs away, with each class a slanted thing upon it.
package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

// photos is how many photographs are taken, evenly from those in the folder.
const photos = 40

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "raster: usage: raster PHOTOS")
		os.Exit(2)
	}
	if err := measure(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "raster: error:", err)
		os.Exit(1)
	}
}

func measure(dir string) error {
	list, err := load(dir)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "what\tshare of plain\tPNG's\tdecode MB/s\tPNG's\tencode MB/s\tPNG's\tplain, lz4, left, up")
	for _, k := range kinds {
		var s sums
		for _, p := range list {
			if err := s.add(k.make(p)); err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
		}
		mb := s.plain / 1e6
		fmt.Fprintf(t, "%s\t%.3f\t%.3f\t%.0f\t%.0f\t%.0f\t%.0f\t%v\n", k.name, s.stored/s.plain, s.png/s.plain,
			mb/s.decode, mb/s.decodePNG, mb/s.encode, mb/s.encodePNG, s.codings)
	}
	return t.Flush()
}

// load decodes photographs of the folder's folders.
func load(dir string) ([]rgb.Image, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*", "*.jpg"))
	if err != nil || len(names) < photos {
		return nil, fmt.Errorf("%s: %d files */*.jpg, want %d (%v)", dir, len(names), photos, err)
	}
	list := make([]rgb.Image, photos)
	for i := range list {
		name := names[i*len(names)/photos]
		b, err := os.ReadFile(name)
		if err == nil {
			err = rgb.Decode(&list[i], b)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return list, nil
}

// sums are bytes and seconds of many values.
type sums struct {
	plain, stored, png                   float64
	encode, decode, encodePNG, decodePNG float64
	codings                              [4]int
}

func (s *sums) add(r rgb.Raster) error {
	f := fields.Image{Channels: r.Channels, DType: array.Uint8}
	if r.Depth == 2 {
		f.DType = array.Uint16
	}
	meta := make([]byte, f.Layout().Size)
	var data []byte
	at := fields.At{Alloc: func(n int) (uint64, []byte, error) { data = make([]byte, n); return 0, data, nil }}
	var back rgb.Raster
	var file bytes.Buffer
	picture := pictureOf(r)
	for _, step := range []struct {
		times int
		sum   *float64
		do    func() error
	}{
		{2, &s.encode, func() error { return f.Encode(meta, r, at) }},
		{12, &s.decode, func() error { return f.DecodeRaster(&back, meta, [][]byte{data}) }},
		{1, &s.encodePNG, func() error { return png.Encode(&file, picture) }},
		{2, &s.decodePNG, func() error { _, err := png.Decode(bytes.NewReader(file.Bytes())); return err }},
	} {
		best := time.Hour
		for range step.times {
			start := time.Now()
			if err := step.do(); err != nil {
				return err
			}
			best = min(best, time.Since(start))
		}
		*step.sum += best.Seconds()
	}
	if !bytes.Equal(back.Pix, r.Pix) {
		return fmt.Errorf("%dx%d: other pixels", r.Width, r.Height)
	}
	s.plain += float64(len(r.Pix))
	s.stored += float64(len(data))
	s.png += float64(file.Len())
	const codingAt = 20
	s.codings[meta[codingAt]]++
	return nil
}

// pictureOf is a raster as the PNG encoder takes it.
func pictureOf(r rgb.Raster) image.Image {
	at := image.Rect(0, 0, r.Width, r.Height)
	switch {
	case r.Channels == 1 && r.Depth == 1:
		return &image.Gray{Pix: r.Pix, Stride: r.Width, Rect: at}
	case r.Channels == 1:
		m := image.NewGray16(at)
		for i := 0; i < len(r.Pix); i += 2 {
			m.Pix[i], m.Pix[i+1] = r.Pix[i+1], r.Pix[i]
		}
		return m
	case r.Channels == 4:
		return &image.NRGBA{Pix: r.Pix, Stride: 4 * r.Width, Rect: at}
	}
	m := image.NewNRGBA(at)
	for i := range r.Width * r.Height {
		copy(m.Pix[4*i:], r.Pix[3*i:3*i+3])
		m.Pix[4*i+3] = 255
	}
	return m
}
