package loader_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

// TestOutputs: which outputs there are, and in which order.
func TestOutputs(t *testing.T) {
	f := numbers(t, 5)["map"]
	l := newLoader(t, f, &loader.Options{Outputs: []loader.Output{
		{Name: "twice", Field: "n", Ops: []any{opFunc(func(b []byte, _ *rand.Rand) error { b[0] *= 2; return nil })}},
		{Name: "x", Disabled: true},
		{Name: "again", Field: "x"},
		{Name: "n", Decoder: loader.Raw{}},
	}})
	for b, err := range l.Epoch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, c := range b.Outputs() {
			names = append(names, c.Name+" "+c.Spec.String())
		}
		want := []string{"n <i8 (5, 1)", "twice <i8 (5, 1)", "again <f4 (5, 3)"}
		if !slices.Equal(names, want) {
			t.Errorf("%q, want %q", names, want)
		}
		if got := view[int64](t, b.Output("twice")); !slices.Equal(got, []int64{0, 2, 4, 6, 8}) {
			t.Errorf("twice: %v", got)
		}
		if got := view[int64](t, b.Output("n")); !slices.Equal(got, []int64{0, 1, 2, 3, 4}) {
			t.Errorf("n: %v", got)
		}
		func() {
			defer func() {
				if r := fmt.Sprint(recover()); !strings.Contains(r, `"x"`) || !strings.Contains(r, `"again"`) {
					t.Errorf("panic %q", r)
				}
			}()
			b.Output("x")
		}()
	}
}

// widen is an operation that isn't in place: bytes to uint16.
type widen struct{}

func (widen) Bind(in array.Spec) (array.Spec, func(dst, src []byte, rng *rand.Rand) error, bool, error) {
	out := array.Spec{DType: array.Uint16, Shape: append([]int{in.DType.ItemSize()}, in.Shape...)}
	return out, func(dst, src []byte, _ *rand.Rand) error {
		if len(dst) != 2*len(src) {
			return fmt.Errorf("%d bytes out of %d", len(dst), len(src))
		}
		for i, v := range src {
			dst[2*i], dst[2*i+1] = v, 0xab
		}
		return nil
	}, false, nil
}

type badOp struct{ what string }

func (o badOp) Bind(in array.Spec) (array.Spec, func(dst, src []byte, rng *rand.Rand) error, bool, error) {
	switch o.what {
	case "error":
		return in, nil, false, errors.New("refused")
	case "grows in place":
		in.Shape = append(slices.Clone(in.Shape), 2)
		return in, nil, true, nil
	case "overflow":
		in.Shape = []int{1 << 40, 1 << 40}
	}
	return in, nil, false, nil
}

// TestPipelines: chains of operations, in place and not, over every kind of
// value.
func TestPipelines(t *testing.T) {
	touch := opFunc(func(b []byte, _ *rand.Rand) error { b[0]++; return nil })
	chains := [][]any{
		{touch}, {widen{}}, {touch, widen{}}, {widen{}, touch}, {widen{}, widen{}}, {touch, widen{}, touch, widen{}, touch, widen{}, touch},
	}
	for name, f := range numbers(t, 30) {
		for k, ops := range chains {
			l := newLoader(t, f, &loader.Options{BatchSize: 8, Outputs: []loader.Output{{Name: "n", Ops: ops}, {Name: "x", Ops: ops}}})
			for b, err := range l.Epoch(t.Context(), 0) {
				if err != nil {
					t.Fatal(name, k, err)
				}
				n, x := b.Output("n"), b.Output("x")
				for i, id := range b.Samples() {
					raw, err := f.Array(id, 0)
					if err != nil {
						t.Fatal(err)
					}
					if got, want := n.Value(i), apply(t, ops, array.Spec{DType: array.Int64, Shape: []int{1}}, []byte{byte(id), 0, 0, 0, 0, 0, 0, 0}); !slices.Equal(got, want) {
						t.Errorf("%s, chain %d, n of sample %d: %v, want %v", name, k, id, got, want)
					}
					if got, want := x.Value(i), apply(t, ops, raw.Spec, raw.Data); !slices.Equal(got, want) {
						t.Errorf("%s, chain %d, x of sample %d: %v, want %v", name, k, id, got, want)
					}
				}
				b.Release()
			}
		}
	}
}

