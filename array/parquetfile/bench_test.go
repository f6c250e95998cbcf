package parquetfile_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/parquetfile"
	"github.com/betongo/betongo/internal/formattest"
)

const benchBytes = 64 << 20

func benchArray(b *testing.B, shape ...int) array.Array {
	b.Helper()
	a := formattest.Sample(b, array.Float32, shape...)
	return a
}

func BenchmarkWrite(b *testing.B) {
	for _, shape := range [][]int{{benchBytes / 4}, {benchBytes / 4 / 256, 256}} {
		a := benchArray(b, shape...)
		for _, opts := range []parquetfile.CreateOptions{{}, {NoStatistics: true}, {Compression: parquetfile.ZSTD}, {Compression: parquetfile.LZ4Raw}, {Dictionary: parquetfile.ForAll}, {PageVersion: 2}} {
			opts.Overwrite = true
			b.Run(fmt.Sprintf("dims=%d/codec=%s/stats=%v/dict=%d/v=%d", len(shape), opts.Compression, !opts.NoStatistics, opts.Dictionary, opts.PageVersion), func(b *testing.B) {
				path := filepath.Join(b.TempDir(), "x.parquet")
				b.SetBytes(benchBytes)
				for b.Loop() {
					if err := parquetfile.Save(path, []array.Member{{Name: "a", Spec: a.Spec}}, []array.Strided{a.Strided()}, nil, &opts); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for _, shape := range [][]int{{benchBytes / 4}, {benchBytes / 4 / 256, 256}} {
		a := benchArray(b, shape...)
		for _, c := range []parquetfile.Compression{parquetfile.None, parquetfile.ZSTD, parquetfile.LZ4Raw} {
			b.Run(fmt.Sprintf("dims=%d/codec=%s", len(shape), c), func(b *testing.B) {
				path := filepath.Join(b.TempDir(), "x.parquet")
				if err := parquetfile.Save(path, []array.Member{{Name: "a", Spec: a.Spec}}, []array.Strided{a.Strided()}, nil, &parquetfile.CreateOptions{Compression: c}); err != nil {
					b.Fatal(err)
				}
				f := open(b, path, nil)
				b.SetBytes(benchBytes)
				for b.Loop() {
					s, err := f.Stream("a", 0)
					if err != nil {
						b.Fatal(err)
					}
					n := 0
					for {
						x, err := s.Next()
						if err != nil {
							break
						}
						n += len(x.Data)
					}
					if n != benchBytes {
						b.Fatal(n)
					}
				}
			})
		}
	}
}
