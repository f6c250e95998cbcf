package transform

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// FusedFunc decodes one stored picture and applies the operations that were
// fused with the decoder, in one pass over the outcome's pixels. draw gives the
// generators: draw(0) the decoder's, draw(1+i) that of operation i. What it
// returns is used up before it is called again.
type FusedFunc = func(dst []byte, src rgb.Encoded, draw func(op int) *rand.Rand, s *rgb.Scratch) error

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

// BindFused is BindImage for the decoder and the operations that follow it: n of
// ops, from the first, are one pass together with the decoder. The outcome is
// that of the operations one by one: the same random numbers, the same pixels.
// what names the steps of the pass.
func (c CenterCrop) BindFused(_, _ int, ops []any) (n int, spec array.Spec, decode FusedFunc, what string, err error) {
	if err := c.check(); err != nil {
		return 0, array.Spec{}, nil, "", err
	}
	return c.crop().fused(ops, func(width, height int, _ func(int) *rand.Rand) rgb.Rect { return c.Box(width, height) })
}

// BindFused is as [CenterCrop.BindFused].
func (c RandomResizedCrop) BindFused(_, _ int, ops []any) (n int, spec array.Spec, decode FusedFunc, what string, err error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return 0, array.Spec{}, nil, "", err
	}
	return c.crop().fused(ops, func(width, height int, draw func(int) *rand.Rand) rgb.Rect {
		return c.Box(width, height, draw(0))
	})
}

// BindFused is as [CenterCrop.BindFused], for images of one size.
func (d Simple) BindFused(width, height int, ops []any) (n int, spec array.Spec, decode FusedFunc, what string, err error) {
	if spec, _, err = d.BindImage(width, height); err != nil {
		return 0, spec, nil, "", err
	}
	z := fusion{target: d.target(width, height), spec: spec}
	n = z.fuse(ops)
	return n, z.spec, func(dst []byte, src rgb.Encoded, draw func(op int) *rand.Rand, s *rgb.Scratch) error {
		if src.Width != width || src.Height != height {
			return fmt.Errorf("transform: Simple: image of %dx%d, the others are %dx%d", src.Width, src.Height, width, height)
		}
		return s.Render(dst, src, rgb.Rect{W: width, H: height}, z.flip(draw), &z.target)
	}, z.what(fmt.Sprintf("Simple %dx%d", width, height)), nil
}

// UsesMarks tells whether checkpoints (rgb.Encoded.Marks) make decoding quicker:
// they do not when the whole picture is decoded.
func (c CenterCrop) UsesMarks() bool { return !c.Exact }

// UsesMarks is as [CenterCrop.UsesMarks].
func (c RandomResizedCrop) UsesMarks() bool { return !c.Exact }
