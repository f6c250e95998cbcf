package npy_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/internal/formattest"
)

const formats = "../../testdata/formats/"

// TestManifest reads every golden and compares with what NumPy says of it.
func TestManifest(t *testing.T) {
	n := 0
	for name, raw := range formattest.Manifest(t, "npy/") {
		if strings.HasSuffix(name, ".npz") || name == "npy/needs_recovery.npy" || name == "npy/object_pickle.npy" {
			continue
		}
		var want struct {
			Shape  []int
			DType  string
			Order  string
			Values any
		}
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		n++
		a, err := npy.OpenArchive(formats+name, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		m := a.Members()
		all, err := a.Array("")
		if err != nil || len(m) != 1 || m[0].Name != strings.TrimSuffix(filepath.Base(name), ".npy") || want.Shape != nil && !slices.Equal(all.Shape, want.Shape) {
			t.Errorf("%s: %v, %v", name, m, err)
		}
		if want.DType != "" && all.DType.String() != want.DType {
			t.Errorf("%s: dtype %v, want %s", name, all.DType, want.DType)
		}
		if m[0].Fortran != (want.Order == "F") {
			t.Errorf("%s: Fortran %v", name, m[0].Fortran)
		}
		if strings.Contains("biufc", string(all.DType.Kind())) && len(all.Shape) == 2 && want.Values != nil {
			got, _ := array.Cast(all.AsContiguous(), array.Complex128)
			if numbers := numbersIn(t, want.Values); len(got.Data) != 16*len(numbers) {
				t.Errorf("%s: %d values, the manifest has %d", name, len(got.Data)/16, len(numbers))
			} else if v, _ := array.View[complex128](got); !slices.Equal(v, numbers) {
				t.Errorf("%s: %v, want %v", name, v, numbers)
			}
		}
		formattest.Streams(t, a, "", all)
		if err := errors.Join(a.Close(), a.Close()); err != nil {
			t.Error(err)
		}
	}
	if n < 24 {
		t.Errorf("only %d files", n)
	}
}

// numbersIn reads the numbers of Python's text of a list, or of JSON.
func numbersIn(t *testing.T, v any) []complex128 {
	t.Helper()
	text := strings.NewReplacer("True", "1", "False", "0", "[", "", "]", "", " ", "").Replace(fmt.Sprint(v))
	if _, ok := v.(string); !ok {
		b, _ := json.Marshal(v)
		text = strings.NewReplacer("[", "", "]", "").Replace(string(b))
	}
	var list []complex128
	for _, word := range strings.Split(text, ",") {
		var b [16]byte
		if err := array.ParseElement(b[:], word, array.Complex128); err != nil {
			t.Fatal(err)
		}
		one, _ := array.View[complex128](array.Array{Spec: array.Spec{DType: array.Complex128, Shape: []int{1}}, Data: append([]byte{}, b[:]...)})
		list = append(list, one[0])
	}
	return list
}

func TestZipGoldens(t *testing.T) {
	for _, name := range []string{"a", "ac"} {
		a, err := npy.OpenArchive(formats+"npy/"+name+".npz", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		x, err := a.Array("x")
		if v, verr := array.Values[int64](x.AsContiguous()); err != nil || verr != nil || !slices.Equal(v, []int64{0, 1, 2}) {
			t.Errorf("%s: x is %v, %v, %v", name, v, err, verr)
		}
		formattest.Streams(t, a, "x", x)
		if _, err := a.Array("nothing"); err == nil || !strings.Contains(err.Error(), "nothing") {
			t.Errorf("no such array: %v", err)
		}
		if err := a.Refused(); err != nil {
			t.Error(err)
		}
	}
}

// matrix are specs for round trips.
func matrix(t testing.TB) []array.Array {
	var list []array.Array
	for _, dtype := range []string{"?", "|i1", "<f4", ">f8", "<c16", "|S5", ">U3", "<M8[25s]", "|V3", "[('a', '<i4'), ('', '|V4'), ('b', '>f8', (2,))]", "[('ф', '|u1')]"} {
		for _, shape := range [][]int{{}, {0}, {1}, {7}, {0, 3}, {3, 0}, {5, 3}, {2, 3, 4, 2}} {
			list = append(list, rowsOf(t, dtype, shape, 0))
		}
	}
	return list
}

func TestWriter(t *testing.T) {
	dir := t.TempDir()
	for _, zipped := range []bool{false, true} {
		for _, unknown := range []bool{false, true} {
			for _, compress := range []bool{false, true} {
				if compress && !zipped {
					continue
				}
				var w *npy.Writer
				var err error
				if zipped {
					if w, err = npy.CreateZip(filepath.Join(dir, "x.npz"), &npy.CreateOptions{Overwrite: true, Compress: compress}); err != nil {
						t.Fatal(err)
					}
				}
				for i, a := range matrix(t) {
					if !zipped {
						if w, err = npy.Create(filepath.Join(dir, fmt.Sprint("x", i, ".npy")), &npy.CreateOptions{Overwrite: true}); err != nil {
							t.Fatal(err)
						}
					}
					m := array.Member{Name: fmt.Sprint("x", i), Spec: array.Spec{DType: a.DType, Shape: slices.Clone(a.Shape)}, Fortran: i%2 == 0}
					if unknown && len(a.Shape) > 0 {
						m.Spec.Shape[0] = -1
					}
					s, err := w.Add(m)
					if err != nil {
						t.Fatal(err)
					}
					write(t, s, a)
					if err := errors.Join(s.Close(), s.Close()); err != nil {
						t.Fatal(err)
					}
					if !zipped {
						if err := w.Close(); err != nil {
							t.Fatal(err)
						}
						check(t, filepath.Join(dir, fmt.Sprint("x", i, ".npy")), "", a)
					}
				}
				if zipped {
					if err := w.Close(); err != nil {
						t.Fatal(err)
					}
					for i, a := range matrix(t) {
						check(t, filepath.Join(dir, "x.npz"), fmt.Sprint("x", i), a)
					}
				}
				w.Abort()
			}
		}
	}
	list, _ := filepath.Glob(filepath.Join(dir, "*partial*"))
	if len(list) > 0 {
		t.Errorf("left: %v", list)
	}
}

// write gives rows to a sink, two at a time.
func write(t *testing.T, s array.Sink, a array.Array) {
	t.Helper()
	if len(a.Shape) == 0 {
		if err := s.Write(a); err != nil {
			t.Fatal(err)
		}
		return
	}
	for lo := 0; lo < a.Shape[0]; lo += 2 {
		if err := s.Write(a.Strided().Slice(0, lo, min(lo+2, a.Shape[0]), 1).AsContiguous()); err != nil {
			t.Fatal(err)
		}
	}
}

func check(t *testing.T, path, name string, want array.Array) {
	t.Helper()
	f, err := npy.OpenArchive(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := f.Array(name)
	if err != nil || !got.Spec.Equal(want.Spec) || !bytes.Equal(got.AsContiguous().Data, want.Data) {
		t.Errorf("%s %q: %v, %v; want %v", path, name, got.Spec, err, want.Spec)
	}
	formattest.Streams(t, f, name, got)
}

func TestWriterRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.npy")
	if err := os.WriteFile(path, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := npy.Create(path, nil); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	rows := rowsOf(t, "<f4", []int{2, 3}, 0)
	for what, use := range map[string]func(w *npy.Writer) error{
		"nothing":       func(w *npy.Writer) error { return nil },
		"an open sink":  func(w *npy.Writer) error { _, err := w.Add(array.Member{Spec: rows.Spec}); return err },
		"too few rows":  func(w *npy.Writer) error { return add(w, array.Spec{DType: array.Float32, Shape: []int{3, 3}}, rows) },
		"too many rows": func(w *npy.Writer) error { return add(w, array.Spec{DType: array.Float32, Shape: []int{1, 3}}, rows) },
		"another type":  func(w *npy.Writer) error { return add(w, array.Spec{DType: array.Int32, Shape: []int{-1, 3}}, rows) },
		"a scalar":      func(w *npy.Writer) error { return add(w, array.Spec{DType: array.Float32}, rows) },
		"negative":      func(w *npy.Writer) error { return add(w, array.Spec{DType: array.Float32, Shape: []int{2, -1}}, rows) },
		"attributes":    func(w *npy.Writer) error { return w.SetAttrs(map[string]any{"a": 1}) },
		"two arrays":    func(w *npy.Writer) error { return errors.Join(add(w, rows.Spec, rows), add(w, rows.Spec, rows)) },
	} {
		w, err := npy.Create(path, &npy.CreateOptions{Overwrite: true})
		if err != nil {
			t.Fatal(err)
		}
		err = use(w)
		if err == nil {
			err = w.Close()
		}
		if err == nil {
			t.Errorf("%s: no error", what)
		}
		w.Abort()
		if b, _ := os.ReadFile(path); string(b) != "mine" {
			t.Errorf("%s: the file is %q", what, b)
		}
		if list, _ := os.ReadDir(dir); len(list) != 1 {
			t.Errorf("%s: %d files are left", what, len(list))
		}
	}
}

func add(w *npy.Writer, spec array.Spec, rows array.Array) error {
	s, err := w.Add(array.Member{Name: "x", Spec: spec})
	if err != nil {
		return err
	}
	return errors.Join(s.Write(rows), s.Close())
}

// TestZipCut cuts and damages archives: an error, and never another array.
func TestZipCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npz")
	for _, name := range []string{"a", "ac"} {
		whole, err := os.ReadFile(formats + "npy/" + name + ".npz")
		if err != nil {
			t.Fatal(err)
		}
		for n := range whole {
			if err := os.WriteFile(path, whole[:n], 0o666); err != nil {
				t.Fatal(err)
			}
			if a, err := npy.OpenArchive(path, nil); err == nil {
				a.Close()
				t.Fatalf("%s cut at %d was opened", name, n)
			}
		}
		for n := range whole { // no panic, whatever is wrong
			bad := bytes.Clone(whole)
			bad[n] ^= 0x55
			readAll(path, bad)
		}
	}
}

// readAll reads whatever it can.
func readAll(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o666); err != nil {
		return err
	}
	a, err := npy.OpenArchive(path, &npy.OpenOptions{MaxInflated: 1 << 20})
	if err != nil {
		return err
	}
	defer a.Close()
	for _, m := range a.Members() {
		if _, err = a.Array(m.Name); err != nil {
			continue
		}
		s, serr := a.Stream(m.Name, 1<<16)
		if serr != nil {
			return serr
		}
		for serr == nil {
			_, serr = s.Next()
		}
		s.Close()
	}
	return err
}

// zipOf makes an archive of one entry with the sizes that it is told.
func zipOf(name string, method uint16, content []byte, size uint64) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, _ := w.CreateRaw(&zip.FileHeader{Name: name, Method: method, CRC32: crc32.ChecksumIEEE(content), CompressedSize64: uint64(len(content)), UncompressedSize64: size})
	f.Write(content)
	w.Close()
	return b.Bytes()
}

func TestZipRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npz")
	good := read(t, "f4")
	for _, tt := range []struct {
		what    string
		content []byte
		want    string
	}{
		{"a lie of a size", zipOf("x.npy", zip.Deflate, good, 1<<40), "deflate can't do"},
		{"another method", zipOf("x.npy", 12, good, uint64(len(good))), "compression 12"},
		{"stored sizes that differ", zipOf("x.npy", zip.Store, good, 9), "9 bytes stored"},
		{"a size beside the header's", zipOf("x.npy", zip.Store, append(good, 0), uint64(len(good)+1)), "25 bytes of data"},
		{"objects", zipOf("x.npy", zip.Store, read(t, "object_pickle"), uint64(len(read(t, "object_pickle")))), "Python objects"},
		{"no .npy", zipOf("x.npy", zip.Store, []byte("hello hello hello"), 17), "begins with"},
	} {
		if err := os.WriteFile(path, tt.content, 0o666); err != nil {
			t.Fatal(err)
		}
		a, err := npy.OpenArchive(path, nil)
		if err == nil {
			err = a.Refused()
			if len(a.Members()) > 0 {
				t.Errorf("%s: %v", tt.what, a.Members())
			}
			if _, aerr := a.Array("x"); aerr == nil {
				t.Errorf("%s: Array gives no error", tt.what)
			}
			a.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), `"x"`) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v; want %q", tt.what, err, tt.want)
		}
	}
	if err := os.WriteFile(path, zipOf("notes.txt", zip.Store, []byte("x"), 1), 0o666); err != nil {
		t.Fatal(err)
	}
	if a, err := npy.OpenArchive(path, nil); err != nil || len(a.Members()) != 0 {
		t.Errorf("other entries: %v", err)
	} else {
		a.Close()
	}
}

