//go:build linux

package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test's program be the process that is measured.
func TestMain(m *testing.M) {
	switch os.Getenv("PEER_TEST") {
	case "":
		os.Exit(m.Run())
	case "family": // a script with a child that it waits for, one that runs on, and memory
		fmt.Println(`{"mark":"versions","text":"family 1"}`)
		answer("begin")
		child("burn").Run()
		other := child("burn")
		out, err := other.StdoutPipe()
		if err != nil || other.Start() != nil {
			os.Exit(2)
		}
		held := make([]byte, 64<<20)
		for i := range held {
			held[i] = 1
		}
		burn(0.1)
		io.ReadAll(out) // until it has ended; it is never waited for
		fmt.Println(`{"mark":"first"}`)
		answer("end")
		child("linger").Start() // an orphan soon
		runtime.KeepAlive(held)
	case "burn":
		burn(0.2)
	case "linger":
		time.Sleep(time.Minute)
	case "silent":
	case "garbage":
		fmt.Println("hello")
		time.Sleep(time.Minute)
	case "fails":
		fmt.Fprintln(os.Stderr, "out of luck")
		os.Exit(3)
	}
}

func child(as string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PEER_TEST="+as)
	return cmd
}

func answer(mark string) {
	fmt.Printf("{\"mark\":%q,\"samples\":5,\"cpu\":0}\n", mark)
	bufio.NewReader(os.Stdin).ReadString('\n')
}

// burn takes so many CPU seconds of its process.
func burn(cpu float64) {
	var u syscall.Rusage
	for syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil && seconds(&u) < cpu {
	}
}

func testProcess(ctx context.Context, as string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "PEER_TEST="+as)
	return cmd
}

func TestWatchCountsTheFamily(t *testing.T) {
	begun := time.Now()
	o, err := watch(context.Background(), testProcess(context.Background(), "family"), true)
	if err != nil {
		t.Fatal(err)
	}
	if o.cpu < 0.47 || o.cpu > 2 { // one child waited for, one dead and not waited for, and itself
		t.Errorf("%.3f s of CPU; want 0.2 + 0.2 + 0.1", o.cpu)
	}
	if o.wall < 0.3 || o.first < 0.3 || o.samples != 5 || o.versions != "family 1" {
		t.Errorf("%+v; want 0.3 s or more, the first batch near the end, 5 samples", o)
	}
	if o.memory < 64<<20 || o.memory > 1<<30 {
		t.Errorf("%d bytes of memory; want 64 MiB and some", o.memory)
	}
	if d := time.Since(begun); d > 30*time.Second {
		t.Errorf("it took %v: what was left running was waited for", d)
	}
	if left := offspring(); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
}

func TestWatchWhole(t *testing.T) {
	o, err := watch(context.Background(), testProcess(context.Background(), "burn"), false)
	if err != nil || o.cpu < 0.19 || o.wall < 0.15 {
		t.Errorf("%+v, %v; want 0.2 s of CPU", o, err)
	}
}

func TestWatchFails(t *testing.T) {
	for as, want := range map[string]string{"silent": "without having said", "garbage": "is no mark", "fails": "out of luck"} {
		_, err := watch(context.Background(), testProcess(context.Background(), as), true)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", as, err, want)
		}
	}
	slow := errors.New("too slow")
	ctx, cancel := context.WithTimeoutCause(context.Background(), 100*time.Millisecond, slow)
	defer cancel()
	if _, err := watch(ctx, testProcess(ctx, "linger"), true); !errors.Is(err, slow) {
		t.Errorf("%v; want %v", err, slow)
	}
}
