package parquetfile_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/parquetfile"
	"github.com/betongo/betongo/internal/formattest"
)

var goldens = filepath.Join("..", "..", "testdata", "formats", "parquet")

// files are the golden files of one table.
func files(t testing.TB) []string {
	return formattest.Goldens(t, "parquet", 12, "numpack_style.parquet")
}

// table is what tests of tables know of the format.
var table = formattest.Table{
	Path: "x.parquet",
	Open: func(path string, fill any) (formattest.TableFile, error) {
		return parquetfile.Open(path, &parquetfile.OpenOptions{Fill: fill})
	},
	Create: func(path string, o formattest.TableOptions) (formattest.TableWriter, error) {
		opts := parquetfile.CreateOptions{RowGroupRows: o.Rows}
		if o.Packed {
			opts.Compression = parquetfile.LZ4Raw
		}
		return parquetfile.Create(path, &opts)
	},
	Parts: func(f formattest.TableFile) []int { return f.(*parquetfile.File).RowGroups() },
}

// way is one of writing.
func way(opts parquetfile.CreateOptions) func(path string) (formattest.TableWriter, error) {
	return func(path string) (formattest.TableWriter, error) { return parquetfile.Create(path, &opts) }
}

func save(t testing.TB, path string, opts *parquetfile.CreateOptions, members []array.Member, arrays []array.Array) error {
	t.Helper()
	w, err := parquetfile.Create(path, opts)
	return formattest.Save(t, w, err, members, arrays, nil, 0)
}

func open(t testing.TB, path string, opts *parquetfile.OpenOptions) *parquetfile.File {
	t.Helper()
	f, err := parquetfile.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestGolden(t *testing.T) { table.Golden(t, files(t)) }

func TestTable(t *testing.T) {
	ways := formattest.Ways{}
	for _, opts := range []parquetfile.CreateOptions{{}, {Compression: parquetfile.ZSTD}, {Compression: parquetfile.LZ4Raw, Dictionary: parquetfile.ForAll}, {RowGroupRows: 3, PageVersion: 2},
		{Compression: parquetfile.Snappy, RowGroupBytes: 1000, Dictionary: parquetfile.ForNone}, {Compression: parquetfile.Gzip, PageVersion: 2, NoStatistics: true}, {Compression: parquetfile.Brotli}} {
		ways[fmt.Sprintf("%+v", opts)] = way(opts)
	}
	table.Test(t, ways)
}

// TestInteropWrite has pyarrow and pandas read what is written here.
func TestInteropWrite(t *testing.T) {
	formattest.InteropWrite(t, func(rows int) formattest.Ways {
		return formattest.Ways{
			"none.parquet":   way(parquetfile.CreateOptions{}),
			"zstd.parquet":   way(parquetfile.CreateOptions{Compression: parquetfile.ZSTD, PageVersion: 2}),
			"lz4.parquet":    way(parquetfile.CreateOptions{Compression: parquetfile.LZ4Raw, Dictionary: parquetfile.ForAll}),
			"snappy.parquet": way(parquetfile.CreateOptions{Compression: parquetfile.Snappy, RowGroupRows: 3 + rows/3}),
			"gzip.parquet":   way(parquetfile.CreateOptions{Compression: parquetfile.Gzip, NoStatistics: true}),
			"brotli.parquet": way(parquetfile.CreateOptions{Compression: parquetfile.Brotli, Dictionary: parquetfile.ForNone}),
		}
	})
}

// TestInteropRead reads what pyarrow writes in every way.
func TestInteropRead(t *testing.T) { table.InteropRead(t, "parquet", -1) }

func TestMissingValues(t *testing.T) {
	f := open(t, filepath.Join(goldens, "basic_none.parquet"), nil)
	_, err := f.Array("s")
	if err == nil || !strings.Contains(err.Error(), `array "s": row 2 has no value`) {
		t.Errorf("got %v", err)
	}
}

func TestRowGroups(t *testing.T) {
	f := open(t, filepath.Join(goldens, "numpack_style.parquet"), nil)
	if got := f.RowGroups(); !slices.Equal(got, []int{40, 40, 20}) {
		t.Errorf("row groups of %v rows", got)
	}
	for _, m := range f.Members() {
		if m.Spec.String() != "<f4 (100,)" {
			t.Errorf("got %v", m)
		}
		s, err := f.Array(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		st, err := f.Stream(m.Name, 100)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := formattest.Rows(t, st); err != nil || string(a.Data) != string(s.Data) {
			t.Errorf("%q: %v: streamed values differ", m.Name, err)
		}
	}
}
