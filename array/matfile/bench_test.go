package matfile_test

import (
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/matfile"
)

func BenchmarkWrite(b *testing.B) {
	for _, compress := range []bool{false, true} {
		b.Run(fmt.Sprintf("compress=%v", compress), func(b *testing.B) {
			a := numbered(b, "f4", 4096, 512)
			path := filepath.Join(b.TempDir(), "a.mat")
			b.SetBytes(int64(len(a.Data)))
			for range b.N {
				w, err := matfile.Create(path, &matfile.CreateOptions{Overwrite: true, Compress: compress})
				if err != nil {
					b.Fatal(err)
				}
				s, err := w.Add(array.Member{Name: "a", Spec: a.Spec})
				if err != nil {
					b.Fatal(err)
				}
				if err := array.Copy(s, array.StreamOf(a.Strided(), 0), nil); err != nil {
					b.Fatal(err)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkStream(b *testing.B) {
	for _, compress := range []bool{false, true} {
		b.Run(fmt.Sprintf("compress=%v", compress), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "a.mat")
			a := numbered(b, "f4", 4096, 512)
			write(b, path, &matfile.CreateOptions{Compress: compress}, []named{{"a", a}})
			f, err := matfile.Open(path, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			b.SetBytes(int64(len(a.Data)))
			for range b.N {
				s, err := f.Stream("a", 0)
				for err == nil {
					_, err = s.Next()
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}
