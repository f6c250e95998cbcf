package loader_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	photoset "github.com/betongo/betongo/testdata/photos"
	"github.com/betongo/betongo/transform"
)

// photoFile writes the photographs of testdata as they are, and one as pixels.
func photoFile(t testing.TB, checkpoints bool) *ffcv.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "photos.beton")
	w, err := ffcv.Create(name, []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{NoCheckpoints: !checkpoints}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	names, err := fs.Glob(photoset.FS, path.Join("*", "*.jpg"))
	if err != nil || len(names) < 40 {
		t.Fatalf("%d photos, %v", len(names), err)
	}
	err = w.WriteStream(t.Context(), func(yield func(ffcv.Sample, error) bool) {
		var img rgb.Image
		for _, name := range names {
			data, err := photoset.FS.ReadFile(name)
			if err == nil && img.Pix == nil {
				err = rgb.DecodeJPEG(&img, data)
			}
			if !yield(ffcv.Sample{Values: []any{data}}, err) {
				return
			}
		}
		yield(ffcv.Sample{Values: []any{rgb.Encoded{Width: img.Width, Height: img.Height, Data: img.Pix}}}, nil)
	}, &ffcv.StreamOptions{Reserve: int64(len(names) + 1)})
	if err != nil {
		t.Fatal(err)
	}
	f, err := ffcv.Open(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// rows loads epochs and returns all rows of the first output, by sample.
func rows(t testing.TB, ds loader.Dataset, opts loader.Options, epochs int) [][][]byte {
	t.Helper()
	l := newLoader(t, ds, &opts)
	list := make([][][]byte, epochs)
	for n := range list {
		list[n] = make([][]byte, ds.Len())
		for b, err := range l.Epoch(context.Background(), n) {
			if err != nil {
				t.Fatal(err)
			}
			c := b.Outputs()[0]
			for i, id := range b.Samples() {
				list[n][id] = bytes.Clone(c.Value(i))
			}
			b.Release()
		}
	}
	return list
}

func sameRows(t *testing.T, what string, got, want [][][]byte) {
	t.Helper()
	for n := range want {
		for id := range want[n] {
			if !bytes.Equal(got[n][id], want[n][id]) {
				t.Fatalf("%s: epoch %d, sample %d: other bytes", what, n, id)
			}
		}
	}
}

// separate hides that a decoder can say its view.
type separate struct{ loader.ImageDecoder }

// Stream is the decoder's own.
func (s separate) Stream() string { return fmt.Sprintf("%T", s.ImageDecoder) }

// TestFusedLoads holds fused outputs to the operations one by one, with an
// operation of a program's own anywhere among them.
func TestFusedLoads(t *testing.T) {
	f := photoFile(t, true)
	flip, chw := transform.HorizontalFlip{}, transform.ToCHW{}
	norm := transform.Normalize{Mean: [3]float64{120, 110, 100}, Std: [3]float64{60, 55, 50}}
	own := opFunc(func(b []byte, rng *rand.Rand) error { b[rng.IntN(len(b))]++; return nil })
	for _, ops := range [][]any{
		{},
		{flip},
		{flip, norm, chw},
		{flip, own, norm, chw},
		{own, flip},
		{norm, flip, chw, own},
	} {
		var got [2][][][]byte
		for i, separately := range []bool{false, true} {
			var d loader.ImageDecoder = transform.RandomResizedCrop{Width: 48, Height: 40, Exact: true}
			if separately {
				d = separate{d}
			}
			got[i] = rows(t, f, loader.Options{
				BatchSize: 7, Workers: 1 + 2*i, Seed: 5, Order: loader.Random,
				Outputs: []loader.Output{{Name: "image", Decoder: d, Ops: ops}},
			}, 2)
		}
		sameRows(t, "fused", got[0], got[1])
		if bytes.Equal(got[0][0][3], got[0][1][3]) {
			t.Error("the same augmentation in two epochs")
		}
	}
}

// marked counts what is asked of a dataset's marks.
type marked struct {
	*ffcv.File
	asked, given atomic.Int64
}

func (m *marked) Marks(sample, field int, buf []byte) ([]byte, error) {
	m.asked.Add(1)
	b, err := m.File.Marks(sample, field, buf)
	if len(b) > 0 {
		m.given.Add(1)
	}
	return b, err
}

// damaged has marks that can't be read.
type damaged struct{ *ffcv.File }

func (damaged) Marks(sample, field int, buf []byte) ([]byte, error) {
	return nil, errors.New("damaged")
}

// TestMarks: pixels are the same whoever made the marks, and without any.
func TestMarks(t *testing.T) {
	with, without := &marked{File: photoFile(t, true)}, &marked{File: photoFile(t, false)}
	opts := loader.Options{
		BatchSize: 8, Workers: 3, Order: loader.Random, MarksMemory: -1,
		Outputs: []loader.Output{{Name: "image", Decoder: transform.RandomResizedCrop{Width: 64, Height: 64}, Ops: []any{transform.HorizontalFlip{}}}},
	}
	want := rows(t, without, opts, 3)
	if without.given.Load() != 0 || without.asked.Load() == 0 {
		t.Fatalf("asked %d times for marks, got %d", without.asked.Load(), without.given.Load())
	}
	for what, budget := range map[string]int{"default": 0, "nothing fits": 3, "a few fit": 4000, "blocks": 3 << 20} {
		opts.MarksMemory = budget
		sameRows(t, "made here, "+what, rows(t, without, opts, 3), want)
	}
	sameRows(t, "damaged", rows(t, damaged{without.File}, opts, 3), want)
	sameRows(t, "of the file", rows(t, with, opts, 3), want)
	if jpegs := int64(with.Len()-1) * 3; with.asked.Load() != jpegs || with.given.Load() < jpegs/2 {
		t.Errorf("asked %d times for marks of %d JPEGs, got %d", with.asked.Load(), jpegs, with.given.Load())
	}
	// An exact decoder has no use for them.
	with.asked.Store(0)
	opts.Outputs[0].Decoder = transform.CenterCrop{Width: 8, Height: 8, Exact: true}
	rows(t, with, opts, 1)
	if n := with.asked.Load(); n != 0 {
		t.Errorf("exact: asked %d times for marks", n)
	}
}

// TestImagesAllocateNothing: not once the marks are made and the scratch has
// grown.
func TestImagesAllocateNothing(t *testing.T) {
	f := photoFile(t, false)
	var indices []int // an epoch and a batch have some allocations of their own: many samples to each
	for range 8 {
		for i := range f.Len() {
			indices = append(indices, i)
		}
	}
	l := newLoader(t, f, &loader.Options{
		BatchSize: 43, Workers: 2, Order: loader.Random, Indices: indices,
		Outputs: []loader.Output{{Name: "image", Decoder: transform.RandomResizedCrop{Width: 64, Height: 64}, Ops: []any{
			transform.HorizontalFlip{}, transform.Normalize{Std: [3]float64{1, 1, 1}}, transform.ToCHW{}}}},
	})
	epoch := func(n int) {
		for b, err := range l.Epoch(context.Background(), n) {
			if err != nil {
				t.Fatal(err)
			}
			b.Release()
		}
	}
	const epochs = 5
	for n := range epochs {
		epoch(n)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for n := range epochs {
		epoch(epochs + n)
	}
	runtime.ReadMemStats(&after)
	if got := float64(after.Mallocs-before.Mallocs) / epochs; got > float64(len(indices))/2 {
		t.Errorf("%.0f allocations an epoch of %d samples", got, len(indices))
	}
}

func TestExplain(t *testing.T) {
	f := photoFile(t, true)
	own := opFunc(func([]byte, *rand.Rand) error { return nil })
	l := newLoader(t, f, &loader.Options{Outputs: []loader.Output{
		{Name: "image", Decoder: loader.Raw{}},
		{Name: "plain", Field: "image", Decoder: transform.CenterCrop{Width: 8, Height: 6, Filter: rgb.Bilinear}},
		{Name: "fused", Field: "image", Decoder: &transform.RandomResizedCrop{Width: 8, Height: 6, Exact: true}, Ops: []any{
			transform.HorizontalFlip{}, own, transform.ToCHW{}}},
		{Name: "apart", Field: "image", Decoder: separate{transform.CenterCrop{Width: 8, Height: 6}}, Ops: []any{transform.HorizontalFlip{}}},
	}})
	var got []string
	for _, p := range l.Explain() {
		if p.Field != "image" {
			t.Errorf("%s is of field %q", p.Output, p.Field)
		}
		got = append(got, p.String())
	}
	want := []string{
		"image: copy as stored, padded to the longest of the batch",
		"plain: CenterCrop 8x6 by bilinear -> |u1 (6, 8, 3)",
		"fused: RandomResizedCrop 8x6 by area, exact, HorizontalFlip (one pass with its operation); then loader_test.opFunc, in place; then transform.ToCHW -> |u1 (3, 6, 8)",
		"apart: loader_test.separate; then transform.HorizontalFlip, in place -> |u1 (6, 8, 3)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// greedy is a decoder that fuses wrongly.
type greedy struct {
	separate
	n      int
	target rgb.Target
	shape  []int
	err    error
}

func (g greedy) BindView(_, _ int, _ []any) (int, array.Spec, *rgb.Target, func(int, int, func(int) *rand.Rand) (rgb.Rect, bool, error), string, error) {
	return g.n, array.Spec{DType: array.Uint8, Shape: g.shape}, &g.target, func(_, _ int, draw func(int) *rand.Rand) (rgb.Rect, bool, error) {
		draw(7) // there is no such operation
		return rgb.Rect{W: 1, H: 1}, false, nil
	}, "greedy", g.err
}

func TestBadViewer(t *testing.T) {
	f := photoFile(t, true)
	sound, shape := rgb.Target{Width: 2, Height: 2}, []int{2, 2, 3}
	for what, g := range map[string]greedy{
		"below 0":      {n: -1, target: sound, shape: shape},
		"too many":     {n: 2, target: sound, shape: shape},
		"an error":     {target: sound, shape: shape, err: errors.New("refused")},
		"no target":    {shape: shape},
		"other shape":  {target: sound, shape: []int{2, 3, 3}},
		"shapes of -1": {target: sound, shape: []int{-1, 3, 3}},
	} {
		if _, err := loader.New(f, &loader.Options{Outputs: []loader.Output{{Name: "image", Decoder: g, Ops: []any{transform.HorizontalFlip{}}}}}); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	l := newLoader(t, f, &loader.Options{Outputs: []loader.Output{{Name: "image", Decoder: greedy{target: sound, shape: shape}}}})
	for _, err := range l.Epoch(t.Context(), 0) {
		var p *loader.PanicError
		if !errors.As(err, &p) {
			t.Errorf("draw of an operation that there isn't: %v", err)
		}
	}
}
