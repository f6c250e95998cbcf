package rgb_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/betongo/betongo/rgb"
)

// album is stored JPEGs: those of the folder that BETONGO_PHOTOS names, 300 at
// most, or testdata's.
func album(tb testing.TB) (list []rgb.Encoded) {
	tb.Helper()
	dir := os.Getenv("BETONGO_PHOTOS")
	if dir == "" {
		dir = "../testdata/photos"
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.jpg"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no photos in %s: %v", dir, err)
	}
	for _, f := range files[:min(len(files), 300)] {
		data, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		info, err := rgb.ScanJPEG(data)
		if err != nil {
			tb.Fatal(f, err)
		}
		list = append(list, rgb.Encoded{JPEG: true, Width: info.Width, Height: info.Height, Data: data})
	}
	return list
}

// randomResized draws a crop as torchvision's RandomResizedCrop does.
func randomResized(rnd *rand.Rand, w, h int) rgb.Rect {
	for range 10 {
		area := float64(w*h) * (0.08 + 0.92*rnd.Float64())
		ratio := math.Exp((2*rnd.Float64() - 1) * math.Log(4.0/3))
		cw, ch := int(math.Round(math.Sqrt(area*ratio))), int(math.Round(math.Sqrt(area/ratio)))
		if cw >= 1 && ch >= 1 && cw <= w && ch <= h {
			return rgb.Rect{X: rnd.IntN(w - cw + 1), Y: rnd.IntN(h - ch + 1), W: cw, H: ch}
		}
	}
	return rgb.Rect{W: w, H: h}
}

// psnr is the likeness of two pictures in dB.
func psnr(a, b []byte) float64 {
	sum := 0.0
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return 10 * math.Log10(255*255*float64(len(a))/max(sum, 1e-9))
}

// TestRenderLikeExact holds the fast way to the exact one, and to itself with
// marks.
func TestRenderLikeExact(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var s rgb.Scratch
	fast := rgb.Target{Width: 224, Height: 224}
	exact := fast
	exact.Exact = true
	a, b, c := make([]byte, fast.Bytes()), make([]byte, fast.Bytes()), make([]byte, fast.Bytes())
	least := math.Inf(1)
	for i, e := range album(t) {
		crop, flip := randomResized(rnd, e.Width, e.Height), i%2 == 0
		for _, filter := range []rgb.Filter{rgb.Area, rgb.Bilinear} {
			fast.Filter, exact.Filter = filter, filter
			if err := s.Render(a, e, crop, flip, &exact); err != nil {
				t.Fatal(err)
			}
			if err := s.Render(b, e, crop, flip, &fast); err != nil {
				t.Fatal(err)
			}
			least = min(least, psnr(a, b))
		}
		var err error
		if e.Marks, err = rgb.AppendMarks(nil, e.Data); err != nil {
			t.Fatal(err)
		}
		if err := s.Render(c, e, crop, flip, &fast); err != nil || !bytes.Equal(b, c) {
			t.Fatalf("photo %d, %v with marks: %v, or other pixels", i, crop, err)
		}
		for k := range e.Marks {
			e.Marks[k] ^= byte(rnd.IntN(3) * rnd.IntN(2) * 0x55) // of nothing: no panic, no error
		}
		if err := s.Render(c, e, crop, flip, &fast); err != nil {
			t.Fatalf("photo %d, %v with broken marks: %v", i, crop, err)
		}
	}
	t.Logf("at least %.1f dB", least)
	if least < 40 {
		t.Error("too different")
	}
}

// TestRenderAllKinds renders every kind of JPEG, and crops of one pixel.
func TestRenderAllKinds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var s rgb.Scratch
	for _, v := range jpegVectors(t) {
		e := rgb.Encoded{JPEG: true, Width: v.Width, Height: v.Height, Data: v.data}
		marks, err := rgb.AppendMarks(nil, v.data)
		if err != nil {
			t.Fatal(v.Name, err)
		}
		for i := range 12 {
			if e.Marks = nil; i%2 == 0 {
				e.Marks = marks
			}
			crop := randomResized(rnd, e.Width, e.Height)
			if i < 4 { // a corner, whole side by side
				crop = rgb.Rect{X: i % 2 * (e.Width - 1), Y: i / 2 * (e.Height - 1), W: 1, H: 1}
			}
			fast := rgb.Target{Width: 1 + rnd.IntN(40), Height: 1 + rnd.IntN(40)}
			exact := fast
			exact.Exact = true
			a, b := make([]byte, fast.Bytes()), make([]byte, fast.Bytes())
			if err := s.Render(a, e, crop, i%3 == 0, &exact); err != nil {
				t.Fatal(v.Name, err)
			}
			if err := s.Render(b, e, crop, i%3 == 0, &fast); err != nil {
				t.Fatal(v.Name, err)
			}
			if like := psnr(a, b); like < 25 {
				t.Errorf("%s, %v to %dx%d: %.1f dB from the exact way", v.Name, crop, fast.Width, fast.Height, like)
			}
		}
	}
}

