package loader_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

// scene is picture i of the scenes: its channels are the mask, x and y. Classes
// are 1 to 9 in blocks, one of them the box.
type scene struct {
	w, h int
	box  [4]int // left, top, right, bottom
}

func sceneAt(i int) scene {
	s := scene{w: 60 + 7*(i%4), h: 50 + 5*(i%3)}
	s.box = [4]int{10 + i%5, 12, 30 + i%7, 33}
	return s
}

func (s scene) class(x, y int) byte {
	if x >= s.box[0] && x < s.box[2] && y >= s.box[1] && y < s.box[3] {
		return 200
	}
	return byte(1 + x/9%3 + y/11%3*3)
}

// fill makes a raster of what at gives for each pixel.
func (s scene) fill(channels int, at func(x, y int) []byte) []byte {
	pix := make([]byte, 0, s.w*s.h*channels)
	for y := range s.h {
		for x := range s.w {
			pix = append(pix, at(x, y)...)
		}
	}
	return pix
}

func (s scene) image() rgb.Image {
	return rgb.Image{Width: s.w, Height: s.h, Pix: s.fill(3, func(x, y int) []byte { return []byte{s.class(x, y), byte(x), byte(y)} })}
}

func (s scene) raster(channels, depth int, at func(x, y int) []byte) rgb.Raster {
	return rgb.Raster{Width: s.w, Height: s.h, Channels: channels, Depth: depth, Pix: s.fill(channels*depth, at)}
}

// scenes is a dataset of n scenes, by source: one that lends, one that doesn't.
func scenes(t testing.TB, n int, change func(i int, values []any)) map[string]*ffcv.File {
	t.Helper()
	path := ffcvtest.Write(t, []ffcv.FieldSpec{
		{Name: "image", Field: fields.RGBImage{Mode: fields.ModeRaw}},
		{Name: "mask", Field: fields.Image{}},
		{Name: "depth", Field: fields.Image{DType: array.Uint16, Compression: fields.CompressNone}},
		{Name: "rgba", Field: fields.Image{Channels: 4}},
		{Name: "boxes", Field: fields.NDArray{DType: array.Float32, Shape: []int{2, 5}}},
		{Name: "list", Field: fields.Bytes{}},
		{Name: "label", Field: fields.Int{}},
	}, n, func(i int) []any {
		s := sceneAt(i)
		var list []byte
		for _, v := range s.box {
			list = binary.LittleEndian.AppendUint32(list, uint32(int32(v)))
		}
		b := s.box
		values := []any{
			s.image(),
			s.raster(1, 1, func(x, y int) []byte { return []byte{s.class(x, y)} }),
			s.raster(1, 2, func(x, y int) []byte { return []byte{byte(x), byte(y)} }),
			s.raster(4, 1, func(x, y int) []byte { return []byte{s.class(x, y), byte(x), byte(y), 255} }),
			[]float32{float32(b[0]), float32(b[1]), float32(b[2]), float32(b[3]), 7, -1, -1, -1, -1, -1},
			bytes.Repeat(list, i%3),
			i,
		}
		if change != nil {
			change(i, values)
		}
		return values
	}, nil)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return ffcvtest.Open(t, b, nil)
}

// following are the outputs that follow one of the name.
func following(name string) []loader.Output {
	return []loader.Output{
		{Name: "mask", Decoder: transform.Mask{}, Follow: name},
		{Name: "depth", Decoder: &transform.Area{}, Follow: name},
		{Name: "nearest", Field: "depth", Decoder: transform.Mask{}, Follow: name, Ops: []any{transform.ToCHW{}}},
		{Name: "boxes", Decoder: transform.Boxes{}, Follow: name},
		{Name: "list", Decoder: transform.Boxes{Max: 3, DType: array.Int32}, Follow: name},
	}
}

