package dataset_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/loader"
)

// copyTo copies a file to names in a folder, without its zeros where the system
// has sparse files, and returns the last one's path.
func copyTo(tb testing.TB, from, dir string, names ...string) (to string) {
	tb.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		tb.Fatal(err)
	}
	var zeros [4096]byte
	var blocks []int // that are not
	for off := 0; off < len(data); off += len(zeros) {
		if b := data[off:min(off+len(zeros), len(data))]; !bytes.Equal(b, zeros[:len(b)]) {
			blocks = append(blocks, off)
		}
	}
	for _, name := range names {
		to = filepath.Join(dir, name)
		f, err := os.Create(to)
		if err != nil {
			tb.Fatal(err)
		}
		err = f.Truncate(int64(len(data)))
		for _, off := range blocks {
			if err == nil {
				_, err = f.WriteAt(data[off:min(off+len(zeros), len(data))], int64(off))
			}
		}
		if err := errors.Join(err, f.Close()); err != nil {
			tb.Fatal(err)
		}
	}
	return to
}

// manyFiles makes n small files in a folder that goes with the test.
func manyFiles(tb testing.TB, n int) string {
	tb.Helper()
	dir, names := tb.TempDir(), make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("part-%04d.beton", i)
	}
	copyTo(tb, writeFile(tb, 0, 3), dir, names...)
	return dir
}

// opened opens a Concat that goes with the test.
func opened(tb testing.TB, opts *dataset.Options, paths ...string) *dataset.Concat {
	tb.Helper()
	c, err := dataset.Open(paths, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

// refused fails unless err has all the words.
func refused(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", words)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q lacks %q", err, word)
		}
	}
}

