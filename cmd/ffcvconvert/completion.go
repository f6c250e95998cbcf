package main

import (
	"io"

	"github.com/betongo/betongo/convert"
	"github.com/betongo/betongo/internal/complete"
	"github.com/betongo/betongo/internal/term"
)

// answer tells a shell what may stand at its cursor.
func answer(stdout io.Writer, args []string) error {
	var g grammar
	return complete.Answer(stdout, term.Model(prog, description, &g), complete.Values{
		"format": func(complete.Line) (list []complete.Candidate) {
			for _, f := range convert.Formats() {
				list = append(list, complete.Candidate{Value: f.Name, Help: f.Title})
			}
			return list
		},
	}, args)
}
