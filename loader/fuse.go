package loader

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// Viewer is the ability of an ImageDecoder to say which part of a picture it
// takes and what that becomes, and to let the loader cut, resize and write it:
// the operations that follow can then be part of the same pass. The decoders of
// package transform have it.
type Viewer interface {
	// BindView is BindImage for the decoder and the first n of ops, as many as
	// it chooses to take (0 is fine); the others follow one by one. spec is the
	// type and shape of what the target makes. view is called once a sample, by
	// many goroutines at once, with the size of its picture, and gives the region
	// to cut and whether to mirror it. It gets its generators from draw: draw(0)
	// is the decoder's, draw(1+i) that of operation i, so that fusing changes no
	// random number; what draw returns is used up before its next call. what names
	// the steps of the pass, for Explain. With a nil view BindImage is asked
	// instead. A wrong operation is not its concern: it takes those before.
	BindView(width, height int, ops []any) (n int, spec array.Spec, target *rgb.Target,
		view func(width, height int, draw func(op int) *rand.Rand) (crop rgb.Rect, flip bool, err error), what string, err error)
}

// Pipeline tells how the rows of an output are made.
type Pipeline struct {
	Output string `json:"output"`
	Field  string `json:"field"`
	Steps  []Step `json:"steps"` // in order
	DType  string `json:"dtype"` // of a row
	Shape  []int  `json:"shape"` // of a row; nil where rows differ in length
}

// Step is one pass over a sample.
type Step struct {
	What string `json:"what"`
	Ops  int    `json:"ops"` // of the output's operations, how many the step does
	// Shares are the outputs that are cut from the same decode of the picture,
	// where its size asks for one resolution for both.
	Shares []string `json:"shares,omitempty"`
}

func (p Pipeline) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", p.Output)
	for i, s := range p.Steps {
		if i > 0 {
			b.WriteString("; then ")
		}
		b.WriteString(s.What)
		switch {
		case i == 0 && s.Ops == 1:
			b.WriteString(" (one pass with its operation)")
		case i == 0 && s.Ops > 1:
			fmt.Fprintf(&b, " (one pass with its %d operations)", s.Ops)
		}
		for i, name := range s.Shares {
			sep := ", "
			if i == 0 {
				sep = " [shares decodes with "
			}
			fmt.Fprintf(&b, "%s%q", sep, name)
		}
		if len(s.Shares) > 0 {
			b.WriteString("]")
		}
	}
	if p.Shape != nil {
		fmt.Fprintf(&b, " -> %s %s", p.DType, array.ShapeString(p.Shape))
	}
	return b.String()
}

// Explain tells how each output is made: which operations are one pass with the
// decoder, and which run on their own after it.
func (l *Loader) Explain() []Pipeline {
	list := make([]Pipeline, len(l.plan.outputs))
	for i := range list {
		list[i] = l.plan.outputs[i].explain(l.plan.outputs)
	}
	return list
}

func (o *output) explain(all []output) Pipeline {
	p := Pipeline{Output: o.name, Field: o.src.Name, DType: o.spec.DType.String()}
	if !o.varies() {
		p.Shape = append([]int{}, o.spec.Shape...)
	}
	p.Steps = append(p.Steps, Step{What: o.what, Ops: o.fusedOps, Shares: o.companions(all)})
	for i := range o.stages {
		s := &o.stages[i]
		what := s.name
		if s.inPlace {
			what += ", in place"
		}
		p.Steps = append(p.Steps, Step{What: what, Ops: 1})
	}
	for i := range o.tail {
		s := &o.tail[i]
		what := s.name
		if s.batch != nil {
			what += " of the whole batch"
		}
		if s.inPlace {
			what += ", in place"
		}
		p.Steps = append(p.Steps, Step{What: what, Ops: 1})
	}
	return p
}

// typeName is how a decoder or an operation of a program is called.
func typeName(v any) string { return strings.TrimPrefix(fmt.Sprintf("%T", v), "*") }

// bindView asks a decoder to take the operations too. It tells whether it did
// the binding.
func (p *plan) bindView(b *output, d ImageDecoder, width, height int, ops []any, streams []uint64) (bool, error) {
	v, ok := d.(Viewer)
	if !ok {
		return false, nil
	}
	n, spec, target, view, what, err := v.BindView(width, height, ops)
	if err != nil || view == nil {
		return false, err
	}
	if n < 0 || n > len(ops) {
		return false, fmt.Errorf("%T fused %d operations of %d", d, n, len(ops))
	}
	if target == nil {
		return false, fmt.Errorf("%T gives no target", d)
	}
	if err := target.Check(); err != nil {
		return false, err
	}
	if size, err := spec.Bytes(); err != nil || size != target.Bytes() {
		return false, fmt.Errorf("%T gives %v for a target of %d bytes", d, spec, target.Bytes())
	}
	b.value, b.view, b.fusedOps, b.what = spec, view, n, what
	b.target = *target
	b.keys = streams[:1+n]
	return true, nil
}
