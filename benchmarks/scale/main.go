// Command scale measures and foretells what large datasets take, for
// docs/scaling.md:
//
//	go run ./benchmarks/scale shards --dir DIR
//	go run ./benchmarks/scale check --dir DIR
//	go run ./benchmarks/scale plan
//
// shards makes a thousand files of a million rows, opens them by an index as one
// dataset, loads a whole epoch in one random order over all, and goes on from its
// middle as if nothing had happened.
//
// check compares the simulator of this folder with epochs that are read through
// injected latency; plan prints what it foretells of a dataset that nobody has
// here: 10,000,000,000 samples, a petabyte.
package main

import (
	"context"
	"io"
	"os"

	"github.com/betongo/betongo/internal/term"
)

const prog = "scale"

const description = "Measure and foretell what large datasets take."

type grammar struct {
	Shards shardsCmd `cmd:"" help:"Open, shuffle and resume a thousand files of a million rows."`
	Check  checkCmd  `cmd:"" help:"Compare what the simulator foretells with epochs read through injected latency."`
	Plan   planCmd   `cmd:"" help:"Foretell what a very large dataset takes."`
}

// streams are where a command prints.
type streams struct{ out, err io.Writer }

func main() { os.Exit(run(term.Context(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var g grammar
	k, code := term.Parse(prog, description, &g, args, stdout, stderr)
	if k == nil {
		return code
	}
	k.BindTo(ctx, (*context.Context)(nil))
	return term.Fail(stderr, prog, k.Run(&streams{stdout, stderr}))
}
