package npk_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npk"
	"github.com/betongo/betongo/internal/formattest"
)

// model is a pack in memory: rows of two int32.
type model map[string][][2]int32

func (m model) clone() model {
	c := model{}
	for name, rows := range m {
		c[name] = slices.Clone(rows)
	}
	return c
}

func (m model) array(t testing.TB, rows [][2]int32) array.Array {
	flat := []int32{}
	for _, r := range rows {
		flat = append(flat, r[0], r[1])
	}
	return formattest.Of(t, flat, len(rows), 2)
}

func (m model) check(t *testing.T, path string) {
	t.Helper()
	f, err := npk.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := len(f.Members()); got != len(m) {
		t.Errorf("%d arrays, want %d", got, len(m))
	}
	for name, rows := range m {
		check(t, f, name, m.array(t, rows))
	}
}

// change does something at random to the pack and to the model.
func (m model) change(t testing.TB, e *npk.Editor, r *rand.Rand) (what string, err error) {
	name := string(rune('a' + r.IntN(3)))
	have, ok := m[name]
	fresh := func(n int) (rows [][2]int32) {
		for range n {
			rows = append(rows, [2]int32{r.Int32(), r.Int32()})
		}
		return rows
	}
	pick := func() (at []int) {
		for range r.IntN(5) {
			if len(have) > 0 {
				at = append(at, r.IntN(2*len(have))-len(have))
			}
		}
		return at
	}
	op := r.IntN(8)
	if !ok {
		op = 0
	}
	switch op {
	case 0:
		m[name] = fresh(r.IntN(200))
		return "save " + name, e.Save(name, m.array(t, m[name]).Strided())
	case 1, 2, 3:
		rows := fresh(r.IntN(70))
		m[name] = append(have, rows...)
		return "append " + name, e.Append(name, m.array(t, rows).Strided())
	case 4:
		at := pick()
		gone := map[int]bool{}
		for _, i := range at {
			gone[(i+len(have))%len(have)] = true
		}
		m[name] = nil
		for i, row := range have {
			if !gone[i] {
				m[name] = append(m[name], row)
			}
		}
		return fmt.Sprintf("drop %s %v", name, at), e.Drop(name, at)
	case 5:
		at := pick()
		rows := fresh(len(at))
		for i, k := range at {
			have[(k+len(have))%len(have)] = rows[i]
		}
		return fmt.Sprintf("replace %s %v", name, at), e.Replace(name, at, m.array(t, rows).Strided())
	case 6:
		return "compact " + name, e.Compact(name)
	}
	if r.IntN(2) == 0 {
		m[name] = nil
		return "drop all " + name, e.DropAll(name)
	}
	delete(m, name)
	return "remove " + name, e.Remove(name)
}

// TestEditor makes many changes and compares with the model: behind each by
// the Editor itself, and behind each Flush, Close and Abort on disk.
func TestEditor(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.npk")
			r := rand.New(rand.NewPCG(seed, 1))
			opts := &npk.EditOptions{Create: true, SegmentBytes: int64(seed%3) * 400}
			m := model{}
			for range 6 {
				e, err := npk.Edit(path, opts)
				if err != nil {
					t.Fatal(err)
				}
				stand := m.clone()
				for range 12 {
					what, err := m.change(t, e, r)
					if err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					for name, rows := range m {
						a, err := e.Array(name)
						if err != nil || !slices.Equal(a.AsContiguous().Data, m.array(t, rows).Data) {
							t.Fatalf("%s: %s: %v, or other rows", what, name, err)
						}
						s, err := e.Stream(name, 50)
						if got := formattest.Drain(t, s, err); !slices.Equal(got, m.array(t, rows).Data) {
							t.Fatalf("%s: %s: other rows streamed", what, name)
						}
						at := []int{}
						some := [][2]int32{}
						for range min(len(rows), 3) {
							at = append(at, r.IntN(len(rows)))
							some = append(some, rows[at[len(at)-1]])
						}
						if got, err := e.Rows(name, at); err != nil || !slices.Equal(got.Data, m.array(t, some).Data) {
							t.Fatalf("%s: %s: rows %v: %v, or other rows", what, name, at, err)
						}
						if _, err := e.Rows(name, []int{len(rows)}); err == nil {
							t.Fatalf("%s: %s: row %d of %d: no error", what, name, len(rows), len(rows))
						}
					}
					if got := e.Members(); e.Name() != path || len(got) != len(m) {
						t.Fatalf("%s: %s: %d arrays, want %d of %s", what, e.Name(), len(got), len(m), path)
					}
					for _, a := range e.Members() {
						if rows, ok := m[a.Name]; !ok || a.Spec.Shape[0] != len(rows) {
							t.Fatalf("%s: %s has %v, want %d rows", what, a.Name, a.Spec, len(rows))
						}
					}
					switch r.IntN(6) {
					case 0:
						if err := e.Flush(); err != nil {
							t.Fatal(err)
						}
						stand = m.clone()
						stand.check(t, path)
					case 1:
						stand.check(t, path)
					}
				}
				if r.IntN(3) == 0 {
					err, m = e.Abort(), stand
				} else {
					err = e.Close()
				}
				if err != nil {
					t.Fatal(err)
				}
				m.check(t, path)
				if t.Failed() {
					return
				}
			}
			tidy(t, path, m)
		})
	}
}

