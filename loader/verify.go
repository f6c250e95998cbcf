package loader

import (
	"fmt"
	"slices"

	"github.com/betongo/betongo/ffcv"
)

// Verify says when a loader compares samples with the checksums that their
// files have of them.
type Verify int

const (
	// VerifyNever leaves that to others, such as ffcv verify: a damaged value may
	// then come as pixels that nobody stored.
	VerifyNever Verify = iota
	// VerifyOnFirstRead compares each value, and the metadata row that it belongs
	// to, before it is used for the first time since the dataset was opened. What
	// differs is a sample that can't be loaded. Every byte of it is read then,
	// also where a crop needs few; later epochs cost nothing more.
	VerifyOnFirstRead
)

// Verifier is the ability of a Dataset to compare its samples with checksums:
// *ffcv.File, and what package dataset makes of files. Both methods are safe for
// concurrent use.
type Verifier interface {
	// Verifiable is an error that names what has no checksums, or damaged ones;
	// nil if there are some for every sample. New calls it.
	Verifiable() error
	// VerifyValue compares a field of a sample, and its metadata row, with their
	// checksums, unless that was done before. An error is one of the sample. buf
	// is memory for what is not in memory, what it has grown to comes back.
	VerifyValue(sample, field int, buf []byte) ([]byte, error)
}

// setVerify finds out what is to be compared.
func (p *plan) setVerify(opts *Options) error {
	p.verifier, p.verified = nil, nil
	switch {
	case opts.Verify == VerifyNever:
		return nil
	case opts.Verify != VerifyOnFirstRead:
		return fmt.Errorf("loader: Verify is %d, want VerifyNever or VerifyOnFirstRead", opts.Verify)
	}
	v, ok := p.ds.(Verifier)
	if !ok {
		return fmt.Errorf("loader: Verify: %s is a %T, which has no checksums", p.name, p.ds)
	}
	if err := v.Verifiable(); err != nil {
		return fmt.Errorf("loader: Verify: %w", err)
	}
	p.verifier = v
	for _, name := range opts.VerifyFields {
		k := slices.IndexFunc(p.fields, func(f ffcv.Field) bool { return f.Name == name })
		if k < 0 {
			return fmt.Errorf("loader: VerifyFields: %s has no field %q", p.name, name)
		}
		p.verified = append(p.verified, k)
	}
	return nil
}

// verify compares the samples at positions [lo, hi) with their checksums and
// returns the end of those that may be filled.
func (w *worker) verify(f *flight, lo, hi int) (end int) {
	pos, out := lo, -1
	finished := false
	defer func() {
		if finished {
			return
		}
		// A fault, a panic of the dataset, or the end of the goroutine.
		err := error(&SampleError{Sample: f.batch.ids[pos], Err: fmt.Errorf("the dataset ended the goroutine that asked it")})
		if r := recover(); r != nil {
			w.out = out
			err = w.panicked(f, pos, r)
		}
		f.fail(pos, err)
		end = pos
	}()
	for ; pos < hi; pos++ {
		if f.passed(pos) {
			continue
		}
		err := w.verifySample(f, pos, &out)
		if err == nil {
			continue
		}
		if !f.passes {
			f.fail(pos, err)
			finished = true
			return pos
		}
		f.pass(pos, err)
	}
	finished = true
	return hi
}

// verifySample compares what a position is made of. out is kept at the output
// at hand, at -1 for none.
func (w *worker) verifySample(f *flight, pos int, out *int) (err error) {
	p, id := w.plan, f.batch.ids[pos]
	for *out = range p.outputs {
		if w.verifyBuf, err = p.verifier.VerifyValue(id, p.outputs[*out].field, w.verifyBuf); err != nil {
			return w.sampleError(f, pos, *out, err)
		}
	}
	*out = -1
	for _, k := range p.verified {
		if w.verifyBuf, err = p.verifier.VerifyValue(id, k, w.verifyBuf); err != nil {
			e := w.sampleError(f, pos, -1, err)
			e.Field = p.fields[k].Name
			return e
		}
	}
	return nil
}
