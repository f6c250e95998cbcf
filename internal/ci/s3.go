package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// s3Tests are called so in every package: they talk to a real S3 server, a
// program of another project, which internal/s3test builds from source at its
// first need. They run in a step of their own.
const s3Tests = "TestS3"

// withoutApart leaves out of other steps what has one of its own.
const withoutApart = "-skip=^(" + s3Tests + "|" + browserTests + ")"

// objectStores runs the tests that talk to an S3 server, of the module and those
// inside. Python's that do run with the others of theirs: the server is built
// then, and no skip is taken for an answer.
func (m *moduleInfo) objectStores(ctx context.Context, inside []*moduleInfo) error {
	if len(m.s3) == 0 {
		return fmt.Errorf("no test named %s… was found", s3Tests)
	}
	// It builds the server, or says why it can't.
	out, err := m.output(ctx, nil, "go", "test", "-count=1", "-timeout", "20m", "-v", "-run", "^"+s3Tests+"Start$", "./internal/s3test")
	if err != nil {
		return err
	}
	if why, ok := noServer(out); ok {
		return ended(ctx, absent("the S3 server's source can't be fetched and built here: "+why))
	}
	m.s3Server = true
	for _, n := range append([]*moduleInfo{m}, inside...) {
		if len(n.s3) > 0 {
			if err := n.withServer(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// withServer runs one module's tests that talk to a server.
func (m *moduleInfo) withServer(ctx context.Context) error {
	args := slices.Concat([]string{"test", "-count=1", "-timeout", "15m", "-v", "-run", "^" + s3Tests}, m.s3)
	out, err := m.output(ctx, []string{"BETONGO_S3=required"}, "go", args...)
	if err != nil {
		return fmt.Errorf("%w\n%s", errors.New("go test -run ^"+s3Tests+" failed"), failures(out))
	}
	return sound(out, s3Tests, "")
}

// noServer finds in what the server's own test printed why there is none.
func noServer(out string) (why string, ok bool) {
	if !strings.Contains(out, "--- SKIP: "+s3Tests) {
		return "", false
	}
	_, why, _ = strings.Cut(out, "no S3 server: ")
	why, _, _ = strings.Cut(why, "--- SKIP")
	return strings.TrimSpace(lastLine(why)), true
}
