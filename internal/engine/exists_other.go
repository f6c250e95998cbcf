//go:build !unix

package engine

import "os"

// exists tells whether there is a process.
func exists(pid int) bool {
	_, err := os.FindProcess(pid)
	return err == nil
}
