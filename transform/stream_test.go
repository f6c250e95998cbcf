package transform_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
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
	{transform.View{DType: array.Int8}, streamImage, "27fd47efd6fa17a995fe70698896a2dc"},
	{transform.ReplaceLabel{Indices: []int{5}, NewLabel: 9}, streamLabel, "013a18d0f0f872c4b7ded529c67eb411"},
	{transform.Poison{Mask: streamNumbers(17*23*3, 256, 1), Alpha: streamNumbers(17*23, 17, 1./16), Indices: []int{9, 5}}, streamImage, "4f451f386f5d64fefb38d6a47560af65"},
	{transform.MixupToOneHot{Classes: 5}, streamMixed, "9911c9a64fd7a06e733c6063fcab7bd9"},
}

var (
	streamImage = pixels(17, 23)
	streamGray  = array.Spec{DType: array.Uint8, Shape: []int{17, 23, 1}}
	streamLabel = array.Spec{DType: array.Int64, Shape: []int{1}}
	streamMixed = array.Spec{DType: array.Float32, Shape: []int{3}}
)

// streamNumbers are n numbers, period of them different.
func streamNumbers(n, period int, unit float64) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = float64(i%period) * unit
	}
	return v
}

// streamInput is row i of the input.
func streamInput(tb testing.TB, in array.Spec, i int) []byte {
	n, err := in.Bytes()
	if err != nil {
		tb.Fatal(err)
	}
	b := make([]byte, n)
	if in.DType == array.Float32 { // what LabelMixup gives
		for k, v := range []float32{3, 1, 0.3} {
			binary.LittleEndian.PutUint32(b[4*k:], math.Float32bits(v))
		}
		return b
	}
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
		BindIndexed(array.Spec) (array.Spec, transform.IndexedFunc, bool, error)
	}:
		var apply transform.IndexedFunc
		out, apply, inPlace, err = op.BindIndexed(in)
		run = func(dst, src []byte) error { return apply(dst, src, 5, rng) }
	case interface {
		BindBatch(array.Spec) (array.Spec, transform.BatchFunc, bool, error)
	}:
		n = rows
		src = append(append(src, streamInput(tb, in, 1)...), streamInput(tb, in, 2)...)
		var apply transform.BatchFunc
		out, apply, inPlace, err = op.BindBatch(in)
		run = func(dst, src []byte) error { return apply(dst, src, []int{5, 6, 7}, rng) }
	default:
		tb.Fatalf("%T is no operation", op)
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

// decodedVersion1 holds what every decoder makes of two pictures, 97 x 75 pixels
// stored raw and as JPEG: hashes as those of streamVersion1. The pixels of the fast
// ways belong to the version too.
var decodedVersion1 = []struct {
	decoder   imageDecoder
	raw, jpeg string
}{
	{transform.Simple{}, "913e43d58603aa004f88f93789deb6aa", "0ca54c78346bf0c3784307abce7edbe4"},
	{transform.CenterCrop{Width: 24, Height: 20}, "60a58f5838fa22b2f7cabc4669883948", "af7e71120e5dc071ce97550d8d16e20b"},
	{transform.CenterCrop{Width: 24, Height: 20, Exact: true}, "e03af3da6f4ecec525db9c6913f7038d", "6c3075ba778eb006373b25c4b75a250c"},
	{transform.Resize{Width: 24, Height: 20}, "8ad2ec8f1791bb27eb20d030cdb55e46", "170c5a848ac63fbd422bde3998c82709"},
	{transform.Resize{Width: 24, Height: 20, Filter: rgb.Bilinear}, "d86bc3fdd8d2648330d07206237e1c98", "6e1363c1ab71344f748e8099a5a9b24c"},
	{transform.Resize{Width: 24, Height: 20, Filter: rgb.Bilinear, Exact: true}, "9ba77376ab799b5645436d94efa99aa1", "ee4ef112324eef36b5fb0c3510d12624"},
	{transform.ResizeCenterCrop{Size: 28, Width: 24, Height: 20}, "3b4a93939abc87807bb2049eee7cafab", "c834d894eab9fafd331041c223f21d14"},
	{transform.ResizeCenterCrop{Size: 28, Width: 24, Height: 20, Exact: true}, "90c6dac12d1877045f683f103fc18417", "c50975e25562a9c6cb52b269cf9d34c4"},
	{transform.RandomResizedCrop{Width: 24, Height: 20}, "b0c39f72e6226d8be6d454a45899dff1", "a1322307980167fc854a597864da0c3b"},
	{transform.RandomResizedCrop{Width: 24, Height: 20, Exact: true}, "232653d8e9c0c26450ecdac641d78b0b", "3d09b3ce736644cac579bd7c766a7644"},
	{transform.RandomResizedCrop{Width: 120, Height: 90, Filter: rgb.Bilinear}, "c5242ef62f24b35b5aa3db8d3caedf68", "c1b8a742a4db9638dba339433a1ff3fa"},
	{transform.RandomCrop{Width: 40, Height: 32}, "64fbe55dfaaf629fe386b91cb8e70fc3", "2084ad5436bcff4142ae87590246423b"},
	{transform.RandomCrop{Width: 40, Height: 90, Padding: 5, PadIfNeeded: true, Fill: []uint8{1, 2, 3}}, "1141f22607e7e00255e7059f0b87f4f4", "2f0aa802f5da0090545c94cc3abb3d92"},
}

type imageDecoder interface {
	BindImage(width, height int) (array.Spec, transform.DecodeFunc, error)
}

func TestDecodedVersion1(t *testing.T) {
	const w, h = 97, 75
	img := rgb.Image{Width: w, Height: h, Pix: make([]byte, 3*w*h)}
	for y := range h {
		for x := range w {
			copy(img.Pix[3*(y*w+x):], []byte{byte(40 + 2*x), byte(250 - 3*y), byte((x*y)>>5 + x&7)})
		}
	}
	data, err := rgb.EncodeJPEG(nil, img, 90)
	if err != nil {
		t.Fatal(err)
	}
	var s rgb.Scratch
	for _, c := range decodedVersion1 {
		spec, decode, err := c.decoder.BindImage(w, h)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := spec.Bytes()
		dst := make([]byte, n)
		for _, stored := range []struct {
			src  rgb.Encoded
			want string
		}{
			{rgb.Encoded{Width: w, Height: h, Data: img.Pix}, c.raw},
			{rgb.Encoded{JPEG: true, Width: w, Height: h, Data: data}, c.jpeg},
		} {
			sum := sha256.New()
			for seed := range uint64(16) {
				if err := decode(dst, stored.src, rand.New(rand.NewPCG(seed, 1)), &s); err != nil {
					t.Fatalf("%#v: %v", c.decoder, err)
				}
				sum.Write(dst)
			}
			if got := hex.EncodeToString(sum.Sum(nil)[:16]); got != stored.want {
				t.Errorf("%#v: %q, version 1 has %q", c.decoder, got, stored.want)
			}
		}
	}
}
