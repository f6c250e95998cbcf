package clitest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/betongo/betongo/internal/term"
)

// row is a flag in the table of all commands' flags.
type row struct {
	name     string // --output, -o
	takes    string // yes, no
	meaning  string // what its help begins with
	programs []string
}

// header is what stands above the rows of the table.
const header = `# Flags of the commands

What is called alike means the same in all commands and verbs; --help of each says more. This table is held by tests.

| Flag | Value | Meaning | In |
| --- | --- | --- | --- |
`

// Flags checks that a name of a flag has one meaning in a program, the one that it
// has in the table, which all programs share. Where BETONGO_UPDATE is set the
// table is written anew with the flags of this program.
func (p *Program) Flags(t *testing.T, table string) {
	own := p.rows(t)
	text, err := os.ReadFile(table)
	if err != nil && os.Getenv("BETONGO_UPDATE") == "" {
		t.Fatal(err)
	}
	all := parseTable(string(text))
	if os.Getenv("BETONGO_UPDATE") != "" {
		if err := os.WriteFile(table, []byte(p.update(all, own)), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	for name, r := range own {
		switch want, ok := all[name]; {
		case !ok || !slices.Contains(want.programs, p.Name):
			t.Errorf("%s: %s is not in %s; BETONGO_UPDATE=1 adds it", p.Name, name, table)
		case r.takes != want.takes || r.meaning != want.meaning:
			t.Errorf("%s: %s means %q (value: %s); in %s %q (%s)", p.Name, name, r.meaning, r.takes, table, want.meaning, want.takes)
		}
	}
	for name, r := range all {
		if _, ok := own[name]; !ok && slices.Contains(r.programs, p.Name) {
			t.Errorf("%s has no %s; BETONGO_UPDATE=1 takes it out of %s", p.Name, name, table)
		}
	}
}

// rows are a program's flags; two of one name and several meanings are errors.
func (p *Program) rows(t *testing.T) map[string]row {
	own := map[string]row{}
	shorts := map[rune]string{}
	walk(p.model().Node, func(path string, n *kong.Node) {
		for _, f := range n.Flags {
			r := row{name: "--" + f.Name, takes: "yes", meaning: meaning(f.Help)}
			if f.Short != 0 {
				r.name += ", -" + string(f.Short)
				if other := shorts[f.Short]; other != "" && other != f.Name {
					t.Errorf("%s: -%c is --%s and --%s", p.Name, f.Short, other, f.Name)
				}
				shorts[f.Short] = f.Name
			}
			if f.IsBool() {
				r.takes = "no"
			}
			if !strings.HasSuffix(f.Help, ".") {
				t.Errorf("%s %s --%s: its help is no sentence: %q", p.Name, path, f.Name, f.Help)
			}
			if first, ok := own[f.Name]; ok && (first.meaning != r.meaning || first.takes != r.takes || first.name != r.name) {
				t.Errorf("%s %s: %s means %q (value: %s), elsewhere %s %q (%s)", p.Name, path, r.name, r.meaning, r.takes, first.name, first.meaning, first.takes)
			}
			own[f.Name] = r
		}
	})
	named := map[string]row{}
	for _, r := range own {
		named[r.name] = r
	}
	return named
}

// meaning is what help begins with: its first sentence, up to a colon.
func meaning(help string) string {
	text := term.FirstSentence(help)
	if before, _, ok := strings.Cut(text, ": "); ok && strings.Count(before, "(") == strings.Count(before, ")") {
		text = before
	}
	return strings.TrimSuffix(text, ".") + "."
}

func parseTable(text string) map[string]row {
	all := map[string]row{}
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.ReplaceAll(line, `\|`, "\x00"), " | ")
		if len(cells) != 4 || !strings.HasPrefix(line, "| `--") {
			continue
		}
		cell := func(i int) string {
			return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(cells[i]), "| "), " |"), "\x00", "|")
		}
		r := row{name: strings.ReplaceAll(cell(0), "`", ""), takes: cell(1), meaning: cell(2), programs: strings.Split(cell(3), ", ")}
		all[r.name] = r
	}
	return all
}

// update is the table with the program's flags.
func (p *Program) update(all, own map[string]row) string {
	for name, r := range all {
		r.programs = slices.DeleteFunc(r.programs, func(s string) bool { return s == p.Name })
		all[name] = r
	}
	for name, r := range own {
		r.programs = append(slices.Clone(all[name].programs), p.Name)
		all[name] = r
	}
	var lines []string
	for _, r := range all {
		if len(r.programs) > 0 {
			slices.Sort(r.programs)
			lines = append(lines, fmt.Sprintf("| `%s` | %s | %s | %s |\n", strings.ReplaceAll(r.name, ", ", "`, `"), r.takes, strings.ReplaceAll(r.meaning, "|", `\|`), strings.Join(r.programs, ", ")))
		}
	}
	slices.Sort(lines)
	return header + strings.Join(lines, "")
}
