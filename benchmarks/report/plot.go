package report

import (
	"bytes"
	"fmt"
	"html"
	"image/color"
	"regexp"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/betongo/betongo/benchmarks/result"
)

// figure is what a plot can show of each system.
type figure struct {
	name  string // of the file, behind the work's
	title string
	of    func(*result.Row) (result.Stat, result.Ratio)
	bytes bool // else seconds
}

// figures are plotted in this order, each where two systems have it.
var figures = []figure{
	{"cpu", "CPU time a sample", func(r *result.Row) (result.Stat, result.Ratio) { return r.CPU, r.CPURatio }, false},
	{"first-batch", "time to the first batch", func(r *result.Row) (result.Stat, result.Ratio) { return r.FirstBatch, r.FirstBatchRatio }, false},
	{"memory", "memory", func(r *result.Row) (result.Stat, result.Ratio) { return r.PeakMemory, r.MemoryRatio }, true},
	{"latency", "time of one access", func(r *result.Row) (result.Stat, result.Ratio) { return r.P50, r.P50Ratio }, false},
}

// plotFile is one plot of a work.
type plotFile struct {
	file   string
	figure int // in figures
}

// plotNames returns the plots that there are of a work's rows. Start and memory
// are plotted of the headline's work alone: of the others they tell the same.
func plotNames(rows []result.Row) []plotFile {
	var list []plotFile
	for i, fig := range figures {
		n := 0
		for _, r := range rows {
			if s, _ := fig.of(&r); s.N > 0 && !r.Failed() {
				n++
			}
		}
		if about := fig.name == "first-batch" || fig.name == "memory"; n >= 2 && (!about || rows[0].Work == headline) {
			list = append(list, plotFile{rows[0].Work + "-" + fig.name + ".svg", i})
		}
	}
	return list
}

// plots draws all plots of the results, by the name of their files: the same
// bytes for the same results.
func plots(f *result.File) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, work := range works(f) {
		rows := result.Compare(f, work, Base)
		for _, name := range plotNames(rows) {
			b, err := bars(kindOf(work), figures[name.figure], rows)
			if err != nil {
				return nil, fmt.Errorf("plot %s: %w", name.file, err)
			}
			files[name.file] = b
		}
	}
	return files, nil
}

// shade is one colour of the plots, by day and by night. In the picture they are
// variables, so that the reader's choice of light or dark has its own.
type shade struct{ name, light, dark string }

var shades = []shade{
	{"paper", "#FFFFFF", "#0D1117"},
	{"ink", "#1F2328", "#E6EDF3"},
	{"rule", "#D1D9E0", "#3D444D"},
	{"own", "#0969DA", "#4493F8"},
	{"other", "#A8B1BA", "#656C76"},
}

// ink returns the light colour of a shade's name, by which it is found again in
// what was drawn.
func ink(name string) color.Color {
	for _, s := range shades {
		if s.name == name {
			var c color.RGBA
			if _, err := fmt.Sscanf(s.light, "#%02X%02X%02X", &c.R, &c.G, &c.B); err == nil {
				c.A = 0xff
				return c
			}
		}
	}
	panic("report: no shade " + name)
}

const (
	width     = 22 * vg.Centimeter
	barPitch  = 0.8 * vg.Centimeter
	barHeight = 0.46 * vg.Centimeter
	margin    = 2 * vg.Centimeter // title and axis
	textSize  = 10

	titleHeight = 0.8 * vg.Centimeter
)

func letters(size float64) text.Style {
	return text.Style{Color: ink("ink"), Font: font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, font.Length(size)), Handler: plot.DefaultTextHandler}
}

// bars draws a bar for each system, the first on top, with a line from the least
// to the greatest round.
func bars(k kind, fig figure, rows []result.Row) ([]byte, error) {
	var values []bar
	most, high := 0.0, 0.0 // of the medians, and of all rounds
	for i := range rows {
		if s, ratio := fig.of(&rows[i]); s.N > 0 {
			values = append([]bar{{called(rows[i].System), own(rows[i].System), s, ratio}}, values...)
			most, high = max(most, s.Median), max(high, s.Max)
		}
	}
	factor, unit := scale(most)
	if fig.bytes {
		factor, unit = 1.0/(1<<20), "MiB"
	}
	p := frame(k, fig, unit)
	p.X.Max = high * factor * 1.24 // room for what stands behind the bars
	names := make([]string, len(values))
	for i, b := range values {
		names[i] = b.name
		if err := b.draw(p, float64(i), factor, unit, fig); err != nil {
			return nil, err
		}
	}
	p.Y.Min, p.Y.Max = -0.6, float64(len(values))-0.4
	c := vgsvg.New(width, margin+barPitch*vg.Length(len(values)))
	arrange(draw.New(c), p, k.title, names)
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return nil, err
	}
	return dress(b.Bytes(), k.title+": "+fig.title), nil
}

