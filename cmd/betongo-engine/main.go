// Command betongo-engine is the engine of the Python package betongo, which
// starts it: there is nothing in it for people.
//
//	betongo-engine --door FD --parent PID
//
// FD is an end of a Unix stream socket pair, through which connections come.
// The engine ends when it and all connections are closed, at once when the
// process PID dies, and on SIGTERM. It ends with 0 then, and with 1 and a
// message when it can't begin.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/betongo/betongo/internal/engine"
)

// patience is how long what runs may take to end, when the engine is to end at
// once: a disk that doesn't answer doesn't keep it.
const patience = 2 * time.Second

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	flags := flag.NewFlagSet("betongo-engine", flag.ContinueOnError)
	door := flags.Int("door", -1, "file descriptor of the socket through which connections come")
	parent := flags.Int("parent", 0, "process with which the engine ends")
	version := flags.Bool("version", false, "print the version and end")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *version {
		fmt.Println("betongo-engine", engine.Version)
		return 0
	}
	if *door < 0 || flags.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "betongo-engine: started by the Python package betongo, with --door and --parent")
		return 2
	}
	signal.Ignore(os.Interrupt) // Ctrl-C is the client's
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if *parent > 0 {
		defer engine.WithParent(*parent, cancel)()
	}
	defer context.AfterFunc(ctx, func() { time.AfterFunc(patience, func() { os.Exit(0) }) })()
	err := engine.Serve(ctx, os.NewFile(uintptr(*door), "the door"))
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "betongo-engine:", err)
		return 1
	}
	return 0
}
