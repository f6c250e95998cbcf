package term_test

import (
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/betongo/betongo/internal/term"
)

func TestContext(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process can't signal itself")
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		ctx := term.Context()
		if ctx.Err() != nil {
			t.Fatalf("done before %v: %v", s, ctx.Err())
		}
		if err := self.Signal(s); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
			t.Fatalf("%v does not end it", s)
		}
	}
}
