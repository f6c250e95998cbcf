package transform_test

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/transform"
)

// streamVersion1 holds what every operation makes of the same input with the
// same generators: version 1 of the random stream. A line that must change is a
// new version of the stream, which loader.StreamVersion says and old states
// don't fit: what is drawn, how often, in which order, and what becomes of it
// are all in here.
//
// The input is 23 x 17 pixels of three channels, or a label, see streamInput;
// outcome is the first half of SHA-256 of the outcomes for the seeds 0 to 15,
// one after another.
var streamVersion1 = []struct {
	op      any
	in      array.Spec
	outcome string
}{
	// Colours.
	{transform.Brightness{Magnitude: 0.4}, streamImage, "733d5570eeca4039664b3775a1e9e912"},
	{transform.Brightness{Magnitude: 2, P: 1}, streamImage, "82603c441c0884f8aa2cb4814e5338e2"},
	{transform.Contrast{Magnitude: 0.4}, streamImage, "b58b1202befd23614e08a9a1e00c7c06"},
	{transform.Saturation{Magnitude: 0.4}, streamImage, "1106221114983fa6871e86489f0f9725"},
	{transform.Hue{Magnitude: 0.5}, streamImage, "3129777c21069fcc0f40435df988c63b"},
	{transform.ColorJitter{Brightness: 0.4, Contrast: 0.4, Saturation: 0.2, Hue: 0.1}, streamImage, "32811572a794065362afbfe571b8dd6c"},
	{transform.ColorJitter{Contrast: 0.4, Hue: 0.1, P: 0.8}, streamImage, "21c8a072de8197b563a74b9f2e52c43c"},
	{transform.Grayscale{}, streamImage, "27fd47efd6fa17a995fe70698896a2dc"},
	{transform.Solarize{}, streamImage, "50bf0e6a9d65cb5ac5e463d6dd555200"},
	{transform.GaussianBlur{Size: 5, P: 0.5}, streamImage, "d7f7143b1e3444c45efaa69e059a3713"},

	// Mixes.
	{transform.ImageMixup{Alpha: 0.2}, streamImage, "2b33df351c772fd6f7c4efb7a8a812ac"},
	{transform.ImageMixup{Alpha: 0.2, SameLambda: true}, streamImage, "92b6cdc71807a1605ed7d27304500b5e"},
	{transform.ImageMixup{Alpha: 2}, streamImage, "d081694f200f089f3b86c58ca4a64c73"},
	{transform.LabelMixup{Alpha: 0.2}, streamLabel, "26e8e70a5b2aa368426a10d39a12be2d"},
	{transform.LabelMixup{Alpha: 2}, streamLabel, "e5f5755db5b61c5df1f5537edf4b62b7"},
	{transform.ImageCutMix{}, streamImage, "7817504d74a20c7dca2655de9841c319"},
	{transform.LabelCutMix{Width: 23, Height: 17}, streamLabel, "234c9490f2c7c4b2b15d0acc1fa91666"},
	{transform.LabelCutMix{Width: 23, Height: 17, SameLambda: true}, streamLabel, "df60a3b26e60fff0321b528533065191"},

	// Places.
	{transform.HorizontalFlip{}, streamImage, "01db473542f17cb31e459ea588232721"},
	{transform.HorizontalFlip{P: 0.2}, streamImage, "490324fc5037e79695262bfc2b92a863"},
	{transform.VerticalFlip{}, streamImage, "95c73e6c4b99328ad62f452b9944830d"},
	{transform.Translate{Padding: 5, Fill: []uint8{1, 2, 3}}, streamImage, "6ba12bc3dcb46592db9d54cc6c3e455c"},
	{transform.Translate{Padding: 5}, streamGray, "e07029d39b94e3e6d5c4d75a1e2665ad"},
	{transform.Cutout{Size: 8, Fill: []uint8{1, 2, 3}}, streamImage, "55d30695db76279ba66caff9e4f0f563"},
	{transform.Cutout{Size: 8, P: 0.3}, streamImage, "fc395aa28e044f35673daace8d3bd0d5"},
	{transform.RandomCrop{Width: 14, Height: 12, Padding: 3}, streamImage, "b28bad7e352c6e9b4f982e3865b2097c"},
	{transform.RandomCrop{Width: 40, Height: 10, PadIfNeeded: true, Fill: []uint8{1, 2, 3}}, streamImage, "efd9bc27769442c9765695c376bd41ed"},
	{transform.RandomErasing{Fill: []uint8{1, 2, 3}}, streamImage, "b8e246d8780e46714df6f424ad3a0cf4"},
	{transform.RandomErasing{P: 0.8, Count: 4, Fill: []uint8{124, 116, 103}, Noise: []float64{58, 57, 57}}, streamImage, "fd50ee0f45ac743dd640e59aed8f4839"},
	{transform.RandomResizedCrop{Width: 16, Height: 12, Exact: true}, streamImage, "56e32b49d8068068babac1b2478c23d1"},
	{transform.RandomResizedCrop{Width: 16, Height: 12}, streamGray, "255d792bf9667389897787d835494fec"},

	// What draws nothing.
	{transform.Resize{Width: 16, Height: 12, Exact: true}, streamImage, "7e2081a1a7019ead48dd8adfcf5ea4e6"},
	{transform.Normalize{Mean: [3]float64{124, 116, 103}, Std: [3]float64{58, 57, 57}}, streamImage, "5b09fdf1dc9f4ace775557526af76fc6"},
	{transform.Normalize{Mean: [3]float64{124, 116, 103}, Std: [3]float64{58, 57, 57}, DType: array.Float16}, streamImage, "5a32c0ebf4bdf75262f398f795116fec"},
	{transform.Normalize{Mean: [3]float64{124, 116, 103}, Std: [3]float64{58, 57, 57}, DType: transform.BFloat16}, streamImage, "5f4cbb3c871f173d1fdec85317971338"},
	{transform.Convert{DType: array.Float16}, streamImage, "35d77786037c628578a8598a7432538e"},
	{transform.ToCHW{}, streamImage, "41d063e8f4b0e9a05d75cd7c971c0a16"},
}

