package view_test

import (
	"net/url"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
)

// BenchmarkSearch looks through 100,000 samples for one that isn't there.
func BenchmarkSearch(b *testing.B) {
	path := ffcvtest.Write(b, []ffcv.FieldSpec{{Name: "label", Field: fields.Int{}}, {Name: "x", Field: fields.Float{}}, {Name: "meta", Field: fields.JSON{}}}, 100_000,
		func(i int) []any {
			return []any{i % 1000, float64(i), fields.JSONText(`{"name": "a name of some length", "iso": 100, "tags": ["one", "two"]}`)}
		}, &ffcv.Options{PageSize: ffcv.MinPageSize})
	s := serve(b, ffcvtest.Map(b, path, nil), nil)
	for _, q := range []string{"label:-1", "x>1e9", "bytes>1GB", "nothing", "meta.iso>100", "meta.name~nothing"} {
		b.Run("q="+q, func(b *testing.B) {
			scanned := 0
			for b.Loop() {
				for at := "/api/samples?q=" + url.QueryEscape(q); ; {
					a := answer[found](s, at)
					if scanned += a.Scanned; a.Done {
						break
					}
					at = "/api/samples?q=" + url.QueryEscape(q) + "&cursor=" + *a.Cursor
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(scanned), "ns/sample")
		})
	}
}
