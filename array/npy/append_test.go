package npy_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/internal/aside"
)

// TestMain is also the program that TestKill ends.
func TestMain(m *testing.M) {
	if path := os.Getenv("NPY_APPEND_FOR_EVER"); path != "" {
		appendForEver(path, os.Getenv("NPY_HEADER_ON_CLOSE") != "")
	}
	os.Exit(m.Run())
}

// appendForEver appends rows of four equal numbers, and tells each when it is done.
func appendForEver(path string, late bool) {
	a, err := npy.OpenAppender(path, &npy.AppendOptions{HeaderOnClose: late, Recover: true})
	if err != nil {
		panic(err)
	}
	n := int64(0)
	if s := a.Shape(); s != nil {
		n = int64(s[0])
	}
	var word [8]byte
	for ; ; n++ {
		row, _ := array.Of([]int64{n, n, n, n}, 1, 4)
		if err := a.Append(row); err != nil {
			panic(err)
		}
		binary.LittleEndian.PutUint64(word[:], uint64(n+1))
		os.Stdout.Write(word[:])
	}
}

// TestKill kills a process in the middle of appending, again and again: what
// it had finished is there.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	before := uint64(0) // rows that the last round left
	for round := range 12 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "NPY_APPEND_FOR_EVER="+path)
		if round%2 == 1 {
			cmd.Env = append(cmd.Env, "NPY_HEADER_ON_CLOSE=1")
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(20+7*round)*time.Millisecond, func() { cmd.Process.Kill() })
		told := before
		for r := bufio.NewReader(out); ; {
			var word [8]byte
			if _, err := io.ReadFull(r, word[:]); err != nil {
				break
			}
			told = binary.LittleEndian.Uint64(word[:])
		}
		cmd.Wait()
		timer.Stop()
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			continue // killed before it began
		}
		needs, err := npy.NeedsRecovery(path)
		if err != nil {
			t.Fatal(err)
		}
		if round%2 == 1 && told > before && !needs {
			t.Errorf("round %d: a stale header needs no recovery", round)
		}
		rows, err := npy.Recover(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if uint64(rows) < told || uint64(rows) > told+1 {
			t.Errorf("round %d: %d rows, %d were finished", round, rows, told)
		}
		before = uint64(rows)
		f, err := npy.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		v, err := array.View[int64](f.Array())
		for i, got := range v {
			if got != int64(i/4) {
				t.Fatalf("round %d: row %d has %d", round, i/4, got)
			}
		}
		if err != nil || len(v) != 4*rows {
			t.Errorf("round %d: %d values, %v", round, len(v), err)
		}
		f.Close()
	}
}

func rowsOf(t testing.TB, dtype string, shape []int, first byte) array.Array {
	t.Helper()
	d, err := array.ParseDType(dtype)
	if err != nil {
		t.Fatal(err)
	}
	spec := array.Spec{DType: d, Shape: shape}
	n, err := spec.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, n)
	for i := range data {
		data[i] = first + byte(i)
	}
	return array.Array{Spec: spec, Data: data}
}

// TestAppend appends in pieces and compares with the file written at once.
func TestAppend(t *testing.T) {
	for _, dtype := range []string{"<f4", ">i8", "|S3", "[('a', '<i4'), ('ф', '<f8', (2,))]", "[('é', '<i4')]"} {
		for _, opts := range []*npy.AppendOptions{nil, {HeaderOnClose: true}} {
			path := filepath.Join(t.TempDir(), "x.npy")
			whole := rowsOf(t, dtype, []int{1234, 3}, 1)
			for lo, step := 0, 1; lo < 1234; step = step*3 + 1 {
				a, err := npy.OpenAppender(path, opts)
				if err != nil {
					t.Fatal(err)
				}
				for range 3 {
					hi := min(lo+step, 1234)
					part := whole.Strided().Slice(0, lo, hi, 1).AsContiguous()
					if err := a.Append(part); err != nil {
						t.Fatal(err)
					}
					lo = hi
				}
				if s := a.Shape(); !slices.Equal(s, []int{lo, 3}) {
					t.Fatalf("shape %v", s)
				}
				if err := errors.Join(a.Sync(), a.Close(), a.Close()); err != nil {
					t.Fatal(err)
				}
			}
			var want bytes.Buffer
			if err := npy.Write(&want, whole); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want.Bytes()) {
				t.Errorf("%s: %v; the file differs from one written at once\n%.150q\n%.150q", dtype, err, got, want.Bytes())
			}
		}
	}
}

