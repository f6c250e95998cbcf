package view

import (
	"cmp"
	"context"
	"encoding/binary"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/hash"
	"github.com/betongo/betongo/loader"
)

const (
	drawnSamples = 2000    // of which charts are made unasked
	mostCharted  = 20_000  // that one can ask for
	mostLabels   = 1000    // that are listed
	mostDistinct = 1 << 16 // labels that are told apart
	wholeLabels  = 4 << 20 // samples, of which all labels are counted unasked
	chartTime    = 250 * time.Millisecond
	pixelTime    = 150 * time.Millisecond
	mostElements = 64 // of an array that are looked at
)

var _ = register((*Server).chartRoutes)

func (s *Server) chartRoutes() []route { return []route{{"GET", "/api/charts", s.charts}} }

// chartsAnswer is a dataset in numbers: of Samples that were drawn evenly of all, or
// of all of them.
type chartsAnswer struct {
	Samples int          `json:"samples"`
	Of      int          `json:"of"`
	Whole   bool         `json:"whole"`
	Seconds float64      `json:"seconds"`
	Labels  *labelsChart `json:"labels"`
	Images  []imageChart `json:"images"`
	Fields  []fieldChart `json:"fields"`
	Broken  int          `json:"broken"` // samples with a value that can't be read
}

// labelsChart is how often each label comes.
type labelsChart struct {
	Field    string       `json:"field"`
	Counts   []labelCount `json:"counts"` // the most frequent first
	Others   int64        `json:"others"` // samples of labels that are not listed
	Distinct int          `json:"distinct"`
	More     bool         `json:"more,omitempty"` // there are more than Distinct
	Entropy  float64      `json:"entropy"`        // in bits
	Samples  int64        `json:"samples"`
	Whole    bool         `json:"whole"` // all samples' labels were counted
}

// labelCount is a label.
type labelCount struct {
	Label any    `json:"label"`
	Class string `json:"class,omitempty"`
	Count int64  `json:"count"`
}

// imageChart is the pictures of a field. Mean and Std are of each channel, 0 to 1, of
// Pixels pixels of some pictures; null where none was decoded.
type imageChart struct {
	Field    string         `json:"field"`
	Width    *histogram     `json:"width"`
	Height   *histogram     `json:"height"`
	Aspect   *histogram     `json:"aspect"`
	Bytes    *histogram     `json:"bytes"`
	Modes    map[string]int `json:"modes"`
	Mean     []float64      `json:"mean"`
	Std      []float64      `json:"std"`
	Pixels   uint64         `json:"pixels"`
	Pictures int            `json:"pictures"`
}

// fieldChart is the values of a field: bytes in pages, and numbers. TotalBytes is of
// the samples looked at.
type fieldChart struct {
	Name       string     `json:"name"`
	Bytes      *histogram `json:"bytes"`
	TotalBytes int64      `json:"total_bytes"`
	Values     *histogram `json:"values"`
	Min        any        `json:"min"`
	Max        any        `json:"max"`
	Mean       any        `json:"mean"`
	Std        any        `json:"std"`
	NaN        int64      `json:"nan,omitempty"`
	Inf        int64      `json:"inf,omitempty"`
}

// charts answers with charts of some samples.
func (s *Server) charts(w http.ResponseWriter, r *http.Request) error {
	count := drawnSamples
	if text := r.URL.Query().Get("count"); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil || count < 1 || count > mostCharted {
			return badRequest("count is %q; expected 1 to %d", text, mostCharted)
		}
	}
	done, err := s.busy(r.Context())
	if err != nil {
		return err
	}
	defer done()
	began := time.Now()
	t := s.newTallies()
	list := s.evenly(count)
	if h, ok := s.ds.(loader.RowHinter); ok {
		h.WillNeedRows(list, true)
	}
	until := began.Add(chartTime)
	read := 0
	for j := range list {
		if r.Context().Err() != nil {
			return r.Context().Err()
		}
		if j >= 32 && time.Now().After(until) {
			break
		}
		t.add(list[stride(j, len(list))])
		read++
	}
	var looked []int
	for j := range read {
		looked = append(looked, list[stride(j, len(list))])
	}
	if err := t.pixels(r.Context(), looked); err != nil {
		return err
	}
	if err := t.countLabels(r.Context()); err != nil {
		return err
	}
	a := t.answer(read)
	a.Seconds = time.Since(began).Seconds()
	return writeJSON(w, a)
}

