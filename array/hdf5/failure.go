package hdf5

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/betongo/betongo/array"
)

// FormatError says that a file is no HDF5, or a broken one.
type FormatError = array.FormatError

// UnsupportedError says that a file uses what HDF5 allows and this package, or
// the library that is loaded, doesn't serve.
type UnsupportedError struct {
	File, Array string
	What        string
}

func (e *UnsupportedError) Error() string {
	return array.Place(e.File, e.Array, "", -1) + "not supported: " + e.What
}

// failure is what a call of the library left on its stack of errors.
type failure struct {
	call  string   // what was to be done
	stack []string // what the library says, the call first, the cause last
}

func (e *failure) Error() string {
	if len(e.stack) == 0 {
		return e.call
	}
	return e.call + ": " + strings.Join(e.stack, ": ")
}

// errorRecord is H5E_error2_t.
type errorRecord struct {
	_    [3]hid            // class, major and minor number
	_    uint32            // line
	_    [2]unsafe.Pointer // function and file
	desc unsafe.Pointer
}

// noted is what the callbacks hand over. The library's lock guards it.
var noted struct {
	errors []string
	names  []link
	limit  int // of names
}

const maxErrors = 64

// noteError is called for each entry of the stack.
func noteError(_ uintptr, e *errorRecord, _ uintptr) uintptr {
	if len(noted.errors) == maxErrors || e == nil {
		return 1
	}
	noted.errors = append(noted.errors, goString(e.desc, 512))
	return 0
}

// fail takes the errors off the library's stack.
func (l *library) fail(format string, args ...any) *failure {
	noted.errors = nil
	l.Ewalk(0, walkDownward, l.onError, 0)
	l.Eclear(0)
	e := &failure{call: fmt.Sprintf(format, args...)}
	for _, text := range noted.errors {
		text = strings.TrimSpace(text)
		if text != "" && !slices.Contains(e.stack, text) {
			e.stack = append(e.stack, text)
		}
	}
	// What stands between says how the library is built, not what is wrong.
	if n := len(e.stack); n > 4 {
		e.stack = slices.Delete(e.stack, 1, n-3)
	}
	noted.errors = nil
	return e
}

// forget passes over errors that are no news.
func (l *library) forget() { l.Eclear(0) }

// unsupported is the name of what isn't served, on its way to the place that
// knows the file.
type unsupported string

func (u unsupported) Error() string { return "not supported: " + string(u) }

// explain says where an error belongs, and which release of the library it is
// of, where a newer one may do better.
func (l *library) explain(err error, file, name string) error {
	if err == nil {
		return nil
	}
	var what unsupported
	var dtype *array.UnsupportedError
	var failed *failure
	switch {
	case errors.As(err, &what):
		return &UnsupportedError{File: file, Array: name, What: string(what)}
	case errors.As(err, &dtype):
		return fmt.Errorf("%s%w", array.Place(file, name, "", -1), err)
	case errors.As(err, &failed) && failed.newer():
		return &UnsupportedError{File: file, Array: name, What: fmt.Sprintf("%v; libhdf5 %s is loaded (%s), and what it doesn't know needs a later release (2.0 is the last that was tried), or is damage; %s may name a library",
			failed, l.release(), l.path, Variable)}
	}
	var format *FormatError
	if errors.As(err, &format) {
		if format.File == "" {
			format.File = file
		}
		if format.Array == "" {
			format.Array = name
		}
		return err
	}
	return &FormatError{File: file, Array: name, Offset: -1, Msg: err.Error()}
}

// newer tells whether the library met a version that it doesn't know.
func (e *failure) newer() bool { return e.says("version") }

// says tells whether the library's words have these.
func (e *failure) says(words string) bool {
	return slices.ContainsFunc(e.stack, func(s string) bool { return strings.Contains(s, words) })
}
