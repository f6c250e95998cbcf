package leak

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// Held counts what the process holds of the system: goroutines, open files and
// maps of files, where the system tells. The function it returns waits until
// there is no more of any than that again, and fails the test when it waited in
// vain. No test may run beside in parallel.
func Held(tb testing.TB) (settle func()) {
	runtime.GC() // what finalizers close is closed before
	files, maps := handles()
	goroutines := Watch(tb)
	return func() {
		tb.Helper()
		goroutines()
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			f, m := handles()
			if f <= files && m <= maps {
				return
			}
			if time.Now().After(end) {
				tb.Errorf("%d open files and %d maps of files; %d and %d before", f, m, files, maps)
				return
			}
		}
	}
}

// Side runs do on n goroutines at the same time and waits for all.
func Side(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			do(i)
		}()
	}
	wg.Wait()
}
