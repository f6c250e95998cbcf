package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/betongo/betongo/internal/term"
)

// part runs one part and puts its lines into the table.
func (r *runner) part(ctx context.Context, part string, g *grammar, t *table) error {
	var duels []duel
	var err error
	switch part {
	case "chain":
		duels, err = r.chain(ctx, int64(g.Bytes))
	case "columns":
		duels, err = r.columns(ctx, int64(g.Small))
	case "chunks":
		duels, err = r.chunks(ctx, int64(g.Small))
	case "text":
		duels, err = r.text(ctx, int64(g.Small)/32)
	case "matlab":
		duels, err = r.matlab(ctx, int64(g.Small))
	case "cast":
		duels = r.casts(int64(g.Small))
	case "append":
		duels = r.appends(g.Appends)
	}
	if err != nil {
		return err
	}
	for _, d := range duels {
		pairs, err := r.rounds(ctx, d, g.Rounds)
		if err != nil {
			return err
		}
		t.add(d, pairs)
	}
	return r.clear()
}

// clear removes a part's files, which all are called so.
func (r *runner) clear() error {
	names, err := filepath.Glob(filepath.Join(r.dir, "x*"))
	for _, name := range names {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	return err
}

func (r *runner) path(name string) string { return filepath.Join(r.dir, name) }

// make writes the .npy that a part begins with: rows of width numbers.
func (r *runner) make(ctx context.Context, name, dtype string, bytes int64, item, width int) error {
	rows := max(1, bytes/int64(item*width))
	_, err := r.run(ctx, duel{}, r.theirs("", "make", r.path(name), dtype, strconv.FormatInt(rows, 10), strconv.Itoa(width)))
	return err
}

// chain goes through the formats that are copied as they are.
func (r *runner) chain(ctx context.Context, bytes int64) ([]duel, error) {
	size := term.FormatSize(bytes)
	npy, npk, st, last := r.path("x.npy"), r.path("x.npk"), r.path("x.safetensors"), r.path("x2.npy")
	link := func(what, peer, verb, from, to string) duel {
		return duel{what: size + " " + what, from: from, out: to, cp: true, keep: to != last, drop: true,
			ours: r.converts(from, to), theirs: r.theirs(peer, verb, from, to)}
	}
	return []duel{
		link(".npy to .npk", "numpack.io", "npy_npk", npy, npk),
		link(".npk to SafeTensors", "numpack.io", "npk_safetensors", npk, st),
		link("SafeTensors to .npy", "safetensors, NumPy", "safetensors_npy", st, last),
	}, r.make(ctx, "x.npy", "<f4", bytes, 4, 1024)
}

// columns are Arrow's two formats.
func (r *runner) columns(ctx context.Context, bytes int64) ([]duel, error) {
	size := term.FormatSize(bytes)
	npy, back := r.path("x.npy"), r.path("x2.npy")
	arrow, snappy, zstd := r.path("x.arrow"), r.path("xs.parquet"), r.path("xz.parquet")
	duels := []duel{
		{what: size + " .npy to Arrow", from: npy, out: arrow, keep: true, ours: r.converts(npy, arrow), theirs: r.theirs("pyarrow", "npy_arrow", npy, arrow)},
		{what: size + " Arrow to .npy", from: arrow, out: back, ours: r.converts(arrow, back), theirs: r.theirs("pyarrow", "arrow_npy", arrow, back)},
	}
	for codec, file := range map[string]string{"snappy": snappy, "zstd": zstd} {
		duels = append(duels,
			duel{what: size + " .npy to Parquet, " + codec, from: npy, out: file, keep: true,
				ours: r.converts(npy, file, "--compression", codec), theirs: r.theirs("pyarrow", "npy_parquet", npy, file, codec)},
			duel{what: size + " Parquet, " + codec + ", to .npy", from: file, out: back, ours: r.converts(file, back), theirs: r.theirs("pyarrow", "parquet_npy", file, back)})
	}
	return duels, r.make(ctx, "x.npy", "<f4", bytes, 4, 64)
}

// chunks are Zarr and HDF5.
func (r *runner) chunks(ctx context.Context, bytes int64) ([]duel, error) {
	size := term.FormatSize(bytes)
	npy, back := r.path("x.npy"), r.path("x2.npy")
	var duels []duel
	for _, c := range []struct{ title, peer, verb, extension, codec, ours string }{
		{"Zarr", "zarr", "zarr", "zarr", "none", "none"}, {"Zarr", "zarr", "zarr", "zarr", "zstd", "zstd:3"},
		{"HDF5", "h5py", "hdf5", "h5", "none", "none"}, {"HDF5", "h5py", "hdf5", "h5", "gzip", "gzip:4"},
	} {
		file := r.path("x" + c.codec + "." + c.extension)
		duels = append(duels,
			duel{what: fmt.Sprintf("%s .npy to %s, %s", size, c.title, c.codec), from: npy, out: file, keep: true,
				ours: r.converts(npy, file, "--compression", c.ours), theirs: r.theirs(c.peer, "npy_"+c.verb, npy, file, c.codec)},
			duel{what: fmt.Sprintf("%s %s, %s, to .npy", size, c.title, c.codec), from: file, out: back,
				ours: r.converts(file, back), theirs: r.theirs(c.peer, c.verb+"_npy", file, back)})
	}
	return duels, r.make(ctx, "x.npy", "<f4", bytes, 4, 1024)
}

// text is CSV, beside NumPy's and pandas' readers and writers.
func (r *runner) text(ctx context.Context, bytes int64) ([]duel, error) {
	size := term.FormatSize(bytes)
	npy, csv, back := r.path("x.npy"), r.path("x.csv"), r.path("x2.npy")
	write, read := r.converts(npy, csv), r.converts(csv, back)
	return []duel{
		{what: size + " .npy to CSV", from: npy, out: csv, ours: write, theirs: r.theirs("savetxt", "npy_csv", npy, csv)},
		{what: size + " .npy to CSV", from: npy, out: csv, keep: true, ours: write, theirs: r.theirs("pandas", "npy_csv_pandas", npy, csv)},
		{what: size + " of CSV to .npy", from: csv, out: back, ours: read, theirs: r.theirs("loadtxt", "csv_npy", csv, back, "1")},
		{what: size + " of CSV to .npy", from: csv, out: back, ours: read, theirs: r.theirs("pandas", "csv_npy_pandas", csv, back)},
	}, r.make(ctx, "x.npy", "<f8", bytes, 8, 8)
}

func (r *runner) matlab(ctx context.Context, bytes int64) ([]duel, error) {
	size := term.FormatSize(bytes)
	npy, mat, back := r.path("x.npy"), r.path("x.mat"), r.path("x2.npy")
	return []duel{
		{what: size + " .npy to MATLAB", from: npy, out: mat, keep: true, ours: r.converts(npy, mat, "--rename", "x=array"), theirs: r.theirs("SciPy", "npy_mat", npy, mat)},
		{what: size + " MATLAB to .npy", from: mat, out: back, ours: r.converts(mat, back), theirs: r.theirs("SciPy", "mat_npy", mat, back)},
	}, r.make(ctx, "x.npy", "<f4", bytes, 4, 1024)
}

// castRounds is how often an array is cast in a run.
const castRounds = 5

// casts are NumPy's astype, in memory, of one thread.
func (r *runner) casts(bytes int64) []duel {
	var duels []duel
	for _, c := range []struct{ from, to string }{
		{"<f4", "<f2"}, {"<f2", "<f4"}, {"<f8", "<f4"}, {"<f4", "<f8"}, {"<i4", "<f4"}, {"<f4", "<i4"}, {"|u1", "<f4"}, {"<f4", "|u1"}, {"<i8", "<i4"}, {">f4", "<f4"}, {"<f8", "|b1"},
	} {
		n := strconv.FormatInt(bytes/8, 10)
		args := []string{c.from, c.to, n, strconv.Itoa(castRounds)}
		duels = append(duels, duel{what: fmt.Sprintf("%s numbers %s to %s", term.FormatCount(bytes/8), c.from, c.to),
			ours: r.works("cast", args...), theirs: r.theirs("NumPy", "cast", args...)})
	}
	return duels
}

// rowWidth is how many f4 an appended row has.
const rowWidth = 32

// appends are rows one by one, in Go and in Python.
func (r *runner) appends(n int) []duel {
	file := r.path("x.npy")
	var duels []duel
	for _, onClose := range []bool{false, true} {
		how := "header each time"
		if onClose {
			how = "header at the end"
		}
		args := []string{file, strconv.Itoa(n), strconv.Itoa(rowWidth), strconv.FormatBool(onClose)}
		python := r.theirs("", "append", append(args, "ours")...)
		python.env = []string{"PYTHONPATH=" + r.source}
		theirs := r.theirs("npy-append-array", "append", append(args, "theirs")...)
		what := fmt.Sprintf("%s rows f4[%d], %s", term.FormatCount(int64(n)), rowWidth, how)
		duels = append(duels,
			duel{what: what + ", Go", out: file, ours: r.works("append", args...), theirs: theirs},
			duel{what: what + ", Python", out: file, ours: python, theirs: theirs})
	}
	return duels
}
