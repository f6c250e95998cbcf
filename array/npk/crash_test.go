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
	"github.com/betongo/betongo/internal/formattest"
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
	if os.Getenv("FORMATS_PYTHON") != "" {
		same(t, path, numpack(t, "dump", path))
	}
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

// TestJournal finishes a change that ended behind each of its steps: rows
// replaced in place, an array that has new data and no bitmap any more, and one
// that got a bitmap.
func TestJournal(t *testing.T) {
	x := entry{name: "x", file: "data_x.npkd", shape: []uint64{4}, dtype: 1}
	y := entry{name: "y", file: "data_y.npkd", shape: []uint64{4}, dtype: 1}
	z := entry{name: "z", file: "data_z.npkd", shape: []uint64{4}, dtype: 1}
	y2 := y
	y2.file = "data_y.gen2.npkd"
	const bits = "\x04\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x0e\x00\x00\x00\x00\x00\x00\x00"
	const piece = "\x0b\x00data_x.npkd\x02\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00"
	steps := []func(path string) error{
		func(path string) error {
			return os.WriteFile(filepath.Join(path, "data_x.npkd"), []byte("ab12"), 0o666)
		},
		func(path string) error { return os.Remove(filepath.Join(path, "deleted_y.npkb")) },
		func(path string) error {
			return os.Rename(filepath.Join(path, "deleted_z.npkb.next"), filepath.Join(path, "deleted_z.npkb"))
		},
		func(path string) error {
			return os.Rename(filepath.Join(path, "metadata.npkm.next"), filepath.Join(path, "metadata.npkm"))
		},
		func(path string) error { return os.Remove(filepath.Join(path, "npk.journal")) },
	}
	for done := -1; done <= len(steps); done++ {
		for _, edit := range []bool{false, true} {
			files := map[string]string{
				"metadata.npkm": string(meta(x, y, z)), "data_x.npkd": "abcd", "data_y.npkd": "efgh", "deleted_y.npkb": bits, "data_z.npkd": "ijkl",
				"metadata.npkm.next": string(meta(x, y2, z)), "data_y.gen2.npkd": "3456", "deleted_z.npkb.next": bits, "npk.patch": piece + "12",
				"npk.journal": `{"version": 1, "steps": [{"do": "patch", "from": "npk.patch", "to": "data_x.npkd"}, {"do": "remove", "to": "deleted_y.npkb"},
					{"do": "rename", "from": "deleted_z.npkb.next", "to": "deleted_z.npkb"}, {"do": "rename", "from": "metadata.npkm.next", "to": "metadata.npkm"}]}`,
			}
			want := map[string]string{"x": "ab12", "y": "3456", "z": "jkl"}
			if done < 0 { // it ended before the journal was there
				delete(files, "npk.journal")
				want = map[string]string{"x": "abcd", "y": "fgh", "z": "ijkl"}
			}
			path := pack(t, files)
			for i := range max(done, 0) {
				if err := steps[i](path); err != nil {
					t.Fatal(err)
				}
			}
			if edit {
				e, err := npk.Edit(path, nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
				left, err := os.ReadDir(path)
				n := 5
				if err != nil || len(left) != n {
					t.Errorf("behind %d steps: %d files, want %d: %v, %v", done, len(left), n, left, err)
				}
			}
			f := open(t, path)
			for name, s := range want {
				check(t, f, name, formattest.Of(t, []byte(s)))
			}
		}
	}
}
