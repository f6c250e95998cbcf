package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/betongo/betongo/benchmarks/result"
)

// page is a report as Markdown, as a file of its own or as a part of another.
type page struct {
	strings.Builder
	f      *result.File
	level  string // of headings
	images string // where the plots are, from the page on
}

// markdown tells all of the results.
func markdown(f *result.File, level, images string) string {
	p := &page{f: f, level: level, images: images}
	p.preface()
	for _, work := range works(f) {
		p.work(work)
	}
	p.skipped()
	p.versions()
	return p.String()
}

// preface says where, when and how.
func (p *page) preface() {
	f := p.f
	fmt.Fprintf(p, "Measured on %s: %s. %s Commit %s. Command: `%s`.\n", f.Started.UTC().Format("2 January 2006"), machine(f), photos(f), commit(f), command(f))
	loads := load(f)
	if loads.N > 0 {
		fmt.Fprintf(p, "The machine's load in the minute before a run was %.1f (%.1f to %.1f).\n", loads.Median, loads.Min, loads.Max)
		if loads.Median > float64(f.Machine.Processors) {
			p.WriteString("That is other work too: times on the wall are longer than they would be, and CPU times and their ratios are what to look at.\n")
		}
	}
	fmt.Fprintf(p, `
Every run is a process of its own. A round has one run of each system, one after another, in every other round the other way round. Figures are medians
of the rounds; "times %s" is the median of the ratios of the runs of a round, with the least and the greatest, or from %d rounds on with what bounds it with 95 %%.
CPU is user and system time of the process and its children over the samples, without its start; the first batch is from the process's start on. Memory
is the most that was the process's own. Less is better, but for samples a second. A ratio is between equals only where the lists below a table say the same.
`, Base, result.Enough)
}

// machine is a sentence's piece about the machine.
func machine(f *result.File) string {
	m := f.Machine
	parts := []string{m.System}
	if m.Processor != "" {
		parts = append(parts, plain(m.Processor))
	}
	if parts = append(parts, fmt.Sprintf("%d processors", m.Processors)); m.Processors == 1 {
		parts[len(parts)-1] = "1 processor"
	}
	if m.Memory > 0 {
		parts = append(parts, size(float64(m.Memory))+" of memory")
	}
	return strings.Join(append(parts, m.Go), ", ")
}

// photos is a sentence about the photographs, or nothing.
func photos(f *result.File) string {
	if f.Photos.Count == 0 {
		return ""
	}
	s := fmt.Sprintf("%s photographs of %s", count(f.Photos.Count), size(float64(f.Photos.Bytes)))
	if f.Photos.Made != "" {
		s += ", " + plain(f.Photos.Made)
	}
	return s + "."
}

func commit(f *result.File) string {
	s := f.Commit[:min(12, len(f.Commit))]
	if f.Dirty {
		s += " with changes"
	}
	return s
}

func command(f *result.File) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(strings.Join(f.Command, " ")), " "), "`", "'")
}

// load is the machine's over all runs.
func load(f *result.File) result.Stat {
	one := &result.File{}
	for i, r := range f.Runs {
		one.Runs = append(one.Runs, result.Run{Work: "all", System: Base, Round: i + 1, Load: r.Load})
	}
	if rows := result.Compare(one, "all", Base); len(rows) > 0 {
		return rows[0].Load
	}
	return result.Stat{}
}

// work tells of one work: plot, table, what is decoded how, what failed.
func (p *page) work(work string) {
	rows := result.Compare(p.f, work, Base)
	if !slices.ContainsFunc(rows, func(r result.Row) bool { return !r.Failed() }) {
		return // told among what was skipped
	}
	k := kindOf(work)
	samples := 0
	for _, r := range rows {
		samples = max(samples, r.Samples)
	}
	fmt.Fprintf(p, "\n%s %s\n\n", p.level, k.title)
	if samples > 0 {
		fmt.Fprintf(p, "Up to %s samples a run. ", count(samples))
	}
	fmt.Fprintf(p, "`--only %s`\n\n", work)
	if names := plotNames(rows); len(names) > 0 {
		for _, name := range names {
			fmt.Fprintf(p, "![%s: %s](%s%s)\n", k.title, figures[name.figure].title, p.images, name.file)
		}
		p.WriteString("\n")
	}
	p.table(k, rows)
	p.notes(rows)
}

// table is one line for each system.
func (p *page) table(k kind, rows []result.Row) {
	lines := [][]string{{"system", "CPU a " + k.unit, "times " + Base, k.unit + "s a second", "first batch", "memory", "one access, median", "times " + Base, "99 of 100 within", "file", "times " + Base, "rounds"}}
	for _, r := range rows {
		if r.Failed() {
			continue
		}
		name := called(r.System)
		if r.System == Base {
			name = "**" + name + "**"
		}
		line := []string{name, of(r.CPU, seconds), times(r.CPURatio), of(r.Wall, rate), of(r.FirstBatch, seconds), of(r.PeakMemory, size),
			of(r.P50, seconds), times(r.P50Ratio), of(r.P99, seconds), of(r.FileSize, size), bareRatio(r.FileSizeRatio), fmt.Sprint(r.Load.N)}
		if r.System == Base {
			for _, c := range []int{2, 7, 10} {
				line[c] = ""
				if line[c-1] != "" {
					line[c] = "1"
				}
			}
		}
		lines = append(lines, line)
	}
	table(&p.Builder, lines)
}

// bareRatio writes the median of a ratio whose pairs are all the same.
func bareRatio(r result.Ratio) string {
	if r.Pairs == 0 {
		return ""
	}
	return three(r.Median)
}

// notes says what each system decodes how, and what runs failed beside good ones.
func (p *page) notes(rows []result.Row) {
	var systems []string // by note, each once
	by := map[string][]string{}
	for _, r := range rows {
		if r.Note == "" || r.Failed() {
			continue
		}
		if by[r.Note] == nil {
			systems = append(systems, r.Note)
		}
		by[r.Note] = append(by[r.Note], called(r.System))
	}
	if len(systems) > 0 {
		p.WriteString("\n")
	}
	for _, note := range systems {
		fmt.Fprintf(p, "- %s: %s\n", strings.Join(by[note], ", "), plain(note))
	}
	for _, r := range rows {
		if len(r.Errors) > 0 && !r.Failed() {
			fmt.Fprintf(p, "\nOf %s some runs failed: %s\n", called(r.System), plain(strings.Join(r.Errors, "; ")))
		}
	}
}

// skipped lists what was not measured, and what failed whenever it was tried.
func (p *page) skipped() {
	var lines []string
	for _, s := range p.f.Skipped {
		name := called(s.System)
		if s.Work != "" {
			name += ", " + s.Work
		}
		lines = append(lines, fmt.Sprintf("- %s: %s\n", name, plain(s.Reason)))
	}
	for _, work := range works(p.f) {
		for _, r := range result.Compare(p.f, work, Base) {
			if r.Failed() {
				lines = append(lines, fmt.Sprintf("- %s, %s, failed: %s\n", called(r.System), work, plain(strings.Join(r.Errors, "; "))))
			}
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(p, "\n%s Not measured\n\n%s", p.level, strings.Join(lines, ""))
	}
}

// versions lists what each system was.
func (p *page) versions() {
	if len(p.f.Versions) == 0 {
		return
	}
	fmt.Fprintf(p, "\n%s Versions\n\n", p.level)
	lines := [][]string{{"system", "versions"}}
	for _, system := range slices.Sorted(maps.Keys(p.f.Versions)) {
		lines = append(lines, []string{called(system), plain(p.f.Versions[system])})
	}
	table(&p.Builder, lines)
}
