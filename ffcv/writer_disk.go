package ffcv

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/betongo/betongo/internal/aside"
)

// file is what the writer needs of an *os.File; a test puts a full disk in its
// place.
type file interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// disk is what the writer needs of a file system; a test puts one in its place
// that fails, or that forgets what was not synced.
type disk interface {
	// open is os.OpenFile.
	open(name string, flag int, perm fs.FileMode) (file, error)
	// size is a regular file's, without following links.
	size(name string) (int64, error)
	remove(name string) error
	rename(from, to string) error
	syncDir(dir string) error
}

// osDisk is the system's.
type osDisk struct{}

func (osDisk) open(name string, flag int, perm fs.FileMode) (file, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err // not a file that is a nil *os.File
	}
	return f, nil
}

func (osDisk) size(name string) (int64, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, &fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}
	}
	return info.Size(), nil
}

func (osDisk) remove(name string) error     { return os.Remove(name) }
func (osDisk) rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) syncDir(dir string) error     { return aside.SyncDir(dir) }

// removeIfThere removes a file; one that isn't there is no error.
func removeIfThere(d disk, name string) error {
	if err := d.remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writeFull writes all of b, however few bytes the system takes at a time.
func writeFull(f io.WriterAt, b []byte, off int64) (n int, err error) {
	for n < len(b) {
		m, err := f.WriteAt(b[n:], off+int64(n))
		n += min(max(m, 0), len(b)-n)
		switch {
		case errors.Is(err, syscall.EINTR), m > 0 && (err == nil || errors.Is(err, io.ErrShortWrite)):
		case err == nil:
			return n, io.ErrShortWrite
		default:
			return n, err
		}
	}
	return n, nil
}

// readFull fills b, as io.ReaderAt asks for, also from what gives fewer bytes.
func readFull(f io.ReaderAt, b []byte, off int64) (n int, err error) {
	for n < len(b) {
		m, err := f.ReadAt(b[n:], off+int64(n))
		n += min(max(m, 0), len(b)-n)
		switch {
		case n == len(b):
		case errors.Is(err, syscall.EINTR), m > 0 && err == nil:
		case err == nil:
			return n, io.ErrNoProgress
		default:
			return n, err
		}
	}
	return n, nil
}

// syncFull syncs, all of the file or only what it takes to read its bytes again.
// A sync that failed is never tried again: the system may have dropped what it
// could not write, and would say that all is well.
func syncFull(f file, dataOnly bool) error {
	for {
		err := error(nil)
		if dataOnly {
			err = dataSync(f)
		} else {
			err = f.Sync()
		}
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
