package dataset_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
)

// rowsFile writes rows [lo, hi) of 136 bytes.
func rowsFile(tb testing.TB, lo, hi int) string {
	return ffcvtest.Write(tb, []ffcv.FieldSpec{
		{Name: "x", Field: fields.NDArray{DType: array.Float32, Shape: []int{32}}},
		{Name: "y", Field: fields.Float{}},
	}, hi-lo, func(i int) []any {
		x := make([]float32, 32)
		for k := range x {
			x[k] = float32(lo+i) + float32(k)/32
		}
		return []any{x, float64(lo+i) / 10}
	}, &ffcv.Options{PageSize: 2 << 20})
}

// BenchmarkRows loads 1,000,000 rows of 136 bytes an iteration: of one file,
// and of composites that hold the same.
func BenchmarkRows(b *testing.B) {
	const n = 1_000_000
	one := ffcvtest.Map(b, rowsFile(b, 0, n), nil)
	var eight []dataset.Dataset
	for k := range 8 {
		eight = append(eight, ffcvtest.Map(b, rowsFile(b, k*n/8, (k+1)*n/8), nil))
	}
	must := func(ds dataset.Dataset, err error) dataset.Dataset {
		if err != nil {
			b.Fatal(err)
		}
		return ds
	}
	concat := must(dataset.NewConcat(eight...))
	x, y := must(dataset.NewSelect(concat, dataset.Field{Name: "x"})), must(dataset.NewSelect(one, dataset.Field{Name: "y"}))
	back := make([]int, n)
	for i := range back {
		back[i] = n - 1 - i
	}
	sets := []struct {
		name string
		dataset.Dataset
		loader.Order
	}{
		{"one", one, nil}, {"concat8", concat, nil},
		{"join", must(dataset.NewJoin(x, y)), nil},
		{"range", must(dataset.NewRange(concat, 0, n)), nil},
		{"subset", must(dataset.NewSubset(concat, back)), nil},
		{"mixture", concat, dataset.Mixture{Weights: []float64{1, 1, 1, 1, 1, 1, 1, 1}}},
	}
	for _, order := range []struct {
		name string
		loader.Order
	}{{"sequential", loader.Sequential}, {"random", loader.Random}} {
		for _, set := range sets {
			of := order.Order
			if set.Order != nil {
				of = set.Order
			}
			for _, batch := range []int{256, 2048} {
				b.Run(fmt.Sprintf("order=%s/set=%s/batch=%d", order.name, set.name, batch), func(b *testing.B) {
					l, err := loader.New(set.Dataset, &loader.Options{BatchSize: batch, Order: of, Workers: 1, Seed: 1})
					if err != nil {
						b.Fatal(err)
					}
					defer l.Close()
					b.ReportAllocs()
					cpu := cpuTime()
					for e := range b.N {
						for batch, err := range l.Epoch(context.Background(), e) {
							if err != nil {
								b.Fatal(err)
							}
							batch.Release()
						}
					}
					b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N)/n, "cpu-ns/row")
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
				})
			}
		}
	}
	runtime.KeepAlive(concat)
}

// BenchmarkOpen opens 1,000 files.
func BenchmarkOpen(b *testing.B) {
	dir := manyFiles(b, 1000)
	for b.Loop() {
		c, err := dataset.Open([]string{filepath.Join(dir, "*.beton")}, nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBytes loads 50,000 values of 100 to 4,000 bytes an iteration: of
// one file, and of eight.
func BenchmarkBytes(b *testing.B) {
	const n = 50_000
	noise := make([]byte, 4000)
	for i := range noise {
		noise[i] = byte(i * i >> 3)
	}
	part := func(lo, hi int) *ffcv.File {
		return ffcvtest.Map(b, ffcvtest.Write(b, []ffcv.FieldSpec{{Name: "data", Field: fields.Bytes{}}, {Name: "label", Field: fields.Int{}}}, hi-lo,
			func(i int) []any { return []any{noise[:100+(lo+i)*7919%3900], lo + i} }, nil), nil)
	}
	var eight []dataset.Dataset
	for k := range 8 {
		eight = append(eight, part(k*n/8, (k+1)*n/8))
	}
	concat, err := dataset.NewConcat(eight...)
	if err != nil {
		b.Fatal(err)
	}
	for _, order := range []struct {
		name string
		loader.Order
	}{{"sequential", loader.Sequential}, {"random", loader.Random}} {
		for _, set := range []struct {
			name string
			dataset.Dataset
		}{{"one", part(0, n)}, {"concat8", concat}} {
			b.Run("order="+order.name+"/set="+set.name, func(b *testing.B) {
				l, err := loader.New(set.Dataset, &loader.Options{Order: order.Order, Workers: 1})
				if err != nil {
					b.Fatal(err)
				}
				defer l.Close()
				cpu := cpuTime()
				for e := range b.N {
					for batch, err := range l.Epoch(context.Background(), e) {
						if err != nil {
							b.Fatal(err)
						}
						batch.Release()
					}
				}
				b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N)/n, "cpu-ns/value")
			})
		}
	}
}
