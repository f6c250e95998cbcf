package main

import (
	"bytes"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// A few kills; docs/benchmarks.md has the numbers of many.
func TestKilled(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to build the programs with")
	}
	kills := 10
	if testing.Short() {
		kills = 3
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"--kills", strconv.Itoa(kills), "--number", "60", "--dir", t.TempDir()}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr.String())
	}
	if !strings.Contains(stdout.String(), "rows of an array") {
		t.Errorf("output:\n%s", stdout.String())
	}
	t.Logf("\n%s", stdout.String())
}
