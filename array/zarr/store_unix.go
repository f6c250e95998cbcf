//go:build !windows

package zarr

import "syscall"

// notFolder tells of a path that goes on below a file.
func notFolder(err error) bool { return err == syscall.ENOTDIR }
