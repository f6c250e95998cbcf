package imagefile_test

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array/imagefile"
)

func BenchmarkWrite(b *testing.B) {
	for name, quality := range map[string]int{"png": 0, "jpeg": 90} {
		b.Run("format="+name, func(b *testing.B) {
			a := pixels(b, "u1", 8, 128, 128, 3)
			dir := filepath.Join(b.TempDir(), "out")
			b.SetBytes(int64(len(a.Data)))
			for range b.N {
				if err := write(b, dir, &imagefile.CreateOptions{Overwrite: true, Quality: quality}, a, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkStream(b *testing.B) {
	for name, quality := range map[string]int{"png": 0, "jpeg": 90} {
		b.Run("format="+name, func(b *testing.B) {
			a := pixels(b, "u1", 8, 128, 128, 3)
			dir := filepath.Join(b.TempDir(), "out")
			if err := write(b, dir, &imagefile.CreateOptions{Quality: quality}, a, nil); err != nil {
				b.Fatal(err)
			}
			f, err := imagefile.Open(dir, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			b.SetBytes(int64(len(a.Data)))
			for range b.N {
				s, err := f.Stream(imagefile.Folder, 0)
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
