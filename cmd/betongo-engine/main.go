// Command betongo-engine is the engine of the Python package betongo, which
// starts it: there is nothing in it for people.
//
//	betongo-engine --door FD --parent PID
//
// FD is an end of a Unix stream socket pair, through which connections come.
// The engine ends when it and all connections are closed, at once when the
// process PID dies, and on SIGTERM. It ends with 0 then, and with 1 and a
// message when it can't begin.
//
// It knows files of the local disk alone, which keeps it small: betongo-tools
// reaches object stores too.
package main

import (
	"os"

	"github.com/betongo/betongo/internal/engine/program"
)

func main() { os.Exit(program.Run("betongo-engine", os.Args[1:], nil)) }
