package loader_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"

	"encoding/json"
	"errors"
	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
	"io/fs"
)

// photos writes a dataset of n small pictures with labels and captions and
// opens it.
func photos(n int) (f *ffcv.File, remove func()) {
	dir, err := os.MkdirTemp("", "loader")
	if err != nil {
		log.Fatal(err)
	}
	path := filepath.Join(dir, "photos.beton")
	w, err := ffcv.Create(path, []ffcv.FieldSpec{
		{Name: "image", Field: &fields.RGBImage{}},
		{Name: "label", Field: fields.Int{}},
		{Name: "caption", Field: fields.JSON{}},
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	err = w.WriteStream(context.Background(), func(yield func(ffcv.Sample, error) bool) {
		for i := range n {
			img := rgb.Image{Width: 40 + i, Height: 30, Pix: make([]byte, 3*(40+i)*30)}
			caption := map[string]any{"photo": i}
			if !yield(ffcv.Sample{Values: []any{img, i % 3, caption}}, nil) {
				return
			}
		}
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	if f, err = ffcv.Open(path, nil); err != nil {
		log.Fatal(err)
	}
	return f, func() { f.Close(); os.RemoveAll(dir) }
}

func Example() {
	f, remove := photos(10)
	defer remove()

	l, err := loader.New(f, &loader.Options{
		BatchSize: 4,
		Order:     loader.Random,
		Seed:      1,
		Outputs: []loader.Output{{
			Name:    "image",
			Decoder: transform.RandomResizedCrop{Width: 24, Height: 16},
			Ops:     []any{transform.HorizontalFlip{}, transform.ToCHW{}},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	fmt.Println(l.Len(), "batches of", l.Samples(), "samples")
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			log.Fatal(err)
		}
		images, captions := b.Output("image"), b.Output("caption")
		labels, err := array.View[int64](b.Output("label").Array)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(images.Spec, b.Samples(), labels, string(captions.JSON(0)))
		b.Release()
	}
	// Output:
	// 3 batches of 10 samples
	// |u1 (4, 3, 16, 24) [8 4 7 0] [2 1 1 0] {"photo": 8}
	// |u1 (4, 3, 16, 24) [1 2 5 9] [1 2 2 0] {"photo": 1}
	// |u1 (2, 3, 16, 24) [6 3] [0 0] {"photo": 6}
}

// Images of different sizes can be had as they are stored.
func ExampleRaw() {
	f, remove := photos(3)
	defer remove()

	l, err := loader.New(f, &loader.Options{Outputs: []loader.Output{
		{Name: "image", Decoder: loader.Raw{}},
		{Name: "caption", Disabled: true},
	}})
	if err != nil {
		log.Fatal(err)
	}
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			log.Fatal(err)
		}
		c := b.Output("image")
		for i := range b.Len() {
			v := c.Image(i)
			fmt.Println(v.JPEG, v.Width, v.Height, len(v.Data) == c.Lengths[i])
		}
		b.Release()
	}
	// Output:
	// true 40 30 true
	// true 41 30 true
	// true 42 30 true
}

// jitter adds up to one to the numbers of an Int field.
type jitter struct{}

// Bind makes float64 out of int64.
func (jitter) Bind(in array.Spec) (array.Spec, func(dst, src []byte, rng *rand.Rand) error, bool, error) {
	if in.DType != array.Int64 {
		return in, nil, false, fmt.Errorf("want %v, not %v", array.Int64, in.DType)
	}
	out := array.Spec{DType: array.Float64, Shape: in.Shape}
	return out, func(dst, src []byte, rng *rand.Rand) error {
		from, err := array.View[int64](array.Array{Spec: in, Data: src})
		if err != nil {
			return err
		}
		to, err := array.View[float64](array.Array{Spec: out, Data: dst})
		for i, v := range from {
			to[i] = float64(v) + rng.Float64()
		}
		return err
	}, false, nil
}

// An operation of one's own. Its random numbers belong to the sample: the
// batch size and the number of workers don't change them.
func ExampleOp() {
	f, remove := photos(4)
	defer remove()

	for _, workers := range []int{1, 3} {
		l, err := loader.New(f, &loader.Options{
			BatchSize: workers, Workers: workers, Indices: []int{1, 2, 3},
			Outputs: []loader.Output{
				{Name: "label", Ops: []any{jitter{}}},
				{Name: "image", Disabled: true}, {Name: "caption", Disabled: true},
			},
		})
		if err != nil {
			log.Fatal(err)
		}
		for b, err := range l.Epoch(context.Background(), 7) {
			if err != nil {
				log.Fatal(err)
			}
			v, _ := array.View[float64](b.Output("label").Array)
			fmt.Printf("%.3f\n", v)
			b.Release()
		}
	}
	// Output:
	// [1.308]
	// [2.911]
	// [0.393]
	// [1.308 2.911 0.393]
}

// The samples of one class, half of them for each of two machines.
func ExampleOptions_filter() {
	f, remove := photos(9)
	defer remove()

	for rank := range 2 {
		l, err := loader.New(f, &loader.Options{
			Filter: func(s *loader.Sample) (bool, error) {
				label, err := s.Int("label")
				return label == 2, err
			},
			Rank: rank, WorldSize: 2,
			Outputs: []loader.Output{{Name: "image", Disabled: true}},
		})
		if err != nil {
			log.Fatal(err)
		}
		for b, err := range l.Epoch(context.Background(), 0) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(rank, b.Samples())
			b.Release()
		}
	}
	// Output:
	// 0 [2 8]
	// 1 [5 2]
}

// A training on two machines stops after a batch; one machine goes on with what is
// left of the epoch, in the same order.
func ExampleResume() {
	f, remove := photos(9)
	defer remove()

	opts := loader.Options{Order: loader.Keyed, Seed: 1, BatchSize: 2, Outputs: []loader.Output{{Name: "image", Disabled: true}}}
	whole, err := loader.New(f, &opts)
	if err != nil {
		log.Fatal(err)
	}
	show(whole)

	var state *loader.State
	for rank := range 2 {
		two := opts
		two.Rank, two.WorldSize = rank, 2
		l, err := loader.New(f, &two)
		if err != nil {
			log.Fatal(err)
		}
		for b, err := range l.Epoch(context.Background(), 0) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println("rank", rank, b.Samples())
			b.Release()
			break
		}
		if state, err = l.State(); err != nil { // the same for both
			log.Fatal(err)
		}
	}

	fmt.Println("after", state.Consumed, "of", state.Length)
	one, err := loader.Resume(f, &opts, state)
	if err != nil {
		log.Fatal(err)
	}
	show(one)
	// Output:
	// [1 8][6 3][2 0][7 4][5]
	// rank 0 [1 6]
	// rank 1 [8 3]
	// after 4 of 9
	// [2 0][7 4][5]
}

// show prints the samples of an epoch.
func show(l *loader.Loader) {
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(b.Samples())
		b.Release()
	}
	fmt.Println()
}

// A mask follows its picture: the same crop, the same flip.
func ExampleOutput_follow() {
	dir, err := os.MkdirTemp("", "loader")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "masks.beton")
	w, err := ffcv.Create(path, []ffcv.FieldSpec{
		{Name: "image", Field: fields.RGBImage{Mode: fields.ModeRaw}},
		{Name: "mask", Field: fields.Image{}},
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	err = w.WriteStream(context.Background(), func(yield func(ffcv.Sample, error) bool) {
		const side = 64
		img := rgb.Image{Width: side, Height: side, Pix: make([]byte, 3*side*side)}
		mask := rgb.Raster{Width: side, Height: side, Channels: 1, Depth: 1, Pix: make([]byte, side*side)}
		for i := range mask.Pix {
			class := byte(i % side / 32) // left 0, right 1
			mask.Pix[i], img.Pix[3*i] = class, 200*class
		}
		yield(ffcv.Sample{Values: []any{img, mask}}, nil)
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	f, err := ffcv.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()

	l, err := loader.New(f, &loader.Options{Seed: 1, Outputs: []loader.Output{
		{Name: "image", Decoder: transform.RandomCrop{Width: 40, Height: 40}, Ops: []any{transform.HorizontalFlip{}, transform.Brightness{Magnitude: 0.1}}},
		{Name: "mask", Decoder: transform.Mask{}, Follow: "image"},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	for epoch := range 3 {
		for b, err := range l.Epoch(context.Background(), epoch) {
			if err != nil {
				log.Fatal(err)
			}
			image, mask := b.Output("image").Value(0), b.Output("mask").Value(0)
			same := true
			for i, class := range mask {
				same = same && (image[3*i] != 0) == (class != 0)
			}
			fmt.Println(b.Output("mask").Spec, "lies as the image:", same)
			b.Release()
		}
	}
	// Output:
	// |u1 (1, 40, 40, 1) lies as the image: true
	// |u1 (1, 40, 40, 1) lies as the image: true
	// |u1 (1, 40, 40, 1) lies as the image: true
}

// A training keeps in a file how far it has come, and goes on from there when it is
// started again.
func ExampleReadState() {
	f, remove := photos(6)
	defer remove()
	dir, err := os.MkdirTemp("", "state")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "state.json")
	opts := &loader.Options{Order: loader.Keyed, Seed: 1, BatchSize: 2, Outputs: []loader.Output{{Name: "image", Disabled: true}}}

	train := func() {
		var l *loader.Loader
		state, err := loader.ReadState(path)
		if errors.Is(err, fs.ErrNotExist) { // it begins
			l, err = loader.New(f, opts)
		} else if err == nil {
			l, err = loader.Resume(f, opts, state)
		}
		if err != nil {
			log.Fatal(err)
		}
		defer l.Close()
		for b, err := range l.Epoch(context.Background(), 0) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Print(b.Samples())
			b.Release()
			state, err := l.State()
			if err != nil {
				log.Fatal(err)
			}
			if err := state.Save(path); err != nil {
				log.Fatal(err)
			}
			if state.Batches == 1 {
				break // the machine is wanted elsewhere
			}
		}
		fmt.Println()
	}
	train()
	train()
	// Output:
	// [1 5]
	// [4 3][2 0]
}

// Another process sees in a file how the loader is doing.
func ExampleReadSnapshot() {
	f, remove := photos(6)
	defer remove()
	dir, err := os.MkdirTemp("", "stats")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "stats.json")

	l, err := loader.New(f, &loader.Options{BatchSize: 2, StatsFile: path, Outputs: []loader.Output{{Name: "image", Disabled: true}}})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			log.Fatal(err)
		}
		b.Release()
	}

	s, err := loader.ReadSnapshot(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Batches, "batches of", s.Samples, "samples;", s.Total.Samples, "loaded")
	// Output: 3 batches of 6 samples; 6 loaded
}

// A snapshot that came over the network.
func ExampleParseSnapshot() {
	f, remove := photos(6)
	defer remove()
	l, err := loader.New(f, &loader.Options{BatchSize: 2, Outputs: []loader.Output{{Name: "image", Disabled: true}}})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	b, err := json.Marshal(l.Snapshot())
	if err != nil {
		log.Fatal(err)
	}

	s, err := loader.ParseSnapshot(b)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Batches, "batches,", s.Total.Samples, "samples loaded")
	// Output: 3 batches, 0 samples loaded
}
