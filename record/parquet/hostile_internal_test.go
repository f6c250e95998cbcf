package parquet

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/arrow"
	"github.com/betongo/betongo/internal/parquet"
)

// lying returns a file of one column of lists whose footer tells of rows, and of a
// shape, that nothing in it has.
func lying(t testing.TB, c Column, rows int64) []byte {
	t.Helper()
	f := c.field()
	pairs, err := pairs([]Column{c})
	if err != nil {
		t.Fatal(err)
	}
	l := newLeaves(&f, nil, 0, 0, nil)
	b := []byte(parquet.Magic + "nothing")
	foot := footer{fields: []arrow.Field{f}, leaves: l, pairs: pairs, rows: rows,
		groups: []group{{rows: rows, chunks: []chunk{{at: 4, size: 7, values: math.MaxInt64}}}}}
	text := foot.encode()
	b = append(b, text...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	return append(b, parquet.Magic...)
}

// Numbers of a footer that are not true take no memory.
func TestLying(t *testing.T) {
	for _, rows := range []int64{1, math.MaxInt64, 1 << 40} {
		c := Column{Name: "x", Kind: List, DType: array.Uint8, Shape: []int{1 << 14, 1 << 15}}
		b := lying(t, c, rows)
		r, err := NewReader(context.Background(), bytes.NewReader(b), int64(len(b)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Value(t.Context(), 0, 0); err == nil || !strings.Contains(err.Error(), "row 0") {
			t.Errorf("%d rows: got %v", rows, err)
		}
		r.Close()
	}
}
