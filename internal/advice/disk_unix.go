//go:build unix

package advice

import (
	"errors"

	"golang.org/x/sys/unix"
)

// full says whether there is no room left, on the disk or for the user.
func full(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

func readOnly(err error) bool { return errors.Is(err, unix.EROFS) }

// notFolder says whether a file was taken for a folder.
func notFolder(err error) bool { return errors.Is(err, unix.ENOTDIR) }
