package s3test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/rogpeppe/go-internal/lockedfile"
)

const (
	source  = "github.com/versity/versitygw/cmd/versitygw"
	version = "v1.8.0"
)

// find returns the server's program, which it builds unless there is one already
// or that is not wanted.
func find(builtOnly bool) (string, error) {
	if program := os.Getenv("VERSITYGW"); program != "" {
		if _, err := os.Stat(program); err != nil {
			return "", fmt.Errorf("VERSITYGW: %w", err)
		}
		return program, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "betongo")
	program := filepath.Join(dir, "versitygw-"+version+suffix())
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if builtOnly {
		return "", errors.New("under -short none is built")
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	// Several packages' tests want it at a time: one builds it.
	unlock, err := lockedfile.MutexAt(program + ".lock").Lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	return program, build(dir, program)
}

// build builds the program from source; it appears whole.
func build(dir, program string) error {
	bin, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(bin)
	cmd := exec.Command("go", "install", "-ldflags=-s -w", source+"@"+version)
	cmd.Dir = bin
	// GOFLAGS of the tests' own build (a tag, -race) are not for it.
	cmd.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=", "CGO_ENABLED=0", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go install %s@%s: %w\n%s", source, version, err, out)
	}
	return os.Rename(filepath.Join(bin, "versitygw"+suffix()), program)
}

func suffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}
