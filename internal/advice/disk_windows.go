package advice

import (
	"errors"

	"golang.org/x/sys/windows"
)

// full says whether there is no room left, on the disk or for the user.
func full(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

func readOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }

// notFolder says whether a file was taken for a folder.
func notFolder(err error) bool { return errors.Is(err, windows.ERROR_DIRECTORY) }
