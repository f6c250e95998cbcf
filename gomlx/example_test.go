package gomlx_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/gomlx/gomlx/backends"
	"github.com/gomlx/gomlx/backends/simplego"
	"github.com/gomlx/gomlx/pkg/core/dtypes"
	"github.com/gomlx/gomlx/pkg/core/graph"
	mlcontext "github.com/gomlx/gomlx/pkg/ml/context"
	"github.com/gomlx/gomlx/pkg/ml/layers"
	"github.com/gomlx/gomlx/pkg/ml/layers/activations"
	"github.com/gomlx/gomlx/pkg/ml/train"
	"github.com/gomlx/gomlx/pkg/ml/train/losses"
	"github.com/gomlx/gomlx/pkg/ml/train/metrics"
	"github.com/gomlx/gomlx/pkg/ml/train/optimizers"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/gomlx"
	"github.com/betongo/betongo/loader"
)

// A small network learns to read digits: 2,000 pictures of 12 x 12 pixels,
// where a digit of 5 x 7 lies somewhere, darker or lighter, in noise.
func Example() {
	dir, err := os.MkdirTemp("", "digits-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	accuracy, err := learn(context.Background(), dir)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("at least 95 of 100 new pictures read:", accuracy >= 0.95)
	// Output: at least 95 of 100 new pictures read: true
}

// learn writes the pictures, trains for 12 epochs, and returns which share of
// 1,000 other pictures the network reads.
func learn(ctx context.Context, dir string) (accuracy float64, err error) {
	open := func(name string, seed uint64, n int, opts loader.Options) (*gomlx.Dataset, func(), error) {
		path := filepath.Join(dir, name+".beton")
		if err := writeDigits(ctx, path, seed, n); err != nil {
			return nil, nil, err
		}
		f, err := ffcv.Open(path, nil)
		if err != nil {
			return nil, nil, err
		}
		l, err := loader.New(f, &opts)
		if err != nil {
			return nil, nil, err
		}
		d, err := gomlx.New(ctx, l, &gomlx.Options{Name: name, Backend: simplego.GetBackend()})
		if err != nil {
			return nil, nil, err
		}
		return d, func() { d.Close(); l.Close(); f.Close() }, nil
	}
	learning, done, err := open("train", 1, 2000, loader.Options{BatchSize: 50, Order: loader.Random, Seed: 1})
	if err != nil {
		return 0, err
	}
	defer done()
	testing, done, err := open("test", 2, 1000, loader.Options{BatchSize: 100})
	if err != nil {
		return 0, err
	}
	defer done()

	trainer := newTrainer(simplego.GetBackend())
	if _, err := train.NewLoop(trainer).RunEpochs(learning, 12); err != nil {
		return 0, err
	}
	values, err := trainer.Eval(testing)
	if err != nil {
		return 0, err
	}
	return float64(values[len(values)-1].Value().(float32)), nil // after the loss
}

// newTrainer trains two dense layers.
func newTrainer(backend backends.Backend) *train.Trainer {
	model := func(ctx *mlcontext.Context, _ any, inputs []*graph.Node) []*graph.Node {
		x := graph.DivScalar(graph.ConvertDType(inputs[0], dtypes.Float32), 255)
		x = graph.Reshape(x, x.Shape().Dimensions[0], -1)
		x = activations.Relu(layers.Dense(ctx.In("hidden"), x, true, 64))
		return []*graph.Node{layers.Dense(ctx.In("digits"), x, true, 10)}
	}
	ctx := mlcontext.New()
	if err := ctx.SetRNGStateFromSeed(1); err != nil {
		panic(err)
	}
	ctx.SetParam(optimizers.ParamLearningRate, 0.005)
	return train.NewTrainer(backend, ctx, model, losses.SparseCategoricalCrossEntropyLogits, optimizers.Adam().Done(),
		nil, []metrics.Interface{metrics.NewSparseCategoricalAccuracy("accuracy", "acc")})
}

const side = 12 // pixels of a picture

// glyphs are the digits, each 5 x 7.
var glyphs = [10][7]string{
	{" ### ", "#   #", "#  ##", "# # #", "##  #", "#   #", " ### "},
	{"  #  ", " ##  ", "  #  ", "  #  ", "  #  ", "  #  ", " ### "},
	{" ### ", "#   #", "    #", "   # ", "  #  ", " #   ", "#####"},
	{" ### ", "#   #", "    #", "  ## ", "    #", "#   #", " ### "},
	{"   # ", "  ## ", " # # ", "#  # ", "#####", "   # ", "   # "},
	{"#####", "#    ", "#### ", "    #", "    #", "#   #", " ### "},
	{" ### ", "#    ", "#    ", "#### ", "#   #", "#   #", " ### "},
	{"#####", "    #", "   # ", "  #  ", " #   ", " #   ", " #   "},
	{" ### ", "#   #", "#   #", " ### ", "#   #", "#   #", " ### "},
	{" ### ", "#   #", "#   #", " ####", "    #", "    #", " ### "},
}

// digits are n pictures.
type digits struct {
	seed uint64
	n    int
}

func (d digits) Len() int { return d.n }

// Sample draws picture i.
func (d digits) Sample(_ context.Context, i int) ([]any, string, error) {
	rng := rand.New(rand.NewPCG(d.seed, uint64(i)))
	digit, pixels := rng.IntN(10), make([]byte, side*side)
	x, y, ink := 2+rng.IntN(4), 1+rng.IntN(4), 100+rng.IntN(100)
	for k := range pixels {
		pixels[k] = byte(rng.IntN(50))
	}
	for row, line := range glyphs[digit] {
		for column, dot := range line {
			if dot == '#' {
				pixels[(y+row)*side+x+column] += byte(ink)
			}
		}
	}
	a, err := array.New(array.Spec{DType: array.Uint8, Shape: []int{side, side}}, pixels)
	return []any{a, digit}, "", err
}

func writeDigits(ctx context.Context, path string, seed uint64, n int) error {
	w, err := ffcv.Create(path, []ffcv.FieldSpec{
		{Name: "image", Field: fields.NDArray{DType: array.Uint8, Shape: []int{side, side}}},
		{Name: "label", Field: fields.Int{}},
	}, nil)
	if err != nil {
		return err
	}
	defer w.Close()
	return w.WriteDataset(ctx, digits{seed, n}, nil)
}
