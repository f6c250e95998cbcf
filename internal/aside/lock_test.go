package aside_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/betongo/betongo/internal/aside"
)

// TestMain is also the other process of the tests: it takes the lock of a
// target, says so, and keeps it until it is killed or its input ends.
func TestMain(m *testing.M) {
	target := os.Getenv("ASIDE_HOLD")
	if target == "" {
		os.Exit(m.Run())
	}
	lock, err := aside.Hold(target)
	if err == nil && os.Getenv("ASIDE_WRITE") != "" {
		err = lock.Release()
		if err == nil {
			_, err = aside.Create(target, true)
		}
	}
	if err != nil {
		fmt.Println("refused:", err)
		os.Exit(1)
	}
	fmt.Println("held")
	bufio.NewReader(os.Stdin).ReadByte()
	if err := lock.Release(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// other is a process that holds target's lock, or was refused it.
type other struct {
	*exec.Cmd
	says string
	end  func() error // lets it end by itself
}

func start(t *testing.T, target string, env ...string) *other {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(append(os.Environ(), "ASIDE_HOLD="+target), env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	o := &other{Cmd: cmd, says: strings.TrimSpace(line), end: sync.OnceValue(func() error {
		return errors.Join(in.Close(), cmd.Wait())
	})}
	t.Cleanup(func() { o.Process.Kill(); o.end() })
	return o
}

// TestHoldProcesses: the second of two processes is refused at once and told
// who the first is; one that was killed keeps nobody out.
func TestHoldProcesses(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "photos.beton")
	first := start(t, target)
	if first.says != "held" {
		t.Fatal(first.says)
	}
	began := time.Now()
	lock, err := aside.Hold(target)
	var held *aside.HeldError
	if !errors.As(err, &held) || !errors.Is(err, aside.ErrHeld) || lock != nil {
		t.Fatalf("Hold beside a writer: %v, %v", lock, err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("refused after %v", took)
	}
	host, _ := os.Hostname()
	if held.Path != target || held.PID != first.Process.Pid || held.Host != host || held.Program != filepath.Base(os.Args[0]) || time.Since(held.Since) > time.Minute {
		t.Errorf("%+v; want process %d on %s", held, first.Process.Pid, host)
	}
	want := fmt.Sprintf("%s: is being written by process %d (%s) on host %s since ", target, first.Process.Pid, filepath.Base(os.Args[0]), host)
	if !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%q; want %q…", err, want)
	}
	if _, err := aside.Create(target, true); !errors.Is(err, aside.ErrHeld) {
		t.Errorf("Create beside a writer: %v", err)
	}
	if _, err := aside.CreateFolder(target, true, nil); !errors.Is(err, aside.ErrHeld) {
		t.Errorf("CreateFolder beside a writer: %v", err)
	}
	if second := start(t, target); second.says != "refused: "+err.Error() {
		t.Errorf("another process: %q", second.says)
	}

	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.end()
	if got := names(t, dir); got != "photos.beton.lock" {
		t.Errorf("a killed process left %s", got)
	}
	if lock, err = aside.Hold(target); err != nil {
		t.Fatalf("behind a killed writer: %v", err)
	}
	if third := start(t, target); !strings.Contains(third.says, fmt.Sprintf("process %d ", os.Getpid())) {
		t.Errorf("another process: %q", third.says)
	}
	if err := errors.Join(lock.Release(), lock.Release()); err != nil || names(t, dir) != "" {
		t.Errorf("Release: %v; left %s", err, names(t, dir))
	}
	last := start(t, target)
	if err := last.end(); last.says != "held" || err != nil || names(t, dir) != "" {
		t.Errorf("%s, %v; left %s", last.says, err, names(t, dir))
	}
}

// TestHoldKilledWriter: what a killed writer leaves is its partial file, which
// the next one can name.
func TestHoldKilledWriter(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "x.npy")
	if err := os.WriteFile(target, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	o := start(t, target, "ASIDE_WRITE=1")
	if o.says != "held" {
		t.Fatal(o.says)
	}
	o.Process.Kill()
	o.end()
	f, err := aside.Create(target, true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Abort()
	left, err := aside.Partials(target)
	if err != nil || len(left) != 2 || !strings.HasPrefix(left[0], target+".partial-") { // its own, and the dead one's
		t.Errorf("left %q, %v", left, err)
	}
	if b, _ := os.ReadFile(target); string(b) != "old" {
		t.Errorf("the target has %q", b)
	}
}

// TestHoldRace: of many that ask again and again, in this process and in
// others, one has it at a time.
func TestHoldRace(t *testing.T) {
	target := filepath.Join(t.TempDir(), "x")
	var inside, had atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 300 {
				lock, err := aside.Hold(target)
				if errors.Is(err, aside.ErrHeld) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d hold it", n)
				}
				had.Add(1)
				runtime.Gosched()
				inside.Add(-1)
				if err := lock.Release(); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	all.Wait()
	if had.Load() == 0 {
		t.Error("nobody had it")
	}
	if got := names(t, filepath.Dir(target)); got != "" {
		t.Errorf("left %s", got)
	}
}

// TestHoldWhatIsThere: a lock file that a dead writer left, in whatever state,
// is taken over; something else of that name is kept.
func TestHoldWhatIsThere(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"empty", "", true},
		{"begun", `{"wri`, true},
		{"half", `{"writer":{"pid":12`, true},
		{"whole", `{"writer":{"pid":1,"program":"x","host":"y","since":"2026-01-01T00:00:00Z"}}` + "\n", true},
		{"zeros of a power cut", "\x00\x00\x00\x00", true},
		{"long", `{"writer":` + strings.Repeat("x", 1<<20), true},
		{"other", "[[package]]\nname = \"x\"\n", false},
	} {
		dir := t.TempDir()
		target := filepath.Join(dir, "x")
		if err := os.WriteFile(target+".lock", []byte(tt.text), 0o666); err != nil {
			t.Fatal(err)
		}
		lock, err := aside.Hold(target)
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err := lock.Release(); err != nil {
			t.Error(err)
		}
		want := ""
		if !tt.ok {
			want = "x.lock"
			if b, _ := os.ReadFile(target + ".lock"); string(b) != tt.text {
				t.Errorf("%s: now %q", tt.name, b)
			}
		}
		if got := names(t, dir); got != want {
			t.Errorf("%s: left %q", tt.name, got)
		}
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "x.lock"), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := aside.Hold(filepath.Join(dir, "x")); err == nil || !strings.Contains(err.Error(), "x.lock") {
		t.Errorf("a folder of the lock's name: %v", err)
	}
	if _, err := aside.Hold(filepath.Join(dir, "no", "x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in no folder: %v", err)
	}
}

// TestHoldUnsigned: who can't be told is still refused.
func TestHoldUnsigned(t *testing.T) {
	target := filepath.Join(t.TempDir(), "x")
	lock, err := aside.Hold(target)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	if err := os.WriteFile(target+".lock", []byte(`{"writer":{"pid":12`), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := aside.Hold(target); !errors.Is(err, aside.ErrHeld) || err.Error() != target+": is being written by another process" {
		t.Errorf("%v", err)
	}
}

// TestHoldNames: one target is one lock, by whatever path, and two are two.
func TestHoldNames(t *testing.T) {
	dir := t.TempDir()
	long := filepath.Join(dir, strings.Repeat("é", 120))
	var locks []*aside.Lock
	for _, target := range []string{filepath.Join(dir, "x"), long + "1", long + "2"} {
		lock, err := aside.Hold(target)
		if err != nil {
			t.Fatal(err)
		}
		locks = append(locks, lock)
		if _, err := aside.Hold(target + string(filepath.Separator)); !errors.Is(err, aside.ErrHeld) {
			t.Errorf("%s once more: %v", target, err)
		}
	}
	if runtime.GOOS != "windows" {
		if err := os.Symlink("x", filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		if _, err := aside.Hold(filepath.Join(dir, "link")); !errors.Is(err, aside.ErrHeld) {
			t.Errorf("by a link: %v", err)
		}
	}
	t.Chdir(dir)
	if _, err := aside.Hold("x"); !errors.Is(err, aside.ErrHeld) {
		t.Errorf("by its name alone: %v", err)
	}
	for _, l := range locks {
		if err := l.Release(); err != nil {
			t.Error(err)
		}
	}
	var none *aside.Lock
	if err := none.Release(); err != nil {
		t.Error(err)
	}
}

func TestPartials(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.partial", "a.partial.journal", "a.partial-x1y2z3", "a.partials", "b.partial", "a"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want := fmt.Sprint([]string{filepath.Join(dir, "a.partial"), filepath.Join(dir, "a.partial-x1y2z3"), filepath.Join(dir, "a.partial.journal")})
	if got, err := aside.Partials(filepath.Join(dir, "a")); err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	t.Chdir(dir)
	if got, err := aside.Partials("b"); err != nil || fmt.Sprint(got) != "[b.partial]" {
		t.Errorf("%v, %v", got, err)
	}
}

// TestAnother: a second file for a target takes the first one's lock over.
func TestAnother(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "x")
	f, err := aside.Create(target, false)
	if err != nil {
		t.Fatal(err)
	}
	g, err := f.Another()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := aside.Create(target, false); !errors.Is(err, aside.ErrHeld) {
		t.Errorf("beside the second file: %v", err)
	}
	g.WriteString("moved")
	if err := g.Commit(); err != nil || names(t, dir) != "x" {
		t.Errorf("%v; left %s", err, names(t, dir))
	}
	if _, err := f.Another(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("of an aborted one: %v", err)
	}
}
