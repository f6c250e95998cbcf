package transform_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

// painting is what FFCV made with an operation, by the place that it drew.
type painting struct {
	Padding, Size int
	Fill          []int
	Outcomes      map[string]string
	Counts        map[string]int
}

// reference is what FFCV and torchvision gave (testdata/transform/geometry.py).
type reference struct {
	Picture struct {
		Width, Height int
		Hex           string
	}
	Flip              string
	Translate, Cutout painting
	Flips             struct {
		P           float64
		Of, Flipped int
	}
	Normalize []struct {
		Mean, Std    [3]float64
		Type, Sha256 string
	}
	ResizedCrop struct {
		Side     int
		Hex      string
		Outcomes []struct {
			Size   int
			Sha256 string
		}
	} `json:"resized_crop"`
	RandomResizedCrop []struct {
		Size         [2]int
		Scale, Ratio [2]float64
		X, Y, W, H   []float64
	} `json:"random_resized_crop"`
	Erasing struct {
		Size [2]int
		W, H []float64
	}
	ResizeCenterCrop []struct {
		From, Crop, Resized, At [2]int
		Size                    int
	} `json:"resize_center_crop"`
	TorchvisionPixels []struct {
		Size   int
		Crop   [2]int
		Sha256 string
	} `json:"torchvision_pixels"`
}

