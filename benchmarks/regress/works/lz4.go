package main

import (
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
)

var _ = register(
	work{name: "lz4-epoch", times: 50, prepare: func(p place) error { return write(p.file("lz4.beton"), packedSpecs(), packedSamples()) },
		begin: func(p place) (func() error, error) {
			return epochs(p.file("lz4.beton"), &loader.Options{BatchSize: 64})
		}},
	work{name: "lz4-write", times: 15, begin: func(p place) (func() error, error) {
		return writing(p.file("lz4-written.beton"), packedSpecs(), packedSamples()), nil
	}},
)

// packedSpecs are text and counts, compressed.
func packedSpecs() []ffcv.FieldSpec {
	return []ffcv.FieldSpec{{Name: "text", Field: fields.LZ4{Of: fields.Bytes{}}},
		{Name: "counts", Field: fields.LZ4{Of: fields.NDArray{DType: array.Int32, Shape: []int{1024}}}}}
}

func packedSamples() samples {
	var s samples
	for i := range 256 {
		words := strings.Repeat("the quick brown fox jumps over the lazy dog ", 20)
		counts := make([]int32, 1024)
		for k := range counts {
			counts[k] = int32(i + k%7)
		}
		s = append(s, []any{[]byte(words[i%40:] + string(noise(make([]byte, 200), uint64(i+1)))), counts})
	}
	return s
}
