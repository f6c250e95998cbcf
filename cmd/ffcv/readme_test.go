package main

import (
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/betongo/betongo/testdata/photos"
)

var goBlock = regexp.MustCompile("(?s)```go\n(package main\n.*?)```")

// TestReadme builds the README's programs and runs them one after the other.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := goBlock.FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d programs in the README, want 2: write and load", len(blocks))
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "photos"), photos.FS); err != nil {
		t.Fatal(err)
	}
	var out []byte
	for i, b := range blocks {
		name := []string{"write", "load"}[i]
		if tidy, err := format.Source([]byte(b[1])); err != nil || string(tidy) != b[1] {
			t.Errorf("%s: gofmt would change it to (%v)\n%s", name, err, tidy)
		}
		src, bin := filepath.Join(dir, name+".go"), filepath.Join(dir, name)
		if runtime.GOOS == "windows" {
			bin += ".exe"
		}
		if err := os.WriteFile(src, []byte(b[1]), 0o666); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("go", "build", "-o", bin, src).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		cmd := exec.Command(bin)
		cmd.Dir = dir
		if out, err = cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	if want := "[32 224 224 3] |u1 [32 1] <i8\n[10 224 224 3] |u1 [10 1] <i8\n"; string(out) != want {
		t.Errorf("the program prints\n%swant\n%s", out, want)
	}
	for _, command := range []string{"go run ./cmd/ffcv demo", "go run ./internal/ci"} {
		if !strings.Contains(string(text), command) {
			t.Errorf("no %q in the README", command)
		}
	}
}
