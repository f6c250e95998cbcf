package matfile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/matfile"
)

// again writes every array of a file into another, as its streams give them.
func again(t *testing.T, from, to string, opts *matfile.CreateOptions) {
	t.Helper()
	f, err := matfile.Open(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := matfile.Create(to, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for _, m := range f.Members() {
		if !bytes.HasPrefix([]byte(m.Name), []byte("a_")) && m.Name != "large" {
			continue // fields of the struct
		}
		s, err := w.Add(m)
		if err != nil {
			t.Fatal(err)
		}
		in, err := f.Stream(m.Name, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(array.Copy(s, in, nil), s.Close(), in.Close()); err != nil {
			t.Fatalf("%s: %v", m.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFortran: a file copied in Fortran order, from compressed variables and
// from such that aren't, has the bytes of the one that was written by rows.
func TestFortran(t *testing.T) {
	dir := t.TempDir()
	var arrays []named
	for _, n := range samples(t) {
		if k := n.a.DType.Kind(); !n.a.DType.IsStruct() && k != 'S' && k != 'U' {
			arrays = append(arrays, n)
		}
	}
	plain, packed, copied := filepath.Join(dir, "plain.mat"), filepath.Join(dir, "packed.mat"), filepath.Join(dir, "copied.mat")
	write(t, plain, nil, arrays)
	write(t, packed, &matfile.CreateOptions{Compress: true}, arrays)
	want, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{plain, packed} {
		again(t, from, copied, &matfile.CreateOptions{Overwrite: true})
		if got, err := os.ReadFile(copied); err != nil || !bytes.Equal(got, want) {
			t.Errorf("from %s: %d bytes, want %d like those written by rows; %v", filepath.Base(from), len(got), len(want), err)
		}
	}
	again(t, plain, copied, &matfile.CreateOptions{Overwrite: true, Compress: true})
	got, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := os.ReadFile(packed); err != nil || !bytes.Equal(got, want) {
		t.Errorf("compressed: %d bytes, want %d like those written by rows; %v", len(got), len(want), err)
	}
}

// TestFortranStreams: every numeric array of two dimensions or more comes in
// Fortran order, complex ones too.
func TestFortranStreams(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.mat")
	for _, compress := range []bool{false, true} {
		write(t, path, &matfile.CreateOptions{Overwrite: true, Compress: compress}, samples(t))
		f, err := matfile.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for _, m := range f.Members() {
			if m.Spec.Flat() || m.Spec.DType.Kind() == 'U' {
				continue
			}
			s, err := f.Stream(m.Name, 0)
			if err != nil {
				t.Fatal(err)
			}
			in, ok := s.(array.FortranStream)
			if !ok {
				t.Errorf("%s: no elements in Fortran order", m.Name)
				continue
			}
			elements, each := in.Fortran()
			if elements == nil {
				t.Errorf("%s: no elements in Fortran order", m.Name)
				continue
			}
			whole, err := f.Array(m.Name)
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			for rows, err := elements.Next(); err == nil; rows, err = elements.Next() {
				got = append(got, rows.Data...)
			}
			if !bytes.Equal(got, whole.AsFortran().Data) || each*m.Spec.Shape[0]*m.Spec.DType.ItemSize() != len(got) {
				t.Errorf("%s: %d bytes, %d elements a row", m.Name, len(got), each)
			}
			seen++
		}
		if seen < 30 {
			t.Errorf("%d arrays in Fortran order", seen)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
