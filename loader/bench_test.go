package loader_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// BenchmarkRows loads 1,000,000 rows of 136 bytes an iteration. ns/op divided
// by a million is the time a row; cpu/row is user and system time.
func BenchmarkRows(b *testing.B) {
	const n = 1_000_000
	path := ffcvtest.Write(b, []ffcv.FieldSpec{
		{Name: "x", Field: fields.NDArray{DType: array.Float32, Shape: []int{32}}},
		{Name: "y", Field: fields.Float{}},
	}, n, func(i int) []any {
		x := make([]float32, 32)
		for k := range x {
			x[k] = float32(i) + float32(k)/32
		}
		return []any{x, float64(i) / 10}
	}, &ffcv.Options{PageSize: 2 << 20})
	f := ffcvtest.Map(b, path, nil)
	for _, order := range []struct {
		name string
		loader.Order
	}{{"sequential", loader.Sequential}, {"random", loader.Random}, {"quasi", loader.QuasiRandom}} {
		for _, batch := range []int{256, 2048, 8192} {
			for _, workers := range []int{1, 2} {
				b.Run(fmt.Sprintf("order=%s/batch=%d/workers=%d", order.name, batch, workers), func(b *testing.B) {
					benchmarkEpochs(b, f, &loader.Options{BatchSize: batch, Order: order.Order, Workers: workers, Seed: 1})
				})
			}
		}
	}
}

func benchmarkEpochs(b *testing.B, f *ffcv.File, opts *loader.Options) {
	l, err := loader.New(f, opts)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime()
	for e := range b.N {
		for batch, err := range l.Epoch(context.Background(), e) {
			if err != nil {
				b.Fatal(err)
			}
			batch.Release()
		}
	}
	rows := float64(b.N) * float64(l.Samples())
	b.ReportMetric(float64(cpuTime()-before)/rows, "cpu-ns/row")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/rows, "ns/row")
	runtime.KeepAlive(f)
}

// BenchmarkBytes loads 50,000 values of 100 to 4,000 bytes an iteration.
func BenchmarkBytes(b *testing.B) {
	const n = 50_000
	noise := make([]byte, 4000)
	for i := range noise {
		noise[i] = byte(i * i >> 3)
	}
	specs := []ffcv.FieldSpec{{Name: "data", Field: fields.Bytes{}}, {Name: "label", Field: fields.Int{}}}
	path := ffcvtest.Write(b, specs, n, func(i int) []any { return []any{noise[:100+i*7919%3900], i} }, nil)
	f := ffcvtest.Map(b, path, nil)
	for _, order := range []struct {
		name string
		loader.Order
	}{{"sequential", loader.Sequential}, {"random", loader.Random}} {
		b.Run("order="+order.name, func(b *testing.B) {
			benchmarkEpochs(b, f, &loader.Options{BatchSize: 256, Order: order.Order, Workers: 2})
		})
	}
}

// BenchmarkImages decodes the goldens' images: what the loader adds to a
// decoder is in the allocations.
func BenchmarkImages(b *testing.B) {
	for _, c := range []struct {
		file string
		loader.Output
	}{
		{"cifar_like", loader.Output{Name: "image"}},
		{"rgb_jpg", loader.Output{Name: "image", Decoder: transform.CenterCrop{Width: 224, Height: 224}}},
		{"rgb_jpg", loader.Output{Name: "image", Decoder: loader.Raw{}}},
	} {
		b.Run(fmt.Sprintf("file=%s/decoder=%T", c.file, c.Decoder), func(b *testing.B) {
			f := open(b, c.file)
			benchmarkEpochs(b, f, &loader.Options{BatchSize: 8, Workers: 2, Outputs: []loader.Output{c.Output}})
		})
	}
}

// apart keeps a decoder from sharing a decode, at no other cost.
type apart struct{ loader.ImageDecoder }

// UsesMarks is a crop's.
func (apart) UsesMarks() bool { return true }

// BenchmarkMultiCrop makes two views of 224 and six of 96 pixels a side of each
// photograph of testdata, or of the file that BETON names: from one decode, or
// each from its own.
func BenchmarkMultiCrop(b *testing.B) {
	f := photoFile(b, true)
	if path := os.Getenv("BETON"); path != "" {
		f = ffcvtest.Map(b, path, nil)
	}
	for _, shared := range []bool{false, true} {
		b.Run(fmt.Sprintf("shared=%v", shared), func(b *testing.B) {
			outputs := []loader.Output{{Name: "image", Disabled: true}}
			for i := range 8 {
				d := transform.RandomResizedCrop{Width: 96, Height: 96, Scale: [2]float64{0.05, 0.4}}
				if i < 2 {
					d = transform.RandomResizedCrop{Width: 224, Height: 224, Scale: [2]float64{0.4, 1}}
				}
				o := loader.Output{Name: fmt.Sprintf("view%d", i), Field: "image", Decoder: d}
				if !shared {
					o.Decoder = apart{d}
				}
				outputs = append(outputs, o)
			}
			benchmarkEpochs(b, f, &loader.Options{BatchSize: 16, Workers: 1, Order: loader.Random, Outputs: outputs})
		})
	}
}
