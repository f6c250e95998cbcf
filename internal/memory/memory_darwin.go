package memory

import "golang.org/x/sys/unix"

// Available is a guess at how much memory the process can take without others
// having to give theirs up: half of the machine's. 0: it is not known.
func Available() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return int64(n / 2)
}