var (
	streamImage = pixels(17, 23)
	streamGray  = array.Spec{DType: array.Uint8, Shape: []int{17, 23, 1}}
	streamLabel = array.Spec{DType: array.Int64, Shape: []int{1}}
)

// streamInput is row i of the input.
func streamInput(tb testing.TB, in array.Spec, i int) []byte {
	n, err := in.Bytes()
	if err != nil {
		tb.Fatal(err)
	}
	b := make([]byte, n)
	if len(in.Shape) < 3 {
		b[0] = byte(3 * i)
		return b
	}
	for k := range b {
		b[k] = byte(k*(7+k%3)/5 + k>>6 + 40*i)
	}
	return b
}

// streamOutcome is what an operation of any kind makes of rows of the input.
func streamOutcome(tb testing.TB, op any, in array.Spec, rng *rand.Rand) []byte {
	const rows = 3 // of a batch
	src := streamInput(tb, in, 0)
	var out array.Spec
	var err error
	var inPlace bool
	var run func(dst, src []byte) error
	n := 1
	switch op := op.(type) {
	case interface {
		Bind(array.Spec) (array.Spec, transform.ApplyFunc, bool, error)
	}:
		var apply transform.ApplyFunc
		out, apply, inPlace, err = op.Bind(in)
		run = func(dst, src []byte) error { return apply(dst, src, rng) }
	case interface {
		BindBatch(array.Spec) (array.Spec, transform.BatchFunc, bool, error)
	}:
		n = rows
		src = append(append(src, streamInput(tb, in, 1)...), streamInput(tb, in, 2)...)
		var apply transform.BatchFunc
		out, apply, inPlace, err = op.BindBatch(in)
		run = func(dst, src []byte) error { return apply(dst, src, []int{5, 6, 7}, rng) }
	default:
		tb.Fatalf("%T is no operation that draws", op)
	}
	if err != nil {
		tb.Fatalf("%#v: %v", op, err)
	}
	size, err := out.Bytes()
	if err != nil {
		tb.Fatal(err)
	}
	dst := make([]byte, n*size)
	if inPlace {
		dst = src
	}
	if err := run(dst, src); err != nil {
		tb.Fatalf("%#v: %v", op, err)
	}
	return dst
}

func TestStreamVersion1(t *testing.T) {
	for _, c := range streamVersion1 {
		sum := sha256.New()
		for seed := range uint64(16) {
			sum.Write(streamOutcome(t, c.op, c.in, rand.New(rand.NewPCG(seed, 1))))
		}
		if got := hex.EncodeToString(sum.Sum(nil)[:16]); got != c.outcome {
			t.Errorf("%#v: %q, version 1 has %q", c.op, got, c.outcome)
		}
	}
}
