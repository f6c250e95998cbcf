package term

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"
)

// common is the group of the flags that every command has.
const common = "Common"

// Manual is what --help says of a command besides its arguments and flags.
type Manual struct {
	// Text is what the command is for, what it reads and what it writes. Paragraphs
	// have an empty line between them; lines that begin with two spaces stay as they
	// are.
	Text     string
	Exit     map[int]string // what exit codes mean, where it is not the usual
	Examples []Example
}

// Example is a command that a reader may type.
type Example struct {
	Command string
	What    string // that it does
}

// exitCodes is what they usually mean.
var exitCodes = map[int]string{ExitDone: "done", ExitFailed: "it failed", ExitUsage: "wrong usage: nothing was read or written"}

// print is kong's printer of help.
func (p *Pages) print(_ kong.HelpOptions, k *kong.Context) error {
	w := &page{width: width(k.Stdout), colours: colours(k.Stdout)}
	node, path := k.Model.Node, ""
	if s := k.Selected(); s != nil {
		node, path = s, s.Path()
	}
	w.command(k.Model, node, path, p.Manuals[path])
	_, err := io.WriteString(under(k.Stdout), w.String())
	return err
}

// overview prints what stands for no arguments; lines that end with a colon are
// headings.
func overview(out io.Writer, text string) {
	w := &page{colours: colours(out)}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if strings.HasSuffix(line, ":") && !strings.HasPrefix(line, " ") {
			line = w.paint(bold, line)
		}
		w.line(line)
	}
	_, _ = io.WriteString(under(out), w.String())
}

// page is a text in the making.
type page struct {
	strings.Builder
	width   int
	colours bool
}

func (w *page) line(text string) { w.WriteString(strings.TrimRight(text, " ") + "\n") }

func (w *page) paint(s style, text string) string {
	if w.colours {
		return s.paint(text)
	}
	return text
}

// heading begins a section.
func (w *page) heading(text string) {
	w.line("")
	w.line(w.paint(bold, text+":"))
}

// wrap breaks a text into lines of at most width less indent columns.
func wrap(text string, columns int) (lines []string) {
	line, used := "", 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		if used > 0 && used+1+n > columns {
			lines, line, used = append(lines, line), "", 0
		}
		if used > 0 {
			line, used = line+" ", used+1
		}
		line, used = line+word, used+n
	}
	return append(lines, line)
}

// prose prints paragraphs.
func (w *page) prose(text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			w.line("")
		}
		if strings.HasPrefix(paragraph, "  ") {
			w.line(paragraph)
			continue
		}
		for _, line := range wrap(paragraph, w.width) {
			w.line(line)
		}
	}
}

// leftMost is how wide the left one of two columns may be.
const leftMost = 26

// columns prints rows of two columns, the right one wrapped.
func (w *page) columns(rows [][2]string) {
	left := 0
	for _, r := range rows {
		if n := utf8.RuneCountInString(r[0]); n <= leftMost {
			left = max(left, n)
		}
	}
	indent := strings.Repeat(" ", left+4)
	for _, r := range rows {
		lines := wrap(r[1], w.width-left-4)
		n := utf8.RuneCountInString(r[0])
		if n > left {
			w.line("  " + r[0])
		} else {
			w.line("  " + r[0] + strings.Repeat(" ", left-n+2) + lines[0])
			lines = lines[1:]
		}
		for _, line := range lines {
			w.line(indent + line)
		}
	}
}

// command prints the page of a command.
func (w *page) command(app *kong.Application, node *kong.Node, path string, m Manual) {
	w.line(w.paint(bold, "Usage:") + " " + usageLine(app, node, path))
	w.line("")
	w.prose(node.Help)
	if m.Text != "" {
		w.line("")
		w.prose(m.Text)
	}
	w.arguments(node)
	w.commands(app, node)
	w.flags(node)
	w.heading("Exit codes")
	for code := ExitDone; code <= ExitUsage; code++ {
		what := exitCodes[code]
		if own, ok := m.Exit[code]; ok {
			what = own
		}
		w.columns([][2]string{{fmt.Sprint(code), what}})
	}
	if len(m.Examples) > 0 {
		w.heading("Examples")
		for _, e := range m.Examples {
			if e.What != "" {
				w.line("  # " + e.What)
			}
			w.line("  " + e.Command)
		}
	}
}

