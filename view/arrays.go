package view

import (
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/betongo/betongo/array"
)

var _ = register((*Server).arrayRoutes)

func (s *Server) arrayRoutes() []route {
	return []route{{"GET", "/api/sample/{i}/array", s.showArray}}
}

const (
	mostPlotted  = 512     // values of a plot, or pairs of least and greatest
	mostCells    = 128     // rows and columns of a heat map
	mostRows     = 64      // of a table
	mostColumns  = 32      // of a table
	mostMeasured = 8 << 20 // elements whose mean is taken; of more every so many-th
)

type arrayAnswer struct {
	DType   string  `json:"dtype"`
	Shape   []int   `json:"shape"`
	Count   int     `json:"count"`
	Min     any     `json:"min"`
	Max     any     `json:"max"`
	Mean    any     `json:"mean"` // of what is finite, as is std
	Std     any     `json:"std"`
	NaN     int     `json:"nan"`
	Sampled bool    `json:"sampled"` // the numbers before are of some of the elements
	Index   []int   `json:"index"`   // the slice that is shown
	Plot    []any   `json:"plot"`
	Heat    *heat   `json:"heat"`
	Table   [][]any `json:"table"`
}

type heat struct {
	Rows   int   `json:"rows"`
	Cols   int   `json:"cols"`
	Values []any `json:"values"` // row after row
}

// elements reads the elements of an array as float64.
type elements struct {
	a    array.Array
	size int
	real bool // bools, integers and floats; not complex ones, text, or times
}

func newElements(a array.Array) *elements {
	e := &elements{a: a, size: a.DType.ItemSize()}
	switch a.DType.Kind() {
	case 'b', 'i', 'u', 'f', 'V':
		_, err := array.Cast(array.Array{Spec: array.Spec{DType: a.DType, Shape: []int{1}}, Data: make([]byte, e.size)}, array.Float64)
		e.real = err == nil
	}
	return e
}

// block reads n elements from element at on into dst, which has room.
func (e *elements) block(dst []float64, at, n int) []float64 {
	part := array.Array{Spec: array.Spec{DType: e.a.DType, Shape: []int{n}}, Data: e.a.Data[at*e.size:][:n*e.size]}
	dst = dst[:n]
	if _, err := array.CastInto(array.BytesOf(dst), part, array.Float64); err != nil {
		clear(dst) // newElements has seen that it can be
	}
	return dst
}

// showArray answers with numbers about an array, and with pictures' data: a plot
// of one dimension, a heat map of two, a table.
func (s *Server) showArray(w http.ResponseWriter, r *http.Request) error {
	i, err := s.sampleNamed(r)
	if err != nil {
		return err
	}
	k, err := s.fieldNamed(r, "arrays", kindArray)
	if err != nil {
		return err
	}
	spec, _ := arraySpec(&s.fields[k])
	index, err := sliceNamed(r, spec.Shape)
	if err != nil {
		return err
	}
	done, err := s.busy(r.Context())
	if err != nil {
		return err
	}
	defer done()
	v, err := s.find(i, k)
	if err != nil {
		return err
	}
	free, err := s.room(r.Context(), v)
	if err != nil {
		return err
	}
	defer free()
	data, err := v.content()
	if err != nil {
		return err
	}
	a, err := array.New(spec, data)
	if err != nil {
		return v.flaw(err)
	}
	return writeJSON(w, describeArray(a, index))
}

// sliceNamed reads which slice of an array is to be shown: an index for each
// dimension but the last two; those left out are 0.
func sliceNamed(r *http.Request, shape []int) ([]int, error) {
	index := make([]int, max(0, len(shape)-2))
	text := r.URL.Query().Get("index")
	if text == "" {
		return index, nil
	}
	list := strings.Split(text, ",")
	if len(list) > len(index) {
		return nil, badRequest("index=%s: %d numbers; the array's shape is %v", text, len(list), shape)
	}
	for d, one := range list {
		n, err := strconv.Atoi(one)
		if err != nil || n < 0 || n >= shape[d] {
			return nil, badRequest("index=%s: %q; expected 0 to %d", text, one, shape[d]-1)
		}
		index[d] = n
	}
	return index, nil
}

// describeArray makes the answer; index chooses the slice.
func describeArray(a array.Array, index []int) *arrayAnswer {
	n, err := a.Count()
	if err != nil {
		n = 0
	}
	out := &arrayAnswer{DType: a.DType.String(), Shape: a.Shape, Count: n, Index: index}
	e := newElements(a)
	if e.real && n > 0 {
		out.measure(e, n)
	}
	rows, cols, at := 1, n, 0
	if d := len(a.Shape); d >= 2 {
		rows, cols = a.Shape[d-2], a.Shape[d-1]
		for k, i := range index {
			at = at*a.Shape[k] + i
		}
		at *= rows * cols
	}
	if n == 0 || rows == 0 || cols == 0 {
		return out
	}
	if e.real && len(a.Shape) == 1 {
		out.Plot = e.plot(n)
	}
	if e.real && len(a.Shape) >= 2 {
		out.Heat = e.heat(at, rows, cols)
	}
	if rows <= mostRows && cols <= mostColumns || rows == 1 && cols <= 2*mostRows || !e.real {
		out.Table = e.table(at, rows, cols)
	}
	return out
}

