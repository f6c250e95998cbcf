package ffcv

import (
	"runtime/debug"

	"github.com/betongo/betongo/internal/mmap"
)

// faultError is the error made of a memory fault, of a file that was cut short
// under its map; nil where r, a recovered panic, is none.
func (f *File) faultError(r any) *FormatError {
	fault := mmap.Fault(r)
	if fault == nil {
		return nil
	}
	e := f.flaw(fault.Offset, "%s", fault.Reason())
	if fault.Name != "" { // of another file, when values of several are at work
		e.File = fault.Name
	}
	return e
}

// guard runs do and returns a memory fault in it as an error.
func (f *File) guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			fault := f.faultError(r)
			if fault == nil {
				panic(r)
			}
			err = fault
		}
	}()
	return do()
}

// panicked makes an error of a recovered panic: of a memory fault, in a file that
// values are taken from, the fault's own.
func panicked(r any) error {
	if fault := mmap.Fault(r); fault != nil {
		return fault
	}
	return &PanicError{Value: r, Stack: debug.Stack()}
}
