package ffcv_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// New files have mode 0666 less the umask, and a folder that may not be
// written is a clear error.
func TestCreatePermission(t *testing.T) {
	specs := []ffcv.FieldSpec{{"a", fields.Int{}}}
	ds := made{n: 1, at: func(i int) []any { return []any{i} }}
	old := syscall.Umask(0o027)
	path := write(t, specs, ds, nil, nil)
	syscall.Umask(old)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v (%v), want 0640", info.Mode(), err)
	}

	dir := t.TempDir()
	for d := dir; d != os.TempDir() && len(d) > 1; d = filepath.Dir(d) {
		if info, err := os.Stat(d); err == nil {
			_ = os.Chmod(d, info.Mode()|0o055) // the other user shall come as far as dir
		}
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	create := func() error {
		_, err := ffcv.Create(filepath.Join(dir, "x.beton"), specs, nil)
		return err
	}
	if os.Geteuid() == 0 {
		// Root may write everywhere: this thread asks as somebody else, and
		// ends with the goroutine, as it stays locked.
		result := make(chan error)
		go func() {
			runtime.LockOSThread()
			_ = syscall.Setfsuid(65534)
			result <- create()
		}()
		err := <-result
		checkDenied(t, err)
	} else {
		checkDenied(t, create())
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("left behind: %v (%v)", list, err)
	}
}

func checkDenied(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("folder without permission: error %v", err)
	}
}
