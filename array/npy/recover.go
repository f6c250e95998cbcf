package npy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/betongo/betongo/internal/aside"
	"github.com/betongo/betongo/internal/regular"
)

// NeedsRecovery tells whether a .npy file has other data than its header tells,
// as a writer that was killed leaves it.
func NeedsRecovery(path string) (bool, error) {
	f, err := regular.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	h, size, err := fileHead(f)
	if err != nil {
		return false, fmt.Errorf("%s: npy: %w", path, err)
	}
	return h.check(size) != nil, nil
}

// RecoverOptions say how Recover mends a file; nil and the zero value are the
// defaults.
type RecoverOptions struct {
	// ZeroFill completes an unfinished row with zeros. The default, to cut it
	// off, is wrong where what is there of it is worth keeping.
	ZeroFill bool
}

// Recover makes header and data of a .npy file fit: an unfinished row at the
// end is cut off and the header tells the rows that are there, which are fewer
// than before where data are missing. It returns their number. A file that
// needs none of it stays as it is; one that an Appender has open is refused.
func Recover(path string, opts *RecoverOptions) (rows int, err error) {
	if opts == nil {
		opts = &RecoverOptions{}
	}
	lock, err := aside.Hold(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	return recoverHeld(path, opts)
}

// recoverHeld is Recover of a file that is held.
func recoverHeld(path string, opts *RecoverOptions) (rows int, err error) {
	f, err := regular.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = fmt.Errorf("%s: npy: recover: %w", path, err)
		}
	}()
	h, size, err := fileHead(f)
	if err != nil {
		return 0, err
	}
	if len(h.spec.Shape) == 0 {
		if err := h.check(size); err != nil {
			return 0, fmt.Errorf("a scalar: %w", err)
		}
		return 1, nil
	}
	axis := 0
	if h.flag {
		axis = len(h.spec.Shape) - 1
	}
	if h.check(size) == nil {
		return h.spec.Shape[axis], nil
	}
	each, err := h.rowBytes(axis)
	if err != nil {
		return 0, err
	}
	have := size - int64(h.off)
	if each == 0 {
		return 0, fmt.Errorf("%d bytes behind rows that have none", have)
	}
	n, rest := have/int64(each), have%int64(each)
	if rest > 0 && opts.ZeroFill {
		n, rest = n+1, 0
	}
	h.spec.Shape = slices.Clone(h.spec.Shape)
	h.spec.Shape[axis] = int(n)
	if _, err := h.spec.Bytes(); err != nil {
		return 0, err
	}
	// The data first: a stop in between leaves a file that is recovered again.
	if end := int64(h.off) + n*int64(each); end != size {
		if err := f.Truncate(end); err != nil {
			return 0, err
		}
	}
	if err := h.rewrite(f); err != nil {
		return 0, err
	}
	return int(n), f.Sync()
}

// IsAppendable tells whether the header of a .npy file has room for any number
// of rows. It says nothing about whether the file needs recovery.
func IsAppendable(path string) (bool, error) {
	f, err := regular.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	h, _, err := fileHead(f)
	if err != nil {
		return false, fmt.Errorf("%s: npy: %w", path, err)
	}
	return h.appendable()
}

func (h *head) appendable() (bool, error) {
	if len(h.spec.Shape) == 0 {
		return false, nil
	}
	text, err := h.encode()
	if err != nil {
		return false, err
	}
	return h.prefix()+len(text)+1 <= h.off, nil
}

// EnsureOptions say how EnsureAppendable makes room; nil and the zero value are
// the defaults.
type EnsureOptions struct {
	// InPlace moves the data within the file. The default, a copy that takes
	// the file's place, is wrong where the disk has no room for one. If the
	// process is stopped meanwhile the file is lost.
	InPlace bool
}

// EnsureAppendable gives the header of a .npy file room for any number of rows,
// where it has none: header and data are written beside the file, which they
// replace. A file that needs recovery, and a scalar, are errors.
func EnsureAppendable(path string, opts *EnsureOptions) (err error) {
	if opts == nil {
		opts = &EnsureOptions{}
	}
	flags := os.O_RDONLY
	if opts.InPlace {
		flags = os.O_RDWR
	}
	f, err := regular.OpenFile(path, flags, 0)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = fmt.Errorf("%s: npy: make appendable: %w", path, err)
		}
	}()
	h, size, err := fileHead(f)
	if err != nil {
		return err
	}
	if err := h.check(size); err != nil {
		return fmt.Errorf("%w: %w", ErrNeedsRecovery, err)
	}
	if len(h.spec.Shape) == 0 {
		return errors.New("a scalar has no axis to append to")
	}
	if ok, err := h.appendable(); ok || err != nil {
		return err
	}
	header, err := formatHeader(h.spec, h.flag)
	if err != nil {
		return err
	}
	if opts.InPlace {
		lock, err := aside.Hold(path)
		if err != nil {
			return err
		}
		return errors.Join(shift(f, h.off, size, header), lock.Release())
	}
	return h.replace(f, path, header)
}

// replace writes header and data beside the file.
func (h *head) replace(f *os.File, path string, header []byte) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	out, err := aside.Create(path, true)
	if err != nil {
		return err
	}
	defer out.Abort()
	if err := out.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if _, err := out.Write(header); err != nil {
		return err
	}
	if _, err := f.Seek(int64(h.off), io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(out.File, f); err != nil {
		return err
	}
	return out.Commit()
}

// shift moves the data from byte off back, the last block first, and puts the
// longer header before them.
func shift(f *os.File, off int, size int64, header []byte) error {
	by := int64(len(header) - off)
	if by < 0 {
		return fmt.Errorf("a new header of %d bytes for one of %d", len(header), off)
	}
	block := make([]byte, 1<<20)
	for end := size; end > int64(off); {
		n := min(int64(len(block)), end-int64(off))
		end -= n
		if _, err := f.ReadAt(block[:n], end); err != nil {
			return err
		}
		if _, err := f.WriteAt(block[:n], end+by); err != nil {
			return err
		}
	}
	if _, err := f.WriteAt(header, 0); err != nil {
		return err
	}
	return f.Sync()
}