// arrange draws title, names and plot. What is left of the bars begins at the
// edge, with room to spare: the reader's font may be wider than the one measured.
func arrange(c draw.Canvas, p *plot.Plot, title string, names []string) {
	c.SetColor(ink("paper"))
	c.Fill(c.Rectangle.Path())
	const edge = 6
	style := letters(textSize)
	left := vg.Length(0)
	for _, name := range names {
		left = max(left, style.Width(name)*1.2)
	}
	area := draw.Crop(c, 2*edge+left, -edge, edge, -titleHeight)
	p.Draw(area)
	data := p.DataCanvas(area)
	_, y := p.Transforms(&data)
	style.YAlign = text.YCenter
	for i, name := range names {
		c.FillText(style, vg.Point{X: edge, Y: y(float64(i))}, name)
	}
	style = letters(textSize + 2)
	style.YAlign = text.YTop
	c.FillText(style, vg.Point{X: edge, Y: c.Max.Y - edge}, title)
}

// frame is a plot without bars.
func frame(k kind, fig figure, unit string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = ink("paper")
	p.HideY()
	p.X.Label.Text, p.X.Label.TextStyle = strings.Replace(fig.title, "sample", k.unit, 1)+", "+unit+" (line: from the least to the greatest round)", letters(textSize-1)
	p.X.Label.TextStyle.XAlign, p.X.Label.TextStyle.YAlign = text.XCenter, text.YBottom
	p.X.Label.Padding = 2
	p.X.Min = 0
	p.X.LineStyle = draw.LineStyle{Color: ink("rule"), Width: 0.5}
	p.X.Tick.Label = letters(textSize - 1)
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = text.XCenter, text.YTop
	p.X.Tick.LineStyle = draw.LineStyle{Color: ink("rule"), Width: 0.5}
	p.X.Padding = 4
	grid := plotter.NewGrid()
	grid.Horizontal.Width = 0
	grid.Vertical = draw.LineStyle{Color: ink("rule"), Width: 0.5}
	p.Add(grid)
	return p
}

// bar is what is drawn of one system.
type bar struct {
	name  string
	own   bool
	stat  result.Stat
	ratio result.Ratio
}

// draw adds the bar in place y, its spread, and its figures behind it.
func (b bar) draw(p *plot.Plot, y, factor float64, unit string, fig figure) error {
	chart, err := plotter.NewBarChart(plotter.Values{b.stat.Median * factor}, barHeight)
	if err != nil {
		return err
	}
	chart.Horizontal, chart.XMin, chart.LineStyle.Width, chart.Color = true, y, 0, ink("other")
	if b.own {
		chart.Color = ink("own")
	}
	p.Add(chart)
	if b.stat.N > 1 {
		spread, err := plotter.NewXErrorBars(struct {
			plotter.XYs
			plotter.XErrors
		}{plotter.XYs{{X: b.stat.Median * factor, Y: y}},
			plotter.XErrors{{Low: (b.stat.Min - b.stat.Median) * factor, High: (b.stat.Max - b.stat.Median) * factor}}})
		if err != nil {
			return err
		}
		spread.LineStyle = draw.LineStyle{Color: ink("ink"), Width: 1}
		spread.CapWidth = 6
		p.Add(spread)
	}
	words := three(b.stat.Median*factor) + " " + unit
	if b.ratio.Pairs > 0 && b.name != Base {
		words += "  (" + three(b.ratio.Median) + "×)"
	}
	label, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: b.stat.Max * factor, Y: y}}, Labels: []string{words}})
	if err != nil {
		return err
	}
	label.TextStyle[0] = letters(textSize)
	label.TextStyle[0].YAlign = text.YCenter
	label.Offset = vg.Point{X: 7}
	p.Add(label)
	return nil
}

var (
	fontFamily = regexp.MustCompile(`font-family:[^;"]*;font-variant:[^;"]*;font-weight:[^;"]*;font-style:[^;"]*`)
	svgTag     = regexp.MustCompile(`(?s)<svg [^>]*>`)
	inPoints   = regexp.MustCompile(`(width|height)="([0-9.]+)pt"`)
)

// dress makes colours variables with a value for light and one for dark, lets
// the reader's own fonts serve, and says what the picture shows.
func dress(svg []byte, title string) []byte {
	s := string(svg)
	var light, dark strings.Builder
	for _, c := range shades {
		s = strings.ReplaceAll(s, ":"+c.light, ":var(--"+c.name+")")
		fmt.Fprintf(&light, "--%s:%s;", c.name, c.light)
		fmt.Fprintf(&dark, "--%s:%s;", c.name, c.dark)
	}
	s = fontFamily.ReplaceAllString(s, "font-family:'Liberation Sans',Arial,Helvetica,sans-serif")
	s = strings.Replace(s, "<!-- Generated by SVGo and Plotinum VG -->\n", "", 1)
	at := svgTag.FindStringIndex(s)
	tag := strings.Replace(inPoints.ReplaceAllString(s[at[0]:at[1]], `$1="$2"`), "<svg ", `<svg role="img" `, 1)
	style := fmt.Sprintf("<title>%s</title>\n<style>:root{%s}@media (prefers-color-scheme:dark){:root{%s}}</style>", html.EscapeString(title), light.String(), dark.String())
	return []byte(s[:at[0]] + tag + "\n" + style + s[at[1]:])
}
