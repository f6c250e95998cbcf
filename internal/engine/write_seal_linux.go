package engine

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// sealed tells whether a client's segment can't be cut short under its map: to
// read what is lost then would be a fault.
func sealed(f *os.File) error {
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	if err != nil {
		return &protocolError{fmt.Sprintf("a segment that is no memfd: %v", err)}
	}
	if seals&unix.F_SEAL_SHRINK == 0 {
		return &protocolError{"a segment that isn't sealed against shrinking"}
	}
	return nil
}
