package arrowfile_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/arrowfile"
	"github.com/betongo/betongo/internal/formattest"
)

var goldens = filepath.Join("..", "..", "testdata", "formats", "arrow")

// files are the golden files that can be read.
func files(t testing.TB) []string { return formattest.Goldens(t, "arrow", 11, "v1.feather") }

// table is what tests of tables know of the format.
var table = formattest.Table{
	Path: "x.arrow",
	Open: func(path string, fill any) (formattest.TableFile, error) {
		return arrowfile.Open(path, &arrowfile.OpenOptions{Fill: fill})
	},
	Create: func(path string, o formattest.TableOptions) (formattest.TableWriter, error) {
		opts := arrowfile.CreateOptions{BatchRows: o.Rows}
		if o.Packed {
			opts.Compression = arrowfile.LZ4
		}
		return arrowfile.Create(path, &opts)
	},
	Parts: func(f formattest.TableFile) []int { return f.(*arrowfile.File).Batches() },
	Views: true,
}

// way is one of writing.
func way(opts arrowfile.CreateOptions) func(path string) (formattest.TableWriter, error) {
	return func(path string) (formattest.TableWriter, error) { return arrowfile.Create(path, &opts) }
}

func save(t testing.TB, path string, opts *arrowfile.CreateOptions, members []array.Member, arrays []array.Array) error {
	t.Helper()
	w, err := arrowfile.Create(path, opts)
	return formattest.Save(t, w, err, members, arrays, nil, 0)
}

func open(t testing.TB, path string, opts *arrowfile.OpenOptions) *arrowfile.File {
	t.Helper()
	f, err := arrowfile.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestGolden(t *testing.T) { table.Golden(t, files(t)) }

func TestTable(t *testing.T) {
	ways := formattest.Ways{}
	for _, opts := range []arrowfile.CreateOptions{{}, {Compression: arrowfile.ZSTD}, {Compression: arrowfile.LZ4}, {BatchRows: 3},
		{Layout: arrowfile.IsStream}, {Layout: arrowfile.IsStream, BatchRows: 40, Compression: arrowfile.LZ4}} {
		ways[fmt.Sprintf("%+v", opts)] = way(opts)
	}
	table.Test(t, ways)
}

// TestInteropWrite has pyarrow and pandas read what is written here.
func TestInteropWrite(t *testing.T) {
	formattest.InteropWrite(t, func(rows int) formattest.Ways {
		return formattest.Ways{
			"none.arrow":    way(arrowfile.CreateOptions{}),
			"zstd.feather":  way(arrowfile.CreateOptions{Compression: arrowfile.ZSTD}),
			"lz4.arrow":     way(arrowfile.CreateOptions{Compression: arrowfile.LZ4}),
			"batches.arrow": way(arrowfile.CreateOptions{BatchRows: 3 + rows/3}),
			"stream.arrows": way(arrowfile.CreateOptions{}),
			"many.arrows":   way(arrowfile.CreateOptions{BatchRows: 1 + rows/2, Compression: arrowfile.LZ4}),
		}
	})
}

// TestInteropRead reads what pyarrow writes in every way.
func TestInteropRead(t *testing.T) { table.InteropRead(t, "arrow", 3) }

func TestMissingValues(t *testing.T) {
	f := open(t, filepath.Join(goldens, "basic.arrow"), nil)
	_, err := f.Array("s")
	if err == nil || !strings.Contains(err.Error(), `array "s"`) || !strings.Contains(err.Error(), "row 0 of the batch has no value") {
		t.Errorf("got %v", err)
	}
}

func TestFeather1(t *testing.T) {
	_, err := arrowfile.Open(filepath.Join(goldens, "v1.feather"), nil)
	if err == nil || !strings.Contains(err.Error(), "Feather of version 1 is not supported") {
		t.Errorf("got %v", err)
	}
}

// TestDictionaries reads dictionaries that grow, and that another one follows.
func TestDictionaries(t *testing.T) {
	for _, test := range []struct{ file, d, n string }{
		{"dictionaries.arrows", "<U3(7,) a bb a ccc a x x", "<i4(7,) 20 -1 10 30 30 7 7"},
		{"deltas.arrow", "<U3(5,) a bb a ccc a", "<i4(5,) 20 -1 10 30 30"},
	} {
		f := open(t, filepath.Join("testdata", test.file), &arrowfile.OpenOptions{Fill: -1})
		for name, want := range map[string]string{"d": test.d, "n": test.n} {
			s, err := f.Stream(name, 8)
			if err != nil {
				t.Fatal(err)
			}
			a, err := formattest.Rows(t, s)
			if err != nil {
				t.Fatalf("%s: %v", test.file, err)
			}
			if got := formattest.Text(a.Strided()); got != want {
				t.Errorf("%s: %q: got %s, want %s", test.file, name, got, want)
			}
		}
	}
}

// TestFill: what stands for a missing value must fit the type.
func TestFill(t *testing.T) {
	path := filepath.Join("testdata", "deltas.arrow")
	for _, fill := range []any{nil, "-", 1 << 40, 0.5, true} {
		f := open(t, path, &arrowfile.OpenOptions{Fill: fill})
		if _, err := f.Array("n"); err == nil || !strings.Contains(err.Error(), "row 1 of the batch has no value") {
			t.Errorf("%v: got %v", fill, err)
		}
	}
	if _, err := arrowfile.Open(path, &arrowfile.OpenOptions{Fill: []int{1}}); err == nil {
		t.Error("filled with a list")
	}
}

func TestColumns(t *testing.T) {
	f := open(t, filepath.Join(goldens, "basic.arrow"), &arrowfile.OpenOptions{Columns: []string{"i", "lst", "vec"}})
	m := f.Members()
	if len(m) != 2 || m[0].Name != "i" || m[1].Name != "vec" || f.Refused() == nil {
		t.Errorf("got %v, refused %v", m, f.Refused())
	}
	if _, err := f.Array("f"); err == nil || !strings.Contains(err.Error(), `no array "f"`) {
		t.Errorf("got %v", err)
	}
}

func TestMaxText(t *testing.T) {
	f := open(t, filepath.Join(goldens, "basic.arrow"), &arrowfile.OpenOptions{MaxText: 1})
	_, err := f.Array("bin")
	if err == nil || !strings.Contains(err.Error(), "OpenOptions.MaxText allows 1") {
		t.Errorf("got %v", err)
	}
}
