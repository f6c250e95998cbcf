package aside

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// lockByte is the byte that is locked, far behind the text: a locked one can't
// be read by others.
const lockByte = 1 << 30

func openLock(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) && !isFolder(name) {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: fs.ErrNotExist} // it is just going away
	}
	return f, err
}

func isFolder(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && !info.Mode().IsRegular()
}

// tryLock is ErrHeld where another has the lock, errors.ErrUnsupported where
// the file system has none.
func tryLock(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{Offset: lockByte})
	switch {
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION), errors.Is(err, windows.ERROR_IO_PENDING), errors.Is(err, windows.ERROR_SHARING_VIOLATION):
		return ErrHeld
	case errors.Is(err, windows.ERROR_INVALID_FUNCTION), errors.Is(err, windows.ERROR_NOT_SUPPORTED):
		return errors.ErrUnsupported
	}
	return err
}

// release removes the file behind its close. Where another has it open by then
// that fails, and it is his.
func release(f *os.File) error {
	err := f.Close()
	os.Remove(f.Name())
	return err
}
