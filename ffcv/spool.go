package ffcv

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// spool is a temporary file for what a file's end needs and memory should not
// hold. Its bytes may be written in any order, concurrently.
type spool struct {
	f    file
	disk disk
	name string
}

// WriteAt is io.WriterAt.
func (s *spool) WriteAt(p []byte, off int64) (int, error) { return writeFull(s.f, p, off) }

// ReadAt is io.ReaderAt.
func (s *spool) ReadAt(p []byte, off int64) (int, error) { return readFull(s.f, p, off) }

// reader reads the first n bytes in order. Bytes that were never written are
// zero: the file is made that long.
func (s *spool) reader(n int64) (*bufio.Reader, error) {
	if err := s.f.Truncate(n); err != nil {
		return nil, err
	}
	return bufio.NewReaderSize(io.NewSectionReader(s, 0, n), 1<<18), nil
}

// close closes the file, once, and removes it unless it is to be kept.
func (s *spool) close(keep bool) error {
	if s.f == nil {
		return nil
	}
	err := s.f.Close()
	s.f = nil
	if keep {
		return err
	}
	return errors.Join(err, removeIfThere(s.disk, s.name))
}

// stringSpool holds byte strings of any length, in order: their bytes, and
// where each ends among them as a u64. Its files are made for the first byte.
type stringSpool struct {
	text, ends *spool // nil while all strings are empty
	size       int64  // of all strings that have a place
}

// place gives strings of n bytes in all their place, which it returns. They
// come after those of all calls before.
func (s *stringSpool) place(p *partial, kind string, n int) (at int64, err error) {
	at = s.size
	s.size += int64(n)
	if n > 0 && s.text == nil {
		if s.text, err = p.spool(kind); err != nil {
			return 0, err
		}
		s.ends, err = p.spool(kind + "ends")
	}
	return at, err
}

// append appends string i to dst.
func (s *stringSpool) append(dst []byte, i int64) ([]byte, error) {
	if s.text == nil {
		return dst, nil
	}
	var b [16]byte // where it begins, and ends
	if i == 0 {
		if _, err := s.ends.ReadAt(b[8:], 0); err != nil {
			return dst, err
		}
	} else if _, err := s.ends.ReadAt(b[:], 8*(i-1)); err != nil {
		return dst, err
	}
	at, end := binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])
	dst = append(dst, make([]byte, end-at)...)
	_, err := s.text.ReadAt(dst[len(dst)-int(end-at):], int64(at))
	return dst, err
}

// write writes strings to their place: the first is number first of all, and
// each ends in b at one of ends. It may be called concurrently, and while place
// gives others theirs.
func (s *stringSpool) write(b []byte, at int64, ends []int, first int64) error {
	if len(b) > 0 {
		if _, err := s.text.WriteAt(b, at); err != nil {
			return err
		}
	}
	if at+int64(len(b)) == 0 || len(ends) == 0 {
		return nil // before the first byte all ends are 0, as is a hole in the spool
	}
	list := make([]byte, 0, 8*len(ends))
	for _, end := range ends {
		list = binary.LittleEndian.AppendUint64(list, uint64(at)+uint64(end))
	}
	_, err := s.ends.WriteAt(list, 8*first)
	return err
}
