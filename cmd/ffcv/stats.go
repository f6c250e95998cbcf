package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/stats"
	"github.com/betongo/betongo/store"
)

type statsCommand struct {
	filesFlags
	memoryFlags
	Against      string   `complete:"beton" placeholder:"OTHER" help:"Look too for values that are in this file as well: a training set's in its validation set. With --near for pictures that look alike."`
	Near         bool     `help:"Look for pictures that look alike: encoded anew, made smaller or larger."`
	Distance     int      `default:"0" placeholder:"BITS" help:"In how many of 64 bits the perceptual hashes of pictures that look alike may differ, 1 to 11; 0 is 7."`
	NoDuplicates bool     `help:"Don't look for equal values."`
	Fields       []string `sep:"," complete:"field" placeholder:"NAME,…" help:"Only these fields, with commas between. Unless given, all."`
	Samples      int      `aliases:"sample" placeholder:"N" help:"Look at N samples only, spread evenly over the file."`
	Pixels       string   `enum:"full,scaled,none" default:"full" help:"What to decode of pictures: all (full), an eighth of the size, which is quicker and makes deviations smaller (scaled), or nothing (none)."`
	Limit        int      `default:"10" placeholder:"N" help:"How much is listed at most; all is counted. Classes, groups, pairs and broken values."`
	JSON         bool     `name:"json" help:"Print JSON on standard output. It is one object."`
	term.Jobs
}

// Validate is kong's hook.
func (c *statsCommand) Validate() error {
	switch {
	case c.Limit < 1:
		return fmt.Errorf("--limit: %d; expected 1 or more", c.Limit)
	case c.Samples < 0:
		return fmt.Errorf("--samples: %d; expected 1 or more", c.Samples)
	case c.Distance < 0 || c.Distance > 11:
		return fmt.Errorf("--distance: %d; expected 1 to 11", c.Distance)
	case c.Distance > 0 && !c.Near:
		return errors.New("--distance: needs --near")
	}
	if err := errors.Join(c.Jobs.Check(), c.memoryFlags.set(&c.customFlags)); err != nil {
		return err
	}
	return c.customFlags.Validate()
}

// statsResult is what the verb prints; as JSON it is a contract with other
// programs.
type statsResult struct {
	*stats.Report
	Overlap *stats.OverlapReport `json:"overlap,omitempty"`
	Seconds float64              `json:"seconds"`
}

// Run is kong's hook.
func (c *statsCommand) Run(e *env) error {
	start := time.Now()
	f, err := c.openWhole(e)
	if err != nil {
		return suggestVerifyIts(err)
	}
	defer f.Close()
	if err := knownFields(f.Name(), f.Fields(), c.Fields); err != nil {
		return err
	}
	progress := term.NewProgress(e.stderr, prog, "samples", -1)
	opts := &stats.Options{
		Fields: c.Fields, Samples: c.Samples, NoDuplicates: c.NoDuplicates, Near: c.Near, Distance: c.Distance,
		Limit: c.Limit, Workers: c.Workers,
		Pixels:   map[string]stats.Pixels{"scaled": stats.PixelsScaled, "none": stats.PixelsNone}[c.Pixels],
		Progress: func(done, total int) { progress.Set(int64(done), int64(total)) },
	}
	var r statsResult
	r.Report, err = stats.Survey(e.ctx, f, opts)
	progress.Clear()
	if err == nil && c.Against != "" {
		r.Overlap, err = c.overlap(e, f, opts)
	}
	if err != nil {
		return err
	}
	r.Seconds = time.Since(start).Seconds()
	if c.JSON {
		enc := json.NewEncoder(e.stdout)
		enc.SetEscapeHTML(false)
		err = enc.Encode(r)
	} else {
		p := &statsPrinter{limit: c.Limit}
		p.report(r.Report)
		if r.Overlap != nil {
			p.overlap(r.Overlap)
		}
		_, err = io.WriteString(e.stdout, p.String())
	}
	if err == nil && r.Broken > 0 {
		err = fmt.Errorf("%s: %s broken", r.Name, counted(r.Broken, "value"))
		if len(c.Files) == 1 {
			err = term.WithHint(err, fmt.Sprintf("'ffcv verify %s' lists every flaw", store.Name(c.Files[0])))
		}
	}
	return err
}