func loadReference(t *testing.T) *reference {
	t.Helper()
	b, err := os.ReadFile("../testdata/transform/geometry.json")
	if err != nil {
		t.Fatal(err)
	}
	r := new(reference)
	if err := json.Unmarshal(b, r); err != nil {
		t.Fatal(err)
	}
	return r
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sum(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// drawer is an operation that tells what it would draw.
type drawer interface {
	op
	Drawn(in array.Spec, rng *rand.Rand) map[string]any
}

// TestAsFFCVPaints holds the outcome for each place that can be drawn to what
// FFCV made of the same, and how often places are drawn to how often FFCV did.
func TestAsFFCVPaints(t *testing.T) {
	ref := loadReference(t)
	src := unhex(t, ref.Picture.Hex)
	in := pixels(ref.Picture.Height, ref.Picture.Width)
	_, flip := bound(t, transform.HorizontalFlip{P: 1}, in)
	if got := flip(src, rand.New(rand.NewPCG(1, 1))); !bytes.Equal(got, unhex(t, ref.Flip)) {
		t.Errorf("flip: %x, want %s", got, ref.Flip)
	}
	bytesOf := func(v []int) (fill []uint8) {
		for _, v := range v {
			fill = append(fill, uint8(v))
		}
		return fill
	}
	for _, c := range []struct {
		op   drawer
		want painting
	}{
		{transform.Translate{Padding: ref.Translate.Padding, Fill: bytesOf(ref.Translate.Fill)}, ref.Translate},
		{transform.Cutout{Size: ref.Cutout.Size, Fill: bytesOf(ref.Cutout.Fill)}, ref.Cutout},
	} {
		_, apply := bound(t, c.op, in)
		counts := map[string]int{}
		const n = 4000
		for seed := range uint64(n) {
			drawn := c.op.Drawn(in, rand.New(rand.NewPCG(seed, 7)))
			at := fmt.Sprintf("%d,%d", drawn["x"], drawn["y"])
			counts[at]++
			got := apply(src, rand.New(rand.NewPCG(seed, 7)))
			if want, ok := c.want.Outcomes[at]; !ok || !bytes.Equal(got, unhex(t, want)) {
				t.Fatalf("%T at %s: %x, want %s", c.op, at, got, want)
			}
		}
		chi, total := 0.0, 0
		for at, k := range c.want.Counts {
			total += k
			d := float64(k - counts[at])
			chi += d * d / float64(k+counts[at])
		}
		free := float64(len(c.want.Counts) - 1)
		if total != n || chi > free+5*math.Sqrt(2*free) {
			t.Errorf("%T: places are drawn as often as FFCV draws them with chi² %.1f of %v", c.op, chi, free)
		}
	}
}

func TestAsFFCVFlips(t *testing.T) {
	ref := loadReference(t)
	for _, o := range []drawer{transform.HorizontalFlip{P: ref.Flips.P}, transform.VerticalFlip{P: ref.Flips.P}} {
		rng := rand.New(rand.NewPCG(3, 1))
		flipped := 0
		for range ref.Flips.Of {
			if o.Drawn(pixels(1, 2), rng)["flip"].(bool) {
				flipped++
			}
		}
		deviation := math.Sqrt(2 * float64(ref.Flips.Of) * ref.Flips.P * (1 - ref.Flips.P))
		if d := math.Abs(float64(flipped - ref.Flips.Flipped)); d > 4*deviation {
			t.Errorf("%T: %d of %d, FFCV %d", o, flipped, ref.Flips.Of, ref.Flips.Flipped)
		}
	}
}

func TestAsFFCVNormalizes(t *testing.T) {
	src := make([]byte, 3*256)
	for i := range src {
		src[i] = byte(i / 3)
	}
	for _, c := range loadReference(t).Normalize {
		d, err := array.ParseDType(c.Type)
		if err != nil {
			t.Fatal(err)
		}
		_, apply := bound(t, transform.Normalize{Mean: c.Mean, Std: c.Std, DType: d}, pixels(16, 16))
		if got := sum(apply(src, nil)); got != c.Sha256 {
			t.Errorf("mean %v, deviation %v, %s: other numbers than FFCV's", c.Mean, c.Std, c.Type)
		}
	}
}

// TestAsFFCVResizes compares RandomResizedCrop of decoded images with FFCV's, for
// a crop that is the whole image whatever is drawn.
func TestAsFFCVResizes(t *testing.T) {
	ref := loadReference(t).ResizedCrop
	src := unhex(t, ref.Hex)
	one := [2]float64{1, 1}
	for _, c := range ref.Outcomes {
		o := transform.RandomResizedCrop{Width: c.Size, Height: c.Size, Scale: one, Ratio: one, Exact: true}
		_, apply := bound(t, o, pixels(ref.Side, ref.Side))
		if got := sum(apply(src, rand.New(rand.NewPCG(1, 1)))); got != c.Sha256 {
			t.Errorf("to %d pixels: other pixels than FFCV's", c.Size)
		}
		r := transform.Resize{Width: c.Size, Height: c.Size, Exact: true}
		_, apply = bound(t, r, pixels(ref.Side, ref.Side))
		if got := sum(apply(src, nil)); got != c.Sha256 {
			t.Errorf("Resize to %d pixels: other pixels than FFCV's", c.Size)
		}
	}
}

// separation is the Kolmogorov-Smirnov statistic of two samples, in units of what
// it exceeds in one of a thousand cases when both are of one distribution.
func separation(a, b []float64) float64 {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	most := 0.0
	for _, v := range append(slices.Clone(a), b...) {
		below := func(s []float64) float64 {
			n, _ := slices.BinarySearch(s, math.Nextafter(v, math.Inf(1)))
			return float64(n) / float64(len(s))
		}
		most = max(most, math.Abs(below(a)-below(b)))
	}
	n, m := float64(len(a)), float64(len(b))
	return most / (1.95 * math.Sqrt((n+m)/(n*m)))
}

// TestAsFFCVDraws compares the boxes of crops and erasings with those that FFCV
// draws: one Kolmogorov-Smirnov test for each number.
func TestAsFFCVDraws(t *testing.T) {
	ref := loadReference(t)
	check := func(what string, got, want []float64) {
		t.Helper()
		if d := separation(got, want); d > 1 {
			t.Errorf("%s: distance from FFCV's is %.2f of what chance allows", what, d)
		}
	}
	rng := rand.New(rand.NewPCG(8, 9))
	for _, c := range ref.RandomResizedCrop {
		o := transform.RandomResizedCrop{Width: 1, Height: 1, Scale: c.Scale, Ratio: c.Ratio}
		var got [4][]float64
		for range 4000 {
			r := o.Box(c.Size[0], c.Size[1], rng)
			for i, v := range [4]int{r.X, r.Y, r.W, r.H} {
				got[i] = append(got[i], float64(v))
			}
		}
		for i, want := range [4][]float64{c.X, c.Y, c.W, c.H} {
			check(fmt.Sprintf("crops of %v, %c", c.Size, "xywh"[i]), got[i], want)
		}
	}
	var ws, hs []float64
	in := pixels(ref.Erasing.Size[1], ref.Erasing.Size[0])
	for range 4000 {
		r := transform.RandomErasing{P: 1}.Drawn(in, rng)["boxes"].([][4]int)[0]
		ws, hs = append(ws, float64(r[2])), append(hs, float64(r[3]))
	}
	check("width of what is erased", ws, clipped(ref.Erasing.W, ref.Erasing.Size[0]))
	check("height of what is erased", hs, clipped(ref.Erasing.H, ref.Erasing.Size[1]))
	// The test itself: a distribution a little beside.
	for i := range ws {
		ws[i] += 4
	}
	if separation(ws, ref.Erasing.W) <= 1 {
		t.Error("the test doesn't see a difference of four pixels")
	}
}

// clipped holds sizes to the image's, as ours are.
func clipped(v []float64, most int) []float64 {
	v = slices.Clone(v)
	for i := range v {
		v[i] = min(v[i], float64(most))
	}
	return v
}

// TestAsTorchvisionResizes compares sizes, places and pixels.
func TestAsTorchvisionResizes(t *testing.T) {
	ref := loadReference(t)
	for _, c := range ref.ResizeCenterCrop {
		o := transform.ResizeCenterCrop{Size: c.Size, Width: c.Crop[0], Height: c.Crop[1]}
		w, h := o.Resized(c.From[0], c.From[1])
		if w != c.Resized[0] || h != c.Resized[1] {
			t.Errorf("%v to %d: %dx%d, want %v", c.From, c.Size, w, h, c.Resized)
		}
		// What is seen, in pixels of the resized image.
		r := o.Box(c.From[0], c.From[1])
		for i, got := range [2][2]int{{r.X, r.W}, {r.Y, r.H}} {
			k := float64(c.From[i]) / float64(c.Resized[i])
			from, to := float64(c.At[i])*k, float64(c.At[i]+c.Crop[i])*k
			if math.Abs(float64(got[0])-from) > 0.5 || math.Abs(float64(got[0]+got[1])-to) > 0.5 {
				t.Errorf("%v to %d: sees %v along axis %d, want %.2f to %.2f", c.From, c.Size, got, i, from, to)
			}
		}
	}
	const w, h = 500, 375
	e := rgb.Encoded{Width: w, Height: h, Data: make([]byte, 3*w*h)}
	for y := range h {
		for x := range w {
			copy(e.Data[3*(y*w+x):], []byte{byte(x*7 + y*3), byte(x * y), byte(x ^ y)})
		}
	}
	for _, c := range ref.TorchvisionPixels {
		o := transform.ResizeCenterCrop{Size: c.Size, Width: c.Crop[0], Height: c.Crop[1], Filter: rgb.Bilinear, Exact: true}
		spec, decode, err := o.BindImage(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := spec.Bytes()
		dst := make([]byte, n)
		if err := decode(dst, e, nil, new(rgb.Scratch)); err != nil {
			t.Fatal(err)
		}
		if got := sum(dst); got != c.Sha256 {
			t.Errorf("to %d, then %v: other pixels than torchvision's", c.Size, c.Crop)
		}
	}
}
