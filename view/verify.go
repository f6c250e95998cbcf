package view

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/stats"
)

// mostFlaws is how many flaws a verification lists; all are counted.
const mostFlaws = 10_000

var (
	_ = registerJob("verify", func(s *Server, ctx context.Context, j *job) (any, error) { return s.verify(ctx, j, false) })
	_ = registerJob("decode", func(s *Server, ctx context.Context, j *job) (any, error) { return s.verify(ctx, j, true) })
	_ = registerJob("survey", (*Server).survey)
)

// verifyAnswer is what is wrong with the dataset's files.
type verifyAnswer struct {
	Flaws     []flawAnswer `json:"flaws"`
	Count     int          `json:"count"`
	Cut       bool         `json:"cut"`       // there are more than are listed
	Checksums bool         `json:"checksums"` // all files have them
	Decoded   bool         `json:"decoded"`   // values were decoded even so
}

// flawAnswer is a flaw; its sample is counted as the dataset does.
type flawAnswer struct {
	File   string  `json:"file,omitempty"` // of several
	Sample *int    `json:"sample"`         // null: of no one sample
	Field  *string `json:"field"`
	Offset *int64  `json:"offset"`
	Text   string  `json:"text"`
}

// verify reads all files through. Values of files with checksums are compared with
// these, and decoded too where decode says so; others are always decoded.
func (s *Server) verify(ctx context.Context, j *job, decode bool) (any, error) {
	a := &verifyAnswer{Flaws: []flawAnswer{}, Checksums: true, Decoded: decode}
	total, done := s.bytesOf(), int64(0)
	for k := range s.files {
		f, closed, err := s.open(ctx, &s.files[k])
		if err != nil {
			return nil, err
		}
		err = a.file(ctx, f, &s.files[k], len(s.files) > 1, decode, func(n int64) { j.progress(done+n, max(total, done+n)) })
		done += f.Size()
		if e := closed(); err == nil {
			err = e
		}
		if err != nil {
			return nil, err
		}
	}
	j.progress(total, total)
	return a, nil
}

// bytesOf is the size of the files that are open; the sizes of others are known when
// they are.
func (s *Server) bytesOf() (n int64) {
	for k := range s.files {
		if f := s.files[k].beton; f != nil {
			n += f.Size()
		}
	}
	return n
}

// file verifies one file.
func (a *verifyAnswer) file(ctx context.Context, f *ffcv.File, of *file, several, decode bool, progress func(n int64)) error {
	sums, sumsErr := f.Sums()
	a.Checksums = a.Checksums && sums != nil && sumsErr == nil
	counted, err := counting(f)
	if err != nil {
		return err
	}
	report := func(e *ffcv.FormatError) {
		if a.Count++; len(a.Flaws) >= mostFlaws {
			a.Cut = true
			return
		}
		flaw := flawAnswer{Text: (&ffcv.FormatError{Sample: -1, Offset: -1, What: e.What, Err: e.Err}).Error()}
		if several {
			flaw.File = of.name
		}
		if e.Sample >= 0 {
			i := of.first + e.Sample
			flaw.Sample = &i
		}
		if e.Field != "" {
			flaw.Field = &e.Field
		}
		if e.Offset >= 0 {
			flaw.Offset = &e.Offset
		}
		a.Flaws = append(a.Flaws, flaw)
	}
	stop := counted.watch(progress)
	defer stop()
	if decode {
		err = counted.file.Verify(ctx, report)
	} else {
		err = counted.file.VerifySums(ctx, report)
	}
	var flaw *ffcv.FormatError
	if ctx.Err() == nil && errors.As(err, &flaw) {
		return nil // it was reported
	}
	return err
}

// counted is a file that is looked at through a source which counts the bytes that
// were asked for: there is no other way to know how far a verification is.
type counted struct {
	of   *ffcv.File
	file *ffcv.File // of itself
	low  int64      // where the pages begin, and
	high int64      // where they end: the rest is read more than once
	read atomic.Int64
}

