package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
)

// Failure is an error as a client gets it: Kind decides which exception it is.
type Failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	File    string `json:"file,omitempty"`
	Field   string `json:"field,omitempty"`
	Sample  *int   `json:"sample,omitempty"`
	Offset  *int64 `json:"offset,omitempty"`
	Errno   int    `json:"errno,omitempty"`

	// Of what an Operation makes.
	Shard string   `json:"shard,omitempty"`
	Key   string   `json:"key,omitempty"`
	Next  *int     `json:"next,omitempty"`  // the sample that comes next, where what was done is kept
	Cause *Failure `json:"cause,omitempty"` // where that is an error of another kind
}

// panicError is a panic in a handler.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string {
	return fmt.Sprintf("panic in the engine: %v\n%s", e.value, e.stack)
}

// stateError is a request that does not fit what was asked for before, or a
// state that is of something else.
type stateError struct{ what string }

func (e *stateError) Error() string { return e.what }

func statef(format string, args ...any) error { return &stateError{fmt.Sprintf(format, args...)} }

// Describe finds the kind of an error that is one of the engine's own: "internal"
// is of none.
func Describe(err error) Failure { return describer(nil).describe(err) }

// describer is More.Describe; nil knows no errors.
type describer func(err error) (Failure, bool)

// describe finds an error's kind.
func (d describer) describe(err error) Failure {
	f := Failure{Kind: "internal", Message: err.Error()}
	var (
		broken  *protocolError
		fell    *panicError
		option  *optionError
		state   *stateError
		resume  *loader.StateError
		sample  *loader.SampleError
		format  *ffcv.FormatError
		other   *array.UnsupportedError
		picture *rgb.UnsupportedError
		errno   syscall.Errno
	)
	switch {
	case errors.As(err, &broken):
		f.Kind = "protocol"
		return f
	case errors.As(err, &fell):
		return f
	}
	if d != nil {
		if f, ok := d(err); ok {
			return f
		}
	}
	switch {
	case errors.As(err, &sample):
		f.Kind, f.File, f.Field = "sample", sample.File, sample.Field
		f.Sample, f.Offset = &sample.Sample, &sample.Offset
	case errors.As(err, &option):
		f.Kind = "option"
	case errors.As(err, &state), errors.As(err, &resume):
		f.Kind = "state"
	case errors.As(err, &format):
		f.Kind, f.File, f.Field, f.Offset = "format", format.File, format.Field, &format.Offset
		if format.Sample >= 0 {
			f.Sample = &format.Sample
		}
	case errors.Is(err, ffcv.ErrUnsupported), errors.Is(err, ffcv.ErrUnknownField), errors.As(err, &other), errors.As(err, &picture):
		f.Kind = "unsupported"
	case errors.Is(err, fs.ErrNotExist):
		f.Kind = "notfound"
	case errors.Is(err, fs.ErrExist):
		f.Kind, f.Errno = "os", int(syscall.EEXIST)
	case errors.As(err, &errno):
		f.Kind = "os"
	}
	if errors.As(err, &errno) {
		f.Errno = int(errno)
	}
	var path *fs.PathError
	if f.File == "" && errors.As(err, &path) {
		f.File = path.Path
	}
	return f
}

// asOption takes an error of making a loader that has no kind of its own for one
// of its options.
func (d describer) asOption(err error) error {
	if d.describe(err).Kind != "internal" || errors.As(err, new(*loader.PanicError)) {
		return err
	}
	return optionf("%v", err)
}
