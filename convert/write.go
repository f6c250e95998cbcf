package convert

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/betongo/betongo/array"
)

// pattern stands in an output's path for the name of each array.
const pattern = "{name}"

// write writes the output, or the outputs, whose formats take one array after
// another.
func (j *job) write() error {
	if strings.Contains(j.out, pattern) {
		return j.writeEach()
	}
	j.report.Attrs = j.carry("", j.r.Attrs(), j.to.file)
	if j.to.mixed {
		j.dropNamed(j.report.Attrs)
	}
	w, err := j.create(j.out, j.list, j.report.Attrs)
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := j.carryGroups(w); err != nil {
		return fmt.Errorf("output %s: %w", j.out, err)
	}
	for i := range j.list {
		j.list[i].path = j.out
		if err := j.copy(w, &j.list[i]); err != nil {
			return err
		}
	}
	return j.finish(w)
}

// create begins an output for some arrays.
func (j *job) create(path string, list []item, attrs map[string]any) (writer, error) {
	w, err := j.to.create(path, &j.opts)
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", path, err)
	}
	if err := prepare(w, list, attrs); err != nil {
		return nil, errors.Join(fmt.Errorf("output %s: %w", path, err), w.Abort())
	}
	return w, nil
}

func prepare(w writer, list []item, attrs map[string]any) error {
	if len(attrs) > 0 {
		if err := w.SetAttrs(attrs); err != nil {
			return err
		}
	}
	p, ok := w.(planner)
	if !ok {
		return nil
	}
	members := make([]array.Member, len(list))
	for i, it := range list {
		if members[i] = it.dst; len(it.dst.Spec.Shape) > 0 && it.dst.Spec.Shape[0] < 0 {
			return nil // rows that the input doesn't tell
		}
	}
	return p.Plan(members)
}

// finish completes an output.
func (j *job) finish(w writer) error {
	if err := j.ctx.Err(); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	for _, it := range j.list {
		m := it.dst
		j.report.Arrays = append(j.report.Arrays, Converted{Member: m, Source: it.src.Name, Path: it.path})
	}
	j.report.Bytes = j.done
	return nil
}

