package rgb_test

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"testing"

	"github.com/betongo/betongo/rgb"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// stored returns the pictures of one of FFCV's files, which are its first
// field.
func stored(name string) []rgb.Encoded {
	g := golden.Open(name)
	b, f := g.Bytes(), g.Fields[0]
	out := make([]rgb.Encoded, len(f.Mode))
	for i := range out {
		row := b[g.MetadataStart+int64(i*g.SampleItemsize):]
		ptr := binary.LittleEndian.Uint64(row[5:])
		out[i] = rgb.Encoded{JPEG: f.Mode[i] == 0, Width: f.Width[i], Height: f.Height[i], Data: b[ptr:][:f.DataSize[i]]}
	}
	return out
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
