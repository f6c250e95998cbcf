package main

import (
	"context"
	"io"

	"github.com/betongo/betongo/internal/complete"
	"github.com/betongo/betongo/internal/term"
)

type completionCommand struct{ complete.Command }

func (c *completionCommand) run(_ context.Context, s streams) error {
	text, err := complete.Script(c.Shell, prog)
	if err == nil {
		_, err = io.WriteString(s.out, text)
	}
	return err
}

// answer tells a shell what may stand at its cursor.
func answer(stdout io.Writer, args []string) error {
	var g grammar
	return complete.Answer(stdout, term.Model(prog, description, &g), nil, args)
}
