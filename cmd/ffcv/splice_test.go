package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/source"
)

func TestParseSlice(t *testing.T) {
	list := []string{"", "0", "1", "2", "5", "6", "7", "9", "-1", "-2", "-6", "-7", "-20", "9223372036854775807", "-9223372036854775808"}
	for _, n := range []int{0, 1, 6} {
		for _, a := range list {
			for _, b := range list {
				for _, step := range append(list, "3", "-3") {
					if step == "0" {
						continue
					}
					r, err := parseSlice(a+":"+b+":"+step, n)
					if err != nil {
						t.Fatal(err)
					}
					var got []int
					for i := range r.Count {
						got = append(got, r.First+i*r.Step)
					}
					if want := slice(n, a, b, step); !slices.Equal(got, want) {
						t.Fatalf("%s:%s:%s of %d: %+v, %d, want %d", a, b, step, n, r, got, want)
					}
				}
			}
		}
	}
	for _, bad := range []string{"1", "1:2:0", "a:", ":b", "::c", "1:2:3:4", "99999999999999999999:"} {
		if _, err := parseSlice(bad, 5); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// slice is Python's slice of range(n), one index after another.
func slice(n int, a, b, step string) (list []int) {
	by := 1
	if step != "" {
		by, _ = strconv.Atoi(step)
	}
	bound := func(text string, without int) int {
		if text == "" {
			return without
		}
		i, _ := strconv.Atoi(text)
		if i < 0 {
			i += n
		}
		return i
	}
	if by > 0 {
		for i := max(bound(a, 0), 0); i < min(bound(b, n), n); i += by {
			list = append(list, i)
			if by > n {
				break
			}
		}
		return list
	}
	for i := min(bound(a, n-1), n-1); i > max(bound(b, -1), -1); i += by {
		list = append(list, i)
		if by < -n {
			break
		}
	}
	return list
}

// A folder, a table and arrays go into a file that is there.
func TestAppendAndAdd(t *testing.T) {
	photos := filepath.Join("..", "..", "testdata", "photos")
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	folder, err := source.OpenFolder(t.Context(), photos, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	specs := []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}, {Name: "label", Field: fields.Int{}}}
	w, err := ffcv.Create(path("a.beton"), specs, &ffcv.Options{Classes: folder.Classes()})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteDataset(t.Context(), folder, nil); err != nil {
		t.Fatal(err)
	}
	n := folder.Len()
	run := func(code int, args ...string) {
		t.Helper()
		if got, stdout, stderr := call(t, args...); got != code {
			t.Fatalf("%q: exit code %d, want %d: %s%s", args, got, code, stdout, stderr)
		}
	}
	run(0, "append", path("a.beton"), photos, "--in-place")
	run(0, "verify", path("a.beton"))
	f := ffcvtest.Map(t, path("a.beton"), nil)
	if f.Len() != 2*n || len(f.Classes()) != len(folder.Classes()) {
		t.Fatalf("%d samples, %d classes", f.Len(), len(f.Classes()))
	}
	for i := range n {
		a, err := f.Image(i, 0)
		if err != nil {
			t.Fatal(err)
		}
		b, err := f.Image(n+i, 0)
		if err != nil || string(a.Data) != string(b.Data) || string(a.Marks) != string(b.Marks) {
			t.Fatalf("image %d differs from image %d: %v", n+i, i, err)
		}
	}

	// A table with a picture that is missing.
	key, err := f.Key(0)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := filepath.Abs(filepath.Join(photos, filepath.FromSlash(key)))
	if err != nil {
		t.Fatal(err)
	}
	table := fmt.Sprintf("file,label\n%s,1\nabsent.jpg,0\n", picture)
	if err := os.WriteFile(path("t.csv"), []byte(table), 0o666); err != nil {
		t.Fatal(err)
	}
	run(1, "append", path("a.beton"), path("t.csv"), "-o", path("b.beton"), "--field", "image=rgb:column=file", "--allow-outside")
	run(0, "append", path("a.beton"), path("t.csv"), "-o", path("b.beton"), "--field", "image=rgb:column=file", "--on-error", "skip", "--allow-outside")
	run(0, "verify", path("b.beton"))
	if f := ffcvtest.Map(t, path("b.beton"), nil); f.Len() != 2*n+1 {
		t.Errorf("%d samples, want %d", f.Len(), 2*n+1)
	}
	run(1, "append", path("a.beton"), path("t.csv"), "-o", path("c.beton"))
	run(1, "append", path("a.beton"), path("t.csv"), "-o", path("c.beton"), "--field", "image=int")
	run(1, "append", path("a.beton"), path("t.csv"), "-o", path("c.beton"), "--field", "picture=rgb")
	run(2, "append", path("a.beton"), photos, "-o", path("c.beton"), "--field", "image=rgb")

	// Embeddings and numbers beside the pictures.
	for name, spec := range map[string]array.Spec{
		"emb.npy": {DType: array.Float32, Shape: []int{2 * n, 4}}, "few.npy": {DType: array.Float32, Shape: []int{n, 4}},
		"num.npy": {DType: array.Int64, Shape: []int{2 * n}}, "pick.npy": {DType: array.Int64, Shape: []int{2}},
	} {
		size, err := spec.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		out, err := os.Create(path(name))
		if err != nil {
			t.Fatal(err)
		}
		if err := npy.Write(out, array.Array{Spec: spec, Data: make([]byte, size)}); err != nil {
			t.Fatal(err)
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
	run(0, "add", path("a.beton"), "-o", path("d.beton"), "--field", "emb="+path("emb.npy"), "--field", "num="+path("num.npy"))
	run(0, "verify", path("d.beton"))
	run(1, "add", path("a.beton"), "-o", path("c.beton"), "--field", "emb="+path("few.npy"))
	run(0, "add", path("a.beton"), "-o", path("e.beton"), "--field", "emb="+path("d.beton")+":emb")
	run(0, "subset", path("d.beton"), "-o", path("f.beton"), "--indices", path("pick.npy"), "--class", folder.Classes()[0])
	run(1, "subset", path("d.beton"), "-o", path("c.beton"), "--indices", path("emb.npy"))
	if _, err := os.Stat(path("c.beton")); err == nil {
		t.Error("a run that failed left a file")
	}
}
