package parquetfile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/parquetfile"
	"github.com/betongo/betongo/internal/formattest"

	"github.com/apache/arrow-go/v18/parquet/file"
)

// TestStatistics: the least and the largest value are told, wherever they were,
// also by values that the library only borrows.
func TestStatistics(t *testing.T) {
	const rows = 200_000
	text := formattest.Sample(t, formattest.DType(t, "|S7"), rows)
	void := formattest.Sample(t, formattest.DType(t, "|V3"), rows)
	number := formattest.Sample(t, array.Int64, rows)
	first := func(a array.Array) (least, most []byte) {
		size := a.DType.ItemSize()
		least, most = a.Data[:size], a.Data[:size]
		for i := range rows {
			e := a.Data[i*size : (i+1)*size]
			if bytes.Compare(e, least) < 0 {
				least = e
			}
			if bytes.Compare(e, most) > 0 {
				most = e
			}
		}
		return bytes.TrimRight(least, "\x00"), bytes.TrimRight(most, "\x00")
	}
	path := filepath.Join(t.TempDir(), "x.parquet")
	members := []array.Member{{Name: "s", Spec: text.Spec}, {Name: "v", Spec: void.Spec}, {Name: "n", Spec: number.Spec}}
	if err := save(t, path, nil, members, []array.Array{text, void, number}); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := file.NewParquetReader(in)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i, a := range []array.Array{text, void, number} {
		c, err := r.RowGroup(0).MetaData().ColumnChunk(i)
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Statistics()
		if err != nil || s == nil || !s.HasMinMax() {
			t.Fatalf("column %d: %v: no statistics", i, err)
		}
		if i == 2 {
			continue
		}
		least, most := first(a)
		if !bytes.Equal(s.EncodeMin(), least) || !bytes.Equal(s.EncodeMax(), most) {
			t.Errorf("column %d: %x to %x, want %x to %x", i, s.EncodeMin(), s.EncodeMax(), least, most)
		}
	}
	if err := save(t, path, &parquetfile.CreateOptions{Overwrite: true, NoStatistics: true}, members, []array.Array{text, void, number}); err != nil {
		t.Fatal(err)
	}
}
