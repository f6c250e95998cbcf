package transform_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/betongo/betongo/rgb"
)

// scripted is a random source that gives Float64 the numbers k/2^53 it was told.
type scripted struct{ k []uint64 }

func (s *scripted) Uint64() uint64 {
	k := s.k[0]
	s.k = s.k[1:]
	return k
}

func readJSON(tb testing.TB, path string, v any) {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
}

// gradient is a raw picture whose pixels tell where they are.
func gradient(w, h int) rgb.Encoded {
	e := rgb.Encoded{Width: w, Height: h, Data: make([]byte, 3*w*h)}
	for i := range w * h {
		e.Data[3*i], e.Data[3*i+1], e.Data[3*i+2] = byte(i%w), byte(i/w), byte(i%w*5+i/w*3)
	}
	return e
}
