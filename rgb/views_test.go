package rgb_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/betongo/betongo/rgb"
)

// smallCrop draws a crop of at most share of the area.
func smallCrop(rnd *rand.Rand, w, h int, share float64) rgb.Rect {
	k := math.Sqrt(share)
	r := randomResized(rnd, max(int(k*float64(w)), 1), max(int(k*float64(h)), 1))
	r.X, r.Y = rnd.IntN(w-r.W+1), rnd.IntN(h-r.H+1)
	return r
}

// multiCrop is what self-supervised training asks for: two large views and
// several small ones.
func multiCrop(rnd *rand.Rand, w, h int, large, small *rgb.Target) (views []rgb.View) {
	for range 2 {
		views = append(views, rgb.View{Crop: randomResized(rnd, w, h), Flip: rnd.IntN(2) == 0, Target: large})
	}
	for range 6 {
		views = append(views, rgb.View{Crop: smallCrop(rnd, w, h, 0.4), Flip: rnd.IntN(2) == 0, Target: small})
	}
	for i := range views {
		views[i].Dst = make([]byte, views[i].Target.Bytes())
	}
	return views
}

// sameViews holds views to Render's pixels, and errors to its errors.
func sameViews(t *testing.T, s *rgb.Scratch, name string, e rgb.Encoded, views []rgb.View) {
	t.Helper()
	err := s.RenderViews(e, views)
	for i, v := range views {
		want := make([]byte, len(v.Dst))
		if again := s.Render(want, e, v.Crop, v.Flip, v.Target); again != nil {
			if err == nil || err.Error() != again.Error() {
				t.Fatalf("%s: %v, alone view %d gives %v", name, err, i, again)
			}
			return
		}
		if err == nil && !bytes.Equal(v.Dst, want) {
			t.Fatalf("%s: view %d of %d, %v to %dx%d, has other pixels than alone", name, i, len(views), v.Crop, v.Target.Width, v.Target.Height)
		}
	}
	if err != nil {
		t.Fatalf("%s: %v, none alone", name, err)
	}
}

// randomViews are views of all kinds.
func randomViews(rnd *rand.Rand, w, h int) (views []rgb.View) {
	for range 1 + rnd.IntN(9) {
		t := &rgb.Target{Width: 1 + rnd.IntN(40), Height: 1 + rnd.IntN(40), Filter: rgb.Filter(rnd.IntN(2)), Layout: rgb.Layout(rnd.IntN(2)), Type: rgb.PixelType(rnd.IntN(4))}
		if rnd.IntN(3) == 0 {
			t.Width, t.Height = 1+rnd.IntN(9), 1+rnd.IntN(9) // at a lower resolution
		}
		t.Exact = rnd.IntN(5) == 0
		crop := smallCrop(rnd, w, h, 0.02+0.98*rnd.Float64()*rnd.Float64())
		if rnd.IntN(4) == 0 {
			crop = rgb.Rect{X: rnd.IntN(2) * (w - 1), Y: rnd.IntN(2) * (h - 1), W: 1, H: 1}
		}
		views = append(views, rgb.View{Dst: make([]byte, t.Bytes()), Crop: crop, Flip: rnd.IntN(2) == 0, Target: t})
	}
	return views
}

// TestRenderViews renders views of every kind of JPEG, of photos and of raw
// pixels, with marks and without.
func TestRenderViews(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var s rgb.Scratch
	each := func(name string, e rgb.Encoded, n int) {
		marks, err := rgb.AppendMarks(nil, e.Data)
		if err != nil {
			t.Fatal(name, err)
		}
		for i := range n {
			if e.Marks = nil; i%2 == 0 && e.JPEG {
				e.Marks = marks
			}
			sameViews(t, &s, name, e, randomViews(rnd, e.Width, e.Height))
		}
	}
	for _, v := range jpegVectors(t) {
		if v.Width*v.Height < 1<<20 {
			each(v.Name, rgb.Encoded{JPEG: true, Width: v.Width, Height: v.Height, Data: v.data}, 12)
		}
	}
	for _, e := range album(t) {
		each("photo", e, 12)
	}
	for _, p := range pictures(t) { // progressive ones and others that have no planes
		if info, err := rgb.ScanJPEG(p.data); err == nil && rgb.DecodeJPEG(new(rgb.Image), p.data) == nil {
			each("picture", rgb.Encoded{JPEG: true, Width: info.Width, Height: info.Height, Data: p.data}, 4)
		}
	}
	raw := noise(83, 61)
	each("raw", rgb.Encoded{Width: 83, Height: 61, Data: raw.Pix}, 8)
}

// TestRenderViewsDamaged cuts photos off: what is wrong with which view is as
// with Render, and so is what OnDamage is told.
func TestRenderViewsDamaged(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var s rgb.Scratch
	for _, e := range album(t)[:8] {
		marks, err := rgb.AppendMarks(nil, e.Data)
		if err != nil {
			t.Fatal(err)
		}
		e.Data = e.Data[:len(e.Data)*(1+rnd.IntN(8))/8]
		for i := range 12 {
			if e.Marks = nil; i%2 == 0 {
				e.Marks = marks
			}
			views := randomViews(rnd, e.Width, e.Height)
			sameViews(t, &s, "cut", e, views)
			var told [2]int
			which := 0
			for k := range views {
				views[k].Target.OnDamage = func(err error) {
					kind(t, err)
					told[which]++
				}
			}
			if err := s.RenderViews(e, views); err != nil {
				continue // no header
			}
			which = 1
			for k, v := range views {
				want := make([]byte, len(v.Dst))
				if err := s.Render(want, e, v.Crop, v.Flip, v.Target); err != nil || !bytes.Equal(want, v.Dst) {
					t.Fatalf("view %d: %v, or other pixels", k, err)
				}
			}
			if told[0] != told[1] {
				t.Errorf("told %d times of damage, one by one %d times", told[0], told[1])
			}
		}
	}
}

