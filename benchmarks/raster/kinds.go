package main

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/betongo/betongo/rgb"
)

// kinds are what is measured.
var kinds = []struct {
	name string
	make func(rgb.Image) rgb.Raster
}{
	{"mask of 20 classes", func(p rgb.Image) rgb.Raster { return mask(p, false) }},
	{"the same, borders of 255", func(p rgb.Image) rgb.Raster { return mask(p, true) }},
	{"instances, u2", instances},
	{"depth, u2, rendered", func(p rgb.Image) rgb.Raster { return depth(p, 0) }},
	{"depth, u2, noise of 3 and holes", func(p rgb.Image) rgb.Raster { return depth(p, 3) }},
	{"RGBA, cut out", func(p rgb.Image) rgb.Raster { return withAlpha(p, true) }},
	{"RGBA", func(p rgb.Image) rgb.Raster { return withAlpha(p, false) }},
	{"RGB", func(p rgb.Image) rgb.Raster {
		return rgb.Raster{Width: p.Width, Height: p.Height, Channels: 3, Depth: 1, Pix: p.Pix}
	}},
	{"gray", gray},
	{"gray, u2, noise of 4 bits", gray16},
}

// raster makes one of one channel, number by number.
func raster(w, h, depth int, at func(x, y int) int) rgb.Raster {
	r := rgb.Raster{Width: w, Height: h, Channels: 1, Depth: depth, Pix: make([]byte, 0, w*h*depth)}
	for y := range h {
		for x := range w {
			if v := at(x, y); depth == 1 {
				r.Pix = append(r.Pix, byte(v))
			} else {
				r.Pix = binary.LittleEndian.AppendUint16(r.Pix, uint16(max(v, 0)))
			}
		}
	}
	return r
}

// smooth is one channel of a photograph, each pixel the mean of a square.
func smooth(p rgb.Image, channel int) []int {
	const reach = 7
	src, dst := make([]int, p.Width*p.Height), make([]int, p.Width*p.Height)
	for i := range src {
		src[i] = int(p.Pix[3*i+channel])
	}
	along := func(dst, src []int, lines, n, line, step int) {
		for y := range lines {
			for x := range n {
				lo, hi, sum := max(x-reach, 0), min(x+reach, n-1), 0
				for k := lo; k <= hi; k++ {
					sum += src[y*line+k*step]
				}
				dst[y*line+x*step] = sum / (hi - lo + 1)
			}
		}
	}
	along(dst, src, p.Height, p.Width, p.Width, 1)
	along(src, dst, p.Width, p.Height, 1, p.Width)
	return src
}

// mask has 20 classes, with borders two pixels wide of class 255 if asked.
func mask(p rgb.Image, borders bool) rgb.Raster {
	r, g, b := smooth(p, 0), smooth(p, 1), smooth(p, 2)
	class := func(x, y int) int {
		i := y*p.Width + x
		k := min((r[i]+2*g[i]+b[i])/4/52, 4) * 4
		if r[i]-g[i] > 8 {
			k++
		}
		if b[i]-g[i] > 8 {
			k += 2
		}
		return k
	}
	return raster(p.Width, p.Height, 1, func(x, y int) int {
		k := class(x, y)
		if borders && (class(max(x-2, 0), y) != k || class(min(x+2, p.Width-1), y) != k || class(x, max(y-2, 0)) != k || class(x, min(y+2, p.Height-1)) != k) {
			return 255
		}
		return k
	})
}

func instances(p rgb.Image) rgb.Raster {
	m := mask(p, false)
	return raster(p.Width, p.Height, 2, func(x, y int) int { return int(m.Pix[y*p.Width+x])*1000 + x/150 + y/150*7 })
}

func depth(p rgb.Image, noise int) rgb.Raster {
	m := mask(p, false)
	rng := rand.New(rand.NewPCG(1, uint64(p.Width)))
	return raster(p.Width, p.Height, 2, func(x, y int) int {
		k := int(m.Pix[y*p.Width+x])
		d := 500000/(100+y) + 37*k + (k%5-2)*x/3 + x*k/40
		if noise > 0 && k == 7 {
			return 0
		}
		return d + rng.IntN(2*noise+1) - noise
	})
}

// withAlpha makes the darker classes transparent, black too if asked.
func withAlpha(p rgb.Image, black bool) rgb.Raster {
	m := mask(p, false)
	r := rgb.Raster{Width: p.Width, Height: p.Height, Channels: 4, Depth: 1, Pix: make([]byte, 4*len(m.Pix))}
	for i, k := range m.Pix {
		q := r.Pix[4*i : 4*i+4]
		copy(q, p.Pix[3*i:3*i+3])
		if q[3] = 255; k < 8 {
			q[3] = 0
			if black {
				clear(q)
			}
		}
	}
	return r
}

func brightness(p rgb.Image, x, y int) int {
	q := p.Pix[3*(y*p.Width+x):][:3]
	return (int(q[0]) + 2*int(q[1]) + int(q[2])) / 4
}

func gray(p rgb.Image) rgb.Raster {
	return raster(p.Width, p.Height, 1, func(x, y int) int { return brightness(p, x, y) })
}

func gray16(p rgb.Image) rgb.Raster {
	rng := rand.New(rand.NewPCG(1, uint64(p.Width)))
	return raster(p.Width, p.Height, 2, func(x, y int) int { return brightness(p, x, y)<<4 | rng.IntN(16) })
}
