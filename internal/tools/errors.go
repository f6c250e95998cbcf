package tools

import (
	"errors"
	"strings"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/export"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/engine"
	"github.com/betongo/betongo/source"
)

// madeError is why something was not made: a file, an export, figures.
type madeError struct{ err error }

func (e *madeError) Error() string { return e.err.Error() }

func (e *madeError) Unwrap() error { return e.err }

// describe tells errors of objects, and of what was not made.
func describe(err error) (engine.Failure, bool) {
	var made *madeError
	if errors.As(err, &made) {
		return describeMade(made.err), true
	}
	return describeObject(err)
}

// describeMade is of kind "build", but for options, and for what was not found or is
// in the way before anything was read.
func describeMade(err error) engine.Failure {
	f, ok := describeObject(err)
	if !ok {
		f = engine.Describe(err)
	}
	var (
		option *build.OptionError
		spec   *source.SpecError
		on     *ffcv.InterruptedError
		sample *ffcv.SampleError
	)
	var out *export.SampleError
	placed := errors.As(err, &sample) || errors.As(err, &out)
	interrupted := errors.As(err, &on)
	switch {
	case errors.As(err, &option) && !placed:
		f.Kind, f.Message = "option", strings.ReplaceAll(option.Option, "-", "_")+": "+option.Err.Error()
		return f
	case errors.As(err, &spec) && !placed:
		f.Kind = "option"
		return f
	case placed || interrupted:
	case f.Kind != "internal":
		return f
	}
	made := engine.Failure{Kind: "build", Message: err.Error(), Shard: f.Shard, Offset: f.Offset, File: f.File}
	if f.Kind != "internal" && f.Kind != "sample" {
		made.Cause = &f
	}
	if out != nil {
		made.File, made.Key, made.Field, made.Sample = out.File, out.Key, out.Field, &out.Sample
	} else if placed {
		made.Key, made.Field, made.Sample = sample.Key, sample.Field, &sample.Sample
	}
	if interrupted {
		made.Next = &on.Next
	}
	return made
}
