// Package regular opens regular files and nothing else: what a name leads to
// may be a pipe that nobody writes to, a device without an end, a socket, or a
// folder. None of them is waited for, or read.
package regular

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ErrKind is what the errors for anything but a regular file wrap.
var ErrKind = errors.New("not a regular file")

// kindError says what was found instead.
type kindError struct{ mode fs.FileMode }

func (e kindError) Unwrap() error { return ErrKind }

func (e kindError) Error() string {
	kind := e.mode.Type().String()
	switch m := e.mode; {
	case m.IsDir():
		kind = "a folder"
	case m&fs.ModeNamedPipe != 0:
		kind = "a named pipe"
	case m&fs.ModeSocket != 0:
		kind = "a socket"
	case m&fs.ModeDevice != 0:
		kind = "a device"
	}
	return fmt.Sprintf("%v (%s)", ErrKind, kind)
}

// Check refuses a file that is no regular one.
func Check(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return &fs.PathError{Op: "open", Path: path, Err: kindError{info.Mode()}}
}

// Open opens a regular file for reading; symbolic links are followed. The error
// for anything else wraps ErrKind.
func Open(path string) (*os.File, error) { return OpenFile(path, os.O_RDONLY, 0) }

// OpenFile is os.OpenFile for a regular file. One that flag makes is one.
func OpenFile(path string, flag int, perm fs.FileMode) (*os.File, error) {
	// Asked before, since to open a device may do something by itself, and
	// after, since another file may have come there meanwhile: then the open
	// doesn't wait. What isn't there the open tells.
	if !look(path) {
		if info, err := os.Stat(path); err == nil {
			if err := Check(path, info); err != nil {
				return nil, err
			}
		}
	}
	f, err := os.OpenFile(path, flag|noWait, perm)
	if err != nil {
		return nil, err
	}
	return checked(f, path)
}

// OpenIn is Open for a name in a folder, which links don't lead out of.
func OpenIn(root *os.Root, name string) (*os.File, error) {
	if info, err := root.Stat(name); err == nil {
		if err := Check(name, info); err != nil {
			return nil, err
		}
	}
	f, err := root.OpenFile(name, os.O_RDONLY|noWait, 0)
	if err != nil {
		return nil, err
	}
	return checked(f, name)
}

// checked closes what is no regular file.
func checked(f *os.File, path string) (*os.File, error) {
	if isRegular(f) {
		return f, nil
	}
	info, err := f.Stat()
	if err == nil {
		err = Check(path, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ReadFile reads a whole regular file, of at most so many bytes, also while it
// grows.
func ReadFile(path string, most int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > most {
		return nil, tooLarge(path, most)
	}
	b := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead)) // as it says, and it may grow
	if _, err := b.ReadFrom(io.LimitReader(f, most+1)); err != nil {
		return nil, err
	}
	if int64(b.Len()) > most {
		return nil, tooLarge(path, most)
	}
	return b.Bytes(), nil
}

func tooLarge(path string, most int64) error {
	return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("more than %d bytes", most)}
}
