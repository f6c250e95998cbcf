// Command ffcvwrite packs samples into a .beton file: a folder of class
// folders, a table (csv, tsv, jsonl) or .npy arrays.
//
//	ffcvwrite folder PHOTOS -o train.beton --max-resolution 500
//	ffcvwrite table rows.csv -o rows.beton --field image=rgb --field age=int
//	ffcvwrite arrays x=train_x.npy y=train_y.npy -o train.beton
//
// It ends with 0 when the file is written, 1 when it failed, and 2 on wrong
// usage. An interrupted or failed run leaves no file.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // under nohup the run goes on
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	// The first signal ends the run in order, a second one at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
