package loader_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// drawing is an operation whose outcome is the generator's numbers.
type drawing struct{}

func (drawing) Bind(array.Spec) (array.Spec, func(dst, src []byte, rng *rand.Rand) error, bool, error) {
	return array.Spec{DType: array.Uint64, Shape: []int{3}}, func(dst, _ []byte, rng *rand.Rand) error {
		for i := range 3 {
			binary.LittleEndian.PutUint64(dst[8*i:], rng.Uint64())
		}
		return nil
	}, false, nil
}

// drawingRows is the same for a whole batch.
type drawingRows struct{}

func (drawingRows) Stream() string { return "drawing rows" }

func (drawingRows) BindBatch(array.Spec) (array.Spec, func(dst, src []byte, samples []int, rng *rand.Rand) error, bool, error) {
	return array.Spec{DType: array.Uint64, Shape: []int{1}}, func(dst, _ []byte, samples []int, rng *rand.Rand) error {
		for i := range samples {
			binary.LittleEndian.PutUint64(dst[8*i:], rng.Uint64())
		}
		return nil
	}, false, nil
}

// streams holds what epochs 0 and 3 of pipelines of every kind are at seed 11,
// in version 1 of the random stream: the first half of SHA-256 of all rows. What
// the keys of the generators are made of, how their numbers come, and which of
// them who gets is in here; what operations make of them is in the hashes of
// package transform. A line that must change is a new version: raise
// loader.StreamVersion, say in CHANGELOG.md what draws otherwise, and put the
// new hashes here. A new kind of pipeline is a new line.
var streams = []struct {
	name    string
	outputs []loader.Output
	rows    string
}{
	{"generators", []loader.Output{{Name: "label", Ops: []any{drawing{}}}}, "92e9d6e3401ddb5487c112b6c80115ad"},
	{"name of the output", []loader.Output{{Name: "other", Field: "label", Ops: []any{drawing{}}}}, "f58088b1f1f3556d3784728ec3827a70"},
	{"second of its kind", []loader.Output{{Name: "label", Ops: []any{drawing{}, drawing{}}}}, "dfea5cdf381342b0d96c822b6431df68"},
	{"batch", []loader.Output{{Name: "label", Ops: []any{drawingRows{}}}}, "e1d95e3beee3ef9591f7b610ad66a23e"},
	{"second batch", []loader.Output{{Name: "label", Ops: []any{drawingRows{}, drawingRows{}}}}, "a398b0a737b3dd6f9400e9e05f7fc34d"},
	{"after a batch", []loader.Output{{Name: "label", Ops: []any{drawingRows{}, drawing{}}}}, "92e9d6e3401ddb5487c112b6c80115ad"},
	{"crop", []loader.Output{{Name: "image", Decoder: transform.RandomResizedCrop{Width: 12, Height: 10, Exact: true}}}, "19780cb945a4cd0e3ad41230458c6397"},
	{"crop and flip", []loader.Output{{Name: "image", Decoder: transform.RandomResizedCrop{Width: 12, Height: 10, Exact: true}, Ops: []any{transform.HorizontalFlip{}, transform.ToCHW{}}}}, "cf82bc9e8235351f1723ccca1f180722"},
	{"crop with padding", []loader.Output{{Name: "image", Decoder: transform.RandomCrop{Width: 60, Height: 60, PadIfNeeded: true}}}, "c994d29a7a27032688322439736e322a"},
	{"cifar", []loader.Output{{Name: "image", Decoder: transform.Resize{Width: 32, Height: 32, Exact: true}, Ops: []any{
		transform.HorizontalFlip{}, transform.Translate{Padding: 2}, transform.Cutout{Size: 4}}}}, "ed3b804cb43998671fca1f79a7be9615"},
	{"colours", []loader.Output{{Name: "image", Decoder: transform.Resize{Width: 32, Height: 32, Exact: true}, Ops: []any{
		transform.ColorJitter{Brightness: 0.4, Contrast: 0.4, Saturation: 0.2, Hue: 0.1}, transform.RandomErasing{}, transform.Solarize{}}}}, "d754b1f59f67c4ec703fd4f4e4963efd"},
	{"views", []loader.Output{{Name: "image", Decoder: transform.RandomResizedCrop{Width: 12, Height: 10, Exact: true}},
		{Name: "again", Field: "image", Decoder: transform.RandomResizedCrop{Width: 12, Height: 10, Exact: true}, Ops: []any{transform.HorizontalFlip{}}}}, "6269ca712bc061508829e95945ab8adc"},
	{"mixup", []loader.Output{{Name: "image", Decoder: transform.Resize{Width: 8, Height: 8, Exact: true}, Ops: []any{transform.ImageMixup{Alpha: 0.2}}},
		{Name: "label", Ops: []any{transform.LabelMixup{Alpha: 0.2}}}}, "2b8b7386d7746b9fab461d9100f9b8b0"},
	{"poison", []loader.Output{{Name: "label", Ops: []any{transform.ReplaceLabel{Indices: []int{1, 4}, NewLabel: 9}}}}, "7a739f07f98080ed1ddd97a55db7b5ea"},
	{"raster", []loader.Output{{Name: "rgba", Decoder: transform.RandomCrop{Width: 20, Height: 20}, Ops: []any{transform.HorizontalFlip{}}}}, "4ee619f18161122f40206eb04678c180"},
	{"followers", append([]loader.Output{{Name: "image", Decoder: transform.RandomResizedCrop{Width: 12, Height: 10, Exact: true}, Ops: []any{
		transform.HorizontalFlip{}, transform.VerticalFlip{}, transform.Translate{Padding: 2}}}}, following("image")...), "e094405315c90b234910cc9e5db9293c"},
}

func TestStreams(t *testing.T) {
	if loader.StreamVersion != 1 {
		t.Fatalf("the hashes are of version 1, this is %d", loader.StreamVersion)
	}
	f := scenes(t, 20, nil)["map"]
	for _, c := range streams {
		outputs := c.outputs
		for _, field := range f.Fields() {
			named := false
			for _, o := range c.outputs {
				named = named || o.Name == field.Name
			}
			if !named {
				outputs = append(outputs[:len(outputs):len(outputs)], loader.Output{Name: field.Name, Disabled: true})
			}
		}
		l := newLoader(t, f, &loader.Options{BatchSize: 7, Workers: 2, Seed: 11, Outputs: outputs})
		h := sha256.New()
		for _, n := range []int{0, 3} {
			for b, err := range l.Epoch(t.Context(), n) {
				if err != nil {
					t.Fatal(c.name, err)
				}
				for _, o := range b.Outputs() {
					h.Write(o.Data)
				}
				b.Release()
			}
		}
		if got := hex.EncodeToString(h.Sum(nil)[:16]); got != c.rows {
			t.Errorf("%s: %s, want %s", c.name, got, c.rows)
		}
	}
}