// measure takes the least, the greatest, the mean and the deviation.
func (out *arrayAnswer) measure(e *elements, n int) {
	const block = 4096
	var buf [block]float64
	blocks := (n + block - 1) / block
	step := max(1, (blocks+mostMeasured/block-1)/(mostMeasured/block))
	out.Sampled = step > 1
	lo, hi := math.Inf(1), math.Inf(-1)
	var count, mean, squares float64
	seen := false
	for b := 0; b < blocks; b += step {
		for _, x := range e.block(buf[:0], b*block, min(block, n-b*block)) {
			if math.IsNaN(x) {
				out.NaN++
				continue
			}
			seen = true
			lo, hi = min(lo, x), max(hi, x)
			if math.IsInf(x, 0) {
				continue
			}
			count++ // Welford's way, which doesn't lose what large numbers hide
			d := x - mean
			mean += d / count
			squares += d * (x - mean)
		}
	}
	if seen {
		out.Min, out.Max = realNumber(lo), realNumber(hi)
	}
	if count > 0 {
		out.Mean, out.Std = realNumber(mean), realNumber(math.Sqrt(squares/count))
	}
}

// plot is the elements of one dimension, or the least and greatest of each
// stretch of them.
func (e *elements) plot(n int) []any {
	if n <= mostPlotted {
		var list []any
		for _, x := range e.block(make([]float64, n), 0, n) {
			list = append(list, realNumber(x))
		}
		return list
	}
	list := make([]any, mostPlotted)
	var buf [1024]float64
	for b := range list {
		from, to := part(n, b, mostPlotted), part(n, b+1, mostPlotted)
		to = from + min(to-from, mostMeasured/mostPlotted)
		lo, hi := math.NaN(), math.NaN()
		for ; from < to; from += len(buf) {
			for _, x := range e.block(buf[:0], from, min(len(buf), to-from)) {
				if !(x >= lo) && !math.IsNaN(x) {
					lo = x
				}
				if !(x <= hi) && !math.IsNaN(x) {
					hi = x
				}
			}
		}
		list[b] = [2]any{realNumber(lo), realNumber(hi)}
	}
	return list
}

// part is where part k of n things in parts begins.
func part(n, k, parts int) int {
	return n/parts*k + n%parts*k/parts
}

// heat is a slice of two dimensions as cells, each the mean of its elements.
func (e *elements) heat(at, rows, cols int) *heat {
	h := &heat{Rows: min(rows, mostCells), Cols: min(cols, mostCells)}
	// Of very many elements some are enough for a cell: of its rows every so many-th, and
	// of each a run of elements.
	stepRow := max(1, rows*min(cols, mostMeasured)/mostMeasured)
	run := mostMeasured/max(h.Rows, (rows+stepRow-1)/stepRow)/h.Cols + 1
	buf := make([]float64, min(cols, 1<<16))
	sums, counts := make([]float64, h.Cols), make([]int, h.Cols)
	for r := range h.Rows {
		clear(sums)
		clear(counts)
		for row := part(rows, r, h.Rows); row < part(rows, r+1, h.Rows); row += stepRow {
			for c := range h.Cols {
				from, to := part(cols, c, h.Cols), part(cols, c+1, h.Cols)
				to = from + min(to-from, run)
				for ; from < to; from += len(buf) {
					for _, x := range e.block(buf[:0], at+row*cols+from, min(len(buf), to-from)) {
						sums[c] += x
						counts[c]++
					}
				}
			}
		}
		for c := range h.Cols {
			h.Values = append(h.Values, realNumber(sums[c]/float64(counts[c])))
		}
	}
	return h
}

// table is a slice's elements, or the first of them.
func (e *elements) table(at, rows, cols int) [][]any {
	var list [][]any
	for r := range min(rows, mostRows) {
		var row []any
		for c := range min(cols, 2*mostRows) {
			row = append(row, e.cell(at+r*cols+c))
		}
		list = append(list, row)
	}
	return list
}

// cell is one element.
func (e *elements) cell(at int) any {
	b := e.a.Data[at*e.size:][:e.size]
	if !e.real {
		return strings.ToValidUTF8(array.FormatElement(b, e.a.DType), "\ufffd")
	}
	x := e.block(make([]float64, 1), at, 1)[0]
	if kind := e.a.DType.Kind(); kind == 'i' || kind == 'u' {
		if math.Abs(x) > 1<<53 {
			return array.FormatElement(b, e.a.DType)
		}
	}
	return realNumber(x)
}
