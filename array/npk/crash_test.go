package npk_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/betongo/betongo/array/npk"
)

// turn is change number i, the same for every process; without an Editor it is
// made to the model alone.
func (m model) turn(t testing.TB, e *npk.Editor, i int) (err error) {
	rows := func(n int) [][2]int32 { return slices.Repeat([][2]int32{{int32(i), int32(-i)}}, n) }
	do := func(change func() error) {
		if e != nil && err == nil {
			err = change()
		}
	}
	a := m["a"]
	switch op := i % 6; {
	case op == 0 || len(a) < 8:
		m["a"] = rows(20 + i%50)
		do(func() error { return e.Save("a", m.array(t, m["a"]).Strided()) })
	case op == 1 || op == 4:
		m["a"] = append(slices.Clone(a), rows(30)...)
		if op == 4 {
			do(func() error { return e.Compact("a") })
		}
		do(func() error { return e.Append("a", m.array(t, rows(30)).Strided()) })
	case op == 2 || op == 5:
		m["a"] = slices.Delete(slices.Clone(a[1:len(a)-1]), 3, 5)
		do(func() error { return e.Drop("a", []int{0, -1, 4, 5}) })
		m["b"] = append(slices.Clone(m["b"]), rows(1)...)
		do(func() error { return e.Save("b", m.array(t, m["b"]).Strided()) })
	case op == 3:
		a = slices.Clone(a)
		a[0], a[3], a[len(a)-1] = rows(1)[0], rows(1)[0], rows(1)[0]
		m["a"] = a
		do(func() error { return e.Replace("a", []int{0, 3, -1}, m.array(t, rows(3)).Strided()) })
	}
	do(func() error { return e.Flush() })
	return err
}

// TestCrashChild is the process that is killed.
func TestCrashChild(t *testing.T) {
	path := os.Getenv("NPK_CRASH_PACK")
	if path == "" {
		t.Skip("runs for TestKilled")
	}
	first, err := strconv.Atoi(os.Getenv("NPK_CRASH_TURN"))
	if err != nil {
		t.Fatal(err)
	}
	m := model{}
	for i := range first {
		m.turn(t, nil, i)
	}
	segment, err := strconv.ParseInt(os.Getenv("NPK_CRASH_SEGMENT"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	e, err := npk.Edit(path, &npk.EditOptions{Create: true, SegmentBytes: segment})
	if err != nil {
		t.Fatal(err)
	}
	for i := first; ; i++ {
		if err := m.turn(t, e, i); err != nil {
			t.Fatal(err)
		}
		fmt.Println("turn", i+1)
	}
}

// TestKilled kills a process that edits a pack, again and again: each time the
// pack has the last change that the process told of, or the one it was at.
func TestKilled(t *testing.T) {
	rounds := 24
	if testing.Short() {
		rounds = 6
	}
	path := filepath.Join(t.TempDir(), "a.npk")
	turn, r := 0, rand.New(rand.NewPCG(3, 3))
	for round := range rounds {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
		cmd.Env = append(os.Environ(), "NPK_CRASH_PACK="+path, fmt.Sprint("NPK_CRASH_TURN=", turn), fmt.Sprint("NPK_CRASH_SEGMENT=", round/8*200))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		var timer *time.Timer
		for lines.Scan() {
			var n int
			if _, err := fmt.Sscanf(lines.Text(), "turn %d", &n); err != nil {
				t.Error(lines.Text())
				break
			}
			turn = n
			if timer == nil {
				timer = time.AfterFunc(time.Duration(r.IntN(60000))*time.Microsecond, func() { cmd.Process.Kill() })
			}
		}
		cmd.Process.Kill()
		cmd.Wait()
		if timer == nil {
			t.Fatal("the process changed nothing")
		}
		m := model{}
		for i := range turn {
			m.turn(t, nil, i)
		}
		if turn = stands(t, path, m, turn); t.Failed() {
			return
		}
	}
	t.Logf("%d changes, %d kills", turn, rounds)
}

// stands checks that a pack is at the turn, or the next one, and returns which.
func stands(t *testing.T, path string, m model, turn int) int {
	t.Helper()
	f, err := npk.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	is := func(m model) bool {
		if len(f.Members()) != len(m) {
			return false
		}
		for name, rows := range m {
			a, err := f.Array(name)
			if err != nil || !slices.Equal(a.AsContiguous().Data, m.array(t, rows).Data) {
				return false
			}
		}
		return true
	}
	later := m.clone()
	later.turn(t, nil, turn)
	switch {
	case is(m):
	case is(later):
		m, turn = later, turn+1
	default:
		t.Fatalf("behind %d changes: %v, which is neither these nor one more", turn, f.Members())
	}
	for name, rows := range m {
		check(t, f, name, m.array(t, rows))
	}
	return turn
}
