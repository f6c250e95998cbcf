package s3test

import (
	"os/exec"
	"syscall"
)

// dieWithParent ends the server when the test's process ends without its clean-up,
// as after a time-out's panic.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
