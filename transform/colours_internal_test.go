package transform

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/betongo/betongo/array"
)

// coloured is testdata/transform/colours.json, made by colours.py beside it:
// outcomes of FFCV's and torchvision's functions.
type coloured struct {
	Height, Width int
	Images        [][]byte
	Factor        []struct {
		Op      string
		Image   int
		Factor  float64
		Size    int
		Outcome []byte
	}
	Mixup []struct {
		Lambda                  []float64
		Outcome, Labels, Onehot []byte
	}
	Poison []struct {
		Mask, Alpha      []byte
		Indices, Samples []int
		Clamp            []int
		Outcome          []byte
	}
	Labels struct {
		Indices, Samples []int
		New              int64
		Before, After    []byte
	}
}

func readColoured(t *testing.T) *coloured {
	t.Helper()
	b, err := os.ReadFile("../testdata/transform/colours.json")
	if err != nil {
		t.Fatal(err)
	}
	c := new(coloured)
	if err := json.Unmarshal(b, c); err != nil {
		t.Fatal(err)
	}
	if len(c.Images) != 3 || len(c.Factor) < 100 || len(c.Mixup) != 6 || len(c.Poison) != 2 || len(c.Images[0]) != 3*c.Height*c.Width {
		t.Fatalf("colours.json holds %d images, %d factors, %d mixups, %d poisons", len(c.Images), len(c.Factor), len(c.Mixup), len(c.Poison))
	}
	return c
}

// apart counts the values that differ, and says how far they do.
func apart(a, b []byte) (count, most int) {
	for i, v := range a {
		if v != b[i] {
			count++
			most = max(most, int(v)-int(b[i]), int(b[i])-int(v))
		}
	}
	return count, most
}

// TestFactorsGolden holds FFCV's brightness, contrast and saturation and
// torchvision's hue and gray to the last bit. torchvision blurs both ways at
// once, so roundings of the last bit may differ there.
func TestFactorsGolden(t *testing.T) {
	c := readColoured(t)
	for _, g := range c.Factor {
		pix := bytes.Clone(c.Images[g.Image])
		allowed := 0
		switch g.Op {
		case "brightness":
			brighten(pix, g.Factor)
		case "contrast":
			contrast(pix, g.Factor)
		case "saturation":
			saturate(pix, g.Factor)
		case "hue":
			turn(pix, g.Factor)
		case "grayscale":
			grayTriples(pix, pix)
		case "solarize":
			spec := array.Spec{DType: array.Uint8, Shape: []int{c.Height, c.Width, 3}}
			_, apply, _, err := Solarize{Threshold: int(g.Factor), P: 1}.Bind(spec)
			if err != nil {
				t.Fatal(err)
			}
			if err := apply(pix, pix, rand.New(rand.NewPCG(1, 1))); err != nil {
				t.Fatal(err)
			}
		case "blur":
			newBlur(g.Size/2, c.Width, 3).run(pix, pix, c.Height, g.Factor)
			allowed = 2
		default:
			t.Fatalf("unknown %q", g.Op)
		}
		if n, most := apart(pix, g.Outcome); n > allowed || most > 1 {
			t.Errorf("%s by %v of image %d, size %d: %d values differ, by %d at most", g.Op, g.Factor, g.Image, g.Size, n, most)
		}
	}
}

// TestMixupGolden mixes as FFCV with its own lambdas.
func TestMixupGolden(t *testing.T) {
	c := readColoured(t)
	labels := []float64{3, 0, 7}
	for _, g := range c.Mixup {
		size := len(c.Images[0])
		for i, lambda := range g.Lambda {
			before := (i + 2) % 3
			got := make([]byte, size)
			mixer(array.Uint8)(got, c.Images[i], c.Images[before], lambda)
			if n, most := apart(got, g.Outcome[i*size:]); n > 0 {
				t.Errorf("lambda %v: %d values differ, by %d at most", lambda, n, most)
			}
			y := make([]byte, 12)
			putTriple(y, labels[i], labels[before], lambda)
			if !bytes.Equal(y, g.Labels[12*i:12*i+12]) {
				t.Errorf("lambda %v: label %x, want %x", lambda, y, g.Labels[12*i:12*i+12])
			}
			_, apply, _, err := MixupToOneHot{Classes: 8}.Bind(triple())
			if err != nil {
				t.Fatal(err)
			}
			hot := make([]byte, 32)
			if err := apply(hot, y, nil); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(hot, g.Onehot[32*i:32*i+32]) {
				t.Errorf("lambda %v: one-hot %x, want %x", lambda, hot, g.Onehot[32*i:32*i+32])
			}
		}
	}
}

func floats(b []byte) []float64 {
	var out []float64
	for ; len(b) >= 8; b = b[8:] {
		out = append(out, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return out
}

func TestPoisonGolden(t *testing.T) {
	c := readColoured(t)
	spec := array.Spec{DType: array.Uint8, Shape: []int{c.Height, c.Width, 3}}
	for _, g := range c.Poison {
		p := Poison{Mask: floats(g.Mask), Alpha: floats(g.Alpha), Indices: g.Indices, Clamp: [2]uint8{uint8(g.Clamp[0]), uint8(g.Clamp[1])}}
		_, apply, _, err := p.BindIndexed(spec)
		if err != nil {
			t.Fatal(err)
		}
		for i, sample := range g.Samples {
			got := bytes.Clone(c.Images[i])
			if err := apply(got, got, sample, nil); err != nil {
				t.Fatal(err)
			}
			if n, most := apart(got, g.Outcome[i*len(got):]); n > 0 {
				t.Errorf("clamp %v, sample %d: %d values differ, by %d at most", g.Clamp, sample, n, most)
			}
		}
	}
	r := ReplaceLabel{Indices: c.Labels.Indices, NewLabel: c.Labels.New}
	_, apply, _, err := r.BindIndexed(array.Spec{DType: array.Int64, Shape: []int{1}})
	if err != nil {
		t.Fatal(err)
	}
	for i, sample := range c.Labels.Samples {
		got := bytes.Clone(c.Labels.Before[8*i : 8*i+8])
		if err := apply(got, got, sample, nil); err != nil || !bytes.Equal(got, c.Labels.After[8*i:8*i+8]) {
			t.Errorf("label of sample %d: %v, %v", sample, got, err)
		}
	}
}
