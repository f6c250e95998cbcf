package ffcv

import (
	"errors"
	"fmt"
	"strings"
)

// ErrUnsupported is what errors.Is finds in every *UnsupportedError.
var ErrUnsupported = errors.New("unsupported")

// ErrUnknownField is wrapped by the *UnsupportedError of an access that needs
// a custom field which neither OpenOptions.Custom nor a registered kind
// describes: the stride of the metadata rows is not known then.
var ErrUnknownField = errors.New("custom field of unknown layout")

// FormatError says that a file is not a sound .beton: what was wrong and
// where. errors.As finds it behind every refusal of a file's bytes.
type FormatError struct {
	File   string // as the source names itself
	Field  string // name of the field concerned, "" none
	Sample int    // row of the sample concerned, -1 none
	Offset int64  // byte in the file, -1 none
	What   string // what was read, found and expected
	Err    error  // cause, or nil
}

func (e *FormatError) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		b.WriteString(": ")
	}
	if e.Sample >= 0 {
		fmt.Fprintf(&b, "sample %d: ", e.Sample)
	}
	if e.Field != "" {
		fmt.Fprintf(&b, "field %q: ", e.Field)
	}
	if e.Offset >= 0 {
		fmt.Fprintf(&b, "at byte %d: ", e.Offset)
	}
	b.WriteString(because(e.What, e.Err))
	return b.String()
}

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

// UnsupportedError says that a file may well be sound, but that this package
// cannot read it, or that part of it: a newer version, or a custom field of
// unknown layout.
type UnsupportedError struct {
	File  string
	Field string // "" none
	What  string
	Err   error // cause, such as ErrUnknownField, or nil
}

func (e *UnsupportedError) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		b.WriteString(": ")
	}
	if e.Field != "" {
		fmt.Fprintf(&b, "field %q: ", e.Field)
	}
	b.WriteString("unsupported: ")
	b.WriteString(because(e.What, e.Err))
	return b.String()
}

// Is makes errors.Is(err, ErrUnsupported) true.
func (e *UnsupportedError) Is(target error) bool { return target == ErrUnsupported }

// Unwrap returns the cause.
func (e *UnsupportedError) Unwrap() error { return e.Err }

// because is "what: err", or the one of them that there is.
func because(what string, err error) string {
	switch {
	case err == nil:
		return what
	case what == "":
		return err.Error()
	}
	return what + ": " + err.Error()
}
