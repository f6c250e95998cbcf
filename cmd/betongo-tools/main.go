// Command betongo-tools is betongo-engine with object stores, and with what the
// Python package betongo does beside loading: that package starts it the first
// time that something needs it. There is nothing in it for people.
//
//	betongo-tools --door FD --parent PID
package main

import (
	"os"

	"github.com/betongo/betongo/internal/engine/program"
	"github.com/betongo/betongo/internal/tools"
)

func main() { os.Exit(program.Run("betongo-tools", os.Args[1:], tools.More())) }
