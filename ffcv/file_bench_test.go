package ffcv_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
)

// tableFile writes a file of n rows: an array of 32 float32 and a label.
func tableFile(b testing.TB, n int) string {
	row := make([]float32, 32)
	return write(b, []ffcv.FieldSpec{
		{Name: "x", Field: fields.NDArray{DType: array.Float32, Shape: []int{32}}},
		{Name: "label", Field: fields.Int{}},
	}, made{
		n:   n,
		at:  func(i int) []any { return []any{row, int64(i)} },
		key: func(i int) string { return fmt.Sprintf("rows/%07d", i) },
	}, nil, nil)
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{1000, 1000000} {
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			path := tableFile(b, n)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				f, err := ffcv.Open(path, nil)
				if err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
		})
	}
}

func BenchmarkAccess(b *testing.B) {
	const n = 1 << 17
	f := ffcvtest.Map(b, tableFile(b, n), nil)
	rng := rand.New(rand.NewPCG(1, 1))
	b.Run("Int", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			i := rng.IntN(n)
			if v, err := f.Int(i, 1); v != int64(i) || err != nil {
				b.Fatal(v, err)
			}
		}
	})
	b.Run("Array", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := f.Array(rng.IntN(n), 0); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Bytes", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			row, err := f.Metadata(rng.IntN(n))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := f.Bytes(0, binary.LittleEndian.Uint64(row), 128, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Find", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			i := rng.IntN(n)
			if got, ok, err := f.Find(fmt.Sprintf("rows/%07d", i)); got != i || !ok || err != nil {
				b.Fatal(got, ok, err)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	path := tableFile(b, 1<<17)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	f := ffcvtest.Map(b, path, nil)
	b.SetBytes(info.Size())
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if err := f.Verify(context.Background(), nil); err != nil {
			b.Fatal(err)
		}
	}
}

// What the loader's hot path uses allocates nothing over a map.
func TestAccessAllocates(t *testing.T) {
	f := ffcvtest.Map(t, tableFile(t, 1000), nil)
	i := 0
	if n := testing.AllocsPerRun(500, func() {
		i = (i + 7) % 1000
		row, err := f.Metadata(i)
		if err != nil {
			t.Fatal(err)
		}
		ptr := binary.LittleEndian.Uint64(row)
		if _, err := f.Bytes(i, ptr, 128, nil); err != nil {
			t.Fatal(err)
		}
		if size, err := f.RegionSize(i, 0, ptr); size != 128 || err != nil {
			t.Fatal(size, err)
		}
		if v, err := f.Int(i, 1); v != int64(i) || err != nil {
			t.Fatal(v, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a sample", n)
	}
}
