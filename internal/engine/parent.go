package engine

import (
	"os"
	"sync"
	"time"
)

// parentEvery is how often it is looked whether the parent lives, where the
// system doesn't tell.
const parentEvery = 250 * time.Millisecond

// pollParent is WithParent for a process that is this one's parent: an orphan
// gets another.
func pollParent(pid int, died func()) (stop func()) {
	first := os.Getppid()
	if first != pid && !exists(pid) {
		died()
		return func() {}
	}
	quit := make(chan struct{})
	var ended sync.WaitGroup
	ended.Add(1)
	go func() { // ends with the parent, or by stop
		defer ended.Done()
		tick := time.NewTicker(parentEvery)
		defer tick.Stop()
		for os.Getppid() == first && exists(pid) {
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
		died()
	}()
	return func() {
		close(quit)
		ended.Wait()
	}
}
