package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// browserTests are called so in every package: they drive a real browser, which
// nobody can be asked to have. They run in a step of their own.
const browserTests = "TestBrowser"

// inBrowser runs the tests of the modules inside that drive a browser. Pictures of
// what was seen are kept.
func inBrowser(ctx context.Context, inside []*moduleInfo) error {
	ran := false
	for _, m := range inside {
		if len(m.browser) == 0 {
			continue
		}
		if err := m.withBrowser(ctx); err != nil {
			return err
		}
		ran = true
	}
	if !ran {
		return fmt.Errorf("no test named %s… was found", browserTests)
	}
	return nil
}

// withBrowser runs one module's.
func (m *moduleInfo) withBrowser(ctx context.Context) error {
	var env []string
	if os.Getenv("BETONGO_ARTEFACTS") == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		dir := filepath.Join(cache, "betongo-ci", "viewer")
		if err := os.RemoveAll(dir); err != nil { // of an earlier run
			return err
		}
		env = []string{"BETONGO_ARTEFACTS=" + dir}
	}
	args := slices.Concat([]string{"test", "-count=1", "-timeout", "10m", "-v", "-run", "^" + browserTests}, m.browser)
	out, err := m.output(ctx, env, "go", args...)
	if err != nil {
		return fmt.Errorf("%w\n%s", errors.New("go test -run ^"+browserTests+" failed"), failures(out))
	}
	if why, ok := noBrowser(out); ok {
		return skipped(why)
	}
	return sound(out, browserTests, "")
}

// noBrowser finds in what the tests printed that there is none.
func noBrowser(out string) (why string, ok bool) {
	_, why, ok = strings.Cut(out, "no browser: ")
	if !ok || !strings.Contains(out, "--- SKIP: "+browserTests) {
		return "", false
	}
	why, _, _ = strings.Cut(why, "\n")
	return "no browser: " + why, true
}
