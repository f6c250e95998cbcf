package main

import (
	"sync"
	"time"
)

// begun is about when the process began, for systems that do not tell.
var begun = time.Now()

const mib = 1 << 20

// sampleEvery is how often the memory is looked at. Batches live longer.
const sampleEvery = 10 * time.Millisecond

// memoryWatch samples how much memory is the process's own: anonymous and
// shared, not pages of mapped files, which the system can take back.
type memoryWatch struct {
	quit chan struct{}
	done chan struct{}
	once sync.Once
	peak int64 // -1 where the system does not tell; the goroutine's until done
}

// watchMemory begins to sample; stop ends it.
func watchMemory() *memoryWatch {
	w := &memoryWatch{quit: make(chan struct{}), done: make(chan struct{}), peak: ownMemory()}
	go func() {
		defer close(w.done)
		if w.peak < 0 {
			return
		}
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			select {
			case <-w.quit:
				w.peak = max(w.peak, ownMemory())
				return
			case <-tick.C:
				w.peak = max(w.peak, ownMemory())
			}
		}
	}()
	return w
}

// stop returns the peak in MiB, nil where the system does not tell. A second
// call returns the same.
func (w *memoryWatch) stop() *float64 {
	w.once.Do(func() { close(w.quit) })
	<-w.done
	return inMiB(w.peak)
}

// inMiB is nil for a negative number of bytes.
func inMiB(bytes int64) *float64 {
	if bytes < 0 {
		return nil
	}
	f := float64(bytes) / mib
	return &f
}
