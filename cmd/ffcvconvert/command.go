package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/convert"
	"github.com/betongo/betongo/internal/advice"
	"github.com/betongo/betongo/internal/complete"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/storeflag"
	"github.com/betongo/betongo/internal/term"
)

const prog = "ffcvconvert"

const description = "Convert arrays between file formats, .beton among them. Values, types and shapes stay as they are; what the output can't hold is an error, and what else doesn't go along is told."

// grammar is the command line.
type grammar struct {
	term.Talk
	In  string `arg:"" optional:"" complete:"file" help:"File or folder to read, or its URL."`
	Out string `arg:"" optional:"" complete:"file" help:"File or folder to write, or its URL; {name} in it stands for an array's name, and each array gets a file of its own."`

	List    bool `help:"Print the arrays of IN and write nothing."`
	Formats bool `help:"Print the formats and exit."`
	JSON    bool `name:"json" help:"Print JSON on standard output. It is an object a line for each array, then one for the file; with --formats one for each format."`

	Output string `short:"o" complete:"file" placeholder:"OUT" help:"What to write: a path or a URL. It is OUT, for those who are used to -o."`
	Force  bool   `aliases:"overwrite" help:"Replace what is there."`

	From string `complete:"format" placeholder:"FORMAT" help:"IN's format; by default what its first bytes or its extension tell."`
	To   string `complete:"format" placeholder:"FORMAT" help:"The format of what is written. By default what its extension tells."`

	Array  []string `sep:"none" placeholder:"NAME" help:"Convert this array; the flag repeats. Without it all are converted."`
	Rename []string `sep:"none" placeholder:"OLD=NEW" help:"Give an array another name; the flag repeats."`
	Skip   bool     `help:"Leave out arrays that can't be read, and tell which."`

	ToDtype string  `placeholder:"DTYPE" help:"Cast the elements, as NumPy's astype does: f2, float32, bfloat16, '>i4'."`
	Promote bool    `help:"Give scalars the shape (1,) where OUT has no scalars."`
	Fill    *string `placeholder:"VALUE" help:"What stands for missing values of Arrow's and Parquet's columns that have no NaN: a number, true, false, or text."`
	Decode  bool    `help:"Decode what is stored. JPEGs of a .beton become arrays of pixels."`

	Chunk       term.Size `default:"0" placeholder:"SIZE" help:"Bytes of an array in memory at a time; by default what is fastest, 1MiB or less."`
	Compression string    `placeholder:"CODEC[:LEVEL]" help:"What OUT is compressed with; --formats tells what there is."`
	RowGroup    int       `default:"0" placeholder:"N" help:"Rows stored together: Parquet's row groups, Arrow's batches, chunks of Zarr and HDF5."`
	ZarrFormat  int       `default:"3" enum:"2,3" placeholder:"2|3" help:"Version of a Zarr to write."`
	Shard       int       `default:"0" placeholder:"N" help:"Rows of chunks stored in one file of a Zarr of version 3; without it each chunk is one."`

	Dtype  string `placeholder:"DTYPE" group:"Raw elements, and text" help:"Type of the elements: '<f4', \"[('x', '<f4'), ('n', '<i8')]\". Text is float64 without it."`
	Shape  string `placeholder:"N,N,…" group:"Raw elements, and text" help:"Shape of the array; one number may be -1. Without it there is one dimension."`
	Offset int64  `default:"0" placeholder:"BYTES" group:"Raw elements, and text" help:"Bytes before the first element."`
	Count  int    `default:"-1" placeholder:"N" group:"Raw elements, and text" help:"Number of elements; without it all."`
	Order  string `name:"memory-order" aliases:"order" default:"C" enum:"C,F" placeholder:"C|F" group:"Raw elements, and text" help:"Order of the elements: C (rows, the default) or F (columns)."`
	Sep    string `placeholder:"TEXT" group:"Raw elements, and text" help:"The elements are text with this between them, as of tofile(sep=…)."`

	Format    string   `placeholder:"%FORMAT" group:"Raw elements, and text" help:"How numbers are written as text, by Python's %: '%.18e'. The default is the shortest that reads back the same."`
	Delimiter string   `placeholder:"TEXT" group:"Raw elements, and text" help:"What is between a table's columns."`
	SkipLines int      `default:"0" placeholder:"N" group:"Raw elements, and text" help:"Lines at a table's beginning that are passed over."`
	Header    []string `placeholder:"NAME,…" group:"Raw elements, and text" help:"Names of the columns to write."`
	NoHeader  bool     `group:"Raw elements, and text" help:"A table's first line is data; none is written."`

	storeflag.Flags
}