// apply is a pipeline in slow motion.
func apply(t *testing.T, ops []any, spec array.Spec, b []byte) []byte {
	t.Helper()
	b = slices.Clone(b)
	for _, op := range ops {
		out, f, inPlace, err := op.(loader.Op).Bind(spec)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := out.Bytes()
		dst := make([]byte, n)
		if inPlace {
			dst = b
		}
		if err := f(dst, b, nil); err != nil {
			t.Fatal(err)
		}
		spec, b = out, dst
	}
	return b
}

// upper is a Decoder of Bytes fields: the first four bytes and the size.
type upper struct{ fail error }

func (u upper) BindField(f ffcv.Field) (array.Spec, func(dst, meta []byte, data [][]byte, rng *rand.Rand) error, error) {
	return array.Spec{DType: array.Uint8, Shape: []int{5}}, func(dst, meta []byte, data [][]byte, _ *rand.Rand) error {
		clear(dst)
		copy(dst[:4], data[0])
		dst[4] = byte(len(data[0]))
		if len(meta) != f.Size {
			return errors.New("meta")
		}
		return nil
	}, u.fail
}

func TestOwnDecoder(t *testing.T) {
	for name, f := range ffcvtest.Golden(t, "bytes") {
		field := f.Fields()[slices.IndexFunc(f.Fields(), func(f ffcv.Field) bool { return f.Type == fields.TypeBytes })].Name
		l := newLoader(t, f, &loader.Options{Outputs: []loader.Output{{Name: "short", Field: field, Decoder: upper{}}}})
		for b, err := range l.Epoch(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			c, whole := b.Output("short"), b.Output(field)
			for i := range b.Len() {
				v := whole.Value(i)
				want := append(make([]byte, 0, 5), v[:min(4, len(v))]...)
				want = append(want, 0, 0, 0, 0)[:4]
				if got := c.Value(i); !slices.Equal(got[:4], want) || got[4] != byte(len(v)) {
					t.Errorf("%s, sample %d: %v of %d bytes", name, i, got, len(v))
				}
			}
			b.Release()
		}
	}
}

func TestOutputsRefused(t *testing.T) {
	f := open(t, "mixed")
	simple := transform.CenterCrop{Width: 4, Height: 4}
	for name, outs := range map[string][]loader.Output{
		"unknown field":       {{Name: "nothing"}},
		"unknown source":      {{Name: "img", Field: "nothing"}},
		"disabled unknown":    {{Name: "nothing", Disabled: true}},
		"twice":               {{Name: "i"}, {Name: "i"}},
		"no such decoder":     {{Name: "img", Decoder: 3}},
		"image decoder of i":  {{Name: "i", Decoder: simple}},
		"sizes differ":        {{Name: "img"}},
		"op on varying rows":  {{Name: "b", Ops: []any{widen{}}}},
		"op refuses":          {{Name: "i", Ops: []any{badOp{"error"}}}},
		"op grows in place":   {{Name: "i", Ops: []any{badOp{"grows in place"}}}},
		"op overflows":        {{Name: "i", Ops: []any{badOp{"overflow"}}}},
		"op is nil":           {{Name: "i", Ops: []any{nil}}},
		"op is no op":         {{Name: "i", Ops: []any{7}}},
		"decoder refuses":     {{Name: "b", Decoder: upper{errors.New("no")}}},
		"image op on numbers": {{Name: "i", Ops: []any{transform.ToCHW{}}}},
	} {
		crop := loader.Output{Name: "img", Decoder: simple}
		if name != "twice" && !slices.ContainsFunc(outs, func(o loader.Output) bool { return o.Name == "img" }) {
			outs = append(outs, crop)
		}
		if _, err := loader.New(f, &loader.Options{Outputs: outs}); err == nil {
			t.Errorf("%s: accepted", name)
		} else if !strings.HasPrefix(err.Error(), "loader: ") {
			t.Errorf("%s: error %q", name, err)
		}
	}
}

// TestImagesOfOneSize checks what the default decoder is told.
func TestImagesOfOneSize(t *testing.T) {
	f := open(t, "cifar_like")
	l := newLoader(t, f, &loader.Options{BatchSize: 4, Indices: []int{1, 3}, Outputs: []loader.Output{{Name: "stored", Field: f.Fields()[0].Name, Decoder: loader.Raw{}}}})
	for b, err := range l.Epoch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		c, raw := b.Outputs()[0], b.Output("stored")
		var img rgb.Image
		var s rgb.Scratch
		for i := range b.Len() {
			if err := s.Load(&img, raw.Image(i)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(img.Pix, c.Value(i)) || c.Shape[1] != img.Height || c.Shape[2] != img.Width {
				t.Errorf("row %d: other pixels", i)
			}
		}
	}
}