func TestRenderViewsRefuses(t *testing.T) {
	e := album(t)[0]
	target := rgb.Target{Width: 4, Height: 4}
	ok := rgb.View{Dst: make([]byte, 48), Crop: rgb.Rect{W: 9, H: 9}, Target: &target}
	var s rgb.Scratch
	if err := s.RenderViews(e, nil); err != nil {
		t.Errorf("no views: %v", err)
	}
	for name, change := range map[string]func(v *rgb.View){
		"short":     func(v *rgb.View) { v.Dst = v.Dst[1:] },
		"outside":   func(v *rgb.View) { v.Crop.X = e.Width },
		"no target": func(v *rgb.View) { v.Target = nil },
		"no size":   func(v *rgb.View) { v.Target = &rgb.Target{} },
	} {
		views := []rgb.View{ok, ok, ok}
		change(&views[1])
		if err := s.RenderViews(e, views); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	e.Width++
	var bad *rgb.InvalidError
	if err := s.RenderViews(e, []rgb.View{ok, ok}); !errors.As(err, &bad) {
		t.Errorf("another size: %v", err)
	}
}

func TestRenderViewsAllocatesNothing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	list := album(t)[:4]
	large, small := rgb.Target{Width: 64, Height: 64}, rgb.Target{Width: 32, Height: 32}
	views := make([][]rgb.View, len(list))
	for i := range list {
		list[i].Marks, _ = rgb.AppendMarks(nil, list[i].Data)
		views[i] = multiCrop(rnd, list[i].Width, list[i].Height, &large, &small)
	}
	if n := leastAllocs(20, func() func() {
		s := new(rgb.Scratch)
		return func() {
			for i, e := range list {
				if err := s.RenderViews(e, views[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkRenderViews measures several views of a photo against one by one,
// which takes turns with it.
func BenchmarkRenderViews(b *testing.B) {
	list := album(b)
	for _, k := range []struct {
		name         string
		marks, exact bool
		views        func(rnd *rand.Rand, w, h int, large, small *rgb.Target) []rgb.View
	}{
		{"2x224+6x96/marks=no", false, false, multiCrop},
		{"2x224+6x96/marks=yes", true, false, multiCrop},
		{"2x224+6x96/exact", false, true, multiCrop},
		{"2x224/marks=yes", true, false, func(rnd *rand.Rand, w, h int, large, small *rgb.Target) []rgb.View {
			return multiCrop(rnd, w, h, large, small)[:2]
		}},
		{"corners/marks=yes", true, false, corners},
		{"corners/marks=no", false, false, corners},
	} {
		b.Run(k.name, func(b *testing.B) {
			var s rgb.Scratch
			large, small := rgb.Target{Width: 224, Height: 224, Exact: k.exact}, rgb.Target{Width: 96, Height: 96, Exact: k.exact}
			rnd := rand.New(rand.NewPCG(7, 8))
			views := make([][]rgb.View, len(list))
			marks := make([][]byte, len(list))
			for i, e := range list {
				views[i] = k.views(rnd, e.Width, e.Height, &large, &small)
				if k.marks {
					marks[i], _ = rgb.AppendMarks(nil, e.Data)
				}
			}
			together := func(i int) time.Duration {
				start := time.Now()
				if err := s.RenderViews(list[i], views[i]); err != nil {
					b.Fatal(err)
				}
				return time.Since(start)
			}
			alone := func(i int) time.Duration {
				start := time.Now()
				for _, v := range views[i] {
					if err := s.Render(v.Dst, list[i], v.Crop, v.Flip, v.Target); err != nil {
						b.Fatal(err)
					}
				}
				return time.Since(start)
			}
			best := make([][2]time.Duration, len(list))
			for i := range best {
				best[i] = [2]time.Duration{time.Hour, time.Hour}
			}
			b.ReportAllocs()
			for turn := 0; b.Loop(); turn++ {
				for i := range list {
					list[i].Marks = marks[i]
					if turn%2 == 0 { // who is first finds the caches cold
						best[i][0] = min(best[i][0], together(i))
						best[i][1] = min(best[i][1], alone(i))
					} else {
						best[i][1] = min(best[i][1], alone(i))
						best[i][0] = min(best[i][0], together(i))
					}
				}
			}
			var sum [2]time.Duration
			worst := 0.0
			for _, t := range best {
				sum[0], sum[1] = sum[0]+t[0], sum[1]+t[1]
				worst = max(worst, float64(t[0])/float64(t[1]))
			}
			n := 1e3 / float64(len(list))
			b.ReportMetric(sum[0].Seconds()*n, "best-ms/photo")
			b.ReportMetric(sum[1].Seconds()*n, "alone-ms/photo")
			b.ReportMetric(worst, "worst-ratio")
		})
	}
}

// corners are small views as far apart as can be.
func corners(_ *rand.Rand, w, h int, _, small *rgb.Target) (views []rgb.View) {
	const n = 48
	for i := range 4 {
		views = append(views, rgb.View{Dst: make([]byte, small.Bytes()), Crop: rgb.Rect{X: i % 2 * (w - n), Y: i / 2 * (h - n), W: n, H: n}, Target: small})
	}
	return views
}