// Validate is called by the parser of the command line.
func (g *grammar) Validate() error {
	if g.Output != "" && g.Out == "" {
		g.Out, g.Output = g.Output, ""
	}
	switch {
	case g.Formats:
		return nil
	case g.Output != "":
		return fmt.Errorf("--output %s: OUT is %s already; expected one of them", g.Output, g.Out)
	case g.In == "":
		return errors.New("missing IN: the file or folder to read")
	case g.List && g.Out != "":
		return fmt.Errorf("--list writes nothing; OUT %s is not used", g.Out)
	case !g.List && g.Out == "":
		return errors.New("missing OUT: the file or folder to write, or --list")
	case g.RowGroup < 0:
		return fmt.Errorf("--row-group: %d; expected a number of rows", g.RowGroup)
	case g.Shard < 0:
		return fmt.Errorf("--shard: %d; expected a number of rows of chunks", g.Shard)
	case g.Shard > 0 && g.ZarrFormat == 2:
		return errors.New("--shard: version 2 of Zarr has no shards")
	case g.Chunk < 0:
		return fmt.Errorf("--chunk: %d; expected a number of bytes", g.Chunk)
	case g.Count == 0 || g.Count < -1:
		return fmt.Errorf("--count: %d; expected a number of elements above 0, or -1 for all", g.Count)
	case g.SkipLines < 0:
		return fmt.Errorf("--skip-lines: %d; expected a number of lines", g.SkipLines)
	}
	_, err := g.options()
	return err
}

// options are those of the conversion.
func (g *grammar) options() (*convert.Options, error) {
	o := &convert.Options{
		From: g.From, To: g.To, Arrays: g.Array, Skip: g.Skip, Promote: g.Promote, Decode: g.Decode,
		Chunk: int(g.Chunk), Compression: g.Compression, RowGroup: g.RowGroup, Overwrite: g.Force,
		Raw: convert.Raw{Offset: g.Offset, Count: g.Count, Fortran: g.Order == "F", Sep: g.Sep},
		Text: convert.Text{
			Delimiter: g.Delimiter, Skip: g.SkipLines, Header: g.Header, NoHeader: g.NoHeader, Format: g.Format,
		},
	}
	if g.Sep != "" {
		o.Raw.Format = g.Format
	}
	if g.ZarrFormat == 2 || g.Shard > 0 { // else the default
		o.Zarr = convert.Zarr{Version: g.ZarrFormat, Shard: g.Shard}
	}
	var err error
	if g.ToDtype != "" {
		if o.DType, err = array.ParseDType(g.ToDtype); err != nil {
			return nil, fmt.Errorf("--to-dtype: %w", err)
		}
	}
	if g.Dtype != "" {
		if o.Raw.DType, err = array.ParseDType(g.Dtype); err != nil {
			return nil, fmt.Errorf("--dtype: %w", err)
		}
		o.Text.DType = o.Raw.DType
	}
	if g.Shape != "" {
		if o.Raw.Shape, err = shape(g.Shape); err != nil {
			return nil, fmt.Errorf("--shape: %w", err)
		}
	}
	if g.Fill != nil {
		o.Fill = fill(*g.Fill)
	}
	for _, r := range g.Rename {
		old, name, ok := strings.Cut(r, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--rename: %q; expected OLD=NEW", r)
		}
		if o.Rename == nil {
			o.Rename = map[string]string{}
		}
		if _, ok := o.Rename[old]; ok {
			return nil, fmt.Errorf("--rename: %q is renamed twice", old)
		}
		o.Rename[old] = name
	}
	for i, name := range g.Array {
		if slices.Contains(g.Array[:i], name) {
			return nil, fmt.Errorf("--array: %q is named twice", name)
		}
	}
	return o, nil
}