// TestFollow: masks, depth maps and boxes lie as the picture that they follow
// does, pixel by pixel where nothing is resized.
func TestFollow(t *testing.T) {
	flip, upside := transform.HorizontalFlip{}, transform.VerticalFlip{}
	crop := transform.RandomCrop{Width: 40, Height: 36}
	padded := transform.RandomCrop{Width: 72, Height: 60, Padding: 6, PadIfNeeded: true}
	for name, f := range scenes(t, 24, nil) {
		for k, lead := range []loader.Output{
			{Decoder: crop},
			{Decoder: crop, Ops: []any{flip}},
			{Decoder: crop, Ops: []any{flip, upside, transform.Translate{Padding: 5}, flip}},
			{Decoder: crop, Ops: []any{upside, transform.ToCHW{}}},
			{Decoder: crop, Ops: []any{flip, transform.ToCHW{}}},
			{Decoder: crop, Ops: []any{transform.RandomCrop{Width: 30, Height: 32, Padding: 4}, flip}},
			{Decoder: padded, Ops: []any{flip}},
			{Decoder: &padded, Ops: []any{transform.RandomCrop{Width: 50, Height: 40}, upside, transform.ToCHW{}}},
			{Field: "rgba", Decoder: crop, Ops: []any{flip}},
			{Field: "rgba", Decoder: padded, Ops: []any{upside, flip}},
		} {
			lead.Name = "lead"
			if lead.Field == "" {
				lead.Field = "image"
			}
			outputs := append([]loader.Output{{Name: "image", Disabled: true}, {Name: "rgba", Disabled: true}, lead}, following("lead")...)
			l := newLoader(t, f, &loader.Options{BatchSize: 5, Workers: 1 + k%3, Seed: uint64(k), Order: loader.Random, Outputs: outputs})
			for n := range 3 {
				for b, err := range l.Epoch(t.Context(), n) {
					if err != nil {
						t.Fatal(name, k, err)
					}
					for i, id := range b.Samples() {
						if err := follows(b, i, sceneAt(id)); err != nil {
							t.Fatalf("%s, leader %d, epoch %d, sample %d: %v", name, k, n, id, err)
						}
					}
					b.Release()
				}
			}
		}
	}
}

// follows compares row i of what follows "lead" with that.
func follows(b *loader.Batch, i int, s scene) error {
	lead := b.Output("lead")
	pix, shape := lead.Value(i), lead.Shape[1:]
	at := func(x, y, c int) byte { return pix[(y*shape[1]+x)*shape[2]+c] }
	w, h := shape[1], shape[0]
	if shape[0] <= 4 { // channels first
		at = func(x, y, c int) byte { return pix[(c*shape[1]+y)*shape[2]+x] }
		w, h = shape[2], shape[1]
	}
	mask, depth, nearest := b.Output("mask"), b.Output("depth"), b.Output("nearest")
	if !slices.Equal(mask.Shape[1:], []int{h, w, 1}) || !slices.Equal(nearest.Shape[1:], []int{1, h, w}) || depth.DType != array.Uint16 {
		return fmt.Errorf("mask %v, nearest %v of %dx%d", mask.Spec, nearest.Spec, w, h)
	}
	left, top, right, bottom := w, h, 0, 0
	for y := range h {
		for x := range w {
			k := y*w + x
			if got, want := mask.Value(i)[k], at(x, y, 0); got != want {
				return fmt.Errorf("mask %d at (%d, %d), the picture has %d", got, x, y, want)
			}
			for _, d := range []loader.Column{depth, nearest} {
				if got := d.Value(i)[2*k : 2*k+2]; got[0] != at(x, y, 1) || got[1] != at(x, y, 2) {
					return fmt.Errorf("%s %v at (%d, %d), the picture has %d, %d", d.Name, got, x, y, at(x, y, 1), at(x, y, 2))
				}
			}
			if at(x, y, 0) == 200 {
				left, top, right, bottom = min(left, x), min(top, y), max(right, x+1), max(bottom, y+1)
			}
		}
	}
	want := []float32{float32(left), float32(top), float32(right), float32(bottom)}
	if left == w {
		want = []float32{-1, -1, -1, -1}
	}
	got := floats(b.Output("boxes").Value(i))
	if !slices.Equal(got[:4], want) || left < w && got[4] != 7 || slices.Max(got[5:]) != -1 {
		return fmt.Errorf("box %v, the picture has %v", got, want)
	}
	id := b.Samples()[i]
	for k := range 3 {
		row := floats(b.Output("list").Value(i))[4*k : 4*k+4]
		if k < id%3 && left < w {
			if !slices.Equal(row, want) {
				return fmt.Errorf("box %d of the list is %v, want %v", k, row, want)
			}
		} else if slices.Max(row) != -1 {
			return fmt.Errorf("box %d of the list is %v", k, row)
		}
	}
	return nil
}

