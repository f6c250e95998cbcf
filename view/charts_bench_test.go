package view_test

import (
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
)

// BenchmarkSurvey looks at all of 100,000 samples' metadata.
func BenchmarkSurvey(b *testing.B) {
	path := ffcvtest.Write(b, []ffcv.FieldSpec{{Name: "label", Field: fields.Int{}}, {Name: "x", Field: fields.Float{}}, {Name: "text", Field: fields.Bytes{}}}, 100_000,
		func(i int) []any { return []any{i % 1000, float64(i), make([]byte, i%100)} }, &ffcv.Options{PageSize: ffcv.MinPageSize})
	a := ask(b, ffcvtest.Map(b, path, nil))
	for b.Loop() {
		if j := a.run("survey"); j.State != "done" {
			b.Fatal(j)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/sample")
}
