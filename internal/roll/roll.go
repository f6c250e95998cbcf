// Package roll keeps lists that may be long: numbers, or texts. A list is
// written once from front to back, sealed, and then read at any place. Up to
// 256 KiB of it are in memory; a longer one is a temporary file, mapped when it
// is sealed, so that its bytes are the system's cache and the memory of the
// program does not grow with it. The file is in os.TempDir, has no name where
// the system allows that, and takes its space until Close.
//
// One goroutine appends and seals. A sealed list is safe for concurrent use,
// except that nobody may use it during or after Close.
package roll

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/betongo/betongo/internal/mmap"
)

// most is how many bytes of a roll are in memory: enough for the lists of most
// datasets, little beside what encoding one photograph takes.
const most = 256 << 10

// roll is the bytes of a list. Its first error is kept and returned by seal.
type roll struct {
	buf  []byte // what the file does not have yet; all, while there is no file
	file *os.File
	gone bool // the file's name is removed already
	err  error

	data []byte // of a sealed roll
	m    *mmap.Map
}

// room makes room for n bytes in the buffer and says whether all is well.
func (r *roll) room(n int) bool {
	if len(r.buf)+n > most && len(r.buf) > 0 {
		r.flush()
	}
	return r.err == nil
}

// flush moves the buffer into the file.
func (r *roll) flush() {
	if r.err == nil && r.file == nil {
		if r.file, r.err = os.CreateTemp("", "betongo-*"); r.err == nil {
			r.gone = os.Remove(r.file.Name()) == nil
		}
	}
	if r.err == nil {
		_, r.err = r.file.Write(r.buf)
	}
	r.buf = r.buf[:0]
}

// seal ends the writing and makes data readable.
func (r *roll) seal() error {
	if r.file == nil {
		r.data = r.buf
		return r.failed()
	}
	r.flush()
	r.buf = nil
	if r.err == nil {
		if r.m, r.err = mmap.File(r.file); r.err == nil {
			r.data = r.m.Bytes()
		}
	}
	// Some file systems say here that what was written has no place.
	r.err = errors.Join(r.err, r.file.Close())
	return r.failed()
}

// failed returns the first error with its place.
func (r *roll) failed() error {
	if r.err == nil {
		return nil
	}
	return fmt.Errorf("temporary folder %s, for a list that is not kept in memory: %w", os.TempDir(), r.err)
}

// close gives memory and file back, at any time. A second close does nothing.
func (r *roll) close() error {
	var errs []error
	if r.m != nil {
		errs = append(errs, r.m.Close())
	}
	if r.file != nil {
		_ = r.file.Close() // closed already when sealed
		if !r.gone {
			errs = append(errs, os.Remove(r.file.Name()))
		}
	}
	*r = roll{err: os.ErrClosed}
	return errors.Join(errs...)
}

// Numbers is a list of numbers. The zero value is empty and ready for use.
type Numbers struct {
	roll roll
	n    int
}

const numberSize = 8

// Append adds a number at the end. An error stays: Err and Seal return it.
func (l *Numbers) Append(v int64) {
	if !l.roll.room(numberSize) {
		return
	}
	l.roll.buf = binary.LittleEndian.AppendUint64(l.roll.buf, uint64(v))
	l.n++
}

// Len returns how many numbers there are.
func (l *Numbers) Len() int { return l.n }

// Err returns the first error of Append, which names the temporary folder.
func (l *Numbers) Err() error { return l.roll.failed() }

// Seal ends the writing; it is called once. Only then the numbers can be read.
func (l *Numbers) Seal() error { return l.roll.seal() }

// At returns number i of a sealed list.
func (l *Numbers) At(i int) int64 {
	return int64(binary.LittleEndian.Uint64(l.roll.data[numberSize*i:]))
}

// Close releases the list, sealed or not. A second Close does nothing.
func (l *Numbers) Close() error {
	l.n = 0
	return l.roll.close()
}

// Texts is a list of texts of any length. The zero value is empty and ready
// for use.
type Texts struct {
	roll roll
	ends Numbers // where each text ends
	size int64
}

// Append adds a text, given in parts, at the end. An error stays: Err and Seal
// return it.
func (l *Texts) Append(parts ...string) {
	for _, p := range parts {
		if !l.roll.room(len(p)) {
			return
		}
		l.roll.buf = append(l.roll.buf, p...)
		l.size += int64(len(p))
	}
	l.ends.Append(l.size)
}

// Len returns how many texts there are.
func (l *Texts) Len() int { return l.ends.Len() }

// Err returns the first error of Append, which names the temporary folder.
func (l *Texts) Err() error {
	if err := l.roll.failed(); err != nil {
		return err
	}
	return l.ends.Err()
}

// Seal ends the writing; it is called once. Only then the texts can be read.
func (l *Texts) Seal() error {
	if err := l.roll.seal(); err != nil {
		return err
	}
	return l.ends.Seal()
}

// At borrows text i of a sealed list, until Close.
func (l *Texts) At(i int) []byte {
	var start int64
	if i > 0 {
		start = l.ends.At(i - 1)
	}
	return l.roll.data[start:l.ends.At(i)]
}

// Close releases the list, sealed or not. A second Close does nothing.
func (l *Texts) Close() error {
	l.size = 0
	return errors.Join(l.roll.close(), l.ends.Close())
}
