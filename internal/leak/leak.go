// Package leak lets a test see that the goroutines it started have ended.
package leak

import (
	"runtime"
	"testing"
	"time"
)

// patience is how long goroutines that were told to end may take.
var patience = 2 * time.Second

// Watch counts the goroutines that run. The function it returns waits until
// there are no more than that again, and fails the test when it waited in
// vain. Both count the whole process: no test may run beside in parallel.
func Watch(tb testing.TB) (settle func()) {
	before := runtime.NumGoroutine()
	return func() {
		tb.Helper()
		for end := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				stacks := make([]byte, 1<<20)
				stacks = stacks[:runtime.Stack(stacks, true)]
				tb.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks)
				return
			}
		}
	}
}
