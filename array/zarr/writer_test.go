package zarr_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/zarr"
	"github.com/betongo/betongo/internal/formattest"
)

// options are ways to write, each with every codec once.
func options() map[string]zarr.CreateOptions {
	all := map[string]zarr.CreateOptions{}
	for _, version := range []int{2, 3} {
		codecs := []zarr.Compression{{}, {Codec: "none"}, {Codec: "gzip", Level: 1}, {Codec: "zstd", Level: 1}, {Codec: "blosc", Packer: "zstd", Shuffle: "bitshuffle"},
			{Codec: "blosc", Packer: "lz4"}, {Codec: "blosc", Packer: "zlib", Shuffle: "noshuffle", Level: 9}}
		if version == 2 {
			codecs = append(codecs, zarr.Compression{Codec: "zlib"}, zarr.Compression{Codec: "lz4"})
		}
		for i, c := range codecs {
			o := zarr.CreateOptions{Version: version, Compression: c, Chunk: []int{0, 50, 200, 1 << 20}[i%4], Zip: i != 0 && i != 3, OmitEmpty: i%3 == 0}
			if version == 3 {
				o.ShardRows = i % 3 * 2
				o.Separator = []string{"", "."}[i%2]
			} else {
				o.Consolidate = i%2 == 0
				o.Separator = []string{"", "/"}[i%2]
			}
			all[fmt.Sprintf("v%d-%s-%s-%d", version, c.Codec, c.Packer, i)] = o
		}
	}
	return all
}

// samples are arrays of every type and of the shapes at the boundaries.
func samples(t *testing.T, version int) map[string]array.Array {
	t.Helper()
	list := map[string]array.Array{}
	add := func(name, dtype string, shape ...int) {
		d, err := array.ParseDType(dtype)
		if err != nil {
			t.Fatal(err)
		}
		spec := array.Spec{DType: d, Shape: shape}
		size, err := spec.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i * 7 / 3 % 100)
			if d.Kind() == 'b' {
				data[i] &= 1
			}
			if d.Kind() == 'U' {
				data[i] = 0
				if i%4 == 0 == (d.Order() == '<') && i%4 != 1 && i%4 != 2 {
					data[i] = byte('a' + i%13)
				}
			}
		}
		list[name], err = array.New(spec, data)
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, d := range []string{"?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16", ">i4", ">f8", "S5", "U3", "V6", "M8[ns]", "m8[25s]", "V300",
		"[('a', '<f4'), ('b', '<i8')]", "[('a', '>f4'), ('n', [('x', '>i2'), ('s', 'S3')])]"} {
		add(fmt.Sprintf("types/t%02d", i), d, 13, 2)
	}
	if version == 2 {
		add("types/mixed", "[('a', '>f4'), ('b', '<i8', (2, 3))]", 13)
	} else {
		add("types/bf16", "bfloat16", 13, 2)
	}
	for i, shape := range [][]int{{}, {0}, {1}, {0, 3}, {3, 0}, {100}, {7, 5, 6}, {1, 1000}, {40, 3, 1, 2}} {
		add(fmt.Sprintf("shapes/s%d", i), "f4", shape...)
	}
	zero := list["shapes/s5"]
	zero.Data = make([]byte, len(zero.Data))
	list["zeros"] = zero
	return list
}

