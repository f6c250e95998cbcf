package beam

import "os"

// OnChild has f called of each child that is started from now on; what it
// returns is told of the samples that the child has done.
func OnChild(f func(p *os.Process, shard, attempt int) func(samples int64)) (restore func()) {
	old := started
	started = func(p *os.Process, t task) func(int64) { return f(p, t.Shard, t.attempt) }
	return func() { started = old }
}

// Wait is how long the attempts of a job with a backoff wait.
func Wait(o *Options, attempts int) int64 {
	return int64((&job{Backoff: o.Backoff}).wait(attempts))
}

// Child is what a child process does.
var ChildOf = child
