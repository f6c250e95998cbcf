// Package program is what the programs beside Python have in common: their
// arguments, their signals, their end.
package program

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

// patience is how long what runs may take to end, when the program is to end at
// once: a disk that doesn't answer doesn't keep it.
const patience = 2 * time.Second

// Run serves what comes through the door that args name, and returns the status
// to exit with: 0 when the door and all connections are closed, when the parent
// has died and on SIGTERM; 1 or 2, with a message on the standard error, when it
// can't begin. more is what the program does beyond files of the local disk.
func Run(name string, args []string, more *engine.More) int {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	door := flags.Int("door", -1, "file descriptor of the socket through which connections come")
	parent := flags.Int("parent", 0, "process with which the program ends")
	version := flags.Bool("version", false, "print the version and end")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *version {
		fmt.Println(name, engine.Version)
		return 0
	}
	if *door < 0 || flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "%s: started by the Python package betongo, with --door and --parent\n", name)
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
	err := engine.Serve(ctx, os.NewFile(uintptr(*door), "the door"), more)
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}
