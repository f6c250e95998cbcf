//go:build !linux

package resize_test

import "time"

var begin = time.Now()

// clock is the time that has passed: a thread's own is not to be had.
func clock() time.Duration { return time.Since(begin) }
