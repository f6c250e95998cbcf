package hdf5_test

import (
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/hdf5"
)

// walk is 64 MiB that compress about by half: a random walk of small steps.
func walk() array.Array {
	values := make([]int32, 16<<20)
	seed, at := uint64(1), int32(0)
	for i := range values {
		seed = seed*6364136223846793005 + 1442695040888963407
		at += int32(seed>>56) - 128
		values[i] = at
	}
	a, err := array.Of(values, len(values)/256, 256)
	if err != nil {
		panic(err)
	}
	return a
}

func BenchmarkWrite(b *testing.B) {
	need(b)
	a := walk()
	for _, compression := range []string{"none", "gzip"} {
		b.Run("compression="+compression, func(b *testing.B) {
			b.SetBytes(int64(len(a.Data)))
			for range b.N {
				path := filepath.Join(b.TempDir(), "x.h5")
				if err := writeOne(path, a, compression); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func writeOne(path string, a array.Array, compression string) error {
	w, err := hdf5.Create(path, &hdf5.CreateOptions{Compression: compression, Overwrite: true})
	if err != nil {
		return err
	}
	s, err := w.Add(array.Member{Name: "x", Spec: a.Spec})
	if err != nil {
		return err
	}
	if err := array.Copy(s, array.StreamOf(a.Strided(), 0), nil); err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	return w.Close()
}

func BenchmarkStream(b *testing.B) {
	need(b)
	a := walk()
	for _, compression := range []string{"none", "gzip"} {
		path := filepath.Join(b.TempDir(), compression+".h5")
		if err := writeOne(path, a, compression); err != nil {
			b.Fatal(err)
		}
		b.Run("compression="+compression, func(b *testing.B) {
			b.SetBytes(int64(len(a.Data)))
			for range b.N {
				if err := readOne(path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func readOne(path string) error {
	f, err := hdf5.Open(path, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	s, err := f.Stream("x", 0)
	if err != nil {
		return err
	}
	defer s.Close()
	for n := 0; ; {
		rows, err := s.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("behind %d rows: %w", n, err)
		}
		n += rows.Shape[0]
	}
}
