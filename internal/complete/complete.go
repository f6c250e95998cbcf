// Package complete has a shell complete command lines. Its scripts, for bash, zsh
// and fish, ask the program itself what may stand at the cursor; the program
// answers from its grammar, and of what only the files know, such as the names of
// classes, through functions of its own.
package complete

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Ask is the first argument with which a script asks; the others are the shell's
// name and what it knows of the line.
const Ask = "__complete"

// Command is the grammar of the command that prints a script.
type Command struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Candidate is what may stand at the cursor.
type Candidate struct {
	Value string
	Help  string // "" none
}

// Line is a command line as far as the cursor.
type Line struct {
	Words []string   // the whole words behind the program's name
	Node  *kong.Node // the command that they name
	Args  []string   // those of Words that are the command's arguments
}

// Values are the values of flags and arguments whose tag complete has that name.
// They are called with the line, and may read files; an error is no candidates.
type Values map[string]func(Line) []Candidate

// Files is what else may stand at the cursor.
type Files int

// Of the names of files there are completed none, all, those of folders, or those
// that a verb of .beton files takes.
const (
	NoFiles Files = iota
	AnyFiles
	Folders
	Betons
)

// betons are the patterns of Betons.
const betons = "*.beton *.json"

// At returns what may stand in the place of word, behind words.
func At(app *kong.Application, values Values, words []string, word string) ([]Candidate, Files) {
	l := Line{Words: words, Node: app.Node}
	var open *kong.Flag // that the word is the value of
	given := map[*kong.Flag]bool{}
	only := false // arguments, behind --
	for _, w := range words {
		switch {
		case open != nil:
			open = nil
		case only || w == "-" || !strings.HasPrefix(w, "-"):
			if c := child(l.Node, w); c != nil && len(l.Args) == 0 && !only {
				l.Node = c
			} else {
				l.Args = append(l.Args, w)
			}
		case w == "--":
			only = true
		default:
			name, _, valued := strings.Cut(w, "=")
			if f := flag(l.Node, name); f != nil {
				given[f] = true
				if !valued && !f.IsBool() {
					open = f
				}
			}
		}
	}
	switch {
	case open != nil:
		return l.values(values, open.Value, word)
	case !only && strings.HasPrefix(word, "--") && strings.Contains(word, "="):
		name, value, _ := strings.Cut(word, "=")
		f := flag(l.Node, name)
		if f == nil || f.IsBool() {
			return nil, NoFiles
		}
		list, files := l.values(values, f.Value, value)
		for i := range list {
			list[i].Value = name + "=" + list[i].Value
		}
		return list, files
	case !only && strings.HasPrefix(word, "-"):
		return starting(flags(l.Node, given), word), NoFiles
	}
	if len(l.Node.Children) > 0 && len(l.Args) == 0 {
		return starting(commands(l.Node), word), NoFiles
	}
	if n := len(l.Node.Positional); n > 0 && len(l.Args) < n || n > 0 && l.Node.Positional[n-1].IsCumulative() {
		return l.values(values, l.Node.Positional[min(len(l.Args), n-1)], word)
	}
	return nil, NoFiles
}

// values are those of a flag or an argument.
func (l Line) values(values Values, v *kong.Value, word string) ([]Candidate, Files) {
	var list []Candidate
	kind := v.Tag.Get("complete")
	switch {
	case v.Enum != "":
		for name := range strings.SplitSeq(v.Enum, ",") {
			if name != "" {
				list = append(list, Candidate{Value: name})
			}
		}
		return starting(list, word), NoFiles
	case values[kind] != nil:
		before := "" // of a list with commas, what is there already
		if v.IsSlice() && v.Tag.Sep == ',' {
			before = word[:strings.LastIndexByte(word, ',')+1]
		}
		there := strings.Split(before, ",")
		for _, c := range values[kind](l) {
			if !slices.Contains(there, c.Value) {
				list = append(list, Candidate{before + c.Value, c.Help})
			}
		}
		return starting(list, word), NoFiles
	case kind == "beton":
		return nil, Betons
	case kind == "dir" || kind == "" && v.Flag != nil && v.Flag.PlaceHolder == "DIR":
		return nil, Folders
	case kind == "file" || kind == "" && v.Flag != nil && v.Flag.PlaceHolder == "FILE":
		return nil, AnyFiles
	case kind == "" && v.Flag != nil: // fail|skip, or jpg|raw
		for name := range strings.SplitSeq(v.Flag.PlaceHolder, "|") {
			if name != "" && name == strings.ToLower(name) {
				list = append(list, Candidate{Value: name})
			}
		}
		return starting(list, word), NoFiles
	}
	return nil, NoFiles
}

