package ffcv

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
)

// spool is a temporary file for what a file's end needs and memory should not
// hold. Its bytes may be written in any order, concurrently.
type spool struct {
	f    file
	name string
}

func createSpool(name string) (*spool, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &spool{f: f, name: name}, nil
}

// WriteAt is io.WriterAt.
func (s *spool) WriteAt(p []byte, off int64) (int, error) { return s.f.WriteAt(p, off) }

// ReadAt is io.ReaderAt.
func (s *spool) ReadAt(p []byte, off int64) (int, error) { return s.f.ReadAt(p, off) }

// reader reads the first n bytes in order. Bytes that were never written are
// zero: the file is made that long.
func (s *spool) reader(n int64) (*bufio.Reader, error) {
	if err := s.f.Truncate(n); err != nil {
		return nil, err
	}
	return bufio.NewReaderSize(io.NewSectionReader(s.f, 0, n), 1<<18), nil
}

// close removes the file, once.
func (s *spool) close() error {
	if s.f == nil {
		return nil
	}
	err := s.f.Close()
	s.f = nil
	if rmErr := os.Remove(s.name); !errors.Is(rmErr, fs.ErrNotExist) {
		err = errors.Join(err, rmErr)
	}
	return err
}
