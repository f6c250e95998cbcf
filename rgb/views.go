package rgb

import (
	"errors"
	"fmt"
	"image"

	"github.com/betongo/betongo/rgb/internal/jpeg"
)

// View is one of several crops of a picture: the arguments of [Scratch.Render].
type View struct {
	Dst    []byte
	Crop   Rect
	Flip   bool
	Target *Target
}

// viewScratch is what RenderViews keeps about its views.
type viewScratch struct {
	ways    []viewWay
	regions []sharedRegion
}

// viewWay is how a view is to be rendered.
type viewWay uint8

const (
	alone viewWay = iota
	fromPlanes
	fromPixels
	rendered
)

// sharedRegion is a part of a JPEG to be decoded at one scale.
type sharedRegion struct {
	area  image.Rectangle
	scale int
	cost  int
}

// RenderViews renders several views of one picture: the pixels are those of
// [Scratch.Render] for each, but a JPEG is decoded once for all views that need
// the same resolution, or more often where they lie so far apart that this is
// less work; and once for all exact ones. On an error what the views hold is not
// defined. A damaged JPEG is rendered view by view, so that errors and OnDamage
// are Render's too, of the first view that has one.
func (s *Scratch) RenderViews(src Encoded, views []View) error {
	if err := src.check(); err != nil {
		return err
	}
	for i := range views {
		v := &views[i]
		if v.Target == nil {
			return fmt.Errorf("rgb: view %d of %d has no target", i, len(views))
		}
		if err := v.Target.checkRender(v.Dst, src, v.Crop); err != nil {
			return fmt.Errorf("view %d of %d: %w", i, len(views), err)
		}
	}
	z := &s.views
	z.ways = grow(z.ways, len(views))
	for i, v := range views {
		switch z.ways[i] = fromPlanes; {
		case !src.JPEG || len(views) == 1:
			z.ways[i] = alone
		case v.Target.Exact:
			z.ways[i] = fromPixels
		}
	}
	s.sharePlanes(src, views)
	s.sharePixels(src, views)
	for i, v := range views {
		if z.ways[i] == rendered {
			continue
		}
		if err := s.Render(v.Dst, src, v.Crop, v.Flip, v.Target); err != nil {
			return err
		}
	}
	return nil
}

// count is how many views go a way.
func (z *viewScratch) count(way viewWay) (n int) {
	for _, w := range z.ways {
		if w == way {
			n++
		}
	}
	return n
}

// sharePlanes renders what it can of the views that may be rendered from planes.
// What goes wrong leaves them as they are, or to sharePixels.
func (s *Scratch) sharePlanes(src Encoded, views []View) {
	z := &s.views
	if z.count(fromPlanes) < 2 {
		return
	}
	h, err := s.openStored(src)
	if errors.Is(err, jpeg.ErrUnsupported) {
		z.leave(fromPixels, func(int) bool { return true })
	}
	if err != nil {
		return
	}
	d := &s.jpeg.dec
	defer d.Close()
	z.plan(d, src.Marks, views)
	for _, r := range z.regions {
		mine := func(i int) bool { return r.holds(&views[i]) }
		if err := d.Region(r.area, r.scale, src.Marks, &s.jpeg.planes); err != nil {
			if errors.Is(err, jpeg.ErrUnsupported) {
				z.leave(fromPixels, mine)
			}
			continue
		}
		if !s.render.setPhoto(h, &s.jpeg.planes) {
			z.leave(fromPixels, mine)
			continue
		}
		for i, v := range views {
			if z.ways[i] != fromPlanes || !mine(i) {
				continue
			}
			s.render.setTarget(v.Target)
			if s.resizePlanes(v.Dst, v.Crop, v.Flip, v.Target) == nil {
				z.ways[i] = rendered
			}
		}
	}
}

// leave gives some of the views meant for planes another way.
func (z *viewScratch) leave(way viewWay, which func(i int) bool) {
	for i := range z.ways {
		if z.ways[i] == fromPlanes && which(i) {
			z.ways[i] = way
		}
	}
}

// holds says whether a view is rendered from the region.
func (r *sharedRegion) holds(v *View) bool {
	return v.Target.scale(v.Crop) == r.scale && v.Crop.bounds().In(r.area)
}

// plan finds regions to decode such that no two of one scale would be clearly
// less work as one: by an eighth of the smaller, since costs are estimates.
func (z *viewScratch) plan(d *jpeg.Decoder, marks []byte, views []View) {
	z.regions = z.regions[:0]
	for i, v := range views {
		if z.ways[i] != fromPlanes {
			continue
		}
		r := sharedRegion{area: v.Crop.bounds(), scale: v.Target.scale(v.Crop)}
		r.cost = d.Cost(r.area, r.scale, marks)
		for {
			best, cost, most := -1, 0, 0
			for k, o := range z.regions {
				if o.scale != r.scale {
					continue
				}
				c := d.Cost(r.area.Union(o.area), r.scale, marks)
				if gain := r.cost + o.cost - c; gain > most && gain > min(r.cost, o.cost)/8 {
					best, cost, most = k, c, gain
				}
			}
			if best < 0 {
				break
			}
			o := z.regions[best]
			r.area, r.cost = r.area.Union(o.area), cost
			z.regions[best] = z.regions[len(z.regions)-1]
			z.regions = z.regions[:len(z.regions)-1]
		}
		z.regions = append(z.regions, r)
	}
}

// sharePixels renders the views that want the whole picture's pixels, when there
// are several.
func (s *Scratch) sharePixels(src Encoded, views []View) {
	z := &s.views
	if z.count(fromPixels) < 2 || s.decodeStored(&s.whole, src) != nil {
		return
	}
	for i, v := range views {
		if z.ways[i] == fromPixels {
			s.renderPixels(v.Dst, s.whole, v.Crop, v.Flip, v.Target)
			z.ways[i] = rendered
		}
	}
}
