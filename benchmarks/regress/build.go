package regress

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// flawed finds the files of the works that the compiler complains of.
var flawed = regexp.MustCompile(`(?m)^(?:\./)?(?:` + regexp.QuoteMeta(works) + `/)([a-z0-9_]+\.go):\d+`)

// build compiles the tree's works. Files that don't go with its packages are
// removed where that is allowed; the works of the others are left.
func (s *side) build(ctx context.Context, mayLack bool) error {
	dir := filepath.Join(s.tree, filepath.FromSlash(works))
	env := []string{"CGO_ENABLED=0", "GOWORK=off", "GOFLAGS="}
	for {
		// Without paths and version the same sources give the same program; names of
		// functions stay for the counter.
		_, err := output(ctx, s.tree, env, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-w -buildid=", "-gcflags=-e", "-o", s.program, "./"+works)
		if err == nil || !mayLack {
			return err
		}
		bad := flawed.FindAllStringSubmatch(strings.ReplaceAll(err.Error(), `\`, "/"), -1)
		if len(bad) == 0 {
			return err
		}
		for _, m := range bad {
			if m[1] == "main.go" {
				return os.WriteFile(s.program, nil, 0o777) // nothing of it goes with the old packages: all is new
			}
			if rerr := os.Remove(filepath.Join(dir, m[1])); rerr != nil && !os.IsNotExist(rerr) {
				return rerr
			}
		}
	}
}

// list returns the works of the program and how often each is done.
func (s *side) list(ctx context.Context) (map[string]int, error) {
	if s.none() {
		return nil, nil
	}
	out, err := output(ctx, "", nil, s.program, "-list")
	if err != nil {
		return nil, err
	}
	list := map[string]int{}
	for line := range strings.Lines(string(out)) {
		name, times, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(times)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("the works' list has %q; want a name and a number", line)
		}
		list[name] = n
	}
	return list, nil
}

// none says that there is no program.
func (s *side) none() bool {
	st, err := os.Stat(s.program)
	return err == nil && st.Size() == 0
}

// writeFiles has the program write what its works read.
func (s *side) writeFiles(ctx context.Context, photos string) error {
	if s.none() {
		return nil
	}
	_, err := output(ctx, "", nil, s.program, "-prepare", "-dir", s.files, "-photos", photos)
	return err
}

// sameFile says that two files hold the same bytes.
func sameFile(a, b string) (bool, error) {
	var sums [2][sha256.Size]byte
	for i, name := range []string{a, b} {
		data, err := os.ReadFile(name)
		if err != nil {
			return false, err
		}
		sums[i] = sha256.Sum256(data)
	}
	return bytes.Equal(sums[0][:], sums[1][:]), nil
}
