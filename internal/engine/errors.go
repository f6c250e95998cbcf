package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/rgb"
)

// Failure is an error as a client gets it.
type failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	File    string `json:"file,omitempty"`
	Field   string `json:"field,omitempty"`
	Sample  *int   `json:"sample,omitempty"`
	Offset  *int64 `json:"offset,omitempty"`
	Errno   int    `json:"errno,omitempty"`
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

// describe finds an error's kind.
func describe(err error) failure {
	f := failure{Kind: "internal", Message: err.Error()}
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
		object  *remote.Error
	)
	switch {
	case errors.As(err, &broken):
		f.Kind = "protocol"
	case errors.As(err, &fell):
	case errors.As(err, &object): // of whatever sample: others fare no better
		f.Kind, f.File, f.Errno = "os", object.URL, int(objectErrno(err))
		if f.Errno == int(syscall.ENOENT) {
			f.Kind = "notfound"
		}
		return f
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

// objectErrno is the number that the system has for an error of an object's.
func objectErrno(err error) syscall.Errno {
	for _, c := range []struct {
		is error
		no syscall.Errno
	}{
		{remote.ErrNotExist, syscall.ENOENT}, {remote.ErrExist, syscall.EEXIST}, {remote.ErrDenied, syscall.EACCES}, {remote.ErrChanged, syscall.ESTALE},
	} {
		if errors.Is(err, c.is) {
			return c.no
		}
	}
	return syscall.EIO
}
