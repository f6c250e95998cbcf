// Command ci runs everything that must hold before a change goes in, with
// nothing but Go installed, and ends with what ran, what was skipped and why:
//
//	go run ./internal/ci           all of it, each fuzz target for some seconds
//	go run ./internal/ci -quick    formatting, vet, build and tests for this system
//	go run ./internal/ci -full     each fuzz target for a minute, tests in their full size under the
//	                               race detector and with the lowest Go, nothing left out of modules
//	                               inside with very many dependencies, more rounds of the soak test,
//	                               the systems that the benchmarks compare with, and the real FFCV
//	                               over files of every kind (some 12 GB, and an hour or two)
//
// Tests that talk to a real S3 server have a step of their own, "object stores",
// which builds the server from source, and run with Python's other ones. Those that
// drive "ffcv view" in a real Chromium have "viewer in a browser"; the pictures that
// they take go to $BETONGO_ARTEFACTS, or else to betongo-ci/viewer in the user's
// cache.
//
// With -strict, or with CI set in the environment, a step that had to be
// skipped is a failure, but for want of other projects' programs that are
// fetched and built to test beside them. The exit status is 1 when a step failed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ci: error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("ci", flag.ContinueOnError)
	flags.SetOutput(out)
	quick := flags.Bool("quick", false, "only formatting, vet, build and tests for this system")
	full := flags.Bool("full", false, "run each fuzz target for a minute, and make nothing smaller for its time")
	strict := flags.Bool("strict", os.Getenv("CI") != "", "a skipped step is a failure (default: whether CI is set)")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if *quick && *full {
		return errors.New("-quick and -full exclude each other")
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	m, err := readModule(root)
	if err != nil {
		return err
	}
	inside, err := m.inside()
	if err != nil {
		return err
	}
	fuzzTime := 3 * time.Second
	for _, n := range append(inside, m) {
		n.whole = *full
	}
	if *full {
		fuzzTime = time.Minute
	}
	results := runAll(ctx, out, plan(m, inside, fuzzTime, *quick))
	return report(out, results, *strict)
}

// moduleRoot returns the folder of go.mod.
func moduleRoot(ctx context.Context) (string, error) {
	b, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	name := strings.TrimSpace(string(b))
	if filepath.Base(name) != "go.mod" {
		return "", fmt.Errorf("not inside of the module: go env GOMOD says %q", name)
	}
	return filepath.Dir(name), nil
}
