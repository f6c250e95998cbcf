package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// govulncheck is pinned, as staticcheck is.
const govulncheck = "golang.org/x/vuln/cmd/govulncheck@v1.1.4"

// advisoryDB has the advisories that govulncheck asks for.
const advisoryDB = "https://vuln.go.dev/index/db.json"

// advisories asks for known advisories of what the module needs, where they can be
// asked for. It never fails: an advisory of today is no defect of this change, and
// docs/decisions.md has what was found of those before.
func (m *moduleInfo) advisories(ctx context.Context) error {
	if err := reachable(ctx, advisoryDB); err != nil {
		return ended(ctx, absent(fmt.Sprintf("the advisories' database can't be asked from here: %v", err)))
	}
	out, err := m.output(ctx, nil, "go", "run", govulncheck, "./...")
	if err == nil {
		return nil
	}
	return ended(ctx, judged(out))
}

// ended is the context's error where it has one, else err.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// judged says what a run of govulncheck that was not content means.
func judged(out string) error {
	if strings.Contains(out, "Vulnerability #1") {
		return noted("advisories to look into, and to review in docs/decisions.md:\n" + out)
	}
	return absent("govulncheck can't run here: " + lastLine(out))
}

// reachable tells whether an address can be read soon.
func reachable(ctx context.Context, address string) error {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return errors.New(r.Status)
	}
	return nil
}
