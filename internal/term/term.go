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

	"github.com/alecthomas/kong"
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

// Say prints "prog: kind: text", as Fail does; kind is "hint", "note" or
// "warning".
func Say(w io.Writer, prog, kind, text string) { line(w, prog, kind, text) }

// line keeps a text of several lines readable by indenting all but the first.
func line(w io.Writer, prog, kind, text string) {
	text = strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
	fmt.Fprintf(w, "%s: %s: %s\n", prog, kind, text)
}

// Version returns the version that the Go toolchain stamped on the program:
// a tag, a pseudo-version, or "(devel)".
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// Parse reads a command line into cli, a pointer to kong's grammar. Flags may
// stand before or after arguments. It returns kong's context, or nil and the
// exit code when the command is over: after --help and --version (printed on
// stdout), and after wrong usage (told on stderr). cli may hold a
// kong.VersionFlag; its text is "prog " and Version.
func Parse(prog, description string, cli any, args []string, stdout, stderr io.Writer, opts ...kong.Option) (*kong.Context, int) {
	over := false
	opts = append([]kong.Option{
		kong.Name(prog),
		kong.Description(description),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { over = true }),
		kong.Vars{"version": prog + " " + Version()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	}, opts...)
	parser, err := kong.New(cli, opts...)
	if err != nil {
		panic(prog + ": command-line grammar: " + err.Error())
	}
	ctx, err := parser.Parse(args)
	if over {
		return nil, ExitDone
	}
	if err != nil {
		hint := "run '" + prog + " --help' for what it takes"
		var parse *kong.ParseError
		if errors.As(err, &parse) && parse.Context != nil && parse.Context.Selected() != nil {
			hint = "run '" + prog + " " + parse.Context.Selected().Path() + " --help' for what it takes"
		}
		return nil, Fail(stderr, prog, Usage(WithHint(err, hint)))
	}
	return ctx, ExitDone
}
