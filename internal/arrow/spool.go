package arrow

import (
	"errors"
	"io"
	"os"
)

// Spool keeps bytes until their place is known: in memory, then in a file of its
// own in Dir. Drop removes that.
type Spool struct {
	Dir string

	mem []byte
	f   *os.File
	n   int64
}

const (
	maxSpool = 1 << 20 // bytes in memory
	// piece is how many bytes are written at a time: systems take several times
	// as long to find memory for some larger ones.
	piece = 1 << 20
)

// Size is how many bytes there are.
func (s *Spool) Size() int64 { return s.n }

// Write puts bytes behind the others.
func (s *Spool) Write(b []byte) (int, error) {
	if s.f == nil && len(s.mem)+len(b) <= maxSpool {
		s.mem = append(s.mem, b...)
		s.n += int64(len(b))
		return len(b), nil
	}
	if s.f == nil {
		f, err := os.CreateTemp(s.Dir, ".columns-*.partial")
		if err != nil {
			return 0, err
		}
		s.f = f
		if _, err := f.WriteAt(s.mem, 0); err != nil {
			return 0, err
		}
		s.mem = nil
	}
	all := len(b)
	for len(b) > 0 {
		n := min(len(b), piece)
		if _, err := s.f.WriteAt(b[:n], s.n); err != nil {
			return all - len(b), err
		}
		s.n += int64(n)
		b = b[n:]
	}
	return all, nil
}

// ReadAt reads bytes back; fewer than asked for are an error.
func (s *Spool) ReadAt(b []byte, at int64) (int, error) {
	if s.f != nil {
		return s.f.ReadAt(b, at)
	}
	if at > int64(len(s.mem)) || copy(b, s.mem[at:]) < len(b) {
		return 0, io.ErrUnexpectedEOF
	}
	return len(b), nil
}

// WriteTo gives all bytes to a writer.
func (s *Spool) WriteTo(w io.Writer) (int64, error) {
	if s.f == nil {
		n, err := w.Write(s.mem)
		return int64(n), err
	}
	return io.CopyBuffer(struct{ io.Writer }{w}, io.NewSectionReader(s.f, 0, s.n), make([]byte, piece))
}

// Drop forgets the bytes, and removes the file. Of no spool it does nothing.
func (s *Spool) Drop() error {
	if s == nil || s.f == nil {
		return nil
	}
	name := s.f.Name()
	err := errors.Join(s.f.Close(), os.Remove(name))
	s.f, s.n = nil, 0
	return err
}
