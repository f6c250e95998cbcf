package leak

import (
	"testing"
	"time"
)

// listener keeps what a test is told.
type listener struct {
	testing.TB
	failed bool
}

func (l *listener) Helper()               {}
func (l *listener) Errorf(string, ...any) { l.failed = true }

func TestWatch(t *testing.T) {
	defer func(d time.Duration) { patience = d }(patience)
	for _, ends := range []bool{true, false} {
		var l listener
		settle := Watch(&l)
		stop, ended := make(chan struct{}), make(chan struct{})
		go func() { <-stop; close(ended) }()
		patience = 20 * time.Millisecond
		if ends {
			patience = time.Minute
			close(stop)
		}
		settle()
		if l.failed == ends {
			t.Errorf("a goroutine that ends: %v, the test failed: %v", ends, l.failed)
		}
		if !ends {
			close(stop)
		}
		<-ended
	}
}
