package zarr

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// measured are rounded random walks, as measurements are: two bytes of four
// repeat themselves, two hardly.
func measured(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 0, 4*n)
	v := 0.0
	for range n {
		v += r.NormFloat64()
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(math.Round(v*10)/10)))
	}
	return b
}

func BenchmarkCodec(b *testing.B) {
	src := measured(1 << 20)
	for _, c := range []struct {
		name string
		codec
	}{
		{"zstd-0", zstdCodec{}}, {"zstd-1", zstdCodec{level: 1}}, {"gzip-1", gzipCodec{level: 1}}, {"lz4", lz4Codec{}},
		{"blosc-lz4", bloscCodec{packer: bloscLZ4, level: 5, shuffling: bloscShuffled, size: 4}},
		{"blosc-zstd", bloscCodec{packer: bloscZstd, level: 5, shuffling: bloscShuffled, size: 4}},
		{"shuffle4", shuffleCodec{4}}, {"shuffle8", shuffleCodec{8}}, {"shuffle2", shuffleCodec{2}},
	} {
		packed, err := c.encode(nil, src)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("codec=%s/do=encode", c.name), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			var dst []byte
			for range b.N {
				dst, _ = c.encode(dst[:0], src)
			}
			b.ReportMetric(float64(len(packed))/float64(len(src)), "packed")
		})
		b.Run(fmt.Sprintf("codec=%s/do=decode", c.name), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			dst := make([]byte, len(src))
			for range b.N {
				if _, err := c.decode(dst[:0], packed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
