// Interop writes .beton files of every kind and manifests of what they hold,
// and lets the real FFCV read them.
//
//	go run ./benchmarks/interop -dir /tmp/interop [-photos FOLDER] [-case REGEXP] [-python PYTHON]
//
// Each file NAME.beton gets a NAME.json that says what was put into it: the
// expectations come from the samples, not from the file. The check program is
// called as PYTHON check.py NAME.beton NAME.json FLAGS… in the folder of the
// files, and exits with 0 when FFCV reads what the manifest says. Files whose
// photographs are all encoded again are FFCV's own byte for byte: it writes them
// too, and both are compared. Without a Python the commands are printed.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// checkProgram proves a file by its manifest, with the real FFCV.
//
//go:embed check.py
var checkProgram []byte

// packedProgram is the class by which FFCV reads LZ4 fields.
//
//go:embed ffcv_lz4.py
var packedProgram []byte

const (
	checkName  = "check.py"
	packedName = "ffcv_lz4.py"
)

func main() {
	var r runner
	dir := flag.String("dir", "", "folder for the files (they stay there)")
	flag.StringVar(&r.photos, "photos", "", "folder of JPEG photographs, packed as they are")
	flag.StringVar(&r.python, "python", "", "Python that can import ffcv")
	only := flag.String("case", "", "regular expression: write only the files whose name it matches")
	flag.Parse()
	if err := r.run(*dir, *only); err != nil {
		fmt.Fprintln(os.Stderr, "interop: error:", err)
		os.Exit(1)
	}
}

// runner writes files and has them checked.
type runner struct {
	photos, python string
}

func (r *runner) run(dir, only string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	if dir == "" {
		return errors.New("no -dir")
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for name, program := range map[string][]byte{checkName: checkProgram, packedName: packedProgram, twinName: twinProgram} {
		if err := os.WriteFile(filepath.Join(dir, name), program, 0o666); err != nil {
			return err
		}
	}
	list := cases()
	if r.photos != "" {
		photos, err := photoCases(r.photos)
		if err != nil {
			return err
		}
		list = append(list, photos...)
	}
	failed, n := 0, 0
	for _, c := range list {
		if !match.MatchString(c.name) {
			continue
		}
		n++
		if err := c.write(dir); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if ok := r.prove(dir, c); !ok {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d files failed", failed, n)
	}
	fmt.Printf("%d files\n", n)
	return nil
}

// prove calls the check program and tells how it went.
func (r *runner) prove(dir string, c testCase) bool {
	if c.twin != nil {
		return r.proveTwin(dir, c)
	}
	args := append([]string{checkName, c.name + ".beton", c.name + ".json"}, c.flags...)
	if r.python == "" {
		fmt.Println("python", strings.Join(args, " "))
		return true
	}
	cmd := exec.Command(r.python, args...)
	cmd.Dir = dir
	start := time.Now()
	var noise strings.Builder // numba grumbles when it ends
	cmd.Stderr = &noise
	out, err := cmd.Output()
	fmt.Printf("%-16s %5.1fs  %s\n", c.name, time.Since(start).Seconds(), strings.TrimSpace(string(out)))
	if err != nil {
		fmt.Println(err, noise.String())
	}
	return err == nil
}

// testCase is one file.
type testCase struct {
	name    string
	columns []column
	n       int // samples of the source
	opts    ffcv.Options
	data    *ffcv.DatasetOptions
	stream  *ffcv.StreamOptions // instead of data
	bad     func(i int) bool    // samples of a stream that fail
	flags   []string            // for the check program
	twin    *twin               // instead: FFCV writes the same file
	make    splicing            // instead: the file is made out of others
}

// Len is the number of samples.
func (c *testCase) Len() int { return c.n }

// Sample returns the columns' values.
func (c *testCase) Sample(_ context.Context, i int) ([]any, string, error) {
	values := make([]any, len(c.columns))
	for k := range c.columns {
		values[k] = c.columns[k].value(i)
	}
	return values, fmt.Sprintf("part%d/%06d", i%7, i), nil
}

// write writes the file and its manifest.
func (c *testCase) write(dir string) error {
	specs := make([]ffcv.FieldSpec, len(c.columns))
	for k, col := range c.columns {
		specs[k] = ffcv.FieldSpec{Name: col.name, Field: col.field}
	}
	path := filepath.Join(dir, c.name+".beton")
	order, err := c.writeFile(dir, path, specs)
	if err != nil {
		return err
	}
	var list []map[string]any
	for _, col := range c.columns {
		list = append(list, col.expect(order))
	}
	b, err := json.Marshal(map[string]any{"num_samples": len(order), "fields": list})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, c.name+".json"), b, 0o666)
}

// writeFile writes the file and returns which sample each row should hold.
func (c *testCase) writeFile(dir, path string, specs []ffcv.FieldSpec) ([]int, error) {
	if c.make != nil {
		return c.splice(dir, path)
	}
	opts := c.opts
	opts.Overwrite = true
	w, err := ffcv.Create(path, specs, &opts)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	ctx := context.Background()
	if c.stream != nil {
		err = w.WriteStream(ctx, c.sequence, c.stream)
	} else {
		err = w.WriteDataset(ctx, c, c.data)
	}
	if err != nil {
		return nil, err
	}
	return c.order(path)
}

// sequence is the case as a stream.
func (c *testCase) sequence(yield func(ffcv.Sample, error) bool) {
	for i := range c.n {
		values, key, err := c.Sample(context.Background(), i)
		if c.bad != nil && c.bad(i) {
			err = errors.New("a sample that fails")
		}
		if !yield(ffcv.Sample{Values: values, Key: key}, err) {
			return
		}
	}
}

// order says which sample each row should hold. Only for a shuffled file, whose
// order is the writer's to choose, it asks the file, and checks that it is an
// order.
func (c *testCase) order(path string) ([]int, error) {
	var order []int
	for i := range c.n {
		if c.bad == nil || !c.bad(i) {
			order = append(order, i)
		}
	}
	if c.data != nil && c.data.Indices != nil {
		order = c.data.Indices
	}
	if c.data == nil || !c.data.Shuffle {
		return order, nil
	}
	custom := map[string]fields.Field{}
	for _, col := range c.columns {
		if col.field.TypeID() == fields.TypeCustom {
			custom[col.name] = col.field
		}
	}
	f, err := ffcv.Open(path, &ffcv.OpenOptions{Custom: custom})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	left := map[int]int{}
	for _, i := range order {
		left[i]++
	}
	shuffled := make([]int, f.Len())
	for row := range shuffled {
		v, err := f.Int(row, f.FieldIndex("index"))
		if err != nil {
			return nil, err
		}
		shuffled[row] = int(v)
		if left[int(v)]--; left[int(v)] < 0 || f.Len() != len(order) {
			return nil, fmt.Errorf("row %d is sample %d, which is there too often", row, v)
		}
	}
	return shuffled, nil
}
