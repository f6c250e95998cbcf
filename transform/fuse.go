package transform

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// ViewFunc says which region of a picture of width x height is cut out, and
// whether it is mirrored. draw gives the generators: draw(0) the decoder's,
// draw(1+i) that of operation i. What it returns is used up before it is called
// again.
type ViewFunc = func(width, height int, draw func(op int) *rand.Rand) (crop rgb.Rect, flip bool, err error)

// fusion is what a decoder and the operations after it come to.
type fusion struct {
	target rgb.Target
	flips  []fusedFlip
	spec   array.Spec
	names  []string
}

// fusedFlip is a HorizontalFlip among the fused operations.
type fusedFlip struct {
	op int
	p  float64
}

// fuse takes over operations, as many from the first as the target can stand
// for, and returns how many those are. One that does not bind is left to the
// caller, who will find the error.
func (z *fusion) fuse(ops []any) int {
	for i, op := range ops {
		if !z.add(i, op) {
			return i
		}
	}
	return len(ops)
}

// add takes over operation i. All of them want the channels last, and
// HorizontalFlip mistakes rows for columns where they are first: after ToCHW
// only a change of type may follow.
func (z *fusion) add(i int, op any) bool {
	last := z.target.Layout == rgb.HWC
	switch op := pointed(op).(type) {
	case HorizontalFlip:
		return last && z.bind(op, func() bool {
			z.flips = append(z.flips, fusedFlip{op: i, p: op.chance()})
			z.names = append(z.names, "HorizontalFlip")
			return true
		})
	case Normalize:
		return last && z.bind(op, func() bool {
			z.target.Type = pixelType(op.dtype())
			z.target.Mean, z.target.Std = op.Mean, op.Std
			z.names = append(z.names, "Normalize to "+z.target.Type.String())
			return true
		})
	case ToCHW:
		return last && z.bind(op, func() bool {
			z.target.Layout = rgb.CHW
			z.names = append(z.names, "ToCHW")
			return true
		})
	case Convert:
		kind := pixelType(op.DType)
		return kind != rgb.Uint8 && z.bind(op, func() bool {
			z.target.Type = kind
			z.names = append(z.names, "Convert to "+kind.String())
			return true
		})
	}
	return false
}

// pointed is the operation that a pointer to one stands for.
func pointed(op any) any {
	switch op := op.(type) {
	case *HorizontalFlip:
		return *op
	case *Normalize:
		return *op
	case *ToCHW:
		return *op
	case *Convert:
		return *op
	}
	return op
}

// bind binds an operation to what there is so far, and then takes it.
func (z *fusion) bind(op interface {
	Bind(array.Spec) (array.Spec, ApplyFunc, bool, error)
}, take func() bool) bool {
	out, _, _, err := op.Bind(z.spec)
	if err != nil || !take() {
		return false
	}
	z.spec = out
	return true
}

// pixelType is the target's type for a dtype, Uint8 for one that it hasn't.
func pixelType(t array.DType) rgb.PixelType {
	switch t {
	case array.Float32:
		return rgb.Float32
	case array.Float16:
		return rgb.Float16
	case BFloat16:
		return rgb.BFloat16
	}
	return rgb.Uint8
}

// flip draws whether the outcome is mirrored.
func (z *fusion) flip(draw func(op int) *rand.Rand) bool {
	flip := false
	for _, f := range z.flips {
		if draw(1+f.op).Float64() < f.p {
			flip = !flip
		}
	}
	return flip
}

// what describes the fused pass.
func (z *fusion) what(decoder string) string {
	return strings.Join(append([]string{decoder}, z.names...), ", ")
}

// BindView is BindImage for the decoder and the operations that follow it: n of
// ops, from the first, are one pass together with the decoder, in which the
// caller renders the view as the target says. The outcome is that of the
// operations one by one: the same random numbers, the same pixels. what names
// the steps of the pass.
func (c CenterCrop) BindView(_, _ int, ops []any) (n int, spec array.Spec, target *rgb.Target, view ViewFunc, what string, err error) {
	if err := c.check(); err != nil {
		return 0, array.Spec{}, nil, nil, "", err
	}
	return c.crop().view(ops, func(width, height int, _ func(int) *rand.Rand) rgb.Rect { return c.Box(width, height) })
}

// BindView is as [CenterCrop.BindView].
func (c RandomResizedCrop) BindView(_, _ int, ops []any) (n int, spec array.Spec, target *rgb.Target, view ViewFunc, what string, err error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return 0, array.Spec{}, nil, nil, "", err
	}
	return c.crop().view(ops, func(width, height int, draw func(int) *rand.Rand) rgb.Rect {
		return c.Box(width, height, draw(0))
	})
}

// BindView is as [CenterCrop.BindView], for images of one size.
func (d Simple) BindView(width, height int, ops []any) (n int, spec array.Spec, target *rgb.Target, view ViewFunc, what string, err error) {
	if spec, _, err = d.BindImage(width, height); err != nil {
		return 0, spec, nil, nil, "", err
	}
	z := fusion{target: d.target(width, height), spec: spec}
	n = z.fuse(ops)
	return n, z.spec, &z.target, func(w, h int, draw func(op int) *rand.Rand) (rgb.Rect, bool, error) {
		if w != width || h != height {
			return rgb.Rect{}, false, fmt.Errorf("transform: Simple: image of %dx%d, the others are %dx%d", w, h, width, height)
		}
		return rgb.Rect{W: width, H: height}, z.flip(draw), nil
	}, z.what(fmt.Sprintf("Simple %dx%d", width, height)), nil
}

// UsesMarks tells whether checkpoints (rgb.Encoded.Marks) make decoding quicker:
// they do not when the whole picture is decoded.
func (c CenterCrop) UsesMarks() bool { return !c.Exact }

// UsesMarks is as [CenterCrop.UsesMarks].
func (c RandomResizedCrop) UsesMarks() bool { return !c.Exact }