// tidy tells whether a pack has files that nothing names.
func tidy(t *testing.T, path string, m model) {
	t.Helper()
	list, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) > 1+4*len(m) {
		t.Errorf("%d files for %d arrays: %v", len(list), len(m), list)
	}
}

func TestEditorAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npk")
	e, err := npk.Edit(path, &npk.EditOptions{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := npk.Edit(path, nil); err == nil {
		t.Error("a second editor")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.Append("x", formattest.Of(t, []int8{1}).Strided()); err == nil {
		t.Error("a change of a closed pack")
	}
	if e, err = npk.Edit(path, nil); err != nil {
		t.Fatal(err)
	}
	e.Close()
}

// TestEditorRefuses tells what is an error and changes nothing.
// TestReplacedAlone: a pack is not taken away from an editor, nor edited while
// another one is going to take its place.
func TestReplacedAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npk")
	e, err := npk.Edit(path, &npk.EditOptions{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	a := formattest.Of(t, []int32{1, 2, 3, 4}, 2, 2)
	if err := e.Save("a", a.Strided()); err != nil {
		t.Fatal(err)
	}
	if _, err := npk.Create(path, &npk.CreateOptions{Overwrite: true}); err == nil {
		t.Error("a pack that is being edited is replaced")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	w, err := npk.Create(path, &npk.CreateOptions{Overwrite: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if runtime.GOOS != "windows" { // where what is locked can't be replaced
		if _, err := npk.Edit(path, nil); err == nil {
			t.Error("a pack that is going to be replaced is edited")
		}
	}
	if err := w.Put("b", a.Strided()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	e, err = npk.Edit(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	model{"b": {{1, 2}, {3, 4}}}.check(t, path)
	if w, err = npk.Create(path, &npk.CreateOptions{Overwrite: true}); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if e, err = npk.Edit(path, nil); err != nil {
		t.Fatal(err)
	}
	e.Close()
}

func TestEditorRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npk")
	e, err := npk.Edit(path, &npk.EditOptions{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abort()
	x := formattest.Of(t, []int32{1, 2, 3, 4}, 2, 2)
	if err := e.Save("x", x.Strided()); err != nil {
		t.Fatal(err)
	}
	row := formattest.Of(t, []int32{5, 6}, 1, 2).Strided()
	for name, err := range map[string]error{
		"append to nothing":    e.Append("y", row),
		"append another type":  e.Append("x", formattest.Of(t, []int64{5, 6}, 1, 2).Strided()),
		"append another shape": e.Append("x", formattest.Of(t, []int32{5, 6}, 2, 1).Strided()),
		"append a scalar":      e.Append("x", row.Row(0).Row(0)),
		"replace row 2":        e.Replace("x", []int{2}, row),
		"replace two by one":   e.Replace("x", []int{0, 1}, row),
		"drop row 2":           e.Drop("x", []int{0, 2}),
		"drop of nothing":      e.Drop("y", []int{0}),
		"remove of nothing":    e.Remove("y"),
		"compact of nothing":   e.Compact("y"),
		"save a scalar":        e.Save("z", row.Row(0).Row(0)),
		"save out of the pack": e.Save("../z", row),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := e.Append("x", array.SwapBytes(x).Strided()); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	check(t, open(t, path), "x", formattest.Of(t, []int32{1, 2, 3, 4, 1, 2, 3, 4}, 4, 2))
}

// TestAppendBehindDropped is what NumPack gets wrong: dropped rows come back.
func TestAppendBehindDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npk")
	e, err := npk.Edit(path, &npk.EditOptions{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		e.Save("x", formattest.Of(t, []int8{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}).Strided()),
		e.Drop("x", []int{1, 2, -1}),
		e.Flush(),
		e.Append("x", formattest.Of(t, []int8{10, 11}).Strided()),
		e.Close())
	if err != nil {
		t.Fatal(err)
	}
	check(t, open(t, path), "x", formattest.Of(t, []int8{0, 3, 4, 5, 6, 7, 8, 10, 11}))
}

// TestOverwriteFolder: what is no pack is never replaced.
func TestOverwriteFolder(t *testing.T) {
	formattest.OverwriteFolder(t, "a.npk", func(path string) error {
		w, err := npk.Create(path, &npk.CreateOptions{Overwrite: true})
		if err != nil {
			return err
		}
		defer w.Abort()
		if err := w.Put("x", formattest.Of(t, []int32{1, 2}).Strided()); err != nil {
			return err
		}
		return w.Close()
	})
}