// TestOverlap: two entries of the list that mean the same bytes.
func TestOverlap(t *testing.T) {
	one := read(t, "f4")
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range []string{"x.npy", "y.npy"} {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		f.Write(one)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	content := b.Bytes()
	// The second entry of the list begins where the first does.
	second := bytes.LastIndex(content, []byte("PK\x01\x02"))
	copy(content[second+42:second+46], []byte{0, 0, 0, 0})
	path := filepath.Join(t.TempDir(), "x.npz")
	if err := readAll(path, content); err == nil || !strings.Contains(err.Error(), "shares bytes") {
		t.Errorf("%v; want an error that says they share bytes", err)
	}
}

// TestBomb: a small archive of a large array is not inflated beyond the limit.
func TestBomb(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npz")
	w, err := npy.CreateZip(path, &npy.CreateOptions{Compress: true})
	if err != nil {
		t.Fatal(err)
	}
	spec := array.Spec{DType: array.Uint8, Shape: []int{64, 1 << 18}}
	s, err := w.Add(array.Member{Name: "zeros", Spec: spec})
	if err != nil {
		t.Fatal(err)
	}
	chunk, _ := array.New(array.Spec{DType: array.Uint8, Shape: []int{8, 1 << 18}}, make([]byte, 8<<18))
	for range 8 {
		if err := s.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	a, err := npy.OpenArchive(path, &npy.OpenOptions{MaxInflated: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.Array("zeros"); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("16 MiB with a limit of 1: %v", err)
	}
	st, err := a.Stream("zeros", 1<<18)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	n := 0
	for {
		part, err := st.Next()
		if err == io.EOF {
			break
		}
		if err != nil || len(part.Data) != 1<<18 {
			t.Fatal(part.Spec, err)
		}
		n++
	}
	if n != 64 {
		t.Errorf("%d chunks", n)
	}
}

func TestMap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	for _, fortran := range []bool{false, true} {
		m, err := npy.CreateMap(path, array.Spec{DType: array.Int32, Shape: []int{3, 2}}, fortran, fortran)
		if err != nil {
			t.Fatal(err)
		}
		a := m.Array()
		for i := range 3 {
			row := a.Row(i).Row(1)
			binary.LittleEndian.PutUint32(row.Data[row.Offset:], uint32(i+1))
		}
		if err := errors.Join(m.Flush(), m.Close(), m.Close()); err != nil {
			t.Fatal(err)
		}
		if m, err = npy.OpenMap(path); err != nil {
			t.Fatal(err)
		}
		got, err := array.Values[int32](m.Array().AsContiguous())
		if err != nil || !slices.Equal(got, []int32{0, 1, 0, 2, 0, 3}) || m.Array().IsFortran() != fortran {
			t.Errorf("%v, %v", got, err)
		}
		m.Close()
	}
	if _, err := npy.CreateMap(path, array.Spec{DType: array.Int32, Shape: []int{3, 2}}, false, false); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if _, err := npy.OpenMap(golden + "object_pickle.npy"); err == nil {
		t.Error("objects were mapped")
	}
}

// TestSparse: arrays beyond 2^31 bytes and elements.
func TestSparse(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files aren't sparse there unless asked")
	}
	path := filepath.Join(t.TempDir(), "x.npy")
	const rows = 5 << 29
	m, err := npy.CreateMap(path, array.Spec{DType: array.Uint8, Shape: []int{rows}}, false, false)
	if err != nil {
		t.Skip("no sparse files:", err)
	}
	m.Array().Data[rows-1] = 7
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := npy.OpenAppender(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Append(rowsOf(t, "|u1", []int{2}, 8)), a.Close()); err != nil {
		t.Fatal(err)
	}
	f, err := npy.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b := f.Array().Data; len(b) != rows+2 || !bytes.Equal(b[rows-1:], []byte{7, 8, 9}) {
		t.Errorf("%v ends in %v", f.Array().Spec, b[len(b)-3:])
	}
}

func FuzzArchive(f *testing.F) {
	names, err := filepath.Glob(formats + "npy/*")
	if err != nil || len(names) < 20 {
		f.Fatal(names, err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	path := filepath.Join(f.TempDir(), "x")
	f.Fuzz(func(t *testing.T, b []byte) { readAll(path, b) })
}

// TestErrorsTellWhere wants the byte of what is wrong.
func TestErrorsTellWhere(t *testing.T) {
	whole := formattest.Read(t, "npy/f4.npy") // 128 bytes of header, 24 of data
	with := func(off int, b string) []byte {
		c := bytes.Clone(whole)
		copy(c[off:], b)
		return c
	}
	for _, c := range []struct {
		name string
		file []byte
		off  int64
	}{
		{"another magic", with(0, "PYNUMP"), 0},
		{"a newer version", with(6, "\x04"), 6},
		{"a longer header", with(8, "\xff\xff"), int64(len(whole))},
		{"no dict", with(10, "["), 10},
		{"cut data", whole[:140], 140},
		{"more data", append(bytes.Clone(whole), 1, 2), int64(len(whole))},
		{"nothing", nil, 0},
	} {
		path := formattest.Put(t, "x.npy", c.file)
		_, err := npy.Open(path)
		_, err2 := npy.OpenArchive(path, nil)
		_, err3 := npy.OpenMap(path)
		for _, err := range []error{err, err2, err3} {
			var f *npy.FormatError
			if !errors.As(err, &f) || f.File != path || f.Offset != c.off {
				t.Errorf("%s: %v, want byte %d of %s", c.name, err, c.off, path)
			}
		}
	}
}

// TestZipFortran keeps the order of arrays in an archive.
func TestZipFortran(t *testing.T) {
	a := formattest.Of(t, []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 3, 2, 2)
	for _, compress := range []bool{false, true} {
		dir := t.TempDir()
		path := filepath.Join(dir, "x.npz")
		w, err := npy.CreateZip(path, &npy.CreateOptions{Compress: compress})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []array.Member{{Name: "c", Spec: a.Spec}, {Name: "f", Spec: a.Spec, Fortran: true}, {Name: "flat", Spec: array.Spec{DType: a.DType, Shape: []int{3, 1, 1}}, Fortran: true}} {
			s, err := w.Add(m)
			if err != nil {
				t.Fatal(err)
			}
			part := a.Strided()
			if m.Name == "flat" {
				part = part.Slice(1, 0, 1, 1).Slice(2, 0, 1, 1)
			}
			if err := errors.Join(array.Copy(s, array.StreamOf(part, 16), nil), s.Close()); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if list, _ := os.ReadDir(dir); len(list) != 1 {
			t.Errorf("left in the folder: %v", list)
		}
		f, err := npy.OpenArchive(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range f.Members() {
			if m.Fortran != (m.Name == "f") {
				t.Errorf("%q: Fortran %v", m.Name, m.Fortran)
			}
			if m.Name != "flat" {
				formattest.Streams(t, f, m.Name, a.Strided())
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	// An archive that is given up leaves nothing, what was put aside included.
	dir := t.TempDir()
	w, err := npy.CreateZip(filepath.Join(dir, "x.npz"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Add(array.Member{Name: "f", Spec: a.Spec, Fortran: true}); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Error(err)
	}
	if list, _ := os.ReadDir(dir); len(list) > 0 {
		t.Errorf("left in the folder: %v", list)
	}
}
