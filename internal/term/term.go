// Package term is how the commands talk to the person at the terminal: the
// command line, errors with hints, progress, and sizes such as 8MiB.
//
// Only commands import it: a library returns errors and prints nothing.
package term

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
)

// The exit codes of every command.
const (
	ExitDone   = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// hintError is an error with advice.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

// WithHint returns err with a sentence of advice, which Fail prints on a line
// of its own. A nil err stays nil.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &hintError{err: err, hint: hint}
}

// Hint returns the advice nearest to the outside of err, or "".
func Hint(err error) string {
	var h *hintError
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}

// usageError is an error of the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// Usage marks err as wrong usage: ExitCode returns ExitUsage for it. A nil err
// stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err: err}
}

// Usagef is Usage of a formatted error.
func Usagef(format string, args ...any) error { return Usage(fmt.Errorf(format, args...)) }

// ExitCode returns the code with which a command ends after err.
func ExitCode(err error) int {
	var u *usageError
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &u):
		return ExitUsage
	}
	return ExitFailed
}

// Fail prints "prog: error: …" and, where err has one, "prog: hint: …", and
// returns err's exit code. It prints nothing for a nil err.
func Fail(w io.Writer, prog string, err error) int {
	if err != nil {
		line(w, prog, "error", err.Error())
		if h := Hint(err); h != "" {
			line(w, prog, "hint", h)
		}
	}
	return ExitCode(err)
}

// Say prints "prog: kind: text", as Fail does; kind is "hint", "note", "left out"
// (what is no sample), "skipped" (a sample that was to be there) or "warning". Under
// --quiet only the last two are printed.
func Say(w io.Writer, prog, kind, text string) {
	if !isQuiet(w) || kind == "warning" || kind == "skipped" {
		line(w, prog, kind, text)
	}
}

// kindStyles are what the kinds of lines look like on a terminal.
var kindStyles = map[string]style{"error": red, "warning": yellow, "hint": cyan, "note": bold, "left out": bold, "skipped": yellow}

// line keeps a text of several lines readable by indenting all but the first.
func line(w io.Writer, prog, kind, text string) {
	text = strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
	if !colours(w) {
		fmt.Fprintf(w, "%s: %s: %s\n", prog, kind, text)
		return
	}
	fmt.Fprintf(under(w), "%s: %s %s\n", Text(prog), kindStyles[kind].paint(kind+":"), Text(text))
}

// Version returns the version that the Go toolchain stamped on the program:
// a tag, a pseudo-version, or "(devel)".
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