// save writes arrays, in pieces of so many rows.
func save(t *testing.T, path string, opts zarr.CreateOptions, list map[string]array.Array, rows int, fortran, unknown bool) {
	t.Helper()
	w, err := zarr.Create(path, &opts)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := errors.Join(w.SetAttrs(map[string]any{"title": "ä", "n": 3, "f": 2.0}), w.AddGroup("lonely", map[string]any{"x": nil})); err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(list))
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		a := list[name]
		m := array.Member{Name: name, Spec: array.Spec{DType: a.DType, Shape: slices.Clone(a.Shape)}, Fortran: fortran, Attrs: map[string]any{"of": name}}
		if unknown && len(a.Shape) > 0 {
			m.Spec.Shape[0] = -1
		}
		s, err := w.Add(m)
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Shape) == 0 {
			err = s.Write(a)
		} else {
			for lo := 0; lo < a.Shape[0] && err == nil; lo += rows {
				part := a.Strided().Slice(0, lo, min(lo+rows, a.Shape[0]), 1)
				err = s.Write(part.AsContiguous())
			}
		}
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRoundTrip writes everything in every way and reads it back.
func TestRoundTrip(t *testing.T) {
	i := 0
	for name, o := range options() {
		list := samples(t, o.Version)
		path := filepath.Join(t.TempDir(), "store")
		i++
		save(t, path, o, list, []int{1, 3, 1000}[i%3], i%2 == 0, i%4 < 2)
		f := open(t, path)
		if len(f.Members()) != len(list) || f.Refused() != nil {
			t.Errorf("%s: %d arrays, want %d; %v", name, len(f.Members()), len(list), f.Refused())
		}
		if a := f.Attrs(); a["title"] != "ä" || a["n"] != int64(3) || a["f"] != 2.0 {
			t.Errorf("%s: attributes %v", name, a)
		}
		if g := f.Groups(); len(g) != 4 || g[1].Name != "lonely" || fmt.Sprint(g[1].Attrs) != "map[x:<nil>]" {
			t.Errorf("%s: groups %v", name, g)
		}
		for _, m := range f.Members() {
			want := list[m.Name]
			if !m.Spec.Equal(want.Spec) || m.Attrs["of"] != m.Name {
				t.Errorf("%s: %+v, want %v", name, m, want.Spec)
				continue
			}
			got, err := f.Array(m.Name)
			if err != nil || !bytes.Equal(got.Data, want.Data) {
				t.Errorf("%s: %s: %v", name, m.Name, err)
			}
			formattest.Streams(t, f, m.Name, want.Strided())
		}
		// The same again gives the same bytes.
		if o.Zip {
			save(t, path+"2", o, list, 2, i%2 == 0, i%4 < 2)
			a, err := os.ReadFile(path)
			b, err2 := os.ReadFile(path + "2")
			if err := errors.Join(err, err2); err != nil || !bytes.Equal(a, b) {
				t.Errorf("%s: not the same bytes: %v", name, err)
			}
		}
	}
}

