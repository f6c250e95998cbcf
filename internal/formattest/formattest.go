// Package formattest is what the tests of all formats of arrays share: the golden
// files, and what holds for every reader.
package formattest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/race"
)

// Folder is where the golden files lie, for the test of a package two folders
// below the module's root.
const Folder = "../../testdata/formats/"

// Read returns a golden file.
func Read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(Folder + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ReadAll returns files by their names, without the folders.
func ReadAll(t testing.TB, paths []string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = b
	}
	if len(all) == 0 {
		t.Fatal("no files")
	}
	return all
}

// Put writes a file of that name into a folder of the test's own and returns its
// path.
func Put(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// Manifest returns what the manifest tells of the golden files whose names begin
// so.
func Manifest(t testing.TB, prefix string) map[string]json.RawMessage {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal(Read(t, "MANIFEST.json"), &all); err != nil {
		t.Fatal(err)
	}
	for name := range all {
		if !strings.HasPrefix(name, prefix) {
			delete(all, name)
		}
	}
	if len(all) == 0 {
		t.Fatalf("the manifest has nothing of %s", prefix)
	}
	return all
}

// Of is array.Of that can't fail.
func Of[T array.Element](t testing.TB, values []T, shape ...int) array.Array {
	t.Helper()
	a, err := array.Of(values, shape...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Sparse makes a file that begins with head, has size bytes and ends with tail,
// without taking that much space on disk.
func Sparse(t testing.TB, name string, head []byte, size int64, tail string) string {
	t.Helper()
	path := Put(t, name, head)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(tail), size-int64(len(tail))); err != nil {
		t.Skipf("no file of %d bytes here: %v", size, err)
	}
	return path
}

// Drain reads a stream to its end and closes it.
func Drain(t testing.TB, s array.Stream, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all []byte
	for {
		a, err := s.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if n, err := a.Bytes(); err != nil || n != len(a.Data) {
			t.Fatalf("a chunk %v of %d bytes", a.Spec, len(a.Data))
		}
		all = append(all, a.Data...)
	}
}

// Streamer gives arrays by their rows, as the readers of all formats do.
type Streamer interface {
	Stream(name string, chunk int) (array.Stream, error)
}

// Streams reads an array by streams of many sizes, which must give its rows, at
// least one at a time, and not many more bytes than were asked for.
func Streams(t testing.TB, f Streamer, name string, want array.Strided) {
	t.Helper()
	data := want.AsContiguous().Data
	chunks := []int{0, 1, 7, 24, 25, 100, 1000}
	if race.Enabled {
		chunks = []int{0, 25}
	}
	for _, chunk := range chunks {
		s, err := f.Stream(name, chunk)
		if err != nil {
			t.Errorf("array %q: stream: %v", name, err)
			return
		}
		var got []byte
		rows := 0
		for {
			part, err := s.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Errorf("array %q by %d bytes: %v", name, chunk, err)
				return
			}
			if _, err := array.New(part.Spec, part.Data); err != nil {
				t.Errorf("array %q by %d bytes: %v", name, chunk, err)
			}
			if n := len(part.Shape); n != len(want.Shape) || n > 0 && (part.Shape[0] < 1 || part.Shape[0] > 1 && chunk > 0 && len(part.Data) > chunk) {
				t.Errorf("array %q by %d bytes: %v of %v", name, chunk, part.Spec, want.Spec)
				return
			}
			if len(part.Shape) > 0 {
				rows += part.Shape[0]
			}
			got = append(got, part.Data...)
		}
		if !bytes.Equal(got, data) || len(want.Shape) > 0 && rows != want.Shape[0] {
			t.Errorf("array %q by %d bytes: %d rows of %v, the same bytes: %v", name, chunk, rows, want.Spec, bytes.Equal(got, data))
		}
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
		if _, err := s.Next(); err == nil || err == io.EOF {
			t.Errorf("array %q: Next behind Close: %v", name, err)
		}
	}
}

// Text is an array as text: type, shape and elements.
func Text(a array.Strided) string {
	c := a.AsContiguous()
	name := c.DType.String()
	if c.DType.WithOrder('<') == array.BFloat16 {
		c, _ = array.Cast(c, array.Float32)
	}
	var out []string
	for n := c.DType.ItemSize(); len(c.Data) > 0; c.Data = c.Data[n:] {
		out = append(out, array.FormatElement(c.Data[:n], c.DType))
	}
	return name + array.ShapeString(a.Shape) + " " + strings.Join(out, " ")
}

// Cut writes every beginning of a file to a path, the longest first and the
// whole not among them, from byte from on, and has read open it and use all of
// it: each must be an error that names the path.
func Cut(t testing.TB, whole []byte, from int, name string, read func(path string) error) {
	t.Helper()
	path := Put(t, name, whole)
	if err := read(path); err != nil {
		t.Errorf("the whole file: %v", err)
	}
	for n := len(whole) - 1; n >= from; n-- {
		if err := os.Truncate(path, int64(n)); err != nil {
			t.Fatal(err)
		}
		switch err := read(path); {
		case err == nil:
			t.Fatalf("the first %d of %d bytes were taken", n, len(whole))
		case !strings.Contains(err.Error(), path):
			t.Fatalf("the first %d of %d bytes: an error that doesn't name the file: %v", n, len(whole), err)
		}
	}
}

// OverwriteFolder has write, which writes a store that is a folder over what has
// its name, meet a folder of others' (it must stay as it is, and the error must
// name what is in it), an empty one, and one that write has written.
func OverwriteFolder(t testing.TB, name string, write func(path string) error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	notes := filepath.Join(path, "notes")
	if err := errors.Join(os.MkdirAll(path, 0o777), os.WriteFile(notes, []byte("mine"), 0o666)); err != nil {
		t.Fatal(err)
	}
	if err := write(path); err == nil || !strings.Contains(err.Error(), notes) {
		t.Errorf("over a folder with a file of others: %v, want an error that names it", err)
	}
	if b, err := os.ReadFile(notes); err != nil || string(b) != "mine" {
		t.Errorf("the file of others is %q now, %v", b, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 2 { // the folder, and on some systems its lock
		t.Errorf("left %v, %v", left, err)
	}
	if err := os.Remove(notes); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"an empty folder", "its own"} {
		if err := write(path); err != nil {
			t.Errorf("over %s: %v", what, err)
		}
	}
}
