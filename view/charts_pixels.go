package view

import (
	"context"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

// mostPixels is the size of the largest picture that is decoded for a chart unasked.
const mostPixels = 1 << 24

// pixelTally adds up the pixels of pictures.
type pixelTally struct {
	n           uint64 // pixels
	pictures    int
	channels    int
	depth       int // bytes of a number
	sum, square [4]float64
}

// add adds a picture's pixels, whose numbers are of one or two bytes.
func (p *pixelTally) add(pix []byte, channels, depth int) {
	p.channels, p.depth = channels, depth
	var sum, square [4]uint64
	c := 0
	for i := 0; i+depth <= len(pix); i += depth {
		v := uint64(pix[i])
		if depth == 2 {
			v |= uint64(pix[i+1]) << 8
		}
		sum[c] += v
		square[c] += v * v
		if c++; c == channels {
			c = 0
		}
	}
	for c := range sum {
		p.sum[c] += float64(sum[c])
		p.square[c] += float64(square[c])
	}
	p.n += uint64(len(pix) / channels / depth)
	p.pictures++
}

// merge adds what another one has added up.
func (p *pixelTally) merge(o *pixelTally) {
	if o.n == 0 {
		return
	}
	p.channels, p.depth = o.channels, o.depth
	p.n += o.n
	p.pictures += o.pictures
	for c := range p.sum {
		p.sum[c] += o.sum[c]
		p.square[c] += o.square[c]
	}
}

// most is the largest number.
func (p *pixelTally) most() float64 { return math.Pow(256, float64(p.depth)) - 1 }

// means are those of the channels, 0 to 1; nil of no pixels.
func (p *pixelTally) means() (list []float64) {
	for c := 0; c < p.channels && p.n > 0; c++ {
		list = append(list, p.sum[c]/float64(p.n)/p.most())
	}
	return list
}

// stds are the channels' deviations.
func (p *pixelTally) stds() (list []float64) {
	for c := 0; c < p.channels && p.n > 0; c++ {
		mean := p.sum[c] / float64(p.n)
		list = append(list, math.Sqrt(max(0, p.square[c]/float64(p.n)-mean*mean))/p.most())
	}
	return list
}

// pixels decodes as many of the samples' pictures as the time is for, the first ones
// in any case.
func (t *tallies) pixels(ctx context.Context, samples []int) error {
	var list []*fieldTally
	for k := range t.fields {
		if t.fields[k].kind == kindImage {
			list = append(list, &t.fields[k])
		}
	}
	if len(list) == 0 {
		return nil
	}
	until := time.Now().Add(pixelTime)
	var next atomic.Int64
	workers := make([]picker, min(2, runtime.GOMAXPROCS(0)))
	var ended sync.WaitGroup
	for w := range workers {
		p := &workers[w]
		p.tallies = make([]pixelTally, len(list))
		ended.Add(1)
		go func() { // ended by the time, or by the last sample
			defer ended.Done()
			for j := int(next.Add(1)) - 1; j < len(samples) && ctx.Err() == nil && (j < 4 || time.Now().Before(until)); j = int(next.Add(1)) - 1 {
				for at, f := range list {
					_ = guarded(func() error { return p.add(t.s, f.k, &p.tallies[at], samples[j]) }) // damage was counted where it shows, or is Verify's to tell
				}
			}
		}()
	}
	ended.Wait()
	for w := range workers {
		for at, f := range list {
			f.pixels.merge(&workers[w].tallies[at])
		}
	}
	return ctx.Err()
}

// picker decodes pictures.
type picker struct {
	tallies []pixelTally // of each field of pictures
	rgb     rgb.Scratch
	image   rgb.Image
	raster  rgb.Raster
}

// add decodes a picture whole and adds its pixels.
func (p *picker) add(s *Server, k int, to *pixelTally, i int) error {
	v, err := s.find(i, k)
	if err != nil {
		return err
	}
	width, height, _, err := s.measured(v)
	if err != nil || width < 1 || height > mostPixels/width {
		return err
	}
	switch of := v.d.Field.(type) {
	case fields.RGBImage:
		got, err := v.decode()
		if err != nil {
			return err
		}
		if err := p.rgb.Load(&p.image, got.(rgb.Encoded)); err != nil {
			return err
		}
		to.add(p.image.Pix, 3, 1)
	case fields.Image:
		data, err := v.parts()
		if err != nil {
			return err
		}
		if err := of.DecodeRaster(&p.raster, v.meta, data); err != nil {
			return err
		}
		to.add(p.raster.Pix, p.raster.Channels, p.raster.Depth)
	}
	return nil
}
