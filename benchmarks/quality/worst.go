package main

import (
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
)

// gain is how many times as strong differences are shown, on gray.
const gain = 16

// writeWorst writes pictures of the five crops that the first way renders worst.
func writeWorst(dir string, photos []photo, ways []*way, size int) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	order := make([]int, len(photos))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(ways[0].psnr[a], ways[0].psnr[b]) })
	for rank, i := range order[:min(5, len(order))] {
		shown := []*way{ways[0]}
		if last := ways[len(ways)-1]; !last.ours {
			shown = append(shown, last)
		}
		sheet, err := contrast(&photos[i], shown, size)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("worst%d_%.1fdB.png", rank+1, ways[0].psnr[i])
		if err := writePNG(filepath.Join(dir, name), sheet); err != nil {
			return err
		}
	}
	return nil
}

// contrast shows a crop side by side: the exact one, then each way's and its
// difference.
func contrast(p *photo, ways []*way, size int) (image.Image, error) {
	const gap = 4
	sheet := image.NewNRGBA(image.Rect(0, 0, (1+2*len(ways))*(size+gap)-gap, size))
	put := func(column int, pix func(i int) byte) {
		for y := range size {
			for x := range size {
				i := 3 * (y*size + x)
				sheet.SetNRGBA(column*(size+gap)+x, y, color.NRGBA{pix(i), pix(i + 1), pix(i + 2), 255})
			}
		}
	}
	want, got := make([]byte, 3*size*size), make([]byte, 3*size*size)
	if err := exact(size)(want, p); err != nil {
		return nil, err
	}
	put(0, func(i int) byte { return want[i] })
	for k, w := range ways {
		if err := w.render(got, p); err != nil {
			return nil, err
		}
		put(1+2*k, func(i int) byte { return got[i] })
		put(2+2*k, func(i int) byte { return byte(min(max(128+gain*(int(got[i])-int(want[i])), 0), 255)) })
	}
	return sheet, nil
}

func writePNG(path string, m image.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := png.Encode(f, m); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