// fill is a value for what is missing.
func fill(s string) any {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return f
	}
	switch s {
	case "true", "false":
		return s == "true"
	}
	return s
}

// shape reads "3,224,224", also with the brackets of Python's tuples.
func shape(s string) ([]int, error) {
	dims := []int{}
	free := false
	text := strings.TrimSuffix(strings.TrimSpace(strings.Trim(s, "() ")), ",")
	if text == "" {
		return dims, nil
	}
	for _, word := range strings.Split(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < -1 || n == -1 && free {
			return nil, fmt.Errorf("%q; expected numbers with commas between, one of which may be -1", s)
		}
		free = free || n == -1
		dims = append(dims, n)
	}
	return dims, nil
}

// run is the program: it returns the exit code. When ctx is done it stops and
// leaves no file.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	stdout, stderr = term.Safe(stdout), term.Safe(stderr)
	var g grammar
	switch {
	case len(args) > 0 && args[0] == complete.Ask:
		return term.Fail(stderr, prog, answer(stdout, args[1:]))
	case len(args) == 2 && args[0] == "completion": // a file of that name is ./completion
		if text, err := complete.Script(args[1], prog); err == nil {
			_, err = io.WriteString(stdout, text)
			return term.Fail(stderr, prog, err)
		}
	}
	pages := manual()
	k, code := term.Parse(prog, description, &g, args, stdout, stderr, pages)
	if k == nil {
		return code
	}
	j := job{g: &g, stdout: stdout, stderr: stderr}
	err := mmap.Guard(func() error { return j.do(ctx) })
	return term.Fail(stderr, prog, pages.Advised(k, advice.Of(advise(err))))
}

// advise adds what the person at the terminal may do.
func advise(err error) error {
	var dtype *convert.DTypeError
	var scalar *convert.ScalarError
	var several *convert.SeveralError
	var unknown *convert.UnknownError
	var refused *convert.RefusedError
	switch {
	case err == nil || term.Hint(err) != "":
		return err
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted; nothing was written")
	case errors.As(err, &dtype) && dtype.Nearest.Valid():
		return term.WithHint(err, fmt.Sprintf("--to-dtype '%s' casts all arrays; --array chooses some", dtype.Nearest))
	case errors.As(err, &scalar):
		return term.WithHint(err, "--promote gives it the shape (1,); --array chooses others")
	case errors.As(err, &several):
		return term.WithHint(err, "--array NAME chooses one; with {name} in OUT each gets a file of its own")
	case errors.As(err, &unknown) && unknown.Out:
		return term.WithHint(err, "--to FORMAT names it; --formats lists all")
	case errors.As(err, &unknown):
		return term.WithHint(err, "--from FORMAT names it; --formats lists all")
	case errors.Is(err, convert.ErrNoDType):
		return term.WithHint(err, "--dtype tells it, --shape the shape")
	case errors.Is(err, convert.ErrJPEG):
		return term.WithHint(err, "--decode gives their pixels; --array chooses other fields")
	case errors.As(err, &refused):
		return term.WithHint(err, "--skip leaves such arrays out; --array chooses others")
	case strings.Contains(err.Error(), "OpenOptions.Fill"): // an error of Arrow's rooms, which have no type for it
		return term.WithHint(err, "--fill VALUE stands for what is missing; --array chooses other columns")
	case errors.Is(err, fs.ErrExist):
		return term.WithHint(err, "--force replaces it")
	}
	return err
}