func starting(list []Candidate, word string) []Candidate {
	return slices.DeleteFunc(list, func(c Candidate) bool { return !strings.HasPrefix(c.Value, word) })
}

func child(n *kong.Node, name string) *kong.Node {
	for _, c := range n.Children {
		if c.Name == name || slices.Contains(c.Aliases, name) {
			return c
		}
	}
	return nil
}

func commands(n *kong.Node) (list []Candidate) {
	for _, c := range n.Children {
		if !c.Hidden {
			list = append(list, Candidate{c.Name, c.Help})
		}
	}
	return list
}

// flag finds a flag by --name, an alias, or -n.
func flag(n *kong.Node, name string) *kong.Flag {
	for ; n != nil; n = n.Parent {
		for _, f := range n.Flags {
			long := strings.TrimPrefix(name, "--")
			if long != name && (f.Name == long || slices.Contains(f.Aliases, long)) || f.Short != 0 && name == "-"+string(f.Short) {
				return f
			}
		}
	}
	return nil
}

// flags are those that may still be given.
func flags(n *kong.Node, given map[*kong.Flag]bool) (list []Candidate) {
	for ; n != nil; n = n.Parent {
		for _, f := range n.Flags {
			if !f.Hidden && (!given[f] || f.IsCumulative()) {
				list = append(list, Candidate{"--" + f.Name, f.Help})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Candidate) int { return strings.Compare(a.Value, b.Value) })
	return list
}

// Answer prints what a script asks for: args are those behind Ask. The first line
// is the kind of files, or -, and for bash the word as far as it is typed; each
// other line is a candidate, with its help behind a tab.
func Answer(w io.Writer, app *kong.Application, values Values, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s: expected a shell and a command line", Ask)
	}
	var words []string
	word, cut, quoted := "", 0, false
	switch shell, rest := args[0], args[1:]; {
	case shell == "bash" && len(rest) == 1:
		words, word, quoted = split(rest[0])
		words = words[min(1, len(words)):] // the program
		cut = strings.LastIndexAny(word, "=:") + 1
	case shell != "bash" && len(rest) > 0:
		words, word = rest[:len(rest)-1], rest[len(rest)-1]
	}
	list, files := At(app, values, words, word)
	if shell := args[0]; shell == "zsh" && strings.HasPrefix(word, "--") {
		cut = strings.IndexByte(word, '=') + 1
	}
	kind := map[Files]string{NoFiles: "-", AnyFiles: "files", Folders: "folders", Betons: betons}[files]
	var b strings.Builder
	fmt.Fprintf(&b, "%s\t%s\n", kind, word[min(cut, len(word)):])
	for _, c := range list {
		value := c.Value
		if cut <= len(value) {
			value = value[cut:]
		}
		if strings.ContainsAny(value, "\t\n\r") {
			continue // no shell's list has it
		}
		if args[0] == "bash" && !quoted {
			value = escape(value)
		}
		fmt.Fprintf(&b, "%s\t%s\n", value, brief(c.Help))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// brief is help in a line.
func brief(help string) string {
	if i := strings.Index(help, ". "); i >= 0 {
		help = help[:i]
	}
	return strings.Join(strings.Fields(strings.TrimSuffix(help, ".")), " ")
}

// split takes a line of bash apart into the words before the last, and the last
// one, which may be empty or have an open quote.
func split(line string) (words []string, word string, open bool) {
	var b strings.Builder
	begun := false
	var quote rune
	escaped := false
	for _, c := range line {
		switch {
		case escaped:
			if quote == '"' && !strings.ContainsRune("\"\\$`", c) {
				b.WriteByte('\\')
			}
			b.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped, begun = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, begun = c, true
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n'):
			if begun {
				words = append(words, b.String())
				b.Reset()
				begun = false
			}
		default:
			b.WriteRune(c)
			begun = true
		}
	}
	return words, b.String(), quote != 0
}

// escape writes a word as bash reads it.
func escape(word string) string {
	var b strings.Builder
	for _, c := range word {
		if strings.ContainsRune(" \"'\\$`!&|;<>()[]{}*?#~^", c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}
