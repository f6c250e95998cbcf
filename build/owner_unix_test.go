//go:build unix

package build

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStagingOwner: a staging folder that somebody else has made in the folder for
// temporary files is not used, by root neither.
func TestStagingOwner(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	want := filepath.Join(temp, fmt.Sprintf("betongo-staging-%d", os.Getuid()))
	if err := os.Mkdir(want, 0o777); err != nil {
		t.Fatal(err)
	}
	if dir, err := stagingDir(""); err != nil || dir != want {
		t.Errorf("one's own: %s, %v", dir, err)
	}
	if info, err := os.Stat(want); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others may write in it: %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(want); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), want); err != nil {
		t.Fatal(err)
	}
	if _, err := stagingDir(""); err == nil || !strings.Contains(err.Error(), want+": not a folder") {
		t.Errorf("a link: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder to somebody else")
	}
	if err := os.Remove(want); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(want, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(want, 65534, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := stagingDir(""); err == nil || !strings.Contains(err.Error(), want+": it belongs to user 65534, want 0") {
		t.Errorf("somebody else's: %v", err)
	}
	if dir, err := stagingDir(want); err != nil || dir != want {
		t.Errorf("the one that is given: %s, %v", dir, err)
	}
}