// writeEach writes a file for each array. They are complete before the first
// one is put in its place.
func (j *job) writeEach() error {
	if a := j.r.Attrs(); len(a) > 0 {
		j.carry("", a, attrs{})
	}
	if err := j.carryGroups(nil); err != nil {
		return err
	}
	var open []writer
	defer func() {
		for _, w := range open {
			w.Abort()
		}
	}()
	paths := map[string]string{}
	for i := range j.list {
		it := &j.list[i]
		it.path = strings.ReplaceAll(j.out, pattern, strings.NewReplacer("/", ".", `\`, ".").Replace(it.name))
		if other, ok := paths[it.path]; ok {
			return fmt.Errorf("arrays %q and %q would both be %s; rename one", other, it.src.Name, it.path)
		}
		paths[it.path] = it.src.Name
		if err := errors.Join(checkPaths(j.in, it.path), checkOutput(it.path, j.opts.Overwrite)); err != nil {
			return err
		}
		w, err := j.create(it.path, j.list[i:i+1], nil)
		if err != nil {
			return err
		}
		open = append(open, w)
		if err := j.copy(w, it); err != nil {
			return err
		}
	}
	if err := j.ctx.Err(); err != nil {
		return err
	}
	var made []string // that weren't there before
	for i, w := range open {
		_, before := os.Lstat(j.list[i].path)
		if err := w.Close(); err != nil {
			for _, path := range made {
				err = errors.Join(err, os.RemoveAll(path))
			}
			return err
		}
		if errors.Is(before, fs.ErrNotExist) {
			made = append(made, j.list[i].path)
		}
		it := j.list[i]
		j.report.Arrays = append(j.report.Arrays, Converted{Member: it.dst, Source: it.src.Name, Path: it.path})
	}
	j.report.Bytes = j.done
	return nil
}

// copy brings an array's rows into the output.
func (j *job) copy(w writer, it *item) (err error) {
	if err := j.ctx.Err(); err != nil {
		return err
	}
	s, err := j.stream(it)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	sink, err := w.Add(it.dst)
	if err != nil {
		return j.refuse(it, err)
	}
	row := rowBytes(it.src.Spec)
	rows := 0
	err = array.Copy(sink, s, func(n int) error {
		rows += n
		return j.step(it.src.Name, int64(n)*row)
	})
	if err != nil {
		return err
	}
	if len(it.dst.Spec.Shape) > 0 && it.dst.Spec.Shape[0] < 0 {
		it.dst.Spec.Shape = append([]int{rows}, it.dst.Spec.Shape[1:]...)
	}
	return sink.Close()
}

// rowBytes is the size of an array's row; that of a scalar itself.
func rowBytes(spec array.Spec) int64 {
	if len(spec.Shape) > 0 {
		spec.Shape = spec.Shape[1:]
	}
	n, err := spec.Bytes()
	if err != nil {
		return 0
	}
	return int64(n)
}

// stream opens an array of the input as the output takes it.
func (j *job) stream(it *item) (array.Stream, error) {
	s, err := j.r.Stream(it.src.Name, j.chunk(it.src))
	if err != nil {
		return nil, err
	}
	if t := it.dst.Spec.DType; t != it.src.Spec.DType {
		if isFloat8(it.src) {
			if v := float8Values(it.src.Attrs["dtype"].(string)); v != nil {
				s = &widened{Stream: s, values: v}
			}
		}
		s = array.CastStream(s, t)
	}
	if len(it.dst.Spec.Shape) != len(it.src.Spec.Shape) {
		s = &promoted{s}
	}
	return s, nil
}

// In Fortran order the rows of a step lie in as many runs as there are columns.
// Runs of less than shortRun bytes are gathered from a map, all of which then
// counts as memory: steps are larger instead, within bounds.
const (
	shortRun     = 512
	fortranChunk = 4 << 20
	fortranMost  = 32 << 20
)

// chunk is how many bytes of an array are asked for at a time.
func (j *job) chunk(m array.Member) int {
	item := int64(m.Spec.DType.ItemSize())
	if j.opts.Chunk > 0 || !m.Fortran || len(m.Spec.Shape) < 2 || item == 0 {
		return j.opts.Chunk
	}
	rows := shortRun/item + 1
	return int(min(max(rows*min(rowBytes(m.Spec), fortranMost), fortranChunk), fortranMost))
}

// promoted gives a scalar as a row.
type promoted struct{ array.Stream }

func (p *promoted) Next() (array.Array, error) {
	a, err := p.Stream.Next()
	if err == nil {
		a.Shape = []int{1}
	}
	return a, err
}

// step counts what was done and tells it.
func (j *job) step(name string, n int64) error {
	j.done += n
	if j.opts.Progress != nil {
		j.opts.Progress(Progress{Array: name, Done: j.done, Total: j.total})
	}
	return j.ctx.Err()
}

// rowsOf joins what a stream gives into blocks of a number of rows.
type rowsOf struct {
	s    array.Stream
	row  int // bytes
	rest []byte
	left int // rows of the last array that aren't taken yet; counts where row is 0
}

// take fills dst, a block of n rows, and returns how many there were.
func (r *rowsOf) take(dst []byte, n int) (int, error) {
	got := 0
	for got < n {
		if r.left == 0 {
			a, err := r.s.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return got, err
			}
			r.left, r.rest = 1, a.Data
			if len(a.Shape) > 0 {
				r.left = a.Shape[0]
			}
			continue
		}
		k := min(n-got, r.left)
		copy(dst[got*r.row:], r.rest[:k*r.row])
		r.rest = r.rest[k*r.row:]
		got, r.left = got+k, r.left-k
	}
	return got, nil
}