// TestRootArray writes an array that is the whole store, and chunks of a shape
// that is asked for.
func TestRootArray(t *testing.T) {
	want := arange(t, 60, 10, 6)
	for _, version := range []int{2, 3} {
		path := filepath.Join(t.TempDir(), "a.zarr")
		o := zarr.CreateOptions{Version: version, Chunks: func(array.Member) []int { return []int{4, 4} }}
		w, err := zarr.Create(path, &o)
		if err != nil {
			t.Fatal(err)
		}
		s, err := w.Add(array.Member{Spec: want.Spec, Fortran: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Add(array.Member{Name: "b", Spec: want.Spec}); err == nil {
			t.Error("two sinks at a time")
		}
		if err := errors.Join(s.Write(want), s.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Add(array.Member{Name: "b", Spec: want.Spec}); err == nil {
			t.Error("an array below one")
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		f := open(t, path)
		info, err := f.Info("")
		if err != nil || !slices.Equal(info.Chunks, []int{4, 4}) || !f.Members()[0].Fortran {
			t.Errorf("%+v, %v", info, err)
		}
		got, err := f.Array("")
		if err != nil || !bytes.Equal(got.Data, want.Data) {
			t.Error(err)
		}
		if _, err := zarr.Create(path, &o); !errors.Is(err, fs.ErrExist) {
			t.Errorf("written over: %v", err)
		}
	}
}

// TestNothingLeft ends writers early, each in another way.
func TestNothingLeft(t *testing.T) {
	a := arange(t, 12, 4, 3)
	m := array.Member{Name: "a", Spec: a.Spec}
	short := array.Array{Spec: array.Spec{DType: a.DType, Shape: []int{3, 3}}, Data: a.Data[:36]}
	for name, end := range map[string]func(w *zarr.Writer) error{
		"abort":     func(w *zarr.Writer) error { return errors.Join(w.Abort(), errors.New("as wanted")) },
		"open sink": func(w *zarr.Writer) error { _, err := w.Add(m); return errors.Join(err, w.Close()) },
		"few rows": func(w *zarr.Writer) error {
			s, err := w.Add(m)
			return errors.Join(err, s.Write(short), s.Close(), w.Close())
		},
		"many rows": func(w *zarr.Writer) error {
			s, err := w.Add(m)
			return errors.Join(err, s.Write(a), s.Write(a), s.Close(), w.Close())
		},
		"other rows": func(w *zarr.Writer) error {
			s, err := w.Add(m)
			return errors.Join(err, s.Write(arange(t, 8, 4, 2)), s.Close(), w.Close())
		},
	} {
		for _, version := range []int{2, 3} {
			for _, zipped := range []bool{false, true} {
				dir := t.TempDir()
				w, err := zarr.Create(filepath.Join(dir, "s"), &zarr.CreateOptions{Version: version, Zip: zipped, ShardRows: version - 2, Chunk: 12})
				if err != nil {
					t.Fatal(err)
				}
				if err := end(w); err == nil {
					t.Errorf("%s: no error", name)
				}
				if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
					t.Errorf("%s: %v left, %v", name, list, err)
				}
				if _, err := w.Add(m); err == nil {
					t.Errorf("%s: Add behind the end", name)
				}
			}
		}
	}
}

// TestRefusedToWrite lists what a writer takes no part in.
func TestRefusedToWrite(t *testing.T) {
	dir := t.TempDir()
	for _, o := range []zarr.CreateOptions{{Version: 4}, {Version: 2, ShardRows: 1}, {Consolidate: true}, {Separator: ":"}, {Chunk: -1}, {ShardRows: -1},
		{Compression: zarr.Compression{Codec: "lzma"}}, {Compression: zarr.Compression{Codec: "lz4"}}, {Compression: zarr.Compression{Codec: "gzip", Level: 10}},
		{Compression: zarr.Compression{Codec: "zstd", Shuffle: "shuffle"}}, {Compression: zarr.Compression{Codec: "blosc", Packer: "snappy"}},
		{Compression: zarr.Compression{Codec: "blosc", Shuffle: "x"}}, {Compression: zarr.Compression{Codec: "blosc", Level: 10}}} {
		if _, err := zarr.Create(filepath.Join(dir, "s"), &o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	spec := arange(t, 4, 4).Spec
	for _, version := range []int{2, 3} {
		w, err := zarr.Create(filepath.Join(dir, fmt.Sprint("s", version)), &zarr.CreateOptions{Version: version})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abort()
		for _, name := range []string{"..", "a/../../b", "/a", "a/", "a//b", ".", "a\\b", "a/.zarray", "zarr.json", "a\x00"} {
			if _, err := w.Add(array.Member{Name: name, Spec: spec}); err == nil || !strings.Contains(err.Error(), "zarr: name") {
				t.Errorf("%q: %v", name, err)
			}
		}
		for _, d := range []string{"{'names': ['a'], 'formats': ['<f4'], 'offsets': [4], 'itemsize': 8}", "S0"} {
			dtype, err := array.ParseDType(d)
			if err != nil {
				t.Fatal(err)
			}
			var u *array.UnsupportedError
			if _, err := w.Add(array.Member{Name: "a", Spec: array.Spec{DType: dtype, Shape: []int{3}}}); !errors.As(err, &u) {
				t.Errorf("%s: %v", d, err)
			}
		}
		for _, shape := range [][]int{{-2}, {3, -1}, {1 << 40, 1 << 40}} {
			if _, err := w.Add(array.Member{Name: "a", Spec: array.Spec{DType: array.Int8, Shape: shape}}); err == nil {
				t.Errorf("%v: no error", shape)
			}
		}
		if _, err := w.Add(array.Member{Name: "a", Spec: spec, Attrs: map[string]any{"f": func() {}}}); err == nil {
			t.Error("a function as attribute")
		}
		s, err := w.Add(array.Member{Name: "a/b", Spec: spec})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Write(arange(t, 4, 4)), s.Close()); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a/b", "a", "a/b/c", ""} {
			if _, err := w.Add(array.Member{Name: name, Spec: spec}); err == nil {
				t.Errorf("%q: no error", name)
			}
		}
	}
}

// TestOverwriteFolder: what is no store is never replaced.
func TestOverwriteFolder(t *testing.T) {
	formattest.OverwriteFolder(t, "a.zarr", func(path string) error {
		w, err := zarr.Create(path, &zarr.CreateOptions{Overwrite: true})
		if err != nil {
			return err
		}
		defer w.Abort()
		x := formattest.Of(t, []int32{1, 2})
		s, err := w.Add(array.Member{Name: "x", Spec: x.Spec})
		if err == nil {
			err = array.Copy(s, array.StreamOf(x.Strided(), 0), nil)
		}
		if err == nil {
			err = s.Close()
		}
		if err == nil {
			err = w.Close()
		}
		return err
	})
}