// usageLine is a command with what it must have.
func usageLine(app *kong.Application, node *kong.Node, path string) string {
	words := []string{app.Name}
	if path != "" {
		words = append(words, path)
	}
	if len(node.Children) > 0 {
		words = append(words, "COMMAND …")
	}
	for _, arg := range node.Positional {
		text := argument(arg)
		if !arg.Required {
			text = "[" + text + "]"
		}
		words = append(words, text)
	}
	for _, f := range node.Flags {
		if f.Required {
			words = append(words, flagName(f))
		}
	}
	return strings.Join(append(words, "[flags]"), " ")
}

// argument is how an argument is called: FILE, or FILE….
func argument(arg *kong.Value) string {
	name := strings.ToUpper(strings.ReplaceAll(arg.Name, "-", "_"))
	if arg.IsCumulative() {
		name += "…"
	}
	return name
}

// flagName is a flag with what it takes, by its short name where it has one.
func flagName(f *kong.Flag) string {
	switch {
	case f.Short != 0 && f.IsBool():
		return "-" + string(f.Short)
	case f.Short != 0:
		return "-" + string(f.Short) + " " + f.FormatPlaceHolder()
	case f.IsBool():
		return "--" + f.Name
	}
	return "--" + f.Name + " " + f.FormatPlaceHolder()
}

func (w *page) arguments(node *kong.Node) {
	var rows [][2]string
	for _, arg := range node.Positional {
		rows = append(rows, [2]string{argument(arg), arg.Help})
	}
	if len(rows) > 0 {
		w.heading("Arguments")
		w.columns(rows)
	}
}

// commands lists the commands below one, by groups.
func (w *page) commands(app *kong.Application, node *kong.Node) {
	var titles []string
	rows := map[string][][2]string{}
	for _, c := range node.Children {
		if c.Hidden {
			continue
		}
		title := "Commands"
		if c.Group != nil {
			title = c.Group.Title
		}
		if rows[title] == nil {
			titles = append(titles, title)
		}
		rows[title] = append(rows[title], [2]string{c.Name, c.Help})
	}
	for _, title := range titles {
		w.heading(title)
		w.columns(rows[title])
	}
	if len(titles) > 0 {
		w.line("")
		w.line("'" + strings.TrimSpace(app.Name+" "+strings.TrimSpace(node.Path())) + " COMMAND --help' tells all of a command.")
	}
}

// flags lists a command's flags by groups, those of all commands last.
func (w *page) flags(node *kong.Node) {
	var titles []string
	rows := map[string][][2]string{}
	for n := node; n != nil; n = n.Parent {
		for _, f := range n.Flags {
			if f.Hidden {
				continue
			}
			title := "Flags"
			if f.Group != nil && (n.Group == nil || f.Group.Key != n.Group.Key) {
				title = f.Group.Title
			}
			if rows[title] == nil {
				titles = append(titles, title)
			}
			rows[title] = append(rows[title], flagRow(f))
		}
	}
	last := []string{"Object stores", common}
	for _, title := range titles {
		if title != last[0] && title != last[1] {
			w.heading(title)
			w.columns(rows[title])
		}
	}
	for _, title := range last {
		if rows[title] != nil {
			w.heading(title)
			w.columns(rows[title])
		}
	}
}

func flagRow(f *kong.Flag) [2]string {
	left := "    --" + f.Name
	if f.Short != 0 {
		left = "-" + string(f.Short) + ", --" + f.Name
	}
	if !f.IsBool() {
		left += "=" + f.FormatPlaceHolder()
	}
	return [2]string{left, f.Help}
}
