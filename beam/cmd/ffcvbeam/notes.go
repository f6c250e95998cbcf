package main

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"github.com/betongo/betongo/internal/term"
)

// notes is a slog.Handler that prints the warnings of a build, such as that a
// shard is tried again, and nothing of what else a runner in this process says.
type notes struct {
	w      io.Writer
	before func() // is called before something is printed
}

// Enabled says that records from warnings on are wanted.
func (*notes) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle prints a build's record.
func (n *notes) Handle(_ context.Context, r slog.Record) error {
	text, ok := strings.CutPrefix(strings.TrimPrefix(r.Message, "[SDK] "), "betongo: ")
	if ok {
		n.before()
		term.Say(n.w, prog, "warning", text)
	}
	return nil
}

// WithAttrs returns n: attributes are the runner's.
func (n *notes) WithAttrs([]slog.Attr) slog.Handler { return n }

// WithGroup returns n.
func (n *notes) WithGroup(string) slog.Handler { return n }
