//go:build linux || darwin

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/betongo/betongo/internal/engine"
	"github.com/betongo/betongo/internal/engine/program"
)

// The test's program is the engine too, and the one that starts an engine and is
// killed.
func TestMain(m *testing.M) {
	switch os.Getenv("BETONGO_TEST") {
	case "engine":
		os.Exit(program.Run("betongo-engine", os.Args[1:], nil))
	case "parent":
		os.Exit(parent())
	}
	os.Exit(m.Run())
}

// started is an engine of its own process.
type started struct {
	tb     testing.TB
	cmd    *exec.Cmd
	door   *net.UnixConn
	stderr bytes.Buffer
	ended  chan error
}

// start starts an engine whose parent is pid.
func start(tb testing.TB, pid int) *started {
	tb.Helper()
	a, b := pair(tb)
	s := &started{tb: tb, door: a, ended: make(chan error, 1)}
	s.cmd = exec.Command(os.Args[0], "--door", "3", "--parent", strconv.Itoa(pid))
	s.cmd.Env = append(os.Environ(), "BETONGO_TEST=engine")
	s.cmd.ExtraFiles = []*os.File{b}
	s.cmd.Stderr = &s.stderr
	if err := s.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	b.Close()
	go func() { s.ended <- s.cmd.Wait() }() // ends with the process, which the cleanup kills
	tb.Cleanup(func() {
		s.cmd.Process.Kill()
		s.door.Close()
	})
	return s
}

// wait waits for the engine's end.
func (s *started) wait() error {
	s.tb.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(10 * time.Second):
		s.tb.Fatal("the engine goes on")
		return nil
	}
}

// pair makes a socket pair.
func pair(tb testing.TB) (*net.UnixConn, *os.File) {
	tb.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		tb.Fatal(err)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	f := os.NewFile(uintptr(fds[0]), "pair")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		tb.Fatal(err)
	}
	return c.(*net.UnixConn), os.NewFile(uintptr(fds[1]), "pair")
}

// hello makes a connection and waits for its answer.
func hello(tb testing.TB, door *net.UnixConn) (conn *net.UnixConn, answer string) {
	tb.Helper()
	conn, end := pair(tb)
	if _, _, err := door.WriteMsgUnix([]byte("c"), unix.UnixRights(int(end.Fd())), nil); err != nil {
		tb.Fatal(err)
	}
	end.Close()
	object := fmt.Sprintf(`{"do":"hello","protocol":%d}`, engine.Protocol)
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(object)))
	conn.Write(append(binary.LittleEndian.AppendUint32(b, 0), object...))
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	head := make([]byte, 8)
	if _, err := io.ReadFull(conn, head); err != nil {
		tb.Fatal(err)
	}
	text := make([]byte, binary.LittleEndian.Uint32(head))
	if _, err := io.ReadFull(conn, text); err != nil {
		tb.Fatal(err)
	}
	return conn, string(text)
}

func TestDoorCloses(t *testing.T) {
	s := start(t, os.Getpid())
	conn, answer := hello(t, s.door)
	if want := fmt.Sprintf(`"pid":%d`, s.cmd.Process.Pid); !strings.Contains(answer, want) {
		t.Errorf("%s, want %s", answer, want)
	}
	s.door.Close()
	time.Sleep(20 * time.Millisecond)
	if err := s.cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Fatal("the engine ended with a connection open")
	}
	conn.Close()
	if err := s.wait(); err != nil || s.stderr.Len() > 0 {
		t.Errorf("%v, %s", err, s.stderr.String())
	}
}

func TestSignals(t *testing.T) {
	s := start(t, os.Getpid())
	hello(t, s.door)
	s.cmd.Process.Signal(os.Interrupt)
	hello(t, s.door) // goes on
	s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.wait(); err != nil || s.stderr.Len() > 0 {
		t.Errorf("SIGTERM: %v, %s", err, s.stderr.String())
	}
}

// parent is a program that starts an engine, says its number, and waits to be
// killed.
func parent() int {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return 1
	}
	c := exec.Command(os.Args[0], "--door", "3", "--parent", strconv.Itoa(os.Getpid()))
	c.Env = append(os.Environ(), "BETONGO_TEST=engine")
	c.ExtraFiles = []*os.File{os.NewFile(uintptr(fds[1]), "door")}
	if c.Start() != nil {
		return 1
	}
	// Someone else has the door too, and lives on.
	other := exec.Command("sleep", "20")
	other.ExtraFiles = []*os.File{os.NewFile(uintptr(fds[0]), "door")}
	if other.Start() != nil {
		return 1
	}
	fmt.Println(c.Process.Pid, other.Process.Pid)
	time.Sleep(time.Minute)
	return 0
}

// TestParentDies: the engine ends with the program that started it, though others
// have the door.
func TestParentDies(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BETONGO_TEST=parent")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid, other int
	if _, err := fmt.Fscan(out, &pid, &other); err != nil {
		t.Fatal(err)
	}
	defer unix.Kill(other, unix.SIGKILL)
	defer unix.Kill(pid, unix.SIGKILL)
	time.Sleep(100 * time.Millisecond) // it is up
	if err := unix.Kill(pid, 0); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	for end := time.Now().Add(5 * time.Second); alive(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the engine lives on without its parent")
		}
	}
}

// alive tells whether a process runs, and is no zombie that nobody waits for.
func alive(pid int) bool {
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		_, after, _ := strings.Cut(string(b), ") ")
		return !strings.HasPrefix(after, "Z")
	}
	return unix.Kill(pid, 0) == nil
}

func TestParentIsGone(t *testing.T) {
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Skip(err)
	}
	s := start(t, gone.Process.Pid)
	if err := s.wait(); err != nil {
		t.Errorf("%v, %s", err, s.stderr.String())
	}
}

func TestWrongStarts(t *testing.T) {
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, "Python package"}, {"--door x", 2, "invalid value"}, {"--door 3 more", 2, "Python package"},
		{"--door 99", 1, "door"}, {"--door 0", 1, "door"}, // the null device
	} {
		cmd := exec.Command(os.Args[0], strings.Fields(test.args)...)
		cmd.Env = append(os.Environ(), "BETONGO_TEST=engine")
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != test.code || !strings.Contains(string(out), test.want) {
			t.Errorf("%q: %v, %q, want %d and %q", test.args, err, out, test.code, test.want)
		}
	}
	cmd := exec.Command(os.Args[0], "--version")
	cmd.Env = append(os.Environ(), "BETONGO_TEST=engine")
	if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), engine.Version) {
		t.Errorf("--version: %q, %v", out, err)
	}
}

// BenchmarkStart is from the start of the process to the first answer.
func BenchmarkStart(b *testing.B) {
	for range b.N {
		s := start(b, os.Getpid())
		hello(b, s.door)
		s.door.Close()
		s.cmd.Process.Kill()
		<-s.ended
	}
}