// counting opens a file once more, over itself. It isn't to be closed; the bytes stay
// those of f. One that can't lend its bytes is not counted.
func counting(f *ffcv.File) (*counted, error) {
	c := &counted{of: f, file: f, high: int64(f.Header().AllocTable)}
	c.low, _ = f.Pages()
	if _, ok := f.Borrow(0, f.Size()); !ok {
		return c, nil
	}
	opts := &ffcv.OpenOptions{Custom: map[string]fields.Field{}}
	for _, d := range f.Fields() {
		if d.Type == fields.TypeCustom && d.Field != nil {
			opts.Custom[d.Name] = d.Field
		}
	}
	var err error
	c.file, err = ffcv.New(c, opts)
	return c, err
}

// watch tells progress from time to time how many bytes were read, until stop is
// called, which waits for the last time.
func (c *counted) watch(progress func(n int64)) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() { // ended by stop
		defer close(ended)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				progress(min(c.read.Load(), c.of.Size()))
			case <-end:
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// Name, Size, Borrow, ReadAt, WillNeed and Close are ffcv.Source.
func (c *counted) Name() string { return c.of.Name() }

// Size is the file's.
func (c *counted) Size() int64 { return c.of.Size() }

// Borrow lends what the file lends.
func (c *counted) Borrow(off, n int64) ([]byte, bool) {
	if off >= c.low && off < c.high {
		c.read.Add(n)
	}
	return c.of.Borrow(off, n)
}

// ReadAt is never needed: Borrow lends all there is.
func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	b, ok := c.of.Borrow(off, int64(len(p)))
	if !ok {
		return 0, errors.ErrUnsupported
	}
	return copy(p, b), nil
}

// WillNeed hands the hint on.
func (c *counted) WillNeed(ranges []ffcv.Range) { c.of.WillNeed(ranges) }

// Close does nothing: the bytes are another's.
func (c *counted) Close() error { return nil }

// survey makes the charts of all samples: first what the metadata tell, then the
// pixels and elements, all of them.
func (s *Server) survey(ctx context.Context, j *job) (any, error) {
	began := time.Now()
	t := s.newTallies()
	n := s.ds.Len()
	var look []string
	for k := range t.fields {
		if t.fields[k].kind == kindImage || t.fields[k].element.DType.Valid() {
			look = append(look, s.fields[k].Name)
		}
	}
	all := int64(n)
	if len(look) > 0 {
		all *= 2
	}
	for i := range n {
		if i%256 == 0 {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			j.progress(int64(i), all)
		}
		t.add(i)
	}
	a := t.answer(n)
	if len(look) > 0 {
		report, err := stats.Survey(ctx, s.ds, &stats.Options{Fields: look, NoDuplicates: true, Progress: func(done, of int) { j.progress(int64(n+done), all) }})
		if err != nil {
			return nil, err
		}
		a.take(report, s.shownName)
	}
	a.Seconds = time.Since(began).Seconds()
	return a, nil
}

// take takes over what a survey knows better; shown is how a page calls a field.
func (a *chartsAnswer) take(r *stats.Report, shown func(name string) string) {
	a.Broken = max(a.Broken, brokenSamples(r))
	for i := range r.Fields {
		f, name := &r.Fields[i], shown(r.Fields[i].Name)
		for k := range a.Images {
			if v := &a.Images[k]; v.Field == name && f.Image != nil {
				v.Mean, v.Std, v.Pixels, v.Pictures = nil, nil, 0, f.Values
				for _, c := range f.Image.Channels {
					v.Mean, v.Std, v.Pixels = append(v.Mean, c.MeanUnit), append(v.Std, c.StdUnit), c.Pixels
				}
			}
		}
		for k := range a.Fields {
			if v := &a.Fields[k]; v.Name == name && f.Array != nil && f.Array.All != nil {
				v.Min, v.Max = realNumber(float64(f.Array.All.Min)), realNumber(float64(f.Array.All.Max))
				v.Mean, v.Std = realNumber(float64(f.Array.All.Mean)), realNumber(float64(f.Array.All.Std))
				v.NaN, v.Inf = f.Array.NaN, f.Array.PosInf+f.Array.NegInf
			}
		}
	}
}

// brokenSamples is how many samples a survey could not read all of: as far as they
// are listed, else the broken values.
func brokenSamples(r *stats.Report) int {
	if len(r.BrokenList) < r.Broken {
		return r.Broken
	}
	seen := map[int]bool{}
	for _, b := range r.BrokenList {
		seen[b.Index] = true
	}
	return len(seen)
}
