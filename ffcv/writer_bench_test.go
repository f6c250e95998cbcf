package ffcv_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// ready is a dataset of values made beforehand: what it costs is the writer's.
type ready struct {
	n      int
	values [][]any
}

func (r ready) Len() int { return r.n }

func (r ready) Sample(_ context.Context, i int) ([]any, string, error) {
	return r.values[i%len(r.values)], "", nil
}

// rows is n samples of a vector and a label.
func rows(n int) ([]ffcv.FieldSpec, ready) {
	spec := array.Spec{DType: array.Float32, Shape: []int{32}}
	r := ready{n: n}
	for i := range 1000 {
		r.values = append(r.values, []any{array.Array{Spec: spec, Data: golden.Input(i, 128)}, int64(i)})
	}
	return []ffcv.FieldSpec{{"x", fields.NDArray{DType: spec.DType, Shape: spec.Shape}}, {"label", fields.Int{}}}, r
}

// blobs is n samples of size bytes and a label.
func blobs(n, size int) ([]ffcv.FieldSpec, ready) {
	r := ready{n: n}
	for i := range 100 {
		r.values = append(r.values, []any{golden.Input(i, size), int64(i)})
	}
	return []ffcv.FieldSpec{{"data", fields.Bytes{}}, {"label", fields.Int{}}}, r
}

func BenchmarkWrite(b *testing.B) {
	for _, c := range []struct {
		name string
		make func() ([]ffcv.FieldSpec, ready)
	}{
		{"rows=f4[32]", func() ([]ffcv.FieldSpec, ready) { return rows(1_000_000) }},
		{"rows=57kB", func() ([]ffcv.FieldSpec, ready) { return blobs(10_000, 57_000) }},
	} {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/workers=%d", c.name, workers), func(b *testing.B) {
				specs, ds := c.make()
				path := filepath.Join(b.TempDir(), "x.beton")
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for b.Loop() {
					w, err := ffcv.Create(path, specs, &ffcv.Options{Workers: workers, Overwrite: true})
					if err != nil {
						b.Fatal(err)
					}
					if err := w.WriteDataset(b.Context(), ds, nil); err != nil {
						b.Fatal(err)
					}
					b.SetBytes(w.Stats().Bytes)
				}
				runtime.ReadMemStats(&after)
				n := float64(b.N) * float64(ds.n)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/row")
				b.ReportMetric(float64(after.Mallocs-before.Mallocs)/n, "allocs/row")
			})
		}
	}
}

// Nothing is allocated for each sample.
func TestWriteAllocates(t *testing.T) {
	allocs := func(n int) float64 {
		specs, ds := rows(n)
		path := filepath.Join(t.TempDir(), "x.beton")
		return testing.AllocsPerRun(2, func() {
			w, err := ffcv.Create(path, specs, &ffcv.Options{Workers: 1, Overwrite: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.WriteDataset(t.Context(), ds, nil); err != nil {
				t.Fatal(err)
			}
		})
	}
	const few, many = 10_000, 210_000
	if each := (allocs(many) - allocs(few)) / (many - few); each > 0.05 {
		t.Errorf("%.2f allocations a sample, want none", each)
	}
}
