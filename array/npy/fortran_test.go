package npy_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/internal/formattest"
)

// TestFortranStays copies an array in Fortran order between files that have it
// so: the .npy is the same, byte by byte, whichever way it went.
func TestFortranStays(t *testing.T) {
	dir := t.TempDir()
	numbers := make([]int32, 5*30*2)
	for i := range numbers {
		numbers[i] = int32(i * i)
	}
	a := formattest.Of(t, numbers, 30, 5, 2)
	first := filepath.Join(dir, "x.npy")
	if err := npy.Save(first, a.Strided().AsFortran(), nil); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	stored, packed, last := filepath.Join(dir, "s.npz"), filepath.Join(dir, "p.npz"), filepath.Join(dir, "y.npy")
	for _, way := range [][]string{{first, last}, {first, stored, last}, {first, packed, last}} {
		for i := 1; i < len(way); i++ {
			copyFortran(t, way[i-1], way[i], way[i] == packed)
		}
		if got, err := os.ReadFile(last); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: %d bytes, want %d like those at the beginning; %v", way, len(got), len(want), err)
		}
	}
}

func copyFortran(t *testing.T, from, to string, compress bool) {
	t.Helper()
	f, err := npy.OpenArchive(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	create := npy.Create
	if filepath.Ext(to) == ".npz" {
		create = npy.CreateZip
	}
	w, err := create(to, &npy.CreateOptions{Overwrite: true, Compress: compress})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	m := f.Members()[0]
	if !m.Fortran {
		t.Fatalf("%s is in C order", from)
	}
	in, err := f.Stream(m.Name, 0)
	if err != nil {
		t.Fatal(err)
	}
	if m.Name == "" {
		m.Name = "x"
	}
	s, err := w.Add(m)
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	err = array.Copy(s, in, func(n int) error { rows += n; return nil })
	if err := errors.Join(err, s.Close(), in.Close(), w.Close()); err != nil || rows != m.Spec.Shape[0] {
		t.Fatalf("%s to %s: %d rows, %v", from, to, rows, err)
	}
}