func floats(b []byte) []float32 {
	a, err := array.New(array.Spec{DType: array.Float32, Shape: []int{len(b) / 4}}, b)
	if err != nil {
		panic(err)
	}
	v, _ := array.View[float32](a)
	return slices.Clone(v)
}

// TestFollowResized: a resized crop's mask has no class that the source hasn't,
// and lies where the picture does, up to the pixels at borders. An output that
// is only there for its geometry can be followed.
func TestFollowResized(t *testing.T) {
	f := scenes(t, 24, nil)["map"]
	lead := loader.Output{Name: "image", Decoder: transform.RandomResizedCrop{Width: 48, Height: 44, Scale: [2]float64{0.3, 1}, Exact: true}, Ops: []any{
		transform.HorizontalFlip{}, transform.Translate{Padding: 3}}}
	run := func(disabled bool) (masks [][]byte) {
		lead := lead
		lead.Disabled = disabled
		l := newLoader(t, f, &loader.Options{BatchSize: 6, Workers: 2, Seed: 9, Outputs: append([]loader.Output{lead, {Name: "rgba", Disabled: true}}, following("image")...)})
		for n := range 4 {
			for b, err := range l.Epoch(t.Context(), n) {
				if err != nil {
					t.Fatal(err)
				}
				for i, id := range b.Samples() {
					mask := b.Output("mask").Value(i)
					masks = append(masks, bytes.Clone(mask))
					off := 0
					for k, v := range mask {
						if v != 200 && v > 9 {
							t.Fatalf("epoch %d, sample %d: class %d", n, id, v)
						}
						if !disabled && max(v, b.Output("image").Value(i)[3*k])-min(v, b.Output("image").Value(i)[3*k]) > 2 {
							off++
						}
					}
					if off > len(mask)/5 {
						t.Errorf("epoch %d, sample %d: %d of %d pixels lie elsewhere than the picture", n, id, off, len(mask))
					}
				}
				b.Release()
			}
		}
		return masks
	}
	with, without := run(false), run(true)
	for i := range with {
		if !bytes.Equal(with[i], without[i]) {
			t.Fatalf("mask %d is another when the picture is disabled", i)
		}
	}
}

// shapes is an operation of a program that changes the shape and doesn't say how.
type shapes struct{ shape []int }

func (o shapes) Bind(in array.Spec) (array.Spec, func(dst, src []byte, rng *rand.Rand) error, bool, error) {
	return array.Spec{DType: in.DType, Shape: o.shape}, func(dst, src []byte, _ *rand.Rand) error { copy(dst, src); return nil }, false, nil
}

// TestNoNewClass: ten thousand random crops of masks hold the masks' own
// numbers, and what is bare.
func TestNoNewClass(t *testing.T) {
	f := scenes(t, 25, nil)["map"]
	l := newLoader(t, f, &loader.Options{BatchSize: 25, Workers: 2, Seed: 4, Outputs: []loader.Output{
		{Name: "image", Disabled: true, Decoder: transform.RandomResizedCrop{Width: 31, Height: 37}, Ops: []any{
			transform.HorizontalFlip{}, transform.VerticalFlip{}, transform.Translate{Padding: 2}, transform.ToCHW{}}},
		{Name: "mask", Decoder: transform.Mask{Fill: []uint16{255}}, Follow: "image"}, {Name: "depth", Disabled: true}, {Name: "rgba", Disabled: true},
	}})
	var seen [256]int
	for n := range 400 {
		for b, err := range l.Epoch(t.Context(), n) {
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range b.Output("mask").Data {
				seen[v]++
			}
			b.Release()
		}
	}
	for v, n := range seen {
		if known := v >= 1 && v <= 9 || v == 200 || v == 255; known != (n > 0) {
			t.Errorf("class %d: %d pixels", v, n)
		}
	}
}