// overlap looks for what is in the other file too.
func (c *statsCommand) overlap(e *env, f opened, opts *stats.Options) (*stats.OverlapReport, error) {
	files := c.Files
	c.Files = []string{c.Against}
	g, err := c.openWhole(e)
	c.Files = files
	if err != nil {
		return nil, err
	}
	defer g.Close()
	progress := term.NewProgress(e.stderr, prog, "samples", -1)
	o := *opts
	o.Progress = func(done, total int) { progress.Set(int64(done), int64(total)) }
	defer progress.Clear()
	return stats.Overlap(e.ctx, f, g, &o)
}

// statsPrinter prints a report for people.
type statsPrinter struct {
	strings.Builder
	limit int
}

func (p *statsPrinter) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *statsPrinter) report(r *stats.Report) {
	p.line("%s: %s", r.Name, counted(r.Samples, "sample"))
	if r.Surveyed < r.Samples {
		p.line("  a look at %s of them, spread evenly: all that follows is of these", term.FormatCount(int64(r.Surveyed)))
	}
	for k := range r.Fields {
		p.field(&r.Fields[k])
	}
	if g := r.Pages; g != nil {
		least, _ := g.Each.At(0.05)
		p.line("pages        %s of %s, %.1f %% full (5 %% of them %.1f %% or less); rows of %d bytes", term.FormatCount(int64(g.Count)), term.FormatSize(g.Size), 100*g.Fill, 100*least, r.RowBytes)
	}
	if r.Broken > 0 {
		p.line("broken       %s", counted(r.Broken, "value"))
		for _, b := range r.BrokenList {
			at := ""
			if b.Offset >= 0 {
				at = fmt.Sprintf(", offset %d", b.Offset)
			}
			p.line("  %s: sample %d, field %q%s: %s", b.File, b.Sample, b.Field, at, strings.ReplaceAll(b.What, "\n", " "))
		}
	}
}

// field prints a field.
func (p *statsPrinter) field(f *stats.Field) {
	p.line("%s  (%s)", term.Name(f.Name), f.Kind)
	broken := ""
	if f.Broken > 0 {
		broken = fmt.Sprintf(", %s broken", term.FormatCount(int64(f.Broken)))
	}
	if f.Stored != nil {
		p.line("  values     %s%s, %s", term.FormatCount(int64(f.Values)), broken, term.FormatSize(f.Bytes))
		p.summary("bytes", f.Stored, "%.0f")
	} else {
		p.line("  values     %s%s", term.FormatCount(int64(f.Values)), broken)
	}
	if f.Image != nil {
		p.image(f.Image)
	}
	if f.Labels != nil && (f.Labels.Named || !f.Labels.More && f.Labels.Distinct <= 1000) {
		p.labels(f.Labels)
	} else if f.Numbers != nil {
		p.summary("numbers", f.Numbers, "%.6g")
	}
	if f.Array != nil {
		p.array(f.Array)
	}
	if d := f.Duplicates; d != nil && d.Groups > 0 {
		p.line("  the same   %s that come more than once, %s too many", counted(d.Groups, "value"), term.FormatCount(int64(d.Extra)))
		for _, g := range d.List {
			p.line("    %d times: samples %s", g.Count, numbers(g.Samples, g.Count, p.limit))
		}
	} else if d != nil {
		p.line("  the same   none")
	}
	p.near(f.Near)
}

// summary prints a distribution on a line.
func (p *statsPrinter) summary(name string, s *stats.Summary, format string) {
	if s == nil {
		return
	}
	v := func(n stats.Number) string { return fmt.Sprintf(format, float64(n)) }
	if s.Min == s.Max && s.NaN+s.Inf == 0 {
		p.line("  %-10s all %s", name, v(s.Min))
		return
	}
	text := fmt.Sprintf("%s to %s, mean %.6g, std %.6g", v(s.Min), v(s.Max), float64(s.Mean), float64(s.Std))
	if len(s.Quantiles) > 0 {
		text += ";"
		for _, q := range s.Quantiles {
			text += fmt.Sprintf(" %.0f%% %s", 100*q.P, v(q.Value))
		}
	}
	if s.NaN+s.Inf > 0 {
		text += fmt.Sprintf("; %s NaN, %s infinite", term.FormatCount(s.NaN), term.FormatCount(s.Inf))
	}
	p.line("  %-10s %s", name, text)
}

