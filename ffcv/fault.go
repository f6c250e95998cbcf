package ffcv

import (
	"runtime/debug"

	"github.com/betongo/betongo/internal/mmap"
)

// faultError is the error made of a memory fault, of a file that was cut short
// under its map.
func (f *File) faultError() *FormatError {
	return f.flaw(-1, "memory fault: the file was cut short while it was being read")
}

// guard runs do and returns a memory fault in it as an error.
func (f *File) guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if !mmap.IsFault(r) {
				panic(r)
			}
			err = f.faultError()
		}
	}()
	return do()
}
