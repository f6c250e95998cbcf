//go:build !linux

package engine

// WithParent calls died, once, when the process pid has ended, at once if there
// is none; by a goroutine that the function it returns ends and waits for.
func WithParent(pid int, died func()) (stop func()) { return pollParent(pid, died) }
