//go:build unix

package engine

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// rightsSpace is the size of the control data of n descriptors.
func rightsSpace(n int) int { return unix.CmsgSpace(4 * n) }

// rightsOf is the control data that sends descriptors.
func rightsOf(fds []int) []byte { return unix.UnixRights(fds...) }

// received returns the files in control data. They are the caller's, also those
// that come with an error.
func received(oob []byte) (files []*os.File, err error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("control data: %w", err)
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return files, fmt.Errorf("control data that is no file: %w", err)
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), fmt.Sprintf("received descriptor %d", fd)))
		}
	}
	return files, nil
}

// closedByPeer tells errors of a connection whose other side is gone.
func closedByPeer(err error) bool {
	return errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET)
}
