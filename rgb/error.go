package rgb

import "fmt"

// InvalidError reports a picture that is broken: truncated, corrupt, or not of
// the format that it claims.
type InvalidError struct {
	Format Format // "" when the format is not known
	Offset int    // byte offset within the data where it was seen, -1 when not known
	What   string
	Err    error // the cause, when another package found it
}

func (e *InvalidError) Error() string {
	s := "rgb: invalid picture"
	if e.Format != "" {
		s = "rgb: invalid " + string(e.Format)
	}
	if e.Offset >= 0 {
		s += fmt.Sprintf(" at byte %d", e.Offset)
	}
	if e.What != "" {
		s += ": " + e.What
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *InvalidError) Unwrap() error { return e.Err }

// UnsupportedError reports a picture that may be sound but is of a kind that
// this package doesn't read.
type UnsupportedError struct {
	Format Format // "" when the format is not known
	What   string
}

func (e *UnsupportedError) Error() string {
	if e.Format == "" {
		return "rgb: unsupported: " + e.What
	}
	return "rgb: unsupported " + string(e.Format) + ": " + e.What
}

func invalid(f Format, offset int, format string, args ...any) error {
	return &InvalidError{Format: f, Offset: offset, What: fmt.Sprintf(format, args...)}
}

func unsupported(f Format, format string, args ...any) error {
	return &UnsupportedError{Format: f, What: fmt.Sprintf(format, args...)}
}

// checkSize holds a size read from a header to what can be decoded.
func checkSize(f Format, w, h int) error {
	switch {
	case w < 1 || h < 1:
		return invalid(f, -1, "size is %dx%d", w, h)
	case w > MaxSide || h > MaxSide:
		return unsupported(f, "size is %dx%d, a side may have %d pixels at most", w, h, MaxSide)
	case w > MaxPixels/h:
		return unsupported(f, "size is %dx%d, a picture may have %d pixels at most", w, h, MaxPixels)
	}
	return nil
}