// evenly draws samples spread evenly over the dataset, always the same: of as many
// parts of equal length one each; ascending.
func (s *Server) evenly(count int) []int {
	n := s.ds.Len()
	count = min(count, n)
	list := make([]int, count)
	for i := range list {
		step, rest := n/count, n%count
		from, to := i*step+i*rest/count, (i+1)*step+(i+1)*rest/count
		list[i] = from
		if count < n {
			list[i] += int(hash.Mix(uint64(i+1)) % uint64(to-from))
		}
	}
	return list
}

// tallies add up all fields of samples.
type tallies struct {
	s      *Server
	fields []fieldTally
	labels labelTally
	broken int
	value  value
}

// fieldTally adds up a field.
type fieldTally struct {
	k                     int
	kind                  string
	bytes, values         distribution
	total                 int64
	width, height, aspect distribution
	modes                 map[string]int
	pixels                pixelTally
	element               array.Spec // of arrays of numbers
	buf                   []byte
}

// labelTally counts labels.
type labelTally struct {
	counts map[int64]int64
	others int64 // of labels beyond mostDistinct
	n      int64
	whole  bool
}

func (l *labelTally) add(v int64) {
	l.n++
	if _, ok := l.counts[v]; !ok && len(l.counts) >= mostDistinct {
		l.others++
		return
	}
	l.counts[v]++
}

func (s *Server) newTallies() *tallies {
	t := &tallies{s: s, fields: make([]fieldTally, len(s.fields)), labels: labelTally{counts: map[int64]int64{}}}
	for k := range t.fields {
		f := &t.fields[k]
		f.k, f.kind, f.modes = k, s.kindOf(k), map[string]int{}
		if spec, ok := arraySpec(&s.fields[k]); ok && slices.Contains([]byte("biuf"), spec.DType.Kind()) {
			f.element = spec
		}
	}
	return t
}

// add looks at a sample. A value that can't be read is counted, and is in no other
// number.
func (t *tallies) add(i int) {
	f := t.s.fileOf(i)
	var row []byte
	err := guarded(func() (err error) {
		row, err = f.ds.Rows(i-f.first, 1, nil)
		return err
	})
	bad := err != nil
	for at := 0; err == nil && at < len(t.fields); { // a flaw ends the guarded part, not the sample
		flaw := guarded(func() error {
			for at < len(t.fields) {
				k := at
				at++
				v := &t.value
				*v = value{f: f, sample: i - f.first, k: k, d: &t.s.fields[k], regions: v.regions[:0]}
				if err := v.look(row); err != nil {
					return err
				}
				if err := t.fields[k].add(t, v); err != nil {
					return err
				}
			}
			return nil
		})
		bad = bad || flaw != nil
	}
	if bad {
		t.broken++
	}
}

// add looks at a value.
func (f *fieldTally) add(t *tallies, v *value) error {
	size := v.size()
	if len(v.regions) > 0 {
		f.bytes.add(float64(size))
		f.total += size
	}
	switch {
	case v.d.Type == fields.TypeInt:
		n := integer(v.meta)
		f.values.add(float64(n))
		if f.k == t.s.label {
			t.labels.add(n)
		}
	case v.d.Type == fields.TypeFloat:
		f.values.add(float(v.meta))
	case f.kind == kindImage:
		width, height, mode, err := t.s.measured(v)
		if err != nil {
			return err
		}
		f.modes[mode]++
		f.width.add(float64(width))
		f.height.add(float64(height))
		if height > 0 {
			f.aspect.add(float64(width) / float64(height))
		}
	case f.element.DType.Valid():
		return f.addElements(v)
	}
	return nil
}