// TestFollowEnds: every way to leave an epoch of shared views and followers
// leaves no goroutine.
func TestFollowEnds(t *testing.T) {
	f := scenes(t, 24, nil)["map"]
	outputs := append(following("image"), loader.Output{Name: "rgba", Disabled: true},
		loader.Output{Name: "image", Decoder: transform.CenterCrop{Width: 9, Height: 9}},
		loader.Output{Name: "again", Field: "image", Decoder: transform.CenterCrop{Width: 8, Height: 8}})
	for _, c := range []struct {
		name string
		use  func(l *loader.Loader)
	}{
		{"all", func(l *loader.Loader) { consume(t.Context(), l, 99) }},
		{"break", func(l *loader.Loader) { consume(t.Context(), l, 2) }},
		{"nothing", func(l *loader.Loader) { l.Epoch(t.Context(), 0) }},
		{"cancel", func(l *loader.Loader) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for range l.Epoch(ctx, 0) {
				cancel()
			}
		}},
		{"panic", func(l *loader.Loader) {
			defer func() { recover() }()
			for range l.Epoch(t.Context(), 0) {
				panic("of the consumer")
			}
		}},
		{"replay", func(l *loader.Loader) { l.Replay(3, 1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer leak.Watch(t)()
			c.use(newLoader(t, f, &loader.Options{BatchSize: 3, Workers: 3, Outputs: outputs}))
		})
	}
}

// rolls is an operation of a program that says where pixels go.
type rolls struct{}

func (rolls) Bind(in array.Spec) (array.Spec, func(dst, src []byte, rng *rand.Rand) error, bool, error) {
	return in, func(dst, src []byte, _ *rand.Rand) error { return nil }, true, nil
}

func (rolls) Move(array.Spec, *rgb.Placement, *rand.Rand) {}

