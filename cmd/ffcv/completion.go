package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/complete"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/store"
)

type completionCommand struct{ complete.Command }

// Run is kong's hook.
func (c *completionCommand) Run(e *env) error {
	text, err := complete.Script(c.Shell, prog)
	if err == nil {
		_, err = io.WriteString(e.stdout, text)
	}
	return err
}

// answer tells a shell what may stand at its cursor.
func answer(stdout io.Writer, args []string) error {
	var g grammar
	return complete.Answer(stdout, term.Model(prog, description, &g), completions, args)
}

// completions are what the grammar does not know.
var completions = complete.Values{
	"order": func(complete.Line) (list []complete.Candidate) {
		for _, name := range orders {
			list = append(list, complete.Candidate{Value: name})
		}
		return list
	},
	"policy": func(complete.Line) []complete.Candidate {
		return []complete.Candidate{{Value: "fail", Help: "end with an error"}, {Value: "skip", Help: "a good one of its batch comes twice"}, {Value: "zeros"}}
	},
	"field": func(l complete.Line) (list []complete.Candidate) {
		of(l, func(f *ffcv.File) {
			for _, d := range f.Fields() {
				list = append(list, complete.Candidate{Value: d.Name, Help: ffcv.Kind(d.Type, d.Field)})
			}
		})
		return list
	},
	"class": func(l complete.Line) (list []complete.Candidate) {
		of(l, func(f *ffcv.File) {
			for i, name := range f.Classes()[:min(maxClasses, len(f.Classes()))] {
				list = append(list, complete.Candidate{Value: strings.Clone(name), Help: fmt.Sprint("label ", i)})
			}
		})
		return list
	},
}

// maxClasses is how many classes are offered: a person reads no more.
const maxClasses = 1000

// of has a function look into the first file that a line names, if it is a local
// one that opens.
func of(l complete.Line, look func(*ffcv.File)) {
	for _, path := range l.Args {
		if store.IsURL(path) || !strings.HasSuffix(path, ".beton") {
			continue
		}
		if f, err := ffcv.Open(path, nil); err == nil {
			look(f)
			f.Close()
			return
		}
	}
}
