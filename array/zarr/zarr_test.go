package zarr_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/zarr"
	"github.com/betongo/betongo/internal/formattest"
)

const formats = "../../testdata/formats/"

// arange is the array of the goldens.
func arange(t *testing.T, n int, shape ...int) array.Array {
	t.Helper()
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i)
	}
	a, err := array.Of(v, shape...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestManifest reads every golden store.
func TestManifest(t *testing.T) {
	n := 0
	for name := range formattest.Manifest(t, "zarr") {
		n++
		f := open(t, formats+name)
		member, version := "", int(name[4]-'0')
		if strings.Contains(name, "group") {
			member = "a/b"
			if version == 3 && f.Attrs()["x"] != "y" || len(f.Groups()) != 2 {
				t.Errorf("%s: attributes %v, groups %v", name, f.Attrs(), f.Groups())
			}
		} else if m := f.Members()[0]; version == 2 && m.Attrs["a"] != int64(1) {
			t.Errorf("%s: attributes %v", name, m.Attrs)
		}
		want := arange(t, 60, 10, 6)
		f.Members()[0].Spec.Shape[0] = -1 // the caller's
		got, err := f.Array(member)
		if err != nil || !got.Spec.Equal(want.Spec) || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		info, err := f.Info(member)
		if err != nil || info.Version != version || (info.Shards != nil) != strings.Contains(name, "sharded") {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
		formattest.Streams(t, f, member, want.Strided())
	}
	if n < 12 {
		t.Errorf("only %d stores", n)
	}
}

func open(t *testing.T, path string) *zarr.File {
	t.Helper()
	f, err := zarr.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(f.Close(), f.Close()); err != nil {
			t.Error(err)
		}
	})
	return f
}

// want is what a peer says of an array.
type want struct {
	DType string
	Shape []int
	Data  []byte
}

// peer unpacks a store that the real library made, and what is in it.
func peer(t testing.TB, name string) (store string, wants map[string]array.Array) {
	t.Helper()
	dir := t.TempDir()
	z, err := zip.OpenReader("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	wants = map[string]array.Array{}
	data := map[string][]byte{}
	for _, e := range z.File {
		r, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		data[e.Name] = b
		if strings.HasPrefix(e.Name, "store/") {
			path := filepath.Join(dir, filepath.FromSlash(e.Name))
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, b, 0o666)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, b := range data {
		base, ok := strings.CutSuffix(name, ".json")
		if !ok || !strings.HasPrefix(name, "want/") {
			continue
		}
		var w want
		if err := json.Unmarshal(b, &w); err != nil {
			t.Fatal(err)
		}
		dtype, err := array.ParseDType(w.DType)
		if err != nil {
			t.Fatal(err)
		}
		a, err := array.New(array.Spec{DType: dtype, Shape: w.Shape}, data[base])
		if err != nil {
			t.Fatal(base, err)
		}
		wants[strings.TrimPrefix(base, "want/")] = a
	}
	if name == "peers2.zip" {
		wants["delta"] = formattest.Of(t, []int32{0, 1, 2, 3, 4, 5, 6, 7, 8}) // what its filter holds
	}
	return filepath.Join(dir, "store"), wants
}

// TestPeers reads what zarr 2.18 and zarr 3.4 wrote: every type, codec, order,
// fill value and layout.
func TestPeers(t *testing.T) {
	for _, name := range []string{"peers2.zip", "peers3.zip"} {
		store, wants := peer(t, name)
		f := open(t, store)
		if len(f.Members()) != len(wants) || len(wants) < 50 {
			t.Errorf("%s: %d arrays, want %d", name, len(f.Members()), len(wants))
		}
		for _, m := range f.Members() {
			w, ok := wants[m.Name]
			if !ok {
				t.Errorf("%s: array %q", name, m.Name)
				continue
			}
			got, err := f.Array(m.Name)
			if err != nil {
				t.Error(err)
				continue
			}
			if !got.Spec.Equal(w.Spec) || !bytes.Equal(got.Data, w.Data) {
				t.Errorf("%s: %s: %v, want %v\n%x\n%x", name, m.Name, got.Spec, w.Spec, got.Data, w.Data)
			}
			formattest.Streams(t, f, m.Name, w.Strided())
		}
		attrs := f.Attrs()
		if attrs["one"] != int64(1) || attrs["float"] != 1.0 || attrs["text"] != "ä\n" || fmt.Sprint(attrs["list"]) != "[1 <nil> true]" {
			t.Errorf("%s: attributes %v", name, attrs)
		}
		if nan, ok := attrs["nan"].(float64); name == "peers2.zip" && (!ok || !math.IsNaN(nan)) {
			t.Errorf("%s: attributes %v", name, attrs)
		}
		deep := slices.IndexFunc(f.Groups(), func(g zarr.Group) bool { return g.Name == "a/b" && g.Attrs["deep"] == "yes" })
		if deep < 0 {
			t.Errorf("%s: groups %v", name, f.Groups())
		}
		var dtype *array.UnsupportedError
		if _, err := f.Array("refused"); !errors.As(err, &dtype) || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: %v", name, err)
		}
		if f.Refused() == nil {
			t.Errorf("%s: nothing is refused", name)
		}
		if _, err := f.Array("missing"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestZip reads the same as ZIP files, stored and deflated.
func TestZip(t *testing.T) {
	for _, name := range []string{"peers2.zip", "peers3.zip"} {
		for _, method := range []uint16{zip.Store, zip.Deflate} {
			store, wants := peer(t, name)
			path := filepath.Join(t.TempDir(), "s.zip")
			out, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			z := zip.NewWriter(out)
			err = filepath.WalkDir(store, func(p string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				rel, _ := filepath.Rel(store, p)
				w, err := z.CreateHeader(&zip.FileHeader{Name: filepath.ToSlash(rel), Method: method})
				if err != nil {
					return err
				}
				b, err := os.ReadFile(p)
				w.Write(b)
				return err
			})
			if err := errors.Join(err, z.Close(), out.Close()); err != nil {
				t.Fatal(err)
			}
			f := open(t, path)
			if len(f.Members()) != len(wants) {
				t.Errorf("%s: %d arrays, want %d", name, len(f.Members()), len(wants))
			}
			for _, m := range f.Members() {
				got, err := f.Array(m.Name)
				if w := wants[m.Name]; err != nil || !bytes.Equal(got.Data, w.Data) {
					t.Errorf("%s: %s: %v", name, m.Name, err)
				}
			}
		}
	}
}