func (p *statsPrinter) image(v *stats.Image) {
	gray := ""
	if v.Gray >= 0 {
		gray = fmt.Sprintf(", %s gray", term.FormatCount(int64(v.Gray)))
	}
	p.line("  stored     %s jpg, %s raw%s", term.FormatCount(int64(v.JPEG)), term.FormatCount(int64(v.Raw)), gray)
	p.summary("width", v.Width, "%.0f")
	p.summary("height", v.Height, "%.0f")
	p.summary("pixels", v.Pixels, "%.0f")
	p.summary("aspect", v.Aspect, "%.3f")
	note := ""
	if v.Looked == "scaled" {
		note = "  (pictures at an eighth of their size: deviations are smaller)"
	}
	for _, unit := range []struct {
		name string
		of   func(c stats.Channel) float64
	}{
		{"mean", func(c stats.Channel) float64 { return c.Mean }},
		{"std", func(c stats.Channel) float64 { return c.Std }},
		{"mean 0..1", func(c stats.Channel) float64 { return c.MeanUnit }},
		{"std 0..1", func(c stats.Channel) float64 { return c.StdUnit }},
	} {
		var list []string
		for _, c := range v.Channels {
			list = append(list, fmt.Sprintf("%.7g", unit.of(c)))
		}
		if list != nil {
			p.line("  %-10s %s%s", unit.name, strings.Join(list, ", "), note)
		}
	}
	if n := len(v.Levels); n > 0 {
		var list []string
		for k := range 256 {
			if c, ok := v.Levels[k]; ok && len(list) < 2*p.limit {
				list = append(list, fmt.Sprintf("%d: %s", k, term.FormatCount(int64(c))))
			}
		}
		if len(list) < n {
			list = append(list, "…")
		}
		p.line("  levels     %s", strings.Join(list, ", "))
	}
}

func (p *statsPrinter) labels(l *stats.Labels) {
	empty := ""
	if l.Empty > 0 {
		empty = fmt.Sprintf(", %s without a sample", term.FormatCount(int64(l.Empty)))
	}
	if l.Unnamed > 0 {
		empty += fmt.Sprintf(", %s without a name", term.FormatCount(int64(l.Unnamed)))
	}
	p.line("  classes    %s%s; the largest has %.2f times the samples of the smallest", term.FormatCount(int64(len(l.Classes))), empty, l.Imbalance)
	for k, c := range l.Classes {
		if k == p.limit {
			p.line("    … (--limit or --json show them all)")
			break
		}
		name := ""
		if c.Name != "" {
			name = "  " + term.Name(c.Name)
		}
		p.line("    %6d  %12s%s", c.Label, term.FormatCount(c.Count), name)
	}
}

func (p *statsPrinter) array(a *stats.Array) {
	p.summary("elements", a.All, "%.6g")
	if a.NaN+a.PosInf+a.NegInf > 0 {
		p.line("  not finite %s NaN, %s inf, %s -inf, in %s", term.FormatCount(a.NaN), term.FormatCount(a.PosInf), term.FormatCount(a.NegInf), counted(a.Affected, "value"))
	}
	for k := range min(len(a.Elements), p.limit) {
		s := &a.Elements[k]
		p.line("    [%d]  %.6g to %.6g, mean %.6g, std %.6g", k, float64(s.Min), float64(s.Max), float64(s.Mean), float64(s.Std))
	}
}

func (p *statsPrinter) near(n *stats.Near) {
	if n == nil {
		return
	}
	more := ""
	if n.More {
		more = " (and more: the search was ended)"
	}
	p.line("  alike      %s of pictures that look alike%s, %s in them", counted(n.Pairs, "pair"), more, counted(n.Pictures, "picture"))
	for _, v := range n.List {
		p.line("    samples %d and %d, %d of 64 bits apart, %.1f levels at 32x32", v.A, v.B, v.Distance, v.Difference)
	}
}

func (p *statsPrinter) overlap(o *stats.OverlapReport) {
	p.line("in both      %s (A, %s) and %s (B, %s)", o.A, counted(o.SamplesA, "sample"), o.B, counted(o.SamplesB, "sample"))
	for _, f := range o.Fields {
		p.line("%s", term.Name(f.Name))
		p.line("  the same   %s in both: those of %s of A and %s of B", counted(f.Values, "value"), counted(f.InA, "sample"), counted(f.InB, "sample"))
		for _, v := range f.List {
			p.line("    A %s, B %s", numbers(v.A, len(v.A), p.limit), numbers(v.B, len(v.B), p.limit))
		}
		p.near(f.Near)
	}
	if o.Broken > 0 {
		p.line("  %s could not be compared", counted(o.Broken, "value"))
	}
}

// numbers lists numbers of samples, of all of them the first.
func numbers(list []int, all, limit int) string {
	var words []string
	for _, i := range list[:min(len(list), limit)] {
		words = append(words, fmt.Sprint(i))
	}
	if len(words) < all {
		words = append(words, "…")
	}
	return strings.Join(words, ", ")
}