// TestFollowRefused: what can't be followed is an error of New that names it.
func TestFollowRefused(t *testing.T) {
	f := scenes(t, 6, nil)["map"]
	crop := transform.RandomCrop{Width: 40, Height: 36}
	image := func(ops ...any) loader.Output { return loader.Output{Name: "image", Decoder: crop, Ops: ops} }
	mask := loader.Output{Name: "mask", Decoder: transform.Mask{}, Follow: "image"}
	for _, c := range []struct {
		name    string
		outputs []loader.Output
		want    string
	}{
		{"nothing", []loader.Output{{Name: "mask", Decoder: transform.Mask{}, Follow: "picture"}},
			`output "mask" of`}, {"nothing named", []loader.Output{{Name: "mask", Decoder: transform.Mask{}, Follow: "picture"}},
			`it follows "picture", which is no output; there are "image", "depth", "rgba", "boxes", "list", "label"`},
		{"chain", []loader.Output{image(), mask, {Name: "depth", Decoder: transform.Mask{}, Follow: "mask"}},
			`it follows "mask", which follows "image": follow that one`},
		{"itself", []loader.Output{{Name: "mask", Decoder: transform.Mask{}, Follow: "mask"}}, `it follows "mask", which follows "mask"`},
		{"number", []loader.Output{{Name: "mask", Decoder: transform.Mask{}, Follow: "label"}},
			`output "label" of`}, {"number says", []loader.Output{{Name: "mask", Decoder: transform.Mask{}, Follow: "label"}},
			`another output follows it, but it is no picture`},
		{"raw", []loader.Output{{Name: "image", Decoder: loader.Raw{}}, mask}, `it is no picture`},
		{"no decoder", []loader.Output{image(), {Name: "mask", Follow: "image"}}, `its decoder must be a RasterFollower (transform.Mask, transform.Area) or an ArrayFollower (transform.Boxes), not <nil>`},
		{"no follower", []loader.Output{image(), {Name: "mask", Decoder: crop, Follow: "image"}}, `not transform.RandomCrop`},
		{"no leader", []loader.Output{{Name: "mask", Decoder: transform.Mask{}}}, `decoder transform.Mask follows another output and needs Follow`},
		{"boxes of a mask", []loader.Output{image(), {Name: "mask", Decoder: transform.Boxes{}, Follow: "image"}}, `transform.Boxes takes arrays and bytes, field "mask" is of type 255`},
		{"mask of boxes", []loader.Output{image(), {Name: "boxes", Decoder: transform.Mask{}, Follow: "image"}}, `transform.Mask takes rasters, field "boxes" is of type 4`},
		{"fill", []loader.Output{image(), {Name: "mask", Decoder: transform.Mask{Fill: []uint16{1, 2}}, Follow: "image"}}, `a Fill of 2 numbers for 1 channels`},
		{"mixes", []loader.Output{image(transform.ImageMixup{}), mask}, `operation 0 (transform.ImageMixup) mixes samples`},
		{"shape", []loader.Output{image(transform.HorizontalFlip{}, shapes{[]int{30, 30, 3}}), mask}, `operation 1 (loader_test.shapes) makes |u1 (30, 30, 3) of |u1 (36, 40, 3) and has no method Move`},
		{"flat", []loader.Output{image(shapes{[]int{36 * 40 * 3}}), mask}, `operation 0 (loader_test.shapes) makes |u1 (4320,) of |u1 (36, 40, 3): no picture any more`},
		{"late", []loader.Output{image(transform.ToCHW{}, rolls{}), mask}, `operation 1 (loader_test.rolls) moves pixels and comes after the channels are first`},
		{"blind", []loader.Output{{Name: "image", Decoder: separate{crop}}, mask}, `its decoder loader_test.separate doesn't say where pixels go: it is neither a Viewer nor a Mover`},
		{"sizes", []loader.Output{{Name: "mask"}}, `rasters of different sizes need a decoder (such as transform.CenterCrop, or transform.Mask with Follow), Raw, or Disabled`},
		{"crop of a label", []loader.Output{image(), {Name: "label", Decoder: crop}}, `transform.RandomCrop takes images and rasters, field "label" is of type 1`},
		{"decoder among operations", []loader.Output{image(transform.Simple{})}, `operation 0 (transform.Simple): it is a decoder and no operation: it may stand as Decoder`},
		{"follower among operations", []loader.Output{image(transform.Mask{})}, `operation 0 (transform.Mask): it is a decoder and no operation`},
		{"operation as decoder", []loader.Output{{Name: "image", Decoder: transform.HorizontalFlip{}}}, `decoder transform.HorizontalFlip is an operation: it may stand among Ops`},
		{"image of a mask", []loader.Output{image(), {Name: "mask", Decoder: separate{crop}}}, `loader_test.separate decodes images, field "mask" is of type 255`},
	} {
		outputs := slices.Clone(c.outputs)
		for _, d := range []loader.Output{{Name: "image", Decoder: loader.Raw{}}, {Name: "mask", Decoder: loader.Raw{}}, {Name: "depth", Decoder: loader.Raw{}}, {Name: "rgba", Decoder: loader.Raw{}}} {
			if !slices.ContainsFunc(outputs, func(o loader.Output) bool { return o.Name == d.Name }) {
				outputs = append(outputs, d)
			}
		}
		if _, err := loader.New(f, &loader.Options{Outputs: outputs}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", c.name, err, c.want)
		}
	}
}

// TestFollowOtherSize: a mask of another size than its picture is an error of
// its sample.
func TestFollowOtherSize(t *testing.T) {
	defer leak.Watch(t)()
	for name, f := range scenes(t, 12, func(i int, values []any) {
		if i == 7 {
			values[1] = rgb.Raster{Width: 33, Height: 44, Channels: 1, Depth: 1, Pix: make([]byte, 33*44)}
		}
	}) {
		s := sceneAt(7)
		want := fmt.Sprintf(`sample 7: output "mask": raster of 33x44, but the picture of output "image", which it follows, is %dx%d`, s.w, s.h)
		l := newLoader(t, f, &loader.Options{BatchSize: 4, Workers: 2, Outputs: append([]loader.Output{
			{Name: "image", Decoder: transform.RandomCrop{Width: 40, Height: 36}}, {Name: "rgba", Disabled: true}}, following("image")...)})
		n, err := consume(t.Context(), l, 3)
		if n != 1 || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d batches, %v; want 1, %s", name, n, err, want)
		}
	}
}