// leastAllocs is testing.AllocsPerRun of the quietest of some rounds, each of
// which begins anew by start: what others allocate meanwhile counts in one or the
// other, what is done here counts in each.
func leastAllocs(runs int, start func() (f func())) float64 {
	least := testing.AllocsPerRun(runs, start())
	for round := 0; least > 0 && round < 3; round++ {
		least = min(least, testing.AllocsPerRun(runs, start()))
	}
	return least
}

// TestRenderAllocatesNothing repeats what a worker does all day.
func TestRenderAllocatesNothing(t *testing.T) {
	list := album(t)[:8]
	target := rgb.Target{Width: 64, Height: 64, Type: rgb.Float32, Layout: rgb.CHW}
	dst := make([]byte, target.Bytes())
	for i := range list {
		list[i].Marks, _ = rgb.AppendMarks(nil, list[i].Data)
	}
	if n := leastAllocs(20, func() func() {
		s, rnd := new(rgb.Scratch), rand.New(rand.NewPCG(5, 6))
		return func() {
			for _, e := range list {
				if err := s.Render(dst, e, randomResized(rnd, e.Width, e.Height), true, &target); err != nil {
					t.Fatal(err)
				}
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestCheckMarks: what AppendMarks gives is sound, and nothing is of another
// photo's.
func TestCheckMarks(t *testing.T) {
	list := album(t)[:4]
	for i, e := range list {
		marks, err := rgb.AppendMarks(nil, e.Data)
		if err != nil {
			t.Fatal(err)
		}
		for k, other := range list {
			if err := rgb.CheckMarks(other.Data, marks); (err == nil) != (i == k) {
				t.Errorf("marks of photo %d for photo %d: %v", i, k, err)
			}
		}
		var bad *rgb.InvalidError
		if err := rgb.CheckMarks(e.Data[:len(e.Data)/2], marks); !errors.As(err, &bad) {
			t.Errorf("half a photo: %v", err)
		}
		if err := rgb.CheckMarks([]byte("no JPEG"), marks); err == nil {
			t.Error("marks of something else: no error")
		}
	}
}

// TestOnDamage renders photos that are cut off: their upper part is as it was,
// the rest gray, and nobody who didn't ask gets it.
func TestOnDamage(t *testing.T) {
	var s rgb.Scratch
	for i, e := range album(t)[:6] {
		for _, exact := range []bool{false, true} {
			target := rgb.Target{Width: 60, Height: 60, Exact: exact}
			full := rgb.Rect{W: e.Width, H: e.Height}
			want, got := make([]byte, target.Bytes()), make([]byte, target.Bytes())
			if err := s.Render(want, e, full, false, &target); err != nil {
				t.Fatal(err)
			}
			cut := e
			cut.Data = e.Data[:len(e.Data)*3/4]
			err := s.Render(got, cut, full, false, &target)
			if kind(t, err); err == nil {
				t.Fatalf("photo %d, exact %v: cut and no error", i, exact)
			}
			var seen []error
			target.OnDamage = func(err error) { seen = append(seen, err) }
			if err := s.Render(got, cut, full, false, &target); err != nil {
				t.Fatal(err)
			}
			if len(seen) != 1 || seen[0].Error() != err.Error() {
				t.Errorf("photo %d, exact %v: told %v, want %v", i, exact, seen, err)
			}
			const row = 3 * 60
			if !bytes.Equal(got[:20*row], want[:20*row]) {
				t.Errorf("photo %d, exact %v: other pixels above the damage", i, exact)
			}
			if last := got[59*row:]; bytes.Count(last, []byte{128}) != row {
				t.Errorf("photo %d, exact %v: the last row is %d, want gray", i, exact, last[:6])
			}
			seen = nil
			if err := s.Render(got, e, full, false, &target); err != nil || seen != nil || !bytes.Equal(got, want) {
				t.Errorf("photo %d, exact %v, whole: %v, told %v, or other pixels", i, exact, err, seen)
			}
			for name, bad := range map[string]rgb.Encoded{
				"header":     {JPEG: true, Width: e.Width, Height: e.Height, Data: e.Data[:100]},
				"other size": {JPEG: true, Width: e.Width + 1, Height: e.Height, Data: cut.Data},
			} {
				if err := s.Render(got, bad, full, false, &target); err == nil || seen != nil {
					t.Errorf("%s: %v, told %v", name, err, seen)
				}
			}
		}
	}
}

func BenchmarkRender(b *testing.B) {
	list := album(b)
	marks := make([][]byte, len(list))
	for i, e := range list {
		marks[i], _ = rgb.AppendMarks(nil, e.Data)
	}
	for _, k := range []struct {
		name   string
		marks  bool
		target rgb.Target
	}{
		{"rrc224/marks=no", false, rgb.Target{Width: 224, Height: 224}},
		{"rrc224/marks=yes", true, rgb.Target{Width: 224, Height: 224}},
		{"rrc224/marks=yes/float32", true, rgb.Target{Width: 224, Height: 224, Type: rgb.Float32, Layout: rgb.CHW, Mean: [3]float64{124, 116, 104}, Std: [3]float64{58, 57, 57}}},
		{"rrc224/exact", false, rgb.Target{Width: 224, Height: 224, Exact: true}},
	} {
		b.Run(k.name, func(b *testing.B) {
			var s rgb.Scratch
			dst := make([]byte, k.target.Bytes())
			best := time.Duration(math.MaxInt64)
			b.ReportAllocs()
			for b.Loop() {
				rnd := rand.New(rand.NewPCG(7, 8))
				start := time.Now()
				for i, e := range list {
					if k.marks {
						e.Marks = marks[i]
					}
					if err := s.Render(dst, e, randomResized(rnd, e.Width, e.Height), i%2 == 0, &k.target); err != nil {
						b.Fatal(err)
					}
				}
				best = min(best, time.Since(start))
			}
			n := float64(len(list))
			b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N)/n, "ms/photo")
			b.ReportMetric(best.Seconds()*1e3/n, "best-ms/photo")
		})
	}
}

// FuzzRender renders any JPEG with any marks: an error or pixels, and with marks
// an error only where there is one without.
func FuzzRender(f *testing.F) {
	for i, v := range jpegVectors(f) {
		if i%4 == 0 {
			marks, _ := rgb.AppendMarks(nil, v.data)
			f.Add(v.data, marks, uint16(i), uint16(3), uint8(20), uint8(i))
		}
	}
	var s rgb.Scratch
	f.Fuzz(func(t *testing.T, data, marks []byte, x, y uint16, side, choice uint8) {
		info, err := rgb.ScanJPEG(data)
		if err != nil || info.Width*info.Height > 1<<16 {
			return
		}
		e := rgb.Encoded{JPEG: true, Width: info.Width, Height: info.Height, Data: data, Marks: marks}
		crop := rgb.Rect{X: int(x) % e.Width, Y: int(y) % e.Height}
		crop.W, crop.H = 1+int(side)%(e.Width-crop.X), 1+int(y>>8)%(e.Height-crop.Y)
		target := rgb.Target{
			Width: 1 + int(choice)%50, Height: 1 + int(side)%50, Layout: rgb.Layout(choice & 1),
			Type: rgb.PixelType(choice >> 1 & 3), Filter: rgb.Filter(choice >> 3 & 1),
		}
		dst := make([]byte, target.Bytes())
		err = s.Render(dst, e, crop, choice&16 != 0, &target)
		kind(t, err)
		e.Marks = nil
		without := s.Render(dst, e, crop, choice&16 != 0, &target)
		kind(t, without)
		if err != nil && without == nil {
			t.Fatalf("marks make an error: %v", err)
		}
		told := 0
		target.OnDamage = func(err error) { kind(t, err); told++ }
		err = s.Render(dst, e, crop, false, &target)
		if kind(t, err); err == nil && (told > 0) != (without != nil) || err != nil && without == nil || told > 1 {
			t.Fatalf("told %d times of damage, then %v; without asking %v", told, err, without)
		}
	})
}