func TestExpand(t *testing.T) {
	dir, file := t.TempDir(), writeFile(t, 0, 1)
	for _, name := range []string{"b-10.beton", "b-2.beton", "a.beton", "c[1].beton", "note.txt"} {
		copyTo(t, file, dir, name)
	}
	in := func(names ...string) []string {
		for i := range names {
			names[i] = filepath.Join(dir, names[i])
		}
		return names
	}
	for _, c := range []struct{ paths, want []string }{
		{in("*.beton"), in("a.beton", "b-10.beton", "b-2.beton", "c[1].beton")},
		{in("b-2.beton", "a.beton"), in("b-2.beton", "a.beton")}, // as given
		{in("b-?.beton", "a*"), in("b-2.beton", "a.beton")},
		{in("c[1].beton"), in("c[1].beton")}, // a file of that very name
	} {
		got, err := dataset.Expand(c.paths)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, %v, want %q", c.paths, got, err, c.want)
		}
	}
	for _, c := range []struct {
		paths []string
		words []string
	}{
		{nil, []string{"no paths"}},
		{in("x*.beton"), []string{"x*.beton", "no file matches"}},
		{in("missing.beton"), []string{"missing.beton"}},
		{in("a.beton", "a.beton"), []string{"a.beton is given twice"}},
		{in("a.beton", "*.beton"), []string{"a.beton is given twice"}},
		{[]string{filepath.Join(dir, "a.beton"), dir + "/../" + filepath.Base(dir) + "/a.beton"}, []string{"are the same file"}},
		{in("[.beton"), []string{"syntax error"}},
	} {
		_, err := dataset.Expand(c.paths)
		refused(t, err, c.words...)
	}
	if _, err := dataset.Expand(in("missing.beton")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// TestExpandLinks: a file is itself under another name, too.
func TestExpandLinks(t *testing.T) {
	dir := t.TempDir()
	a := copyTo(t, writeFile(t, 0, 1), dir, "a.beton")
	if err := os.Link(a, filepath.Join(dir, "b.beton")); err != nil {
		t.Skip(err)
	}
	_, err := dataset.Expand([]string{filepath.Join(dir, "*.beton")})
	refused(t, err, "a.beton", "b.beton", "same file")
}

// Open of a thousand files takes well under a second, keeps no descriptor, and
// Close ends all.
func TestOpenMany(t *testing.T) {
	dir := manyFiles(t, 1000)
	settle := leak.Watch(t)
	before := descriptors(t)
	start := time.Now()
	c, err := dataset.Open([]string{filepath.Join(dir, "*.beton")}, nil)
	took := time.Since(start)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("1,000 files opened in %v", took)
	if took > 5*time.Second { // a loaded machine's allowance
		t.Errorf("1,000 files took %v", took)
	}
	if n := descriptors(t); n > before+2 {
		t.Errorf("%d file descriptors, %d before", n, before)
	}
	if c.Len() != 3000 || len(c.Members()) != 1000 || c.Name() != filepath.Join(dir, "*.beton")+" (1000 files)" {
		t.Errorf("%s: %d samples of %d members", c.Name(), c.Len(), len(c.Members()))
	}
	l, err := loader.New(c, &loader.Options{BatchSize: 700, Order: loader.Random, Outputs: []loader.Output{{Name: "image", Decoder: loader.Raw{}}}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for b, err := range l.Epoch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		n += b.Len()
		b.Release()
	}
	if n != 3000 {
		t.Errorf("%d samples came", n)
	}
	if err := errors.Join(l.Close(), c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	settle()
}

// descriptors counts the process's open files, 0 where the system doesn't tell.
func descriptors(t *testing.T) int {
	if runtime.GOOS != "linux" {
		return 0
	}
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestOpenBroken: the first broken file in order is named, and none stays open.
func TestOpenBroken(t *testing.T) {
	dir := manyFiles(t, 40)
	for _, name := range []string{"part-0013.beton", "part-0031.beton"} {
		if err := os.Truncate(filepath.Join(dir, name), 100); err != nil {
			t.Fatal(err)
		}
	}
	settle := leak.Watch(t)
	_, err := dataset.Open([]string{filepath.Join(dir, "*.beton")}, nil)
	refused(t, err, "part-0013.beton")
	var format *ffcv.FormatError
	if !errors.As(err, &format) {
		t.Errorf("%v is no FormatError", err)
	}
	settle()
}

// TestOpenOptions: files through another source, and what they are told.
func TestOpenOptions(t *testing.T) {
	dir := manyFiles(t, 3)
	closed := 0
	c := opened(t, &dataset.Options{Open: func(path string) (*ffcv.File, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		return ffcv.New(ffcv.ReaderAtSource(path, &closer{f, &closed}, info.Size()), nil)
	}}, filepath.Join(dir, "*"))
	checkEpoch(t, made{ds: c, model: thrice(modelOf(t, c.Members()[0].(*ffcv.File)))}, &loader.Options{BatchSize: 4, Outputs: []loader.Output{{Name: "image", Decoder: loader.Raw{}}}})
	if err := c.Close(); err != nil || closed != 3 {
		t.Errorf("%d of 3 files were closed: %v", closed, err)
	}
	_, err := dataset.Open([]string{filepath.Join(dir, "*")}, &dataset.Options{File: &ffcv.OpenOptions{Custom: map[string]fields.Field{"none": fields.Opaque{DType: "|u1"}}}})
	refused(t, err, "part-0000", `"none"`)
}

type closer struct {
	*os.File
	n *int
}

func (c *closer) Close() error {
	*c.n++
	return c.File.Close()
}

func thrice(m model) model {
	return model{m.names, slices.Concat(m.samples, m.samples, m.samples), slices.Concat(m.from, m.from, m.from)}
}

// TestClasses: labels must say the same in all files.
func TestClasses(t *testing.T) {
	write := func(classes ...string) string {
		return ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "y", Field: fields.Int{}}}, 2, func(i int) []any { return []any{i} }, &ffcv.Options{Classes: classes})
	}
	ab, abToo, none, ac, abc := write("a", "b"), write("a", "b"), write(), write("a", "c"), write("a", "b", "c")
	if c := opened(t, nil, none, ab, abToo); !slices.Equal(c.Classes(), []string{"a", "b"}) {
		t.Errorf("classes %q", c.Classes())
	}
	_, err := dataset.Open([]string{none, ab, ac}, nil)
	refused(t, err, ab, ac, `label 1 is "b" in the first, "c" in the second`)
	_, err = dataset.Open([]string{ab, abc}, nil)
	refused(t, err, ab, abc, "2 and 3")
	if c := opened(t, &dataset.Options{IgnoreClasses: true}, ab, ac); c.Classes() != nil {
		t.Errorf("classes %q", c.Classes())
	}
}