// TestRasters: decoders of rasters that follow nothing.
func TestRasters(t *testing.T) {
	for name, f := range scenes(t, 1, nil) {
		s := sceneAt(0)
		l := newLoader(t, f, &loader.Options{Outputs: []loader.Output{
			{Name: "small", Field: "mask", Decoder: transform.CenterCrop{Width: 8, Height: 6}},
			{Name: "random", Field: "depth", Decoder: transform.RandomCrop{Width: 9, Height: 7}, Ops: []any{transform.ToCHW{}}},
			{Name: "raw", Field: "depth", Decoder: loader.Raw{}},
		}})
		for b, err := range l.Epoch(t.Context(), 0) {
			if err != nil {
				t.Fatal(name, err)
			}
			for _, c := range []struct {
				output string
				dtype  array.DType
				shape  []int
			}{
				{"mask", array.Uint8, []int{1, s.h, s.w, 1}}, {"depth", array.Uint16, []int{1, s.h, s.w, 1}}, {"rgba", array.Uint8, []int{1, s.h, s.w, 4}},
				{"small", array.Uint8, []int{1, 6, 8, 1}}, {"random", array.Uint16, []int{1, 1, 7, 9}}, {"raw", array.Uint8, []int{1, 24}},
			} {
				if got := b.Output(c.output); got.DType != c.dtype || !slices.Equal(got.Shape, c.shape) {
					t.Errorf("%s: %s is %v, want %v %v", name, c.output, got.Spec, c.dtype, c.shape)
				}
			}
			for _, of := range []string{"mask", "depth", "rgba"} {
				v, err := f.Value(0, f.FieldIndex(of))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(b.Output(of).Value(0), v.(rgb.Raster).Pix) {
					t.Errorf("%s: %s has other numbers", name, of)
				}
			}
			d := b.Output("random").Value(0)
			if x, y := int(d[0]), int(d[1]); x > s.w-9 || y > s.h-7 || int(d[2]) != x+1 || int(d[2*9+1]) != y+1 {
				t.Errorf("%s: random crop at %d, %d: %d", name, x, y, d[:4])
			}
			b.Release()
		}
	}
}

// TestRasterRuined: damaged metadata and data of a raster are errors of its
// sample.
func TestRasterRuined(t *testing.T) {
	f := scenes(t, 4, nil)["map"]
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	off := ffcv.HeaderSize + len(f.Fields())*ffcv.DescriptorSize + 2*f.RowSize() + f.Fields()[1].Offset
	for _, c := range []struct {
		name  string
		at    int
		value byte
	}{{"coding", 20, 99}, {"width", 16, 1}, {"size", 8, 0}, {"pointer", 5, 0xff}} {
		ruined := bytes.Clone(b)
		ruined[off+c.at] = c.value
		if c.name == "size" {
			clear(ruined[off+8 : off+16])
		}
		for name, f := range ffcvtest.Open(t, ruined, nil) {
			l, err := loader.New(f, &loader.Options{BatchSize: 1, Outputs: append([]loader.Output{
				{Name: "image", Decoder: transform.RandomCrop{Width: 40, Height: 36}}, {Name: "rgba", Disabled: true}}, following("image")...)})
			if err != nil {
				t.Fatal(err)
			}
			if n, err := consume(t.Context(), l, 4); n != 2 || err == nil || !strings.Contains(err.Error(), "sample 2") {
				t.Errorf("%s, %s: %d batches, %v", c.name, name, n, err)
			}
		}
	}
}

// TestFollowAllocs: nothing is allocated for a sample.
func TestFollowAllocs(t *testing.T) {
	if race.Enabled || loader.Debugging {
		t.Skip("the race detector lets pools forget, a debug build makes every batch anew")
	}
	f := scenes(t, 64, nil)["map"]
	epoch := epochs(t, f, &loader.Options{BatchSize: 8, Workers: 1, Outputs: append([]loader.Output{
		{Name: "image", Decoder: transform.RandomCrop{Width: 40, Height: 36, Padding: 2}, Ops: []any{transform.VerticalFlip{}}}, {Name: "rgba", Decoder: transform.CenterCrop{Width: 9, Height: 9}}}, following("image")...)})
	for range 5 {
		epoch()
	}
	if got := testing.AllocsPerRun(10, epoch); got > float64(f.Len()) {
		t.Errorf("%.0f allocations an epoch of %d samples", got, f.Len())
	}
}
