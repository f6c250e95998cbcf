package loader_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
)

// BenchmarkPacked compares fields.LZ4 with the field alone: JSON texts of some
// 2 KiB, arrays of 64 KiB of tokens, counts and floats, and bytes that nothing
// compresses. cpu-µs/row is user and system time of the process, %stored what is
// kept of the values' bytes. Files are in memory, so what reading less saves is not in
// it.
func BenchmarkPacked(b *testing.B) {
	tokens := fields.NDArray{DType: array.Int32, Shape: []int{16384}}
	floats := fields.NDArray{DType: array.Float32, Shape: []int{16384}}
	for _, c := range []struct {
		what  string
		n     int
		field fields.Field
		value func(rng *rand.Rand) any
	}{
		{"json2k", 16_000, fields.JSON{}, func(rng *rand.Rand) any { return record(rng) }},
		{"text64k", 500, fields.Bytes{}, func(rng *rand.Rand) any {
			var text []byte
			for len(text) < 64<<10 {
				text = append(text, record(rng)...)
			}
			return text[:64<<10]
		}},
		{"tokens64k", 500, tokens, func(rng *rand.Rand) any {
			zipf := rand.NewZipf(rng, 1.1, 20, 49_999)
			v := make([]int32, 16384)
			for i := range v {
				v[i] = int32(zipf.Uint64())
			}
			return v
		}},
		{"mask64k", 500, fields.NDArray{DType: array.Uint8, Shape: []int{256, 256}}, func(rng *rand.Rand) any {
			v := make([]byte, 1<<16)
			r, x, y := 20+rng.IntN(60), rng.IntN(256), rng.IntN(256)
			for i := range v {
				if dx, dy := i%256-x, i/256-y; dx*dx+dy*dy < r*r {
					v[i] = byte(1 + rng.IntN(8)/7)
				}
			}
			return v
		}},
		{"floats64k", 500, floats, func(rng *rand.Rand) any {
			v := make([]float32, 16384)
			for i := range v {
				v[i] = float32(rng.NormFloat64())
			}
			return v
		}},
		{"noise64k", 500, fields.Bytes{}, func(rng *rand.Rand) any {
			v := make([]byte, 64<<10)
			for i := 0; i < len(v); i += 8 {
				binary.LittleEndian.PutUint64(v[i:], rng.Uint64())
			}
			return v
		}},
		{"noise2k", 16_000, fields.Bytes{}, func(rng *rand.Rand) any {
			v := make([]byte, 2<<10)
			for i := 0; i < len(v); i += 8 {
				binary.LittleEndian.PutUint64(v[i:], rng.Uint64())
			}
			return v
		}},
	} {
		rng := rand.New(rand.NewPCG(1, 2))
		values := make([]any, c.n)
		for i := range values {
			values[i] = c.value(rng)
		}
		for _, how := range []string{"plain", "lz4"} {
			field := c.field
			if how == "lz4" {
				field = fields.LZ4{Of: field}
			}
			b.Run(fmt.Sprintf("what=%s/work=write/how=%s", c.what, how), func(b *testing.B) { benchmarkPackedWrite(b, field, values) })
		}
		for _, work := range []string{"scan", "random", "get"} {
			for _, how := range []string{"plain", "lz4"} {
				field := c.field
				if how == "lz4" {
					field = fields.LZ4{Of: field}
				}
				f := ffcvtest.Map(b, ffcvtest.Write(b, []ffcv.FieldSpec{{Name: "x", Field: field}}, c.n, func(i int) []any { return []any{values[i]} }, nil), nil)
				b.Run(fmt.Sprintf("what=%s/work=%s/how=%s", c.what, work, how), func(b *testing.B) { benchmarkPackedRead(b, f, work) })
			}
		}
	}
}

// record is a JSON text of some 2 KiB, as of a crawl's row.
func record(rng *rand.Rand) json.RawMessage {
	words := bytes.Fields([]byte(`time year people way day man thing woman life child world school state family student group country
problem hand part place case week company system program question work government number night point home water room mother area money
story fact month lot right study book eye job word business issue side kind head house service friend father power hour game line end
member law car city community name president team minute idea kid body information back parent face others level office door health
person art war history party result change morning reason research girl guy moment air teacher force education`))
	b := fmt.Appendf(nil, `{"id": "%016x", "url": "https://example.org/%x/%d.html", "score": %.6f, "tags": [`, rng.Uint64(), rng.Uint32(), rng.IntN(1e6), rng.Float64())
	for i := range 5 {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = fmt.Appendf(b, "%q", words[rng.IntN(len(words))])
	}
	b = append(b, `], "text": "`...)
	for len(b) < 2000 {
		b = append(append(b, words[rng.IntN(len(words))]...), ' ')
	}
	return append(b, `"}`...)
}

func benchmarkPackedWrite(b *testing.B, field fields.Field, values []any) {
	path := filepath.Join(b.TempDir(), "x.beton")
	before := cpuTime()
	for b.Loop() {
		os.Remove(path)
		w, err := ffcv.Create(path, []ffcv.FieldSpec{{Name: "x", Field: field}}, &ffcv.Options{Workers: 1})
		if err == nil {
			err = w.WriteStream(b.Context(), func(yield func(ffcv.Sample, error) bool) {
				for _, v := range values {
					if !yield(ffcv.Sample{Values: []any{v}}, nil) {
						return
					}
				}
			}, nil)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpuTime()-before)/time.Microsecond)/float64(b.N*len(values)), "cpu-µs/row")
	f := ffcvtest.Map(b, path, nil)
	defer f.Close()
	var kept, whole float64
	for i := range f.Len() {
		row, err := f.Metadata(i)
		if err != nil {
			b.Fatal(err)
		}
		r, err := f.Fields()[0].Field.Regions(nil, row)
		if err != nil {
			b.Fatal(err)
		}
		kept += float64(r[0].Size)
		size := r[0].Size
		if p, ok := f.Fields()[0].Field.(fields.Packed); ok {
			size, _ = p.PlainSize(row)
		}
		whole += float64(size)
	}
	b.ReportMetric(100*kept/whole, "%stored")
}

func benchmarkPackedRead(b *testing.B, f *ffcv.File, work string) {
	opts := &loader.Options{BatchSize: 64, Workers: 1, Seed: 1}
	if work != "scan" {
		opts.Order = loader.Random
	}
	l := newLoader(b, f, opts)
	rng := rand.New(rand.NewPCG(3, 4))
	rows, epoch := 0, 0
	b.ResetTimer()
	before := cpuTime()
	for b.Loop() {
		if work == "get" {
			v, err := f.Value(rng.IntN(f.Len()), 0)
			if err != nil {
				b.Fatal(err)
			}
			touched = sum(v)
			rows++
			continue
		}
		for batch, err := range l.Epoch(b.Context(), epoch) {
			if err != nil {
				b.Fatal(err)
			}
			rows += batch.Len()
			batch.Release()
		}
		epoch++
	}
	b.ReportMetric(float64((cpuTime()-before)/time.Nanosecond)/1e3/float64(rows), "cpu-µs/row")
}

var touched byte

// sum reads a value, which may be in the file's own memory.
func sum(v any) (s byte) {
	data, ok := v.([]byte)
	switch v := v.(type) {
	case json.RawMessage:
		data = v
	case array.Array:
		data = v.Data
	default:
		if !ok {
			panic(v)
		}
	}
	for i := 0; i < len(data); i += 64 { // each line of the cache
		s += data[i]
	}
	return s
}
