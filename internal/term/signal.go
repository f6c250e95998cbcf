package term

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Context returns the context that a command runs in: it is done at the first
// signal to stop, which ends the run in order. A second signal ends the program
// at once. A program started under nohup goes on when its terminal is closed.
func Context() context.Context {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, stop)
	return ctx
}
