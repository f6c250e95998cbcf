// Command huge measures that a file's size costs nothing at the start and
// nothing a row later, and prints tables for docs/benchmarks.md:
//
//	go run ./benchmarks/huge --dir DIR
//
// It makes files of that many samples: one of a billion, sparse, so that it
// takes no room on the disk, to open and to take the first batches of; then two
// sparse ones of a hundred million and a million samples, and two with arrays
// in pages (44 bytes a sample), to load whole and compare. Every load is a
// process of its own, and large and small take turns. The first batches are
// taken with nothing of the file in the system's cache, and every value of them
// is checked.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/betongo/betongo/internal/term"
)

const prog = "huge"

const description = "Measure the start and the rate of loading from very large files."

type grammar struct {
	Rows    int    `default:"1000000000" help:"Samples of the file to start with (default 1,000,000,000)."`
	Many    int    `default:"100000000" help:"Samples of the large files to load whole (default 100,000,000); 0 leaves that out."`
	Few     int    `default:"1000000" help:"Samples of the small ones (default 1,000,000)."`
	Batch   int    `default:"256" help:"Samples of a batch at the start (default 256)."`
	Bulk    int    `default:"8192" help:"Samples of a batch when loading whole files (default 8,192)."`
	Workers int    `default:"2" help:"Workers (default 2)."`
	Rounds  int    `default:"3" help:"How often each thing is measured; the figures are medians (default 3)."`
	Orders  string `default:"sequential,keyed" help:"Orders, separated by commas: sequential, keyed, random (which keeps 4 bytes a sample)."`
	Dir     string `required:"" placeholder:"DIR" help:"Where the files are written; they stay there and are used again."`

	Load string `hidden:""` // JSON of a load: what a process of its own does
}

func main() { os.Exit(run(term.Context(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var g grammar
	k, code := term.Parse(prog, description, &g, args, stdout, stderr)
	if k == nil {
		return code
	}
	if g.Load != "" {
		return term.Fail(stderr, prog, answer(ctx, g.Load, stdout))
	}
	m := &measurer{grammar: g, stdout: stdout, stderr: stderr, run: inProcess}
	return term.Fail(stderr, prog, m.measure(ctx))
}

// answer does a load and prints its result.
func answer(ctx context.Context, text string, stdout io.Writer) error {
	var l load
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		return err
	}
	r, err := l.run(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(r)
}

// inProcess does a load in a process of its own.
func inProcess(ctx context.Context, l load) (r result, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	text, err := json.Marshal(l)
	if err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, self, "--dir", ".", "--load", string(text))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("load %s: %w\n%s", l.File, err, errs.Bytes())
	}
	return r, json.Unmarshal(out, &r)
}

// measurer makes the files and the tables.
type measurer struct {
	grammar
	stdout, stderr io.Writer
	run            func(ctx context.Context, l load) (result, error)
}

func (m *measurer) measure(ctx context.Context) error {
	if err := os.MkdirAll(m.Dir, 0o777); err != nil {
		return err
	}
	if err := m.start(ctx); err != nil {
		return err
	}
	if m.Many == 0 {
		return nil
	}
	fmt.Fprintln(m.stdout)
	return m.rate(ctx)
}

// file makes a file unless it is there.
func (m *measurer) file(kind string, n int) (string, error) {
	path := filepath.Join(m.Dir, fmt.Sprintf("%s-%d.beton", kind, n))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Fprintf(m.stderr, "%s: make %s\n", prog, path)
	if kind == "dense" {
		return path, writeDense(path, n)
	}
	return path, writeSparse(path, n)
}

// start measures how long the first batch of the largest file takes.
func (m *measurer) start(ctx context.Context) error {
	path, err := m.file("sparse", m.Rows)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(m.stdout, "%s samples, %s, %s on the disk\n\n", term.FormatCount(int64(m.Rows)), term.FormatSize(info.Size()), size(onDisk(path)))
	t := tabwriter.NewWriter(m.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "| order\t| open\t| loader.New\t| first batch\t| 100 batches\t| own memory\t| of the file\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for order := range strings.SplitSeq(m.Orders, ",") {
		var rs []result
		for range m.Rounds {
			r, err := m.run(ctx, load{File: path, Order: order, Batch: m.Batch, Workers: m.Workers, Batches: 100, Epochs: 1, Check: true})
			if err != nil {
				return err
			}
			rs = append(rs, r)
		}
		ms := func(of func(r result) float64) string { return fmt.Sprintf("%.2f ms", 1000*median(rs, of)) }
		fmt.Fprintf(t, "| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", order,
			ms(func(r result) float64 { return r.Open }), ms(func(r result) float64 { return r.New }),
			ms(func(r result) float64 { return r.First }), ms(func(r result) float64 { return r.Wall[0] }),
			size(int64(median(rs, func(r result) float64 { return float64(r.Own) }))),
			size(int64(median(rs, func(r result) float64 { return float64(r.Mapped) }))))
	}
	return t.Flush()
}

// rate measures what a row costs in large and small files, in turns. The first
// epoch of each, which brings the file into the system's cache, does not count.
func (m *measurer) rate(ctx context.Context) error {
	t := tabwriter.NewWriter(m.stdout, 0, 8, 2, ' ', 0)
	few, many := term.FormatCount(int64(m.Few)), term.FormatCount(int64(m.Many))
	fmt.Fprintf(t, "| rows\t| order\t| %s: wall, CPU a row\t| %s: wall, CPU a row\t| ratio of wall\t| of CPU\t| own memory\t|\n", few, many)
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, kind := range []string{"sparse", "dense"} {
		small, err := m.file(kind, m.Few)
		if err != nil {
			return err
		}
		large, err := m.file(kind, m.Many)
		if err != nil {
			return err
		}
		for order := range strings.SplitSeq(m.Orders, ",") {
			var smalls, larges []result
			for range m.Rounds {
				l := load{File: small, Order: order, Batch: m.Bulk, Workers: m.Workers, Epochs: 21}
				a, err := m.run(ctx, l)
				if err != nil {
					return err
				}
				l.File, l.Epochs = large, 2
				b, err := m.run(ctx, l)
				if err != nil {
					return err
				}
				smalls, larges = append(smalls, a), append(larges, b)
			}
			a, b := median(smalls, result.wall), median(larges, result.wall)
			c, d := median(smalls, result.cpu), median(larges, result.cpu)
			fmt.Fprintf(t, "| %s\t| %s\t| %.1f, %.1f ns\t| %.1f, %.1f ns\t| %.2f\t| %.2f\t| %s\t|\n", kind, order, a, c, b, d, b/a, d/c,
				size(int64(median(larges, func(r result) float64 { return float64(r.Own) }))))
		}
	}
	return t.Flush()
}

// wall is the median of the epochs after the first, in ns a row.
func (r result) wall() float64 { return 1e9 * middle(r.Wall[1:]) / float64(r.Rows) }

// cpu is likewise.
func (r result) cpu() float64 { return 1e9 * middle(r.CPU[1:]) / float64(r.Rows) }

func median(rs []result, of func(r result) float64) float64 {
	list := make([]float64, len(rs))
	for i, r := range rs {
		list[i] = of(r)
	}
	return middle(list)
}

func middle(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// size is a number of bytes, for reading.
func size(n int64) string {
	if n < 0 {
		return "?"
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
