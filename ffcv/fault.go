package ffcv

import (
	"runtime"
	"runtime/debug"
)

// isFault says whether a recovered panic is a memory fault, which
// debug.SetPanicOnFault makes of a read past the end of a file that was cut
// short under its map.
func isFault(r any) bool {
	e, ok := r.(runtime.Error)
	if !ok {
		return false
	}
	_, ok = e.(interface{ Addr() uintptr })
	return ok
}

// faultError is the error made of such a fault.
func (f *File) faultError() *FormatError {
	return f.flaw(-1, "memory fault: the file was cut short while it was being read")
}

// guard runs do and returns a memory fault in it as an error.
func (f *File) guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if !isFault(r) {
				panic(r)
			}
			err = f.faultError()
		}
	}()
	return do()
}