// addElements looks at some elements of an array, spread evenly. Of a compressed one
// that is large none are.
func (f *fieldTally) addElements(v *value) error {
	const most = 1 << 20
	item := int64(f.element.DType.ItemSize())
	all, err := f.element.Bytes()
	if err != nil || all == 0 {
		return err
	}
	n := min(int64(all), most/item*item)
	var b []byte
	if _, packed := v.packed(); packed && int64(all) > most {
		return nil
	} else if packed {
		b, err = v.content()
	} else {
		b, err = v.bytes(0, n)
	}
	if err != nil {
		return err
	}
	count := int64(len(b)) / item
	take := min(count, mostElements)
	f.buf = f.buf[:0]
	for j := range take {
		at := j * count / take * item
		f.buf = append(f.buf, b[at:at+item]...)
	}
	a, err := array.New(array.Spec{DType: f.element.DType, Shape: []int{int(take)}}, f.buf)
	if err == nil {
		a, err = array.Cast(a, array.Float64)
	}
	if err != nil {
		return err
	}
	for ; len(a.Data) >= 8; a.Data = a.Data[8:] {
		f.values.add(math.Float64frombits(binary.LittleEndian.Uint64(a.Data)))
	}
	return nil
}

// countLabels counts the labels of all samples where that is soon done; else those
// of the samples looked at stay.
func (t *tallies) countLabels(ctx context.Context) error {
	s := t.s
	if s.label < 0 || s.ds.Len() > wholeLabels || t.labels.whole {
		return nil
	}
	all := labelTally{counts: map[int64]int64{}, whole: true}
	until := time.Now().Add(chartTime)
	const chunk = 4096
	for f := range s.files {
		file := &s.files[f]
		d := file.field(s.label)
		if !near(file.ds) {
			return nil
		}
		for lo := 0; lo < file.n; lo += chunk {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			n := min(chunk, file.n-lo)
			rows, err := file.ds.Rows(lo, n, nil)
			if err != nil || time.Now().After(until) || len(rows) == 0 {
				return nil // what was drawn has to do
			}
			row := len(rows) / n
			for i := range n {
				all.add(integer(rows[i*row+d.Offset:]))
			}
		}
	}
	t.labels = all
	return nil
}

// near says whether a dataset's bytes are at hand, and needn't be read.
func near(ds loader.Dataset) bool {
	l, ok := ds.(loader.Lender)
	if ok {
		_, ok = l.Borrow(0, 1)
	}
	return ok
}

// answer makes charts of what was added up.
func (t *tallies) answer(read int) *chartsAnswer {
	a := &chartsAnswer{Samples: read, Of: t.s.ds.Len(), Images: []imageChart{}, Fields: []fieldChart{}, Broken: t.broken}
	a.Whole = a.Samples == a.Of
	t.labels.whole = t.labels.whole || a.Whole
	if t.s.label >= 0 && t.labels.n > 0 {
		a.Labels = t.labels.answer(t.s)
	}
	for k := range t.fields {
		f := &t.fields[k]
		name := t.s.names[k]
		c := fieldChart{Name: name, TotalBytes: f.total, Bytes: f.bytes.histogram()}
		if f.kind == kindImage {
			c.Bytes = nil // it stands with the pictures
			a.Images = append(a.Images, imageChart{
				Field: name, Width: f.width.histogram(), Height: f.height.histogram(), Aspect: f.aspect.histogram(), Bytes: f.bytes.histogram(),
				Modes: f.modes, Mean: f.pixels.means(), Std: f.pixels.stds(), Pixels: f.pixels.n, Pictures: f.pixels.pictures,
			})
		}
		if v := &f.values; v.n > 0 {
			c.Min, c.Max, c.Mean, c.Std = realNumber(v.min), realNumber(v.max), realNumber(v.mean), realNumber(v.std())
			if k != t.s.label {
				c.Values = v.histogram()
			}
		}
		c.NaN, c.Inf = f.values.nan, f.values.inf
		a.Fields = append(a.Fields, c)
	}
	return a
}

// answer lists the labels.
func (l *labelTally) answer(s *Server) *labelsChart {
	c := &labelsChart{Field: s.names[s.label], Counts: []labelCount{}, Distinct: len(l.counts), More: l.others > 0, Samples: l.n, Whole: l.whole}
	type pair struct{ label, n int64 }
	list := make([]pair, 0, len(l.counts))
	for v, n := range l.counts {
		list = append(list, pair{v, n})
		p := float64(n) / float64(l.n)
		c.Entropy -= p * math.Log2(p)
	}
	slices.SortFunc(list, func(a, b pair) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.label, b.label)) })
	c.Others = l.others
	for k, p := range list {
		if k >= mostLabels {
			c.Others += p.n
			continue
		}
		c.Counts = append(c.Counts, labelCount{Label: wholeNumber(p.label), Class: s.className(p.label), Count: p.n})
	}
	return c
}