// TestAppendFortran: the last axis of an array in Fortran order grows.
func TestAppendFortran(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	whole := rowsOf(t, "<i2", []int{3, 2, 11}, 0)
	first := whole.Strided().Slice(2, 0, 4, 1).AsFortran()
	if err := npy.Save(path, first, nil); err != nil {
		t.Fatal(err)
	}
	a, err := npy.OpenAppender(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range [][2]int{{4, 5}, {5, 11}} {
		if err := a.Append(whole.Strided().Slice(2, cut[0], cut[1], 1).AsContiguous()); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Append(rowsOf(t, "<i2", []int{1, 2, 11}, 0)); err == nil {
		t.Error("rows of the wrong axis were taken")
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := npy.ParseStrided(file)
	if err != nil || got.Spec.String() != "<i2 (3, 2, 11)" || !bytes.Equal(got.AsContiguous().Data, whole.Data) {
		t.Errorf("%v, %v", got.Spec, err)
	}
}

// TestFlush: with HeaderOnClose the file tells of what was appended behind Flush
// and no sooner.
func TestFlush(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	a, err := npy.OpenAppender(path, &npy.AppendOptions{HeaderOnClose: true})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.Flush(); err != nil {
		t.Errorf("of nothing: %v", err)
	}
	rows := func() int {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		told, err := npy.Read(bytes.NewReader(b)) // as many rows as the header tells
		if err != nil {
			t.Fatal(err)
		}
		return told.Shape[0]
	}
	for i := range 3 {
		before := 0
		if i > 0 {
			before = rows()
		}
		if err := a.Append(rowsOf(t, "<i4", []int{2, 3}, byte(i))); err != nil {
			t.Fatal(err)
		}
		if i > 0 && rows() != before {
			t.Errorf("%d rows ahead of Flush, want the %d of before", rows(), before)
		}
		if err := errors.Join(a.Flush(), a.Flush()); err != nil {
			t.Fatal(err)
		}
		if got := rows(); got != 2*(i+1) {
			t.Errorf("%d rows behind Flush, want %d", got, 2*(i+1))
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Flush(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("behind Close: %v", err)
	}
}

func TestAppendRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.npy")
	a, err := npy.OpenAppender(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.Append(rowsOf(t, "<f4", nil, 0)); err == nil {
		t.Error("a scalar was appended")
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("a refused array made a file")
	}
	if err := a.Append(rowsOf(t, "|i1", []int{2, 3}, 0)); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	for _, bad := range []array.Array{
		rowsOf(t, "|u1", []int{1, 3}, 0), rowsOf(t, "|i1", []int{1, 4}, 0), rowsOf(t, "|i1", []int{3}, 0), rowsOf(t, "|i1", []int{1, 3, 1}, 0),
		{Spec: rowsOf(t, "|i1", []int{1, 3}, 0).Spec, Data: []byte{1}},
	} {
		if err := a.Append(bad); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%v was appended: %v", bad.Spec, err)
		}
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("a refused append changed the file")
	}
	for name, want := range map[string]error{"needs_recovery": npy.ErrNeedsRecovery, "scalar0d": nil, "object_pickle": nil} {
		if _, err := npy.OpenAppender(golden+name+".npy", nil); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if _, err := npy.OpenAppender(dir, nil); err == nil {
		t.Error("a folder was opened")
	}
}

// TestForeignHeaders: headers without room, with too much, and in odd words.
func TestForeignHeaders(t *testing.T) {
	data := []byte{1, 0, 2, 0, 3, 0, 4, 0}
	for _, tt := range []struct {
		name, header string
		room         bool
	}{
		{"tight", "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 2), }\n", false},
		{"odd", `{"shape":(2L,2),"descr":"<i2","fortran_order":False}` + strings.Repeat(" ", 41) + "\n", true},
		{"wide", "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 2), }" + strings.Repeat(" ", 1000) + "\n", true},
		{"fortran", "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 2), }\n", false},
		{"empty", "{'descr': '<i2', 'fortran_order': False, 'shape': (0, 2), }\n", false},
	} {
		for _, inPlace := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "x.npy")
			content := file(tt.header, data...)
			if tt.name == "empty" {
				content = file(tt.header)
			}
			if err := os.WriteFile(path, content, 0o640); err != nil {
				t.Fatal(err)
			}
			before, err := npy.ParseStrided(content)
			if err != nil {
				t.Fatal(err)
			}
			ok, err := npy.IsAppendable(path)
			if err != nil || ok != tt.room {
				t.Errorf("%s: appendable %v, %v; want %v", tt.name, ok, err, tt.room)
			}
			if a, err := npy.OpenAppender(path, nil); (err == nil) != tt.room || err != nil && !errors.Is(err, npy.ErrNotAppendable) {
				t.Errorf("%s: open: %v", tt.name, err)
			} else if err == nil {
				a.Close()
			}
			if err := npy.EnsureAppendable(path, &npy.EnsureOptions{InPlace: inPlace}); err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 && os.PathSeparator == '/' {
				t.Errorf("%s: mode %v, %v", tt.name, info.Mode(), err)
			}
			a, err := npy.OpenAppender(path, nil)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			for i := range 2 { // the second with the header known
				rows := rowsOf(t, "<i2", []int{1, 2}, byte(5+i))
				if tt.name == "fortran" {
					rows = rowsOf(t, "<i2", []int{2, 1}, byte(5+i))
				}
				if err := a.Append(rows); err != nil {
					t.Fatalf("%s: %v", tt.name, err)
				}
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			content, _ = os.ReadFile(path)
			after, err := npy.ParseStrided(content)
			if err != nil {
				t.Fatalf("%s: %v\n%q", tt.name, err, content)
			}
			n := len(before.AsFortran().AsContiguous().Data)
			if tail := content[len(content)-n-8:]; !bytes.Equal(tail[:n], before.Data[before.Offset:]) || tail[n] != 5 || tail[n+4] != 6 || after.Shape[0]*after.Shape[1] != n/2+4 {
				t.Errorf("%s: %v, data %v", tt.name, after.Spec, tail)
			}
		}
	}
}

func TestRecover(t *testing.T) {
	for _, fill := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "x.npy")
		if err := os.WriteFile(path, read(t, "needs_recovery"), 0o666); err != nil {
			t.Fatal(err)
		}
		if needs, err := npy.NeedsRecovery(path); err != nil || !needs {
			t.Errorf("needs recovery: %v, %v", needs, err)
		}
		rows, err := npy.Recover(path, &npy.RecoverOptions{ZeroFill: fill})
		want := 5
		if fill {
			want = 6
		}
		if err != nil || rows != want {
			t.Errorf("%d rows, %v; want %d", rows, err, want)
		}
		f, err := npy.Open(path)
		if err != nil || f.Array().Shape[0] != want {
			t.Fatalf("%v, %v", f, err)
		}
		if needs, err := npy.NeedsRecovery(path); err != nil || needs {
			t.Errorf("after it: %v, %v", needs, err)
		}
		f.Close()
	}
	// Cut anywhere in its data, a file keeps its whole rows.
	content := read(t, "appended")
	path := filepath.Join(t.TempDir(), "cut.npy")
	for n := 128; n < len(content); n++ {
		if err := os.WriteFile(path, content[:n], 0o666); err != nil {
			t.Fatal(err)
		}
		if rows, err := npy.Recover(path, nil); err != nil || rows != (n-128)/8 {
			t.Fatalf("cut at %d: %d rows, %v", n, rows, err)
		}
		if f, err := npy.Open(path); err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		} else {
			f.Close()
		}
	}
	for n := range 128 {
		if err := os.WriteFile(path, content[:n], 0o666); err != nil {
			t.Fatal(err)
		}
		if rows, err := npy.Recover(path, nil); err == nil {
			t.Fatalf("cut at %d: %d rows", n, rows)
		}
	}
}

// TestAppendAsPeer makes npy-append-array's golden: two rows, then three.
func TestAppendAsPeer(t *testing.T) {
	want, err := npy.Parse(read(t, "appended"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.npy")
	a, err := npy.OpenAppender(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range [][2]int{{0, 2}, {2, 5}} {
		if err := a.Append(want.Strided().Slice(0, cut[0], cut[1], 1).AsContiguous()); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); !bytes.Equal(got, read(t, "appended")) {
		t.Errorf("%q\n%q", got, read(t, "appended"))
	}
}

func ExampleOpenAppender() {
	dir, err := os.MkdirTemp("", "npy")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	a, err := npy.OpenAppender(filepath.Join(dir, "log.npy"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer a.Close()
	for i := range 3 {
		row, _ := array.Of([]float32{float32(i), 0.5}, 1, 2)
		if err := a.Append(row); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(a.Shape())
	// Output: [3 2]
}

func BenchmarkAppend(b *testing.B) {
	for _, late := range []bool{false, true} {
		b.Run(fmt.Sprintf("headerOnClose=%v", late), func(b *testing.B) {
			a, err := npy.OpenAppender(filepath.Join(b.TempDir(), "x.npy"), &npy.AppendOptions{HeaderOnClose: late})
			if err != nil {
				b.Fatal(err)
			}
			defer a.Close()
			row := rowsOf(b, "<f4", []int{1, 16}, 0)
			for range b.N {
				if err := a.Append(row); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestAppendHeld: a second Appender, and what else writes into the file, is
// refused until the first one is closed.
func TestAppendHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	a, err := npy.OpenAppender(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Append(rowsOf(t, "<i2", []int{3}, 1)); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%s: is being written by process %d ", path, os.Getpid())
	_, err1 := npy.OpenAppender(path, nil)
	_, err2 := npy.OpenAppender(path, &npy.AppendOptions{Overwrite: true})
	_, err3 := npy.Recover(path, nil)
	_, err4 := npy.CreateMap(path, rowsOf(t, "<i2", []int{2}, 1).Spec, false, true)
	for i, err := range []error{err1, err2, err3, err4} {
		if !errors.Is(err, aside.ErrHeld) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%d: %v; want %s…", i+1, err, want)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if rows, err := npy.Recover(path, nil); err != nil || rows != 3 {
		t.Errorf("behind it: %d rows, %v", rows, err)
	}
}
