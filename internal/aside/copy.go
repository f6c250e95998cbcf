package aside

import (
	"io"
	"os"
)

// copyPiece is how many bytes are read and written at a time. Linux takes three
// to six times as long for writes of a megabyte and more, for which it looks for
// memory that lies together.
const copyPiece = 256 << 10

// early is how many bytes at least are worth being brought to disk before the
// sync at the end.
const early = 8 << 20

// CopyRange copies n bytes of a file, from off on, to another file, from at on,
// and returns how many it copied. Both keep their place for reads and writes. A
// source that ends before is io.ErrUnexpectedEOF. The system copies by itself
// where it can.
func CopyRange(to *os.File, at int64, from *os.File, off, n int64) (int64, error) {
	if n >= early {
		defer begin(to, at, n)
	}
	done, err := copyRange(to, at, from, off, n)
	if done == n || err != nil {
		return done, err
	}
	buf := make([]byte, min(n-done, copyPiece))
	for done < n {
		b := buf[:min(int64(len(buf)), n-done)]
		got, err := from.ReadAt(b, off+done)
		if got < len(b) {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return done + int64(got), err
		}
		if _, err := to.WriteAt(b, at+done); err != nil {
			return done, err
		}
		done += int64(len(b))
	}
	return done, nil
}

// WriteAt is to.WriteAt in pieces: systems take several times as long to find
// memory for some larger ones.
func WriteAt(to *os.File, b []byte, at int64) error {
	for len(b) > 0 {
		n := min(len(b), copyPiece)
		if _, err := to.WriteAt(b[:n], at); err != nil {
			return err
		}
		at += int64(n)
		b = b[n:]
	}
	return nil
}

// Write is os.File's in pieces, as WriteAt has them.
func (f *File) Write(b []byte) (n int, err error) {
	for err == nil && n < len(b) {
		var k int
		k, err = f.File.Write(b[n:min(n+copyPiece, len(b))])
		n += k
	}
	return n, err
}
