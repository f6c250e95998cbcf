// Package clitest has the tests that are the same for all commands: that every
// example of every --help runs, that flags called alike mean the same, and that
// what reports does so in JSON too.
package clitest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/internal/term"
)

// Program is a command to be tested.
type Program struct {
	Name    string
	Grammar func() any // a new one, a pointer
	Pages   *term.Pages
	Run     func(t *testing.T, args []string, stdout, stderr io.Writer) (code int)
}

// model is the program's grammar.
func (p *Program) model() *kong.Application {
	return term.Model(p.Name, "", p.Grammar())
}

// walk calls a function with each command that is seen, the program first.
func walk(n *kong.Node, visit func(path string, n *kong.Node)) {
	visit(n.Path(), n)
	for _, c := range n.Children {
		if !c.Hidden {
			walk(c, visit)
		}
	}
}

// Manuals checks that each command has a manual with examples of its own.
func (p *Program) Manuals(t *testing.T) {
	known := map[string]bool{}
	walk(p.model().Node, func(path string, n *kong.Node) {
		if n.Parent == nil {
			path = ""
		}
		known[path] = true
		m, ok := p.Pages.Manuals[path]
		if !ok || m.Text == "" || len(m.Examples) == 0 || len(m.Examples) > 5 {
			t.Errorf("%s %s: a manual with a text and one to five examples is wanted; it has %d", p.Name, path, len(m.Examples))
		}
		for _, e := range m.Examples {
			if !strings.HasPrefix(e.Command+" ", strings.TrimSpace(p.Name+" "+path)+" ") {
				t.Errorf("%s %s: the example is of another command: %s", p.Name, path, e.Command)
			}
		}
	})
	for path := range p.Pages.Manuals {
		if !known[path] {
			t.Errorf("%s: a manual of %q, which there is not", p.Name, path)
		}
	}
}

// World is where examples run.
type World struct {
	// Make puts the files that a command names into the working folder.
	Make func(t *testing.T, command string)
	// Bucket returns what takes the place of s3://bucket in the next command; nil
	// leaves those out that need it.
	Bucket func() string
	// Parsed are commands, by their path, whose examples are parsed and not run, each
	// with the reason.
	Parsed map[string]string
}

// Examples runs every example of every --help, each in a folder of its own: those
// with a bucket if there is one, else the others.
func (p *Program) Examples(t *testing.T, w *World) {
	if race.Enabled {
		t.Skip("what the commands do side by side the scripts have run: these take a process each")
	}
	for _, path := range slices.Sorted(maps.Keys(p.Pages.Manuals)) {
		for i, e := range p.Pages.Manuals[path].Examples {
			remote := strings.Contains(e.Command, "s3://bucket/")
			if remote != (w.Bucket != nil) {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", strings.ReplaceAll(path, " ", "-"), i), func(t *testing.T) {
				t.Chdir(t.TempDir())
				if why := w.Parsed[path]; why != "" {
					t.Logf("only parsed: %s: %s", e.Command, why)
					p.parse(t, e.Command)
					return
				}
				w.Make(t, e.Command)
				command := e.Command
				if remote {
					command = strings.ReplaceAll(command, "s3://bucket", w.Bucket())
				}
				words := Split(t, command)
				var stdout, stderr bytes.Buffer
				if code := p.Run(t, words[1:], &stdout, &stderr); code != 0 {
					t.Errorf("%s: exit code %d\n%s%s", e.Command, code, &stdout, &stderr)
				}
				if stdout.Len() == 0 && !strings.Contains(e.Command, "-o ") {
					t.Errorf("%s: it prints nothing", e.Command)
				}
			})
		}
	}
}

// Overview checks that the commands of the overview can be parsed.
func (p *Program) Overview(t *testing.T) {
	n := 0
	for line := range strings.Lines(p.Pages.Overview) {
		if command, ok := strings.CutPrefix(line, "  "+p.Name+" "); ok {
			command, _, _ = strings.Cut(strings.TrimSpace(command), "  ")
			if regexp.MustCompile(` [a-z]+, |\.beton [a-z]+ `).MatchString(command) {
				command = command[:strings.Index(command, ".beton ")+len(".beton")]
			}
			p.parse(t, p.Name+" "+command)
			n++
		}
		if len([]rune(strings.TrimRight(line, "\n"))) > 100 {
			t.Errorf("longer than 100 columns: %s", line)
		}
	}
	if lines := strings.Count(p.Pages.Overview, "\n"); n < 5 || lines > 40 {
		t.Errorf("%s: an overview of %d lines with %d commands; a screen with some is wanted", p.Name, lines, n)
	}
}

// parse checks that a command is one.
func (p *Program) parse(t *testing.T, command string) {
	t.Helper()
	var out, errs bytes.Buffer
	k, code := term.Parse(p.Name, "", p.Grammar(), Split(t, command)[1:], &out, &errs)
	if k == nil && code != 0 {
		t.Errorf("%s: %s", command, &errs)
	}
}

// Split takes a command apart into words as a shell does, with its quotes and
// patterns.
func Split(t *testing.T, command string) (words []string) {
	t.Helper()
	var b strings.Builder
	begun, quoted := false, false
	var quote rune
	end := func() {
		word := b.String()
		list, _ := filepath.Glob(word)
		switch {
		case !begun:
		case !quoted && strings.ContainsAny(word, "*?[") && len(list) > 0:
			words = append(words, list...)
		default:
			words = append(words, word)
		}
		b.Reset()
		begun, quoted = false, false
	}
	for _, c := range command {
		switch {
		case quote == 0 && c == ' ':
			end()
		case quote == 0 && (c == '\'' || c == '"'):
			quote, begun, quoted = c, true, true
		case c == quote:
			quote = 0
		default:
			b.WriteRune(c)
			begun = true
		}
	}
	if end(); quote != 0 {
		t.Fatalf("%s: an open quote", command)
	}
	return words
}

// JSON checks that each command that there is no reason against has --json.
func (p *Program) JSON(t *testing.T, without map[string]string) {
	walk(p.model().Node, func(path string, n *kong.Node) {
		if len(n.Children) > 0 {
			return
		}
		has := slices.ContainsFunc(n.Flags, func(f *kong.Flag) bool { return f.Name == "json" })
		if why, ok := without[path]; ok == has {
			t.Errorf("%s %s: --json is there: %v; reason not to have it: %q", p.Name, path, has, why)
		}
	})
}
